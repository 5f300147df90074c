//! Runs of a study by what sets them apart: the middle of seeds, curves, the best, the law of loss.
//!
//! Accuracy and loss −log σ(reward chosen − reward rejected) are means over languages of means over items. Runs
//! that differ in the seed alone are a group; its number is the median over seeds. Replicates resample source
//! items, the same for all runs, and where a group has three seeds or more, the seeds too: what is said then holds
//! for another seed and other items. Loss against data or size is L = a·N^−b + c
//! ([`PowerLaw`](crate::metric::power_law::PowerLaw)).

mod plan;

use rand::RngExt;

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::calibration::margins;
use crate::metric::interval::quantile;
use crate::metric::outcome::Evidence;
use crate::metric::power_law::PowerLaw;
use crate::random;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use crate::study::{FACTS, PAIRS, SEED};

use plan::{Group, Groups};

pub const ANALYSIS: &str = "studies";

/// Fewer seeds are not resampled: three values are the fewest that say anything of a spread.
const MIN_SEEDS: usize = 3;
/// The axis whose best variants are told apart.
const OBJECTIVE: &str = "objective.name";

/// One language's items of one run: source, what the item is worth, its loss.
type Items = Vec<(u32, f64, f64)>;

pub fn studies(context: &Context<'_>) -> Vec<Detail> {
    let of = |run: &usize| Some((*run, &context.table.runs.get(*run)?.info.study));
    let runs: Vec<_> = context.runs.iter().filter_map(of).collect();
    let Some(groups) = Groups::of(&runs) else { return Vec::new() };
    let items: Vec<Vec<Items>> = groups.runs.iter().map(|run| items(context, *run)).collect();
    let laws = groups.laws();
    let seed = context.plan.seed;
    let width = 2 * groups.all.len() + 3 * laws.len();
    let compute = |weight: &dyn Fn(u32) -> f64, seeds: Option<&[f32]>, out: &mut [f64]| {
        let scores: Vec<[f64; 2]> = items.iter().map(|langs| score(langs, weight)).collect();
        let medians: Vec<[f64; 2]> = groups.all.iter().map(|group| middle(group, &scores, seed, seeds)).collect();
        let (of_groups, of_laws) = out.split_at_mut(2 * groups.all.len());
        of_groups.chunks_exact_mut(2).zip(&medians).for_each(|(out, median)| out.copy_from_slice(median));
        for (out, law) in of_laws.chunks_exact_mut(3).zip(&laws) {
            let points: Vec<(f64, f64)> = law.points.iter().map(|(n, group)| (*n, medians[*group][1])).collect();
            if let Some(PowerLaw { a, b, c }) = PowerLaw::fit(&points) {
                out.copy_from_slice(&[a, b, c]);
            }
        }
    };
    let mut point = vec![f64::NAN; width];
    compute(&|_| 1.0, None, &mut point);
    let n_of = |at: usize| items[at].iter().map(Vec::len).sum::<usize>();
    let steps = (0..items.len()).map(n_of).sum::<usize>() + 40_000 * laws.len();
    let resampled = context.plan.run(width, steps, &|counts, out| {
        compute(&|source| f64::from(counts[source as usize]), Some(counts), out);
    });
    let mut details = Vec::new();
    for (at, group) in groups.all.iter().enumerate() {
        let of = vec![About::name(&group.name)];
        let n = group.runs.iter().map(|run| n_of(*run)).min().unwrap_or(0);
        for (k, measure) in ["median-accuracy", "median-loss"].into_iter().enumerate() {
            let place = 2 * at + k;
            let detail = context.detail(ANALYSIS, None, measure, of.clone());
            details.push(detail.with(Some(point[place]), resampled.interval(place), n));
        }
        details.extend(spread(context, group, &items, &of, n));
        for (axis, series, value) in groups.places(group) {
            let of = vec![About::name(axis), About::name(series), About::name(value)];
            let detail = context.detail(ANALYSIS, None, "curve", of);
            details.push(detail.with(Some(point[2 * at]), resampled.interval(2 * at), n));
        }
    }
    for (objective, at) in best(&groups, &point) {
        let of = vec![About::name(objective), About::name(&groups.all[at].name)];
        let n = groups.all[at].runs.iter().map(|run| n_of(*run)).min().unwrap_or(0);
        let detail = context.detail(ANALYSIS, None, "best", of);
        details.push(detail.with(Some(point[2 * at]), resampled.interval(2 * at), n));
    }
    for (k, law) in laws.iter().enumerate() {
        for (part, measure) in ["power-a", "power-b", "power-c"].into_iter().enumerate() {
            let place = 2 * groups.all.len() + 3 * k + part;
            let of = vec![About::name(law.of), About::name(&law.series)];
            let detail = context.detail(ANALYSIS, None, measure, of);
            let why = "loss does not fall with it as a power does";
            details.push(match point[place].is_finite() {
                true => detail.with(Some(point[place]), resampled.interval(place), law.points.len()),
                false => detail.because(why),
            });
        }
    }
    details
}

