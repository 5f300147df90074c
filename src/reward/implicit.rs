//! Implicit reward models: a policy, with or without the reference model it was trained against.
//!
//! r = β · N(log π(y|x) − log π_ref(y|x)), over the response's tokens up to and with its end of turn. What N is, and with
//! it how the numbers are read, is a [`View`] of the sums that go into the table (arXiv 2305.18290).

use serde::{Deserialize, Serialize};

use super::in_batches::{self, BatchGiven, BatchScorer};
use super::network::Network;
use super::scalar::{ScalarModel, floats};
use super::{ResponseScore, RewardError};
use crate::preference::Comparison;
use crate::table::implicit::{Curve, LogProbs, Normalisation, Span, View};
use crate::text::batch::TokenBatch;
use crate::text::encode::Encoded;
use crate::text::response_tokens::ResponseTokens;

/// The word for an adapter's base as the reference of the adapter: the same model with the adapter off.
pub const BASE_REFERENCE: &str = "base";

/// What `rmbench.toml` says of an implicit model below `[reward.implicit]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImplicitCard {
    /// As training's objective has it.
    pub normalisation: Normalisation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_power: Option<f64>,
    #[serde(skip_serializing_if = "Curve::is_straight")]
    pub curve: Curve,
    #[serde(skip_serializing_if = "Span::is_response")]
    pub span: Span,
    /// A directory (from here, or from the model's own), hf:ORG/NAME, or `base`; absent: rewards need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl ImplicitCard {
    /// The view that the card describes, of a model with a reference.
    pub fn view(&self) -> View {
        let plain = View::default();
        View {
            normalisation: self.normalisation,
            beta: self.beta.unwrap_or(plain.beta),
            power: self.length_power.unwrap_or(plain.power),
            curve: self.curve,
            with_reference: true,
        }
    }
}

pub struct ImplicitModel {
    /// Network and text pipeline; its head is the vocabulary.
    pub policy: ScalarModel,
    /// Reads the policy's tokens.
    pub reference: Option<Network>,
    pub view: View,
    pub span: Span,
}

impl ImplicitModel {
    /// See [`RewardModel::score`](super::RewardModel::score).
    pub fn score(
        &self,
        comparisons: &[Comparison],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        Ok(self.viewed(comparisons, in_batches::score(self, comparisons, done)?))
    }

    /// See [`RewardModel::score_encoded`](super::RewardModel::score_encoded).
    pub fn score_encoded(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        Ok(self.viewed(comparisons, in_batches::score_encoded(self, comparisons, encoded, done)?))
    }

    /// Scores with bytes and rewards.
    fn viewed(&self, comparisons: &[Comparison], mut scores: Vec<Vec<ResponseScore>>) -> Vec<Vec<ResponseScore>> {
        for (comparison, scores) in comparisons.iter().zip(&mut scores) {
            for (response, score) in comparison.responses().zip(scores) {
                // Of a prompt as a template writes it nobody counts bytes.
                let bytes = u32::try_from(response.text.len()).ok().filter(|_| self.span.is_response());
                score.log_probs = score.log_probs.map(|log_probs| LogProbs { bytes, ..log_probs });
                score.reward = score.log_probs.and_then(|log_probs| self.view.reward(&log_probs)).map(|r| r as f32);
            }
        }
        scores
    }
}

/// The tokens of a batch's responses; an error where it is not known where prompts end.
pub fn response_tokens(batch: &TokenBatch, members: &[(usize, &Encoded)]) -> Result<ResponseTokens, RewardError> {
    let unknown = || RewardError::Model("where the prompts end is not known, so neither are the responses".into());
    ResponseTokens::of(batch, members).ok_or_else(unknown)
}

impl BatchScorer for ImplicitModel {
    fn frame(&self) -> &ScalarModel {
        &self.policy
    }

    fn score_batch(&self, members: &[(usize, &Encoded)], _: bool) -> Result<BatchGiven, RewardError> {
        let batch = self.policy.token_batch(members)?;
        let tokens = match self.span {
            Span::Response => response_tokens(&batch, members)?,
            Span::Sequence => ResponseTokens::whole(&batch),
        };
        let of_policy = floats(&self.policy.network.log_probs(&batch, &tokens)?)?;
        let of_reference = match &self.reference {
            Some(reference) => Some(floats(&reference.log_probs(&batch, &tokens)?)?),
            None => None,
        };
        // In f64: sums of hundreds of numbers whose differences are small.
        let score = |own: &Vec<usize>| {
            let sum = |values: &[f32]| own.iter().map(|&at| f64::from(values[at])).sum::<f64>();
            let log_probs = LogProbs {
                policy: sum(&of_policy),
                reference: of_reference.as_deref().map(sum),
                squares: Some(own.iter().map(|&at| f64::from(of_policy[at]).powi(2)).sum()),
                tokens: u32::try_from(own.len()).ok(),
                bytes: None,
            };
            ResponseScore { log_probs: Some(log_probs), ..ResponseScore::default() }
        };
        let scores = batch.owners.iter().copied().zip(tokens.of.iter().map(score)).collect();
        Ok(BatchGiven { scores, states: Vec::new() })
    }
}
