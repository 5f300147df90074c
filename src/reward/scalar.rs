//! A scalar reward model: text pipeline, network and pooling rule, together what a model directory holds.

use tch::{Device, Kind, Tensor};

use super::network::Network;
use super::{ResponseScore, RewardError, States, workers};
use crate::backbone::{Dropout, DropoutKey};
use crate::preference::Comparison;
use crate::text::batch::{TokenBatch, cost, plan, plan_evenly};
use crate::text::encode::{Encoded, TextPipeline};
use crate::text::pooling::{Pooling, Reading, TokenPattern};

/// The usual token budget: enough for full speed on a CPU; the flat stream makes memory proportional to it.
pub const TOKEN_BUDGET: usize = 4096;
/// Comparisons that batches are made of at a time, so that memory does not grow with the data.
const WINDOW: usize = 2048;

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
        let mut scores = Vec::with_capacity(comparisons.len());
        for window in comparisons.chunks(WINDOW) {
            let encoded = self.text.encode_all(window)?;
            scores.extend(self.score_window(&encoded, None, done).map_err(|error| error.among(window))?);
        }
        Ok(scores)
    }

    /// [`ScalarModel::score`] of tokens; the comparisons are for errors.
    pub fn score_encoded(
        &self,
        comparisons: &[Comparison],
        encoded: &[Encoded],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        let mut scores = Vec::with_capacity(encoded.len());
        for (window, comparisons) in encoded.chunks(WINDOW).zip(comparisons.chunks(WINDOW)) {
            scores.extend(self.score_window(window, None, done).map_err(|error| error.among(comparisons))?);
        }
        Ok(scores)
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
        let (mut scores, mut states) = (Vec::with_capacity(encoded.len()), Vec::with_capacity(encoded.len()));
        for (window, comparisons) in encoded.chunks(WINDOW).zip(comparisons.chunks(WINDOW)) {
            let mut own: States = window.iter().map(|encoded| vec![Vec::new(); encoded.sequences.len()]).collect();
            scores.extend(self.score_window(window, Some(&mut own), done).map_err(|error| error.among(comparisons))?);
            states.extend(own);
        }
        Ok((scores, states))
    }

    fn score_window(
        &self,
        encoded: &[Encoded],
        mut states: Option<&mut States>,
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        let mut scores: Vec<Vec<ResponseScore>> = encoded.iter().map(blank).collect();
        let sharing = self.network.sharing();
        let costs: Vec<usize> = encoded.iter().map(|e| cost(e, sharing)).collect();
        let groups = match self.network.device {
            Device::Cpu => plan_evenly(&costs, self.token_budget),
            _ => plan(&costs, self.token_budget, usize::MAX),
        };
        let model = ReadOnly(self);
        let with_states = states.is_some();
        let rewards_of = |group: usize| {
            let members: Vec<(usize, &Encoded)> = groups[group].iter().map(|&i| (i, &encoded[i])).collect();
            model.rewards(&members, with_states)
        };
        let side_by_side = workers::count(self.network.device, groups.len());
        workers::run(side_by_side, groups.len(), rewards_of, |group, (owners, rewards, read)| {
            let width = read.len() / owners.len().max(1);
            for (at, ((comparison, response), reward)) in owners.into_iter().zip(rewards).enumerate() {
                if let Some(states) = &mut states {
                    states[comparison][response] = read[at * width..][..width].to_vec();
                }
                // A reward that is not a number is no reward: it is counted as missing downstream.
                scores[comparison][response].reward = reward.is_finite().then_some(reward);
            }
            done(groups[group].len() as u64);
        })?;
        for (scores, encoded) in scores.iter_mut().zip(encoded) {
            level(scores, encoded);
        }
        Ok(scores)
    }
}

/// A model that several threads compute with.
pub(super) struct ReadOnly<'a>(pub &'a ScalarModel);

// SAFETY: tch's tensors are not `Sync` because `&Tensor` allows changes in place. The one thing done here
// is a forward pass without gradients, which reads the weights and counts references atomically.
unsafe impl Sync for ReadOnly<'_> {}

/// Comparison and response that each reward of a batch belongs to, the rewards, and one after the other the states.
type BatchRewards = (Vec<(usize, usize)>, Vec<f32>, Vec<f32>);

impl ReadOnly<'_> {
    fn rewards(&self, members: &[(usize, &Encoded)], with_states: bool) -> Result<BatchRewards, RewardError> {
        let batch = self.0.token_batch(members)?;
        if !with_states {
            let rewards = floats(&self.0.network.rewards(&batch)?)?;
            return Ok((batch.owners, rewards, Vec::new()));
        }
        let (rewards, states) = self.0.network.rewards_and_states(&batch)?;
        let states = states.ok_or_else(|| {
            RewardError::Model("the reward head reads every token, so that a response has no one state".to_owned())
        })?;
        Ok((batch.owners, floats(&rewards)?, floats(&states.flatten(0, -1))?))
    }
}

/// See [`Encoded::same_as_earlier`].
fn level(scores: &mut [ResponseScore], encoded: &Encoded) {
    for index in 0..scores.len() {
        if let Some(first) = encoded.same_as_earlier(index) {
            scores[index].reward = scores[first].reward;
        }
    }
}

fn blank(encoded: &Encoded) -> Vec<ResponseScore> {
    encoded
        .sequences
        .iter()
        .zip(&encoded.truncated)
        .map(|(ids, &truncated)| ResponseScore { n_tokens: ids.len() as u32, truncated, ..ResponseScore::default() })
        .collect()
}

pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f32>, RewardError> {
    let flat = tensor.to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
    Vec::<f32>::try_from(&flat).map_err(|e| RewardError::Model(format!("rewards cannot be read back: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tokens_get_the_same_reward() {
        let score = |reward| ResponseScore { reward: Some(reward), ..ResponseScore::default() };
        let mut scores = [1.0, 2.0, 1.000_000_1, 3.0].map(score);
        let sequences = vec![vec![5, 6], vec![5], vec![5, 6], vec![5, 6, 7]];
        let segments = vec![vec![0, 1], vec![0], vec![0, 1], vec![0, 1, 1]];
        let mut encoded = Encoded { sequences, segments, ..Encoded::default() };
        level(&mut scores, &encoded);
        assert_eq!(scores.map(|s| s.reward.unwrap()), [1.0, 2.0, 1.0, 3.0]);
        encoded.segments[2][0] = 1;
        assert_eq!(encoded.same_as_earlier(2), None);
    }
}
