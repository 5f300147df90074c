//! A decoder with its output layer: hidden states to the next token's logits.
//!
//! z = W·h (W the embeddings where the two are tied), times the architecture's factor (Cohere), then
//! cap·tanh(z/cap) where it has a cap (Gemma 2). Logits and everything after them are f32.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::adapted;
use super::network::{NetworkError, embeddings_name, read_json};
use crate::backbone::cache::{Cache, Feed};
use crate::backbone::config::{self, BackboneConfig, Family, OutputConfig};
use crate::backbone::decoder::Decoder;
use crate::backbone::layers::Linear;
use crate::backbone::lora::Adapter;
use crate::backbone::params::{ParamSource, Params};
use crate::backbone::rows::{Rows, Wanted};
use crate::backbone::weights::Checkpoint;
use crate::backbone::{Pass, lora};
use crate::text::batch::{Sharing, TokenBatch};

/// Logits held at a time: 64 MB. A whole batch's would be larger than everything else together.
const LOGITS: i64 = 1 << 24;

pub struct LanguageModel {
    pub config: BackboneConfig,
    /// `config.json` as it was read (of a multimodal model its text part).
    pub config_json: Value,
    decoder: Decoder,
    output: Output,
    params: Params,
    /// Parameters that are views of their files.
    mapped: BTreeSet<String>,
    adapter: Option<lora::LoraConfig>,
    /// Kind of activations.
    pub compute: Kind,
    pub device: Device,
}

struct Output {
    layer: OutputLayer,
    config: OutputConfig,
}

enum OutputLayer {
    Own(Linear),
    /// [v, d].
    Embeddings(Tensor),
}

impl LanguageModel {
    /// Loads a checkpoint directory, with an adapter over it where there is one.
    pub fn load(
        dir: &Path,
        adapter: Option<Adapter>,
        device: Device,
        weights: Kind,
        compute: Kind,
    ) -> Result<Self, NetworkError> {
        let config_json = read_json(&dir.join("config.json"))?;
        let mut config = BackboneConfig::parse(&config_json)?;
        let mut config_json = config::text_part(&config_json)?.into_owned();
        let adapter = adapter.map(|adapter| adapter.within(config.model_type.prefix()));
        if let Some(adapter) = &adapter {
            adapted::configure(&mut config, &mut config_json, adapter);
        }
        let checkpoint = Checkpoint::open_dir(dir)?;
        let source = ParamSource::checkpoint(checkpoint, config.model_type, 0, device, weights).adapted(adapter);
        Self::build(config, config_json, source, compute, device, dir)
    }

    /// Draws every tensor from `seed`.
    pub fn init(config_json: Value, seed: u64, compute: Kind, device: Device) -> Result<Self, NetworkError> {
        let config = BackboneConfig::parse(&config_json)?;
        Self::build(config, config_json, ParamSource::random(seed, device), compute, device, Path::new("config.json"))
    }

    fn build(
        config: BackboneConfig,
        config_json: Value,
        mut source: ParamSource,
        compute: Kind,
        device: Device,
        place: &Path,
    ) -> Result<Self, NetworkError> {
        let none = |what: String| NetworkError::NoLanguageModel { what, place: place.to_owned() };
        let Family::Decoder(of_decoder) = &config.family else {
            return Err(none(format!("{} is an encoder", config.model_type.name())));
        };
        let decoder = Decoder::new(&config, of_decoder, &mut source)?;
        let (name, embeddings) = (of_decoder.names.output, embeddings_name(&config));
        let layer = match source.taken(&embeddings) {
            Some(weight_vd) if of_decoder.output.tied => OutputLayer::Embeddings(weight_vd.shallow_clone()),
            _ => {
                let stored = format!("{name}.weight");
                if source.reads_checkpoint() && source.stored_shape(&stored).is_none() {
                    return Err(none(format!(
                        "it has no output layer `{stored}`, and its embeddings are not tied to one"
                    )));
                }
                OutputLayer::Own(Linear::new(
                    &mut source,
                    name,
                    config.vocab,
                    config.hidden,
                    false,
                    config.initializer_range,
                )?)
            }
        };
        let output = Output { layer, config: of_decoder.output };
        let finished = source.finish()?;
        let (params, mapped, adapter) = (finished.params, finished.mapped, finished.adapter);
        Ok(Self { config, config_json, decoder, output, params, mapped, adapter, compute, device })
    }

