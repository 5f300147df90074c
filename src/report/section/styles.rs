//! The style matrix: chosen against rejected responses, style by style, and its easy, normal and hard part.

use super::details::Shown;
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::metric::style_matrix::CELL_IDS;
use crate::report::block::{Block, Column, Inline, visible};
use crate::report::figure::{Figure, Heat, HeatCell, Label, Plot, Ramp, extent};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Scope};
use crate::report::measure::{ACCURACY, Unit};
use crate::report::number;
use crate::report::select::{Lookup, headline, ranking, run_name, scope_name};

/// As RM-Bench has them, from the plainest.
const STYLES: [&str; 3] = ["Concise", "Detailed", "Markdown"];

const PARTS: [Shown; 4] = [
    (ACCURACY, "All nine", "Mean of the nine cells", Unit::Percent),
    ("style-matrix-hard", "Hard", "Mean of the three cells whose rejected response is the fancier one", Unit::Percent),
    ("style-matrix-normal", "Normal", "Mean of the three cells of one style", Unit::Percent),
    ("style-matrix-easy", "Easy", "Mean of the three cells whose chosen response is the fancier one", Unit::Percent),
];

/// A benchmark's cells, row by row.
struct Cells<'a> {
    of: [Lookup<'a>; 9],
    languages: Languages,
}

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let of = CELL_IDS.map(|id| Lookup::of(findings, &benchmark.name, id));
        let cells = Cells { of, languages: headline(benchmark)? };
        let scopes = scopes(benchmark, &cells);
        let whole = scopes.first()?;
        let runs: Vec<usize> = ranking(findings, benchmark)
            .into_iter()
            .filter(|run| scopes.iter().any(|scope| cells.of[0].get(*run, scope, &cells.languages).is_some()))
            .collect();
        let mut blocks = vec![Block::Paragraph(
            "Each item has right and wrong responses in three styles, from the plainest to the fanciest. A model that \
             judges content has the same accuracy in all nine cells; one that likes style is high below the diagonal, \
             where the right response is the fancier one, and low above it."
                .into(),
        )];
        if *whole == Scope::Overall {
            let parts = PARTS.map(|(id, ..)| Lookup::of(findings, &benchmark.name, id));
            let rows = runs.iter().map(|run| MatrixRow {
                label: Inline::new().name(run_name(findings, *run)),
                lang: None,
                run: Some(*run),
                pinned: false,
                values: parts.iter().map(|part| part.value(*run, whole, &cells.languages)).collect(),
            });
            let caption = format!("In percent with {} % intervals.", number::level(findings.level));
            let id = benchmark_id("styles", benchmark, i);
            let columns = super::details::columns(&PARTS);
            blocks.push(matrix::table(id, caption.into(), "Run", columns, rows.collect()).into());
        }
        let points = runs.iter().flat_map(|run| {
            let of = |lookup: &Lookup<'_>| lookup.point(*run, whole, &cells.languages);
            cells.of.iter().filter_map(of).collect::<Vec<f64>>()
        });
        // One scale for all runs, so that their maps can be compared by eye.
        let range = extent(points);
        for (rank, run) in runs.iter().enumerate() {
            let map: Block = figure(findings, benchmark, i, &cells, (*run, whole, range)).into();
            let table: Block = table(findings, benchmark, i, &cells, *run, &scopes);
            if runs.len() == 1 {
                blocks.extend([map, table]);
                continue;
            }
            let summary = Inline::new().name(run_name(findings, *run));
            blocks.push(Block::Fold { summary, blocks: vec![map, table], open: rank == 0 });
        }
        Some(blocks)
    })
}

/// The whole, then what it is made of, where all of it is compared by styles.
fn scopes(benchmark: &BenchmarkInfo, cells: &Cells<'_>) -> Vec<Scope> {
    let categories = benchmark.categories.iter().map(|name| Scope::Category(name.clone()));
    let subsets = benchmark.subsets.iter().map(|(name, _)| Scope::Subset(name.clone()));
    let all = std::iter::once(Scope::Overall).chain(categories).chain(subsets);
    all.filter(|scope| cells.of[0].has(scope, &cells.languages)).collect()
}

fn figure(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    cells: &Cells<'_>,
    (run, scope, range): (usize, &Scope, Option<(f64, f64)>),
) -> Figure {
    let cell = |row: usize, column: usize| {
        let value = cells.of[3 * row + column].value(run, scope, &cells.languages);
        let what = format!("{} chosen against {} rejected", STYLES[row], STYLES[column]);
        let hover = matrix::hover(&what, &value);
        HeatCell { hover, estimate: value.estimate, run: Some(run), lang: None, faint: false }
    };
    Figure {
        id: format!("{}-run-{}", benchmark_id("styles-map", benchmark, i), run + 1),
        title: visible(&format!("Accuracy by style, {}: {}", scope_name(scope), run_name(findings, run))),
        caption: "Rows: style of the chosen response; columns: of the rejected one. Points only; intervals are in the \
                  table and on hover."
            .into(),
        alt: "Accuracy in three by three cells; the table has the numbers.".to_owned(),
        plot: Plot::Heat(Heat {
            legend: "%".to_owned(),
            unit: Unit::Percent,
            ramp: Ramp::Sequential,
            range,
            rows: STYLES.map(|style| Label::text(&format!("{style} chosen"))).to_vec(),
            columns: STYLES.map(|style| Label::text(&format!("{style} rejected"))).to_vec(),
            cells: (0..3).map(|row| (0..3).map(|column| cell(row, column)).collect()).collect(),
        }),
    }
}

fn table(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    cells: &Cells<'_>,
    run: usize,
    scopes: &[Scope],
) -> Block {
    let rows = scopes.iter().flat_map(|scope| {
        STYLES.iter().enumerate().map(move |(row, style)| MatrixRow {
            label: Inline::new().name(scope_name(scope)).text(format!(", {} chosen", lower(style))),
            lang: None,
            run: Some(run),
            pinned: false,
            values: (0..3).map(|column| cells.of[3 * row + column].value(run, scope, &cells.languages)).collect(),
        })
    });
    let caption = Inline::new().name(run_name(findings, run)).text(format!(
        ": share of comparisons whose chosen response is above the rejected one, in percent with {} % intervals.",
        number::level(findings.level)
    ));
    let columns = STYLES.map(|style| Column::right(format!("{style} rejected"))).to_vec();
    let id = format!("{}-run-{}", benchmark_id("styles-table", benchmark, i), run + 1);
    matrix::table(id, caption, "Style", columns, rows.collect()).into()
}

/// Inside a sentence; a name stays a name.
fn lower(style: &str) -> String {
    if style == "Markdown" { style.to_owned() } else { style.to_lowercase() }
}
