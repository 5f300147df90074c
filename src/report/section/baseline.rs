//! Runs against a baseline, paired over the items both scored.

use std::collections::BTreeSet;

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, Table, Value, visible};
use crate::report::figure::{Dot, DotRow, Dots, Figure, Heat, Label, Plot, Ramp, Reference};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, PairedDifference, Scope};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{headline, ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let baseline = findings.baseline;
        let here = |d: &&PairedDifference| d.benchmark == benchmark.name && d.baseline == baseline;
        let here: Vec<&PairedDifference> = findings.differences.iter().filter(here).collect();
        let differences: Vec<&PairedDifference> = here.iter().copied().filter(|d| d.scope == Scope::Overall).collect();
        let mut blocks = Vec::new();
        if !differences.is_empty() {
            blocks.push(Block::Paragraph(
                Inline::new()
                    .text("Accuracy minus the accuracy of ")
                    .name(run_name(findings, baseline))
                    .text(" on the items both scored. An interval that holds zero means: not established."),
            ));
            if let Some(figure) = figure(findings, benchmark, i, baseline, &differences) {
                blocks.push(figure.into());
            }
            blocks.push(table(findings, benchmark, i, baseline, &differences).into());
            blocks.extend(tests(findings, benchmark, i, &differences));
            let runs = runs(findings, benchmark, &differences);
            blocks.extend(runs.into_iter().filter_map(|run| by_category(findings, benchmark, i, run, &here)));
        }
        (!blocks.is_empty()).then_some(blocks)
    })
}

/// Tests of every difference that is not over the headline's languages, which the comparisons hold.
fn tests(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, differences: &[&PairedDifference]) -> Option<Block> {
    let one = |d: &&&PairedDifference| matches!(d.languages, Languages::One(_)) && d.tests.family > 0;
    let tested: Vec<&PairedDifference> = differences.iter().filter(one).copied().collect();
    let family = tested.first()?.tests.family;
    let caption = format!(
        "Differences in percentage points with {} % intervals; p adjusted over {} comparisons.",
        number::level(findings.level),
        number::count(family)
    );
    let table =
        super::comparisons::table(findings, benchmark_id("baseline-tests", benchmark, i), caption, &tested, true);
    Some(Block::Fold { summary: "Tests in each language".into(), blocks: vec![table.into()], open: false })
}

fn value(difference: Option<&&PairedDifference>) -> Value {
    match difference {
        Some(d) => Value {
            unit: Unit::Points,
            estimate: d.estimate,
            why: d.why.as_deref().map(visible),
            n_ties: 0,
            n_truncated: 0,
            show_n: true,
        },
        None => Value::absent(Unit::Points, "not compared"),
    }
}

fn runs(findings: &Findings, benchmark: &BenchmarkInfo, differences: &[&PairedDifference]) -> Vec<usize> {
    let compared: BTreeSet<usize> = differences.iter().map(|d| d.run).collect();
    ranking(findings, benchmark).into_iter().filter(|run| compared.contains(run)).collect()
}

