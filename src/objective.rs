//! What training minimises: a closed set of objectives, one file per family, one table of names.
//!
//! An objective turns the rewards of some comparisons, and what the data say of them, into one loss
//! per comparison. It never averages: the trainer divides the sum by the comparisons of the whole optimiser
//! step, so that the loss does not depend on how a step is cut into micro-batches.

pub mod bradley_terry;
mod catalog;
pub mod companions;
pub mod gap;
pub mod grpo;
pub mod implicit;
mod label;
pub mod language_model;
pub mod listwise;
pub mod mapl;
pub mod min_norm;
pub mod needs;
pub mod pointwise;
pub mod threshold;
pub mod ties;
pub mod topic;

use tch::{Device, Kind, Tensor};

pub use bradley_terry::BradleyTerry;
pub use catalog::{FITTED, Family, Fitted, Objective, SPECS, Spec};
pub use label::Label;
pub use needs::Lack;

#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum ObjectiveError {
    #[error("objective `{objective}`: `{setting}` = {found} should be {expected}")]
    Setting { objective: &'static str, setting: &'static str, expected: &'static str, found: f64 },
    #[error("objective `{objective}`: {problem}")]
    Conflict { objective: &'static str, problem: &'static str },
    #[error(
        "objective `{objective}` takes pairs of one chosen and one rejected response; comparison {index} of the \
         batch has {n_chosen} and {n_rejected}"
    )]
    NotAPair { objective: &'static str, index: usize, n_chosen: usize, n_rejected: usize },
    #[error("objective `{objective}`: comparison {index} of the batch has no {what}")]
    Lacks { objective: &'static str, index: usize, what: &'static str },
    #[error("objective `{objective}`: {problem}")]
    Composite { objective: &'static str, problem: String },
    #[error("{rewards} rewards for comparisons with {responses} responses")]
    Count { rewards: usize, responses: usize },
}

/// Rewards of a micro-batch.
#[derive(Debug)]
pub struct Rewards<'a> {
    /// [s], one per response: comparisons in order, chosen before rejected. For objectives that rate
    /// attributes [s, a]; for those of policies what [`column`](implicit::column) says.
    pub rewards_s: &'a Tensor,
    /// One per comparison.
    pub labels: &'a [Label],
}

impl Rewards<'_> {
    /// Rewards at least in f32, where their number is what the labels say.
    fn checked(&self) -> Result<Tensor, ObjectiveError> {
        let rewards = self.rewards_s.size().first().map_or(0, |n| *n as usize);
        let responses = self.labels.iter().map(Label::n_sequences).sum();
        if rewards != responses {
            return Err(ObjectiveError::Count { rewards, responses });
        }
        Ok(at_least_f32(self.rewards_s))
    }

    /// The first sequence of each comparison, as a place in the rewards.
    fn starts(&self) -> Vec<usize> {
        let sizes = self.labels.iter().map(Label::n_sequences);
        sizes.scan(0, |next, size| Some(std::mem::replace(next, *next + size))).collect()
    }

    /// Chosen and rejected rewards, each [n], at least in f32.
    fn pairs(&self, objective: &'static str) -> Result<(Tensor, Tensor), ObjectiveError> {
        for (index, label) in self.labels.iter().enumerate() {
            if (label.n_chosen, label.n_rejected) != (1, 1) {
                let &Label { n_chosen, n_rejected, .. } = label;
                return Err(ObjectiveError::NotAPair { objective, index, n_chosen, n_rejected });
            }
        }
        let rewards_s = self.checked()?;
        if rewards_s.numel() == 2 * self.labels.len() {
            let rewards_n2 = rewards_s.view([-1, 2]);
            return Ok((rewards_n2.select(1, 0), rewards_n2.select(1, 1)));
        }
        let at = |place: usize| {
            let places: Vec<i64> = self.starts().into_iter().map(|start| (start + place) as i64).collect();
            rewards_s.index_select(0, &Tensor::from_slice(&places).to_device(rewards_s.device()))
        };
        Ok((at(0), at(1)))
    }

    /// One number per comparison as a tensor [n] like `like`.
    fn per_comparison(
        &self,
        like: &Tensor,
        value: impl Fn(usize, &Label) -> Result<f64, ObjectiveError>,
    ) -> Result<Tensor, ObjectiveError> {
        let values = self.labels.iter().enumerate().map(|(index, label)| value(index, label));
        Ok(numbers(&values.collect::<Result<Vec<f64>, _>>()?, like.kind(), like.device()))
    }
}

fn numbers(values: &[f64], kind: Kind, device: Device) -> Tensor {
    Tensor::from_slice(values).to_kind(kind).to_device(device)
}

/// −log σ(x). log σ(x) = min(0, x) − log(1 + e^{−|x|}): exact at both ends, where softplus switches to a
/// line at 20.
fn cost_of(x: &Tensor) -> Tensor {
    -x.log_sigmoid()
}

/// bf16 spacing at a reward of 16 is 1/8: losses of half-precision rewards would be losses of rounded gaps.
fn at_least_f32(tensor: &Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Float | Kind::Double => tensor.shallow_clone(),
        _ => tensor.to_kind(Kind::Float),
    }
}

/// The first setting that does not hold, as an error.
fn refuse(objective: &'static str, checks: &[(&'static str, f64, bool, &'static str)]) -> Result<(), ObjectiveError> {
    match checks.iter().find(|(_, found, holds, _)| !holds || !found.is_finite()) {
        Some(&(setting, found, _, expected)) => Err(ObjectiveError::Setting { objective, setting, expected, found }),
        None => Ok(()),
    }
}
