//! What runs would gain together: ensembles of rewards, computed from the tables alone (Coste et al. 2024).
//!
//! Rewards of each run are divided by the standard deviation of its margins first, so that runs with large
//! rewards do not decide alone. The scale and the learned weights are kept as they are while resampling.
//!
//! Which run is the best is not known, and the best of noisy ones looks better than it is: the gain over it, the
//! least of the gains over all, has bounds of its own ([`crate::metric::least`]).
//!
//! Runs whose margins do not vary join nothing, and a run that scored little would leave little for all: both are left out,
//! and named.

use rmbench_contributions::ensemble::{Ensemble, LEARNED, complete};
use rmbench_contributions::unit::Unit;
use rmbench_resampling::summary::differences;

use crate::metric::resample::{Answers, Number};
use crate::metric::{Interval, least};
use crate::report::findings::analyses::Context;
use crate::report::findings::analyses::sharing::{LeftOut, sharing};
use crate::report::findings::detail::{About, Detail};
use crate::table::item::View;

pub use rmbench_contributions::ensemble::METHODS;

pub const ANALYSIS: &str = "ensembles";

/// Fewer items give no gain worth printing.
const MIN_ITEMS: usize = 50;
const FOLDS: usize = 5;

pub fn ensembles(context: &Context<'_>) -> Vec<Detail> {
    if context.runs.len() < 2 {
        return Vec::new();
    }
    let units: Vec<Unit> = context.design.cells.iter().flat_map(|cell| cell.units.iter().copied()).collect();
    let views: Vec<View<'_>> = context.runs.iter().map(|run| context.table.view(*run)).collect();
    let (mut kept, little) = sharing(&complete(&views, &units));
    let said = |own: LeftOut| {
        (own.run, format!("left out: with it all runs share {} items, without it {}", own.with, own.without))
    };
    let mut left_out: Vec<(usize, String)> = little.into_iter().map(said).collect();
    let joined = |kept: &[usize]| {
        let views: Vec<View<'_>> = kept.iter().map(|at| context.table.view(context.runs[*at])).collect();
        Ensemble::new(&views, &units, &folds(context), FOLDS, context.protocol.ties)
    };
    let mut items = joined(&kept);
    let mut spreads = items.spreads();
    let varies = |sd: &f64| *sd > 0.0;
    if items.len() >= MIN_ITEMS && !spreads.iter().all(varies) {
        let constant = kept.iter().zip(&spreads).filter(|(_, sd)| !varies(sd)).map(|(at, _)| *at);
        left_out.extend(constant.map(|at| (at, "left out: its margins do not vary".to_owned())));
        kept = kept.iter().zip(&spreads).filter(|(_, sd)| varies(sd)).map(|(at, _)| *at).collect();
        items = joined(&kept);
        spreads = items.spreads();
    }
    left_out.sort_by_key(|(at, _)| *at);
    let named = left_out
        .into_iter()
        .map(|(at, why)| context.detail(ANALYSIS, Some(context.runs[at]), "left-out", Vec::new()).because(why));
    let mut details: Vec<Detail> = named.collect();
    if kept.len() < 2 || items.len() < MIN_ITEMS {
        let (runs, shared) = (kept.len(), items.len());
        // A benchmark this small says so elsewhere.
        if !details.is_empty() || shared >= MIN_ITEMS {
            let few = format!("not enough data: {runs} runs whose margins vary share {shared} items");
            let gain = |name: &str| context.detail(ANALYSIS, None, "gain-over-best-run", vec![About::name(name)]);
            details.extend(METHODS.map(|name| gain(name).because(few.clone())));
        }
        return details;
    }
    items.scale(&spreads);
    let runs: Vec<usize> = kept.iter().map(|at| context.runs[*at]).collect();
    let weights = items.learned();
    let credits = items.credits(weights.as_deref());
    let (alone, methods) = credits.split_at(runs.len());
    let mut numbers = context.plan.numbers();
    let n = numbers.insert(&items.ones());
    let mut accuracy = |credits: &[(u32, f64)]| {
        let column = numbers.insert(credits);
        numbers.ratio(column, n)
    };
    let alone: Vec<Number> = alone.iter().map(|credits| accuracy(credits)).collect();
    let methods: Vec<Option<Number>> = methods
        .iter()
        .enumerate()
        .map(|(method, credits)| (method != LEARNED || weights.is_some()).then(|| accuracy(credits)))
        .collect();
    let all: Vec<Number> = alone.iter().chain(methods.iter().flatten()).copied().collect();
    let answers = numbers.resample_keeping(&all);
    for (name, method) in METHODS.into_iter().zip(methods) {
        let detail = |measure: &str| context.detail(ANALYSIS, None, measure, vec![About::name(name)]);
        let Some(method) = method else {
            details.extend(["accuracy", "gain-over-best-run"].map(|measure| detail(measure).because("no weights fit")));
            continue;
        };
        details.push(detail("accuracy").found(answers.of(method), items.len()));
        let (point, interval) = gain(&answers, method, &alone, context.plan.level);
        details.push(detail("gain-over-best-run").with(point, interval, items.len()));
    }
    for (at, run) in runs.iter().enumerate() {
        let Some(weights) = &weights else { continue };
        let mean = weights.iter().map(|fold| fold[at]).sum::<f64>() / FOLDS as f64;
        let detail = context.detail(ANALYSIS, Some(*run), "learned-weight", Vec::new());
        details.push(detail.with(Some(mean), None, items.len()).because("mean over five folds, no interval"));
    }
    details
}

/// Accuracy of a method less that of the best run, and its interval.
fn gain(answers: &Answers, method: Number, alone: &[Number], level: f64) -> (Option<f64>, Option<Interval>) {
    let own = answers.deviations(method);
    let over = |run: &Number| Some(answers.of(method).point? - answers.of(*run).point?);
    let Some(points) = alone.iter().map(over).collect::<Option<Vec<f64>>>() else { return (None, None) };
    let moves: Vec<Vec<f32>> = alone.iter().map(|run| differences(own, answers.deviations(*run))).collect();
    let bounds = least::bounds(&points, &moves.iter().map(Vec::as_slice).collect::<Vec<_>>(), level);
    (points.into_iter().reduce(f64::min), bounds.map(|bounds| Interval::new(bounds, level)))
}

/// The fold of each cluster: a function of the seed and its number.
fn folds(context: &Context<'_>) -> Vec<usize> {
    let fold = |cluster: u32| {
        let draw = crate::random::uniform(context.plan.seed, "ensemble-fold", cluster.to_le_bytes());
        ((draw * FOLDS as f64) as usize).min(FOLDS - 1)
    };
    (0..context.design.n_clusters as u32).map(fold).collect()
}
