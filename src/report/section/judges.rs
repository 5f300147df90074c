//! How judges judged: by language, what position does, how often orders agree, what could not be read; and the cost.

use super::authors;
use super::details::Details;
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark, position};
use crate::report::block::{Block, Cell, Column, Inline, Row, Table, Value};
use crate::report::findings::{BenchmarkInfo, Finding, Findings, JudgeTotals, Languages, Scope};
use crate::report::measure::{POSITION, Unit, measure};
use crate::report::number;
use crate::report::select::{Lookup, run_name};

/// What is said of judges, in the order of their table.
pub(super) const OF_JUDGES: [&str; 10] = [
    "accuracy-lowest",
    "accuracy-highest",
    "picks-first",
    POSITION,
    "order-consistency",
    "judged-ties",
    "unparsed",
    "refused",
    "judge-errors",
    "tokens-per-judgment",
];

/// What is said of their probabilities, of panels, and of grades and languages.
pub(super) const OF_VERDICTS: [&str; 8] = [
    "verdict-confidence",
    "verdict-overconfidence",
    "verdict-brier",
    "yes-bias",
    "panel-agreement",
    "panel-kappa",
    "grade-inflation",
    "prompt-language-effect",
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let here: Vec<&JudgeTotals> =
            findings.judges.iter().filter(|totals| totals.benchmark == benchmark.name).collect();
        if here.is_empty() {
            return None;
        }
        let mut blocks = vec![Block::Table(totals(findings, benchmark, i, &here))];
        blocks.extend(position::blocks(findings, benchmark, i, &here));
        for judged in here {
            blocks.push(Block::Fold {
                summary: Inline::new().name(run_name(findings, judged.run)).text(" by language"),
                blocks: tables(findings, benchmark, i, judged.run),
                open: findings.judges.len() == 1,
            });
        }
        Some(blocks)
    })
}

fn totals(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, here: &[&JudgeTotals]) -> Table {
    let count = |n: u64| Cell::Count(usize::try_from(n).unwrap_or(usize::MAX));
    let tokens = |totals: &JudgeTotals, n: u64| match totals.counted {
        0 => Cell::Absent("the server does not count tokens".to_owned()),
        _ => count(n),
    };
    let row = |totals: &&JudgeTotals| Row {
        cells: vec![
            Cell::Text(Inline::new().name(run_name(findings, totals.run))),
            Cell::Text(Inline::new().name(totals.judges.join(", "))),
            count(totals.judgments),
            count(totals.unparsed),
            count(totals.refused),
            count(totals.errors),
            tokens(totals, totals.prompt_tokens),
            tokens(totals, totals.reply_tokens),
            match totals.money {
                Some(money) => Cell::Number { text: format!("{money:.4}"), key: money },
                None => Cell::Absent("not every reply has a price (judge.prices)".to_owned()),
            },
        ],
        lang: None,
        run: Some(totals.run),
        pinned: false,
    };
    Table {
        id: benchmark_id("judges", benchmark, i),
        caption: "Judgments of all languages together, and what they took when they were made.".into(),
        columns: vec![
            Column::left("Run"),
            Column::left("Judges"),
            Column::right("Judgments"),
            Column::right("Unparsed").about("Replies without a verdict that can be read"),
            Column::right("Refused").about("The judge or its server declined"),
            Column::right("Errors").about("Rejected by the server, or no reply came"),
            Column::right("Tokens in"),
            Column::right("Tokens out"),
            Column::right("Money").about("By the prices in the run's settings"),
        ],
        rows: here.iter().map(row).collect(),
    }
}

/// What judges did, and where there is something of the kind, what their probabilities, panels and languages say.
fn tables(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, run: usize) -> Vec<Block> {
    let level = number::level(findings.level);
    let caption = format!("Shares of judgments in percent with {level} % intervals.");
    let empty = empty(findings, benchmark, run);
    let shown: Vec<&str> = OF_JUDGES.iter().copied().filter(|id| !empty.contains(id)).collect();
    let mut blocks =
        vec![Block::Table(by_language(findings, benchmark, (i, run), ("judges-languages", &caption), &shown))];
    if !empty.is_empty() {
        let titles: Vec<&str> = empty.iter().map(|id| measure(id).map_or(*id, |measure| measure.title)).collect();
        let text = format!("Left out, since no judgment is of the kind: {}.", titles.join(", "));
        blocks.push(Block::Note(text.into()));
    }
    let said = |id: &&str| {
        findings
            .findings
            .iter()
            .any(|f| f.metric == **id && f.run == run && f.benchmark == benchmark.name && f.estimate.is_some())
    };
    let verdicts: Vec<&str> = OF_VERDICTS.iter().copied().filter(|id| said(id)).collect();
    if !verdicts.is_empty() {
        let caption =
            format!("Verdicts weighed: probabilities, panels, gold grades, prompts; with {level} % intervals.");
        let of = ("judges-verdicts", caption.as_str());
        blocks.push(Block::Table(by_language(findings, benchmark, (i, run), of, &verdicts)));
    }
    blocks.extend(absent(findings, benchmark, run, &verdicts));
    blocks
}

