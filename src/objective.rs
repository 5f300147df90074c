//! What training minimises: a closed set of objectives, one file per family.
//!
//! An objective turns the rewards of some comparisons, and what the data say of them, into one loss
//! per comparison. It never averages: the trainer divides the sum by the pairs of the whole optimiser
//! step, so that the loss does not depend on how a step is cut into micro-batches.

pub mod bradley_terry;
pub mod language_model;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

pub use bradley_terry::BradleyTerry;

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ObjectiveError {
    #[error("objective `{objective}`: `{setting}` = {found} should be {expected}")]
    Setting { objective: &'static str, setting: &'static str, expected: &'static str, found: f64 },
    #[error(
        "objective `{objective}` takes pairs of one chosen and one rejected response; comparison {index} of the \
         batch has {n_chosen} and {n_rejected}"
    )]
    NotAPair { objective: &'static str, index: usize, n_chosen: usize, n_rejected: usize },
    #[error("objective `{objective}` uses the margin, and comparison {index} of the batch has none")]
    NoMargin { objective: &'static str, index: usize },
    #[error("{rewards} rewards for comparisons with {responses} responses")]
    Count { rewards: usize, responses: usize },
}

/// What the data say of one comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub n_chosen: usize,
    pub n_rejected: usize,
    /// How much clearer the preference is, in the data set's own unit.
    pub margin: Option<f64>,
}

impl Label {
    /// One chosen against one rejected response.
    pub fn pair(margin: Option<f64>) -> Self {
        Self { n_chosen: 1, n_rejected: 1, margin }
    }
}

/// Rewards of a micro-batch.
#[derive(Debug)]
pub struct Rewards<'a> {
    /// [s], one per response: comparisons in order, chosen before rejected.
    pub rewards_s: &'a Tensor,
    /// One per comparison.
    pub labels: &'a [Label],
}

impl Rewards<'_> {
    /// Chosen and rejected rewards, each [n], at least in f32.
    fn pairs(&self, objective: &'static str) -> Result<(Tensor, Tensor), ObjectiveError> {
        for (index, label) in self.labels.iter().enumerate() {
            if (label.n_chosen, label.n_rejected) != (1, 1) {
                let &Label { n_chosen, n_rejected, .. } = label;
                return Err(ObjectiveError::NotAPair { objective, index, n_chosen, n_rejected });
            }
        }
        let (rewards, responses) = (self.rewards_s.numel(), 2 * self.labels.len());
        if rewards != responses {
            return Err(ObjectiveError::Count { rewards, responses });
        }
        let rewards_n2 = at_least_f32(self.rewards_s).view([-1, 2]);
        Ok((rewards_n2.select(1, 0), rewards_n2.select(1, 1)))
    }
}

/// bf16 spacing at a reward of 16 is 1/8: losses of half-precision rewards would be losses of rounded gaps.
fn at_least_f32(tensor: &Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Float | Kind::Double => tensor.shallow_clone(),
        _ => tensor.to_kind(Kind::Float),
    }
}

/// Every objective by its name in settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name")]
pub enum Objective {
    #[serde(rename = "bt")]
    BradleyTerry(BradleyTerry),
}

impl Default for Objective {
    fn default() -> Self {
        Objective::BradleyTerry(BradleyTerry::default())
    }
}

impl Objective {
    /// The name in settings, logs and `rmbench.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Objective::BradleyTerry(_) => bradley_terry::NAME,
        }
    }

    /// Losses [n], one per comparison, on the graph of the rewards.
    pub fn losses(&self, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        match self {
            Objective::BradleyTerry(objective) => objective.losses(batch),
        }
    }

    /// Whether every comparison must carry a margin.
    pub fn needs_margin(&self) -> bool {
        match self {
            Objective::BradleyTerry(objective) => objective.needs_margin(),
        }
    }

    pub fn validate(&self) -> Result<(), ObjectiveError> {
        match self {
            Objective::BradleyTerry(objective) => objective.validate(),
        }
    }
}
