//! What a reader must know before trusting a number: warnings, and what is missing, tied or cut.

use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Cell, Column, Inline, Row, Table, visible};
use crate::report::findings::{BenchmarkInfo, Finding, Findings, Languages, Scope};
use crate::report::measure::ACCURACY;
use crate::report::select::{Lookup, ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    let mut blocks: Vec<Block> = findings.warnings.iter().map(|w| Block::Warning(Inline::new().prose(w))).collect();
    if let Some(tables) = per_benchmark(findings, |benchmark, i| of_benchmark(findings, benchmark, i)) {
        blocks.extend(tables);
    }
    (!blocks.is_empty()).then_some(blocks)
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo, i: usize) -> Option<Vec<Block>> {
    let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
    let order = ranking(findings, benchmark);
    if order.is_empty() {
        return None;
    }
    let cell = |run: usize, lang| accuracy.get(run, &Scope::Overall, &Languages::One(lang));
    let totals = order.iter().map(|run| {
        let cells: Vec<&Finding> = benchmark.langs.iter().filter_map(|lang| cell(*run, *lang)).collect();
        let mut row = vec![Cell::Text(Inline::new().name(run_name(findings, *run)))];
        row.push(Cell::Count(cells.iter().filter(|f| f.estimate.is_some()).count()));
        row.extend(counts(&cells));
        Row { cells: row, lang: None, run: Some(*run), pinned: false }
    });
    let mut columns = vec![
        Column::left("Run"),
        Column::right("Languages").about(format!("With accuracy, of the benchmark's {}", benchmark.langs.len())),
    ];
    columns.extend(count_columns());
    let mut blocks = vec![Block::Table(Table {
        id: benchmark_id("coverage", benchmark, i),
        caption: format!("Comparisons of all {} languages together.", benchmark.langs.len()).into(),
        columns,
        rows: totals.collect(),
    })];

    // Only cells with something to report: a clean benchmark prints no second table.
    let mut rows = Vec::new();
    for run in &order {
        for lang in &benchmark.langs {
            let finding = cell(*run, *lang);
            let touched =
                finding.is_none_or(|f| f.n_ties + f.n_truncated > 0 || f.estimate.is_none_or(|e| e.n_missing > 0));
            if touched {
                let mut cells = vec![
                    Cell::Text(Inline::new().lang(*lang)),
                    Cell::Text(Inline::new().name(run_name(findings, *run))),
                ];
                cells.extend(match finding {
                    Some(f) if f.estimate.is_some() => counts(&[f]),
                    Some(f) => {
                        vec![Cell::Absent(f.why.as_deref().map_or_else(|| "no estimate".to_owned(), visible)); 4]
                    }
                    None => vec![Cell::Absent("not scored".to_owned()); 4],
                });
                rows.push(Row { cells, lang: Some(*lang), run: Some(*run), pinned: false });
            }
        }
    }
    if rows.is_empty() {
        blocks.push(Block::Paragraph("No language of any run has missing, tied or truncated comparisons.".into()));
    } else {
        let mut columns = vec![Column::left("Language"), Column::left("Run")];
        columns.extend(count_columns());
        let table = Table {
            id: benchmark_id("coverage-cells", benchmark, i),
            caption: "Cells with missing, tied or truncated comparisons.".into(),
            columns,
            rows,
        };
        let summary = format!("By language: {} cells with something to report", table.rows.len());
        blocks.push(Block::Fold { summary: summary.into(), blocks: vec![table.into()], open: false });
    }
    Some(blocks)
}

fn count_columns() -> [Column; 4] {
    [
        Column::right("n").about("Comparisons with an outcome"),
        Column::right("Missing").about("Comparisons without one: not scored, or the model gave no reward"),
        Column::right("Ties").about("Comparisons whose rewards are exactly equal"),
        Column::right("Truncated").about("Comparisons of which a response was cut to fit the model"),
    ]
}

fn counts(cells: &[&Finding]) -> Vec<Cell> {
    let estimates = || cells.iter().filter_map(|f| f.estimate);
    vec![
        Cell::Count(estimates().map(|e| e.n).sum()),
        Cell::Count(estimates().map(|e| e.n_missing).sum()),
        Cell::Count(cells.iter().map(|f| f.n_ties).sum()),
        Cell::Count(cells.iter().map(|f| f.n_truncated).sum()),
    ]
}
