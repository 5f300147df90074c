//! Compositional preference model: r = w·z, z_k = (f_k − μ_k)/σ_k, w the logistic regression without intercept of
//! the preferences on z_chosen − z_rejected (Compositional preference models for aligning LMs; code
//! dongyoung-go/CPM@a8565d8).
//!
//! μ and σ (ddof 0) are over the responses of both sides. w minimises C·Σ −ln σ(w·d_i) + ½‖w‖², or with ‖w‖₁ in place
//! of ½‖w‖²; penalty and C (12 values, 10^−5 to 10^5) by cross-validated accuracy, source items kept together. A
//! reward is a weighted sum of what the features say, so the weights can be read.

use std::path::Path;

use super::{FeaturePair, credit, mean};
use crate::metric::Estimate;
use crate::metric::lasso::Lasso;
use crate::metric::logistic::Rows;
use crate::random;
use crate::reward::artifact::{ArtifactError, ProvenanceCard};
use crate::reward::embedding;
use crate::train::error::TrainError;

const FOLDS: u64 = 8;
/// Exponents of C: from, to, how many.
const GRID: (f64, f64, usize) = (-5.0, 5.0, 12);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Penalty {
    L1,
    L2,
}

/// Mean and deviation of every feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    pub mean: Vec<f64>,
    /// 1 for a feature that is the same everywhere: it tells nothing and its weight is 0.
    pub deviation: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cpm {
    pub scale: Scale,
    /// Of the scaled features.
    pub weights: Vec<f64>,
    pub penalty: Penalty,
    pub c: f64,
    /// Accuracy on the parts that were not fitted to, with the chosen penalty and C: a little too good, since they were
    /// chosen by it.
    pub cross_validated: Option<Estimate>,
}

/// Accuracy, penalty, C, and what each pair was worth, by source item.
type Candidate<'a> = (f64, Penalty, f64, Vec<(&'a str, f64)>);

/// The values of C that are tried, the strongest penalty first.
pub fn grid() -> Vec<f64> {
    let (from, to, n) = GRID;
    (0..n).map(|i| 10f64.powf(from + (to - from) * i as f64 / (n - 1) as f64)).collect()
}

impl Scale {
    pub fn of(pairs: &[&FeaturePair]) -> Self {
        let width = pairs.first().map_or(0, |pair| pair.chosen.len());
        let n = 2.0 * pairs.len() as f64;
        let sides = || pairs.iter().flat_map(|pair| [&pair.chosen, &pair.rejected]);
        let mean: Vec<f64> = (0..width).map(|k| sides().map(|side| side[k]).sum::<f64>() / n).collect();
        let deviation = |k: usize| {
            let variance = sides().map(|side| (side[k] - mean[k]).powi(2)).sum::<f64>() / n;
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        };
        Self { deviation: (0..width).map(deviation).collect(), mean }
    }

    fn difference(&self, pair: &FeaturePair) -> Vec<f64> {
        pair.difference().iter().zip(&self.deviation).map(|(d, deviation)| d / deviation).collect()
    }
}

/// Weights for one penalty; `None` where there is no finite optimum.
pub fn weights(pairs: &[&FeaturePair], scale: &Scale, penalty: Penalty, c: f64) -> Option<Vec<f64>> {
    let width = scale.mean.len();
    match penalty {
        Penalty::L1 => {
            let mut rows = Lasso::new(width, 1.0 / c);
            pairs.iter().for_each(|pair| rows.add(&scale.difference(pair), 1.0));
            rows.fit(&vec![1.0; pairs.len()], &vec![0.0; width])
        }
        Penalty::L2 => {
            let mut rows = Rows::new(width);
            pairs.iter().for_each(|pair| rows.add(&scale.difference(pair), 1.0));
            rows.fit(&|_| 1.0, 1.0 / c)
        }
    }
}

fn margin(weights: &[f64], difference: &[f64]) -> f64 {
    weights.iter().zip(difference).map(|(w, d)| w * d).sum()
}

/// Chooses penalty and C, and fits all pairs with them.
pub fn fit(pairs: &[FeaturePair], seed: u64) -> Result<Cpm, TrainError> {
    let fold = |pair: &FeaturePair| (random::uniform(seed, "cpm-fold", pair.source.as_bytes()) * FOLDS as f64) as u64;
    let folds: Vec<u64> = pairs.iter().map(fold).collect();
    let too_few = || TrainError::Begin(format!("{} pairs are too few for {FOLDS} parts", pairs.len()));
    // Every part has something to be measured on, and something else to be fitted to.
    if !(0..FOLDS).all(|part| folds.contains(&part)) {
        return Err(too_few());
    }
    let split: Vec<(Vec<&FeaturePair>, Vec<&FeaturePair>)> = (0..FOLDS)
        .map(|part| {
            let side = |inside: bool| {
                let of = pairs.iter().zip(&folds).filter(move |(_, fold)| (**fold == part) == inside);
                of.map(|(pair, _)| pair).collect()
            };
            (side(false), side(true))
        })
        .collect();
    let scales: Vec<Scale> = split.iter().map(|(rest, _)| Scale::of(rest)).collect();
    let mut best: Option<Candidate> = None;
    for penalty in [Penalty::L2, Penalty::L1] {
        for c in grid() {
            let mut credits: Vec<(&str, f64)> = Vec::with_capacity(pairs.len());
            for ((rest, part), scale) in split.iter().zip(&scales) {
                let Some(weights) = weights(rest, scale, penalty, c) else { break };
                let of = |pair: &&FeaturePair| credit(margin(&weights, &scale.difference(pair)));
                credits.extend(part.iter().map(|pair| pair.source.as_ref()).zip(part.iter().map(of)));
            }
            if credits.len() < pairs.len() {
                continue;
            }
            let accuracy = credits.iter().map(|(_, credit)| credit).sum::<f64>() / credits.len() as f64;
            if best.as_ref().is_none_or(|(other, ..)| accuracy > *other) {
                best = Some((accuracy, penalty, c, credits));
            }
        }
    }
    let (_, penalty, c, credits) = best.ok_or_else(too_few)?;
    let all: Vec<&FeaturePair> = pairs.iter().collect();
    let scale = Scale::of(&all);
    let weights = weights(&all, &scale, penalty, c).ok_or_else(too_few)?;
    Ok(Cpm { scale, weights, penalty, c, cross_validated: mean(credits, seed) })
}

impl Cpm {
    /// r = w·z.
    pub fn reward(&self, features: &[f64]) -> f64 {
        let z = features.iter().zip(&self.scale.mean).zip(&self.scale.deviation).map(|((f, m), s)| (f - m) / s);
        z.zip(&self.weights).map(|(z, w)| z * w).sum()
    }

    /// Writes it as a linear head on vectors, which is what it is.
    pub fn save(&self, dir: &Path, provenance: Option<ProvenanceCard>) -> Result<(), ArtifactError> {
        let weight: Vec<f64> = self.weights.iter().zip(&self.scale.deviation).map(|(w, s)| w / s).collect();
        let bias = -weight.iter().zip(&self.scale.mean).map(|(w, m)| w * m).sum::<f64>();
        embedding::write_linear(dir, &weight, bias, "cpm", provenance)
    }
}
