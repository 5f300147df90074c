//! `config.json` of the BERT family to switches; DeBERTa, which adds to it, in [`super::deberta`].

use serde_json::Value;

use super::keys::Keys;
use super::{Activation, ConfigError, ModelType};

/// Switches of the BERT family.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    pub heads: i64,
    pub act: Activation,
    pub norm_eps: f64,
    pub positions: Positions,
    /// Rows of the token types' embedding; 0: there is none.
    pub type_vocab: i64,
    /// Width of the embeddings; where it is not the model's, they are projected.
    pub embedding_width: i64,
    pub projections: Projections,
    /// Attention scores are divided by √(head width · this): one for the tokens themselves, and one for
    /// each way positions enter.
    pub score_terms: i64,
    pub relative: Option<RelativeConfig>,
    /// A convolution over the embeddings that is added after the first layer (DeBERTa-v2 xlarge).
    pub convolution: Option<ConvolutionConfig>,
    /// Of the pooler in front of the classifier.
    pub pooler_act: Activation,
}

/// Absolute positions of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// None at all.
    Absent,
    /// 0, 1, 2, … (BERT).
    FromZero { rows: i64 },
    /// Tokens that are not padding count from pad id + 1; padding has the pad id (RoBERTa).
    FromPadding { rows: i64 },
}

/// How queries, keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projections {
    /// `query`, `key`, `value` (BERT).
    Plain,
    /// `query_proj`, `key_proj`, `value_proj` (DeBERTa v2 and v3).
    Suffixed,
    /// `in_proj`, per head its query, key and value; `q_bias` and `v_bias` (DeBERTa v1).
    Joined,
}

/// Disentangled attention: scores see the distance of two tokens through embeddings of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct RelativeConfig {
    /// Distances reach from −span to span − 1; the embedding has 2·span rows.
    pub span: i64,
    /// Distances of half of these and more share buckets, the wider the farther; `None`: each its own.
    pub buckets: Option<i64>,
    /// The distance that falls into the last bucket.
    pub longest: i64,
    /// LayerNorm over the embeddings.
    pub norm: bool,
    /// Query times the embedding's key.
    pub content_to_position: bool,
    /// Key times the embedding's query.
    pub position_to_content: bool,
    /// The tokens' own projections serve for the embeddings too.
    pub shared: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConvolutionConfig {
    /// Odd.
    pub kernel: i64,
    pub groups: i64,
    pub act: Activation,
}

pub(super) fn parse(
    at: &Keys,
    model_type: ModelType,
    hidden: i64,
    heads: i64,
    rows: i64,
) -> Result<EncoderConfig, ConfigError> {
    if let Some(kind) = at.0.get("position_embedding_type").and_then(Value::as_str).filter(|k| *k != "absolute") {
        return Err(ConfigError::Unsupported(format!("`position_embedding_type` is `{kind}`; known: absolute")));
    }
    Ok(EncoderConfig {
        heads,
        act: Activation::at(at, "hidden_act", Activation::Gelu)?,
        norm_eps: at.optional_float("layer_norm_eps")?.unwrap_or(1e-12),
        positions: match model_type {
            ModelType::Bert => Positions::FromZero { rows },
            _ => Positions::FromPadding { rows },
        },
        type_vocab: at.optional_int("type_vocab_size")?.unwrap_or(2),
        embedding_width: hidden,
        projections: Projections::Plain,
        score_terms: 1,
        relative: None,
        convolution: None,
        pooler_act: Activation::Tanh,
    })
}

impl EncoderConfig {
    /// The longest sequence that positions allow; `None` where they do not end.
    pub fn max_length(&self, pad_id: Option<i64>) -> Option<i64> {
        match self.positions {
            Positions::Absent => None,
            Positions::FromZero { rows } => Some(rows),
            Positions::FromPadding { rows } => Some(rows - pad_id.unwrap_or(1) - 1),
        }
    }
}
