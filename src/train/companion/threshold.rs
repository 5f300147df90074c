//! SSPO: unlabelled responses take the label that the pairs' rewards suggest.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tch::Tensor;

use crate::objective::companions::Sspo;
use crate::objective::threshold::crossing;
use crate::train::error::TrainError;
use crate::train::prepare::TrainPair;
use crate::train::values::to_f64;

pub struct Threshold {
    settings: Sspo,
    /// Labelled and unlabelled rows of the training data.
    counts: [usize; 2],
    /// δ, from the first step with pairs on.
    threshold: Option<f64>,
}

impl Threshold {
    pub fn new<E>(settings: Sspo, pairs: &[TrainPair<E>]) -> Result<Self, TrainError> {
        let unlabelled = pairs.iter().filter(|pair| pair.label.is_unlabelled()).count();
        let counts = [pairs.len() - unlabelled, unlabelled];
        if counts.contains(&0) {
            let [labelled, unlabelled] = counts;
            let problem = format!("objective `sspo` needs pairs ({labelled}) and unlabelled responses ({unlabelled})");
            return Err(TrainError::Settings(problem));
        }
        Ok(Self { settings, counts, threshold: None })
    }

    /// δ as it is used in the coming step.
    pub fn value(&self) -> Option<f64> {
        self.threshold
    }

    /// g·n/n_L of pairs, (1 − g)·n/n_U of unlabelled responses, n the rows of the step.
    pub fn factors<E>(&self, t: u64, pairs: &[&TrainPair<E>]) -> Vec<f64> {
        let unlabelled = pairs.iter().filter(|pair| pair.label.is_unlabelled()).count();
        let labelled = pairs.len() - unlabelled;
        let share = self.settings.labelled_share(t, self.counts[0], self.counts[1]);
        let factor = |pair: &&TrainPair<E>| match pair.label.is_unlabelled() {
            true => (1.0 - share) * pairs.len() as f64 / unlabelled as f64,
            false => share * pairs.len() as f64 / labelled as f64,
        };
        pairs.iter().map(factor).collect()
    }

    /// Takes the rewards of the step's pairs.
    pub fn learn(&mut self, chosen: &[f64], rejected: &[f64]) {
        let Some(found) = crossing(chosen, rejected) else { return };
        let new = self.settings.new_share;
        self.threshold = Some(self.threshold.map_or(found, |old| (1.0 - new) * old + new * found));
    }

    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.threshold.map(|value| ("threshold".to_owned(), Tensor::from_slice(&[value]))).into_iter().collect()
    }

    pub fn load(&mut self, tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        self.threshold = tensors.get("threshold").and_then(|value| to_f64(value).first().copied());
        Ok(())
    }

    pub fn report(&self) -> Value {
        json!({ "threshold": self.threshold })
    }
}
