//! Whether the runs, taken together, judge an item alike in a language and in English.

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, Value, visible};
use crate::report::findings::{Findings, Languages, PanelFinding};
use crate::report::measure::Unit;
use crate::report::number;

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let here: Vec<&PanelFinding> = findings.panel.iter().filter(|p| p.benchmark == benchmark.name).collect();
        let runs = here.first()?.runs;
        let rows = here.iter().map(|found| {
            let value = Value {
                unit: Unit::Plain,
                estimate: found.estimate,
                why: found.why.as_deref().map(visible),
                n_ties: 0,
                n_truncated: 0,
                show_n: true,
            };
            let (label, lang) = match &found.languages {
                Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
                Languages::Average(name) => (Inline::new().name(name), None),
            };
            MatrixRow { label, lang, run: None, pinned: false, values: vec![value] }
        });
        let text = format!(
            "For each item, Cohen's kappa over {runs} runs between right, wrong and tied in the language and in English; the mean over items. Items on which the runs do not differ have no kappa and are left out. With few runs a single kappa is mostly noise; the mean is what can be read."
        );
        let table = matrix::table(
            benchmark_id("panel", benchmark, i),
            format!("Mean kappa with English over items, with {} % intervals.", number::level(findings.level)).into(),
            "Language",
            vec![Column::right("Mean kappa")],
            rows.collect(),
        );
        Some(vec![Block::Paragraph(text.into()), table.into()])
    })
}
