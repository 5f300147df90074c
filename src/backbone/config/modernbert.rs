//! `config.json` of ModernBERT (and mmBERT) to switches.

use serde_json::Value;

use super::keys::Keys;
use super::rope::RopeDefaults;
use super::{Activation, ConfigError, RopeConfig};

/// Switches of ModernBERT.
#[derive(Debug, Clone, PartialEq)]
pub struct ModernBertConfig {
    pub heads: i64,
    pub act: Activation,
    pub norm_eps: f64,
    /// Biases of norms, the prediction head's included; of attention; of the MLP.
    pub norm_bias: bool,
    pub attention_bias: bool,
    pub mlp_bias: bool,
    pub layers: Vec<LayerKind>,
    /// How many tokens away, on either side, local layers see.
    pub reach: i64,
    /// Rotations of global and of local layers.
    pub global_rope: RopeConfig,
    pub local_rope: RopeConfig,
    /// What the head reads: the mean over all tokens, or the first token.
    pub mean_pooling: bool,
    /// Activation and bias of the prediction head in front of the classifier.
    pub head_act: Activation,
    pub head_bias: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    Global,
    Local,
}

pub(super) fn parse(at: &Keys, hidden: i64, layers: i64, heads: i64) -> Result<ModernBertConfig, ConfigError> {
    let bias = |key: &str| Ok(at.optional_bool(key)?.unwrap_or(false));
    let window = at.optional_int("local_attention")?.unwrap_or(128);
    Ok(ModernBertConfig {
        heads,
        act: Activation::at(at, "hidden_activation", Activation::Gelu)?,
        norm_eps: at.optional_float("norm_eps")?.unwrap_or(1e-5),
        norm_bias: bias("norm_bias")?,
        attention_bias: bias("attention_bias")?,
        mlp_bias: bias("mlp_bias")?,
        layers: kinds(at, layers)?,
        // The window counts both sides.
        reach: window / 2,
        global_rope: rope(at, "full_attention", "global_rope_theta", 160_000.0, hidden / heads)?,
        local_rope: rope(at, "sliding_attention", "local_rope_theta", 10_000.0, hidden / heads)?,
        mean_pooling: match at.present("classifier_pooling") {
            None => false,
            Some(_) => match at.string("classifier_pooling")? {
                "cls" => false,
                "mean" => true,
                other => {
                    let text = format!("`classifier_pooling` is `{other}`; known: cls, mean");
                    return Err(ConfigError::Unsupported(text));
                }
            },
        },
        head_act: Activation::at(at, "classifier_activation", Activation::Gelu)?,
        head_bias: bias("classifier_bias")?,
    })
}

/// `layer_types` (transformers 5), else every n-th layer is global, from the first on.
fn kinds(at: &Keys, layers: i64) -> Result<Vec<LayerKind>, ConfigError> {
    let Some(types) = at.present("layer_types") else {
        let every = at.optional_int("global_attn_every_n_layers")?.unwrap_or(3).max(1);
        let kind = |layer| if layer % every == 0 { LayerKind::Global } else { LayerKind::Local };
        return Ok((0..layers).map(kind).collect());
    };
    let wrong = |found: &Value| ConfigError::Wrong {
        key: "layer_types".into(),
        expected: "sliding_attention or full_attention for each layer",
        found: found.to_string(),
    };
    let types = types.as_array().filter(|types| types.len() as i64 == layers).ok_or_else(|| wrong(types))?;
    let kind = |value: &Value| match value.as_str() {
        Some("full_attention") => Ok(LayerKind::Global),
        Some("sliding_attention") => Ok(LayerKind::Local),
        _ => Err(wrong(value)),
    };
    types.iter().map(kind).collect()
}

/// `rope_parameters` by layer type (transformers 5), or a key per theta (4), where null means the global one.
fn rope(
    at: &Keys,
    layer_type: &'static str,
    theta_key: &'static str,
    default: f64,
    head_dim: i64,
) -> Result<RopeConfig, ConfigError> {
    let theta = match at.0.get(theta_key) {
        Some(Value::Null) => at.optional_float("global_rope_theta")?.unwrap_or(160_000.0),
        _ => default,
    };
    RopeConfig::parse(at, layer_type, head_dim, &RopeDefaults { theta, theta_key, ..RopeDefaults::PLAIN })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(config: &Value) -> ModernBertConfig {
        parse(&Keys(config), 64, 4, 4).unwrap()
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let config = parsed(&json!({}));
        let kinds = [LayerKind::Global, LayerKind::Local, LayerKind::Local, LayerKind::Global];
        assert_eq!((config.layers.as_slice(), config.reach, config.mean_pooling), (kinds.as_slice(), 64, false));
        assert_eq!((config.global_rope.theta, config.local_rope.theta), (160_000.0, 10_000.0));
    }

    #[test]
    fn a_null_theta_of_local_layers_is_the_global_one() {
        let config = parsed(&json!({"global_rope_theta": 5000.0, "local_rope_theta": null}));
        assert_eq!(config.local_rope, config.global_rope);
    }

    #[test]
    fn what_is_not_known_is_refused_by_key() {
        for (key, value) in [
            ("classifier_pooling", json!("max")),
            ("layer_types", json!(["full_attention"])),
            ("layer_types", json!(["full_attention", "sliding_attention", "chunked", "full_attention"])),
            ("hidden_activation", json!("mish")),
        ] {
            let error = parse(&Keys(&json!({key: value})), 64, 4, 4).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
