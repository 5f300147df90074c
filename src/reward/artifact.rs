//! Model directories: a Hugging Face checkpoint plus `rmbench.toml`, read and written.
//!
//! What is written loads in transformers as a sequence classifier with exactly one label. What is read
//! may come from anywhere: `rmbench.toml` is optional and only overrides what the checkpoint implies.

mod card;
mod drawn;
mod merged;
mod tokenizer;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::network::{Loading, MissingHead, Network, NetworkError};
use super::options::{HeadKind, RewardOptions};
use super::parts::{ModelParts, PartsError};
use super::scalar::{ScalarModel, TOKEN_BUDGET};
use super::wrapped;
use crate::backbone::config::BackboneConfig;
use crate::backbone::lora::adapter::AdapterError;
use crate::backbone::lora::{Adapter, AdapterUse};
use crate::backbone::params::Params;
use crate::backbone::weights::{self, WeightsError};
use crate::files::{self, FileError};
use crate::progress::Silent;
use crate::text::encode::{TextError, TextPipeline};
use crate::text::pooling::{Pooling, TokenPattern};
use crate::text::settings::{TextOverrides, TextSettings};

pub use card::{ModelCard, ProvenanceCard, RewardCard, Stage, read_card};
pub use drawn::init;
pub use merged::{MergeCard, MergedModel, Rewards};
pub use tokenizer::copy_tokenizer;
use tokenizer::{copy, write_pad_token};

use card::SCHEMA;

/// The file beside the checkpoint.
pub const FILE_NAME: &str = "rmbench.toml";

/// What ends the replies of a language model.
pub const GENERATION_FILE: &str = "generation_config.json";

/// What a model directory is.
const DIRECTORY: &str = "a model directory has config.json, model.safetensors and tokenizer.json";

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error(transparent)]
    Parts(#[from] Box<PartsError>),
    #[error("`{}`: {problem}", path.display())]
    Toml { path: PathBuf, problem: Box<toml::de::Error> },
    #[error("`{}`: {problem}", path.display())]
    Wrong { path: PathBuf, problem: String },
    #[error("`{}` is not a model directory: it has no config.json", path.display())]
    NotAModel { path: PathBuf },
}

impl ArtifactError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            ArtifactError::Network(error) => return error.hint(),
            ArtifactError::Text(error) => return error.hint(),
            ArtifactError::Weights(error) => return error.hint(),
            ArtifactError::Adapter(_) => "an adapter has adapter_config.json and adapter_model.safetensors",
            ArtifactError::Toml { .. } => "`rmbench score --print-config` explains the keys of [reward] and [text]",
            ArtifactError::File(_) | ArtifactError::NotAModel { .. } => DIRECTORY,
            ArtifactError::Parts(_) | ArtifactError::Wrong { .. } => return None,
        })
    }
}

/// Loads a model directory: a checkpoint, or an adapter, which is merged into its base. `text` overrides
/// what the directory says, where given.
pub fn load(
    dir: &Path,
    device: Device,
    weights: Kind,
    compute: Kind,
    missing: MissingHead,
    text: Option<&TextSettings>,
) -> Result<ScalarModel, ArtifactError> {
    let parts = ModelParts::of(dir, None, &mut Silent).map_err(Box::new)?;
    let text = text.map(TextOverrides::from).unwrap_or_default();
    let loading = Loading { device, weights, compute, missing };
    load_parts(&parts, AdapterUse::Merged, loading, &text, &RewardOptions::default())
}

/// Loads a model from its parts, with an adapter merged or kept apart. `text` and `reward` override what
/// they say.
pub fn load_parts(
    parts: &ModelParts,
    usage: AdapterUse,
    loading: Loading,
    text: &TextOverrides,
    reward: &RewardOptions,
) -> Result<ScalarModel, ArtifactError> {
    let adapter = parts.adapter.as_deref().map(|dir| Adapter::open(dir, usage)).transpose()?;
    load_with(parts, adapter, loading, text, reward)
}

