//! Accuracy on items that people find close, and on those that they find clear.

use super::details::{self, Details};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline};
use crate::report::findings::{About, Findings};
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "clarity";

const KINDS: [(&str, &str, &str); 3] = [
    ("close", "Close", "The third of each subset with the smallest margins"),
    ("middle", "Between", "The third between"),
    ("clear", "Clear", "The third of each subset with the largest margins"),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let runs = details.runs("clear-less-close", &ranking(findings, benchmark));
        let rows = runs.iter().map(|run| {
            let of_kind = |(kind, ..): (&str, &str, &str)| {
                details.value(Some(*run), "accuracy", &[About::name(kind)], Unit::Percent)
            };
            let mut values: Vec<_> = KINDS.into_iter().map(of_kind).collect();
            values.push(details.value(Some(*run), "clear-less-close", &[], Unit::Points));
            MatrixRow {
                label: Inline::new().name(run_name(findings, *run)),
                lang: None,
                run: Some(*run),
                pinned: false,
                values,
            }
        });
        let mut columns: Vec<Column> =
            KINDS.into_iter().map(|(_, title, about)| Column::right(title).about(about)).collect();
        columns.push(Column::right("Clear − close").about("Paired within source items"));
        let caption = format!(
            "Accuracy by how far apart people put the two responses, within each subset, languages pooled, in percent with {}.",
            details::intervals(findings)
        );
        let id = benchmark_id("clarity", benchmark, i);
        let table = matrix::table(id, caption.into(), "Run", columns, rows.collect());
        Some(vec![
            Block::Paragraph(
                "A model that errs where people hardly see a difference errs like people; one that errs on clear \
                 preferences does not."
                    .into(),
            ),
            table.into(),
        ])
    })
}
