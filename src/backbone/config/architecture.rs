//! What each decoder architecture does before its `config.json` is read: one row per architecture, and
//! only what differs from Llama.
//!
//! Values are the defaults of transformers' configuration classes.

use super::decoder::{NormKind, Pairs, QkNorm, RopePrecision, Rotation};
use super::names::{self, DecoderNames};
use super::rope::RopeDefaults;
use super::windows::Sliding;
use super::{Activation, ModelType};

pub struct Architecture {
    pub names: &'static DecoderNames,
    pub parallel: bool,
    pub norm: NormKind,
    pub eps_key: &'static str,
    pub eps: f64,
    pub act_key: &'static str,
    pub act: Activation,
    /// `None`: width / heads.
    pub head_dim: Option<i64>,
    /// Padding token where the configuration does not say; null is none.
    pub pad_id: Option<i64>,
    pub qk_norm: QkNormRule,
    pub qkv_bias: Bias,
    pub o_bias: Bias,
    pub mlp_bias: Bias,
    /// Whether embeddings are multiplied by the root of the width.
    pub scaled_embeddings: bool,
    /// `query_pre_attn_scalar`, whose inverse root scales attention scores; `None`: the head's width.
    pub query_scalar: Option<f64>,
    pub soft_cap: Option<f64>,
    pub sliding: Sliding,
    pub rotation: Rotation,
    /// Of layers that see everything; `None`: those have no positions.
    pub full_rope: Option<RopeDefaults>,
    pub sliding_rope: RopeDefaults,
}

