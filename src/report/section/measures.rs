//! Metrics that have no section of their own yet: shown, so that nothing computed is hidden.

use std::collections::{BTreeMap, BTreeSet};

use super::judges::{OF_JUDGES, OF_VERDICTS};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, Value};
use crate::report::findings::{BenchmarkInfo, Finding, Findings, Languages, Scope};
use crate::report::measure::{ACCURACY, GAP, LONGEST, Unit, measure};
use crate::report::select::{ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let groups = groups(findings, benchmark);
        let folds = ranking(findings, benchmark).into_iter().filter_map(|run| {
            let tables: Vec<Block> = groups
                .iter()
                .enumerate()
                .filter_map(|(g, metrics)| table(findings, benchmark, run, metrics, &id(benchmark, i, run, g)))
                .collect();
            (!tables.is_empty()).then(|| Block::Fold {
                summary: Inline::new().name(run_name(findings, run)),
                blocks: tables,
                open: false,
            })
        });
        Some(folds.collect()).filter(|blocks: &Vec<Block>| !blocks.is_empty())
    })
}

fn id(benchmark: &BenchmarkInfo, i: usize, run: usize, group: usize) -> String {
    format!("{}-run-{}-{}", benchmark_id("measures", benchmark, i), run + 1, group + 1)
}

fn of_benchmark<'a>(findings: &'a Findings, benchmark: &'a BenchmarkInfo) -> impl Iterator<Item = &'a Finding> {
    const ELSEWHERE: [&str; 9] =
        [ACCURACY, GAP, LONGEST, "brier", "log-loss", "ece", "shortest-wins", "most-tokens-wins", "language-disparity"];
    let of_judges = |metric: &str| OF_JUDGES.contains(&metric) || OF_VERDICTS.contains(&metric);
    let elsewhere = move |metric: &str| {
        let has_section = metric.starts_with("accuracy-") || metric.starts_with("style-matrix-");
        ELSEWHERE.contains(&metric) || has_section || of_judges(metric)
    };
    findings.findings.iter().filter(move |f| f.benchmark == benchmark.name && !elsewhere(&f.metric))
}

/// Metrics that are given for the same kinds of scopes and languages share a table.
fn groups<'a>(findings: &'a Findings, benchmark: &'a BenchmarkInfo) -> Vec<Vec<&'a str>> {
    let mut kinds: BTreeMap<&str, BTreeSet<(bool, bool)>> = BTreeMap::new();
    for f in of_benchmark(findings, benchmark) {
        let kind = (f.scope == Scope::Overall, matches!(f.languages, Languages::One(_)));
        kinds.entry(&f.metric).or_default().insert(kind);
    }
    let mut groups: BTreeMap<BTreeSet<(bool, bool)>, Vec<&str>> = BTreeMap::new();
    for (metric, kind) in kinds {
        groups.entry(kind).or_default().push(metric);
    }
    groups.into_values().collect()
}

fn table(findings: &Findings, benchmark: &BenchmarkInfo, run: usize, metrics: &[&str], id: &str) -> Option<Block> {
    let unit = |metric: &str| measure(metric).map_or(Unit::Plain, |m| m.unit);
    // Averages first, as they come; then languages by code; parts after the whole.
    let mut found: BTreeMap<(bool, &Languages, bool, &Scope), BTreeMap<&str, Value>> = BTreeMap::new();
    for f in of_benchmark(findings, benchmark).filter(|f| f.run == run && metrics.contains(&f.metric.as_str())) {
        let key = (matches!(f.languages, Languages::One(_)), &f.languages, f.scope != Scope::Overall, &f.scope);
        found.entry(key).or_default().insert(&f.metric, Value::of(f, unit(&f.metric)));
    }
    let rows: Vec<MatrixRow> = found
        .into_iter()
        .map(|((is_one, languages, _, scope), mut values)| {
            let (label, lang) = match languages {
                Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
                Languages::Average(name) => (Inline::new().name(name), None),
            };
            let label = match scope {
                Scope::Overall => label,
                Scope::Category(name) | Scope::Subset(name) => label.text(", ").name(name),
            };
            let mut take =
                |metric: &str| values.remove(metric).unwrap_or_else(|| Value::absent(unit(metric), "does not apply"));
            let values = metrics.iter().map(|metric| take(metric)).collect();
            MatrixRow { label, lang, run: Some(run), pinned: !is_one && *scope == Scope::Overall, values }
        })
        .collect();
    let columns = metrics.iter().map(|metric| match measure(metric) {
        Some(known) => Column::right(known.title).about(known.about),
        None => Column::right(Inline::new().name(metric)),
    });
    let caption = Inline::new().name(run_name(findings, run)).text(": shares in percent, differences in points.");
    let table = matrix::table(id.to_owned(), caption, "Language", columns.collect(), rows);
    (!table.rows.is_empty()).then_some(Block::Table(table))
}
