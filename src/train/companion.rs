//! What some objectives keep from step to step beside the model: weights of groups, a critic, a threshold,
//! users' vectors.
//!
//! Everything in it that a resumed run needs is a few tensors in the checkpoint.

pub mod balance;
pub mod critic;
mod mlp;
pub mod shift;
pub mod threshold;
pub mod users;

use std::collections::BTreeMap;

use serde_json::Value;
use tch::Tensor;

use super::error::TrainError;
use super::prepare::TrainPair;
use super::settings::TrainSettings;
use super::trainable::StatesOf;
use crate::objective::Family;

use balance::Balance;
use critic::Critic;
use shift::Shift;
use threshold::Threshold;
use users::Users;

/// The objective's own state, where it has one.
pub enum Companion {
    None,
    Balance(Balance),
    Critic(Critic),
    Threshold(Threshold),
    Users(Users),
    Shift(Shift),
}

impl Companion {
    pub fn new<E>(settings: &TrainSettings, pairs: &[TrainPair<E>]) -> Result<Self, TrainError> {
        Ok(match settings.objective.family() {
            Family::More(more) => Companion::Balance(Balance::new(more.clone(), pairs)?),
            Family::Dial(dial) => Companion::Critic(Critic::new(dial.clone(), settings.seed, pairs)?),
            Family::Sspo(sspo) => Companion::Threshold(Threshold::new(sspo.clone(), pairs)?),
            Family::Individual(own) => Companion::Users(Users::new(own.clone(), settings.seed, pairs)?),
            _ => match settings.objective.policy().and_then(|needs| needs.shift) {
                Some(shift) => Companion::Shift(Shift::new(shift)),
                None => Companion::None,
            },
        })
    }

    /// Which states it reads. A critic looks at what the last layer reads, so that a trained layer below it, be it
    /// the trunk's or the head's, can give it no hold.
    pub fn wants_states(&self) -> Option<StatesOf> {
        match self {
            Companion::Critic(_) => Some(StatesOf::LastLayer),
            Companion::Users(_) => Some(StatesOf::Trunk),
            _ => None,
        }
    }

    /// What each pair's loss is multiplied by, so that the mean over the step is the objective's. `t` counts
    /// steps of preference learning.
    pub fn factors<E>(&self, t: u64, pairs: &[&TrainPair<E>]) -> Vec<f64> {
        match self {
            Companion::None | Companion::Users(_) | Companion::Shift(_) => vec![1.0; pairs.len()],
            Companion::Balance(balance) => balance.factors(pairs),
            Companion::Critic(critic) => critic.factors(pairs),
            Companion::Threshold(threshold) => threshold.factors(t, pairs),
        }
    }

    /// By tensors' names, for a checkpoint.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        match self {
            Companion::None => BTreeMap::new(),
            Companion::Balance(balance) => balance.tensors(),
            Companion::Critic(critic) => critic.tensors(),
            Companion::Threshold(threshold) => threshold.tensors(),
            Companion::Users(users) => users.tensors(),
            Companion::Shift(shift) => shift.tensors(),
        }
    }

    /// Takes back what [`Companion::tensors`] gave.
    pub fn load(&mut self, tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        match self {
            Companion::None => Ok(()),
            Companion::Balance(balance) => balance.load(tensors),
            Companion::Critic(critic) => critic.load(tensors),
            Companion::Threshold(threshold) => threshold.load(tensors),
            Companion::Users(users) => users.load(tensors),
            Companion::Shift(shift) => shift.load(tensors),
        }
    }

    /// For the log of steps.
    pub fn report(&self) -> Value {
        match self {
            Companion::None => Value::Null,
            Companion::Balance(balance) => balance.report(),
            Companion::Critic(critic) => critic.report(),
            Companion::Threshold(threshold) => threshold.report(),
            Companion::Users(users) => users.report(),
            Companion::Shift(shift) => shift.report(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Reference values of companions: `tests/fixtures/companions.json`, written by `tests/reference/companions.py`.

    use serde_json::Value;
    use tch::Tensor;

    pub fn reference() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/companions.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// A number, or all numbers of nested lists.
    pub fn numbers(value: &Value) -> Vec<f64> {
        match value {
            Value::Array(items) => items.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap()],
        }
    }

    pub fn matrix(value: &Value) -> Tensor {
        let rows = value.as_array().unwrap().len() as i64;
        Tensor::from_slice(&numbers(value)).view([rows, -1])
    }
}
