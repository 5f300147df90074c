//! Metrics that have no section of their own yet: shown, so that nothing computed is hidden.

use std::collections::BTreeSet;

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline};
use crate::report::findings::{Findings, Languages, Scope};
use crate::report::measure::{ACCURACY, GAP, LONGEST};
use crate::report::select::{Lookup, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let shown_elsewhere = [ACCURACY, GAP, LONGEST];
        let metrics: BTreeSet<&str> = findings
            .findings
            .iter()
            .filter(|f| f.benchmark == benchmark.name && f.scope == Scope::Overall)
            .map(|f| f.metric.as_str())
            .filter(|metric| !shown_elsewhere.contains(metric))
            .collect();
        if metrics.is_empty() {
            return None;
        }
        let lookups: Vec<Lookup<'_>> = metrics.iter().map(|m| Lookup::of(findings, &benchmark.name, m)).collect();
        let averages = benchmark.averages.iter().map(|a| Languages::Average(a.clone()));
        let all: Vec<Languages> = averages.chain(benchmark.langs.iter().map(|l| Languages::One(*l))).collect();
        let tables = (0..findings.runs.len()).filter_map(|run| {
            let rows: Vec<MatrixRow> = all
                .iter()
                .filter(|l| lookups.iter().any(|lookup| lookup.get(run, &Scope::Overall, l).is_some()))
                .map(|l| {
                    let (label, lang) = match l {
                        Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
                        Languages::Average(name) => (Inline::new().name(name), None),
                    };
                    let values = lookups.iter().map(|lookup| lookup.value(run, &Scope::Overall, l)).collect();
                    MatrixRow { label, lang, run: Some(run), pinned: lang.is_none(), values }
                })
                .collect();
            let table = matrix::table(
                format!("{}-run-{}", benchmark_id("measures", benchmark, i), run + 1),
                Inline::new().name(run_name(findings, run)),
                "Language",
                metrics.iter().map(|m| Column::right(Inline::new().name(m))).collect(),
                rows,
            );
            (!table.rows.is_empty()).then(|| Block::Fold {
                summary: Inline::new().name(run_name(findings, run)),
                blocks: vec![table.into()],
                open: false,
            })
        });
        Some(tables.collect())
    })
}
