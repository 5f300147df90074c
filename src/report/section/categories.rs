//! Language × category, one map per run: where a run is weak, and in what.

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::lang::Lang;
use crate::report::block::{Block, Column, Inline, Table, visible};
use crate::report::figure::{Figure, Heat, Label, Plot, Ramp, extent};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Scope};
use crate::report::language;
use crate::report::measure::{ACCURACY, Unit};
use crate::report::number;
use crate::report::select::{Lookup, languages_by_accuracy, ranking, run_name, scope_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
        let order = ranking(findings, benchmark);
        let langs = languages_by_accuracy(&accuracy, benchmark, *order.first()?);
        let scopes: Vec<Scope> = benchmark
            .categories
            .iter()
            .map(|c| Scope::Category(c.clone()))
            .filter(|scope| langs.iter().any(|lang| accuracy.has(scope, &Languages::One(*lang))))
            .collect();
        if scopes.is_empty() {
            return None;
        }
        let all: Vec<Scope> = std::iter::once(Scope::Overall).chain(scopes).collect();
        // One scale for all runs, so that their maps can be compared by eye.
        let points = order.iter().flat_map(|run| langs.iter().map(move |lang| (*run, Languages::One(*lang))));
        let range = extent(points.flat_map(|(run, l)| {
            let of_scope = all.iter().filter_map(|scope| accuracy.point(run, scope, &l));
            of_scope.collect::<Vec<f64>>()
        }));
        let mut blocks = Vec::new();
        for (rank, run) in order.iter().enumerate() {
            let map = figure(findings, benchmark, i, (*run, range), (&accuracy, &langs, &all));
            let numbers = table(findings, benchmark, i, *run, (&accuracy, &langs, &all));
            let numbers = Block::Fold {
                summary: "The same as a table, with intervals".into(),
                blocks: vec![numbers.into()],
                open: false,
            };
            if order.len() == 1 {
                blocks.extend([map.into(), numbers]);
                continue;
            }
            blocks.push(Block::Fold {
                summary: Inline::new().name(run_name(findings, *run)),
                blocks: vec![map.into(), numbers],
                open: rank == 0,
            });
        }
        Some(blocks)
    })
}

type Grid<'a> = (&'a Lookup<'a>, &'a [Lang], &'a [Scope]);

fn figure(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    (run, range): (usize, Option<(f64, f64)>),
    (accuracy, langs, scopes): Grid<'_>,
) -> Figure {
    let cell = |lang: Lang, scope: &Scope| {
        let value = accuracy.value(run, scope, &Languages::One(lang));
        let what = format!("{}, {}", language::name(lang), scope_name(scope));
        matrix::cell(&what, &value, lang)
    };
    let cells = langs.iter().map(|lang| scopes.iter().map(|scope| cell(*lang, scope)).collect());
    let name = run_name(findings, run);
    Figure {
        id: format!("{}-run-{}", benchmark_id("categories", benchmark, i), run + 1),
        title: visible(&format!("Accuracy by language and category, {name}")),
        caption: "Points only; intervals are in the table and on hover.".into(),
        alt: format!("Accuracy in {} languages by {} columns; the table has the numbers.", langs.len(), scopes.len()),
        plot: Plot::Heat(Heat {
            legend: "percent".to_owned(),
            unit: Unit::Percent,
            ramp: Ramp::Sequential,
            range,
            rows: langs.iter().map(|lang| Label::lang(*lang)).collect(),
            columns: scopes.iter().map(|scope| Label::text(scope_name(scope))).collect(),
            cells: cells.collect(),
        }),
    }
}

fn table(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    run: usize,
    (accuracy, langs, scopes): Grid<'_>,
) -> Table {
    let rows = langs.iter().map(|lang| MatrixRow {
        label: Inline::new().lang(*lang),
        lang: Some(*lang),
        run: Some(run),
        pinned: false,
        values: scopes.iter().map(|scope| accuracy.value(run, scope, &Languages::One(*lang))).collect(),
    });
    matrix::table(
        format!("{}-run-{}", benchmark_id("categories-table", benchmark, i), run + 1),
        Inline::new()
            .name(run_name(findings, run))
            .text(format!(": accuracy in percent with {} % intervals.", number::level(findings.level))),
        "Language",
        scopes.iter().map(|scope| Column::right(Inline::new().name(scope_name(scope)))).collect(),
        rows.collect(),
    )
}
