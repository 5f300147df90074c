//! Calibration by language, the reliability curve, and what confidence is worth.

use super::details::{self, Details, Shown, lang};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, Value, visible};
use crate::report::figure::{Curve, Curves, Figure, Label, Plot};
use crate::report::findings::{About, BenchmarkInfo, Findings, Languages, Scope};
use crate::report::measure::Unit;
use crate::report::select::{Lookup, ranking, run_name};

const ANALYSIS: &str = "calibration";

/// Runs whose curves a figure can still tell apart.
const MOST_CURVES: usize = 4;

/// Scores of a run's probabilities, by the same replicates as accuracy.
const SCORES: [Shown; 3] = [
    ("log-loss", "Log loss", "Mean −ln σ(margin), in nats; a coin gets 0.693", Unit::Plain),
    ("brier", "Brier", "Mean squared distance of σ(margin) from the preference; a coin gets 0.25", Unit::Plain),
    ("ece", "ECE", "Expected calibration error, 10 bins; above 0 by noise alone where items are few", Unit::Percent),
];

const OF_LANGUAGE: [Shown; 9] = [
    (
        "debiased-error",
        "Debiased error",
        "Root mean square calibration error less what noise alone gives",
        Unit::Percent,
    ),
    ("slope", "Slope", "Best slope of σ(slope · margin); 1 is calibrated, below 1 is overconfident", Unit::Plain),
    (
        "slope-ratio",
        "Slope ratio",
        "Slope against the reference language's; 1 where its temperature serves here",
        Unit::Plain,
    ),
    (
        "ece-at-reference-temperature",
        "ECE, refitted",
        "Calibration error with the temperature that fits the reference language",
        Unit::Percent,
    ),
    ("ace", "ACE", "Mean over bins that are not empty, each counting once", Unit::Percent),
    ("mce", "MCE", "The bin that is furthest off", Unit::Percent),
    ("elo-per-unit", "Elo per unit", "Elo difference that one unit of reward stands for", Unit::Plain),
    ("reliability", "Reliability", "The part of the Brier score that miscalibration costs", Unit::Plain),
    ("resolution", "Resolution", "The part of the Brier score that telling items apart gains", Unit::Plain),
];

const OF_COVERAGE: [(u32, &str); 4] = [(50, "at 50 %"), (80, "at 80 %"), (90, "at 90 %"), (100, "all items")];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let order = ranking(findings, benchmark);
        let mut blocks = vec![Block::Paragraph(
            "σ(margin) is the probability that a reward model gives to the preference. It is calibrated where that \
             probability is the share of items it gets right. Rewards that were not trained as log-odds have no \
             reason to be; the slope says in which unit they come."
                .into(),
        )];
        if let Some(figure) = reliability(findings, benchmark, i, &details, &order) {
            blocks.push(figure.into());
        }
        blocks.push(coverage_table(findings, benchmark, i, &details, &order));
        if let Some(figure) = selective(findings, benchmark, i, &details, &order) {
            blocks.push(figure.into());
        }
        blocks.extend(by_bins(findings, benchmark, i, &details, &order));
        for run in details.runs("slope", &order) {
            blocks.push(by_language(findings, benchmark, i, &details, run));
        }
        Some(blocks)
    })
}

fn curve(details: &Details<'_>, run: usize, of: &About, label: Label, name: &str) -> Option<Curve> {
    let points: Vec<_> = (0..10)
        .filter_map(|bin| {
            let of = [of.clone(), About::Place(bin)];
            let x = details.point(Some(run), "bin-probability", &of)?;
            let value = details.value(Some(run), "bin-share-right", &of, Unit::Percent);
            let hover = matrix::hover(&format!("{name}, mean probability {:.0} %", 100.0 * x), &value);
            Some((x, value.estimate?, hover))
        })
        .collect();
    (!points.is_empty()).then_some(Curve { label, points })
}

/// The best run in its reference language and elsewhere, and the next best in their reference language.
fn reliability(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    order: &[usize],
) -> Option<Figure> {
    let run = *details.runs("bin-share-right", order).first()?;
    let reference = details.measured("reference").find(|d| d.run == Some(run)).and_then(|d| lang(d, 0))?;
    let here = About::Lang(reference);
    let others = About::name("other languages");
    let name = crate::report::language::name(reference);
    let curves: Vec<Curve> = [
        curve(details, run, &here, Label::lang(reference), &name),
        curve(details, run, &others, Label::text("other languages"), "other languages"),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!curves.is_empty()).then(|| Figure {
        id: benchmark_id("reliability", benchmark, i),
        title: visible(&format!("Reliability of {}", run_name(findings, run))),
        caption: "Share of right preferences against the probability that the model gives them, in bins of a tenth. \
                  Below the dashed line the model is overconfident."
            .into(),
        alt: "Share right by stated probability; the table below has the errors.".to_owned(),
        plot: Plot::Curves(Curves {
            x_axis: "Probability given to the preferred response, %".to_owned(),
            y_axis: "Share right, %".to_owned(),
            unit: Unit::Percent,
            x_unit: None,
            curves,
            diagonal: true,
        }),
    })
}