/// The headline difference of every run; `None` where the benchmark has no headline.
fn figure(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    baseline: usize,
    differences: &[&PairedDifference],
) -> Option<Figure> {
    let headline = headline(benchmark)?;
    let rows: Vec<DotRow> = runs(findings, benchmark, differences)
        .into_iter()
        .map(|run| {
            let name = run_name(findings, run);
            let value = value(differences.iter().find(|d| d.run == run && d.languages == headline));
            let hover = matrix::hover(&name, &value);
            DotRow {
                label: Label::run(run, &name),
                dots: value
                    .estimate
                    .map(|estimate| Dot { series: 0, run: Some(run), estimate, hover })
                    .into_iter()
                    .collect(),
                crowd: Vec::new(),
                absent: value.why,
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Figure {
        id: format!("{}-run-{}", benchmark_id("baseline", benchmark, i), baseline + 1),
        title: visible(&format!("Difference to {}", run_name(findings, baseline))),
        caption: format!(
            "Point and {} % interval of the paired difference; hollow where the interval holds zero. {}",
            number::level(findings.level),
            super::leaderboard::over(&headline)
        )
        .into(),
        alt: format!("Paired differences of {} runs with intervals; the table below has the numbers.", rows.len()),
        plot: Plot::Dots(Dots {
            axis: "Difference in accuracy, percentage points".to_owned(),
            unit: Unit::Points,
            rows,
            series: Vec::new(),
            crowd: None,
            references: vec![Reference { value: 0.0, label: "no difference".to_owned() }],
            print_values: true,
        }),
    })
}

fn table(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    baseline: usize,
    differences: &[&PairedDifference],
) -> Table {
    let runs = runs(findings, benchmark, differences);
    let averages = benchmark.averages.iter().map(|a| Languages::Average(a.clone()));
    let all = averages.chain(benchmark.langs.iter().map(|l| Languages::One(*l)));
    let rows = all.filter(|languages| differences.iter().any(|d| d.languages == *languages)).map(|languages| {
        let values =
            runs.iter().map(|run| value(differences.iter().find(|d| d.run == *run && d.languages == languages)));
        let (label, lang) = match &languages {
            Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
            Languages::Average(name) => (Inline::new().name(name), None),
        };
        MatrixRow { label, lang, run: None, pinned: lang.is_none(), values: values.collect() }
    });
    matrix::table(
        format!("{}-run-{}", benchmark_id("baseline-table", benchmark, i), baseline + 1),
        Inline::new()
            .text("Difference to ")
            .name(run_name(findings, baseline))
            .text(format!(" in percentage points with {} % intervals.", number::level(findings.level))),
        "Language",
        runs.iter().map(|run| Column::right(Inline::new().name(run_name(findings, *run))).of_run(*run)).collect(),
        rows.collect(),
    )
}

/// Where a run gains and loses on the baseline: by language and category, which averages hide. `None` without categories.
fn by_category(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    run: usize,
    differences: &[&PairedDifference],
) -> Option<Block> {
    let of = |scope: &Scope, languages: &Languages| {
        value(differences.iter().find(|d| d.run == run && d.scope == *scope && d.languages == *languages))
    };
    let categories: Vec<Scope> = benchmark
        .categories
        .iter()
        .map(|category| Scope::Category(category.clone()))
        .filter(|scope| differences.iter().any(|d| d.run == run && d.scope == *scope && d.estimate.is_some()))
        .collect();
    if categories.is_empty() {
        return None;
    }
    let title = |scope: &Scope| match scope {
        Scope::Overall => "Overall".to_owned(),
        Scope::Category(name) | Scope::Subset(name) => visible(name),
    };
    let scopes: Vec<Scope> = std::iter::once(Scope::Overall).chain(categories).collect();
    let averages = benchmark.averages.iter().map(|average| Languages::Average(average.clone()));
    let all: Vec<Languages> = averages.chain(benchmark.langs.iter().map(|lang| Languages::One(*lang))).collect();
    let rows = all.iter().map(|languages| {
        let (label, lang) = match languages {
            Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
            Languages::Average(name) => (Inline::new().name(name), None),
        };
        let values = scopes.iter().map(|scope| of(scope, languages)).collect();
        MatrixRow { label, lang, run: Some(run), pinned: lang.is_none(), values }
    });
    let id = format!("{}-run-{}", benchmark_id("baseline-categories", benchmark, i), run + 1);
    let (name, baseline) = (run_name(findings, run), run_name(findings, findings.baseline));
    let table = matrix::table(
        id.clone(),
        Inline::new()
            .name(&name)
            .text(" less ")
            .name(&baseline)
            .text(format!(", percentage points with {} % intervals.", number::level(findings.level))),
        "Language",
        scopes.iter().map(|scope| Column::right(title(scope))).collect(),
        rows.collect(),
    );
    let cell = |lang: crate::lang::Lang, scope: &Scope| {
        let value = of(scope, &Languages::One(lang));
        let what = format!("{}, {}", crate::report::language::name(lang), title(scope));
        matrix::cell(&what, &value, lang)
    };
    let map = Figure {
        id: format!("{id}-map"),
        title: visible(&format!("{name} less {baseline}, by language and category")),
        caption: "Points only; intervals are in the table and on hover.".into(),
        alt: format!("Differences in {} languages by {} columns.", benchmark.langs.len(), scopes.len()),
        plot: Plot::Heat(Heat {
            legend: "points".to_owned(),
            unit: Unit::Points,
            ramp: Ramp::Diverging,
            range: None,
            rows: benchmark.langs.iter().map(|lang| Label::lang(*lang)).collect(),
            columns: scopes.iter().map(|scope| Label::text(&title(scope))).collect(),
            cells: benchmark.langs.iter().map(|lang| scopes.iter().map(|scope| cell(*lang, scope)).collect()).collect(),
        }),
    };
    let summary = Inline::new().name(&name).text(" by language and category");
    Some(Block::Fold { summary, blocks: vec![map.into(), table.into()], open: false })
}
