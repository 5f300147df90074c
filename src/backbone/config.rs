//! `config.json` to explicit switches; everything downstream reads switches.
//!
//! What a key means where it is missing, and what an architecture does whatever the keys say, is as in
//! transformers 5. Decoders are rows of [`architecture`].

mod architecture;
mod composite;
mod deberta;
mod decoder;
mod encoder;
mod keys;
mod model_type;
mod modernbert;
pub mod names;
mod rope;
mod windows;

use serde_json::Value;

pub use composite::text_part;
pub use decoder::{DecoderConfig, ExpertsConfig, LayerConfig, NormKind, Pairs, QkNorm, RopePrecision, Rotation};
pub use encoder::{ConvolutionConfig, EncoderConfig, Positions, Projections, RelativeConfig};
pub use model_type::ModelType;
pub use modernbert::{LayerKind, ModernBertConfig};
pub use rope::{RopeConfig, Scaling};

use architecture::Architecture;
use keys::Keys;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("config.json: `{key}` is missing")]
    Missing { key: &'static str },
    #[error("config.json: `{key}` should be {expected}, found {found}")]
    Wrong { key: String, expected: &'static str, found: String },
    #[error("config.json: model type `{found}` is not supported; known: {}", ModelType::names().join(", "))]
    UnknownModelType { found: String },
    #[error("config.json: `quantization_config`: weights quantised by {method} are not read")]
    Quantised { method: String },
    #[error("config.json: {0}")]
    Unsupported(String),
}

impl ConfigError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ConfigError::UnknownModelType { .. } => {
                Some("a model that computes as one of these may be renamed: `model_type` in its config.json")
            }
            ConfigError::Quantised { .. } => Some("score the checkpoint that it was quantised from"),
            _ => None,
        }
    }
}

/// Element-wise non-linearities by their `hidden_act` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Silu,
    /// Exact, with erf.
    Gelu,
    GeluTanh,
    Relu,
    Tanh,
}

