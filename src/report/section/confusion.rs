//! Whether responses are in the language that was asked for, and whether runs prefer those that are.

use super::details::{self, Details, Shown, lang, name};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "confusion";

const SIDES: [(&str, &str); 2] = [("chosen", "Chosen"), ("rejected", "Rejected")];

const OF_SIDE: [(&str, &str, &str); 3] = [
    ("line-pass-rate", "LPR", "Line pass rate: responses with every line in the language"),
    ("line-accuracy", "lines", "Line accuracy: mean share of a response's lines in the language"),
    ("word-pass-rate", "WPR", "Word pass rate: of responses with right lines, those without an English word"),
];

const OF_RUN: [Shown; 3] = [
    (
        "prefers-right-language",
        "Prefers the language",
        "How often the response in the language has the higher reward; a tie counts half",
        Unit::Percent,
    ),
    ("where-it-is-chosen", "where it is chosen", "Where the data prefer it, too", Unit::Percent),
    ("where-it-is-rejected", "where it is rejected", "Where the data prefer the other", Unit::Percent),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let told = details.measured("judged").next()?;
        let (n, share) = told.estimate.map_or((0, 0.0), |e| (e.n, e.point));
        let mut blocks = vec![Block::Paragraph(
            Inline::new()
                .text("Are responses in the language that was asked for? Lines of five words or more, told by ")
                .name(name(told, 0).unwrap_or_default())
                .text(format!(
                    ": {} % of {} responses have such lines.",
                    number::point(share, Unit::Percent),
                    number::count(n)
                )),
        )];
        blocks.push(by_language(findings, benchmark, i, &details));
        let runs = details.runs("prefers-right-language", &ranking(findings, benchmark));
        let row = |run: &usize| {
            details::row(&details, Some(*run), &[], Inline::new().name(run_name(findings, *run)), &OF_RUN)
        };
        let caption = format!(
            "Items with one side in the language and the other in another, in percent with {}.",
            details::intervals(findings)
        );
        let rows = runs.iter().map(row).collect();
        blocks
            .push(details::table(benchmark_id("confusion", benchmark, i), caption.into(), "Run", &OF_RUN, rows).into());
        blocks.extend(runs_by_language(findings, benchmark, i, &details, &runs));
        Some(blocks)
    })
}

fn by_language(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Block {
    let of_lang = |l| SIDES.map(|(side, _)| vec![About::Lang(l), About::name(side)]);
    let rows = details.measured("line-pass-rate").filter(|d| name(d, 1) == Some(SIDES[0].0)).filter_map(|d| {
        let l = lang(d, 0)?;
        let values = of_lang(l)
            .into_iter()
            .flat_map(|of| OF_SIDE.map(|(measure, ..)| details.value(None, measure, &of, Unit::Percent)));
        Some(MatrixRow {
            label: Inline::new().lang(l),
            lang: Some(l),
            run: None,
            pinned: false,
            values: values.collect(),
        })
    });
    let columns = SIDES
        .into_iter()
        .flat_map(|(_, side)| OF_SIDE.map(|(_, title, about)| Column::right(format!("{side} {title}")).about(about)));
    let caption = format!("Responses in the item's language, in percent with {}.", details::intervals(findings));
    let id = benchmark_id("confusion-languages", benchmark, i);
    matrix::table(id, caption.into(), "Language", columns.collect(), rows.collect()).into()
}

fn runs_by_language(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    runs: &[usize],
) -> Option<Block> {
    let mut langs = Vec::new();
    for l in details.measured("prefers-right-language").filter_map(|d| lang(d, 0)) {
        if !langs.contains(&l) {
            langs.push(l);
        }
    }
    if langs.is_empty() {
        return None;
    }
    langs.sort_unstable();
    let rows = langs.into_iter().map(|l| MatrixRow {
        label: Inline::new().lang(l),
        lang: Some(l),
        run: None,
        pinned: false,
        values: runs
            .iter()
            .map(|run| details.value(Some(*run), "prefers-right-language", &[About::Lang(l)], Unit::Percent))
            .collect(),
    });
    let columns = runs.iter().map(|run| Column::right(Inline::new().name(run_name(findings, *run))).of_run(*run));
    let caption = format!(
        "How often each run prefers the response in the language, in percent with {}.",
        details::intervals(findings)
    );
    let id = benchmark_id("confusion-runs", benchmark, i);
    let table = matrix::table(id, caption.into(), "Language", columns.collect(), rows.collect());
    Some(Block::Fold { summary: "By language".into(), blocks: vec![table.into()], open: false })
}
