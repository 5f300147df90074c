//! Reward heads: hidden states of the pooled position to one number, always in f32.
//!
//! The layout follows what transformers builds for each architecture, so that the tensors of a
//! checkpoint fit by name.

use tch::{Kind, Tensor};

use super::RewardError;
use crate::backbone::config::{Activation, BackboneConfig, Family, ModelType};
use crate::backbone::layers::{LayerNorm, Linear, activate};
use crate::backbone::params::{Init, ParamError, ParamSource};
use crate::text::batch::{Pooled, TokenBatch};

/// How a freshly drawn head begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadInit {
    /// Normal with the configuration's `initializer_range` (0.02): transformers, TRL.
    #[default]
    Hf,
    /// Normal with 1/(d + 1): OpenRLHF. Rewards begin close to zero.
    InvD,
    /// Normal with 1/√(d + 1): open-instruct.
    InvSqrtD,
    /// All zero: the first loss is exactly ln 2, and the backbone gets no gradient in that step.
    Zero,
}

impl HeadInit {
    fn of(self, config: &BackboneConfig) -> Init {
        let width = config.hidden as f64 + 1.0;
        match self {
            HeadInit::Hf => Init::Normal(config.initializer_range),
            HeadInit::InvD => Init::Normal(1.0 / width),
            HeadInit::InvSqrtD => Init::Normal(width.powf(-0.5)),
            HeadInit::Zero => Init::Zeros,
        }
    }
}

/// From pooled hidden states to rewards.
pub enum Head {
    /// `score`: one linear layer without bias (Llama family).
    Score(Linear),
    /// `pooler.dense`, an activation, `classifier` (BERT, DeBERTa).
    Pooler { dense: Linear, act: Activation, classifier: Linear },
    /// `head.dense`, an activation, `head.norm`, `classifier` (ModernBERT).
    Prediction { dense: Linear, act: Activation, norm: LayerNorm, classifier: Linear },
    /// `classifier.dense`, tanh, `classifier.out_proj` (RoBERTa).
    Classification { dense: Linear, out: Linear },
}

impl Head {
    pub fn new(config: &BackboneConfig, init: HeadInit, source: &mut ParamSource) -> Result<Self, ParamError> {
        let width = config.hidden;
        let inner = Init::Normal(config.initializer_range);
        let last = init.of(config);
        Ok(match (&config.family, config.model_type) {
            (Family::Decoder(_), ModelType::InternLm2) => {
                Head::Score(Linear::head(source, "v_head", 1, width, false, last)?)
            }
            (Family::Decoder(_), _) => Head::Score(Linear::head(source, "score", 1, width, false, last)?),
            (Family::Encoder(_), ModelType::Roberta | ModelType::XlmRoberta) => Head::Classification {
                dense: Linear::head(source, "classifier.dense", width, width, true, inner)?,
                out: Linear::head(source, "classifier.out_proj", 1, width, true, last)?,
            },
            (Family::Encoder(encoder), model_type) => {
                let pooler = if model_type == ModelType::Bert { "bert.pooler.dense" } else { "pooler.dense" };
                Head::Pooler {
                    dense: Linear::head(source, pooler, width, width, true, inner)?,
                    act: encoder.pooler_act,
                    classifier: Linear::head(source, "classifier", 1, width, true, last)?,
                }
            }
            (Family::ModernBert(modern), _) => Head::Prediction {
                dense: Linear::head(source, "head.dense", width, width, modern.head_bias, inner)?,
                act: modern.head_act,
                norm: LayerNorm::head(source, "head.norm", width, modern.norm_eps, modern.norm_bias)?,
                classifier: Linear::head(source, "classifier", 1, width, true, last)?,
            },
        })
    }

    /// Pooled states [n, d] in f32 → rewards [n].
    pub fn rewards(&self, pooled_nd: &Tensor) -> Tensor {
        let out = match self {
            Head::Score(score) => score.forward(pooled_nd),
            Head::Pooler { dense, act, classifier } => classifier.forward(&activate(*act, &dense.forward(pooled_nd))),
            Head::Prediction { dense, act, norm, classifier } => {
                classifier.forward(&norm.forward(&activate(*act, &dense.forward(pooled_nd))))
            }
            Head::Classification { dense, out } => out.forward(&dense.forward(pooled_nd).tanh()),
        };
        out.squeeze_dim(-1)
    }
}

/// Picks what the head reads out of hidden states [t, d]: [n, d] in f32, one row per sequence.
pub fn pool(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Tensor, RewardError> {
    if let Some(positions) = batch.pooled_positions() {
        let indices: Vec<i64> = positions.iter().map(|&position| position as i64).collect();
        let indices = Tensor::from_slice(&indices).to_device(hidden_td.device());
        return Ok(widened(hidden_td.index_select(0, &indices)));
    }
    let mut rows = Vec::with_capacity(batch.pooled.len());
    for pooled in &batch.pooled {
        let pieces: Vec<Tensor> = match pooled {
            Pooled::Token(index) => vec![hidden_td.narrow(0, *index as i64, 1)],
            Pooled::Mean(ranges) => ranges
                .iter()
                .filter(|r| !r.is_empty())
                .map(|r| hidden_td.narrow(0, r.start as i64, r.len() as i64))
                .collect(),
        };
        if pieces.is_empty() {
            return Err(RewardError::Model("a sequence without tokens cannot be pooled".into()));
        }
        let states = widened(Tensor::cat(&pieces, 0));
        rows.push(states.mean_dim(0, false, states.kind()));
    }
    Ok(Tensor::stack(&rows, 0))
}

/// At least in f32; f64 stays for the checks that use it.
pub fn widened(states: Tensor) -> Tensor {
    if states.kind() == Kind::Double { states } else { states.to_kind(Kind::Float) }
}
