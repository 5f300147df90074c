//! How evenly languages are served: worst languages and spread of each run, means by script, family, class.

use super::details::{self, Details, Shown, name, p_value, place};
use super::matrix::MatrixRow;
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::{ACCURACY, GAP, Unit};
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "groups";

const EVEN: [Shown; 6] = [
    ("worst-3", "Lowest three", "Mean accuracy of the three lowest languages", Unit::Percent),
    ("worst-3-corrected", "corrected", "Less the bias of picking the lowest of noisy numbers", Unit::Percent),
    ("max-min", "Best − worst", "Range over languages", Unit::Percent),
    ("max-min-corrected", "corrected", "Less the part that noise adds", Unit::Percent),
    ("sd", "SD", "Standard deviation over languages", Unit::Percent),
    ("sd-net-of-noise", "SD, net", "What is left of it without the items' noise", Unit::Percent),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let runs = details.runs("worst-3", &ranking(findings, benchmark));
        let mut blocks = Vec::new();
        if !runs.is_empty() {
            let row = |run: &usize| {
                details::row(&details, Some(*run), &[], Inline::new().name(run_name(findings, *run)), &EVEN)
            };
            let caption = format!(
                "Accuracy over the languages with 30 items or more, in percent with {}. The lowest of noisy numbers looks lower than it is; \
                 corrected values take out what noise adds to languages of the estimated true spread (where languages are equal, \
                 a range that cannot be below 0 stays above it on average), and intervals invert tests: those of lowest and range \
                 cover more often than they say.",
                details::intervals(findings)
            );
            let rows = runs.iter().map(row).collect();
            let id = benchmark_id("evenness", benchmark, i);
            blocks.push(details::table(id, caption.into(), "Run", &EVEN, rows).into());
        }
        blocks.extend(breakdown(findings, benchmark, i, &details));
        (!blocks.is_empty()).then_some(blocks)
    })
}

fn breakdown(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let metrics = [(ACCURACY, "Accuracy", Unit::Percent), (GAP, "Gap to English", Unit::Points)];
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for d in details.measured("group-mean") {
        if let (Some(dimension), Some(group)) = (name(d, 1), name(d, 2))
            && !keys.contains(&(dimension, group))
            // A group of one is in the table of languages.
            && place(d, 3) > Some(1)
        {
            keys.push((dimension, group));
        }
    }
    let order = |dimension: &str| crate::report::language::DIMENSIONS.iter().position(|(name, _)| *name == dimension);
    keys.sort_by_key(|&(dimension, group)| (order(dimension), group));
    if keys.is_empty() {
        return Vec::new();
    }
    let rows: Vec<MatrixRow> = keys
        .iter()
        .map(|(dimension, group)| {
            let of_group = |metric: &str| {
                details
                    .measured("group-mean")
                    .find(|d| name(d, 0) == Some(metric) && name(d, 1) == Some(dimension) && name(d, 2) == Some(group))
            };
            let values = metrics.iter().map(|(metric, _, unit)| {
                of_group(metric).map_or_else(
                    || crate::report::block::Value::absent(*unit, "no shared items with English"),
                    |d| details::value(d, *unit),
                )
            });
            let n_langs = metrics.iter().find_map(|(metric, ..)| place(of_group(metric)?, 3)).unwrap_or(0);
            let languages = if n_langs == 1 { "1 language".to_owned() } else { format!("{n_langs} languages") };
            let label = Inline::new().text(format!("{dimension}: ")).name(group).text(format!(" ({languages})"));
            MatrixRow { label, lang: None, run: None, pinned: false, values: values.collect() }
        })
        .collect();
    let columns: Vec<Shown> = metrics
        .iter()
        .map(|(id, title, unit)| (*id, *title, "Mean over the group's languages and all runs", *unit))
        .collect();
    let caption = format!(
        "Means over runs and over the languages of a group, with {}: the languages are these, the items are a sample. \
         Where languages have different subsets, the gap is the fairer comparison.",
        details::intervals(findings)
    );
    let table = details::table(benchmark_id("groups", benchmark, i), caption.into(), "Group", &columns, rows);
    let mut blocks: Vec<Block> = Vec::new();
    let left_out: Vec<Inline> = details
        .measured("left-out")
        .filter(|d| name(d, 0) == Some(ACCURACY))
        .filter_map(|d| Some(Inline::new().name(run_name(findings, d.run?)).text(format!(" ({})", d.why.as_deref()?))))
        .collect();
    if !left_out.is_empty() {
        blocks.push(Block::Note(Inline::new().text("Means over groups are without ").list(left_out).text(".")));
    }
    for (metric, title, _) in metrics {
        let sentence = tests(details, metric);
        if !sentence.is_empty() {
            blocks.push(Block::Paragraph(
                Inline::new()
                    .text(format!("{title}: share of the variance over languages that groups explain (η²), with p from shuffling the languages: "))
                    .list(sentence)
                    .text("."),
            ));
        }
    }
    blocks.push(table.into());
    blocks.extend(without_class_0(details));
    blocks
}

/// Groups as M-RewardBench's figures have them.
fn without_class_0(details: &Details<'_>) -> Option<Block> {
    let groups: Vec<Inline> = details
        .measured("group-mean-without-class-0")
        .filter(|d| name(d, 0) == Some(ACCURACY))
        .filter_map(|d| Some(Inline::new().name(name(d, 2)?).text(" ").value(details::value(d, Unit::Percent))))
        .collect();
    (!groups.is_empty()).then(|| {
        let text = "Without languages of class 0, as in M-RewardBench's figures, mean accuracy in percent: ";
        Block::Note(Inline::new().text(text).list(groups).text("."))
    })
}

fn tests(details: &Details<'_>, metric: &str) -> Vec<Inline> {
    let tests = details.measured("eta-squared").filter(|d| name(d, 0) == Some(metric));
    tests
        .filter_map(|d| {
            let (dimension, e) = (name(d, 1)?, d.estimate?);
            let of: &[About] = &d.of;
            let p = p_value(details.point(None, "permutation-p", of)?);
            Some(Inline::from(format!("{dimension} {:.2} ({} languages, {p})", e.point, e.n)))
        })
        .collect()
}
