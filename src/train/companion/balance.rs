//! MORE (arXiv 2312.07401): weights of groups that no group's gradient pulls against.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tch::Tensor;

use crate::objective::companions::{GroupBy, More};
use crate::objective::min_norm;
use crate::train::error::TrainError;
use crate::train::prepare::TrainPair;
use crate::train::values::to_f64;

pub struct Balance {
    settings: More,
    /// ĝ by group, once a step had pairs of it.
    averages: BTreeMap<String, Vec<f64>>,
    /// λ of the groups of the last step.
    weights: BTreeMap<String, f64>,
}

impl Balance {
    pub fn new<E>(settings: More, pairs: &[TrainPair<E>]) -> Result<Self, TrainError> {
        let balance = Self { settings, averages: BTreeMap::new(), weights: BTreeMap::new() };
        let mut groups: Vec<&str> = pairs.iter().map(|pair| balance.group(pair)).collect();
        groups.sort_unstable();
        groups.dedup();
        match groups.as_slice() {
            [] | [_] => Err(TrainError::Settings(format!(
                "objective `more` weighs groups against each other; by {:?} the training data have {}",
                balance.settings.group_by,
                groups.len()
            ))),
            _ => Ok(balance),
        }
    }

    pub fn group<'a, E>(&self, pair: &'a TrainPair<E>) -> &'a str {
        match self.settings.group_by {
            GroupBy::Subset => pair.subset.as_str(),
            GroupBy::Language => pair.lang.code(),
        }
    }

    /// Takes the step's gradients of each group's mean loss by the reward head, and finds the weights.
    pub fn weigh(&mut self, gradients: BTreeMap<String, Vec<f64>>) {
        let new = self.settings.new_share;
        let mut names = Vec::with_capacity(gradients.len());
        for (group, gradient) in gradients {
            let norm = gradient.iter().map(|x| x * x).sum::<f64>().sqrt();
            // A group whose gradient vanishes pulls nowhere.
            let unit = gradient.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 });
            match self.averages.get_mut(&group) {
                Some(average) => average.iter_mut().zip(unit).for_each(|(a, g)| *a = (1.0 - new) * *a + new * g),
                None => {
                    self.averages.insert(group.clone(), unit.collect());
                }
            }
            names.push(group);
        }
        let vectors: Vec<Vec<f64>> = names.iter().map(|name| self.averages[name].clone()).collect();
        self.weights = names.into_iter().zip(min_norm::weights(&vectors)).collect();
    }

    /// T·λ_t·n/n_t: the mean over n pairs is then T·Σ λ_t·L_t.
    pub fn factors<E>(&self, pairs: &[&TrainPair<E>]) -> Vec<f64> {
        let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
        pairs.iter().for_each(|pair| *counts.entry(self.group(pair)).or_default() += 1.0);
        let (n, groups) = (pairs.len() as f64, counts.len() as f64);
        let factor = |pair: &&TrainPair<E>| {
            let group = self.group(pair);
            // Not weighed yet (before preference learning): all alike.
            let weight = self.weights.get(group).copied().unwrap_or(1.0 / groups);
            groups * weight * n / counts[group]
        };
        pairs.iter().map(factor).collect()
    }

    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.averages.iter().map(|(group, average)| (group.clone(), Tensor::from_slice(average))).collect()
    }

    pub fn load(&mut self, tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        self.averages = tensors.into_iter().map(|(group, average)| (group, to_f64(&average))).collect();
        Ok(())
    }

    pub fn report(&self) -> Value {
        json!({ "group_weights": self.weights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::objective::Label;
    use crate::train::PairSize;
    use crate::train::companion::tests::{numbers, reference};

    /// `tests/reference/companions.py`: λ is the exact minimum, and the weighted mean over the step is T·Σ λ_t·L_t, in value
    /// and gradient.
    #[test]
    fn weights_and_the_loss_of_a_step_are_the_references() {
        let all = &reference()["balance"];
        let names: Vec<&str> = all["groups"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let pair = |(i, name): (usize, &&str)| TrainPair {
            id: format!("i{i}").into(),
            source: format!("i{i}").into(),
            subset: (*name).into(),
            lang: Lang::ENGLISH,
            row: i as u64,
            label: Label::pair(None),
            weight: 1.0,
            size: PairSize::default(),
            encoded: (),
            at: i,
        };
        let pairs: Vec<TrainPair<()>> = names.iter().enumerate().map(pair).collect();
        let mut balance = Balance::new(More::default(), &pairs).unwrap();
        let gradients = all["gradients"].as_object().unwrap();
        balance.weigh(gradients.iter().map(|(name, gradient)| (name.clone(), numbers(gradient))).collect());
        let close = |what: &str, found: f64, expected: f64| {
            assert!((found - expected).abs() <= 1e-9, "{what}: {found} not {expected}");
        };
        let groups = all["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        groups.zip(numbers(&all["lambda"])).for_each(|(name, weight)| close(name, balance.weights[name], weight));
        let factors = balance.factors(&pairs.iter().collect::<Vec<_>>());
        let n = pairs.len() as f64;
        let losses = numbers(&all["losses"]);
        let step = factors.iter().zip(losses).map(|(factor, loss)| factor * loss).sum::<f64>() / n;
        close("loss", step, all["loss"].as_f64().unwrap());
        for (k, expected) in numbers(&all["by_w"]).into_iter().enumerate() {
            let of_pairs = all["pair_gradients"].as_array().unwrap().iter().map(|g| numbers(g)[k]);
            close("gradient", factors.iter().zip(of_pairs).map(|(factor, g)| factor * g).sum::<f64>() / n, expected);
        }
    }
}
