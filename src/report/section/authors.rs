//! Whose answers runs prefer, and whether a judge prefers its own.

use super::details::{self, Details, Shown, name};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline, visible};
use crate::report::findings::{About, BenchmarkInfo, Findings};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

/// See [`analyses`](crate::report::findings) for the names.
pub const ANALYSIS: &str = "authors";
pub const OWN: &str = "self-preference";

const OF_AUTHORS: [Shown; 3] = [
    ("preferred", "Preferred", "How often the run prefers the author's answer to another's", Unit::Percent),
    ("deserved", "Chosen", "How often the data do", Unit::Percent),
    ("excess", "Excess", "The difference: above 0 the author is favoured", Unit::Points),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        Some(of_benchmark(findings, benchmark, i, &details))
    })
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>) -> Vec<Block> {
    let runs = details.runs(OWN, &ranking(findings, benchmark));
    let mut blocks = vec![Block::Paragraph(
        "Items with an answer by an author on one side and by somebody else on the other. A run's own author is the one \
         that is called as the run or its model. A run that cannot tell good from bad favours those who are seldom chosen, \
         whoever they are; how much more it favours its own than other runs do is what tells."
            .into(),
    )];
    for run in runs {
        let own = details.measured(OWN).find(|detail| detail.run == Some(run));
        let sentence = match own {
            Some(detail) => match (&detail.estimate, name(detail, 0)) {
                (Some(estimate), Some(author)) => {
                    let beyond = details.get(Some(run), "beyond-other-runs", &detail.of);
                    let beyond = match beyond.map(|beyond| (&beyond.estimate, &beyond.why)) {
                        Some((Some(estimate), _)) => {
                            let more = number::with_interval(estimate, Unit::Points);
                            format!("; {more} more than the other runs on the same items")
                        }
                        Some((None, Some(why))) => format!("; beside other runs: {why}"),
                        _ => String::new(),
                    };
                    format!(
                        " prefers the answers of its own author, `{author}`, {} points more often than the data do \
                         ({} items){beyond}.",
                        number::with_interval(estimate, Unit::Points),
                        number::count(estimate.n)
                    )
                }
                (_, _) => format!(": self-preference: {}.", detail.why.as_deref().unwrap_or("not enough data")),
            },
            None => ": self-preference: not enough data.".to_owned(),
        };
        blocks.push(Block::Paragraph(Inline::new().name(run_name(findings, run)).text(visible(&sentence))));
        let authors = details.measured("preferred").filter(|detail| detail.run == Some(run));
        let rows: Vec<_> = authors
            .map(|detail| {
                let label = Inline::new().name(name(detail, 0).unwrap_or_default());
                let of: &[About] = &detail.of;
                details::row(details, Some(run), of, label, &OF_AUTHORS)
            })
            .collect();
        if rows.is_empty() {
            continue;
        }
        let caption = format!("Answers by author, languages pooled, with {}.", details::intervals(findings));
        let id = format!("{}-run-{}", benchmark_id("authors", benchmark, i), run + 1);
        let summary = Inline::new().name(run_name(findings, run)).text(" by author");
        let table = details::table(id, caption.into(), "Author", &OF_AUTHORS, rows);
        blocks.push(Block::Fold { summary, blocks: vec![table.into()], open: false });
    }
    blocks
}
