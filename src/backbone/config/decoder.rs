//! `config.json` of the Llama family to switches.

use serde_json::Value;

use super::keys::Keys;
use super::{Activation, ConfigError, ModelType};
use crate::backbone::rope::Rope;

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

pub(super) fn parse(
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
        act: Activation::at(at, "hidden_act", Activation::Silu)?,
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
