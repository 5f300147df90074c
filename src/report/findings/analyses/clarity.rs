//! Accuracy by how clear the preference is to the people who state it: the margin of their ratings or ranks (#112's slice
//! by the annotators' score gap).
//!
//! Margins are comparable within a subset only, so an item has the share of its subset's items whose margin is smaller, an
//! equal one counting half: close below a third, clear above two thirds.

use crate::metric::accuracy::credit;
use crate::metric::outcome::Evidence;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "clarity";

/// Fewer items with a margin have no thirds.
const MIN_ITEMS: usize = 30;

const KINDS: [&str; 3] = ["close", "middle", "clear"];

pub fn clarity(context: &Context<'_>) -> Vec<Detail> {
    let sorted = thirds(context);
    if sorted.is_empty() {
        return Vec::new();
    }
    context.by_run(|run| of_run(context, run, &sorted))
}

/// Source, item and third of the items whose subset has close and clear ones.
fn thirds(context: &Context<'_>) -> Vec<(u32, usize, usize)> {
    let mut found = Vec::new();
    for subset in 0..context.design.subsets.len() {
        let cells = context.design.cells.iter().filter(|cell| cell.subset == subset);
        let items = cells.flat_map(|cell| &cell.units).flat_map(|u| u.items().map(move |item| (u.cluster, item)));
        let known =
            items.filter_map(|(cluster, item)| Some((cluster, item, context.table.annotations.strength(item)?)));
        let known: Vec<(u32, usize, f64)> = known.collect();
        let mut margins: Vec<f64> = known.iter().map(|(.., margin)| *margin).collect();
        margins.sort_by(f64::total_cmp);
        let third = |margin: f64| {
            let less = margins.partition_point(|m| *m < margin);
            let upto = margins.partition_point(|m| *m <= margin);
            let share = (less + upto) as f64 / (2 * margins.len()) as f64;
            if share < 1.0 / 3.0 { 0 } else { 1 + usize::from(share > 2.0 / 3.0) }
        };
        let own: Vec<(u32, usize, usize)> = known.iter().map(|(c, item, margin)| (*c, *item, third(*margin))).collect();
        let has = |kind: usize| own.iter().any(|(.., third)| *third == kind);
        if own.len() >= MIN_ITEMS && has(0) && has(2) {
            found.extend(own);
        }
    }
    found
}

fn of_run(context: &Context<'_>, run: usize, sorted: &[(u32, usize, usize)]) -> Vec<Detail> {
    let mut numbers = context.plan.numbers();
    let mut columns = Vec::new();
    let mut declared = Vec::new();
    for kind in 0..KINDS.len() {
        let credits = sorted.iter().filter(|(.., third)| *third == kind).filter_map(|(cluster, item, _)| {
            let extremes = Evidence::Rewards.extremes(&context.table.item(run, *item))?;
            Some((*cluster, credit(&extremes, context.protocol.ties)?))
        });
        let credits: Vec<(u32, f64)> = credits.collect();
        let (right, all) =
            (numbers.insert(&credits), numbers.column(credits.iter().map(|(cluster, _)| (*cluster, 1.0))));
        declared.push((numbers.ratio(right, all), credits.len()));
        columns.extend([right, all]);
    }
    let n: usize = declared.iter().map(|(_, n)| n).sum();
    if n < MIN_ITEMS {
        return Vec::new();
    }
    let share = |sums: &[f64]| (sums[1] > 0.0).then(|| sums[0] / sums[1]);
    let difference = numbers.function(columns, move |sums| Some(share(&sums[4..6])? - share(&sums[0..2])?));
    let answers = numbers.resample();
    let detail = |measure, of| context.detail(ANALYSIS, Some(run), measure, of);
    let mut details: Vec<Detail> = KINDS
        .into_iter()
        .zip(&declared)
        .map(|(kind, (number, n))| detail("accuracy", vec![About::name(kind)]).found(answers.of(*number), *n))
        .collect();
    details.push(detail("clear-less-close", Vec::new()).found(answers.of(difference), declared[0].1 + declared[2].1));
    details
}
