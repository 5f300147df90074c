//! What the runs would gain together.

use super::details::{self, Details, Shown};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, Findings};
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "ensembles";

const COLUMNS: [Shown; 2] = [
    ("accuracy", "Accuracy", "Items of all languages pooled", Unit::Percent),
    (
        "gain-over-best-run",
        "Gain over the best run",
        "Paired; the best run is picked anew in every replicate",
        Unit::Points,
    ),
];

const METHODS: [(&str, &str); 5] = [
    ("mean", "Mean reward"),
    ("worst-case", "Lowest reward"),
    ("mean-minus-sd", "Mean less standard deviation"),
    ("rank", "Mean rank, ties by mean reward"),
    ("learned", "Learned weights, cross-fitted"),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let rows =
            METHODS.map(|(method, title)| details::row(&details, None, &[About::name(method)], title.into(), &COLUMNS));
        let caption = format!(
            "All runs joined, each in units of its own margins, on the items that all scored, with {}.",
            details::intervals(findings)
        );
        let id = benchmark_id("ensembles", benchmark, i);
        let mut blocks: Vec<Block> = vec![details::table(id, caption.into(), "Ensemble", &COLUMNS, rows.into()).into()];
        let weights: Vec<Inline> = details
            .runs("learned-weight", &ranking(findings, benchmark))
            .into_iter()
            .filter_map(|run| {
                let weight = details.point(Some(run), "learned-weight", &[])?;
                Some(Inline::new().name(run_name(findings, run)).text(format!(" {weight:.2}")))
            })
            .collect();
        if !weights.is_empty() {
            blocks.push(Block::Paragraph(
                Inline::new().text("Learned weights, mean over five folds: ").list(weights).text("."),
            ));
        }
        Some(blocks)
    })
}
