//! Rewards of several runs joined into one: mean, worst case, mean less standard deviation, ranks, learned weights.

use rayon::prelude::*;
use rmbench_estimators::correlation;
use rmbench_estimators::logistic::Rows;

use crate::accuracy::credit;
use crate::item::View;
use crate::outcome::{Extremes, is_complete};
use crate::rule::TiePolicy;
use crate::unit::Unit;

/// Ways to join rewards; `learned` comes from logistic regression of preferences on margins.
pub const METHODS: [&str; 5] = ["mean", "worst-case", "mean-minus-sd", "rank", "learned"];

/// The place of the method whose weights may not fit, and of the one that joins ranks.
pub const LEARNED: usize = 4;
const RANK: usize = 3;

/// Items that every run scored, in units of each run's margins.
pub struct Ensemble {
    items: Vec<Joined>,
    n_runs: usize,
    n_folds: usize,
    ties: TiePolicy,
}

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

/// By run: which items it scored whole, in order of units.
pub fn complete(views: &[View<'_>], units: &[Unit]) -> Vec<Vec<bool>> {
    let of_view = |view: &View<'_>| {
        units.iter().flat_map(|unit| unit.places()).map(|place| is_complete(&view.item(place))).collect()
    };
    views.par_iter().map(of_view).collect()
}

impl Ensemble {
    /// `views`: the runs; `folds`: by cluster, which of `n_folds` judges it.
    pub fn new(views: &[View<'_>], units: &[Unit], folds: &[usize], n_folds: usize, ties: TiePolicy) -> Self {
        let of_unit = |unit: &Unit| {
            let of_item = |place: crate::item::Place| {
                let mut rewards = Vec::new();
                for view in views {
                    let item = view.item(place);
                    is_complete(&item).then_some(())?;
                    rewards.extend(item.chosen.iter().chain(item.rejected).map(|r| r.map_or(f64::NAN, f64::from)));
                }
                let n_chosen = usize::from(place.n_chosen);
                let n_responses = n_chosen + usize::from(place.n_rejected);
                Some(Joined {
                    cluster: unit.cluster,
                    fold: folds[unit.cluster as usize],
                    rewards,
                    n_chosen,
                    n_responses,
                })
            };
            unit.places().filter_map(of_item).collect::<Vec<Joined>>()
        };
        let items = units.par_iter().flat_map_iter(of_unit).collect();
        Ensemble { items, n_runs: views.len(), n_folds, ties }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Standard deviation of each run's margins; 0 where they do not vary.
    pub fn spreads(&self) -> Vec<f64> {
        let margins = self.margins();
        let n = margins.len() as f64;
        let sd = |run: usize| {
            let mean = margins.iter().map(|m| m[run]).sum::<f64>() / n;
            (margins.iter().map(|m| (m[run] - mean).powi(2)).sum::<f64>() / n).sqrt()
        };
        (0..self.n_runs).map(sd).collect()
    }

    /// Divides rewards by the standard deviations of margins, so that runs with large rewards do not decide alone.
    pub fn scale(&mut self, spreads: &[f64]) {
        self.items.par_iter_mut().for_each(|joined| {
            let runs = joined.rewards.chunks_exact_mut(joined.n_responses.max(1));
            runs.zip(spreads).for_each(|(rewards, sd)| rewards.iter_mut().for_each(|reward| *reward /= sd));
        });
    }

    /// Weights of runs by fold, fitted on the other folds: no source item helps to judge itself. `None` where nothing fits.
    pub fn learned(&self) -> Option<Vec<Vec<f64>>> {
        let margins = self.margins();
        (0..self.n_folds)
            .into_par_iter()
            .map(|fold| {
                let mut rows = Rows::new(self.n_runs);
                for (_, margins) in self.items.iter().zip(&margins).filter(|(joined, _)| joined.fold != fold) {
                    rows.add(margins, 1.0);
                }
                // A small ridge: runs that always agree have no weights of their own.
                rows.fit(&|_| 1.0, 1.0)
            })
            .collect()
    }

    /// What (cluster, credit) items add for every run alone, then for every method; NaN for learned weights that do not
    /// fit.
    pub fn credits(&self, weights: Option<&[Vec<f64>]>) -> Vec<Vec<(u32, f64)>> {
        let of_item = |joined: &Joined| -> Vec<f64> {
            let alone = joined.runs().map(|rewards| self.credit(joined, rewards));
            let methods = (0..METHODS.len()).map(|method| {
                let rewards = match (method, weights) {
                    (LEARNED, None) => return f64::NAN,
                    (LEARNED, Some(by_fold)) => {
                        let weights = &by_fold[joined.fold];
                        combine(joined, |at| joined.response(at).zip(weights).map(|(r, w)| r * w).sum())
                    }
                    (RANK, _) => ranks(joined),
                    (method, _) => combine(joined, |at| join(method, joined.response(at))),
                };
                self.credit(joined, &rewards)
            });
            alone.chain(methods).collect()
        };
        let credits: Vec<Vec<f64>> = self.items.par_iter().map(of_item).collect();
        let column =
            |at: usize| self.items.iter().zip(&credits).map(|(joined, own)| (joined.cluster, own[at])).collect();
        (0..self.n_runs + METHODS.len()).into_par_iter().map(column).collect()
    }

    /// (cluster, 1) of every item.
    pub fn ones(&self) -> Vec<(u32, f64)> {
        self.items.iter().map(|joined| (joined.cluster, 1.0)).collect()
    }

    /// By item: the margins of all runs.
    fn margins(&self) -> Vec<Vec<f64>> {
        let of_item = |joined: &Joined| joined.runs().map(|rewards| margin(rewards, joined.n_chosen)).collect();
        self.items.par_iter().map(of_item).collect()
    }

    /// The credit that rewards earn.
    fn credit(&self, joined: &Joined, rewards: &[f64]) -> f64 {
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
        credit(&extremes, self.ties).unwrap_or(0.0)
    }
}

fn margin(rewards: &[f64], n_chosen: usize) -> f64 {
    let lowest = rewards[..n_chosen].iter().copied().fold(f64::INFINITY, f64::min);
    lowest - rewards[n_chosen..].iter().copied().fold(f64::NEG_INFINITY, f64::max)
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
        sums.iter_mut().zip(correlation::ranks(rewards)).for_each(|(sum, rank)| *sum += rank);
    }
    sums
}
