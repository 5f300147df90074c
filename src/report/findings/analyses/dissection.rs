//! What preferences go by: L1-regularised logistic regression of preferences on differences in properties of the
//! two responses (Li et al. 2024, "Dissecting Human and LLM Preferences").
//!
//! P(A over B) = σ(α · x), x_j = (property j of A − of B) / its root mean square; a Laplace prior of scale 0.1 on
//! α, which is a penalty of 10 Σ |α|; α is the mean over fits that leave out a tenth of the sources each. "People"
//! are the benchmark's own preferences. Intervals resample sources and fit all of them anew.

use crate::metric::correlation::{pearson, spearman};
use crate::metric::lasso::Lasso;
use crate::metric::outcome::{Evidence, Outcome};
use crate::metric::style::MARKDOWN;
use crate::random::uniform;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "dissection";

/// Fewer items give no weights worth printing; of more, this many are drawn, by source.
const MIN_ITEMS: usize = 100;
const MOST_ITEMS: usize = 2000;
/// One over the scale of the Laplace prior.
const PENALTY: f64 = 10.0;
const FOLDS: usize = 10;
/// Fewer properties say nothing of similarity.
const MIN_PROPERTIES: usize = 4;

/// Whose preferences are explained: a run's, or (`None`) the benchmark's own.
struct Judge {
    run: Option<usize>,
    rows: Lasso,
    /// By item: whether there is a preference.
    present: Vec<bool>,
    /// Fitted to everything: where other fits start.
    full: Vec<f64>,
    /// Mean over folds.
    alpha: Vec<f64>,
    /// Items, and by item what is gained by predicting it from the other folds.
    n: usize,
    predicted: Vec<f64>,
}

/// One item: its source and what is compared.
struct Seen {
    item: usize,
    cluster: u32,
    x: Vec<f64>,
}

pub fn dissection(context: &Context<'_>) -> Vec<Detail> {
    let annotations = &context.table.annotations;
    // The sum of four others would only share their weights.
    let kept: Vec<usize> =
        (0..annotations.properties.len()).filter(|at| annotations.properties[*at] != MARKDOWN).collect();
    if kept.is_empty() {
        return Vec::new();
    }
    let seen = seen(context, &kept);
    let (seen, properties) = scaled(seen, &kept, context);
    if seen.len() < MIN_ITEMS || properties.is_empty() {
        let why = format!("not enough data: {} items whose properties are all known", seen.len());
        return vec![context.detail(ANALYSIS, None, "weight", Vec::new()).because(why)];
    }
    let runs = std::iter::once(None).chain(context.runs.iter().map(|run| Some(*run)));
    let judges: Vec<Judge> = runs.filter_map(|run| judge(context, run, &seen)).collect();
    details(context, &seen, &properties, &judges)
}

fn seen(context: &Context<'_>, kept: &[usize]) -> Vec<Seen> {
    let mut found = Vec::new();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        for item in unit.items() {
            if let Some(differences) = context.table.annotations.differences(item) {
                let x = kept.iter().map(|at| differences[*at]).collect();
                found.push(Seen { item, cluster: unit.cluster, x });
            }
        }
    }
    let share = MOST_ITEMS as f64 / found.len().max(1) as f64;
    let draw = |cluster: u32| uniform(context.plan.seed, "dissection", cluster.to_le_bytes());
    found.retain(|seen| share >= 1.0 || draw(seen.cluster) < share);
    found
}

/// Differences in units of their root mean square; properties that never differ are left out.
fn scaled(mut seen: Vec<Seen>, kept: &[usize], context: &Context<'_>) -> (Vec<Seen>, Vec<String>) {
    let n = seen.len().max(1) as f64;
    let of = |at: usize| (seen.iter().map(|seen| seen.x[at].powi(2)).sum::<f64>() / n).sqrt();
    let sizes: Vec<f64> = (0..kept.len()).map(of).collect();
    let used: Vec<usize> = (0..kept.len()).filter(|at| sizes[*at] > 0.0).collect();
    for seen in &mut seen {
        seen.x = used.iter().map(|at| seen.x[*at] / sizes[*at]).collect();
    }
    let names = used.iter().map(|at| context.table.annotations.properties[kept[*at]].clone()).collect();
    (seen, names)
}

