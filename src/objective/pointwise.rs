//! Single responses against ratings.
//!
//! | name | loss of a comparison | from |
//! |---|---|---|
//! | bce | the mean over rated responses of −y·log σ(r) − (1−y)·log σ(−r); without ratings chosen is 1, rejected 0 | |
//! | mse | Σ mask·(r − y)² / Σ mask over responses and attributes; a missing rating, or −100, does not count | NeMo-Aligner, which divides by the ratings of a micro-batch; here comparisons count alike |

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Label, ObjectiveError, Rewards, cost_of, numbers, refuse};

/// What NeMo-Aligner's data hold where a rating is missing.
const MISSING: f64 = -100.0;

/// An objective without settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plain {}

/// Regression. With names of attributes the head has one label for each, and the reward is their weighted sum.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Regression {
    pub attributes: Vec<String>,
    /// What the reward is: Σ weight·attribute. Empty: their mean.
    pub weights: Vec<f64>,
}

impl Regression {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let fits = self.weights.is_empty() || self.weights.len() == self.attributes.len();
        if !fits || self.attributes.len() == 1 {
            let problem = "attributes are two or more, and weights as many as attributes, or none";
            return Err(ObjectiveError::Conflict { objective: name, problem });
        }
        let finite = self.weights.iter().all(|weight| weight.is_finite());
        refuse(name, &[("weights", self.weights.len() as f64, finite, "finite numbers")])
    }

    /// One weight per attribute; `None` for a head of one label.
    pub fn label_weights(&self) -> Option<Vec<f64>> {
        let n = self.attributes.len();
        match (n, self.weights.is_empty()) {
            (0, _) => None,
            (_, true) => Some(vec![1.0 / n as f64; n]),
            _ => Some(self.weights.clone()),
        }
    }
}

/// Whether a rating says something.
pub fn counts(rating: Option<f64>) -> bool {
    rating.is_some_and(|rating| rating != MISSING)
}

/// Targets and their weights of all responses, weights adding up to 1 within each comparison.
struct Targets {
    values: Vec<f64>,
    weights: Vec<f64>,
    /// How many rewards belong to each comparison.
    sizes: Vec<usize>,
}

/// Weighted costs of rewards, added up by comparison: losses [n].
fn sums(costs: &Tensor, targets: &Targets) -> Tensor {
    let (kind, device) = (costs.kind(), costs.device());
    let costs = costs.flatten(0, -1) * numbers(&targets.weights, kind, device);
    let owners: Vec<i64> = targets.sizes.iter().enumerate().flat_map(|(i, n)| vec![i as i64; *n]).collect();
    let losses = Tensor::zeros([targets.sizes.len() as i64], (kind, device));
    losses.index_add(0, &Tensor::from_slice(&owners).to_device(device), &costs)
}

fn targets(
    name: &'static str,
    batch: &Rewards,
    attributes: usize,
    of: impl Fn(&Label) -> Vec<Option<f64>>,
) -> Result<Targets, ObjectiveError> {
    let mut targets = Targets { values: Vec::new(), weights: Vec::new(), sizes: Vec::new() };
    for (index, label) in batch.labels.iter().enumerate() {
        let ratings = of(label);
        let rated = ratings.iter().filter(|rating| counts(**rating)).count();
        if ratings.len() != label.n_responses() * attributes || rated == 0 {
            return Err(ObjectiveError::Lacks { objective: name, index, what: "rating for each response" });
        }
        let n = label.n_sequences() * attributes;
        let rating = |i: usize| ratings.get(i).copied().flatten().filter(|rating| counts(Some(*rating)));
        targets.values.extend((0..n).map(|i| rating(i).unwrap_or(0.0)));
        targets.weights.extend((0..n).map(|i| rating(i).map_or(0.0, |_| 1.0 / rated as f64)));
        targets.sizes.push(n);
    }
    Ok(targets)
}

/// Binary cross-entropy; ratings in [0, 1].
pub fn bce(name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
    let rewards_s = batch.checked()?;
    let of = |label: &Label| match label.ratings.is_empty() && label.n_rejected > 0 {
        true => (0..label.n_responses()).map(|i| Some(f64::from(i < label.n_chosen))).collect(),
        false => label.ratings.clone(),
    };
    let targets = targets(name, batch, 1, of)?;
    let y_s = numbers(&targets.values, rewards_s.kind(), rewards_s.device());
    let costs = cost_of(&rewards_s) * &y_s + cost_of(&-&rewards_s) * (1.0 - &y_s);
    Ok(sums(&costs, &targets))
}

/// Squared error over responses and attributes; rewards [s] or [s, a].
pub fn mse(name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
    let rewards = batch.checked()?;
    let attributes = rewards.size().get(1).map_or(1, |a| *a as usize);
    let targets = targets(name, batch, attributes, |label| label.ratings.clone())?;
    let flat = rewards.flatten(0, -1);
    let y = numbers(&targets.values, rewards.kind(), rewards.device());
    Ok(sums(&(flat - y).square(), &targets))
}