impl Activation {
    /// The activation that a key names, or the default where the key is missing.
    fn at(at: &Keys, key: &'static str, default: Self) -> Result<Self, ConfigError> {
        if at.present(key).is_none() {
            return Ok(default);
        }
        Ok(match at.string(key)? {
            "silu" | "swish" => Activation::Silu,
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            other => {
                let known = "silu, gelu, gelu_new, gelu_pytorch_tanh, relu, tanh";
                return Err(ConfigError::Unsupported(format!("`{key}` is `{other}`; known: {known}")));
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    Decoder(DecoderConfig),
    Encoder(EncoderConfig),
    ModernBert(ModernBertConfig),
}

/// What a backbone is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneConfig {
    pub model_type: ModelType,
    pub vocab: i64,
    pub hidden: i64,
    pub layers: i64,
    pub intermediate: i64,
    pub initializer_range: f64,
    pub pad_id: Option<i64>,
    /// Longest sequence the positions allow; `None` where they do not end.
    pub max_length: Option<i64>,
    /// Labels of the head, as transformers counts them: `id2label`, then `num_labels`, then 2.
    pub num_labels: usize,
    pub family: Family,
}

impl BackboneConfig {
    pub fn parse(config: &Value) -> Result<Self, ConfigError> {
        if !config.is_object() {
            return Err(ConfigError::Unsupported(format!("it should be an object, found {config}")));
        }
        if let Some(found) = config.get("quantization_config").filter(|found| !found.is_null()) {
            let method = found.get("quant_method").and_then(Value::as_str).unwrap_or("an unnamed method");
            return Err(ConfigError::Quantised { method: method.to_owned() });
        }
        let model_type = ModelType::parse(Keys(config).string("model_type")?)?;
        let text = text_part(config)?;
        let at = Keys(&text);
        let hidden = at.positive("hidden_size")?;
        let layers = at.positive("num_hidden_layers")?;
        let heads = at.positive("num_attention_heads")?;
        let architecture = Architecture::of(model_type);
        let pad_id = match at.0.get("pad_token_id") {
            None => architecture.as_ref().and_then(|architecture| architecture.pad_id),
            Some(_) => at.optional_int("pad_token_id")?,
        };
        let max_positions = at.positive("max_position_embeddings")?;
        let (family, max_length) = match (&architecture, model_type) {
            (Some(architecture), _) => {
                let decoder = decoder::parse(&at, model_type, architecture, hidden, layers, heads)?;
                let reach = decoder.ropes.iter().map(|rope| rope.reach(max_positions)).max();
                (Family::Decoder(decoder), Some(reach.unwrap_or(max_positions)))
            }
            _ if hidden % heads != 0 => {
                let text = format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}");
                return Err(ConfigError::Unsupported(text));
            }
            (None, ModelType::ModernBert) => {
                (Family::ModernBert(modernbert::parse(&at, hidden, layers, heads)?), Some(max_positions))
            }
            (None, _) => {
                let parse = match model_type {
                    ModelType::Deberta | ModelType::DebertaV2 => deberta::parse,
                    _ => encoder::parse,
                };
                let encoder = parse(&at, model_type, hidden, heads, max_positions)?;
                let max_length = encoder.max_length(pad_id);
                (Family::Encoder(encoder), max_length)
            }
        };
        Ok(Self {
            model_type,
            vocab: at.positive("vocab_size")?,
            hidden,
            layers,
            intermediate: at.positive("intermediate_size")?,
            initializer_range: at.optional_float("initializer_range")?.unwrap_or(0.02),
            pad_id,
            max_length,
            num_labels: num_labels(&at)?,
            family,
        })
    }
}

/// transformers derives the label count from `id2label`, and takes 2 where nothing says otherwise.
fn num_labels(at: &Keys) -> Result<usize, ConfigError> {
    match at.0.get("id2label") {
        Some(Value::Object(labels)) => Ok(labels.len()),
        _ => Ok(at.optional_int("num_labels")?.map_or(2, |n| n.max(0) as usize)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base(model_type: &str) -> Value {
        json!({
            "model_type": model_type, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
            "vocab_size": 100, "intermediate_size": 64, "max_position_embeddings": 128,
        })
    }

    fn decoder(config: &Value) -> DecoderConfig {
        match BackboneConfig::parse(config).unwrap().family {
            Family::Decoder(decoder) => decoder,
            _ => panic!("not a decoder"),
        }
    }

    fn with(model_type: &str, more: Value) -> Value {
        let mut config = base(model_type);
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    }

    #[test]
    fn an_unknown_model_type_lists_the_known_ones() {
        let error = BackboneConfig::parse(&base("mamba")).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains("qwen3"), "{error}");
        let quantised = with("llama", json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}));
        assert!(BackboneConfig::parse(&quantised).unwrap_err().to_string().contains("gptq"));
        assert!(BackboneConfig::parse(&with("llama", json!({"quantization_config": null}))).is_ok());
        assert!(BackboneConfig::parse(&json!([])).unwrap_err().to_string().contains("object"));
    }

    #[test]
    fn qwen_slides_only_when_told_to() {
        let mut config = base("qwen2");
        config["sliding_window"] = json!(16);
        config["max_window_layers"] = json!(2);
        let windows = |c: &Value| decoder(c).layers.iter().map(|layer| layer.window).collect::<Vec<_>>();
        assert_eq!(windows(&config), vec![None, None, None]);
        config["use_sliding_window"] = json!(true);
        assert_eq!(windows(&config), vec![None, None, Some(16)]);
        config["layer_types"] = json!(["full_attention", "sliding_attention", "full_attention"]);
        assert_eq!(windows(&config), vec![None, Some(16), None]);
    }

    #[test]
    fn layers_slide_by_pattern_where_no_list_says_otherwise() {
        let windows = |c: &Value| decoder(c).layers.iter().map(|layer| layer.window).collect::<Vec<_>>();
        assert_eq!(windows(&with("gemma2", json!({"sliding_window": 8}))), [Some(8), None, Some(8)]);
        let two = json!({"sliding_window": 8, "sliding_window_pattern": 2});
        assert_eq!(windows(&with("gemma3_text", two.clone())), [Some(8), None, Some(8)]);
        assert_eq!(windows(&with("cohere2", two)), [Some(8), None, Some(8)]);
        // A missing window is transformers' default, null is none.
        assert_eq!(windows(&base("mistral")), [Some(4096); 3]);
        assert_eq!(windows(&with("mistral", json!({"sliding_window": null}))), [None; 3]);
        let mixed = with("mistral", json!({"layer_types": ["full_attention", "full_attention", "sliding_attention"]}));
        assert!(BackboneConfig::parse(&mixed).unwrap_err().to_string().contains("all its layers slide"));
    }

    #[test]
    fn sliding_layers_of_gemma3_have_positions_of_their_own_and_full_layers_of_cohere2_none() {
        let more = json!({"sliding_window": 8, "sliding_window_pattern": 2, "rope_theta": 1e6, "rope_local_base_freq": 500.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0}});
        let gemma = decoder(&with("gemma3_text", more));
        let scaling = Scaling::Linear { factor: 8.0 };
        assert_eq!(gemma.ropes, [RopeConfig::plain(500.0, 256), RopeConfig { scaling, ..RopeConfig::plain(1e6, 256) }]);
        assert_eq!(gemma.layers.iter().map(|layer| layer.rope).collect::<Vec<_>>(), [Some(0), Some(1), Some(0)]);
        let cohere = decoder(&with("cohere2", json!({"sliding_window": 8, "sliding_window_pattern": 2})));
        assert_eq!(cohere.layers.iter().map(|layer| layer.rope).collect::<Vec<_>>(), [Some(0), None, Some(0)]);
    }

