//! What preferences go by: weights of properties, of people and of every run; what such properties win alone.

use super::details::{self, Details, Shown, name};
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, Value, visible};
use crate::report::figure::{Dot, DotRow, Dots, Figure, Heat, HeatCell, Label, Plot, Ramp, Reference};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

/// Who prefers: people (the benchmark's own preferences) or a run.
type Judge = Option<usize>;

/// Runs beside people whose weights a figure can still tell apart.
const MOST_SERIES: usize = 3;

const OF_JUDGE: [Shown; 3] = [
    ("predicted", "Predicted", "Preferences that the properties predict, fitted on other items", Unit::Percent),
    ("similarity", "Like people, r", "Pearson's r of the weights with those of people", Unit::Plain),
    ("rank-similarity", "Like people, ρ", "Spearman's ρ of the weights with those of people", Unit::Plain),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let mut blocks = Vec::new();
        if let Some(details) = Details::of(findings, benchmark, "dissection") {
            blocks.extend(weights(findings, benchmark, i, &details));
        }
        if let Some(details) = Details::of(findings, benchmark, "content-blind") {
            blocks.extend(alone(findings, benchmark, i, &details));
        }
        (!blocks.is_empty()).then_some(blocks)
    })
}

fn judge_name(findings: &Findings, judge: Judge) -> Inline {
    judge.map_or_else(|| "people".into(), |run| Inline::new().name(run_name(findings, run)))
}

fn weights(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let mut properties: Vec<&str> = Vec::new();
    for property in details.measured("weight").filter_map(|d| name(d, 0)) {
        if !properties.contains(&property) {
            properties.push(property);
        }
    }
    if properties.is_empty() {
        let why = details.measured("weight").find_map(|d| d.why.as_deref()).unwrap_or("not enough data");
        return vec![Block::Note(format!("What preferences go by: {why}.").into())];
    }
    let order = ranking(findings, benchmark);
    let runs = details.runs("weight", &order);
    let judges: Vec<Judge> = std::iter::once(None).chain(runs.iter().map(|run| Some(*run))).collect();
    let mut blocks = vec![Block::Paragraph(
        "Logistic regression of preferences on how much more of each property the preferred response has, in units of \
         its usual difference, with a penalty that leaves weights at 0 where nothing speaks for them. Above 0: more of \
         it is preferred, other properties being equal. “People” are the benchmark's own preferences."
            .into(),
    )];
    blocks.push(figure(findings, benchmark, i, details, &properties, &judges).into());
    let columns = judges.iter().map(|judge| {
        let column = Column::right(judge_name(findings, *judge));
        judge.map_or(column.clone(), |run| column.of_run(run))
    });
    let rows = properties.iter().map(|property| MatrixRow {
        label: Inline::new().name(property),
        lang: None,
        run: None,
        pinned: false,
        values: judges
            .iter()
            .map(|judge| details.value(*judge, "weight", &[About::name(*property)], Unit::Plain))
            .collect(),
    });
    let caption = format!(
        "Weights α of properties, all languages pooled, mean over ten folds, with {}.",
        details::intervals(findings)
    );
    let id = benchmark_id("dissection", benchmark, i);
    blocks.push(matrix::table(id, caption.into(), "Property", columns.collect(), rows.collect()).into());
    let of_people = [About::name("people")];
    let rows = judges.iter().map(|judge| {
        let mut values = vec![details.value(*judge, "predicted", &[], Unit::Percent)];
        values.extend(["similarity", "rank-similarity"].map(|measure| match judge {
            None => Value::absent(Unit::Plain, "these are the people"),
            Some(_) => details.value(*judge, measure, &of_people, Unit::Plain),
        }));
        MatrixRow { label: judge_name(findings, *judge), lang: None, run: *judge, pinned: false, values }
    });
    let caption = format!(
        "How far the properties explain preferences, and how alike weights are, with {}; of similarities, n counts \
         properties.",
        details::intervals(findings)
    );
    let id = benchmark_id("dissection-fit", benchmark, i);
    blocks.push(details::table(id, caption.into(), "Preferences of", &OF_JUDGE, rows.collect()).into());
    if runs.len() > 2 {
        blocks.push(similarity(findings, benchmark, i, details, &judges).into());
    }
    blocks
}

