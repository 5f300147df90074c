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
        "Paired; the interval holds whichever run is truly the best, and more often than it says where several are about equal",
        Unit::Points,
    ),
];

const WEIGHT: [Shown; 1] =
    [("learned-weight", "Weight", "Of margins in units of their own spread; mean over five folds", Unit::Plain)];

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
        let left_out: Vec<Inline> = details
            .measured("left-out")
            .filter_map(|d| {
                Some(Inline::new().name(run_name(findings, d.run?)).text(format!(" ({})", d.why.as_deref()?)))
            })
            .collect();
        if !left_out.is_empty() {
            blocks.push(Block::Note(Inline::new().text("Not joined: ").list(left_out).text(".")));
        }
        let weighed = details.runs("learned-weight", &ranking(findings, benchmark));
        if !weighed.is_empty() {
            let row =
                |run| details::row(&details, Some(run), &[], Inline::new().name(run_name(findings, run)), &WEIGHT);
            let id = benchmark_id("ensemble-weights", benchmark, i);
            let caption = "What each run's margins count in the learned ensemble.".into();
            let table = details::table(id, caption, "Run", &WEIGHT, weighed.into_iter().map(row).collect());
            blocks.push(Block::Fold { summary: "Learned weights".into(), blocks: vec![table.into()], open: false });
        }
        Some(blocks)
    })
}
