//! `config.json` of decoders to switches.

use super::architecture::{Architecture, Bias, QkNormRule};
use super::keys::Keys;
use super::names::DecoderNames;
use super::rope::RopeConfig;
use super::{Activation, ConfigError, ModelType, windows};

/// Switches of decoders.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    pub heads: i64,
    pub kv_heads: i64,
    pub head_dim: i64,
    pub act: Activation,
    /// Tensor names, and with them which norms a block has and which matrices are joined.
    pub names: &'static DecoderNames,
    /// Whether attention and MLP read the same norm side by side, rather than one after the other.
    pub parallel: bool,
    pub norm: NormKind,
    pub norm_eps: f64,
    pub qk_norm: Option<QkNorm>,
    /// Bias on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the attention output.
    pub o_bias: bool,
    pub mlp_bias: bool,
    /// What attention scores are multiplied by.
    pub attention_scale: f64,
    /// Scores z become cap·tanh(z/cap).
    pub soft_cap: Option<f64>,
    /// What embeddings are multiplied by, rounded to their kind.
    pub embedding_scale: Option<f64>,
    pub rotation: Rotation,
    /// The kinds of positions that layers choose from.
    pub ropes: Vec<RopeConfig>,
    pub layers: Vec<LayerConfig>,
    /// Several MLPs per layer, of which each token uses some.
    pub experts: Option<ExpertsConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertsConfig {
    pub count: i64,
    /// How many each token uses.
    pub used: i64,
}

/// What one layer has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerConfig {
    /// How far back a query sees, itself included; `None` is all the way.
    pub window: Option<i64>,
    /// Index into [`DecoderConfig::ropes`]; `None`: no positions.
    pub rope: Option<usize>,
}

/// What a norm computes, the quotient always in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// x/rms(x), rounded to the working kind, times w (Llama).
    Rms,
    /// x/rms(x) times w, then rounded (OLMo 2).
    RmsWide,
    /// x/rms(x) times (1 + w), then rounded (Gemma).
    RmsOffset,
    /// (x − mean)/std times w, then rounded (Cohere).
    Mean,
}

/// What norms of queries and keys run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkNorm {
    /// Each head, with one weight for all of them (Qwen 3, Gemma 3).
    Head,
    /// Each head, with a weight of its own (Cohere).
    OwnHead,
    /// All heads at once (OLMo 2).
    Width,
}

/// How queries and keys are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    pub pairs: Pairs,
    pub precision: RopePrecision,
}

/// Which of n dimensions are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// i and i + n/2.
    Halves,
    /// 2i and 2i + 1.
    Neighbours,
}

/// Where rounding happens in kinds narrower than f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopePrecision {
    /// Cosines and sines, and the turn, in the working kind.
    Working,
    /// Rounded cosines and sines, the turn in f32.
    WideTurn,
    /// All in f32.
    Wide,
}

