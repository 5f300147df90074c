//! How hard items are, what that says of runs, and how few items say it.

use super::details::{self, Details, Shown, name};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Cell, Column, Inline};
use crate::report::findings::{BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "items";

const ABILITY: Shown =
    ("ability", "Ability", "Mean over the run's languages; 0 is the average, 1 a standard deviation", Unit::Plain);

const OF_FORM: [Shown; 2] = [
    (
        "short-form-rank-correlation",
        "ρ of ranks",
        "Spearman's ρ over runs between accuracy on the short form and on all items",
        Unit::Plain,
    ),
    ("short-form-correlation", "r", "Pearson's r of the same accuracies", Unit::Plain),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let decided = deciding(findings, benchmark, i);
        let Some(details) = Details::of(findings, benchmark, ANALYSIS) else { return decided.map(|block| vec![block]) };
        if let Some(why) = details.get(None, "fit", &[]).and_then(|d| d.why.as_deref()) {
            return Some(decided.into_iter().chain([Block::Note(Inline::new().text(sentence(why)))]).collect());
        }
        let mut blocks = vec![Block::Paragraph(
            "A two-parameter logistic model of all runs in all languages gives every source item a difficulty and a \
             discrimination, and every run an ability that counts what it got right by how hard that was. Difficulty \
             and discrimination of each item, with intervals, are in analyses.csv and findings.json (item-parameters), \
             and so are abilities by language."
                .into(),
        )];
        let caption = format!(
            "Abilities with {}, given the items\u{2019} parameters; n counts source items.",
            details::intervals(findings)
        );
        let id = benchmark_id("abilities", benchmark, i);
        blocks.push(abilities(findings, &details, ranking(findings, benchmark), id, caption.into()));
        blocks.extend(short_form(findings, benchmark, i, &details));
        blocks.extend(decided);
        Some(blocks)
    })
}

fn abilities(findings: &Findings, details: &Details<'_>, order: Vec<usize>, id: String, caption: Inline) -> Block {
    let runs = details.runs("ability", &order);
    let row =
        |run: &usize| details::row(details, Some(*run), &[], Inline::new().name(run_name(findings, *run)), &[ABILITY]);
    let mut table = details::table(id, caption, "Run", &[ABILITY], runs.iter().map(row).collect());
    let about = "Standard error: the items are a sample, translations of one move together";
    table.columns.push(Column::right("SE").about(about));
    for (row, run) in table.rows.iter_mut().zip(&runs) {
        row.cells.push(match details.point(Some(*run), "ability-error", &[]) {
            Some(error) => Cell::Number { text: format!("{error:.3}"), key: error },
            None => Cell::Absent("not enough data".to_owned()),
        });
    }
    table.into()
}

/// An explanation as a sentence of its own.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn short_form(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let Some(held) = details.get(None, "short-form-information", &[]) else { return Vec::new() };
    let Some(share) = held.estimate else {
        return vec![Block::Note(Inline::new().text(sentence(held.why.as_deref().unwrap_or_default())))];
    };
    let all = details.point(None, "short-form-of", &[]).unwrap_or_default();
    let mut methods = Vec::new();
    for d in details.measured("short-form-rank-correlation") {
        methods.extend(name(d, 0).zip(name(d, 1)).map(|(method, manner)| (method, manner, &d.of)));
    }
    let manner = methods.first().map_or("", |(_, manner, _)| *manner);
    let rows = methods.iter().map(|(method, _, of)| {
        details::row(details, None, of, Inline::new().text(format!("Chosen {method}")), &OF_FORM)
    });
    let caption = format!(
        "Does a short form of {} items rank runs as all items do? Tried on {manner}; n counts runs. By information: with \
         {} over runs (Fisher). At random: the mean and the middle {} % of 100 draws of as many items.",
        share.n,
        details::intervals(findings),
        number::level(findings.level)
    );
    let table = details::table(
        benchmark_id("short-form", benchmark, i),
        caption.into(),
        "Short form",
        &OF_FORM,
        rows.collect(),
    );
    // A share and a count: whole numbers to a reader.
    let sentence = format!(
        "The {} items that say most of abilities like these, of {}, hold {:.0} % of the information of all; they are named in \
         analyses.csv (short-form-rank).",
        share.n,
        number::count(all as usize),
        100.0 * share.point
    );
    vec![Block::Paragraph(sentence.into()), table.into()]
}

/// How much of whether an answer is right hangs on what.
fn deciding(findings: &Findings, benchmark: &BenchmarkInfo, i: usize) -> Option<Block> {
    const SHARE: Shown = (
        "variance-share",
        "Share",
        "Of the variance of outcomes, by the method of moments; interactions are in the last row",
        Unit::Percent,
    );
    const PARTS: [(&str, &str); 4] =
        [("item", "The item"), ("language", "The language"), ("model", "The model"), ("none", "None of them alone")];
    let details = Details::of(findings, benchmark, "deciding")?;
    let rows = PARTS.map(|(part, label)| {
        details::row(&details, None, &[crate::report::findings::About::name(part)], label.into(), &[SHARE])
    });
    let caption = format!(
        "What decides whether an answer is right: variance components over the items with an outcome of every run in \
         every language, in percent with {}; n counts answers.",
        details::intervals(findings)
    );
    let id = benchmark_id("deciding", benchmark, i);
    Some(details::table(id, caption.into(), "Decided by", &[SHARE], rows.into()).into())
}