    /// All parameters by name. Updating them in place changes the model.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub fn n_params(&self) -> usize {
        self.params.values().map(Tensor::numel).sum()
    }

    /// All parameters as an ordinary checkpoint has them.
    pub fn merged_params(&self) -> Result<Params, NetworkError> {
        let _no_grad = tch::no_grad_guard();
        match &self.adapter {
            Some(config) => lora::merged(&self.params, config).map_err(NetworkError::Adapter),
            None => Ok(self.params.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()),
        }
    }

    /// Asks for gradients of every parameter; what is a view of its file gets memory of its own.
    pub fn train_all(&self) {
        for (name, tensor) in &self.params {
            let mut tensor = tensor.shallow_clone();
            if self.mapped.contains(name) {
                let copy = tch::no_grad(|| tensor.copy());
                tensor.set_data(&copy);
            }
            let _ = tensor.set_requires_grad(true);
        }
    }

    /// `config.json` of what is written: a language model in the parameters' kind.
    pub fn causal_config(&self) -> Value {
        let dtype = match self.params.values().map(Tensor::kind).find(|kind| *kind != Kind::Float) {
            Some(Kind::BFloat16) => "bfloat16",
            Some(Kind::Half) => "float16",
            _ => "float32",
        };
        let mut config = self.config_json.clone();
        if let Value::Object(keys) = &mut config {
            keys.insert("architectures".into(), json!([self.config.model_type.causal_lm()]));
            keys.insert("tie_word_embeddings".into(), json!(matches!(self.output.layer, OutputLayer::Embeddings(_))));
            for key in ["id2label", "label2id", "num_labels"] {
                keys.remove(key);
            }
            keys.insert("torch_dtype".into(), json!(dtype));
            keys.insert("dtype".into(), json!(dtype));
        }
        config
    }

    /// Room for keys and values, empty.
    pub fn cache(&self) -> Cache {
        Cache::new(self.decoder.config(), self.compute, self.device)
    }

    /// Hidden states of new tokens over a cache; see [`Decoder::extend`].
    pub fn extend(&self, feed: &Feed, cache: &mut Cache, rows: &[usize]) -> Tensor {
        self.decoder.extend(feed, cache, rows, self.compute)
    }

    /// Whether a cached sequence may grow from one length to the other; see [`Decoder::keeps`].
    pub fn keeps(&self, from: usize, to: usize) -> bool {
        self.decoder.keeps(from, to)
    }

    /// Which sequences may hold their prefix once.
    pub fn sharing(&self) -> Sharing {
        self.decoder.sharing()
    }

    /// Hidden states [n, d] at positions of a stream, in the order given; on the graph unless the caller holds a
    /// no-grad guard.
    pub fn states_at(&self, batch: &TokenBatch, positions: &[usize], pass: Pass) -> Tensor {
        let rows = Rows::new(positions);
        if rows.len() == 0 || rows.len() == batch.n_tokens() {
            return rows.in_order_of_stream(&self.decoder.hidden(batch, Wanted::default(), pass));
        }
        rows.in_order_asked(self.decoder.hidden(batch, Wanted::rows(&rows), pass))
    }

    /// Logits [n, v] of states [n, d], in f32.
    pub fn logits(&self, states_nd: &Tensor) -> Tensor {
        let raw_nv = match &self.output.layer {
            OutputLayer::Own(layer) => layer.forward(states_nd),
            OutputLayer::Embeddings(weight_vd) => {
                states_nd.linear(&weight_vd.to_kind(states_nd.kind()), None::<&Tensor>)
            }
        };
        let wide = if raw_nv.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let mut logits_nv = raw_nv.to_kind(wide);
        if let Some(scale) = self.output.config.scale {
            logits_nv *= scale;
        }
        match self.output.config.cap {
            Some(cap) => (logits_nv / cap).tanh() * cap,
            None => logits_nv,
        }
    }

    /// log p [n] of the tokens `ids` after states [n, d], in f32: z_id − log Σ e^z, some rows at a time.
    pub fn log_probs(&self, states_nd: &Tensor, ids: &[i64]) -> Tensor {
        let ids_n1 = Tensor::from_slice(ids).to_device(states_nd.device()).unsqueeze(1);
        let rows = (LOGITS / self.config.vocab.max(1)).max(1);
        let pieces = states_nd.split(rows, 0).into_iter().zip(ids_n1.split(rows, 0));
        let of_piece = |(states, ids): (Tensor, Tensor)| {
            let logits = self.logits(&states);
            logits.gather(1, &ids, false).squeeze_dim(1) - logits.logsumexp([1], false)
        };
        Tensor::cat(&pieces.map(of_piece).collect::<Vec<_>>(), 0)
    }

    /// Ids outside the vocabulary would be an error deep inside libtorch.
    pub fn check(&self, ids: impl IntoIterator<Item = u32>) -> Result<(), String> {
        match ids.into_iter().find(|id| i64::from(*id) >= self.config.vocab) {
            Some(id) => Err(format!(
                "token id {id} is outside the model's vocabulary of {} (`vocab_size` in config.json): the tokenizer \
                 does not belong to this model",
                self.config.vocab
            )),
            None => Ok(()),
        }
    }
}
