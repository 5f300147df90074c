//! The judge in training, and the model it began as.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::settings::JudgeTraining;
use crate::generation::Writer;
use crate::judge::Protocol;
use crate::reward::RewardError;
use crate::reward::artifact::{ProvenanceCard, RewardCard};
use crate::reward::network::Network;
use crate::train::kept::Kept;
use crate::train::trainable::Saved;

pub struct JudgeModel {
    /// Writes with the policy as it stands: its parameters are updated in place.
    pub writer: Writer,
    /// `None` where the distance from it has no weight.
    pub reference: Option<Network>,
    pub protocol: Protocol,
    pub tokenizer_dir: PathBuf,
    pub provenance: ProvenanceCard,
    /// What an adapter is trained on, as its configuration will call it; `None`: everything is trained.
    pub adapter_base: Option<String>,
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

    fn kept(&self) -> Kept<'_> {
        Kept { model: &self.writer.model, adapter_base: self.adapter_base.as_deref() }
    }

    /// Writes an ordinary language model, or an adapter, with what ends its replies, its tokenizer and `rmbench.toml`.
    pub fn save(&self, dir: &Path) -> Result<(), RewardError> {
        self.write(dir)
    }
}

impl Saved for JudgeModel {
    fn parameters(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        self.kept().parameters()
    }

    fn write(&self, dir: &Path) -> Result<(), RewardError> {
        self.kept().save(dir, &self.tokenizer_dir, RewardCard::of_judge("judge-grpo"), &self.provenance)
    }

    fn written(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        self.kept().read(dir)
    }
}