/// The items of a run by language.
fn items(context: &Context<'_>, run: usize) -> Vec<Items> {
    let mut langs: Vec<Lang> = context.design.cells.iter().map(|cell| cell.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let of = |lang: &Lang| {
        let cells = context.design.cells.iter().filter(|cell| cell.lang == *lang);
        let mut all = Items::new();
        for unit in cells.flat_map(|cell| &cell.units) {
            for index in unit.items() {
                let item = context.table.item(run, index);
                let worth = Evidence::Rewards.extremes(&item).and_then(|e| credit(&e, context.protocol.ties));
                let margins = margins(&item);
                if let (Some(worth), false) = (worth, margins.is_empty()) {
                    let loss = margins.iter().map(|margin| softplus(-margin)).sum::<f64>() / margins.len() as f64;
                    all.push((unit.cluster, worth, loss));
                }
            }
        }
        all
    };
    langs.iter().map(of).filter(|items: &Items| !items.is_empty()).collect()
}

/// log(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Accuracy and loss: means over languages of means over items.
fn score(langs: &[Items], weight: &dyn Fn(u32) -> f64) -> [f64; 2] {
    let (mut sums, mut n) = ([0.0; 2], 0.0);
    for items in langs {
        let (mut all, mut worth, mut loss) = (0.0, 0.0, 0.0);
        for (source, item_worth, item_loss) in items {
            let w = weight(*source);
            all += w;
            worth += w * item_worth;
            loss += w * item_loss;
        }
        if all > 0.0 {
            sums[0] += worth / all;
            sums[1] += loss / all;
            n += 1.0;
        }
    }
    sums.map(|sum| sum / n)
}

/// Medians over a group's seeds; over seeds drawn with replacement where `draw` names a replicate.
fn middle(group: &Group, scores: &[[f64; 2]], seed: u64, draw: Option<&[f32]>) -> [f64; 2] {
    let n = group.runs.len();
    let mut drawn: Vec<usize> = (0..n).collect();
    if let Some(weights) = draw.filter(|_| n >= MIN_SEEDS) {
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let mut draws = random::stream(seed, "study-seeds", [group.name.as_bytes(), &bytes].concat());
        drawn.iter_mut().for_each(|place| *place = draws.random_range(0..n));
    }
    [0, 1].map(|k| {
        let mut values: Vec<f64> = drawn.iter().map(|place| scores[group.runs[*place]][k]).collect();
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5).unwrap_or(f64::NAN)
    })
}

/// Quartiles of accuracy over seeds, and how many there are.
fn spread(context: &Context<'_>, group: &Group, items: &[Vec<Items>], of: &[About], n: usize) -> Vec<Detail> {
    let mut values: Vec<f64> = group.runs.iter().map(|run| score(&items[*run], &|_| 1.0)[0]).collect();
    values.sort_by(f64::total_cmp);
    let detail =
        |measure: &str, value: f64| context.detail(ANALYSIS, None, measure, of.to_vec()).with(Some(value), None, n);
    let mut details = vec![detail("seeds", values.len() as f64)];
    for (measure, q) in [("quartile-1", 0.25), ("quartile-3", 0.75)] {
        details.push(match quantile(&values, q).filter(|_| values.len() >= MIN_SEEDS) {
            Some(value) => detail(measure, value),
            None => context.detail(ANALYSIS, None, measure, of.to_vec()).because("too few seeds for quartiles"),
        });
    }
    details
}

/// The group with the highest median accuracy, of each objective where objectives are compared.
fn best(groups: &Groups, point: &[f64]) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for (at, group) in groups.all.iter().enumerate() {
        let objective = group.values.get(OBJECTIVE).cloned().unwrap_or_default();
        match found.iter_mut().find(|(other, _)| *other == objective) {
            None => found.push((objective, at)),
            Some((_, best)) if point[2 * at] > point[2 * *best] => *best = at,
            Some(_) => {}
        }
    }
    found
}

/// Names that are no axes of their own.
fn is_fact(name: &str) -> bool {
    FACTS.contains(&name) || name == SEED.0
}

/// The axis that says how much was trained on.
const DATA: (&str, &str) = (PAIRS, "fraction");
