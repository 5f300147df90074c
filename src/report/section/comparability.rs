//! Whether rewards mean the same in every language.

use super::details::{self, Details, Shown, lang};
use super::matrix::MatrixRow;
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, BenchmarkInfo, Findings, Languages, Scope};
use crate::report::measure::Unit;
use crate::report::select::{Lookup, ranking, run_name};

const ANALYSIS: &str = "comparability";

const OF_LANGUAGE: [Shown; 5] = [
    ("shift", "Shift", "Mean reward here less in English, in standard deviations of the English rewards", Unit::Plain),
    ("scale", "Scale", "Standard deviation of rewards here over that in English", Unit::Plain),
    ("reward-correlation", "r", "Pearson's r of the rewards of a response and its translation", Unit::Plain),
    (
        "rejected-reference-wins",
        "English rejected wins",
        "Share of items whose rejected response in English has a higher reward than the chosen one here",
        Unit::Percent,
    ),
    (
        "rejected-language-wins",
        "Rejected here wins",
        "Share of items whose rejected response here has a higher reward than the chosen one in English",
        Unit::Percent,
    ),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let disparity = disparity(findings, benchmark, i);
        let details = Details::of(findings, benchmark, ANALYSIS);
        if disparity.is_none() && details.is_none() {
            return None;
        }
        let mut blocks = vec![Block::Paragraph(
            "In a mixed-language batch, rewards of different languages are compared with each other. Where one answer \
             gets other rewards by language alone, training pushes towards the language with the higher ones."
                .into(),
        )];
        blocks.extend(disparity);
        if let Some(details) = details {
            blocks.extend(against_english(findings, benchmark, i, &details));
        }
        Some(blocks)
    })
}

/// MM-Eval's index of each run, in one number.
fn disparity(findings: &Findings, benchmark: &BenchmarkInfo, i: usize) -> Option<Block> {
    const INDEX: Shown = (
        "language-disparity",
        "LDI",
        "Mean over languages of the mean margin, divided by the largest; undefined where none is above zero",
        Unit::Plain,
    );
    let found = Lookup::of(findings, &benchmark.name, INDEX.0);
    let over = |run: &usize| {
        benchmark
            .averages
            .iter()
            .map(|a| Languages::Average(a.clone()))
            .find(|over| found.get(*run, &Scope::Overall, over).is_some())
    };
    let rows: Vec<MatrixRow> = ranking(findings, benchmark)
        .into_iter()
        .filter_map(|run| {
            Some(MatrixRow {
                label: Inline::new().name(run_name(findings, run)),
                lang: None,
                run: Some(run),
                pinned: false,
                values: vec![found.value(run, &Scope::Overall, &over(&run)?)],
            })
        })
        .collect();
    let caption = format!(
        "Language disparity index, with {}: the mean over languages of the mean margin between chosen and rejected \
         responses, divided by the largest. 1 where all languages have the same; the margins themselves are among the \
         other measures.",
        details::intervals(findings)
    );
    let id = benchmark_id("disparity", benchmark, i);
    (!rows.is_empty()).then(|| details::table(id, caption.into(), "Run", &[INDEX], rows).into())
}

/// Rewards of the same responses in other languages, for runs that scored them in English, too.
fn against_english(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let runs = details.runs("shift", &ranking(findings, benchmark));
    let columns: [Shown; 3] = [
        ("response", "The response", "Between responses, whatever the language", Unit::Percent),
        ("language", "The language", "Between languages, given the responses", Unit::Percent),
        ("residual", "Neither", "Of this response in this language only", Unit::Percent),
    ];
    let rows = runs.iter().map(|run| {
        let share = |(name, _, _, unit): Shown| details.value(Some(*run), "variance-share", &[About::name(name)], unit);
        MatrixRow {
            label: Inline::new().name(run_name(findings, *run)),
            lang: None,
            run: Some(*run),
            pinned: false,
            values: columns.map(share).to_vec(),
        }
    });
    let caption = format!(
        "Share of the variance of rewards, over responses that exist in two languages or more, in percent with {}; n counts rewards.",
        details::intervals(findings)
    );
    let id = benchmark_id("reward-variance", benchmark, i);
    blocks.push(details::table(id, caption.into(), "Run", &columns, rows.collect()).into());
    for run in runs {
        let langs: Vec<_> =
            details.measured("shift").filter(|d| d.run == Some(run)).filter_map(|d| lang(d, 0)).collect();
        let rows = langs.iter().map(|lang| {
            details::row(details, Some(run), &[About::Lang(*lang)], Inline::new().lang(*lang), &OF_LANGUAGE)
        });
        let caption = Inline::new().name(run_name(findings, run)).text(format!(
            ": rewards of the same responses here and in English, with {}; n counts shared items.",
            details::intervals(findings)
        ));
        let id = format!("{}-run-{}", benchmark_id("comparability", benchmark, i), run + 1);
        let table = details::table(id, caption, "Language", &OF_LANGUAGE, rows.collect());
        let summary = Inline::new().text("By language: ").name(run_name(findings, run));
        blocks.push(Block::Fold { summary, blocks: vec![table.into()], open: false });
    }
    blocks
}
