//! What length explains: accuracy by which response is longer, with length held constant, and what a scorer
//! gets that looks at nothing else.

use super::details::{self, Details, Shown, lang};
use super::matrix::MatrixRow;
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline, Value};
use crate::report::findings::{About, BenchmarkInfo, Findings, Languages, Scope};
use crate::report::measure::{ACCURACY, LONGEST, Unit};
use crate::report::select::{Lookup, headline, ranking, run_name};

const ANALYSIS: &str = "length";

/// Metrics of a run over the headline's languages.
const OF_RUN: [Shown; 5] = [
    (ACCURACY, "Accuracy", "As on the leaderboard", Unit::Percent),
    ("accuracy-chosen-longer", "Chosen longer", "Accuracy where the chosen response is the longer one", Unit::Percent),
    (
        "accuracy-chosen-shorter",
        "Chosen shorter",
        "Accuracy where the chosen response is the shorter one",
        Unit::Percent,
    ),
    ("accuracy-length-balanced", "Balanced", "Mean of the two", Unit::Percent),
    ("accuracy-length-matched", "Alike", "Accuracy where lengths differ by a tenth at most", Unit::Percent),
];

const CONTROLLED: [Shown; 2] = [
    ("length-controlled-accuracy", "Controlled", "Accuracy at equal length by logistic regression", Unit::Percent),
    (
        "length-coefficient",
        "Length, β",
        "Above 0: right more often where the longer response is chosen; the model likes length",
        Unit::Plain,
    ),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let headline = headline(benchmark)?;
        let order = ranking(findings, benchmark);
        let details = Details::of(findings, benchmark, ANALYSIS);
        let mut blocks = Vec::new();
        // Without lengths there is nothing to say, however many items there are.
        if !Lookup::of(findings, &benchmark.name, "accuracy-length-matched").is_blank()
            || !Lookup::of(findings, &benchmark.name, "accuracy-length-balanced").is_blank()
        {
            blocks.push(Block::Paragraph(
                "A model that likes long answers looks good where the longer answer happens to be the better one. If \
                 the two accuracies differ much, the model follows length; the balanced and the controlled accuracy \
                 take it out."
                    .into(),
            ));
            blocks.push(of_runs(findings, benchmark, i, &headline, &order, details.as_ref()));
        }
        if let Some(details) = &details {
            blocks.extend(by_language(findings, benchmark, i, &order, details));
        }
        blocks.extend(baselines(findings, benchmark, i, &headline, &order));
        (!blocks.is_empty()).then_some(blocks)
    })
}

fn of_runs(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    headline: &Languages,
    order: &[usize],
    details: Option<&Details<'_>>,
) -> Block {
    let lookups = OF_RUN.map(|(metric, ..)| Lookup::of(findings, &benchmark.name, metric));
    let rows = order.iter().map(|run| {
        let percent =
            |lookup: &Lookup<'_>| Value { unit: Unit::Percent, ..lookup.value(*run, &Scope::Overall, headline) };
        let mut values: Vec<Value> = lookups.iter().map(percent).collect();
        values.extend(CONTROLLED.map(|(measure, _, _, unit)| match details {
            Some(details) => details.value(Some(*run), measure, &[], unit),
            None => Value::absent(unit, "not enough data"),
        }));
        let label = Inline::new().name(run_name(findings, *run));
        MatrixRow { label, lang: None, run: Some(*run), pinned: false, values }
    });
    let columns: Vec<Shown> = OF_RUN.into_iter().chain(CONTROLLED).collect();
    let caption = format!(
        "Accuracy by length of the responses, in percent with {}. {} The controlled columns pool all languages.",
        details::intervals(findings),
        super::leaderboard::over(headline)
    );
    details::table(benchmark_id("length", benchmark, i), caption.into(), "Run", &columns, rows.collect()).into()
}

fn by_language(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    order: &[usize],
    details: &Details<'_>,
) -> Option<Block> {
    let runs = details.runs("length-coefficient", order);
    let mut langs = Vec::new();
    for found in details.measured("length-coefficient").filter_map(|d| lang(d, 0)) {
        if !langs.contains(&found) {
            langs.push(found);
        }
    }
    if langs.is_empty() {
        return None;
    }
    let columns = runs
        .iter()
        .map(|run| crate::report::block::Column::right(Inline::new().name(run_name(findings, *run))).of_run(*run));
    let rows = langs.iter().map(|lang| MatrixRow {
        label: Inline::new().lang(*lang),
        lang: Some(*lang),
        run: None,
        pinned: false,
        values: runs
            .iter()
            .map(|run| details.value(Some(*run), "length-coefficient", &[About::Lang(*lang)], Unit::Plain))
            .collect(),
    });
    let caption = format!(
        "The length coefficient β in languages with 100 items or more, with {}: above 0 the model likes length there.",
        details::intervals(findings)
    );
    let id = benchmark_id("length-languages", benchmark, i);
    let table = super::matrix::table(id, caption.into(), "Language", columns.collect(), rows.collect());
    Some(Block::Fold { summary: "Length coefficient by language".into(), blocks: vec![table.into()], open: false })
}

/// What always preferring the longer, or the shorter, response gives in every subset.
fn baselines(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    headline: &Languages,
    order: &[usize],
) -> Option<Block> {
    let best = *order.first()?;
    let columns: [Shown; 4] = [
        (LONGEST, "Longest wins", "Accuracy of always preferring the longer response", Unit::Percent),
        ("shortest-wins", "Shortest wins", "Accuracy of always preferring the shorter response", Unit::Percent),
        (
            "most-tokens-wins",
            "Most tokens win",
            "Accuracy of preferring what is more tokens to this run",
            Unit::Percent,
        ),
        (ACCURACY, "Best run", "Accuracy of the best run on the leaderboard", Unit::Percent),
    ];
    let lookups = columns.map(|(metric, ..)| Lookup::of(findings, &benchmark.name, metric));
    let rows: Vec<MatrixRow> = benchmark
        .subsets
        .iter()
        .filter_map(|(subset, _)| {
            let scope = Scope::Subset(subset.clone());
            let value = |lookup: &Lookup<'_>| Value { unit: Unit::Percent, ..lookup.value(best, &scope, headline) };
            let values: Vec<Value> = lookups.iter().map(value).collect();
            // The run itself stands beside what length gives, not alone.
            let known = values.iter().take(columns.len() - 1).any(|value| value.estimate.is_some());
            known.then(|| MatrixRow { label: Inline::new().name(subset), lang: None, run: None, pinned: false, values })
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let caption = Inline::new().text("What length alone gives beside ").name(run_name(findings, best)).text(format!(
        ", by subset, in percent with {}. {}",
        details::intervals(findings),
        super::leaderboard::over(headline)
    ));
    let table = details::table(benchmark_id("length-subsets", benchmark, i), caption, "Subset", &columns, rows);
    Some(Block::Fold {
        summary: "What length alone gives in every subset".into(),
        blocks: vec![table.into()],
        open: false,
    })
}
