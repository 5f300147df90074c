//! LoRA: a weight with a low-rank addition, kept apart from it or merged into it.
//!
//! W′ = W + s·B·A, with s = α/r, or α/√r for rsLoRA (arXiv 2312.03732). DoRA (arXiv 2402.09353) also
//! fixes the length of each output's row: W′ = m · (W + s·B·A) / ‖W + s·B·A‖, where the gradient does
//! not go through the norm. Files and names are PEFT's: [`config`], [`adapter`].
//!
//! An embedding is the same on its transpose: Wᵀ is [width, rows] and a token is a one-hot input.

pub mod adapter;
pub mod config;
mod pattern;
mod task;

use tch::{Kind, Tensor};

use super::params::Params;
use super::recording::records_gradients;
pub use adapter::{Adapter, AdapterUse};
use adapter::{DOWN, EMBEDDING_DOWN, EMBEDDING_UP, MAGNITUDE, UP, UP_BIAS};
pub use config::LoraConfig;
pub use task::Task;

/// The addition to one weight [out, in].
pub struct LowRank {
    /// A [r, in].
    pub down: Tensor,
    /// B [out, r].
    pub up: Tensor,
    /// [out], added to the layer's bias with the same scale (`lora_bias`).
    pub up_bias: Option<Tensor>,
    /// m [out] (DoRA).
    pub magnitude: Option<Tensor>,
    /// s.
    pub scale: f64,
    /// Rate of dropout on what A reads, in training. Not with m.
    pub dropout: f64,
}

impl LowRank {
    /// s·B·A [out, in] in f32.
    pub fn delta(&self) -> Tensor {
        self.up.to_kind(Kind::Float).matmul(&self.down.to_kind(Kind::Float)) * self.scale
    }

    /// W′ [out, in] in f32.
    pub fn merged(&self, weight_oi: &Tensor) -> Tensor {
        let sum_oi = weight_oi.to_kind(Kind::Float) + self.delta();
        match &self.magnitude {
            Some(magnitude_o) => &sum_oi * (magnitude_o.to_kind(Kind::Float) / row_norms(&sum_oi)).unsqueeze(1),
            None => sum_oi,
        }
    }

    /// The addition to some of the outputs; `part` takes them from the first dimension.
    pub fn rows(&self, part: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            down: self.down.shallow_clone(),
            up: part(&self.up),
            up_bias: self.up_bias.as_ref().map(&part),
            magnitude: self.magnitude.as_ref().map(&part),
            scale: self.scale,
            dropout: self.dropout,
        }
    }

    /// The bias that belongs to W′, in f32.
    pub fn merged_bias(&self, bias_o: &Tensor) -> Tensor {
        let bias_o = bias_o.to_kind(Kind::Float);
        match &self.up_bias {
            Some(up_bias_o) => bias_o + up_bias_o.to_kind(Kind::Float) * self.scale,
            None => bias_o,
        }
    }

    /// x·W′ᵀ + b without making W′: x [n, in] → [n, out].
    pub fn linear(&self, x_ni: &Tensor, weight_oi: &Tensor, bias_o: Option<&Tensor>) -> Tensor {
        let kind = x_ni.kind();
        let dropped_ni = (self.dropout > 0.0 && records_gradients()).then(|| x_ni.dropout(self.dropout, true));
        let low_nr = dropped_ni.as_ref().unwrap_or(x_ni).linear(&self.down.to_kind(kind), None::<&Tensor>);
        let added_no = low_nr.linear(&(&self.up * self.scale).to_kind(kind), None::<&Tensor>);
        let added_bias_o = self.up_bias.as_ref().map(|bias_o| (bias_o * self.scale).to_kind(kind));
        let out_no = match self.magnitude_ratio(weight_oi) {
            Some(ratio_o) => {
                let out_no =
                    (x_ni.linear(&weight_oi.to_kind(kind), None::<&Tensor>) + added_no) * ratio_o.to_kind(kind);
                match bias_o {
                    Some(bias_o) => out_no + bias_o.to_kind(kind),
                    None => out_no,
                }
            }
            None => x_ni.linear(&weight_oi.to_kind(kind), bias_o.map(|b| b.to_kind(kind)).as_ref()) + added_no,
        };
        match added_bias_o {
            Some(bias_o) => out_no + bias_o,
            None => out_no,
        }
    }

    /// Rows `ids_t` of an embedding [rows, width] with the addition (A [r, rows], B [width, r]): [t, width].
    pub fn embedding(&self, ids_t: &Tensor, weight_vd: &Tensor) -> Tensor {
        let rows_td = Tensor::embedding(weight_vd, ids_t, -1, false, false);
        let low_tr = Tensor::embedding(&self.down.tr(), ids_t, -1, false, false);
        let sum_td = rows_td + low_tr.linear(&(&self.up * self.scale), None::<&Tensor>);
        match self.magnitude_ratio(&weight_vd.tr()) {
            Some(ratio_d) => sum_td * ratio_d,
            None => sum_td,
        }
    }

    /// m / ‖W + s·B·A‖ [out]; the norm is a constant to the gradient.
    fn magnitude_ratio(&self, weight_oi: &Tensor) -> Option<Tensor> {
        let magnitude_o = self.magnitude.as_ref()?;
        let norms_o = tch::no_grad(|| row_norms(&(weight_oi.to_kind(Kind::Float) + self.delta())));
        Some(magnitude_o.to_kind(Kind::Float) / norms_o)
    }
}

/// A model's parameters with everything that is kept apart merged: those of an ordinary checkpoint.
pub fn merged(params: &Params, config: &LoraConfig) -> Result<Params, String> {
    let mut whole: Params = params.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    for name in params.keys() {
        let linear = name.strip_suffix(DOWN).map(|module| (module, DOWN, UP, false));
        let embedding = || name.strip_suffix(EMBEDDING_DOWN).map(|module| (module, EMBEDDING_DOWN, EMBEDDING_UP, true));
        let Some((module, down, up, transposed)) = linear.or_else(embedding) else { continue };
        let mut taken = |part: &str| whole.remove(&format!("{module}{part}"));
        let (Some(down), Some(up)) = (taken(down), taken(up)) else {
            return Err(format!("`{name}` has no counterpart"));
        };
        let (up_bias, magnitude) = (taken(UP_BIAS), taken(MAGNITUDE));
        let scale = config.scale(config.key(module.trim_end_matches('.')))?;
        let low_rank = LowRank { down, up, up_bias, magnitude, scale, dropout: 0.0 };
        if let Some(weight) = whole.get_mut(&format!("{module}weight")) {
            let kind = weight.kind();
            let merged = match transposed {
                true => low_rank.merged(&weight.tr()).tr().contiguous(),
                false => low_rank.merged(weight),
            };
            *weight = merged.to_kind(kind);
        }
        match (whole.get_mut(&format!("{module}bias")), &low_rank.up_bias) {
            (Some(bias), Some(_)) => *bias = low_rank.merged_bias(bias).to_kind(bias.kind()),
            (None, Some(_)) => return Err(format!("`{module}{UP_BIAS}` has no bias to be merged into")),
            (_, None) => {}
        }
    }
    Ok(whole)
}

/// ‖row‖ of [out, in]: [out].
pub fn row_norms(weight_oi: &Tensor) -> Tensor {
    weight_oi.square().sum_dim_intlist(1, false, Kind::Float).sqrt()
}