/// The columns that would hold the same nothing in every row: kinds of judgments of which there are none, and the bounds of
/// the accuracy where every judgment has a verdict.
fn empty(findings: &Findings, benchmark: &BenchmarkInfo, run: usize) -> Vec<&'static str> {
    let none = |id: &str| {
        let own = |f: &&Finding| f.metric == id && f.run == run && f.benchmark == benchmark.name;
        findings.findings.iter().filter(own).all(|f| f.estimate.is_none_or(|estimate| estimate.point == 0.0))
    };
    let without_verdict = ["unparsed", "refused", "judge-errors"];
    let mut found = Vec::new();
    if without_verdict.into_iter().all(none) {
        found.extend(["accuracy-lowest", "accuracy-highest"]);
    }
    found.extend(std::iter::once("judged-ties").chain(without_verdict).filter(|id| none(id)));
    found
}

/// What cannot be said of a judge, and what would be needed for it.
fn absent(findings: &Findings, benchmark: &BenchmarkInfo, run: usize, said: &[&str]) -> Option<Block> {
    const NEEDS: [(&str, &str); 6] = [
        ("verdict-confidence", "calibration of verdicts (verdicts with probabilities: judge.log-probs)"),
        ("yes-bias", "bias towards yes (a protocol of yes and no, with probabilities)"),
        ("panel-agreement", "agreement of a panel (several judges: judge.panel)"),
        ("grade-inflation", "inflation of grades (ratings on a scale, and gold grades)"),
        ("prompt-language-effect", "effect of the prompt's language (two runs that differ in judge.prompt-language)"),
        (
            authors::ANALYSIS,
            "self-preference (who wrote the responses: --annotations with chosen-model, rejected-model)",
        ),
    ];
    let has_authors = || {
        Details::of(findings, benchmark, authors::ANALYSIS).is_some_and(|d| !d.runs(authors::OWN, &[run]).is_empty())
    };
    let missing = |id: &str| match id {
        authors::ANALYSIS => !has_authors(),
        id => !said.contains(&id),
    };
    let needs: Vec<&str> = NEEDS.iter().filter(|(id, _)| missing(id)).map(|(_, needs)| *needs).collect();
    (!needs.is_empty()).then(|| Block::Note(format!("Not enough data for: {}.", needs.join("; ")).into()))
}

/// Languages down, measures across; averages on top.
fn by_language(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    (i, run): (usize, usize),
    (id, caption): (&str, &str),
    shown: &[&str],
) -> Table {
    let measures: Vec<(&str, Lookup<'_>)> =
        shown.iter().map(|id| (*id, Lookup::of(findings, &benchmark.name, id))).collect();
    let unit = |id: &str| measure(id).map_or(Unit::Plain, |measure| measure.unit);
    let values = |languages: &Languages| -> Vec<Value> {
        let of = |(id, lookup): &(&str, Lookup<'_>)| match lookup.get(run, &Scope::Overall, languages) {
            Some(finding) => Value::of(finding, unit(id)),
            None => Value::absent(unit(id), "nothing of this kind was judged"),
        };
        measures.iter().map(of).collect()
    };
    let has = |languages: &Languages| {
        measures.iter().any(|(_, lookup)| lookup.get(run, &Scope::Overall, languages).is_some())
    };
    let averages = benchmark.averages.iter().map(|name| Languages::Average(name.clone()));
    let langs = benchmark.langs.iter().map(|lang| Languages::One(*lang));
    let rows = averages.chain(langs).filter(has).map(|languages| {
        let (label, lang) = match &languages {
            Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
            Languages::Average(name) => (Inline::new().name(name), None),
        };
        MatrixRow { label, lang, run: Some(run), pinned: lang.is_none(), values: values(&languages) }
    });
    let columns = shown.iter().map(|id| match measure(id) {
        Some(measure) => Column::right(measure.title).about(measure.about),
        None => Column::right(*id),
    });
    matrix::table(
        format!("{}-run-{}", benchmark_id(id, benchmark, i), run + 1),
        caption.into(),
        "Language",
        columns.collect(),
        rows.collect(),
    )
}
