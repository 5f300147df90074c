//! Scalar reward models as the trainer sees them.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::trainable::{PairSize, Trainable};
use crate::backbone::params::Params;
use crate::backbone::{Dropout, DropoutKey};
use crate::preference::Comparison;
use crate::reward::RewardError;
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::scalar::ScalarModel;
use crate::text::batch::cost;
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
        self.model.text.encode_all(comparisons).map_err(|e| RewardError::Model(e.to_string()))
    }

    fn size(&self, encoded: &Encoded) -> PairSize {
        PairSize {
            computed: cost(encoded, self.model.network.shares_prefixes()),
            sequences: cost(encoded, false),
            truncated: encoded.truncated.contains(&true),
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

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        let provenance = Some(self.provenance.clone());
        artifact::save(dir, &self.model, &self.tokenizer_dir, Some(&self.objective), provenance)
            .map_err(|e| RewardError::Model(e.to_string()))
    }
}