/// People and the best runs, property by property.
fn figure(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    properties: &[&str],
    judges: &[Judge],
) -> Figure {
    let shown: Vec<Judge> = judges.iter().copied().take(1 + MOST_SERIES).collect();
    let label = |judge: &Judge| match judge {
        None => Label::text("people"),
        Some(run) => Label::run(*run, &run_name(findings, *run)),
    };
    let row = |property: &&str| {
        let dot = |(series, judge): (usize, &Judge)| {
            let value = details.value(*judge, "weight", &[About::name(*property)], Unit::Plain);
            let who = judge.map_or_else(|| "people".to_owned(), |run| run_name(findings, run));
            let hover = matrix::hover(&format!("{property}, {who}"), &value);
            Some(Dot { series, run: *judge, estimate: value.estimate?, hover })
        };
        let dots = shown.iter().enumerate().filter_map(dot).collect();
        DotRow { label: Label::text(property), dots, crowd: Vec::new(), absent: None }
    };
    Figure {
        id: benchmark_id("dissection", benchmark, i),
        title: visible(&format!("What preferences go by, {}", benchmark.title)),
        caption:
            "Weights of properties, of people and of the best runs. An interval that holds zero establishes nothing."
                .into(),
        alt: "Weights of properties with intervals; the table below has the numbers.".to_owned(),
        plot: Plot::Dots(Dots {
            axis: "Weight: log-odds per usual difference".to_owned(),
            unit: Unit::Plain,
            rows: properties.iter().map(row).collect(),
            series: shown.iter().map(label).collect(),
            crowd: None,
            references: vec![Reference { value: 0.0, label: "no weight".to_owned() }],
            print_values: false,
        }),
    }
}

/// Whose weights are like whose.
fn similarity(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    judges: &[Judge],
) -> Figure {
    let about = |judge: Judge| judge.map_or(About::name("people"), About::Run);
    let cell = |a: Judge, b: Judge| {
        let of = |run: Judge, other: Judge| details.get(run, "similarity", &[about(other)]);
        let found = of(a, b).or_else(|| of(b, a)).map(|d| details::value(d, Unit::Plain));
        let value = found.unwrap_or_else(|| Value::absent(Unit::Plain, "the same"));
        let names = [a, b].map(|judge| judge.map_or_else(|| "people".to_owned(), |run| run_name(findings, run)));
        let hover = matrix::hover(&format!("{} and {}", names[0], names[1]), &value);
        HeatCell { estimate: value.estimate, hover, run: a, lang: None, faint: false }
    };
    let label = |judge: &Judge| match judge {
        None => Label::text("people"),
        Some(run) => Label::run(*run, &run_name(findings, *run)),
    };
    Figure {
        id: benchmark_id("dissection-similarity", benchmark, i),
        title: visible(&format!("Whose preferences go by the same, {}", benchmark.title)),
        caption: "Pearson's r of the weights of properties.".into(),
        alt: "Similarity of the weights of every two; the table above has those with people.".to_owned(),
        plot: Plot::Heat(Heat {
            legend: "r".to_owned(),
            unit: Unit::Plain,
            ramp: Ramp::Diverging,
            range: Some((-1.0, 1.0)),
            rows: judges.iter().map(label).collect(),
            columns: judges.iter().map(label).collect(),
            cells: judges.iter().map(|a| judges.iter().map(|b| cell(*a, *b)).collect()).collect(),
        }),
    }
}

/// What preferring more of one property wins, overall and in every subset.
fn alone(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let mut properties: Vec<&str> = Vec::new();
    let mut subsets: Vec<&str> = Vec::new();
    for d in details.measured("more-wins") {
        if let Some(property) = name(d, 0).filter(|_| d.of.len() == 1) {
            properties.push(property);
        }
        if let Some(subset) = name(d, 1).filter(|subset| !subsets.contains(subset)) {
            subsets.push(subset);
        }
    }
    let value = |property: &str, subset: Option<&str>| {
        let of: Vec<About> = std::iter::once(property).chain(subset).map(About::name).collect();
        details.value(None, "more-wins", &of, Unit::Percent)
    };
    let columns = || properties.iter().map(|property| Column::right(Inline::new().name(property))).collect();
    let row = |label: Inline, subset: Option<&str>| MatrixRow {
        label,
        lang: None,
        run: None,
        pinned: subset.is_none(),
        values: properties.iter().map(|property| value(property, subset)).collect(),
    };
    if properties.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![row("all subsets".into(), None)];
    if subsets.len() > 1 {
        rows.extend(subsets.iter().map(|subset| row(Inline::new().name(subset), Some(subset))));
    }
    let caption = format!(
        "Accuracy of always preferring the response with more of a property, all languages pooled, in percent with \
         {}; a tie is worth one half, so 50 is chance.",
        details::intervals(findings)
    );
    let id = benchmark_id("content-blind", benchmark, i);
    let table = matrix::table(id, caption.into(), "Subset", columns(), rows);
    vec![Block::Fold {
        summary: "What more of one property wins, without reading".into(),
        blocks: vec![table.into()],
        open: false,
    }]
}
