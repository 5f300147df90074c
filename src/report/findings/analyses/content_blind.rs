//! What a scorer gets that reads nothing, subset by subset: the response with more of any property that is known
//! of the responses (Markdown marks, digits, …). Characters and tokens are metrics of their own.
//!
//! A tie is worth one half, since a scorer that cannot tell tosses a coin. Items of all languages are pooled.

use crate::benchmark::manifest::Rule;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "content-blind";

/// Fewer items give no share worth printing.
const MIN_ITEMS: usize = 20;

/// An item: source, subset, credit.
type Seen = (u32, usize, f64);

pub fn content_blind(context: &Context<'_>) -> Vec<Detail> {
    let mut details = Vec::new();
    for (at, name) in context.table.annotations.properties.iter().enumerate() {
        details.extend(by_subset(context, name, &property(context, at)));
    }
    details
}

/// Items of subsets in which one preference is right or wrong.
fn items<'a>(context: &'a Context<'_>) -> impl Iterator<Item = (u32, usize, usize)> + 'a {
    let cells = context.design.cells.iter().filter(|cell| context.design.subsets[cell.subset].rule == Rule::Accuracy);
    cells
        .flat_map(|cell| cell.units.iter().map(move |unit| (cell.subset, unit)))
        .flat_map(|(subset, unit)| unit.items().map(move |item| (unit.cluster, subset, item)))
}

fn property(context: &Context<'_>, property: usize) -> Vec<Seen> {
    let credit = |item: usize| {
        // A mean over three responses is not what a scorer would go by.
        let key = &context.table.items[item];
        let difference = context.table.annotations.difference(item, property).filter(|_| key.n_responses() == 2)?;
        Some(if difference == 0.0 { 0.5 } else { f64::from(u8::from(difference > 0.0)) })
    };
    items(context).filter_map(|(cluster, subset, item)| Some((cluster, subset, credit(item)?))).collect()
}

/// The share over all items, and in every subset.
fn by_subset(context: &Context<'_>, property: &str, seen: &[Seen]) -> Vec<Detail> {
    let subsets = &context.design.subsets;
    let mut n = vec![0usize; subsets.len()];
    seen.iter().for_each(|(_, subset, _)| n[*subset] += 1);
    // A property that never differs wins nothing.
    if seen.len() < MIN_ITEMS || seen.iter().all(|(.., credit)| *credit == 0.5) {
        return Vec::new();
    }
    let compute = |weight: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        let mut sums = vec![(0.0, 0.0); subsets.len() + 1];
        for (cluster, subset, credit) in seen {
            let weight = weight(*cluster);
            for at in [0, subset + 1] {
                sums[at].0 += weight * credit;
                sums[at].1 += weight;
            }
        }
        out.iter_mut().zip(sums).for_each(|(out, (credit, n))| *out = credit / n);
    };
    let mut point = vec![f64::NAN; subsets.len() + 1];
    compute(&|_| 1.0, &mut point);
    let resampled = context.plan.run(point.len(), seen.len() * 4, &|weights, out| {
        compute(&|cluster| f64::from(weights[cluster as usize]), out);
    });
    let all = context.detail(ANALYSIS, None, "more-wins", vec![About::name(property)]);
    let mut details = vec![all.with(Some(point[0]), resampled.interval(0), seen.len())];
    for (at, subset) in subsets.iter().enumerate().filter(|(at, _)| n[*at] > 0) {
        let of = vec![About::name(property), About::name(&subset.name)];
        let detail = context.detail(ANALYSIS, None, "more-wins", of);
        details.push(match n[at] {
            few if few < MIN_ITEMS => detail.because(format!("not enough data: {few} items")),
            n => detail.with(Some(point[at + 1]), resampled.interval(at + 1), n),
        });
    }
    details
}
