//! The judge in training, and the model it began as.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::settings::JudgeTraining;
use crate::generation::Writer;
use crate::judge::Protocol;
use crate::reward::RewardError;
use crate::reward::artifact::{self, ProvenanceCard, RewardCard};
use crate::reward::network::Network;
use crate::train::trainable::Saved;

pub struct JudgeModel {
    /// Writes with the policy as it stands: its parameters are updated in place.
    pub writer: Writer,
    /// `None` where the distance from it has no weight.
    pub reference: Option<Network>,
    pub protocol: Protocol,
    pub tokenizer_dir: PathBuf,
    pub provenance: ProvenanceCard,
}

impl JudgeModel {
    pub fn policy(&self) -> &Network {
        &self.writer.model.network
    }

    /// New tokens of a reply at most.
    pub fn most(&self, judge: &JudgeTraining) -> usize {
        judge.max_tokens.unwrap_or(self.protocol.ask.max_tokens as usize)
    }

    /// The longest sequence that the model takes.
    pub fn limit(&self) -> usize {
        self.policy().config.max_length.map_or(usize::MAX, |limit| limit.max(0) as usize)
    }

    /// Writes an ordinary language model, with what ends its replies, its tokenizer and `rmbench.toml`.
    pub fn save(&self, dir: &Path) -> Result<(), RewardError> {
        self.write(dir)
    }
}

impl Saved for JudgeModel {
    fn parameters(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        Ok(self.policy().params().iter().map(|(name, tensor)| (name.as_str(), tensor)).collect())
    }

    fn write(&self, dir: &Path) -> Result<(), RewardError> {
        let card = RewardCard::of_judge("judge-grpo");
        artifact::save_with(dir, &self.writer.model, &self.tokenizer_dir, card, Some(self.provenance.clone()))
            .map_err(|e| RewardError::Model(e.to_string()))
    }
}
