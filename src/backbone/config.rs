//! `config.json` to explicit switches. One arm per architecture; everything downstream reads switches.
//!
//! Source: shared layers' behaviour as in transformers; tensor names and specifics per family in the
//! project's checkpoint notes (README, "Architectures").

use serde_json::Value;

use super::rope::Rope;

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

/// Architectures rmbench loads. The name is `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelType {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
    Bert,
    Roberta,
    XlmRoberta,
}

impl ModelType {
    pub const ALL: [(ModelType, &'static str); 7] = [
        (ModelType::Llama, "llama"),
        (ModelType::Mistral, "mistral"),
        (ModelType::Qwen2, "qwen2"),
        (ModelType::Qwen3, "qwen3"),
        (ModelType::Bert, "bert"),
        (ModelType::Roberta, "roberta"),
        (ModelType::XlmRoberta, "xlm-roberta"),
    ];

    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|(_, name)| *name).collect()
    }

    fn parse(name: &str) -> Result<Self, ConfigError> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        known.map(|(m, _)| *m).ok_or_else(|| ConfigError::UnknownModelType { found: name.to_owned() })
    }

    /// Class name transformers uses for a reward model of this type.
    pub fn sequence_classifier(self) -> &'static str {
        match self {
            ModelType::Llama => "LlamaForSequenceClassification",
            ModelType::Mistral => "MistralForSequenceClassification",
            ModelType::Qwen2 => "Qwen2ForSequenceClassification",
            ModelType::Qwen3 => "Qwen3ForSequenceClassification",
            ModelType::Bert => "BertForSequenceClassification",
            ModelType::Roberta => "RobertaForSequenceClassification",
            ModelType::XlmRoberta => "XLMRobertaForSequenceClassification",
        }
    }

    /// Prefix of the backbone's tensors within a sequence-classification checkpoint.
    pub fn prefix(self) -> &'static str {
        match self {
            ModelType::Llama | ModelType::Mistral | ModelType::Qwen2 | ModelType::Qwen3 => "model.",
            ModelType::Bert => "bert.",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta.",
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
}

impl Activation {
    fn parse(name: &str) -> Result<Self, ConfigError> {
        Ok(match name {
            "silu" | "swish" => Activation::Silu,
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => {
                let known = "silu, gelu, gelu_new, gelu_pytorch_tanh, relu";
                return Err(ConfigError::Unsupported(format!("`hidden_act` is `{other}`; known: {known}")));
            }
        })
    }
}

/// Switches of the Llama family.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    pub heads: i64,
    pub kv_heads: i64,
    pub head_dim: i64,
    pub act: Activation,
    pub rms_eps: f64,
    pub rope: Rope,
    /// Bias on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the attention output.
    pub o_bias: bool,
    pub mlp_bias: bool,
    /// RMSNorm of each query and key head before the rotation (Qwen3).
    pub qk_norm: bool,
    /// Per layer: how far back a query sees, itself included; `None` is all the way.
    pub windows: Vec<Option<i64>>,
}

/// Switches of the BERT family.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    pub heads: i64,
    pub act: Activation,
    pub norm_eps: f64,
    pub max_positions: i64,
    pub type_vocab: i64,
    /// RoBERTa counts positions of non-padding tokens from pad id + 1; BERT counts all from 0.
    pub positions_from_padding: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    Decoder(DecoderConfig),
    Encoder(EncoderConfig),
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
    /// Longest sequence the positions allow.
    pub max_length: i64,
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
                (Family::Decoder(decoder(&at, model_type, hidden, layers, heads)?), max_positions)
            }
            ModelType::Bert | ModelType::Roberta | ModelType::XlmRoberta => {
                let encoder = encoder(&at, model_type, heads, max_positions)?;
                let reserved = if encoder.positions_from_padding { pad_id.unwrap_or(1) + 1 } else { 0 };
                (Family::Encoder(encoder), max_positions - reserved)
            }
        };
        if matches!(family, Family::Encoder(_)) && hidden % heads != 0 {
            let text = format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}");
            return Err(ConfigError::Unsupported(text));
        }
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

fn decoder(
    at: &Keys,
    model_type: ModelType,
    hidden: i64,
    layers: i64,
    heads: i64,
) -> Result<DecoderConfig, ConfigError> {
    let kv_heads = at.optional_int("num_key_value_heads")?.unwrap_or(heads);
    if kv_heads < 1 || heads % kv_heads != 0 {
        let text = format!("num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}");
        return Err(ConfigError::Unsupported(text));
    }
    // Qwen3's default differs from width / heads; the others derive it.
    let derived = if model_type == ModelType::Qwen3 { 128 } else { hidden / heads };
    let head_dim = at.optional_int("head_dim")?.unwrap_or(derived);
    let attention_bias = at.optional_bool("attention_bias")?.unwrap_or(false);
    Ok(DecoderConfig {
        heads,
        kv_heads,
        head_dim,
        act: Activation::parse(at.string("hidden_act").unwrap_or("silu"))?,
        rms_eps: at.optional_float("rms_norm_eps")?.unwrap_or(1e-6),
        rope: Rope::parse(at.0, head_dim)?,
        qkv_bias: model_type == ModelType::Qwen2 || attention_bias,
        o_bias: model_type != ModelType::Qwen2 && attention_bias,
        mlp_bias: at.optional_bool("mlp_bias")?.unwrap_or(false),
        qk_norm: model_type == ModelType::Qwen3,
        windows: windows(at, model_type, layers)?,
    })
}

