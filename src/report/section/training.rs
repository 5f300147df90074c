//! How models were trained: learning by language over the steps, what became of pairs that were too long, speed.

use std::collections::BTreeSet;

use super::details::{self, Details, Shown, lang, place};
use super::matrix::{self, MatrixRow};
use crate::lang::Lang;
use crate::metric::Estimate;
use crate::report::block::{Block, Column, Inline, Table, Value, slug, visible};
use crate::report::figure::{Curve, Curves, Figure, Heat, HeatCell, Label, Plot, Ramp};
use crate::report::findings::{About, Findings};
use crate::report::measure::Unit;
use crate::report::training::ANALYSIS;

const SPEED: [Shown; 7] = [
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
        "padding-share",
        "Padding left out",
        "What would be padding if the sequences of a step were as long as its longest",
        Unit::Percent,
    ),
    (
        "share-of-bound",
        "Of the bound",
        "The steps' arithmetic at the rate of a large matrix product on the same machine, over their time",
        Unit::Percent,
    ),
    ("seconds", "Seconds", "Of all steps", Unit::Plain),
];

/// The last step of each window that languages are looked at in.
const BY_LANGUAGE: &str = "language-last-step";

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
    for of in [&LOSS, &MARGIN] {
        blocks.extend(course(details, run, id(of.measure), of).map(Block::from));
    }
    let maps = MAPS.into_iter().filter_map(|of| map(details, run, id(&format!("{}-map", of.0)), of));
    blocks.extend(maps.map(Block::from));
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
    let (last, ending) = (steps(details, "last-step").last()?.1, About::Place(steps(details, BY_LANGUAGE).last()?.0));
    let mut ended: Vec<(f64, Lang)> = languages(details)
        .into_iter()
        .filter_map(|lang| Some((details.point(None, "accuracy", &[About::Lang(lang), ending.clone()])?, lang)))
        .collect();
    ended.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let scaled = (Unit::Percent, last);
    let training = ("accuracy", "last-step");
    let mut curves: Vec<Curve> = Vec::new();
    curves.extend(curve(details, training, None, (Label::text("training pairs"), "training pairs"), scaled));
    let held_out = ("held-out-accuracy", "evaluation-step");
    curves.extend(curve(details, held_out, None, (Label::text("held out"), "held out"), scaled));
    if ended.len() > 1 {
        for (_, lang) in ended.into_iter().take(2) {
            let name = crate::report::language::name(lang);
            let of_lang = ("accuracy", BY_LANGUAGE);
            curves.extend(curve(details, of_lang, Some(lang), (Label::lang(lang), &name), scaled));
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

/// What a figure over the steps shows: a measure of training pairs and one of held-out pairs, with their words.
struct Course {
    measure: &'static str,
    held_out: (&'static str, &'static str),
    title: &'static str,
    caption: &'static str,
}

const LOSS: Course = Course {
    measure: "loss",
    held_out: ("held-out-loss", "held out, −log σ(margin)"),
    title: "Loss",
    caption: "The objective's loss of training pairs, and how well margins predict held-out preferences.",
};

const MARGIN: Course = Course {
    measure: "margin",
    held_out: ("held-out-margin", "held out"),
    title: "Margin",
    caption: "Reward of the chosen less that of the rejected response: of training pairs when they were met, and of held-out pairs.",
};

fn course(details: &Details<'_>, run: &str, id: String, of: &Course) -> Option<Figure> {
    let plain = (Unit::Plain, 1.0);
    let (held_out, name) = of.held_out;
    let curves: Vec<Curve> = [
        curve(details, (of.measure, "last-step"), None, (Label::text("training pairs"), "training pairs"), plain),
        curve(details, (held_out, "evaluation-step"), None, (Label::text(name), "held out"), plain),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!curves.is_empty()).then(|| Figure {
        id,
        title: visible(&format!("{} while {run} was trained", of.title)),
        caption: of.caption.into(),
        alt: format!("{} against steps.", of.title),
        plot: Plot::Curves(Curves {
            x_axis: "Step".to_owned(),
            y_axis: of.title.to_owned(),
            unit: Unit::Plain,
            x_unit: None,
            curves,
            diagonal: false,
        }),
    })
}

/// Measures of training pairs by language and step.
const MAPS: [(&str, &str, Unit, &str); 3] = [
    ("accuracy", "Accuracy", Unit::Percent, "percent"),
    ("loss", "Loss", Unit::Plain, "the objective's loss"),
    ("margin", "Margin", Unit::Plain, "margin of rewards"),
];

/// A cell of fewer pairs says nothing of its language.
const MIN_PAIRS: usize = 10;

/// Languages down, those with most pairs first, steps across; `None` where there is one language.
fn map(
    details: &Details<'_>,
    run: &str,
    id: String,
    (measure, title, unit, legend): (&str, &str, Unit, &str),
) -> Option<Figure> {
    let mut langs: Vec<(f64, Lang)> = languages(details)
        .into_iter()
        .map(|lang| (details.point(None, "pairs-seen", &[About::Lang(lang)]).unwrap_or(0.0), lang))
        .collect();
    langs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let windows = steps(details, BY_LANGUAGE);
    let cell = |lang: Lang, (place, step): (u32, f64)| {
        let value = details.value(None, measure, &[About::Lang(lang), About::Place(place)], unit);
        let value = match value.estimate {
            Some(Estimate { n, .. }) if n < MIN_PAIRS => Value::absent(unit, format!("not enough data: {n} pairs")),
            _ => value,
        };
        let what = format!("{}, to step {step}", crate::report::language::name(lang));
        matrix::cell(&what, &value, lang)
    };
    let row = |lang: Lang| windows.iter().map(|window| cell(lang, *window)).collect::<Vec<HeatCell>>();
    let rows = langs.into_iter().map(|(_, lang)| (lang, row(lang)));
    let (langs, cells): (Vec<Lang>, Vec<Vec<HeatCell>>) =
        rows.filter(|(_, cells)| cells.iter().any(|cell| cell.estimate.is_some())).unzip();
    (langs.len() > 1).then(|| Figure {
        id,
        title: visible(&format!("{title} by language while {run} was trained")),
        caption: format!(
            "Of training pairs when they were met, by the last step of each part of the run; languages with most pairs \
             first, parts with fewer than {MIN_PAIRS} pairs left out. Intervals and numbers of pairs are on hover and in \
             the files."
        )
        .into(),
        alt: format!("{title} of {} languages over the steps.", langs.len()),
        plot: Plot::Heat(Heat {
            legend: legend.to_owned(),
            unit,
            ramp: Ramp::Sequential,
            range: None,
            rows: langs.iter().map(|lang| Label::lang(*lang)).collect(),
            columns: windows.iter().map(|(_, step)| Label::text(&step.to_string())).collect(),
            cells,
        }),
    })
}

fn by_language(findings: &Findings, details: &Details<'_>, run: &str, id: String) -> Table {
    let last = steps(details, BY_LANGUAGE).last().map_or(0, |(place, _)| *place);
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