/// As [`load_parts`], under this adapter.
pub fn load_with(
    parts: &ModelParts,
    adapter: Option<Adapter>,
    loading: Loading,
    text: &TextOverrides,
    reward: &RewardOptions,
) -> Result<ScalarModel, ArtifactError> {
    if !parts.checkpoint.join("config.json").is_file() {
        return Err(ArtifactError::NotAModel { path: parts.checkpoint.clone() });
    }
    let (of_head, of_text) = parts.card()?.map(|card| (card.reward.options(), card.text)).unwrap_or_default();
    let is_policy = reward.head == Some(HeadKind::Vocabulary);
    let of_head = if is_policy { RewardOptions::default() } else { of_head };
    let mut network = Network::load_with(&parts.checkpoint, adapter, loading, &reward.over(of_head))?;
    let settings = within(&text.over(of_text), network.config.max_length);
    let text = TextPipeline::from_dir(parts.tokenizer(), &settings)?;
    // An adapter has no config.json; what it was trained to take for padding, its tokenizer says.
    if let Some(pad) = text.pad_id().filter(|_| parts.tokenizer() != parts.checkpoint) {
        network.set_pad_id(pad);
    }
    let text = if is_policy { text.marking_prompts() } else { text };
    assembled(parts.tokenizer(), network, text)
}

/// What to load a checkpoint with as a language model, whatever its directory says of a head.
pub fn as_policy() -> RewardOptions {
    RewardOptions { head: Some(HeadKind::Vocabulary), pooling: Some(Pooling::MaskLast), ..RewardOptions::default() }
}

/// A model for scoring, weights and activations in `kind`: what its parts say with a run's changes.
pub fn load_to_score(
    parts: &ModelParts,
    device: Device,
    kind: Kind,
    text: &TextOverrides,
    reward: &RewardOptions,
) -> Result<ScalarModel, ArtifactError> {
    let loading = Loading { device, weights: kind, compute: kind, missing: MissingHead::Refuse };
    load_parts(parts, AdapterUse::Merged, loading, text, reward)
}

/// Network and text pipeline as one model: the pipeline provides for what the head reads.
fn assembled(dir: &Path, network: Network, text: TextPipeline) -> Result<ScalarModel, ArtifactError> {
    let pooling = network.head().pooling();
    let text = match pooling {
        Pooling::AppendedToken { id } => text.ending_with(id),
        Pooling::PromptEnd | Pooling::Tokens { .. } => text.marking_prompts(),
        _ => text,
    };
    let gate = match network.head().gate_pattern() {
        None => None,
        Some(pattern) => Some(TokenPattern::new(text.ids_of(pattern)).ok_or_else(|| ArtifactError::Wrong {
            path: dir.join("tokenizer.json"),
            problem: format!("it has no tokens for the text that ends a prompt, {pattern:?}"),
        })?),
    };
    Ok(ScalarModel { network, text, pooling, gate, token_budget: TOKEN_BUDGET })
}

/// How [`load`] would prepare texts, found without the weights.
pub fn text_settings(dir: &Path) -> Result<TextSettings, ArtifactError> {
    let path = dir.join("config.json");
    let wrong = |problem: String| ArtifactError::Wrong { path: path.clone(), problem };
    let config = wrapped::config(dir)?;
    let config = BackboneConfig::parse(&config).map_err(|e| wrong(e.to_string()))?;
    let of_model = read_card(dir)?.map(|card| card.text).unwrap_or_default();
    Ok(within(&of_model, config.max_length))
}

/// The settings with a length limit that the model's positions allow.
fn within(settings: &TextSettings, model_limit: Option<i64>) -> TextSettings {
    let limit = model_limit.map(|limit| limit.max(1) as usize);
    TextSettings { max_length: settings.max_length.into_iter().chain(limit).min(), ..settings.clone() }
}

