//! What is left of accuracy when length is held constant: logistic length control.
//!
//! P(right) = σ(θ + β tanh(Δ/s)), Δ the chosen response's characters less the rejected one's, s their
//! standard deviation; length-controlled accuracy is σ(θ), what the fit gives at equal length (after
//! Dubois et al. 2024). β > 0: the run is right more often where the longer response is the chosen one.
//! Replicates are one step from the fit of all items, with s kept.

use rmbench_estimators::length::{Controlled, controlled as fit};

use crate::lang::Lang;
use crate::metric::calibration::sigmoid;
use crate::metric::length::differences;
use crate::metric::logistic::one_step;
use crate::metric::resample::{Number, Numbers};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "length";

/// Fewer items give no fit worth printing.
const MIN_ITEMS: usize = 100;

const MEASURES: [&str; 2] = ["length-controlled-accuracy", "length-coefficient"];

/// (source, difference in length, credit).
type Item = (u32, f64, f64);

pub fn length(context: &Context<'_>) -> Vec<Detail> {
    context.by_run(|run| of_run(context, run))
}

fn of_run(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let by_lang = items(context, run);
    let mut groups: Vec<(Option<Lang>, Vec<Item>)> = Vec::new();
    // One language is the whole.
    if by_lang.len() > 1 {
        groups.push((None, by_lang.iter().flat_map(|(_, items)| items).copied().collect()));
        groups.extend(by_lang.into_iter().map(|(lang, items)| (Some(lang), items)));
    } else {
        groups.extend(by_lang.into_iter().map(|(_, items)| (None, items)));
    }
    let mut numbers = context.plan.numbers();
    let fitted: Vec<(Option<Lang>, usize, Option<[Number; 2]>)> = groups
        .iter()
        .filter_map(|(lang, items)| Some((*lang, items.len(), controlled(&mut numbers, items)?)))
        .collect();
    let answers = numbers.resample();
    let mut details = Vec::new();
    for (lang, n, found) in fitted {
        for (at, measure) in MEASURES.into_iter().enumerate() {
            let detail = context.detail(ANALYSIS, Some(run), measure, lang.into_iter().map(About::Lang).collect());
            details.push(match found {
                Some(numbers) => detail.found(answers.of(numbers[at]), n),
                None => detail.with(None, None, n),
            });
        }
    }
    details
}

/// Items with an outcome by language, in order of code.
fn items(context: &Context<'_>, run: usize) -> Vec<(Lang, Vec<Item>)> {
    let mut langs: Vec<Lang> = context.design.cells.iter().map(|cell| cell.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let mut found: Vec<(Lang, Vec<Item>)> = langs.into_iter().map(|lang| (lang, Vec::new())).collect();
    let view = context.table.view(run);
    for cell in &context.design.cells {
        if let Ok(place) = found.binary_search_by_key(&cell.lang, |(lang, _)| *lang) {
            differences(&view, &cell.units, context.protocol, &mut found[place].1);
        }
    }
    found
}

/// `None` for too few items; within, `None` where nothing fits.
fn controlled(numbers: &mut Numbers<'_>, items: &[Item]) -> Option<Option<[Number; 2]>> {
    if items.len() < MIN_ITEMS {
        return None;
    }
    let Some(Controlled { coefficients: b, terms }) = fit(items)? else { return Some(None) };
    let columns: Vec<_> = terms.iter().map(|terms| numbers.insert(terms)).collect();
    let own = b.clone();
    let accuracy = numbers.function(columns.clone(), move |sums| Some(sigmoid(*one_step(&own, sums)?.first()?)));
    let coefficient = numbers.function(columns, move |sums| one_step(&b, sums)?.get(1).copied());
    Some(Some([accuracy, coefficient]))
}
