//! Studies: what was varied and what it did.

use super::details::{self, Details, Shown, name};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline, visible};
use crate::report::figure::{Curve, Curves, Figure, Label, Plot};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;

const ANALYSIS: &str = "studies";

/// Curves that a figure can still tell apart.
const MOST_CURVES: usize = 4;

const GROUPS: [Shown; 5] = [
    ("median-accuracy", "Accuracy", "Median over seeds of the mean over languages", Unit::Percent),
    ("quartile-1", "First quartile", "Over seeds", Unit::Percent),
    ("quartile-3", "Third quartile", "Over seeds", Unit::Percent),
    ("median-loss", "Loss", "Median over seeds of −log σ(reward of chosen − reward of rejected)", Unit::Plain),
    ("seeds", "Seeds", "Runs that differ in nothing else", Unit::Plain),
];

const LAW: [Shown; 3] = [
    ("power-a", "a", "Factor", Unit::Plain),
    ("power-b", "b", "Exponent", Unit::Plain),
    ("power-c", "c", "What no size takes away", Unit::Plain),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let mut blocks = vec![Block::Paragraph(
            "Runs of one training command that differ in what is named. A number is the median over the seeds of a \
             setting; its interval resamples source items and, where there are three seeds or more, seeds. With fewer \
             seeds it says nothing of what another seed would have given. Settings were not chosen on these items \
             unless the study was made for that."
                .into(),
        )];
        blocks.extend(best(&details));
        blocks.push(groups(findings, benchmark, i, &details));
        blocks.extend(curves(findings, benchmark, i, &details));
        blocks.extend(laws(findings, benchmark, i, &details));
        Some(blocks)
    })
}

fn called(text: &str) -> &str {
    if text.is_empty() { "as given" } else { text }
}

/// The best setting, of each objective where they are compared.
fn best(details: &Details<'_>) -> Option<Block> {
    let lines: Vec<Inline> = details
        .measured("best")
        .filter_map(|d| {
            let (objective, group) = (name(d, 0)?, name(d, 1)?);
            let line = match objective {
                "" => Inline::new().text("Best: "),
                objective => Inline::new().text("Best with ").code(objective).text(": "),
            };
            Some(line.name(called(group)).text(", ").value(details::value(d, Unit::Percent)))
        })
        .collect();
    // One group alone is no choice.
    (details.measured("median-accuracy").count() > 1 && !lines.is_empty()).then_some(Block::Bullets(lines))
}

fn groups(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Block {
    let rows = details.measured("median-accuracy").filter_map(|d| {
        let label = Inline::new().name(called(name(d, 0)?));
        Some(details::row(details, None, &d.of, label, &GROUPS))
    });
    let caption = format!("Accuracy in percent, with {}.", details::intervals(findings));
    let id = benchmark_id("study", benchmark, i);
    details::table(id, caption.into(), "Setting", &GROUPS, rows.collect()).into()
}

/// One figure per axis of numbers: accuracy against its values.
fn curves(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let mut axes: Vec<&str> = details.measured("curve").filter_map(|d| name(d, 0)).collect();
    axes.dedup();
    axes.sort_unstable();
    axes.dedup();
    axes.iter().enumerate().map(|(k, axis)| curve_figure(findings, benchmark, (i, k), details, axis).into()).collect()
}

fn curve_figure(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    (i, k): (usize, usize),
    details: &Details<'_>,
    axis: &str,
) -> Figure {
    let mut curves: Vec<Curve> = Vec::new();
    let mut n_left = 0;
    let mut series: Vec<&str> = Vec::new();
    for d in details.measured("curve").filter(|d| name(d, 0) == Some(axis)) {
        let (Some(of), Some(x)) = (name(d, 1), name(d, 2)) else { continue };
        let (Ok(x), Some(estimate)) = (x.parse::<f64>(), d.estimate) else { continue };
        let at = match series.iter().position(|known| *known == of) {
            Some(at) => at,
            None if series.len() == MOST_CURVES => {
                n_left += 1;
                continue;
            }
            None => {
                series.push(of);
                curves.push(Curve { label: Label::text(called(of)), points: Vec::new() });
                series.len() - 1
            }
        };
        let hover = matrix::hover(&format!("{axis} {x}, {}", called(of)), &details::value(d, Unit::Percent));
        curves[at].points.push((x, estimate, hover));
    }
    curves.iter_mut().for_each(|curve| curve.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let left = if n_left > 0 { " More settings are in the table." } else { "" };
    Figure {
        id: format!("{}-{}", benchmark_id("study-curve", benchmark, i), k + 1),
        title: visible(&format!("Accuracy by {axis}, {}", benchmark.title)),
        caption: format!(
            "Median accuracy over seeds against {}, with {}.{left}",
            visible(axis),
            details::intervals(findings)
        )
        .into(),
        alt: "Accuracy against the values of one axis; the table of settings has the numbers.".to_owned(),
        plot: Plot::Curves(Curves {
            x_axis: visible(axis),
            y_axis: "Accuracy, %".to_owned(),
            unit: Unit::Percent,
            x_unit: Some(Unit::Plain),
            curves,
            diagonal: false,
        }),
    }
}

fn laws(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let rows: Vec<MatrixRow> = details
        .measured("power-b")
        .filter_map(|d| {
            let (of, series) = (name(d, 0)?, name(d, 1)?);
            let label = Inline::new().text(format!("{of}: ")).name(called(series));
            let about = [About::name(of), About::name(series)];
            Some(details::row(details, None, &about, label, &LAW))
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let caption = format!(
        "Loss as a·N^−b + c, N the number of training pairs or of parameters, with {}; n is the number of sizes. \
         Three numbers fitted to few sizes: a law to go on from, not to extrapolate far with.",
        details::intervals(findings)
    );
    vec![details::table(benchmark_id("study-law", benchmark, i), caption.into(), "Of", &LAW, rows).into()]
}