/// Writes the checkpoint, its tokenizer (copied from `tokenizer_dir`) and `rmbench.toml`. An adapter
/// that is kept apart is merged in what is written.
///
/// Every file is written atomically; the weights last, so that a directory with weights is whole.
pub fn save(
    dir: &Path,
    model: &ScalarModel,
    tokenizer_dir: &Path,
    objective: Option<&str>,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    save_with(dir, model, tokenizer_dir, RewardCard::of(model, objective), provenance)
}

/// [`save`] with another card: of a policy.
pub fn save_with(
    dir: &Path,
    model: &ScalarModel,
    tokenizer_dir: &Path,
    card: RewardCard,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    save_beside(dir, model, tokenizer_dir, card, provenance)?;
    let params = model.network.merged_params()?;
    let config = serde_json::to_string_pretty(&classifier_config(model, &params))
        .map_err(|e| ArtifactError::Wrong { path: dir.join("config.json"), problem: e.to_string() })?;
    files::write_bytes(&dir.join("config.json"), (config + "\n").as_bytes())?;
    let tensors = params.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Ok(weights::write(&dir.join(weights::SINGLE_FILE), tensors)?)
}

/// Writes what stands beside the weights, whichever form those have: the tokenizer and `rmbench.toml`.
pub fn save_beside(
    dir: &Path,
    model: &ScalarModel,
    tokenizer_dir: &Path,
    reward: RewardCard,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    copy_tokenizer(tokenizer_dir, dir)?;
    if model.network.head().output().is_some() {
        copy(tokenizer_dir, dir, GENERATION_FILE)?;
    }
    write_pad_token(dir, model)?;
    let text = model.text.settings().clone();
    write_card(dir, &ModelCard { schema: SCHEMA, reward, text, provenance, merge: None })
}

/// Writes `rmbench.toml`.
pub fn write_card(dir: &Path, card: &ModelCard) -> Result<(), ArtifactError> {
    let card = toml::to_string_pretty(card)
        .map_err(|e| ArtifactError::Wrong { path: dir.join(FILE_NAME), problem: e.to_string() })?;
    Ok(files::write_bytes(&dir.join(FILE_NAME), card.as_bytes())?)
}

/// The configuration as a one-label sequence classifier where that is what the head is; everything else
/// as it was read.
fn classifier_config(model: &ScalarModel, params: &Params) -> Value {
    // The head is f32 in any case.
    let dtype = match params.values().map(Tensor::kind).find(|kind| *kind != Kind::Float) {
        Some(Kind::BFloat16) => "bfloat16",
        Some(Kind::Half) => "float16",
        _ => "float32",
    };
    let mut config = model.network.config_json.clone();
    if let Value::Object(keys) = &mut config {
        if model.network.head().output().is_some() {
            keys.insert("architectures".into(), json!([model.network.config.model_type.causal_lm()]));
            ["id2label", "label2id", "num_labels"].into_iter().for_each(|key| drop(keys.remove(key)));
            // Some architectures tie where their configuration is silent.
            let own = params.keys().any(|name| name.contains("lm_head.") || name.starts_with("output."));
            keys.insert("tie_word_embeddings".into(), json!(!own));
        } else if model.network.head().is_plain() {
            let class = model.network.config.model_type.sequence_classifier();
            keys.insert("architectures".into(), json!([class]));
            keys.insert("id2label".into(), json!({"0": "LABEL_0"}));
            keys.insert("label2id".into(), json!({"LABEL_0": 0}));
            keys.remove("num_labels");
        } else if let Some(labels) = model.network.head().n_drawn_labels() {
            let names = || (0..labels).map(|label| (label.to_string(), format!("LABEL_{label}")));
            keys.insert("id2label".into(), names().collect());
            keys.insert("label2id".into(), names().map(|(label, name)| (name, label.parse::<i64>().ok())).collect());
            keys.remove("num_labels");
        }
        keys.insert("torch_dtype".into(), json!(dtype));
        keys.insert("dtype".into(), json!(dtype));
        // transformers pools by this id; a batch of two fails without it.
        if let Some(pad) = model.pad_id() {
            keys.insert("pad_token_id".into(), json!(pad));
        }
    }
    config
}
