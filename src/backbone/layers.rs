//! Layers shared by all architectures. Weights keep their Hugging Face names and layout.

use tch::{Kind, Tensor};

use super::Pass;
use super::block::by_hand::Plain;
use super::config::Activation;
use super::lora::LowRank;
use super::params::{EmbeddingParams, Init, LinearParams, ParamError, ParamSource};

/// y = x·Wᵀ (+ b). W is [out, in], perhaps with a low-rank addition beside it.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    low_rank: Option<Box<LowRank>>,
}

impl Linear {
    pub fn new(
        source: &mut ParamSource,
        name: &str,
        out: i64,
        inp: i64,
        bias: bool,
        std: f64,
    ) -> Result<Self, ParamError> {
        Ok(Self::from_params(source.take_linear(name, [out, inp], bias, Init::Normal(std), false)?))
    }

    /// A layer of the reward head: f32, and drawn where the checkpoint lacks it.
    pub fn head(
        source: &mut ParamSource,
        name: &str,
        out: i64,
        inp: i64,
        bias: bool,
        init: Init,
    ) -> Result<Self, ParamError> {
        Ok(Self::from_params(source.take_linear(name, [out, inp], bias, init, true)?))
    }

    fn from_params(params: LinearParams) -> Self {
        let LinearParams { weight, bias, low_rank } = params;
        Self { weight, bias, low_rank: low_rank.map(Box::new) }
    }

    /// A weight [out, in] that is a parameter elsewhere.
    pub fn of_weight(weight: &Tensor) -> Self {
        Self { weight: weight.shallow_clone(), bias: None, low_rank: None }
    }

    /// Weight and bias, where there is nothing beside them.
    pub fn plain(&self) -> Option<Plain<'_>> {
        let plain = Plain { weight: &self.weight, bias: self.bias.as_ref() };
        self.low_rank.is_none().then_some(plain)
    }

    pub fn n_outputs(&self) -> i64 {
        self.weight.size().first().copied().unwrap_or(0)
    }

    /// Some of its outputs as a layer of their own; `part` takes them from the first dimension.
    pub fn rows(&self, part: impl Fn(&Tensor) -> Tensor) -> Self {
        let low_rank = self.low_rank.as_ref().map(|low_rank| Box::new(low_rank.rows(&part)));
        Self { weight: part(&self.weight), bias: self.bias.as_ref().map(part), low_rank }
    }

    /// The layer with a bias that is stored elsewhere.
    pub fn with_bias(self, bias: &Tensor) -> Self {
        Self { bias: Some(bias.shallow_clone()), ..self }
    }

    pub fn shallow_clone(&self) -> Self {
        self.rows(Tensor::shallow_clone)
    }

    /// The layer that gives only some of the outputs, on the same memory.
    pub fn outputs(&self, start: i64, n: i64) -> Self {
        self.rows(|rows| rows.narrow(0, start, n))
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        if let Some(low_rank) = &self.low_rank {
            return low_rank.linear(x, &self.weight, self.bias.as_ref());
        }
        let weight = in_kind(&self.weight, x.kind());
        let bias = self.bias.as_ref().map(|b| in_kind(b, x.kind()));
        x.linear(&weight, bias.as_ref())
    }
}

/// The weight in the activations' kind; f32 masters are cast on the fly and receive f32 gradients.
pub(super) fn in_kind(weight: &Tensor, kind: Kind) -> Tensor {
    if weight.kind() == kind { weight.shallow_clone() } else { weight.to_kind(kind) }
}

/// Token ids to vectors.
pub struct Embedding {
    weight: Tensor,
    low_rank: Option<LowRank>,
    scale: Option<f64>,
}

impl Embedding {
    pub fn new(source: &mut ParamSource, name: &str, rows: i64, width: i64, std: f64) -> Result<Self, ParamError> {
        let EmbeddingParams { weight, low_rank } = source.take_embedding(name, [rows, width], Init::Normal(std))?;
        Ok(Self { weight, low_rank, scale: None })
    }

    /// Multiplies its vectors by a number that is rounded to their kind first (Gemma: 55.4 is 55.5 in bf16).
    pub fn scaled(self, scale: Option<f64>) -> Self {
        Self { scale, ..self }
    }

    pub fn device(&self) -> tch::Device {
        self.weight.device()
    }

    /// ids [t] → [t, d] in `kind`.
    pub fn forward(&self, ids_t: &Tensor, kind: Kind) -> Tensor {
        // No padding index: the flat stream has no padding, and transformers' own padding index only
        // zeroes the gradient of a row that no pooled token sees.
        let x_td = match &self.low_rank {
            Some(low_rank) => low_rank.embedding(ids_t, &self.weight),
            None => Tensor::embedding(&self.weight, ids_t, -1, false, false),
        };
        let x_td = x_td.to_kind(kind);
        match self.scale {
            Some(scale) => x_td * Tensor::from(scale as f32).to_kind(kind).double_value(&[]),
            None => x_td,
        }
    }
}

/// (x − mean) / std · w (+ b).
pub struct LayerNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f64,
}

impl LayerNorm {
    pub fn new(source: &mut ParamSource, name: &str, width: i64, eps: f64) -> Result<Self, ParamError> {
        Self::with_bias(source, name, width, eps, true)
    }

    pub fn with_bias(
        source: &mut ParamSource,
        name: &str,
        width: i64,
        eps: f64,
        bias: bool,
    ) -> Result<Self, ParamError> {
        let weight = source.take(&format!("{name}.weight"), &[width], Init::Ones)?;
        let bias = if bias { Some(source.take(&format!("{name}.bias"), &[width], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias, eps })
    }

    /// A norm of the reward head: f32, and as it begins where the checkpoint lacks it.
    pub fn head(source: &mut ParamSource, name: &str, width: i64, eps: f64, bias: bool) -> Result<Self, ParamError> {
        let weight = source.take_head(&format!("{name}.weight"), &[width], Init::Ones)?;
        let bias = if bias { Some(source.take_head(&format!("{name}.bias"), &[width], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        let bias = self.bias.as_ref().map(|bias| in_kind(bias, kind));
        x.layer_norm(self.weight.size(), Some(&in_kind(&self.weight, kind)), bias.as_ref(), self.eps, false)
    }
}

pub fn activate(act: Activation, x: &Tensor) -> Tensor {
    match act {
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
    }
}

/// Dropout on the embedding output [t, d], where the pass trains with some: whole tokens, then numbers.
pub fn drop_embedding(x_td: Tensor, pass: Pass) -> Tensor {
    let Some(dropout) = pass.dropout else { return x_td };
    let mut x_td = x_td;
    if dropout.token > 0.0 {
        let kept_t1 = Tensor::rand([x_td.size()[0], 1], (Kind::Float, x_td.device())).ge(dropout.token);
        x_td *= kept_t1.to_kind(pass.compute);
    }
    if dropout.embedding > 0.0 { x_td.dropout(dropout.embedding, true) } else { x_td }
}

/// Dropout on what a sub-layer adds to the residual stream.
pub fn drop_hidden(x: Tensor, pass: Pass) -> Tensor {
    match pass.dropout {
        Some(d) if d.hidden > 0.0 => x.dropout(d.hidden, true),
        _ => x,
    }
}
