//! What runs would gain together: ensembles of rewards, computed from the tables alone (Coste et al. 2024).
//!
//! Rewards of each run are divided by the standard deviation of its margins first, so that runs with large
//! rewards do not decide alone. The scale and the learned weights are kept as they are while resampling.

use crate::metric::accuracy::credit;
use crate::metric::logistic::Rows;
use crate::metric::outcome::{Extremes, is_complete};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "ensembles";

/// Fewer items give no gain worth printing.
const MIN_ITEMS: usize = 50;
const FOLDS: u64 = 5;

/// Ways to join rewards; `learned` comes from logistic regression of preferences on margins.
pub const METHODS: [&str; 5] = ["mean", "worst-case", "mean-minus-sd", "rank", "learned"];

/// One item in units of each run's margins: `[run][response]`, chosen first.
struct Joined {
    cluster: u32,
    rewards: Vec<Vec<f64>>,
    n_chosen: usize,
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
    let weights = learned(context, &items, runs.len());
    // Credits by item: every run, then every method.
    let credits: Vec<Vec<f64>> = items
        .iter()
        .map(|joined| {
            let alone = joined.rewards.iter().map(|rewards| of(context, joined, rewards));
            let methods = METHODS.iter().enumerate().map(|(method, _)| {
                let fold = fold_of(context, joined.cluster);
                let rewards = match (method, weights.as_ref().map(|w| &w[fold])) {
                    (4, None) => return f64::NAN,
                    (4, Some(weights)) => combine(joined, |all| all.iter().zip(weights).map(|(r, w)| r * w).sum()),
                    (3, _) => ranks(joined),
                    (method, _) => combine(joined, |all| join(method, all)),
                };
                of(context, joined, &rewards)
            });
            alone.chain(methods).collect()
        })
        .collect();
    let width = runs.len() + METHODS.len();
    let compute = |counts: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        let mut sums = vec![0.0; width];
        let mut n = 0.0;
        for (joined, credits) in items.iter().zip(&credits) {
            let weight = counts(joined.cluster);
            n += weight;
            sums.iter_mut().zip(credits).for_each(|(sum, credit)| *sum += weight * credit);
        }
        let best = sums[..runs.len()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (method, sum) in sums[runs.len()..].iter().enumerate() {
            out[2 * method] = sum / n;
            // The best run is picked anew in every replicate: it was picked by looking, too.
            out[2 * method + 1] = (sum - best) / n;
        }
    };
    let mut point = vec![f64::NAN; 2 * METHODS.len()];
    compute(&|_| 1.0, &mut point);
    let resampled = context.plan.run(point.len(), items.len() * width, &|counts, out| {
        compute(&|c| f64::from(counts[c as usize]), out);
    });
    let mut details = Vec::new();
    for (method, name) in METHODS.into_iter().enumerate() {
        for (at, measure) in ["accuracy", "gain-over-best-run"].into_iter().enumerate() {
            let at = 2 * method + at;
            let detail = context.detail(ANALYSIS, None, measure, vec![About::name(name)]);
            details.push(match point[at].is_nan() {
                true => detail.because("no weights fit"),
                false => detail.with(Some(point[at]), resampled.interval(at), items.len()),
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
    let mut found = Vec::new();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        for index in unit.items() {
            let of_run = |run: &usize| -> Option<Vec<f64>> {
                let item = context.table.item(*run, index);
                is_complete(&item).then_some(())?;
                Some(item.chosen.iter().chain(item.rejected).map(|r| r.map_or(f64::NAN, f64::from)).collect())
            };
            let rewards: Option<Vec<Vec<f64>>> = context.runs.iter().map(of_run).collect();
            let n_chosen = usize::from(context.table.items[index].n_chosen);
            if let Some(rewards) = rewards {
                found.push(Joined { cluster: unit.cluster, rewards, n_chosen });
            }
        }
    }
    found
}

fn margin(rewards: &[f64], n_chosen: usize) -> f64 {
    let lowest = rewards[..n_chosen].iter().copied().fold(f64::INFINITY, f64::min);
    lowest - rewards[n_chosen..].iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Divides rewards by the standard deviation of the run's margins; false where a run's do not vary.
fn scale(items: &mut [Joined], n_runs: usize) -> bool {
    for run in 0..n_runs {
        let margins: Vec<f64> = items.iter().map(|joined| margin(&joined.rewards[run], joined.n_chosen)).collect();
        let mean = margins.iter().sum::<f64>() / margins.len() as f64;
        let sd = (margins.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / margins.len() as f64).sqrt();
        if sd.is_nan() || sd <= 0.0 {
            return false;
        }
        items.iter_mut().flat_map(|joined| &mut joined.rewards[run]).for_each(|reward| *reward /= sd);
    }
    true
}

fn fold_of(context: &Context<'_>, cluster: u32) -> usize {
    let draw = crate::random::uniform(context.plan.seed, "ensemble-fold", cluster.to_le_bytes());
    ((draw * FOLDS as f64) as usize).min(FOLDS as usize - 1)
}

/// Weights by fold, fitted on the other folds: no source item helps to judge itself.
fn learned(context: &Context<'_>, items: &[Joined], n_runs: usize) -> Option<Vec<Vec<f64>>> {
    let folds: Vec<usize> = items.iter().map(|joined| fold_of(context, joined.cluster)).collect();
    (0..FOLDS as usize)
        .map(|fold| {
            let mut rows = Rows::new(n_runs);
            for (joined, _) in items.iter().zip(&folds).filter(|(_, own)| **own != fold) {
                let margins: Vec<f64> = joined.rewards.iter().map(|r| margin(r, joined.n_chosen)).collect();
                rows.add(&margins, 1.0);
            }
            // A small ridge: runs that always agree have no weights of their own.
            rows.fit(&|_| 1.0, 1.0)
        })
        .collect()
}

fn combine(joined: &Joined, with: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let n = joined.rewards[0].len();
    (0..n).map(|at| with(&joined.rewards.iter().map(|rewards| rewards[at]).collect::<Vec<f64>>())).collect()
}

fn join(method: usize, all: &[f64]) -> f64 {
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    match method {
        1 => all.iter().copied().fold(f64::INFINITY, f64::min),
        2 => mean - (all.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt(),
        _ => mean,
    }
}

/// Sum of each response's ranks over runs; equals are told apart by the mean reward, or two runs that
/// disagree would always tie.
fn ranks(joined: &Joined) -> Vec<f64> {
    const TIE_BREAK: f64 = 1e-9;
    let by_run: Vec<Vec<f64>> =
        joined.rewards.iter().map(|rewards| crate::metric::correlation::ranks(rewards)).collect();
    let mean = combine(joined, |all| join(0, all));
    mean.iter().enumerate().map(|(at, mean)| by_run.iter().map(|r| r[at]).sum::<f64>() + TIE_BREAK * mean).collect()
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