/// Which layers slide. Mistral: all, where `sliding_window` is set. Qwen: only with
/// `use_sliding_window`, and then by `layer_types` or from layer `max_window_layers` on.
fn windows(at: &Keys, model_type: ModelType, layers: i64) -> Result<Vec<Option<i64>>, ConfigError> {
    let window = at.optional_int("sliding_window")?;
    let enabled = match model_type {
        ModelType::Mistral => true,
        ModelType::Qwen2 | ModelType::Qwen3 => at.optional_bool("use_sliding_window")?.unwrap_or(false),
        _ => false,
    };
    let Some(window) = window.filter(|_| enabled) else {
        return Ok(vec![None; layers as usize]);
    };
    if let Some(types) = at.0.get("layer_types").and_then(Value::as_array) {
        if types.len() as i64 != layers {
            return Err(ConfigError::Unsupported(format!(
                "`layer_types` has {} entries for {layers} layers",
                types.len()
            )));
        }
        return types
            .iter()
            .map(|kind| match kind.as_str() {
                Some("sliding_attention") => Ok(Some(window)),
                Some("full_attention") => Ok(None),
                _ => Err(ConfigError::Wrong {
                    key: "layer_types".into(),
                    expected: "sliding_attention or full_attention",
                    found: kind.to_string(),
                }),
            })
            .collect();
    }
    let first = match model_type {
        ModelType::Mistral => 0,
        _ => at.optional_int("max_window_layers")?.unwrap_or(layers),
    };
    Ok((0..layers).map(|layer| (layer >= first).then_some(window)).collect())
}

fn encoder(at: &Keys, model_type: ModelType, heads: i64, max_positions: i64) -> Result<EncoderConfig, ConfigError> {
    if let Some(kind) = at.0.get("position_embedding_type").and_then(Value::as_str).filter(|k| *k != "absolute") {
        return Err(ConfigError::Unsupported(format!("`position_embedding_type` is `{kind}`; known: absolute")));
    }
    Ok(EncoderConfig {
        heads,
        act: Activation::parse(at.string("hidden_act").unwrap_or("gelu"))?,
        norm_eps: at.optional_float("layer_norm_eps")?.unwrap_or(1e-12),
        max_positions,
        type_vocab: at.optional_int("type_vocab_size")?.unwrap_or(2),
        positions_from_padding: model_type != ModelType::Bert,
    })
}

/// transformers derives the label count from `id2label`, and takes 2 where nothing says otherwise.
fn num_labels(at: &Keys) -> Result<usize, ConfigError> {
    match at.0.get("id2label") {
        Some(Value::Object(labels)) => Ok(labels.len()),
        _ => Ok(at.optional_int("num_labels")?.map_or(2, |n| n.max(0) as usize)),
    }
}

/// Typed access that names the key when something is off.
struct Keys<'a>(&'a Value);

impl<'a> Keys<'a> {
    fn wrong(key: &str, expected: &'static str, found: &Value) -> ConfigError {
        ConfigError::Wrong { key: key.to_owned(), expected, found: found.to_string() }
    }

    fn present(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    fn string(&self, key: &'static str) -> Result<&'a str, ConfigError> {
        let value = self.present(key).ok_or(ConfigError::Missing { key })?;
        value.as_str().ok_or_else(|| Self::wrong(key, "a string", value))
    }

    fn positive(&self, key: &'static str) -> Result<i64, ConfigError> {
        let value = self.present(key).ok_or(ConfigError::Missing { key })?;
        value.as_i64().filter(|n| *n > 0).ok_or_else(|| Self::wrong(key, "a positive integer", value))
    }

    fn optional_int(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.present(key).map(|v| v.as_i64().ok_or_else(|| Self::wrong(key, "an integer", v))).transpose()
    }

    fn optional_float(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.present(key).map(|v| v.as_f64().ok_or_else(|| Self::wrong(key, "a number", v))).transpose()
    }

    fn optional_bool(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.present(key).map(|v| v.as_bool().ok_or_else(|| Self::wrong(key, "true or false", v))).transpose()
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
            Family::Encoder(_) => unreachable!(),
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
