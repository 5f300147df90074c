//! What of a model in training is written down: all of it, or an adapter beside its frozen base.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::trainable::take_all;
use crate::reward::RewardError;
use crate::reward::adapted;
use crate::reward::artifact::{self, ArtifactError, ProvenanceCard, RewardCard};
use crate::reward::scalar::ScalarModel;

pub struct Kept<'a> {
    pub model: &'a ScalarModel,
    /// What an adapter is trained on, as its configuration will call it; `None`: everything is trained.
    pub adapter_base: Option<&'a str>,
}

impl<'a> Kept<'a> {
    /// See [`Trainable::drops`](super::Trainable::drops).
    pub fn drops(&self) -> bool {
        let of_adapter = self.model.network.adapter().filter(|_| self.adapter_base.is_some());
        of_adapter.is_some_and(|config| config.dropout > 0.0 && !config.dora)
    }

    /// See [`Trainable::save`](super::Trainable::save).
    pub fn save(
        &self,
        dir: &Path,
        tokenizer_dir: &Path,
        card: RewardCard,
        provenance: &ProvenanceCard,
    ) -> Result<(), RewardError> {
        let provenance = Some(provenance.clone());
        let saved = match self.adapter_base {
            None => artifact::save_with(dir, self.model, tokenizer_dir, card, provenance),
            Some(base) => adapted::save_adapter_with(dir, self.model, base, tokenizer_dir, card, provenance),
        };
        saved.map_err(failed)
    }

    /// See [`Trainable::saved`](super::Trainable::saved).
    pub fn parameters(&self) -> Result<Vec<(&'a str, &'a Tensor)>, RewardError> {
        let network = &self.model.network;
        let all = network.params().iter().map(|(name, tensor)| (name.as_str(), tensor));
        if self.adapter_base.is_none() {
            return Ok(all.collect());
        }
        let kept = network.adapter_params().map_err(|e| failed(e.into()))?;
        Ok(all.filter(|(name, _)| kept.contains(name)).collect())
    }

    /// See [`Trainable::read`](super::Trainable::read).
    pub fn read(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        match self.adapter_base {
            None => take_all(dir),
            Some(_) => adapted::read_adapter(dir, self.model).map_err(failed),
        }
    }
}

fn failed(error: ArtifactError) -> RewardError {
    RewardError::Model(error.to_string())
}
