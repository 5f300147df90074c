//! Backbone and head together: token batches to rewards, with gradients where wanted.

mod training;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::RewardError;
use super::adapted;
use super::head::{Head, HeadError, HeadInit, HeadStates, beside};
use super::locate::LocateError;
use super::options::{KNOWN, RewardOptions};
use super::wrapped;
use crate::backbone::config::{self, BackboneConfig, ConfigError, Family};
use crate::backbone::lora::{Adapter, LoraConfig};
use crate::backbone::params::{ParamError, ParamSource, Params};
use crate::backbone::vocabulary::OutputLayer;
use crate::backbone::weights::{Checkpoint, WeightsError};
use crate::backbone::{Backbone, Pass};
use crate::files::{self, FileError};
use crate::text::batch::{Sharing, TokenBatch};

pub use training::{Rest, TrainingStates};

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{path}`: {source}")]
    Json { path: String, source: serde_json::Error },
    #[error("`{}/config.json` names the model that it is around, `{inside}`, and nothing of its shape", dir.display())]
    Inside {
        dir: PathBuf,
        inside: String,
        #[source]
        source: Box<LocateError>,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Param(#[from] ParamError),
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(
        "neither the checkpoint nor an adapter over it has a reward head: `{missing}` is missing{}; heads that \
         rmbench.toml can name below `[reward]` as `head = …`: {KNOWN}",
        if left.is_empty() { String::new() } else { format!(", and these tensors have no use: {}", left.join(", ")) }
    )]
    NoHead { missing: String, left: Vec<String> },
    #[error("{0}")]
    Adapter(String),
}

impl NetworkError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            NetworkError::Config(error) => return error.hint(),
            NetworkError::Weights(error) => return error.hint(),
            NetworkError::Param(error) => return error.hint(),
            NetworkError::Head(HeadError::Param(error)) => return error.hint(),
            NetworkError::NoHead { left, .. } if left.is_empty() => {
                "language models have no reward head: `rmbench train --model …` trains one on it; `--kind implicit` scores \
                 with a language model's own probabilities"
            }
            NetworkError::NoHead { .. } => "if one of these tensors is the head, say so in rmbench.toml beside it",
            NetworkError::Json { .. } => "the file is not whole: copy it again from where the model is from",
            NetworkError::Inside { .. } => {
                "put the keys of that model's config.json into this one, or make its name there a directory that has it"
            }
            NetworkError::File(_) => "a model directory has config.json, model.safetensors and tokenizer.json",
            NetworkError::Head(_) | NetworkError::Adapter(_) => return None,
        })
    }
}

/// Files of a head beside the model it stands on, and what goes before their tensors' names: LLaMA-Factory's value head, and
/// the two modules of LDL-Reward-Gemma-2-27B (allenai/reward-bench, `rewardbench/models/ldlreward.py`), as they are or converted.
const HEAD_FILES: [(&str, &str); 5] = [
    ("value_head.safetensors", ""),
    ("regression_layer.pt", "regression_layer."),
    ("regression_layer.safetensors", "regression_layer."),
    ("gating_layer.pt", "gating_layer."),
    ("gating_layer.safetensors", "gating_layer."),
];

/// What to do where a checkpoint brings no reward head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingHead {
    /// An error: scoring with a random head is never what is wanted.
    Refuse,
    /// Draw one: the start of training from a base model.
    Draw { init: HeadInit, seed: u64 },
}

/// Where a model is computed and in which kinds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loading {
    pub device: Device,
    /// Kind of the weights in memory (f32 masters for training).
    pub weights: Kind,
    /// Kind of activations.
    pub compute: Kind,
    pub missing: MissingHead,
}

/// A scalar reward model's tensors and how to run them.
pub struct Network {
    pub config: BackboneConfig,
    /// `config.json` as it was read (of a multimodal model its text part), for writing it back.
    pub config_json: Value,
    backbone: Backbone,
    head: Head,
    params: Params,
    /// Which of them the reward head has.
    pub(super) head_params: BTreeSet<String>,
    /// Parameters that are views of their files.
    mapped: BTreeSet<String>,
    /// What is, or was before it was merged, over the checkpoint.
    pub(super) adapter: Option<LoraConfig>,
    /// Kind of activations.
    pub compute: Kind,
    pub device: Device,
    /// Names of tensors that were drawn at random because the checkpoint lacked them.
    pub drawn: Vec<String>,
}

impl Network {
    /// Loads a Hugging Face checkpoint directory as it is. `weights` is the kind kept in memory, `compute`
    /// the kind of activations.
    pub fn load(
        dir: &Path,
        device: Device,
        weights: Kind,
        compute: Kind,
        missing: MissingHead,
    ) -> Result<Self, NetworkError> {
        Self::load_with(dir, None, Loading { device, weights, compute, missing }, &RewardOptions::default())
    }

    /// Loads a checkpoint with an adapter over it, where there is one, and with what the user says of the head.
    ///
    /// Weights that the file holds in the kind asked for are views of it on a CPU: see [`Checkpoint::load`].
    pub fn load_with(
        dir: &Path,
        adapter: Option<Adapter>,
        loading: Loading,
        options: &RewardOptions,
    ) -> Result<Self, NetworkError> {
        let Loading { device, weights, compute, missing } = loading;
        let config_json = wrapped::config(dir)?;
        let mut config = BackboneConfig::parse(&config_json)?;
        let mut config_json = config::text_part(&config_json)?.into_owned();
        let adapter = adapter.map(|adapter| adapter.within(config.model_type.prefix()));
        if let Some(adapter) = &adapter {
            adapted::configure(&mut config, &mut config_json, adapter);
        }
        let (init, seed) = match missing {
            MissingHead::Refuse => (HeadInit::Zero, 0),
            MissingHead::Draw { init, seed } => (init, seed),
        };
        let mut checkpoint = Checkpoint::open_dir(dir)?.unwrapped(wrapped::PREFIX)?;
        for (file, prefix) in HEAD_FILES {
            let file = dir.join(file);
            if file.is_file() {
                checkpoint.add_file_under(&file, prefix)?;
            }
        }
        let source = ParamSource::checkpoint(checkpoint, config.model_type, seed, device, weights).adapted(adapter);
        let may_draw = missing != MissingHead::Refuse;
        Self::build(config, config_json, options, init, may_draw, source, compute, device)
    }

    /// Draws every tensor: training from scratch, with a head as `options` say.
    pub fn init(
        config_json: Value,
        options: &RewardOptions,
        init: HeadInit,
        seed: u64,
        compute: Kind,
        device: Device,
    ) -> Result<Self, NetworkError> {
        let config = BackboneConfig::parse(&config_json)?;
        Self::build(config, config_json, options, init, true, ParamSource::random(seed, device), compute, device)
    }

    #[allow(clippy::too_many_arguments)]
    fn build(
        config: BackboneConfig,
        config_json: Value,
        options: &RewardOptions,
        init: HeadInit,
        may_draw: bool,
        mut source: ParamSource,
        compute: Kind,
        device: Device,
    ) -> Result<Self, NetworkError> {
        let backbone = Backbone::new(&config, &mut source)?;
        let after_backbone = source.left();
        let of_backbone: BTreeSet<String> = source.names().map(str::to_owned).collect();
        let head = Head::new(&config, &config_json, options, init, &mut source)?;
        if let (false, Some(missing)) = (may_draw, source.drawn().first()) {
            let left = after_backbone.into_iter().filter(|name| source.taken(name).is_none()).collect();
            return Err(NetworkError::NoHead { missing: missing.clone(), left });
        }
        let finished = source.finish()?;
        let head_params = finished.params.keys().filter(|name| !of_backbone.contains(*name)).cloned().collect();
        Ok(Self {
            config,
            config_json,
            backbone,
            head,
            params: finished.params,
            head_params,
            mapped: finished.mapped,
            adapter: finished.adapter,
            compute,
            device,
            drawn: finished.drawn,
        })
    }

    /// All parameters by name. Updating them in place changes the model.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Asks for gradients of every parameter.
    pub fn train_all(&self) {
        self.train_where(|_| true);
    }

    /// Asks for gradients of these parameters. They get memory of their own; the others stay where they
    /// are, in the file's pages if they are there.
    pub fn train_where(&self, trained: impl Fn(&str) -> bool) {
        for (name, tensor) in self.params.iter().filter(|(name, _)| trained(name)) {
            let mut tensor = tensor.shallow_clone();
            if self.mapped.contains(name) {
                let copy = tch::no_grad(|| tensor.copy());
                tensor.set_data(&copy);
            }
            let _ = tensor.set_requires_grad(true);
        }
    }

    pub fn n_params(&self) -> usize {
        self.params.values().map(Tensor::numel).sum()
    }

    pub fn shares_prefixes(&self) -> bool {
        self.backbone.shares_prefixes()
    }

    /// Another pad token, in `config.json` too.
    pub fn set_pad_id(&mut self, id: u32) {
        self.config.pad_id = Some(i64::from(id));
        if let Value::Object(keys) = &mut self.config_json {
            keys.insert("pad_token_id".to_owned(), id.into());
        }
    }

    /// Which comparisons may hold their prefix once.
    pub fn sharing(&self) -> Sharing {
        self.backbone.sharing()
    }

    pub fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Rewards [n] in f32, one per sequence in the batch's order; no gradient is recorded.
    pub fn rewards(&self, batch: &TokenBatch) -> Result<Tensor, RewardError> {
        let _no_grad = tch::no_grad_guard();
        self.forward(batch, Pass::evaluation(self.compute))
    }

    /// What the head reads of a batch, as scoring computes it; no gradient is recorded.
    pub fn head_states(&self, batch: &TokenBatch) -> Result<HeadStates, RewardError> {
        let _no_grad = tch::no_grad_guard();
        self.states(batch, Pass::evaluation(self.compute))
    }

    /// The same with the states [n, d] that the head reads them off, in f32; `None` where it reads every token.
    pub fn rewards_and_states(&self, batch: &TokenBatch) -> Result<(Tensor, Option<Tensor>), RewardError> {
        let _no_grad = tch::no_grad_guard();
        let states = self.head_states(batch)?;
        let rewards = self.head.rewards(&states)?;
        Ok((rewards, states.tokens.is_none().then_some(states.pooled_nd)))
    }

    /// The output layer that next-token losses beside a reward read, and its name in the checkpoint that the model was
    /// loaded from; without one, or in none, the input embeddings.
    pub fn output_beside(&self, checkpoint: Option<&Path>) -> Result<(OutputLayer, Option<String>), RewardError> {
        let failed = |e: &dyn std::fmt::Display| RewardError::Model(e.to_string());
        let checkpoint = checkpoint.map(Checkpoint::open_dir).transpose().map_err(|e| failed(&e))?;
        beside(&self.config, &self.config_json, self.embeddings()?, checkpoint).map_err(|e| failed(&e))
    }

    /// The input embeddings [v, d].
    fn embeddings(&self) -> Result<&Tensor, RewardError> {
        let name = embeddings_name(&self.config);
        self.params.get(&name).ok_or_else(|| RewardError::Model(format!("the model has no tensor `{name}`")))
    }

    fn forward(&self, batch: &TokenBatch, pass: Pass) -> Result<Tensor, RewardError> {
        self.head.rewards(&self.states(batch, pass)?)
    }

    /// What the head reads; where that is one position each, the last layer is computed for those only.
    fn states(&self, batch: &TokenBatch, pass: Pass) -> Result<HeadStates, RewardError> {
        self.check(batch)?;
        match batch.read_positions() {
            Some(positions) => Ok(HeadStates::of_rows(self.backbone.hidden_at(batch, &positions, pass), batch)),
            None => HeadStates::of_stream(&self.backbone.hidden(batch, pass), batch),
        }
    }

    /// What would otherwise be an error deep inside libtorch.
    pub(super) fn check(&self, batch: &TokenBatch) -> Result<(), RewardError> {
        if let Some(id) = batch.ids.iter().find(|&&id| id < 0 || id >= self.config.vocab) {
            let vocab = self.config.vocab;
            return Err(RewardError::Model(format!(
                "token id {id} is outside the model's vocabulary of {vocab} (`vocab_size` in config.json): the \
                 tokenizer does not belong to this model"
            )));
        }
        if let (Family::Encoder(encoder), Some(&segment)) = (&self.config.family, batch.segments.iter().max()) {
            // Models without such embeddings ignore segments, in transformers too.
            if encoder.type_vocab > 0 && segment >= encoder.type_vocab {
                return Err(RewardError::Model(format!(
                    "segment id {segment} is outside the model's {} (`type_vocab_size`): the tokenizer does not \
                     belong to this model",
                    encoder.type_vocab
                )));
            }
        }
        if batch.trees.iter().any(|tree| !self.backbone.allows(tree)) {
            let text = "sequences of a comparison share a prefix whose positions depend on their lengths";
            return Err(RewardError::Model(text.into()));
        }
        let longest = batch.positions.iter().max().map_or(0, |p| p + 1);
        if let Some(limit) = self.config.max_length.filter(|&limit| !self.shares_prefixes() && longest > limit) {
            return Err(RewardError::Model(format!(
                "a sequence of {longest} tokens exceeds the model's {limit} positions"
            )));
        }
        Ok(())
    }
}

/// What the input embeddings' tensor is called.
pub(super) fn embeddings_name(config: &BackboneConfig) -> String {
    match &config.family {
        Family::Decoder(decoder) => format!("{}.weight", decoder.names.embeddings),
        _ => config.model_type.word_embeddings(),
    }
}

/// A JSON file, with its path in every error.
pub fn read_json(path: &Path) -> Result<Value, NetworkError> {
    let text = files::read_text(path)?;
    serde_json::from_str(&text).map_err(|source| NetworkError::Json { path: path.display().to_string(), source })
}
