//! Scalar reward models as the trainer sees them.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::trainable::{Forward, PairSize, Trainable};
use crate::backbone::params::Params;
use crate::backbone::{Dropout, DropoutKey};
use crate::objective::language_model::{Every, NextTokens, next_token_loss};
use crate::preference::Comparison;
use crate::reward::RewardError;
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::scalar::ScalarModel;
use crate::text::batch::{Sharing, cost};
use crate::text::encode::Encoded;

/// A scalar model, with what its finished directory will say of it.
pub struct ScalarTrainable {
    pub model: ScalarModel,
    /// Where the tokenizer's files lie.
    pub tokenizer_dir: PathBuf,
    pub objective: String,
    pub provenance: ProvenanceCard,
}

impl Trainable for ScalarTrainable {
    type Encoded = Encoded;

    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Encoded>, RewardError> {
        Ok(self.model.text.encode_all(comparisons)?)
    }

    fn size(&self, encoded: &Encoded) -> PairSize {
        PairSize {
            computed: cost(encoded, self.model.network.sharing()),
            sequences: cost(encoded, Sharing::Never),
            truncated: encoded.truncated.contains(&true),
            same: matches!(&encoded.sequences[..], [chosen, rejected] if chosen == rejected),
        }
    }

    fn params(&self) -> &Params {
        self.model.network.params()
    }

    fn rewards(&self, pairs: &[&Encoded], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError> {
        let members: Vec<(usize, &Encoded)> = pairs.iter().copied().enumerate().collect();
        let batch = self.model.token_batch(&members)?;
        self.model.rewards_for_training(&batch, dropout)
    }

    fn forward(
        &self,
        pairs: &[&Encoded],
        dropout: Option<(Dropout, DropoutKey)>,
        next_token: Option<Every>,
    ) -> Result<Forward, RewardError> {
        let Some(every) = next_token else {
            return Ok(Forward { rewards_s: self.rewards(pairs, dropout)?, next_token: None });
        };
        if !self.model.network.shares_prefixes() {
            return Err(RewardError::Model("next-token loss needs a causal decoder; this model is an encoder".into()));
        }
        let members: Vec<(usize, &Encoded)> = pairs.iter().copied().enumerate().collect();
        let batch = self.model.token_batch(&members)?;
        let (rewards_s, hidden_td) = self.model.network.forward_for_training(&batch, dropout)?;
        // The chosen response is the text worth imitating.
        let next = NextTokens::of(&batch, |branch| branch == 0).thinned(&batch, every);
        let loss = next_token_loss(&hidden_td, self.model.network.embeddings()?, &next);
        Ok(Forward { rewards_s, next_token: Some(loss) })
    }

    fn next_tokens(&self, encoded: &Encoded, every: Every) -> usize {
        encoded.sequences.first().map_or(0, |ids| every.count(ids.len()))
    }

    fn mismatched(&self, pair: &Encoded, donor: &Encoded) -> Option<Encoded> {
        let (prompt, own) = parts(pair)?;
        let (_, other) = parts(donor)?;
        if own == other {
            return None;
        }
        let replaced = [prompt, other].concat();
        // The donor's response may be longer than what it replaces; the limit holds all the same.
        if self.model.text.settings().max_length.is_some_and(|limit| replaced.len() > limit) {
            return None;
        }
        let prompt_tokens = pair.prompt_tokens.first().map(|&n| vec![n; 2])?;
        let segments = match pair.segments.is_empty() && donor.segments.is_empty() {
            true => Vec::new(),
            false => {
                let (own, other) = (pair.segments_of(0), donor.segments_of(0));
                let replaced = [&own[..prompt.len()], &other[*donor.prompt_tokens.first()?..]].concat();
                vec![own, replaced]
            }
        };
        Some(Encoded {
            sequences: vec![pair.sequences.first()?.clone(), replaced],
            truncated: vec![pair.truncated.first().copied()?, donor.truncated.first().copied()?],
            prompt_tokens,
            segments,
            ..pair.clone()
        })
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        let provenance = Some(self.provenance.clone());
        artifact::save(dir, &self.model, &self.tokenizer_dir, Some(&self.objective), provenance)
            .map_err(|e| RewardError::Model(e.to_string()))
    }
}

/// Prompt and chosen response of a pair, as tokens.
fn parts(encoded: &Encoded) -> Option<(&[u32], &[u32])> {
    let sequence = encoded.sequences.first()?;
    sequence.split_at_checked(*encoded.prompt_tokens.first()?)
}
