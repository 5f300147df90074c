//! A scalar reward model: text pipeline, network and pooling rule, together what a model directory holds.

use tch::{Kind, Tensor};

use super::in_batches::{self, BatchGiven, BatchScorer};
use super::network::Network;
use super::options::HeadKind;
use super::{ResponseScore, RewardError, States};
use crate::backbone::{Dropout, DropoutKey};
use crate::preference::Comparison;
use crate::text::batch::{TokenBatch, cost, plan};
use crate::text::encode::{Encoded, TextPipeline};
use crate::text::pooling::{Pooling, Reading, TokenPattern};

/// The usual token budget: enough for full speed on a CPU; the flat stream makes memory proportional to it.
pub const TOKEN_BUDGET: usize = 4096;

pub struct ScalarModel {
    pub network: Network,
    pub text: TextPipeline,
    pub pooling: Pooling,
    /// Where the head's gate reads, where it has one.
    pub gate: Option<TokenPattern>,
    /// Tokens of one forward pass at scoring, after sharing.
    pub token_budget: usize,
}

impl ScalarModel {
    /// One batch of the given comparisons: trees where the architecture shares prefixes.
    pub fn token_batch(&self, encoded: &[(usize, &Encoded)]) -> Result<TokenBatch, RewardError> {
        Ok(TokenBatch::build(encoded, self.network.sharing(), self.reading(), self.pad_id())?)
    }

    /// The rows of a sequence that the head reads.
    pub fn reading(&self) -> Reading {
        Reading { reward: self.pooling, gate: self.gate.clone() }
    }

    /// The id that pooling looks for: the model's, as in transformers; else the tokenizer's.
    pub fn pad_id(&self) -> Option<u32> {
        self.network.config.pad_id.and_then(|id| u32::try_from(id).ok()).or_else(|| self.text.pad_id())
    }

    /// Rewards on the graph, in the order of the batch's owners.
    pub fn rewards_for_training(
        &self,
        batch: &TokenBatch,
        dropout: Option<(Dropout, DropoutKey)>,
    ) -> Result<Tensor, RewardError> {
        self.network.rewards_for_training(batch, dropout)
    }

    /// See [`RewardModel::score`](super::RewardModel::score).
    pub fn score(
        &self,
        comparisons: &[Comparison],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        in_batches::score(self, comparisons, done)
    }

    /// [`ScalarModel::score`] of tokens; the comparisons are for errors.
    pub fn score_encoded(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        in_batches::score_encoded(self, comparisons, encoded, done)
    }

    /// The same with the state that the head read of every response.
    ///
    /// # Errors
    /// Also where the head reads every token, so that there is no one state.
    pub fn score_with_states(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<(Vec<Vec<ResponseScore>>, States), RewardError> {
        in_batches::score_with_states(self, comparisons, encoded, done)
    }
}

/// What a model reads at the end of its own replies.
impl ScalarModel {
    /// Whether it writes as a language model and reads what it wrote with a reward head.
    pub fn reads_critiques(&self) -> bool {
        *self.network.head().kind() == HeadKind::Critique
    }

    /// The reward of each reply at the end of its question, on this thread; `None` where the two are cut at the model's
    /// length.
    pub fn rewards_of_replies(&self, encoded: &[Encoded]) -> Result<Vec<Option<f32>>, RewardError> {
        let costs: Vec<usize> = encoded.iter().map(|encoded| cost(encoded, self.network.sharing())).collect();
        let mut rewards = vec![None; encoded.len()];
        for piece in plan(&costs, self.token_budget, usize::MAX) {
            let members: Vec<(usize, &Encoded)> = piece.iter().map(|&at| (at, &encoded[at])).collect();
            let batch = self.token_batch(&members)?;
            for ((at, _), reward) in batch.owners.iter().zip(floats(&self.network.rewards(&batch)?)?) {
                let whole = !encoded[*at].truncated.contains(&true);
                rewards[*at] = Some(reward).filter(|reward| whole && reward.is_finite());
            }
        }
        Ok(rewards)
    }
}

impl BatchScorer for ScalarModel {
    fn frame(&self) -> &ScalarModel {
        self
    }

    fn score_batch(&self, members: &[(usize, &Encoded)], with_states: bool) -> Result<BatchGiven, RewardError> {
        let batch = self.token_batch(members)?;
        let (rewards, states) = match with_states {
            false => (self.network.rewards(&batch)?, None),
            true => self.network.rewards_and_states(&batch)?,
        };
        if with_states && states.is_none() {
            let problem = "the reward head reads every token, so that a response has no one state";
            return Err(RewardError::Model(problem.to_owned()));
        }
        let states = states.map(|states| floats(&states.flatten(0, -1))).transpose()?.unwrap_or_default();
        let score = |reward| ResponseScore { reward: Some(reward), ..ResponseScore::default() };
        let scores = batch.owners.into_iter().zip(floats(&rewards)?.into_iter().map(score)).collect();
        Ok(BatchGiven { scores, states })
    }
}

/// A tensor's numbers.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f32>, RewardError> {
    let flat = tensor.to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous();
    Vec::<f32>::try_from(&flat).map_err(|e| RewardError::Model(format!("rewards cannot be read back: {e}")))
}
