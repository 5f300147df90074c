//! Ways to the same rewards.

use tch::{Device, Kind, Tensor};

use super::padded::{self, Side};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::random;
use crate::reward::RewardError;
use crate::reward::scalar::ScalarModel;
use crate::text::batch::{Sharing, TokenBatch, cost, plan};
use crate::text::encode::Encoded;

/// Rewards of each comparison, chosen first; not a number where the model gave none.
pub type Rewards = Vec<Vec<f32>>;

/// One response with its prompt, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Comparison and response.
    pub owner: (usize, usize),
    pub ids: Vec<u32>,
    /// `None` where all are 0.
    pub segments: Option<Vec<u32>>,
    pub prompt_tokens: Option<usize>,
}

/// A model, and comparisons in its tokens.
pub struct Ways<'a> {
    model: &'a ScalarModel,
    comparisons: &'a [Comparison],
    encoded: Vec<Encoded>,
}

impl<'a> Ways<'a> {
    pub fn new(model: &'a ScalarModel, comparisons: &'a [Comparison]) -> Result<Self, RewardError> {
        let encoded = model.text.encode_all(comparisons)?;
        Ok(Self { model, comparisons, encoded })
    }

    pub fn encoded(&self) -> &[Encoded] {
        &self.encoded
    }

    /// As `rmbench score`: token trees where the architecture has them, in batches by length.
    pub fn scored(&self, progress: &mut dyn Progress) -> Result<Rewards, RewardError> {
        let scores = self.model.score(self.comparisons, &mut |n| progress.advance(n))?;
        let reward = |score: &crate::reward::ResponseScore| score.reward.unwrap_or(f32::NAN);
        Ok(scores.iter().map(|scores| scores.iter().map(reward).collect()).collect())
    }

    /// Comparisons in another order, in batches of neighbours in that order.
    pub fn permuted(&self, seed: u64, progress: &mut dyn Progress) -> Result<Rewards, RewardError> {
        let order = random::permutation(self.encoded.len(), seed, "selfcheck", "order");
        let sharing = self.model.network.sharing();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut spent = usize::MAX;
        for index in order {
            let costs = cost(&self.encoded[index], sharing);
            // Half the usual batch, so that neighbours and shapes are others in any case.
            spent = spent.saturating_add(costs);
            if spent > self.model.token_budget / 2 {
                groups.push(Vec::new());
                spent = costs;
            }
            groups.last_mut().into_iter().for_each(|group| group.push(index));
        }
        let mut rewards = self.in_groups(&groups, sharing, progress)?;
        // Equal tokens get one reward, as `ScalarModel::score` does it.
        for (rewards, encoded) in rewards.iter_mut().zip(&self.encoded) {
            for index in 0..rewards.len() {
                if let Some(first) = encoded.same_as_earlier(index) {
                    rewards[index] = rewards[first];
                }
            }
        }
        Ok(rewards)
    }

    /// Every sequence on its own, in batches by length; nothing is shared.
    pub fn separate(&self, progress: &mut dyn Progress) -> Result<Rewards, RewardError> {
        let costs: Vec<usize> = self.encoded.iter().map(|encoded| cost(encoded, Sharing::Never)).collect();
        self.in_groups(&plan(&costs, self.model.token_budget, usize::MAX), Sharing::Never, progress)
    }

    /// Every sequence in a forward pass of its own.
    pub fn alone(&self, progress: &mut dyn Progress) -> Result<Rewards, RewardError> {
        let mut rewards = self.blank();
        for sequence in self.sequences() {
            let one = Encoded {
                sequences: vec![sequence.ids],
                segments: sequence.segments.into_iter().collect(),
                prompt_tokens: sequence.prompt_tokens.into_iter().collect(),
                ..Encoded::default()
            };
            let batch = self.build(&[(0, &one)], Sharing::Never)?;
            let (comparison, response) = sequence.owner;
            rewards[comparison][response] = *self.rewards(&batch)?.first().unwrap_or(&f32::NAN);
            progress.advance(1);
        }
        Ok(rewards)
    }

    /// Sequences in padded rows, `rows` at a time in the order given (see [`padded`]). `None` where the
    /// pooling rule finds nothing to read in some row, or the model has no pad token.
    pub fn padded(&self, side: Side, rows: usize, progress: &mut dyn Progress) -> Result<Option<Rewards>, RewardError> {
        let Some(pad) = self.model.pad_id() else { return Ok(None) };
        let mut rewards = self.blank();
        for group in self.sequences().chunks(rows.max(1)) {
            let Some(batch) = padded::batch(group, side, &self.model.reading(), pad) else { return Ok(None) };
            for (sequence, reward) in group.iter().zip(self.rewards(&batch)?) {
                rewards[sequence.owner.0][sequence.owner.1] = reward;
            }
            progress.advance(group.len() as u64);
        }
        Ok(Some(rewards))
    }

    /// How many responses there are.
    pub fn n_responses(&self) -> usize {
        self.encoded.iter().map(|encoded| encoded.sequences.len()).sum()
    }

    fn in_groups(
        &self,
        groups: &[Vec<usize>],
        sharing: Sharing,
        progress: &mut dyn Progress,
    ) -> Result<Rewards, RewardError> {
        let mut rewards = self.blank();
        for group in groups {
            let members: Vec<(usize, &Encoded)> = group.iter().map(|&index| (index, &self.encoded[index])).collect();
            let batch = self.build(&members, sharing)?;
            for (&(comparison, response), reward) in batch.owners.iter().zip(self.rewards(&batch)?) {
                rewards[comparison][response] = reward;
            }
            progress.advance(group.len() as u64);
        }
        Ok(rewards)
    }

    fn build(&self, members: &[(usize, &Encoded)], sharing: Sharing) -> Result<TokenBatch, RewardError> {
        Ok(TokenBatch::build(members, sharing, self.model.reading(), self.model.pad_id())?)
    }

    fn rewards(&self, batch: &TokenBatch) -> Result<Vec<f32>, RewardError> {
        let rewards: Tensor = self.model.network.rewards(batch)?.to_kind(Kind::Float).to_device(Device::Cpu);
        Vec::<f32>::try_from(&rewards.contiguous())
            .map_err(|e| RewardError::Model(format!("rewards cannot be read back: {e}")))
    }

    fn blank(&self) -> Rewards {
        self.encoded.iter().map(|encoded| vec![f32::NAN; encoded.sequences.len()]).collect()
    }

    fn sequences(&self) -> Vec<Sequence> {
        let of = |(owner, encoded): (usize, &Encoded)| -> Vec<Sequence> {
            let one = |(response, ids): (usize, &Vec<u32>)| Sequence {
                owner: (owner, response),
                ids: ids.clone(),
                segments: encoded.segments.get(response).cloned(),
                prompt_tokens: encoded.prompt_tokens.get(response).copied(),
            };
            encoded.sequences.iter().enumerate().map(one).collect()
        };
        self.encoded.iter().enumerate().flat_map(of).collect()
    }
}
