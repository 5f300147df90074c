//! Reward models with an adapter over their checkpoint: what the adapter says of the whole, training it
//! alone, and writing it down.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::artifact::{self, ArtifactError, ProvenanceCard};
use super::network::{Network, NetworkError, embeddings_name};
use super::scalar::ScalarModel;
use crate::backbone::config::BackboneConfig;
use crate::backbone::lora::{self, Adapter, LoraConfig};
use crate::backbone::params::Params;

/// The tensors whose rows are labels, by architecture.
const HEAD_OUTPUTS: [&str; 3] = ["score.weight", "classifier.weight", "classifier.out_proj.weight"];

/// Puts into the base's configuration what an adapter with a head, or with embeddings of its own, changes:
/// the labels (a base model's own configuration says nothing of them) and the vocabulary.
pub fn configure(config: &mut BackboneConfig, json: &mut Value, adapter: &Adapter) {
    let Value::Object(keys) = json else { return };
    let rows = |names: &[&str]| names.iter().find_map(|name| adapter.stored(name)?.shape.first().copied());
    let labels = rows(&HEAD_OUTPUTS).or(adapter.is_new().then_some(1));
    if let Some(labels) = labels {
        let names: Map<String, Value> = (0..labels).map(|n| (n.to_string(), json!(format!("LABEL_{n}")))).collect();
        keys.insert("id2label".into(), Value::Object(names));
        config.num_labels = labels as usize;
    }
    if let Some(rows) = rows(&[&embeddings_name(config)]) {
        keys.insert("vocab_size".into(), json!(rows));
        config.vocab = rows;
    }
}

impl Network {
    /// The adapter over the checkpoint, where there is one.
    pub fn adapter(&self) -> Option<&LoraConfig> {
        self.adapter.as_ref()
    }

    /// Asks for gradients of the adapter and of what it keeps in full, such as the head; the base is frozen.
    pub fn train_adapter(&self) -> Result<(), NetworkError> {
        let none = || NetworkError::Adapter("this model has no adapter that could be trained".into());
        let config = self.adapter().ok_or_else(none)?;
        let saved = self.params().keys().map(|name| Ok((name.as_str(), config.saves(name)?)));
        let saved: BTreeMap<&str, bool> = saved.collect::<Result<_, _>>().map_err(NetworkError::Adapter)?;
        self.train_where(|name| saved.get(name).copied().unwrap_or(false));
        Ok(())
    }

    /// All parameters as an ordinary checkpoint has them: additions that are kept apart are merged, in f32.
    pub fn merged_params(&self) -> Result<Params, NetworkError> {
        let _no_grad = tch::no_grad_guard();
        match self.adapter() {
            Some(config) => lora::merged(self.params(), config).map_err(NetworkError::Adapter),
            None => Ok(self.params().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()),
        }
    }
}

/// Writes a model's adapter as a directory that PEFT loads, with tokenizer and `rmbench.toml`. `base` is
/// what it was trained on: a path or a name on the hub.
pub fn save_adapter(
    dir: &Path,
    model: &ScalarModel,
    base: &str,
    tokenizer_dir: &Path,
    objective: Option<&str>,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    let none = || NetworkError::Adapter("this model has no adapter that could be saved".into());
    let config = model.network.adapter().ok_or_else(none)?;
    artifact::save_beside(dir, model, tokenizer_dir, objective, provenance)?;
    Ok(lora::adapter::save(dir, config, base, model.network.params())?)
}
