//! Models trained on one language each, by the language they are tested on.

use super::details::{self, Details, Shown, lang};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::lang::Lang;
use crate::report::block::{Block, Column, Inline, visible};
use crate::report::figure::{Figure, Heat, HeatCell, Label, Plot, Ramp};
use crate::report::findings::{About, BenchmarkInfo, Findings, Languages, Scope};
use crate::report::language;
use crate::report::measure::{LONGEST, Unit};
use crate::report::select::{Lookup, run_name};

const ANALYSIS: &str = "transfer";

/// Measures of one cell.
const OF_CELL: [Shown; 5] = [
    ("accuracy", "Accuracy", "Of the model, as in the matrix", Unit::Percent),
    ("length-baseline", "Length rule", "Accuracy of the rule; equal lengths are worth one half", Unit::Percent),
    ("length-agreement", "Agreement", "Items on which model and rule prefer the same response", Unit::Percent),
    (
        "length-agreement-expected",
        "Expected",
        "Agreement of two independent scorers as accurate as these",
        Unit::Percent,
    ),
    ("length-agreement-excess", "Excess", "Agreement less expected: above 0 the model follows length", Unit::Points),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let mut rows: Vec<(usize, Lang)> = Vec::new();
        let mut targets: Vec<Lang> = Vec::new();
        for d in details.measured("accuracy") {
            let (Some(run), Some(source), Some(target)) = (d.run, lang(d, 0), lang(d, 1)) else { continue };
            if !rows.contains(&(run, source)) {
                rows.push((run, source));
            }
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        rows.sort_by_key(|(_, source)| *source);
        let mut blocks = vec![Block::Paragraph(
            "Rows are models that were trained on one language, as their provenance says; columns are the languages \
             they were tested on. The native advantage is what training on the tested language gains over training \
             on another."
                .into(),
        )];
        blocks.push(heat(findings, benchmark, i, &details, &rows, &targets).into());
        blocks.push(table(findings, benchmark, i, &details, &rows, &targets));
        blocks.extend(baselines(findings, benchmark, i, &details, &rows));
        let shown: [Shown; 1] = [("native-advantage", "Native advantage", "In percentage points", Unit::Points)];
        let mut advantages: Vec<MatrixRow> = details
            .measured("native-advantage")
            .filter_map(|d| Some(details::row(&details, None, &d.of, Inline::new().lang(lang(d, 0)?), &shown)))
            .collect();
        if details.measured("mean-native-advantage").next().is_some() {
            let value = details.value(None, "mean-native-advantage", &[], Unit::Points);
            let label = Inline::new().text("mean of these");
            advantages.insert(0, MatrixRow { label, lang: None, run: None, pinned: true, values: vec![value] });
            let caption = format!("Paired over the same items, with {}.", details::intervals(findings));
            let id = benchmark_id("native-advantage", benchmark, i);
            blocks.push(details::table(id, caption.into(), "Tested on", &shown, advantages).into());
        }
        Some(blocks)
    })
}

fn heat(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    rows: &[(usize, Lang)],
    targets: &[Lang],
) -> Figure {
    let cell = |run: usize, source: Lang, target: Lang| {
        let of = [About::Lang(source), About::Lang(target)];
        let value = details.value(Some(run), "accuracy", &of, Unit::Percent);
        let what = format!("trained on {}, tested on {}", language::name(source), language::name(target));
        HeatCell {
            hover: matrix::hover(&what, &value),
            estimate: value.estimate,
            run: Some(run),
            lang: Some(target),
            faint: false,
        }
    };
    let label = |run: usize, source: Lang| {
        Label::run(run, &format!("{} ({})", language::name(source), run_name(findings, run)))
    };
    Figure {
        id: benchmark_id("transfer", benchmark, i),
        title: visible(&format!("Transfer between languages, {}", benchmark.title)),
        caption: "Accuracy in percent: trained on the row's language, tested on the column's.".into(),
        alt: "Accuracy by training and test language; the table below has the numbers.".to_owned(),
        plot: Plot::Heat(Heat {
            legend: "percent".to_owned(),
            unit: Unit::Percent,
            ramp: Ramp::Sequential,
            range: None,
            rows: rows.iter().map(|(run, source)| label(*run, *source)).collect(),
            columns: targets.iter().map(|lang| Label::lang_code(*lang)).collect(),
            cells: rows.iter().map(|(run, source)| targets.iter().map(|t| cell(*run, *source, *t)).collect()).collect(),
        }),
    }
}

/// Tested languages down, trained ones across, and what a scorer gets that knows length only.
fn table(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    rows: &[(usize, Lang)],
    targets: &[Lang],
) -> Block {
    let longest = Lookup::of(findings, &benchmark.name, LONGEST);
    let mut columns: Vec<Column> = rows
        .iter()
        .map(|(run, source)| Column::right(Inline::new().lang(*source)).about(run_name(findings, *run)).of_run(*run))
        .collect();
    columns.push(Column::right("Longest wins").about("Accuracy of always preferring the longer response"));
    let table_rows = targets.iter().map(|target| {
        let of = |(run, source): &(usize, Lang)| {
            details.value(Some(*run), "accuracy", &[About::Lang(*source), About::Lang(*target)], Unit::Percent)
        };
        let mut values: Vec<_> = rows.iter().map(of).collect();
        let run = rows.first().map_or(0, |(run, _)| *run);
        values.push(longest.value(run, &Scope::Overall, &Languages::One(*target)));
        MatrixRow { label: Inline::new().lang(*target), lang: Some(*target), run: None, pinned: false, values }
    });
    let caption = format!(
        "Accuracy in percent by training language (across), with {}; a coin gives 50.",
        details::intervals(findings)
    );
    let id = benchmark_id("transfer-table", benchmark, i);
    matrix::table(id, caption.into(), "Tested on", columns, table_rows.collect()).into()
}

/// What length alone gets in every cell, and whether the model follows it.
fn baselines(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    rows: &[(usize, Lang)],
) -> Option<Block> {
    let mut cells: Vec<MatrixRow> = Vec::new();
    for (run, source) in rows {
        for d in details.measured("length-baseline").filter(|d| d.run == Some(*run)) {
            let Some(target) = lang(d, 1) else { continue };
            let label = Inline::new().lang(*source).text(" → ").lang(target);
            let mut row = details::row(details, Some(*run), &d.of, label, &OF_CELL);
            row.lang = Some(target);
            cells.push(row);
        }
    }
    if cells.is_empty() {
        return None;
    }
    let caption = format!(
        "What a rule gets that sees lengths only (longer or shorter, whichever is right more often in the training \
         language), in percent with {}. A pair has no majority class: a coin stands in its place.",
        details::intervals(findings)
    );
    let id = benchmark_id("transfer-length", benchmark, i);
    let table = details::table(id, caption.into(), "Trained → tested", &OF_CELL, cells);
    Some(Block::Fold { summary: "Length in every cell".into(), blocks: vec![table.into()], open: false })
}