fn selective(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    order: &[usize],
) -> Option<Figure> {
    let curves: Vec<Curve> = details
        .runs("aurc", order)
        .into_iter()
        .take(MOST_CURVES)
        .filter_map(|run| {
            let name = run_name(findings, run);
            let points: Vec<_> = (1..=10)
                .filter_map(|step| {
                    let of = [About::Place(step * 10)];
                    let value = details.value(Some(run), "selective-accuracy", &of, Unit::Percent);
                    let hover = matrix::hover(&format!("{name}, most confident {} %", step * 10), &value);
                    Some((f64::from(step) / 10.0, value.estimate?, hover))
                })
                .collect();
            (!points.is_empty()).then(|| Curve { label: Label::run(run, &name), points })
        })
        .collect();
    (!curves.is_empty()).then(|| Figure {
        id: benchmark_id("selective", benchmark, i),
        title: visible(&format!("Accuracy by confidence, {}", benchmark.title)),
        caption: "Accuracy on the items with the largest margins: a flat line means that the margin says nothing."
            .into(),
        alt: "Accuracy against coverage; the table above has the numbers.".to_owned(),
        plot: Plot::Curves(Curves {
            x_axis: "Share of items kept, most confident first, %".to_owned(),
            y_axis: "Accuracy, %".to_owned(),
            unit: Unit::Percent,
            x_unit: None,
            curves,
            diagonal: false,
        }),
    })
}

/// Errors over several numbers of bins, since no number of bins is the right one.
fn by_bins(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    order: &[usize],
) -> Option<Block> {
    const COLUMNS: [(&str, u32, &str); 9] = [
        ("all-ece", 5, "ECE, 5 bins"),
        ("all-ece", 10, "10"),
        ("all-ece", 20, "20"),
        ("all-ace", 5, "ACE, 5 bins"),
        ("all-ace", 10, "10"),
        ("all-ace", 20, "20"),
        ("all-mce", 5, "MCE, 5 bins"),
        ("all-mce", 10, "10"),
        ("all-mce", 20, "20"),
    ];
    let rows: Vec<MatrixRow> = details
        .runs("all-ece", order)
        .into_iter()
        .map(|run| MatrixRow {
            label: Inline::new().name(run_name(findings, run)),
            lang: None,
            run: Some(run),
            pinned: false,
            values: COLUMNS
                .map(|(measure, bins, _)| details.value(Some(run), measure, &[About::Place(bins)], Unit::Percent))
                .into(),
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = COLUMNS.map(|(_, bins, title)| Column::right(title).about(format!("{bins} bins of equal width")));
    let caption = format!(
        "Calibration errors of all languages together over 5, 10 and 20 bins, in percent with {}.",
        details::intervals(findings)
    );
    let id = benchmark_id("calibration-bins", benchmark, i);
    let table = matrix::table(id, caption.into(), "Run", columns.into(), rows);
    Some(Block::Fold { summary: "Errors by the number of bins".into(), blocks: vec![table.into()], open: false })
}

fn coverage_table(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    order: &[usize],
) -> Block {
    let mut columns: Vec<Shown> = vec![(
        "aurc",
        "AURC",
        "Area under the risk-coverage curve: mean error over all coverages; lower is better",
        Unit::Percent,
    )];
    columns.extend(OF_COVERAGE.map(|(_, title)| {
        ("selective-accuracy", title, "Accuracy on this share of items, most confident first", Unit::Percent)
    }));
    let rows = details.runs("aurc", order).into_iter().map(|run| {
        let mut values = vec![details.value(Some(run), "aurc", &[], Unit::Percent)];
        let at = |(coverage, _): (u32, &str)| {
            details.value(Some(run), "selective-accuracy", &[About::Place(coverage)], Unit::Percent)
        };
        values.extend(OF_COVERAGE.map(at));
        let label = Inline::new().name(run_name(findings, run));
        MatrixRow { label, lang: None, run: Some(run), pinned: false, values }
    });
    let caption = format!(
        "Accuracy on the most confident items, all languages pooled, in percent with {}.",
        details::intervals(findings)
    );
    details::table(benchmark_id("selective-table", benchmark, i), caption.into(), "Run", &columns, rows.collect())
        .into()
}

fn by_language(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>, run: usize) -> Block {
    let lookups = SCORES.map(|(metric, ..)| Lookup::of(findings, &benchmark.name, metric));
    let columns: Vec<Shown> = SCORES.into_iter().chain(OF_LANGUAGE).collect();
    let mut seen = Vec::new();
    for d in details.measured("debiased-error").filter(|d| d.run == Some(run)) {
        seen.extend(lang(d, 0));
    }
    let rows = seen.iter().map(|lang| {
        let mut row = details::row(details, Some(run), &[About::Lang(*lang)], Inline::new().lang(*lang), &OF_LANGUAGE);
        for (at, (lookup, (.., unit))) in lookups.iter().zip(SCORES).enumerate() {
            let value = lookup.value(run, &Scope::Overall, &Languages::One(*lang));
            row.values.insert(at, Value { unit, ..value });
        }
        row
    });
    let reference = details.measured("reference").find(|d| d.run == Some(run)).and_then(|d| lang(d, 0));
    let mut caption = Inline::new()
        .name(run_name(findings, run))
        .text(format!(": languages with 50 items or more, with {}", details::intervals(findings)));
    if let Some(reference) = reference {
        caption = caption.text("; the reference language is ").lang(reference);
    }
    let id = format!("{}-run-{}", benchmark_id("calibration", benchmark, i), run + 1);
    let table = details::table(id, caption.text("."), "Language", &columns, rows.collect());
    Block::Fold {
        summary: Inline::new().text("By language: ").name(run_name(findings, run)),
        blocks: vec![table.into()],
        open: false,
    }
}
