//! Sections: each is one pure function of the findings, in a file of its own.
//!
//! To add one, write the function and put a line in [`SECTIONS`]; every format prints it from then on.

mod agreement;
mod authors;
mod baseline;
mod calibration;
mod categories;
mod clarity;
mod comparability;
mod comparisons;
mod confusion;
mod coverage;
mod details;
mod difficulty;
mod dissection;
mod distance;
mod ensembles;
mod gap;
mod groups;
mod items;
mod judges;
mod languages;
mod leaderboard;
mod length;
mod matrix;
mod measures;
mod method;
mod panel;
mod people;
mod position;
mod protocols;
mod provenance;
mod reversals;
mod studies;
mod styles;
mod subsets;
mod summary;
mod tokens;
mod training;
mod transfer;

use crate::report::block::{Block, Inline, slug};
use crate::report::findings::{BenchmarkInfo, Findings};

/// Blocks of one section; `None` where the findings hold nothing for it.
pub type Section = fn(&Findings) -> Option<Vec<Block>>;

/// In reading order.
pub static SECTIONS: &[(&str, Section)] = &[
    ("Summary", summary::section),
    ("Leaderboard", leaderboard::section),
    ("Comparisons", comparisons::section),
    ("Studies", studies::section),
    ("Accuracy by language", languages::section),
    ("Gap to English", gap::section),
    ("Groups of languages", groups::section),
    ("Agreement of languages", agreement::section),
    ("Languages and categories", categories::section),
    ("Style matrix", styles::section),
    ("Against the baseline", baseline::section),
    ("Subsets", subsets::section),
    ("Length", length::section),
    ("Calibration", calibration::section),
    ("Close and clear preferences", clarity::section),
    ("Votes and annotators", people::section),
    ("What preferences go by", dissection::section),
    ("Criteria that reverse preferences", reversals::section),
    ("Whose answers are preferred", authors::section),
    ("Language of responses", confusion::section),
    ("Tokens", tokens::section),
    ("Comparability of rewards", comparability::section),
    ("Hidden states", distance::section),
    ("Transfer between languages", transfer::section),
    ("Ensembles", ensembles::section),
    ("Difficulty of items", difficulty::section),
    ("Suspicious translations", items::section),
    ("Training", training::section),
    ("Judges", judges::section),
    ("Other measures", measures::section),
    ("Agreement item by item", panel::section),
    ("Protocol matrix", protocols::section),
    ("Coverage", coverage::section),
    ("Method", method::section),
    ("Provenance", provenance::section),
];

/// A section that had something to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// Target of links.
    pub id: String,
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

/// All sections that apply, in reading order.
pub fn fill(findings: &Findings) -> Vec<Filled> {
    let filled = SECTIONS.iter().filter_map(|(title, section)| {
        let blocks = drawn(section(findings)?);
        Some(Filled { id: slug(title), title, blocks })
    });
    filled.collect()
}

/// Blocks without the figures that have no number: the table beside them says why there is none.
fn drawn(blocks: Vec<Block>) -> Vec<Block> {
    let inside = |block: Block| match block {
        Block::Figure(figure) if figure.is_empty() => None,
        Block::Fold { summary, blocks, open } => Some(Block::Fold { summary, blocks: drawn(blocks), open }),
        block => Some(block),
    };
    blocks.into_iter().filter_map(inside).collect()
}

/// Runs `section` for every benchmark, with the benchmark's title above it where there are several.
fn per_benchmark(
    findings: &Findings,
    section: impl Fn(&BenchmarkInfo, usize) -> Option<Vec<Block>>,
) -> Option<Vec<Block>> {
    let mut all = Vec::new();
    for (i, benchmark) in findings.benchmarks.iter().enumerate() {
        let Some(blocks) = section(benchmark, i) else { continue };
        if findings.benchmarks.len() > 1 {
            all.push(Block::Heading(Inline::new().name(&benchmark.title)));
        }
        all.extend(blocks);
    }
    (!all.is_empty()).then_some(all)
}

/// An id for something of the `i`th benchmark: names alone may slug to nothing or to the same.
fn benchmark_id(what: &str, benchmark: &BenchmarkInfo, i: usize) -> String {
    let name = slug(&benchmark.name);
    if name.is_empty() { format!("{what}-{}", i + 1) } else { format!("{what}-{}-{name}", i + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::{Curves, Figure, Plot};
    use crate::report::measure::Unit;

    #[test]
    fn figures_without_a_number_are_not_shown() {
        let (id, title, alt) = ("f".to_owned(), "F".to_owned(), String::new());
        let axis = String::new();
        let curves = Curves {
            x_axis: axis.clone(),
            y_axis: axis,
            unit: Unit::Plain,
            x_unit: None,
            curves: Vec::new(),
            diagonal: false,
        };
        let figure = Figure { id, title, caption: Inline::new(), alt, plot: Plot::Curves(curves) };
        let note = Block::Note("there is nothing".into());
        let fold =
            Block::Fold { summary: "all".into(), blocks: vec![figure.clone().into(), note.clone()], open: false };
        let shown = Block::Fold { summary: "all".into(), blocks: vec![note.clone()], open: false };
        assert_eq!(drawn(vec![note.clone(), figure.into(), fold]), [note, shown]);
    }

    #[test]
    fn sections_have_distinct_ids() {
        for (i, (title, _)) in SECTIONS.iter().enumerate() {
            assert!(!slug(title).is_empty());
            assert!(SECTIONS[..i].iter().all(|(other, _)| slug(other) != slug(title)), "{title} twice");
        }
    }
}
