//! Looking up the numbers of an analysis, and tables of them: shared by the sections that show analyses.

use std::collections::HashMap;

use super::matrix::{self, MatrixRow};
use crate::lang::Lang;
use crate::report::block::{Column, Inline, Table, Value, visible};
use crate::report::findings::{About, BenchmarkInfo, Detail, Findings};
use crate::report::measure::Unit;
use crate::report::number;

/// The numbers of one analysis of one benchmark, in order.
pub struct Details<'a> {
    all: Vec<&'a Detail>,
    found: HashMap<(Option<usize>, &'a str, &'a [About]), &'a Detail>,
}

impl<'a> Details<'a> {
    /// `None`: the analysis has nothing to say of this benchmark.
    pub fn of(findings: &'a Findings, benchmark: &BenchmarkInfo, analysis: &str) -> Option<Self> {
        Self::named(findings, &benchmark.name, analysis)
    }

    /// The same of what is no benchmark, by name.
    pub fn named(findings: &'a Findings, name: &str, analysis: &str) -> Option<Self> {
        let mine = |d: &&Detail| d.analysis == analysis && d.benchmark == name;
        let all: Vec<&Detail> = findings.details.iter().filter(mine).collect();
        let found = all.iter().map(|d| ((d.run, d.measure.as_str(), d.of.as_slice()), *d)).collect();
        (!all.is_empty()).then_some(Self { all, found })
    }

    pub fn get(&self, run: Option<usize>, measure: &str, of: &[About]) -> Option<&'a Detail> {
        self.found.get(&(run, measure, of)).copied()
    }

    /// What to print; a number that was never asked for says so.
    pub fn value(&self, run: Option<usize>, measure: &str, of: &[About], unit: Unit) -> Value {
        match self.get(run, measure, of) {
            Some(detail) => value(detail, unit),
            None => Value::absent(unit, "not enough data"),
        }
    }

    pub fn point(&self, run: Option<usize>, measure: &str, of: &[About]) -> Option<f64> {
        self.get(run, measure, of)?.estimate.map(|e| e.point)
    }

    /// Everything that was measured so, in order.
    pub fn measured<'b>(&'b self, measure: &'b str) -> impl Iterator<Item = &'a Detail> + 'b {
        self.all.iter().copied().filter(move |d| d.measure == measure)
    }

    /// Runs that have this measure, in the order given.
    pub fn runs(&self, measure: &str, order: &[usize]) -> Vec<usize> {
        order.iter().copied().filter(|run| self.measured(measure).any(|d| d.run == Some(*run))).collect()
    }
}

pub fn value(detail: &Detail, unit: Unit) -> Value {
    Value {
        unit,
        estimate: detail.estimate,
        why: detail.why.as_deref().map(visible),
        n_ties: 0,
        n_truncated: 0,
        show_n: true,
    }
}

/// The language a number is about, where it is about one.
pub fn lang(detail: &Detail, at: usize) -> Option<Lang> {
    match detail.of.get(at) {
        Some(About::Lang(lang)) => Some(*lang),
        _ => None,
    }
}

pub fn name(detail: &Detail, at: usize) -> Option<&str> {
    match detail.of.get(at) {
        Some(About::Name(name)) => Some(name),
        _ => None,
    }
}

pub fn place(detail: &Detail, at: usize) -> Option<u32> {
    match detail.of.get(at) {
        Some(About::Place(place)) => Some(*place),
        _ => None,
    }
}

/// p as it is printed: never 0.
pub fn p_value(p: f64) -> String {
    // No line breaks inside.
    if p < 0.001 { "p\u{a0}<\u{a0}0.001".to_owned() } else { format!("p\u{a0}=\u{a0}{p:.3}") }
}

/// A measure as a column: its id, title, explanation and unit.
pub type Shown = (&'static str, &'static str, &'static str, Unit);

pub fn columns(shown: &[Shown]) -> Vec<Column> {
    shown.iter().map(|(_, title, about, _)| Column::right(*title).about(*about)).collect()
}

/// A row: a label and one value per measure.
pub fn row(details: &Details<'_>, run: Option<usize>, of: &[About], label: Inline, shown: &[Shown]) -> MatrixRow {
    let values = shown.iter().map(|(measure, _, _, unit)| details.value(run, measure, of, *unit)).collect();
    let lang = of.iter().find_map(|about| if let About::Lang(lang) = about { Some(*lang) } else { None });
    MatrixRow { label, lang, run, pinned: false, values }
}

pub fn table(id: String, caption: Inline, corner: &str, shown: &[Shown], rows: Vec<MatrixRow>) -> Table {
    matrix::table(id, caption, corner, columns(shown), rows)
}

/// "95 % intervals", for captions.
pub fn intervals(findings: &Findings) -> String {
    format!("{} % intervals", number::level(findings.level))
}
