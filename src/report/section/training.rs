//! How models were trained: learning by language over the steps, what became of pairs that were too long, speed.

use std::collections::BTreeSet;

use super::details::{self, Details, Shown, lang, place};
use super::matrix::{self, MatrixRow};
use crate::lang::Lang;
use crate::report::block::{Block, Column, Inline, Table, Value, slug, visible};
use crate::report::figure::{Curve, Curves, Figure, Label, Plot};
use crate::report::findings::{About, Findings};
use crate::report::measure::Unit;
use crate::report::training::ANALYSIS;

const SPEED: [Shown; 6] = [
    ("pairs-per-second", "Pairs/s", "Over all steps, evaluations and checkpoints left out", Unit::Plain),
    (
        "useful-tokens-per-second",
        "Useful tokens/s",
        "Tokens of whole sequences, as they are counted where nothing is shared; padding does not count",
        Unit::Plain,
    ),
    ("tokens-per-second", "Computed tokens/s", "Shared prefixes once; no sequence is padded", Unit::Plain),
    ("shared-share", "Saved by sharing", "Tokens of sequences that were not computed", Unit::Percent),
    (
        "share-of-bound",
        "Of the bound",
        "The steps' arithmetic at the rate of a large matrix product on the same machine, over their time",
        Unit::Percent,
    ),
    ("seconds", "Seconds", "Of all steps", Unit::Plain),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    let of_training = findings.details.iter().filter(|d| d.analysis == ANALYSIS);
    let runs: BTreeSet<&str> = of_training.map(|d| d.benchmark.as_str()).collect();
    let mut blocks = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let details = Details::named(findings, run, ANALYSIS)?;
        if runs.len() > 1 {
            blocks.push(Block::Heading(Inline::new().name(run)));
        }
        blocks.extend(of_run(findings, &details, run, i));
    }
    (!blocks.is_empty()).then_some(blocks)
}

fn of_run(findings: &Findings, details: &Details<'_>, run: &str, i: usize) -> Vec<Block> {
    let id = |what: &str| format!("training-{what}-{}-{}", i + 1, slug(run));
    let mut blocks = Vec::new();
    blocks.extend(accuracy(details, run, id("accuracy")).map(Block::from));
    blocks.extend(loss(details, run, id("loss")).map(Block::from));
    blocks.push(by_language(findings, details, run, id("languages")).into());
    let row = details::row(details, None, &[], Inline::new().name(run), &SPEED);
    let caption = format!("Speed of the run's steps, n of them, with {} over steps.", details::intervals(findings));
    blocks.push(details::table(id("speed"), caption.into(), "Run", &SPEED, vec![row]).into());
    blocks
}

/// Steps of windows or of evaluations, by place.
fn steps(details: &Details<'_>, measure: &str) -> Vec<(u32, f64)> {
    details.measured(measure).filter_map(|d| Some((place(d, 0)?, d.estimate?.point))).collect()
}

fn languages(details: &Details<'_>) -> Vec<Lang> {
    let all: BTreeSet<Lang> = details.measured("pairs-seen").filter_map(|d| lang(d, 0)).collect();
    all.into_iter().collect()
}

/// A curve of a measure over the steps, x a share of all steps or their number.
fn curve(
    details: &Details<'_>,
    (measure, at): (&str, &str),
    of: Option<Lang>,
    (label, name): (Label, &str),
    (unit, scale): (Unit, f64),
) -> Option<Curve> {
    let points: Vec<_> = steps(details, at)
        .into_iter()
        .filter_map(|(place, step)| {
            let about: Vec<About> = of.map(About::Lang).into_iter().chain([About::Place(place)]).collect();
            let value = details.value(None, measure, &about, unit);
            let hover = matrix::hover(&format!("{name}, step {step}"), &value);
            Some((step / scale, value.estimate?, hover))
        })
        .collect();
    (!points.is_empty()).then_some(Curve { label, points })
}

