//! What is left of accuracy when length is held constant: logistic length control.
//!
//! P(right) = σ(θ + β tanh(Δ/s)), Δ the chosen response's characters less the rejected one's, s their
//! standard deviation; length-controlled accuracy is σ(θ), what the fit gives at equal length (after
//! Dubois et al. 2024). β > 0: the run is right more often where the longer response is the chosen one.

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::calibration::sigmoid;
use crate::metric::length::lengths;
use crate::metric::logistic::Rows;
use crate::metric::outcome::Evidence;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "length";

/// Fewer items give no fit worth printing.
const MIN_ITEMS: usize = 100;

pub fn length(context: &Context<'_>) -> Vec<Detail> {
    let mut langs: Vec<Lang> = context.design.cells.iter().map(|cell| cell.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let mut groups: Vec<Option<Lang>> = vec![None];
    // One language is the whole.
    groups.extend(langs.iter().copied().map(Some).filter(|_| langs.len() > 1));
    let all = context.runs.iter().flat_map(|run| groups.iter().map(move |lang| (*run, *lang)));
    all.flat_map(|(run, lang)| controlled(context, run, lang)).collect()
}

fn controlled(context: &Context<'_>, run: usize, lang: Option<Lang>) -> Vec<Detail> {
    let mut items: Vec<(u32, f64, f64)> = Vec::new();
    for cell in context.design.cells.iter().filter(|cell| lang.is_none_or(|lang| cell.lang == lang)) {
        for unit in &cell.units {
            for index in unit.items() {
                let item = context.table.item(run, index);
                let credit = Evidence::Rewards.extremes(&item).and_then(|e| credit(&e, context.protocol.ties));
                if let (Some(credit), Some((chosen, rejected))) = (credit, lengths(&item)) {
                    items.push((unit.cluster, chosen - rejected, credit));
                }
            }
        }
    }
    let n = items.len();
    if n < MIN_ITEMS {
        return Vec::new();
    }
    let mean = items.iter().map(|(_, d, _)| d).sum::<f64>() / n as f64;
    let sd = (items.iter().map(|(_, d, _)| (d - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    if sd <= 0.0 {
        return Vec::new();
    }
    let mut rows = Rows::new(2);
    for (_, difference, credit) in &items {
        rows.add(&[1.0, (difference / sd).tanh()], *credit);
    }
    let fit = |weight: &dyn Fn(usize) -> f64, out: &mut [f64]| {
        if let Some(b) = rows.fit(weight, 0.0) {
            out[0] = sigmoid(b[0]);
            out[1] = b[1];
        }
    };
    let mut point = [f64::NAN; 2];
    fit(&|_| 1.0, &mut point);
    let resampled = context.plan.run(2, n * 80, &|counts, out| fit(&|at| f64::from(counts[items[at].0 as usize]), out));
    let of: Vec<About> = lang.into_iter().map(About::Lang).collect();
    let measures = ["length-controlled-accuracy", "length-coefficient"].into_iter().enumerate();
    measures
        .map(|(at, measure)| {
            let detail = context.detail(ANALYSIS, Some(run), measure, of.clone());
            detail.with(Some(point[at]), resampled.interval(at), n)
        })
        .collect()
}
