//! Finding the findings: look-ups and orders that several sections share. Nothing is computed here.

use std::collections::{BTreeSet, HashMap};

use crate::lang::Lang;
use crate::report::block::Value;
use crate::report::findings::{BenchmarkInfo, Finding, Findings, Languages, PairedDifference, Scope};
use crate::report::measure::{self, Unit};

/// One metric of one benchmark, by run, scope and languages.
pub struct Lookup<'a> {
    unit: Unit,
    found: HashMap<(usize, &'a Scope, &'a Languages), &'a Finding>,
}

impl<'a> Lookup<'a> {
    pub fn of(findings: &'a Findings, benchmark: &str, metric: &str) -> Self {
        let matching = findings.findings.iter().filter(|f| f.benchmark == benchmark && f.metric == metric);
        Self {
            unit: measure::measure(metric).map_or(Unit::Plain, |m| m.unit),
            found: matching.map(|f| ((f.run, &f.scope, &f.languages), f)).collect(),
        }
    }

    pub fn get(&self, run: usize, scope: &Scope, languages: &Languages) -> Option<&'a Finding> {
        self.found.get(&(run, scope, languages)).copied()
    }

    /// The point, where there is one.
    pub fn point(&self, run: usize, scope: &Scope, languages: &Languages) -> Option<f64> {
        self.get(run, scope, languages)?.estimate.map(|e| e.point)
    }

    /// What to print; a cell that was never filled says so.
    pub fn value(&self, run: usize, scope: &Scope, languages: &Languages) -> Value {
        match self.get(run, scope, languages) {
            Some(finding) => Value::of(finding, self.unit),
            None => Value::absent(self.unit, "not scored"),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether nothing has a number.
    pub fn is_blank(&self) -> bool {
        self.found.values().all(|finding| finding.estimate.is_none())
    }

    pub fn has(&self, scope: &Scope, languages: &Languages) -> bool {
        self.found.keys().any(|(_, s, l)| *s == scope && *l == languages)
    }
}

/// Over which languages the benchmark's headline number is taken: its first average, or its only language.
pub fn headline(benchmark: &BenchmarkInfo) -> Option<Languages> {
    match (benchmark.averages.first(), benchmark.langs.as_slice()) {
        (Some(average), _) => Some(Languages::Average(average.clone())),
        (None, [only]) => Some(Languages::One(*only)),
        (None, _) => None,
    }
}

/// Runs with any accuracy on the benchmark, best headline first; runs without a headline number last.
pub fn ranking(findings: &Findings, benchmark: &BenchmarkInfo) -> Vec<usize> {
    let accuracy = Lookup::of(findings, &benchmark.name, measure::ACCURACY);
    let present: BTreeSet<usize> = accuracy.found.keys().map(|(run, ..)| *run).collect();
    let mut runs: Vec<usize> = present.into_iter().collect();
    if let Some(headline) = headline(benchmark) {
        let points: HashMap<usize, f64> =
            runs.iter().filter_map(|run| Some((*run, accuracy.point(*run, &Scope::Overall, &headline)?))).collect();
        sort_descending(&mut runs, |run| points.get(run).copied());
    }
    runs
}

/// Languages of the benchmark in the order of a run's accuracy, highest first; those without one last.
pub fn languages_by_accuracy(accuracy: &Lookup<'_>, benchmark: &BenchmarkInfo, run: usize) -> Vec<Lang> {
    let mut langs = benchmark.langs.clone();
    sort_descending(&mut langs, |lang| accuracy.point(run, &Scope::Overall, &Languages::One(*lang)));
    langs
}

/// Stable, so that equals keep their order; absent values go last.
fn sort_descending<T>(items: &mut [T], key: impl Fn(&T) -> Option<f64>) {
    items.sort_by(|a, b| match (key(a), key(b)) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    });
}

/// The name a run goes by in this report: numbered where several runs share one.
pub fn run_name(findings: &Findings, run: usize) -> String {
    let Some(info) = findings.runs.get(run) else { return format!("run {}", run + 1) };
    let name = if info.name.trim().is_empty() { "(unnamed)" } else { info.name.as_str() };
    let twins = findings.runs.iter().filter(|other| other.name == info.name).count();
    if twins > 1 { format!("{name} (run {})", run + 1) } else { name.to_owned() }
}

/// What a scope is called beside others.
pub fn scope_name(scope: &Scope) -> &str {
    match scope {
        Scope::Overall => "Overall",
        Scope::Category(name) | Scope::Subset(name) => name,
    }
}

/// Two runs compared on a benchmark's headline: the finding and whether `a` is its `run` side.
pub fn headline_difference<'a>(
    findings: &'a Findings,
    benchmark: &BenchmarkInfo,
    a: usize,
    b: usize,
) -> Option<(&'a PairedDifference, bool)> {
    let headline = headline(benchmark)?;
    let about =
        |d: &&PairedDifference| d.benchmark == benchmark.name && d.scope == Scope::Overall && d.languages == headline;
    findings.differences.iter().filter(about).find_map(|d| match (d.run, d.baseline) {
        pair if pair == (a, b) => Some((d, true)),
        pair if pair == (b, a) => Some((d, false)),
        _ => None,
    })
}
