//! Whether models read the criteria they are given.

use super::details::{self, Details, Shown, lang};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "reversals";

const SHOWN: [Shown; 3] = [
    (
        "reversal-accuracy",
        "Both right",
        "Share of reversals with both comparisons right; a tie is wrong",
        Unit::Percent,
    ),
    (
        "comparison-accuracy",
        "One by one",
        "Share of their comparisons that are right; a tie is one half",
        Unit::Percent,
    ),
    ("unmoved", "Unmoved", "Share of reversals in which the same response is preferred twice", Unit::Percent),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        Some(of_benchmark(findings, benchmark, i, &details))
    })
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let runs = details.runs(SHOWN[0].0, &ranking(findings, benchmark));
    let label = |run: &usize| Inline::new().name(run_name(findings, *run));
    let rows = runs.iter().map(|run| details::row(details, Some(*run), &[], label(run), &SHOWN)).collect();
    let caption = format!("n is the number of reversals, with {}.", details::intervals(findings));
    let id = benchmark_id("reversals", benchmark, i);
    let mut blocks = vec![
        Block::Paragraph(
            "Two comparisons of one item that have each other's responses, under criteria that reverse the preference. \
             Who does not read the criteria prefers the same response twice: half of the comparisons are right and no \
             reversal is; of a coin's reversals a quarter are. Responses are told apart by their lengths."
                .into(),
        ),
        details::table(id.clone(), caption.clone().into(), "Run", &SHOWN, rows).into(),
    ];
    for run in &runs {
        let of_run = details.measured(SHOWN[0].0).filter(|d| d.run == Some(*run));
        let rows: Vec<_> = of_run
            .filter_map(|d| {
                let lang = lang(d, 0)?;
                Some(details::row(details, Some(*run), &[About::Lang(lang)], Inline::new().lang(lang), &SHOWN))
            })
            .collect();
        if !rows.is_empty() {
            let table =
                details::table(format!("{id}-run-{}", run + 1), caption.clone().into(), "Language", &SHOWN, rows);
            let summary = label(run).text(" by language");
            blocks.push(Block::Fold { summary, blocks: vec![table.into()], open: false });
        }
    }
    blocks
}
