//! What runs would gain together: ensembles of rewards, computed from the tables alone (Coste et al. 2024).
//!
//! Rewards of each run are divided by the standard deviation of its margins first, so that runs with large
//! rewards do not decide alone. The scale and the learned weights are kept as they are while resampling.

use crate::metric::accuracy::credit;
use rayon::prelude::*;

use crate::metric::columns::ColumnId;
use crate::metric::logistic::Rows;
use crate::metric::outcome::{Evidence, Extremes};
use crate::metric::resample::Number;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "ensembles";

/// Fewer items give no gain worth printing.
const MIN_ITEMS: usize = 50;
const FOLDS: usize = 5;

/// Ways to join rewards; `learned` comes from logistic regression of preferences on margins.
pub const METHODS: [&str; 5] = ["mean", "worst-case", "mean-minus-sd", "rank", "learned"];

/// The place of the method whose weights may not fit.
const LEARNED: usize = 4;

/// One item in units of each run's margins.
struct Joined {
    cluster: u32,
    /// The fold that judges it.
    fold: usize,
    /// Of one run after the other, chosen first.
    rewards: Vec<f64>,
    n_chosen: usize,
    n_responses: usize,
}

impl Joined {
    /// Rewards by run.
    fn runs(&self) -> impl Iterator<Item = &[f64]> {
        self.rewards.chunks_exact(self.n_responses.max(1))
    }

    /// All runs' rewards of a response.
    fn response(&self, at: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        self.rewards.iter().skip(at).step_by(self.n_responses.max(1)).copied()
    }
}

pub fn ensembles(context: &Context<'_>) -> Vec<Detail> {
    let runs = context.runs;
    if runs.len() < 2 {
        return Vec::new();
    }
    let mut items = joined(context);
    if items.len() < MIN_ITEMS || !scale(&mut items, runs.len()) {
        return Vec::new();
    }
    let weights = learned(&items, runs.len());
    // Credits by item: every run, then every method.
    let credits: Vec<Vec<f64>> = items
        .par_iter()
        .map(|joined| {
            let alone = joined.runs().map(|rewards| of(context, joined, rewards));
            let methods = METHODS.iter().enumerate().map(|(method, _)| {
                let rewards = match (method, weights.as_ref()) {
                    (LEARNED, None) => return f64::NAN,
                    (LEARNED, Some(by_fold)) => {
                        combine(joined, |at| joined.response(at).zip(&by_fold[joined.fold]).map(|(r, w)| r * w).sum())
                    }
                    (3, _) => ranks(joined),
                    (method, _) => combine(joined, |at| join(method, joined.response(at))),
                };
                of(context, joined, &rewards)
            });
            alone.chain(methods).collect()
        })
        .collect();
    let mut numbers = context.plan.numbers();
    let n = numbers.column(items.iter().map(|joined| (joined.cluster, 1.0)));
    let mut credit = |at: usize| numbers.column(items.iter().zip(&credits).map(|(j, c)| (j.cluster, c[at])));
    let alone: Vec<ColumnId> = (0..runs.len()).map(&mut credit).collect();
    let methods: Vec<Option<ColumnId>> = (0..METHODS.len())
        .map(|method| (method != LEARNED || weights.is_some()).then(|| credit(runs.len() + method)))
        .collect();
    // The best run is picked anew in every replicate: it was picked by looking, too.
    let gain = |sums: &[f64]| {
        let [n, method, alone @ ..] = sums else { return None };
        Some((method - alone.iter().copied().fold(f64::NEG_INFINITY, f64::max)) / n)
    };
    let declared: Vec<Option<[Number; 2]>> = methods
        .into_iter()
        .map(|method| {
            let method = method?;
            Some([numbers.ratio(method, n), numbers.function([&[n, method], &alone[..]].concat(), gain)])
        })
        .collect();
    let answers = numbers.resample();
    let mut details = Vec::new();
    for (name, declared) in METHODS.into_iter().zip(declared) {
        for (at, measure) in ["accuracy", "gain-over-best-run"].into_iter().enumerate() {
            let detail = context.detail(ANALYSIS, None, measure, vec![About::name(name)]);
            details.push(match declared {
                None => detail.because("no weights fit"),
                Some(numbers) => detail.found(answers.of(numbers[at]), items.len()),
            });
        }
    }
    for (at, run) in runs.iter().enumerate() {
        let Some(weights) = &weights else { continue };
        let mean = weights.iter().map(|fold| fold[at]).sum::<f64>() / FOLDS as f64;
        let detail = context.detail(ANALYSIS, Some(*run), "learned-weight", Vec::new());
        details.push(detail.with(Some(mean), None, items.len()).because("mean over five folds, no interval"));
    }
    details
}

