//! Suspicious translations: items whose difficulty in one language is not what it is elsewhere.

use super::details::{self, Details, Shown, lang, name};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Inline};
use crate::report::findings::Findings;
use crate::report::measure::Unit;

const ANALYSIS: &str = "items";

const OF_ITEM: [Shown; 3] = [
    (
        "difficulty-shift",
        "Harder by",
        "Shift of difficulty in this language, in standard deviations of ability",
        Unit::Plain,
    ),
    ("right-here", "Right here", "Share of runs that are right in this language", Unit::Percent),
    ("right-elsewhere", "Right elsewhere", "Share right over runs and the item's other languages", Unit::Percent),
];

const OF_LANGUAGE: [Shown; 1] =
    [("flagged", "Flagged", "Share of items that are three standard errors off", Unit::Percent)];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        // No item exists in several languages, or there are too few runs, which the section before says.
        details.measured("flagged").next()?;
        let mut blocks = vec![Block::Paragraph(
            "Items that are much harder, or easier, in one language than their difficulty in the others explains are \
             worth a look: most are mistranslated, lost what the question hung on, or swapped which answer is better. \
             Difficulty comes from a two-parameter logistic model of all runs in all languages; intervals are from \
             its standard errors. About 3 of 1,000 items are flagged by chance."
                .into(),
        )];
        let rows: Vec<_> = details
            .measured("difficulty-shift")
            .filter_map(|d| {
                let (lang, subset, item) = (lang(d, 0)?, name(d, 1)?, name(d, 2)?);
                let label = Inline::new().code(item).text(", ").name(subset).text(", ").lang(lang);
                Some(details::row(&details, None, &d.of, label, &OF_ITEM))
            })
            .collect();
        let caption = format!("The surest flags first, with {}; n counts runs.", details::intervals(findings));
        match rows.is_empty() {
            true => blocks.push(Block::Paragraph("No item is flagged.".into())),
            false => {
                let id = benchmark_id("flagged-items", benchmark, i);
                blocks.push(details::table(id, caption.into(), "Item", &OF_ITEM, rows).into());
            }
        }
        let rows = details
            .measured("flagged")
            .filter_map(|d| Some(details::row(&details, None, &d.of, Inline::new().lang(lang(d, 0)?), &OF_LANGUAGE)));
        let caption = format!("Flagged items by language, in percent with {}.", details::intervals(findings));
        let id = benchmark_id("flagged-languages", benchmark, i);
        let table = details::table(id, caption.into(), "Language", &OF_LANGUAGE, rows.collect());
        blocks.push(Block::Fold { summary: "Flags by language".into(), blocks: vec![table.into()], open: false });
        Some(blocks)
    })
}
