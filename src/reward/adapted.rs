//! Reward models with an adapter over their checkpoint: what the adapter says of the whole, training it
//! alone, and writing it down.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::artifact::{self, ArtifactError, ProvenanceCard, RewardCard};
use super::network::{Network, NetworkError, embeddings_name};
use super::scalar::ScalarModel;
use crate::backbone::config::BackboneConfig;
use crate::backbone::lora::{self, Adapter, AdapterUse, LoraConfig};
use crate::backbone::params::{ParamError, Params};

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
        let saved: BTreeSet<&str> = self.adapter_params()?.into_iter().collect();
        self.train_where(|name| saved.contains(name));
        Ok(())
    }

    /// The parameters that an adapter's directory holds, by name: its own and what it keeps in full.
    pub fn adapter_params(&self) -> Result<Vec<&str>, NetworkError> {
        let none = || NetworkError::Adapter("this model has no adapter".into());
        let config = self.adapter().ok_or_else(none)?;
        let saved = self.params().keys().map(|name| Ok((name.as_str(), config.saves(name)?)));
        let saved: Vec<(&str, bool)> = saved.collect::<Result<_, _>>().map_err(NetworkError::Adapter)?;
        Ok(saved.into_iter().filter(|(_, saved)| *saved).map(|(name, _)| name).collect())
    }

    /// Why training the adapter and saving it would lose part of it; `None` where it would not.
    pub fn adapter_loss(&self) -> Option<&'static str> {
        let config = self.adapter()?;
        config.has_token_rows().then_some("it replaces rows of the embeddings (`trainable_token_indices`)")
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
    save_adapter_with(dir, model, base, tokenizer_dir, RewardCard::of(model, objective), provenance)
}

/// [`save_adapter`] with another card: of a policy.
pub fn save_adapter_with(
    dir: &Path,
    model: &ScalarModel,
    base: &str,
    tokenizer_dir: &Path,
    card: RewardCard,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    let none = || NetworkError::Adapter("this model has no adapter".into());
    let config = model.network.adapter().ok_or_else(none)?;
    artifact::save_beside(dir, model, tokenizer_dir, card, provenance)?;
    Ok(lora::adapter::save(dir, config, base, model.network.params())?)
}

/// What [`save_adapter`] wrote of `model` into `dir`, by parameter name.
pub fn read_adapter(dir: &Path, model: &ScalarModel) -> Result<Params, ArtifactError> {
    let network = &model.network;
    let mut adapter = Adapter::open(dir, AdapterUse::Apart)?.within(network.config.model_type.prefix());
    let mut found = Params::new();
    for name in network.adapter_params()? {
        let kind = network.params().get(name).map(tch::Tensor::kind).unwrap_or(tch::Kind::Float);
        if let Some(loaded) = adapter.load(name, kind, network.device)? {
            found.insert(name.to_owned(), loaded.tensor);
        }
    }
    let left = adapter.untaken();
    match left.is_empty() {
        true => Ok(found),
        false => Err(NetworkError::Param(ParamError::Unused { names: left, place: adapter.place() }).into()),
    }
}
