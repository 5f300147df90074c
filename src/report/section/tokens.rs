//! What languages cost in tokens, what was cut, and whether accuracy follows.

use super::details::{self, Details, Shown, lang, name, p_value};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Cell, Column, Inline};
use crate::report::findings::{About, BenchmarkInfo, Detail, Findings};
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "tokens";

const OF_LANGUAGE: [Shown; 5] = [
    (
        "premium",
        "Tokens vs English",
        "Tokens of the same items here over those in English; 2 means twice as many",
        Unit::Plain,
    ),
    ("tokens-per-character", "Tokens per character", "Of responses; the prompt cancels out", Unit::Plain),
    ("truncation-rate", "Cut", "Share of items of which something was cut to fit the model", Unit::Percent),
    ("accuracy", "Accuracy", "All items pooled", Unit::Percent),
    ("accuracy-uncut", "Accuracy, uncut", "On items whose source was cut in no language", Unit::Percent),
];

const COSTS: [(&str, &str); 3] = [
    ("premium", "tokens vs English"),
    ("tokens-per-character", "tokens per character"),
    ("truncation-rate", "share cut"),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let order = ranking(findings, benchmark);
        let mut blocks = vec![Block::Paragraph(
            "A tokenizer that knows little of a language makes more tokens of it, and more of it falls off the end. If \
             accuracy on uncut items is as low, the tokens are not the reason."
                .into(),
        )];
        let runs = details.runs("truncation-rate", &order);
        for run in &runs {
            let mut pieces = Vec::new();
            for (cost, title) in COSTS {
                let of = [About::name(cost)];
                let Some(e) = details.get(Some(*run), "rank-correlation", &of).and_then(|d| d.estimate) else {
                    continue;
                };
                let p = details.point(Some(*run), "permutation-p", &of).map_or_else(String::new, p_value);
                let value = crate::report::number::with_interval(&e, Unit::Plain);
                pieces.push(Inline::from(format!("{title} {value} ({} languages, {p})", e.n)));
            }
            if !pieces.is_empty() {
                blocks.push(Block::Paragraph(
                    Inline::new()
                        .text("Rank correlation (Spearman) of accuracy over languages, ")
                        .name(run_name(findings, *run))
                        .text(", with ")
                        .list(pieces)
                        .text("."),
                ));
            }
        }
        if let Some(table) = losses(findings, benchmark, i, &details, &runs) {
            blocks.push(table);
        }
        for run in runs {
            let langs: Vec<_> = details
                .measured("truncation-rate")
                .filter(|d| d.run == Some(run) && name(d, 0).is_none())
                .filter_map(|d| lang(d, 0))
                .collect();
            let rows = langs.iter().map(|lang| {
                details::row(&details, Some(run), &[About::Lang(*lang)], Inline::new().lang(*lang), &OF_LANGUAGE)
            });
            let caption = Inline::new()
                .name(run_name(findings, run))
                .text(format!(": tokens by language, with {}.", details::intervals(findings)));
            let id = format!("{}-run-{}", benchmark_id("tokens", benchmark, i), run + 1);
            let table = details::table(id, caption, "Language", &OF_LANGUAGE, rows.collect());
            let summary = Inline::new().text("By language: ").name(run_name(findings, run));
            blocks.push(Block::Fold { summary, blocks: vec![table.into()], open: false });
        }
        Some(blocks)
    })
}

/// What each doubling of tokens costs, run by run.
fn losses(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    runs: &[usize],
) -> Option<Block> {
    const LOSS: Shown = (
        "loss-per-doubling",
        "Points lost per doubling",
        "Accuracy in English less accuracy here, for each doubling of the tokens of the same items",
        Unit::Points,
    );
    let with: Vec<usize> = runs.iter().copied().filter(|run| details.get(Some(*run), LOSS.0, &[]).is_some()).collect();
    let found: Vec<&Detail> = with.iter().filter_map(|run| details.get(Some(*run), LOSS.0, &[])).collect();
    if let Some(first) = found.first().filter(|_| found.iter().all(|d| d.estimate.is_none())) {
        let why = first.why.as_deref().unwrap_or_default();
        return Some(Block::Note(Inline::new().text("Accuracy lost per doubling of tokens: ").text(why).text(".")));
    }
    let p = |run: usize| match details.point(Some(run), "loss-per-doubling-p", &[]) {
        Some(p) => Cell::Number { text: p_value(p), key: p },
        None => Cell::Absent("no test without an error".to_owned()),
    };
    let rows = with
        .iter()
        .map(|run| details::row(details, Some(*run), &[], Inline::new().name(run_name(findings, *run)), &[LOSS]));
    let caption = format!(
        "Regression of the loss against English on the tokens that a language takes (log₂), in percentage points with {}; \
         errors allow for items of one language, and translations of one item, to move together; n counts items.",
        details::intervals(findings)
    );
    let id = benchmark_id("token-loss", benchmark, i);
    let mut table = details::table(id, caption.into(), "Run", &[LOSS], rows.collect());
    table.columns.push(Column::right("p").about("Of no slope, Student's t over languages").lowest_first());
    table.rows.iter_mut().zip(&with).for_each(|(row, run)| row.cells.push(p(*run)));
    (!table.rows.is_empty()).then_some(table.into())
}
