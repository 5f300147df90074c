//! `config.json` to explicit switches. One arm per architecture; everything downstream reads switches.
//!
//! Source: shared layers' behaviour as in transformers; tensor names and specifics per family in the
//! project's checkpoint notes (README, "Architectures").

mod deberta;
mod decoder;
mod encoder;
mod keys;
mod model_type;
mod modernbert;

use serde_json::Value;

pub use decoder::DecoderConfig;
pub use encoder::{ConvolutionConfig, EncoderConfig, Positions, Projections, RelativeConfig};
pub use model_type::ModelType;
pub use modernbert::{LayerKind, ModernBertConfig};

use keys::Keys;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("config.json: `{key}` is missing")]
    Missing { key: &'static str },
    #[error("config.json: `{key}` should be {expected}, found {found}")]
    Wrong { key: String, expected: &'static str, found: String },
    #[error("config.json: model type `{found}` is not supported; known: {}", ModelType::names().join(", "))]
    UnknownModelType { found: String },
    #[error("config.json: {0}")]
    Unsupported(String),
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
        let at = Keys(config);
        let model_type = ModelType::parse(at.string("model_type")?)?;
        let hidden = at.positive("hidden_size")?;
        let layers = at.positive("num_hidden_layers")?;
        let heads = at.positive("num_attention_heads")?;
        let pad_id = at.optional_int("pad_token_id")?;
        let max_positions = at.positive("max_position_embeddings")?;
        let (family, max_length) = match model_type {
            ModelType::Llama | ModelType::Mistral | ModelType::Qwen2 | ModelType::Qwen3 => {
                (Family::Decoder(decoder::parse(&at, model_type, hidden, layers, heads)?), Some(max_positions))
            }
            _ if hidden % heads != 0 => {
                let text = format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}");
                return Err(ConfigError::Unsupported(text));
            }
            ModelType::Bert | ModelType::Roberta | ModelType::XlmRoberta => {
                let encoder = encoder::parse(&at, model_type, hidden, heads, max_positions)?;
                let max_length = encoder.max_length(pad_id);
                (Family::Encoder(encoder), max_length)
            }
            ModelType::Deberta | ModelType::DebertaV2 => {
                let encoder = deberta::parse(&at, model_type, hidden, heads, max_positions)?;
                let max_length = encoder.max_length(pad_id);
                (Family::Encoder(encoder), max_length)
            }
            ModelType::ModernBert => {
                (Family::ModernBert(modernbert::parse(&at, hidden, layers, heads)?), Some(max_positions))
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

    #[test]
    fn an_unknown_model_type_lists_the_known_ones() {
        let error = BackboneConfig::parse(&base("mamba")).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains("qwen3"), "{error}");
    }

    #[test]
    fn qwen_slides_only_when_told_to() {
        let mut config = base("qwen2");
        config["sliding_window"] = json!(16);
        config["max_window_layers"] = json!(2);
        let windows = |c: &Value| match BackboneConfig::parse(c).unwrap().family {
            Family::Decoder(d) => d.windows,
            _ => unreachable!(),
        };
        assert_eq!(windows(&config), vec![None, None, None]);
        config["use_sliding_window"] = json!(true);
        assert_eq!(windows(&config), vec![None, None, Some(16)]);
        config["layer_types"] = json!(["full_attention", "sliding_attention", "full_attention"]);
        assert_eq!(windows(&config), vec![None, Some(16), None]);
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
