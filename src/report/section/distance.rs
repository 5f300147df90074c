//! How far languages lie from the reference in a model's hidden states.

use super::details::{self, Details, Shown, lang, p_value};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::{About, Findings};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "distance";

const OF_LANGUAGE: [Shown; 3] = [
    (
        "distance-ratio",
        "Distance",
        "Mean squared Mahalanobis distance over that of the reference language",
        Unit::Plain,
    ),
    (
        "auroc",
        "AUROC",
        "Probability that an item here lies farther out than one in the reference language; one half: no difference",
        Unit::Plain,
    ),
    ("accuracy", "Accuracy", "On the same items", Unit::Percent),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let mut blocks = vec![Block::Paragraph(
            "What the reward head reads of a response is a vector. A language whose vectors lie far outside the cloud \
             of the reference language's is unfamiliar to the model, whatever the rewards say. The cloud is fitted to \
             one half of the sources, distances are those of the other half."
                .into(),
        )];
        for run in details.runs("reference", &ranking(findings, benchmark)) {
            let reference = details.measured("reference").find(|d| d.run == Some(run))?;
            let mut summary = Inline::new().name(run_name(findings, run)).text(", cloud of ");
            summary = summary.lang(lang(reference, 0)?);
            let n = reference.estimate.map_or(0, |e| e.n);
            let mut text = summary.text(format!(" from {} responses", number::count(n)));
            let said = [
                ("error-auroc", "probability that an item the run gets wrong lies farther out than one it gets right"),
                ("rank-correlation", "rank correlation of distance and accuracy over languages"),
            ];
            for (measure, words) in said {
                if let Some(e) = details.get(Some(run), measure, &[]).and_then(|d| d.estimate) {
                    let value = number::with_interval(&e, Unit::Plain);
                    let shuffled =
                        details.point(Some(run), "permutation-p", &[]).filter(|_| measure == "rank-correlation");
                    let p = shuffled.map_or_else(String::new, |p| format!(", {} by shuffling languages", p_value(p)));
                    text = text.text(format!("; {words}: {value} (n = {}{p})", number::count(e.n)));
                }
            }
            blocks.push(Block::Paragraph(text.text(".")));
            let of_run = details.measured("accuracy").filter(|d| d.run == Some(run));
            let rows = of_run.filter_map(|d| lang(d, 0)).map(|lang| {
                details::row(&details, Some(run), &[About::Lang(lang)], Inline::new().lang(lang), &OF_LANGUAGE)
            });
            let caption = Inline::new()
                .name(run_name(findings, run))
                .text(format!(": distances of hidden states by language, with {}.", details::intervals(findings)));
            let id = format!("{}-run-{}", benchmark_id("distance", benchmark, i), run + 1);
            let table = details::table(id, caption, "Language", &OF_LANGUAGE, rows.collect());
            let summary = Inline::new().text("By language: ").name(run_name(findings, run));
            blocks.push(Block::Fold { summary, blocks: vec![table.into()], open: false });
        }
        Some(blocks)
    })
}