/// All pairs, what was held out, and the two languages that ended lowest.
fn accuracy(details: &Details<'_>, run: &str, id: String) -> Option<Figure> {
    let last = steps(details, "last-step").last().copied()?;
    let mut ended: Vec<(f64, Lang)> = languages(details)
        .into_iter()
        .filter_map(|lang| Some((details.point(None, "accuracy", &[About::Lang(lang), About::Place(last.0)])?, lang)))
        .collect();
    ended.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let scaled = (Unit::Percent, last.1);
    let training = ("accuracy", "last-step");
    let mut curves: Vec<Curve> = Vec::new();
    curves.extend(curve(details, training, None, (Label::text("training pairs"), "training pairs"), scaled));
    let held_out = ("held-out-accuracy", "evaluation-step");
    curves.extend(curve(details, held_out, None, (Label::text("held out"), "held out"), scaled));
    if ended.len() > 1 {
        for (_, lang) in ended.into_iter().take(2) {
            let name = crate::report::language::name(lang);
            curves.extend(curve(details, training, Some(lang), (Label::lang(lang), &name), scaled));
        }
    }
    (!curves.is_empty()).then(|| Figure {
        id,
        title: visible(&format!("Accuracy while {run} was trained")),
        caption: "Of training pairs when they were met, before the step that learnt from them, and of held-out pairs; \
                  the languages are the two that ended lowest."
            .into(),
        alt: "Accuracy against the share of steps; the table below has the languages.".to_owned(),
        plot: Plot::Curves(Curves {
            x_axis: "Share of the steps, %".to_owned(),
            y_axis: "Accuracy, %".to_owned(),
            unit: Unit::Percent,
            x_unit: None,
            curves,
            diagonal: false,
        }),
    })
}

fn loss(details: &Details<'_>, run: &str, id: String) -> Option<Figure> {
    let plain = (Unit::Plain, 1.0);
    let label = (Label::text("training pairs"), "training pairs");
    let held_out = (Label::text("held out, −log σ(margin)"), "held out");
    let curves: Vec<Curve> = [
        curve(details, ("loss", "last-step"), None, label, plain),
        curve(details, ("held-out-loss", "evaluation-step"), None, held_out, plain),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!curves.is_empty()).then(|| Figure {
        id,
        title: visible(&format!("Loss while {run} was trained")),
        caption: "The objective's loss of training pairs, and how well margins predict held-out preferences.".into(),
        alt: "Loss against steps.".to_owned(),
        plot: Plot::Curves(Curves {
            x_axis: "Step".to_owned(),
            y_axis: "Loss".to_owned(),
            unit: Unit::Plain,
            x_unit: None,
            curves,
            diagonal: false,
        }),
    })
}

fn by_language(findings: &Findings, details: &Details<'_>, run: &str, id: String) -> Table {
    let last = steps(details, "last-step").last().map_or(0, |(place, _)| *place);
    let evaluation = steps(details, "evaluation-step").last().map(|(place, _)| *place);
    // Measure, where it stands, title, explanation, unit.
    let columns: [(&str, Option<u32>, &str, &str, Unit); 9] = [
        ("accuracy", Some(0), "Accuracy, first", "Of the pairs met in the first window of steps", Unit::Percent),
        ("accuracy", Some(last), "Accuracy, last", "Of the pairs met in the last window of steps", Unit::Percent),
        ("loss", Some(0), "Loss, first", "The objective's, in the first window", Unit::Plain),
        ("loss", Some(last), "Loss, last", "The objective's, in the last window", Unit::Plain),
        ("margin", Some(last), "Margin, last", "Reward of the chosen less that of the rejected response", Unit::Plain),
        (
            "held-out-accuracy",
            evaluation,
            "Held out",
            "At the last evaluation; its pairs are taken as independent",
            Unit::Percent,
        ),
        ("dropped-share", None, "Dropped", "Share of pairs left out as too long", Unit::Percent),
        ("dropped", None, "Dropped pairs", "Pairs left out as too long", Unit::Plain),
        ("cut", None, "Cut pairs", "Pairs trained on without some of their tokens", Unit::Plain),
    ];
    let rows = languages(details).into_iter().map(|lang| {
        let value = |(measure, place, _, _, unit): &(&str, Option<u32>, &str, &str, Unit)| {
            let place = place.map(About::Place);
            let of: Vec<About> = [About::Lang(lang)].into_iter().chain(place).collect();
            match *measure {
                "held-out-accuracy" if evaluation.is_none() => Value::absent(*unit, "no held-out pairs"),
                measure => details.value(None, measure, &of, *unit),
            }
        };
        let values = columns.iter().map(value).collect();
        MatrixRow { label: Inline::new().lang(lang), lang: Some(lang), run: None, pinned: false, values }
    });
    let caption = Inline::new().name(run).text(format!(
        ": what each language learnt, with {}, and what was too long for the model.",
        details::intervals(findings)
    ));
    let titles = columns.iter().map(|(_, _, title, about, _)| Column::right(*title).about(*about)).collect();
    matrix::table(id, caption, "Language", titles, rows.collect())
}