/// Items that every run scored.
fn joined(context: &Context<'_>) -> Vec<Joined> {
    let fold = |cluster: u32| {
        let draw = crate::random::uniform(context.plan.seed, "ensemble-fold", cluster.to_le_bytes());
        ((draw * FOLDS as f64) as usize).min(FOLDS - 1)
    };
    let folds: Vec<usize> = (0..context.design.n_clusters as u32).map(fold).collect();
    let units: Vec<_> = context.design.cells.iter().flat_map(|cell| &cell.units).collect();
    let of_unit = |unit: &&crate::metric::design::Unit| {
        let of_item = |index: usize| {
            let key = &context.table.items[index];
            let mut rewards = Vec::with_capacity(context.runs.len() * key.n_responses());
            for run in context.runs {
                let item = context.table.item(*run, index);
                Evidence::Rewards.extremes(&item)?;
                rewards.extend(item.chosen.iter().chain(item.rejected).map(|r| r.map_or(f64::NAN, f64::from)));
            }
            let (n_chosen, n_responses) = (usize::from(key.n_chosen), key.n_responses());
            Some(Joined { cluster: unit.cluster, fold: folds[unit.cluster as usize], rewards, n_chosen, n_responses })
        };
        unit.items().filter_map(of_item).collect::<Vec<Joined>>()
    };
    units.par_iter().flat_map_iter(of_unit).collect()
}

fn margin(rewards: &[f64], n_chosen: usize) -> f64 {
    let lowest = rewards[..n_chosen].iter().copied().fold(f64::INFINITY, f64::min);
    lowest - rewards[n_chosen..].iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// By item: the margins of all runs.
fn margins(items: &[Joined]) -> Vec<Vec<f64>> {
    items.par_iter().map(|joined| joined.runs().map(|r| margin(r, joined.n_chosen)).collect()).collect()
}

/// Divides rewards by the standard deviation of the run's margins; false where a run's do not vary.
fn scale(items: &mut [Joined], n_runs: usize) -> bool {
    let margins = margins(items);
    let n = margins.len() as f64;
    let sd = |run: usize| {
        let mean = margins.iter().map(|m| m[run]).sum::<f64>() / n;
        (margins.iter().map(|m| (m[run] - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let sds: Vec<f64> = (0..n_runs).map(sd).collect();
    if sds.iter().any(|sd| sd.is_nan() || *sd <= 0.0) {
        return false;
    }
    items.par_iter_mut().for_each(|joined| {
        let runs = joined.rewards.chunks_exact_mut(joined.n_responses.max(1));
        runs.zip(&sds).for_each(|(rewards, sd)| rewards.iter_mut().for_each(|reward| *reward /= sd));
    });
    true
}

/// Weights by fold, fitted on the other folds: no source item helps to judge itself.
fn learned(items: &[Joined], n_runs: usize) -> Option<Vec<Vec<f64>>> {
    let margins = margins(items);
    (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let mut rows = Rows::new(n_runs);
            for (_, margins) in items.iter().zip(&margins).filter(|(joined, _)| joined.fold != fold) {
                rows.add(margins, 1.0);
            }
            // A small ridge: runs that always agree have no weights of their own.
            rows.fit(&|_| 1.0, 1.0)
        })
        .collect()
}

/// One reward per response.
fn combine(joined: &Joined, of_response: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..joined.n_responses).map(of_response).collect()
}

fn join(method: usize, all: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = all.clone().count() as f64;
    let mean = all.clone().sum::<f64>() / n;
    match method {
        1 => all.fold(f64::INFINITY, f64::min),
        2 => mean - (all.map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt(),
        _ => mean,
    }
}

/// Sum of each response's ranks over runs; equals are told apart by the mean reward, or two runs that
/// disagree would always tie.
fn ranks(joined: &Joined) -> Vec<f64> {
    const TIE_BREAK: f64 = 1e-9;
    let mut sums = combine(joined, |at| TIE_BREAK * join(0, joined.response(at)));
    for rewards in joined.runs() {
        sums.iter_mut().zip(crate::metric::correlation::ranks(rewards)).for_each(|(sum, rank)| *sum += rank);
    }
    sums
}

/// The credit that joined rewards earn.
fn of(context: &Context<'_>, joined: &Joined, rewards: &[f64]) -> f64 {
    let (chosen, rejected) = rewards.split_at(joined.n_chosen);
    let highest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best_rejected = highest(rejected);
    let extremes = Extremes {
        worst_chosen: chosen.iter().copied().fold(f64::INFINITY, f64::min),
        best_chosen: highest(chosen),
        best_rejected,
        n_best_rejected: rejected.iter().filter(|reward| **reward == best_rejected).count(),
    };
    // A tie that counts nowhere is worth nothing here.
    credit(&extremes, context.protocol.ties).unwrap_or(0.0)
}
