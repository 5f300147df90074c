//! A network whose head is the whole vocabulary: log-probabilities of tokens.

use tch::Tensor;

use super::RewardError;
use super::network::{Network, Rest};
use crate::backbone::vocabulary::OutputLayer;
use crate::backbone::{Dropout, DropoutKey, Pass};
use crate::text::batch::TokenBatch;
use crate::text::response_tokens::ResponseTokens;

impl Network {
    /// log p [n] of the tokens, in f32; no gradient is recorded. Of tokens that are not asked for the last layer
    /// computes keys and values only, and no logits.
    pub fn log_probs(&self, batch: &TokenBatch, tokens: &ResponseTokens) -> Result<Tensor, RewardError> {
        let _no_grad = tch::no_grad_guard();
        self.check(batch)?;
        let states_nd = self.backbone().hidden_at(batch, &tokens.rows, Pass::evaluation(self.compute));
        Ok(self.output()?.log_probs(&states_nd, &tokens.ids))
    }

    /// The same on the graph. With `segment`, autograd keeps so many layers; the rest of the backward pass comes with them,
    /// or with logits that are too many to be held ([`OutputLayer::for_training`]).
    pub fn log_probs_for_training(
        &self,
        batch: &TokenBatch,
        tokens: &ResponseTokens,
        dropout: Option<(Dropout, DropoutKey)>,
        segment: Option<usize>,
    ) -> Result<(Tensor, Option<Rest<'_>>), RewardError> {
        self.check(batch)?;
        let pass = self.training_pass(dropout);
        let (states_nd, layers) = match segment {
            Some(length) => {
                let (states_nd, layers) = self.backbone().in_segments(batch, Some(&tokens.rows), pass, length);
                (states_nd, Some(layers))
            }
            None => (self.backbone().hidden_at(batch, &tokens.rows, pass), None),
        };
        let (log_prob_n, logits) = self.output()?.for_training(&states_nd, &tokens.ids);
        Ok((log_prob_n, Rest::of(logits, layers)))
    }

    fn output(&self) -> Result<&OutputLayer, RewardError> {
        let none = || RewardError::Model("this model was loaded with a reward head, not as a language model".into());
        self.head().output().ok_or_else(none)
    }
}