    #[test]
    fn soft_caps_are_gemma2s_unless_null() {
        assert_eq!(decoder(&base("gemma2")).soft_cap, Some(50.0));
        assert_eq!(decoder(&with("gemma2", json!({"attn_logit_softcapping": null}))).soft_cap, None);
        assert_eq!(decoder(&base("gemma3_text")).soft_cap, None);
        let capped = with("gemma3_text", json!({"attn_logit_softcapping": 50.0}));
        assert!(BackboneConfig::parse(&capped).unwrap_err().to_string().contains("only gemma2 has soft-caps"));
    }

    #[test]
    fn scaled_positions_allow_longer_sequences() {
        let length = |rope: Value| {
            BackboneConfig::parse(&with("llama", json!({"rope_scaling": rope}))).unwrap().max_length.unwrap()
        };
        assert_eq!(length(json!({"type": "linear", "factor": 4.0})), 128);
        assert_eq!(length(json!({"type": "dynamic", "factor": 4.0})), 512);
        assert_eq!(length(json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128})), 512);
        assert_eq!(length(json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32})), 128);
    }

    #[test]
    fn experts_are_counted() {
        let mixtral = decoder(&with("mixtral", json!({"num_local_experts": 4})));
        assert_eq!(mixtral.experts, Some(ExpertsConfig { count: 4, used: 2 }));
        assert_eq!((mixtral.ropes[0].clone(), mixtral.layers[0].window), (RopeConfig::plain(1e6, 8), None));
        assert_eq!(decoder(&base("mistral")).experts, None);
        let few = with("mixtral", json!({"num_local_experts": 2, "num_experts_per_tok": 3}));
        let error = BackboneConfig::parse(&few).unwrap_err().to_string();
        assert!(error.contains("num_experts_per_tok 3 does not fit num_local_experts 2"), "{error}");
    }

    #[test]
    fn padding_is_the_architectures_where_no_key_says() {
        let pad = |config: Value| BackboneConfig::parse(&config).unwrap().pad_id;
        assert_eq!([pad(base("llama")), pad(base("cohere")), pad(base("olmo2"))], [None, Some(0), Some(1)]);
        assert_eq!(pad(with("cohere", json!({"pad_token_id": null}))), None);
        assert_eq!(pad(with("cohere", json!({"pad_token_id": 9}))), Some(9));
    }

    #[test]
    fn labels_are_counted_as_transformers_counts_them() {
        assert_eq!(BackboneConfig::parse(&base("llama")).unwrap().num_labels, 2);
        let mut one = base("llama");
        one["id2label"] = json!({"0": "LABEL_0"});
        assert_eq!(BackboneConfig::parse(&one).unwrap().num_labels, 1);
    }

    #[test]
    fn a_wrong_type_names_the_key() {
        let mut config = base("llama");
        config["rms_norm_eps"] = json!("small");
        assert!(BackboneConfig::parse(&config).unwrap_err().to_string().contains("rms_norm_eps"));
    }
}