pub(super) fn parse(
    at: &Keys,
    model_type: ModelType,
    architecture: &Architecture,
    hidden: i64,
    layers: i64,
    heads: i64,
) -> Result<DecoderConfig, ConfigError> {
    if at.optional_bool("use_bidirectional_attention")?.unwrap_or(false) {
        let text = "`use_bidirectional_attention` is true: that is an embedding model, reward models are causal";
        return Err(ConfigError::Unsupported(text.into()));
    }
    let kv_heads = at.optional_int("num_key_value_heads")?.unwrap_or(heads);
    if kv_heads < 1 || heads % kv_heads != 0 {
        let text = format!("num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}");
        return Err(ConfigError::Unsupported(text));
    }
    let head_dim = at.optional_int("head_dim")?.or(architecture.head_dim).unwrap_or(hidden / heads);
    let bias = |bias: &Bias| match bias {
        Bias::Never => Ok(false),
        Bias::Always => Ok(true),
        Bias::Key { key, default } => at.optional_bool(key).map(|found| found.unwrap_or(*default)),
    };
    let windows = windows::parse(at, model_type, architecture.sliding, layers)?;
    let (ropes, layers) = positions(at, architecture, head_dim, &windows)?;
    let query_scale = match architecture.query_scalar {
        Some(default) => at.optional_float("query_pre_attn_scalar")?.unwrap_or(default),
        None => head_dim as f64,
    };
    Ok(DecoderConfig {
        heads,
        kv_heads,
        head_dim,
        act: activation(at, architecture)?,
        names: architecture.names,
        parallel: architecture.parallel,
        norm: architecture.norm,
        norm_eps: at.optional_float(architecture.eps_key)?.unwrap_or(architecture.eps),
        qk_norm: match architecture.qk_norm {
            QkNormRule::Never => None,
            QkNormRule::Always(norm) => Some(norm),
            QkNormRule::Key { key, norm } => at.optional_bool(key)?.unwrap_or(false).then_some(norm),
        },
        qkv_bias: bias(&architecture.qkv_bias)?,
        o_bias: bias(&architecture.o_bias)?,
        mlp_bias: bias(&architecture.mlp_bias)?,
        attention_scale: query_scale.powf(-0.5),
        soft_cap: soft_cap(at, architecture)?,
        embedding_scale: architecture.scaled_embeddings.then(|| (hidden as f64).sqrt()),
        rotation: architecture.rotation,
        ropes,
        layers,
        experts: architecture.names.experts.map(|_| experts(at)).transpose()?,
    })
}

fn experts(at: &Keys) -> Result<ExpertsConfig, ConfigError> {
    let count = at.optional_int("num_local_experts")?.unwrap_or(8);
    let used = at.optional_int("num_experts_per_tok")?.unwrap_or(2);
    match count > 0 && (1..=count).contains(&used) {
        true => Ok(ExpertsConfig { count, used }),
        false => {
            let text = format!("num_experts_per_tok {used} does not fit num_local_experts {count}");
            Err(ConfigError::Unsupported(text))
        }
    }
}

fn activation(at: &Keys, architecture: &Architecture) -> Result<Activation, ConfigError> {
    match Activation::at(at, architecture.act_key, architecture.act)? {
        // Gemma's first configurations say `gelu` and mean its approximation.
        Activation::Gelu if architecture.act == Activation::GeluTanh && architecture.act_key == "hidden_act" => {
            Ok(Activation::GeluTanh)
        }
        act => Ok(act),
    }
}

/// A key that is missing means the architecture's cap, null means none.
fn soft_cap(at: &Keys, architecture: &Architecture) -> Result<Option<f64>, ConfigError> {
    const KEY: &str = "attn_logit_softcapping";
    match (architecture.soft_cap, at.optional_float(KEY)?) {
        (Some(default), None) => Ok(at.0.get(KEY).is_none().then_some(default)),
        (Some(_), cap) => Ok(cap),
        (None, None) => Ok(None),
        // transformers computes these without it, whatever the key says.
        (None, Some(cap)) => Err(ConfigError::Unsupported(format!("`{KEY}` is {cap}; only gemma2 has soft-caps"))),
    }
}

/// The kinds of positions, and which of them each layer has.
fn positions(
    at: &Keys,
    architecture: &Architecture,
    head_dim: i64,
    windows: &[Option<i64>],
) -> Result<(Vec<RopeConfig>, Vec<LayerConfig>), ConfigError> {
    let mut ropes: Vec<RopeConfig> = Vec::new();
    let mut layers = Vec::with_capacity(windows.len());
    for &window in windows {
        let (layer_type, defaults) = match window {
            None => ("full_attention", architecture.full_rope.as_ref()),
            Some(_) => ("sliding_attention", Some(&architecture.sliding_rope)),
        };
        let rope = match defaults {
            None => None,
            Some(defaults) => {
                let rope = RopeConfig::parse(at, layer_type, head_dim, defaults)?;
                Some(ropes.iter().position(|known| *known == rope).unwrap_or_else(|| {
                    ropes.push(rope);
                    ropes.len() - 1
                }))
            }
        };
        layers.push(LayerConfig { window, rope });
    }
    Ok((ropes, layers))
}
