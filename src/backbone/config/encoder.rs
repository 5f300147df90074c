//! `config.json` of the BERT family to switches.

use serde_json::Value;

use super::keys::Keys;
use super::{Activation, ConfigError, ModelType};

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

pub(super) fn parse(
    at: &Keys,
    model_type: ModelType,
    heads: i64,
    max_positions: i64,
) -> Result<EncoderConfig, ConfigError> {
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