fn judge(context: &Context<'_>, run: Option<usize>, seen: &[Seen]) -> Option<Judge> {
    let width = seen.first()?.x.len();
    let outcome = |item: usize| match run {
        None => Some(1.0),
        Some(run) => {
            Evidence::Rewards.extremes(&context.table.item(run, item)).map(|extremes| match extremes.outcome() {
                Outcome::ChosenWins => 1.0,
                Outcome::RejectedWins => 0.0,
                Outcome::Tie => 0.5,
            })
        }
    };
    let outcomes: Vec<Option<f64>> = seen.iter().map(|seen| outcome(seen.item)).collect();
    let n = outcomes.iter().flatten().count();
    if n < MIN_ITEMS {
        return None;
    }
    let mut rows = Lasso::new(width, PENALTY);
    seen.iter().zip(&outcomes).for_each(|(seen, outcome)| rows.add(&seen.x, outcome.unwrap_or(0.5)));
    let present: Vec<bool> = outcomes.iter().map(Option::is_some).collect();
    let weights = |counts: &dyn Fn(usize) -> bool| -> Vec<f64> {
        present.iter().enumerate().map(|(at, present)| f64::from(u8::from(*present && counts(at)))).collect()
    };
    let full = rows.fit(&weights(&|_| true), &[])?;
    let draw = |cluster: u32| uniform(context.plan.seed, "dissection-fold", cluster.to_le_bytes());
    let fold = |at: usize| ((draw(seen[at].cluster) * FOLDS as f64) as usize).min(FOLDS - 1);
    let folds: Vec<usize> = (0..seen.len()).map(fold).collect();
    let fits: Vec<Vec<f64>> =
        (0..FOLDS).map(|out| rows.fit(&weights(&|at| folds[at] != out), &full)).collect::<Option<_>>()?;
    let alpha = (0..width).map(|j| fits.iter().map(|fit| fit[j]).sum::<f64>() / FOLDS as f64).collect();
    let predicted = (0..seen.len()).map(|at| {
        let z: f64 = seen[at].x.iter().zip(&fits[folds[at]]).map(|(x, b)| x * b).sum();
        let outcome = outcomes[at].unwrap_or(0.5);
        // An outcome of one half, or no sign, is right by half.
        if z == 0.0 {
            0.5
        } else {
            f64::from(u8::from(z > 0.0)) * outcome + f64::from(u8::from(z < 0.0)) * (1.0 - outcome)
        }
    });
    let predicted = predicted.collect();
    Some(Judge { run, rows, present, full, alpha, n, predicted })
}

/// Measures of two judges: how alike what they go by is.
const ALIKE: [&str; 2] = ["similarity", "rank-similarity"];

fn alike(a: &[f64], b: &[f64]) -> [f64; ALIKE.len()] {
    [pearson(a, b), spearman(a, b)].map(|r| r.filter(|_| a.len() >= MIN_PROPERTIES).unwrap_or(f64::NAN))
}

fn details(context: &Context<'_>, seen: &[Seen], properties: &[String], judges: &[Judge]) -> Vec<Detail> {
    let (k, n_judges) = (properties.len(), judges.len());
    let pairs: Vec<(usize, usize)> = (0..n_judges).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
    let (predicted_at, alike_at) = (k * n_judges, (k + 1) * n_judges);
    let width = alike_at + ALIKE.len() * pairs.len();
    let steps = seen.len() * (k * k / 2 + 4 * k + 20) * 4 * n_judges;
    let resampled = context.plan.run(width, steps, &|counts, out| {
        let weight = |at: usize| f64::from(counts[seen[at].cluster as usize]);
        let mut fits: Vec<Option<Vec<f64>>> = Vec::with_capacity(n_judges);
        for (number, judge) in judges.iter().enumerate() {
            let of_row = |(at, present): (usize, &bool)| if *present { weight(at) } else { 0.0 };
            let weights: Vec<f64> = judge.present.iter().enumerate().map(of_row).collect();
            let right: f64 = judge.predicted.iter().zip(&weights).map(|(right, w)| right * w).sum();
            out[predicted_at + number] = right / weights.iter().sum::<f64>();
            let fit = judge.rows.fit(&weights, &judge.full);
            if let Some(fit) = &fit {
                // Around the mean over folds, not around the one fit to everything.
                let moved =
                    fit.iter().zip(&judge.alpha).zip(&judge.full).map(|((fit, alpha), full)| fit + alpha - full);
                out[number * k..][..k].iter_mut().zip(moved).for_each(|(out, moved)| *out = moved);
            }
            fits.push(fit);
        }
        for (out, (a, b)) in out[alike_at..].chunks_exact_mut(ALIKE.len()).zip(&pairs) {
            if let (Some(a), Some(b)) = (&fits[*a], &fits[*b]) {
                out.copy_from_slice(&alike(a, b));
            }
        }
    });
    let mut details = Vec::new();
    for (number, judge) in judges.iter().enumerate() {
        for (at, name) in properties.iter().enumerate() {
            let detail = context.detail(ANALYSIS, judge.run, "weight", vec![About::name(name)]);
            details.push(detail.with(Some(judge.alpha[at]), resampled.interval(number * k + at), judge.n));
        }
        let sum = |of: &dyn Fn(usize) -> f64| (0..seen.len()).filter(|at| judge.present[*at]).map(of).sum::<f64>();
        let predicted = sum(&|at| judge.predicted[at]) / judge.n as f64;
        let detail = context.detail(ANALYSIS, judge.run, "predicted", Vec::new());
        details.push(detail.with(Some(predicted), resampled.interval(predicted_at + number), judge.n));
    }
    for (number, (a, b)) in pairs.iter().enumerate() {
        let (first, second) = (&judges[*a], &judges[*b]);
        let points = alike(&first.alpha, &second.alpha);
        for (at, measure) in ALIKE.into_iter().enumerate() {
            // People come first, so that the second is always a run.
            let with = first.run.map_or(About::name("people"), About::Run);
            let detail = context.detail(ANALYSIS, second.run, measure, vec![with]);
            details.push(match k < MIN_PROPERTIES {
                true => detail.because(format!("not enough data: {k} properties")),
                false => detail.with(Some(points[at]), resampled.interval(alike_at + number * ALIKE.len() + at), k),
            });
        }
    }
    details
}
