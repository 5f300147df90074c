//! Votes and annotators: is a run as sure as people are agreed, and with whom does it agree.

use super::details::{self, Details, Shown, name};
use super::matrix::MatrixRow;
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

const OF_VOTES: [Shown; 5] = [
    ("spearman", "ρ", "Spearman's rank correlation of σ(margin) and the share of votes", Unit::Plain),
    ("pearson", "r", "Pearson's correlation of σ(margin) and the share of votes", Unit::Plain),
    ("squared-difference", "Squared difference", "Mean of (σ(margin) − share of votes)²; lower is better", Unit::Plain),
    (
        "majority-agreement",
        "With the majority",
        "Items on which the run prefers what most people prefer",
        Unit::Percent,
    ),
    ("mean-vote-share", "Votes for chosen", "Mean share of votes for the chosen response", Unit::Percent),
];

/// Kinds of items by how clear their votes are.
const KINDS: [(&str, &str); 3] = [
    ("all", "all items with votes"),
    ("clear", "items on which at least three in four agree"),
    ("split", "items on which fewer than three in four agree"),
];

const OF_ANNOTATORS: [Shown; 5] = [
    ("accuracy", "Opinions", "Share of opinions that the run agrees with; n counts opinions", Unit::Percent),
    ("spread", "Spread", "Standard deviation over annotators, net of what few opinions make of it", Unit::Percent),
    (
        "lowest-tenth",
        "Lowest tenth",
        "One annotator in ten is truly agreed with this often or less: without what few opinions make of the extremes; intervals cover conservatively",
        Unit::Percent,
    ),
    ("median-annotator", "Median", "The annotator in the middle; intervals cover conservatively", Unit::Percent),
    (
        "highest-tenth",
        "Highest tenth",
        "One annotator in ten is truly agreed with this often or more: without what few opinions make of the extremes; intervals cover conservatively",
        Unit::Percent,
    ),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let mut blocks = Vec::new();
        if let Some(votes) = Details::of(findings, benchmark, "votes") {
            blocks.extend(of_votes(findings, benchmark, i, &votes));
        }
        if let Some(people) = Details::of(findings, benchmark, "annotators") {
            blocks.extend(of_annotators(findings, benchmark, i, &people));
        }
        if let (false, Some(files)) = (blocks.is_empty(), Details::of(findings, benchmark, "annotations")) {
            blocks.extend(sources(&files));
        }
        (!blocks.is_empty()).then_some(blocks)
    })
}

fn of_votes(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let runs = details.runs("spearman", &ranking(findings, benchmark));
    let mut blocks = vec![Block::Paragraph(
        "Where people disagree, a reward model should be unsure. Compared is σ(margin) with the share of people who \
         prefer the chosen response; who prefers neither counts half for each side."
            .into(),
    )];
    for (kind, title) in KINDS {
        let rows = runs.iter().map(|run| {
            let label = Inline::new().name(run_name(findings, *run));
            details::row(details, Some(*run), &[About::name(kind)], label, &OF_VOTES)
        });
        let caption =
            format!("Margins against votes, {title}, languages pooled, with {}.", details::intervals(findings));
        let id = format!("{}-{kind}", benchmark_id("votes", benchmark, i));
        blocks.push(details::table(id, caption.into(), "Run", &OF_VOTES, rows.collect()).into());
    }
    blocks
}

fn of_annotators(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let runs = details.runs("accuracy", &ranking(findings, benchmark));
    if runs.is_empty() {
        return Vec::new();
    }
    let mut text =
        "A model may agree with some people more than with others. An opinion for neither side is left out; \
                    people with fewer than ten opinions have no accuracy of their own."
            .to_owned();
    if let Some(alpha) = details.get(None, "alpha", &[]) {
        text += &match (&alpha.estimate, &alpha.why) {
            (Some(e), _) => format!(
                " Among themselves, annotators agree with Krippendorff's α = {} ({} items with several opinions).",
                number::with_interval(e, Unit::Plain),
                number::count(e.n)
            ),
            (None, why) => format!(" Agreement among annotators: {}.", why.as_deref().unwrap_or("not enough data")),
        };
    }
    let rows = runs.iter().map(|run| {
        let label = Inline::new().name(run_name(findings, *run));
        details::row(details, Some(*run), &[], label, &OF_ANNOTATORS)
    });
    let caption = format!(
        "Agreement with annotators, in percent with {}; of the spread and its places, n counts annotators.",
        details::intervals(findings)
    );
    let id = benchmark_id("annotators", benchmark, i);
    let mut blocks: Vec<Block> = vec![
        Block::Paragraph(text.into()),
        details::table(id, caption.into(), "Run", &OF_ANNOTATORS, rows.collect()).into(),
    ];
    let mut groups: Vec<&str> = Vec::new();
    for group in details.measured("accuracy").filter_map(|d| name(d, 0)) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if !groups.is_empty() {
        let columns = runs
            .iter()
            .map(|run| crate::report::block::Column::right(Inline::new().name(run_name(findings, *run))).of_run(*run));
        let rows = groups.iter().map(|group| MatrixRow {
            label: Inline::new().name(group),
            lang: None,
            run: None,
            pinned: false,
            values: runs
                .iter()
                .map(|run| details.value(Some(*run), "accuracy", &[About::name(*group)], Unit::Percent))
                .collect(),
        });
        let caption = format!(
            "Opinions that the run agrees with, by group of annotators, in percent with {}.",
            details::intervals(findings)
        );
        let id = benchmark_id("annotator-groups", benchmark, i);
        blocks.push(super::matrix::table(id, caption.into(), "Group", columns.collect(), rows.collect()).into());
    }
    blocks
}

/// Which files it is taken from.
fn sources(files: &Details<'_>) -> Option<Block> {
    let file = |d: &crate::report::findings::Detail| {
        let e = d.estimate?;
        let digest: String = name(d, 1)?.chars().take(12).collect();
        Some(Inline::new().name(name(d, 0)?).text(format!(
            " ({} of {} rows name an item; SHA-256 {digest}…)",
            number::count(e.point as usize),
            number::count(e.n)
        )))
    };
    let all: Vec<Inline> = files.measured("rows").filter_map(file).collect();
    (!all.is_empty()).then(|| Block::Note(Inline::new().text("Taken from ").list(all).text(".")))
}
