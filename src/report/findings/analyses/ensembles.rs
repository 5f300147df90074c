//! What runs would gain together: ensembles of rewards, computed from the tables alone (Coste et al. 2024).
//!
//! Rewards of each run are divided by the standard deviation of its margins first, so that runs with large
//! rewards do not decide alone. The scale and the learned weights are kept as they are while resampling.

use rmbench_contributions::ensemble::{Ensemble, LEARNED};
use rmbench_contributions::unit::Unit;

use crate::metric::columns::ColumnId;
use crate::metric::resample::Number;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use crate::table::item::View;

pub use rmbench_contributions::ensemble::METHODS;

pub const ANALYSIS: &str = "ensembles";

/// Fewer items give no gain worth printing.
const MIN_ITEMS: usize = 50;
const FOLDS: usize = 5;

pub fn ensembles(context: &Context<'_>) -> Vec<Detail> {
    let runs = context.runs;
    if runs.len() < 2 {
        return Vec::new();
    }
    let views: Vec<View<'_>> = runs.iter().map(|run| context.table.view(*run)).collect();
    let units: Vec<Unit> = context.design.cells.iter().flat_map(|cell| cell.units.iter().copied()).collect();
    let mut items = Ensemble::new(&views, &units, &folds(context), FOLDS, context.protocol.ties);
    if items.len() < MIN_ITEMS || !items.scale() {
        return Vec::new();
    }
    let weights = items.learned();
    let credits = items.credits(weights.as_deref());
    let (alone, methods) = credits.split_at(runs.len());
    let mut numbers = context.plan.numbers();
    let n = numbers.insert(&items.ones());
    let alone: Vec<ColumnId> = alone.iter().map(|credits| numbers.insert(credits)).collect();
    let methods: Vec<Option<ColumnId>> = methods
        .iter()
        .enumerate()
        .map(|(method, credits)| (method != LEARNED || weights.is_some()).then(|| numbers.insert(credits)))
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

/// The fold of each cluster: a function of the seed and its number.
fn folds(context: &Context<'_>) -> Vec<usize> {
    let fold = |cluster: u32| {
        let draw = crate::random::uniform(context.plan.seed, "ensemble-fold", cluster.to_le_bytes());
        ((draw * FOLDS as f64) as usize).min(FOLDS - 1)
    };
    (0..context.design.n_clusters as u32).map(fold).collect()
}
