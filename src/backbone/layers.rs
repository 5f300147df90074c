//! Layers shared by all architectures. Weights keep their Hugging Face names and layout.

use tch::{Kind, Tensor};

use super::Pass;
use super::config::Activation;
use super::lora::LowRank;
use super::params::{EmbeddingParams, Init, LinearParams, ParamError, ParamSource};

/// y = x·Wᵀ (+ b). W is [out, in], perhaps with a low-rank addition beside it.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    low_rank: Option<LowRank>,
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
        Ok(Self::of(source.take_linear(name, [out, inp], bias, Init::Normal(std), false)?))
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
        Ok(Self::of(source.take_linear(name, [out, inp], bias, init, true)?))
    }

    fn of(params: LinearParams) -> Self {
        let LinearParams { weight, bias, low_rank } = params;
        Self { weight, bias, low_rank }
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
fn in_kind(weight: &Tensor, kind: Kind) -> Tensor {
    if weight.kind() == kind { weight.shallow_clone() } else { weight.to_kind(kind) }
}

/// Token ids to vectors.
pub struct Embedding {
    weight: Tensor,
    low_rank: Option<LowRank>,
}

impl Embedding {
    pub fn new(source: &mut ParamSource, name: &str, rows: i64, width: i64, std: f64) -> Result<Self, ParamError> {
        let EmbeddingParams { weight, low_rank } = source.take_embedding(name, [rows, width], Init::Normal(std))?;
        Ok(Self { weight, low_rank })
    }

    pub fn device(&self) -> tch::Device {
        self.weight.device()
    }

    /// ids [t] → [t, d] in `kind`.
    pub fn forward(&self, ids_t: &Tensor, kind: Kind) -> Tensor {
        if let Some(low_rank) = &self.low_rank {
            return low_rank.embedding(ids_t, &self.weight).to_kind(kind);
        }
        // No padding index: the flat stream has no padding, and transformers' own padding index only
        // zeroes the gradient of a row that no pooled token sees.
        Tensor::embedding(&self.weight, ids_t, -1, false, false).to_kind(kind)
    }
}

/// x / rms(x) · w, the quotient in f32, cast to the working kind, then multiplied (Llama's order).
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    pub fn new(source: &mut ParamSource, name: &str, width: i64, eps: f64) -> Result<Self, ParamError> {
        Ok(Self { weight: source.take(&format!("{name}.weight"), &[width], Init::Ones)?, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        if kind == Kind::Float || kind == Kind::Double {
            let width = self.weight.size();
            return x.rms_norm(width, Some(&in_kind(&self.weight, kind)), self.eps);
        }
        let wide = x.to_kind(Kind::Float);
        let mean_square = wide.square().mean_dim(-1, true, Kind::Float);
        let normed = wide * (mean_square + self.eps).rsqrt();
        normed.to_kind(kind) * in_kind(&self.weight, kind)
    }
}

/// (x − mean) / std · w + b.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    pub fn new(source: &mut ParamSource, name: &str, width: i64, eps: f64) -> Result<Self, ParamError> {
        let weight = source.take(&format!("{name}.weight"), &[width], Init::Ones)?;
        let bias = source.take(&format!("{name}.bias"), &[width], Init::Zeros)?;
        Ok(Self { weight, bias, eps })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        let (weight, bias) = (in_kind(&self.weight, kind), in_kind(&self.bias, kind));
        x.layer_norm(self.weight.size(), Some(&weight), Some(&bias), self.eps, false)
    }
}

pub fn activate(act: Activation, x: &Tensor) -> Tensor {
    match act {
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::Relu => x.relu(),
    }
}

/// down(act(gate(x)) ∘ up(x)).
pub struct GatedMlp {
    gate: Linear,
    up: Linear,
    down: Linear,
    act: Activation,
}

impl GatedMlp {
    pub fn new(
        source: &mut ParamSource,
        name: &str,
        width: i64,
        inner: i64,
        bias: bool,
        act: Activation,
        std: f64,
    ) -> Result<Self, ParamError> {
        Ok(Self {
            gate: Linear::new(source, &format!("{name}.gate_proj"), inner, width, bias, std)?,
            up: Linear::new(source, &format!("{name}.up_proj"), inner, width, bias, std)?,
            down: Linear::new(source, &format!("{name}.down_proj"), width, inner, bias, std)?,
            act,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.down.forward(&(activate(self.act, &self.gate.forward(x)) * self.up.forward(x)))
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
