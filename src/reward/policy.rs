//! A network whose head is the whole vocabulary: log-probabilities of tokens.

use tch::Tensor;

use super::RewardError;
use super::network::Network;
use crate::backbone::vocabulary::{OutputLayer, Rest};
use crate::backbone::{Dropout, DropoutKey, Pass};
use crate::text::batch::TokenBatch;
use crate::text::response_tokens::ResponseTokens;

impl Network {
    /// log p [n] of the tokens, in f32; no gradient is recorded. Of tokens that are not asked for the last layer
    /// computes keys and values only, and no logits.
    pub fn log_probs(&self, batch: &TokenBatch, tokens: &ResponseTokens) -> Result<Tensor, RewardError> {
        let _no_grad = tch::no_grad_guard();
        let states_nd = self.states_at(batch, tokens, Pass::evaluation(self.compute))?;
        Ok(self.output()?.log_probs(&states_nd, &tokens.ids))
    }

    /// The same on the graph; see [`OutputLayer::for_training`] for the rest.
    pub fn log_probs_for_training(
        &self,
        batch: &TokenBatch,
        tokens: &ResponseTokens,
        dropout: Option<(Dropout, DropoutKey)>,
    ) -> Result<(Tensor, Option<Rest>), RewardError> {
        let states_nd = self.states_at(batch, tokens, self.training_pass(dropout))?;
        Ok(self.output()?.for_training(&states_nd, &tokens.ids))
    }

    /// The states [n, d] that predict the tokens.
    fn states_at(&self, batch: &TokenBatch, tokens: &ResponseTokens, pass: Pass) -> Result<Tensor, RewardError> {
        self.check(batch)?;
        Ok(self.backbone().hidden_at(batch, &tokens.rows, pass))
    }

    fn output(&self) -> Result<&OutputLayer, RewardError> {
        let none = || RewardError::Model("this model was loaded with a reward head, not as a language model".into());
        self.head().output().ok_or_else(none)
    }
}