/// Where a bias comes from.
pub enum Bias {
    Never,
    Always,
    Key { key: &'static str, default: bool },
}

/// Whether queries and keys have norms.
pub enum QkNormRule {
    Never,
    Always(QkNorm),
    Key { key: &'static str, norm: QkNorm },
}

const fn attention_bias() -> Bias {
    Bias::Key { key: "attention_bias", default: false }
}

const HALVES: Rotation = Rotation { pairs: Pairs::Halves, precision: RopePrecision::Working };

const LLAMA: Architecture = Architecture {
    names: &names::LLAMA,
    parallel: false,
    norm: NormKind::Rms,
    eps_key: "rms_norm_eps",
    eps: 1e-6,
    act_key: "hidden_act",
    act: Activation::Silu,
    head_dim: None,
    pad_id: None,
    qk_norm: QkNormRule::Never,
    qkv_bias: attention_bias(),
    o_bias: attention_bias(),
    mlp_bias: Bias::Never,
    scaled_embeddings: false,
    query_scalar: None,
    soft_cap: None,
    sliding: Sliding::Never,
    rotation: HALVES,
    full_rope: Some(RopeDefaults::PLAIN),
    sliding_rope: RopeDefaults::PLAIN,
};

const GEMMA: Architecture = Architecture {
    norm: NormKind::RmsOffset,
    act: Activation::GeluTanh,
    head_dim: Some(256),
    pad_id: Some(0),
    scaled_embeddings: true,
    ..LLAMA
};

const GEMMA2: Architecture = Architecture {
    names: &names::GEMMA2,
    act_key: "hidden_activation",
    query_scalar: Some(256.0),
    soft_cap: Some(50.0),
    sliding: Sliding::Pattern { full_every: 2, key: None },
    ..GEMMA
};

/// Only full-attention layers are scaled to long contexts.
const GEMMA3: Architecture = Architecture {
    soft_cap: None,
    qk_norm: QkNormRule::Always(QkNorm::Head),
    sliding: Sliding::Pattern { full_every: 6, key: Some("sliding_window_pattern") },
    full_rope: Some(RopeDefaults { theta: 1e6, ..RopeDefaults::PLAIN }),
    sliding_rope: RopeDefaults { theta_key: "rope_local_base_freq", scaled: false, ..RopeDefaults::PLAIN },
    ..GEMMA2
};

const COHERE: Architecture = Architecture {
    names: &names::COHERE,
    parallel: true,
    norm: NormKind::Mean,
    eps_key: "layer_norm_eps",
    eps: 1e-5,
    pad_id: Some(0),
    qk_norm: QkNormRule::Key { key: "use_qk_norm", norm: QkNorm::OwnHead },
    rotation: Rotation { pairs: Pairs::Neighbours, precision: RopePrecision::WideTurn },
    full_rope: Some(RopeDefaults { theta: 500_000.0, ..RopeDefaults::PLAIN }),
    ..LLAMA
};

const COHERE2: Architecture = Architecture {
    qk_norm: QkNormRule::Never,
    sliding: Sliding::Pattern { full_every: 4, key: Some("sliding_window_pattern") },
    full_rope: None,
    ..COHERE
};

const PHI3_ROPE: RopeDefaults =
    RopeDefaults { yarn_is_longrope: true, original: Some(4096), partial: true, ..RopeDefaults::PLAIN };

const PHI3: Architecture = Architecture {
    names: &names::PHI3,
    eps: 1e-5,
    pad_id: Some(32_000),
    qkv_bias: Bias::Never,
    o_bias: Bias::Never,
    sliding: Sliding::All { default: None },
    full_rope: Some(PHI3_ROPE),
    sliding_rope: PHI3_ROPE,
    ..LLAMA
};

const MIXTRAL_ROPE: RopeDefaults = RopeDefaults { theta: 1e6, ..RopeDefaults::PLAIN };

/// A mixture of experts in place of the MLP.
const MIXTRAL: Architecture = Architecture {
    names: &names::MIXTRAL,
    eps: 1e-5,
    qkv_bias: Bias::Never,
    o_bias: Bias::Never,
    sliding: Sliding::All { default: None },
    full_rope: Some(MIXTRAL_ROPE),
    sliding_rope: MIXTRAL_ROPE,
    ..LLAMA
};

const OLMO2: Architecture = Architecture {
    names: &names::OLMO2,
    norm: NormKind::RmsWide,
    eps: 1e-5,
    pad_id: Some(1),
    qk_norm: QkNormRule::Always(QkNorm::Width),
    rotation: Rotation { precision: RopePrecision::Wide, ..HALVES },
    ..LLAMA
};

/// transformers has no class for it; the keys are those of its authors' code.
const INTERNLM2: Architecture = Architecture {
    names: &names::INTERNLM2,
    qkv_bias: Bias::Key { key: "bias", default: true },
    o_bias: Bias::Key { key: "bias", default: true },
    ..LLAMA
};

impl Architecture {
    /// `None` for what is no decoder.
    pub fn of(model_type: ModelType) -> Option<Self> {
        Some(match model_type {
            ModelType::Llama => Self { mlp_bias: Bias::Key { key: "mlp_bias", default: false }, ..LLAMA },
            ModelType::Mistral => Self {
                qkv_bias: Bias::Never,
                o_bias: Bias::Never,
                sliding: Sliding::All { default: Some(4096) },
                ..LLAMA
            },
            ModelType::Mixtral => MIXTRAL,
            ModelType::Qwen2 => Self { qkv_bias: Bias::Always, o_bias: Bias::Never, sliding: Sliding::Qwen, ..LLAMA },
            ModelType::Qwen3 => {
                Self { head_dim: Some(128), qk_norm: QkNormRule::Always(QkNorm::Head), sliding: Sliding::Qwen, ..LLAMA }
            }
            ModelType::Gemma => GEMMA,
            ModelType::Gemma2 => GEMMA2,
            ModelType::Gemma3 | ModelType::Gemma3Text => GEMMA3,
            ModelType::Phi3 => PHI3,
            ModelType::Olmo2 => OLMO2,
            ModelType::Cohere => COHERE,
            ModelType::Cohere2 => COHERE2,
            ModelType::InternLm2 => INTERNLM2,
            ModelType::Bert
            | ModelType::Roberta
            | ModelType::XlmRoberta
            | ModelType::Deberta
            | ModelType::DebertaV2
            | ModelType::ModernBert => return None,
        })
    }
}
