//! Findings as a tidy table: one row per number, fractions unrounded.

use crate::metric::Estimate;
use crate::report::findings::{Findings, Languages, PairTests, Scope};
use crate::report::language;
use crate::report::select::run_name;

const COLUMNS: [&str; 29] = [
    "run",
    "model",
    "baseline",
    "benchmark",
    "benchmark_version",
    "metric",
    "scope",
    "scope_name",
    "over",
    "language",
    "language_name",
    "point",
    "low",
    "high",
    "level",
    "n",
    "n_missing",
    "n_ties",
    "n_truncated",
    "why",
    "error",
    "detectable",
    "p",
    "p_romano_wolf",
    "p_holm",
    "p_bh",
    "mcnemar_exact_p",
    "mcnemar_mid_p",
    "stuart_maxwell_p",
];

/// What a paired difference of accuracies is called in the `metric` column.
const DIFFERENCE: &str = "accuracy-difference";

pub fn render(findings: &Findings) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for f in &findings.findings {
        let mut row = keys(findings, f.run, None, &f.benchmark, &f.metric, &f.scope, &f.languages);
        row.extend(numbers(f.estimate.as_ref()));
        row.extend([f.n_ties.to_string(), f.n_truncated.to_string(), f.why.clone().unwrap_or_default()]);
        row.extend(tests(&PairTests::default()));
        writer.write_record(&row)?;
    }
    for d in &findings.differences {
        let baseline = Some(d.baseline);
        let mut row = keys(findings, d.run, baseline, &d.benchmark, DIFFERENCE, &d.scope, &d.languages);
        row.extend(numbers(d.estimate.as_ref()));
        row.extend([String::new(), String::new(), d.why.clone().unwrap_or_default()]);
        row.extend(tests(&d.tests));
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

fn keys(
    findings: &Findings,
    run: usize,
    baseline: Option<usize>,
    benchmark: &str,
    metric: &str,
    scope: &Scope,
    languages: &Languages,
) -> Vec<String> {
    let (scope, scope_name) = match scope {
        Scope::Subset(name) => ("subset", name.as_str()),
        Scope::Category(name) => ("category", name.as_str()),
        Scope::Overall => ("overall", ""),
    };
    let version = findings.benchmarks.iter().find(|b| b.name == benchmark).map_or("", |b| b.version.as_str());
    let model = findings.runs.get(run).map_or("", |r| r.model.as_str());
    let (over, code, name) = match languages {
        Languages::One(lang) => ("one", lang.code().to_owned(), language::name(*lang)),
        Languages::Average(average) => ("average", average.clone(), String::new()),
    };
    let baseline = baseline.map(|b| run_name(findings, b)).unwrap_or_default();
    let fixed = [benchmark, version, metric, scope, scope_name, over].map(str::to_owned);
    let mut row = vec![run_name(findings, run), model.to_owned(), baseline];
    row.extend(fixed);
    row.extend([code, name]);
    row
}

/// point, low, high, level, n, n_missing; empty where absent.
fn numbers(estimate: Option<&Estimate>) -> Vec<String> {
    let Some(e) = estimate else { return vec![String::new(); 6] };
    let (low, high, level) = match &e.interval {
        Some(i) => (i.low.to_string(), i.high.to_string(), i.level.to_string()),
        None => Default::default(),
    };
    vec![e.point.to_string(), low, high, level, e.n.to_string(), e.n_missing.to_string()]
}

/// Standard error, detectable effect and every p; empty where absent.
fn tests(tests: &PairTests) -> [String; 9] {
    let mcnemar = tests.mcnemar;
    let all = [
        tests.error,
        tests.detectable,
        tests.p,
        tests.p_romano_wolf,
        tests.p_holm,
        tests.p_bh,
        mcnemar.map(|found| found.exact_p),
        mcnemar.map(|found| found.mid_p),
        tests.stuart_maxwell.map(|found| found.p),
    ];
    all.map(|number| number.map_or_else(String::new, |number| number.to_string()))
}
