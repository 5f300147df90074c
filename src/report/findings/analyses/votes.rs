//! Whether a reward model is as sure as people are agreed: σ(margin) against the share of votes (#26).
//!
//! Split by how clear the votes are, since a model cannot be right about what people do not agree on: where at
//! least three in four prefer one side, votes are clear. Items with one response per side, or the mean over
//! pairs of responses.

use crate::metric::calibration::{margins, sigmoid};
use crate::metric::correlation::{Ranked, weighted_pearson, weighted_spearman};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "votes";
/// The files that votes and the like came from.
const FILES: &str = "annotations";

/// Fewer items give no correlation worth printing.
const MIN_ITEMS: usize = 20;
const CLEAR: f64 = 0.75;

const MEASURES: [&str; 5] = ["pearson", "spearman", "squared-difference", "majority-agreement", "mean-vote-share"];

/// One item: its source, the model's probability and the share of votes for the chosen response.
struct Seen {
    cluster: u32,
    p: f64,
    share: f64,
}

pub fn votes(context: &Context<'_>) -> Vec<Detail> {
    if context.table.annotations.is_empty() {
        return Vec::new();
    }
    let mut details = files(context);
    for run in context.runs {
        let all = seen(context, *run);
        let clear = |seen: &&Seen| seen.share >= CLEAR || seen.share <= 1.0 - CLEAR;
        let (sure, split): (Vec<&Seen>, Vec<&Seen>) = all.iter().partition(clear);
        let groups = [("all", all.iter().collect()), ("clear", sure), ("split", split)];
        if groups[0].1.len() < MIN_ITEMS {
            continue;
        }
        for (name, seen) in groups {
            details.extend(of_group(context, *run, name, &seen));
        }
    }
    details
}

/// Which files the annotations came from.
fn files(context: &Context<'_>) -> Vec<Detail> {
    let of_file = |file: &crate::table::annotation::AnnotationFile| {
        let of = vec![About::name(&file.name), About::name(&file.digest)];
        let detail = context.detail(FILES, None, "rows", of);
        detail.with(Some(file.matched as f64), None, file.rows).because("rows that name an item, of all")
    };
    context.table.annotations.files.iter().map(of_file).collect()
}

fn seen(context: &Context<'_>, run: usize) -> Vec<Seen> {
    let mut found = Vec::new();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        for item in unit.items() {
            let margins = margins(&context.table.item(run, item));
            let share = context.table.annotations.votes(item).and_then(|votes| votes.share());
            if let (false, Some(share)) = (margins.is_empty(), share) {
                let p = margins.iter().map(|margin| sigmoid(*margin)).sum::<f64>() / margins.len() as f64;
                found.push(Seen { cluster: unit.cluster, p, share });
            }
        }
    }
    found
}

fn of_group(context: &Context<'_>, run: usize, name: &str, seen: &[&Seen]) -> Vec<Detail> {
    let of = vec![About::name(name)];
    let n = seen.len();
    if n < MIN_ITEMS {
        let why = format!("not enough data: {n} items with votes");
        return MEASURES.map(|m| context.detail(ANALYSIS, Some(run), m, of.clone()).because(why.clone())).into();
    }
    let p: Vec<f64> = seen.iter().map(|seen| seen.p).collect();
    let share: Vec<f64> = seen.iter().map(|seen| seen.share).collect();
    let ranked = [Ranked::new(&p), Ranked::new(&share)];
    // Whether model and majority prefer the same side; a tie of either is worth one half.
    let agrees = |seen: &&Seen| match (seen.p - 0.5) * (seen.share - 0.5) {
        product if product > 0.0 => 1.0,
        product if product < 0.0 => 0.0,
        _ => 0.5,
    };
    let compute = |weights: &[f64], out: &mut [f64]| {
        let total: f64 = weights.iter().sum();
        let mean = |value: &dyn Fn(&&Seen) -> f64| {
            seen.iter().zip(weights).map(|(seen, weight)| weight * value(seen)).sum::<f64>() / total
        };
        let values = [
            weighted_pearson(&p, &share, weights),
            weighted_spearman(&ranked[0], &ranked[1], weights),
            Some(mean(&|seen| (seen.p - seen.share).powi(2))),
            Some(mean(&agrees)),
            Some(mean(&|seen| seen.share)),
        ];
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value.unwrap_or(f64::NAN));
    };
    let mut point = [f64::NAN; MEASURES.len()];
    compute(&vec![1.0; n], &mut point);
    let resampled = context.plan.run(MEASURES.len(), n * 20, &|counts, out| {
        let weights: Vec<f64> = seen.iter().map(|seen| f64::from(counts[seen.cluster as usize])).collect();
        compute(&weights, out);
    });
    let detail = |(at, measure): (usize, &str)| {
        context.detail(ANALYSIS, Some(run), measure, of.clone()).with(Some(point[at]), resampled.interval(at), n)
    };
    MEASURES.into_iter().enumerate().map(detail).collect()
}
