//! Reward models: model directories on disk and the rewards they give.
//!
//! The mock scorers build without torch, so that the whole path from data to report can be tested
//! and demonstrated in milliseconds.

#[cfg(feature = "torch")]
pub mod adapted;
#[cfg(feature = "torch")]
pub mod artifact;
#[cfg(feature = "torch")]
pub mod embedding;
#[cfg(feature = "torch")]
pub mod features;
#[cfg(feature = "torch")]
pub mod head;
#[cfg(feature = "torch")]
pub mod implicit;
#[cfg(feature = "torch")]
mod in_batches;
pub mod locate;
pub mod mock;
#[cfg(feature = "torch")]
pub mod network;
pub mod options;
#[cfg(feature = "torch")]
pub mod padding;
#[cfg(feature = "torch")]
pub mod parts;
#[cfg(feature = "torch")]
pub mod policy;
#[cfg(feature = "torch")]
pub mod preset;
#[cfg(feature = "torch")]
pub mod scalar;
#[cfg(feature = "torch")]
pub mod workers;
#[cfg(feature = "torch")]
pub mod wrapped;

use crate::preference::Comparison;
use crate::table::implicit::LogProbs;
use crate::text::batch::BatchError;
use crate::text::encode::{Encoded, TextError};

/// What a model says of one response.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ResponseScore {
    /// `None`: the model gave no reward (counted as missing, never as zero).
    pub reward: Option<f32>,
    /// Tokens of the whole sequence as the model saw it.
    pub n_tokens: u32,
    /// Something was cut to fit the model.
    pub truncated: bool,
    /// What implicit models have beside the reward.
    pub log_probs: Option<LogProbs>,
}

/// What the head read, by comparison and response.
pub type States = Vec<Vec<Vec<f32>>>;

#[derive(Debug, thiserror::Error)]
pub enum RewardError {
    #[error("item `{item}` ({lang}), row {row}: {problem}")]
    Item { item: String, lang: crate::lang::Lang, row: u64, problem: String },
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("{0}")]
    Model(String),
}

impl RewardError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            RewardError::Text(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// The error with the item that it is about, where it counts comparisons of a list.
    pub fn among(self, comparisons: &[Comparison]) -> Self {
        let RewardError::Batch(error) = self else { return self };
        let Some(comparison) = comparisons.get(error.owner) else { return error.into() };
        RewardError::Item {
            item: comparison.id.to_string(),
            lang: comparison.lang,
            row: comparison.row,
            problem: format!("response {}: {}", error.response, error.problem),
        }
    }
}

/// Anything that can score comparisons.
#[non_exhaustive]
pub enum RewardModel {
    Mock(mock::Mock),
    #[cfg(feature = "torch")]
    Scalar(Box<scalar::ScalarModel>),
    #[cfg(feature = "torch")]
    Embedding(Box<embedding::EmbeddingModel>),
    #[cfg(feature = "torch")]
    Implicit(Box<implicit::ImplicitModel>),
}

impl RewardModel {
    /// Scores of every response of every comparison: outer in the given order, inner chosen first,
    /// then rejected. `done(n)` is called as n more comparisons are finished. Results do not depend
    /// on what else is in the list beyond floating-point reduction order (tested to 1e-5).
    pub fn score(
        &self,
        comparisons: &[Comparison],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        match self {
            RewardModel::Mock(mock) => Ok(mock.score(comparisons, done)),
            #[cfg(feature = "torch")]
            RewardModel::Scalar(model) => model.score(comparisons, done),
            #[cfg(feature = "torch")]
            RewardModel::Embedding(model) => model.score(comparisons, done),
            #[cfg(feature = "torch")]
            RewardModel::Implicit(model) => model.score(comparisons, done),
        }
    }

    /// [`RewardModel::score`] where the comparisons' tokens are known already, by the model's own text
    /// pipeline. Models that see characters do without.
    pub fn score_encoded(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        let _ = encoded;
        match self {
            RewardModel::Mock(mock) => Ok(mock.score(comparisons, done)),
            #[cfg(feature = "torch")]
            RewardModel::Scalar(model) => model.score_encoded(comparisons, encoded, done),
            #[cfg(feature = "torch")]
            RewardModel::Embedding(model) => model.score(comparisons, done),
            #[cfg(feature = "torch")]
            RewardModel::Implicit(model) => model.score_encoded(comparisons, encoded, done),
        }
    }

    /// The same with the state that the head read of every response.
    ///
    /// # Errors
    /// Also for models without such a state.
    pub fn score_with_states(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<(Vec<Vec<ResponseScore>>, States), RewardError> {
        let _ = (comparisons, encoded, &done);
        match self {
            RewardModel::Mock(_) => Err(RewardError::Model("a scorer without a model has no hidden states".to_owned())),
            #[cfg(feature = "torch")]
            RewardModel::Scalar(model) => model.score_with_states(comparisons, encoded, done),
            #[cfg(feature = "torch")]
            RewardModel::Embedding(_) => {
                Err(RewardError::Model("a head on vectors has no hidden states; the data hold them already".to_owned()))
            }
            #[cfg(feature = "torch")]
            RewardModel::Implicit(_) => {
                Err(RewardError::Model("a language model reads every token, so a response has no one state".to_owned()))
            }
        }
    }
}
