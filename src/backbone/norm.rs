//! Norms of decoders. The quotient is computed in f32 whatever the working kind; where no gradients are recorded
//! on a CPU, everything is, and rounded once.

use tch::{Kind, Tensor};

use super::config::NormKind;
use super::layers::in_kind;
use super::params::{Init, ParamError, ParamSource};
use super::recording::may_leave_libtorch;
use super::row_kernels::{self, Rms};

/// A norm over the last dimension.
pub struct Norm {
    /// [d], or [h, k] where each head has weights of its own.
    weight: Tensor,
    eps: f64,
    kind: NormKind,
}

impl Norm {
    pub fn new(
        source: &mut ParamSource,
        name: &str,
        shape: &[i64],
        eps: f64,
        kind: NormKind,
    ) -> Result<Self, ParamError> {
        let init = if kind == NormKind::RmsOffset { Init::Zeros } else { Init::Ones };
        Ok(Self { weight: source.take(&format!("{name}.weight"), shape, init)?, eps, kind })
    }

    /// How many numbers it runs over.
    pub fn width(&self) -> i64 {
        self.weight.size().last().copied().unwrap_or(1)
    }

    /// As it is stored.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Whether it divides by the root of a mean square, with one weight for each number.
    pub fn is_rms(&self) -> bool {
        self.kind != NormKind::Mean && self.weight.dim() == 1
    }

    /// What multiplies, in f32, and epsilon.
    pub fn numbers(&self) -> (Tensor, f64) {
        let weight = self.weight.to_kind(Kind::Float);
        (if self.kind == NormKind::RmsOffset { weight + 1.0 } else { weight }, self.eps)
    }

    /// Weights in f32 and epsilon, where kernels have such a norm and take numbers like these.
    pub fn rms(&self, x: &Tensor) -> Option<(Tensor, f64)> {
        if !may_leave_libtorch(x.device(), x.kind()) {
            return None;
        }
        (self.kind != NormKind::Mean).then(|| self.numbers())
    }

    /// x + y and its norm, both [t, d].
    pub fn forward_sum(&self, x_td: &Tensor, y_td: &Tensor) -> (Tensor, Tensor) {
        let by_kernel = || {
            let (weight, eps) = self.rms(x_td).filter(|_| self.weight.dim() == 1)?;
            row_kernels::sum_and_norm(x_td, y_td, Rms { weight: &weight, eps })
        };
        by_kernel().unwrap_or_else(|| {
            let sum_td = x_td + y_td;
            let normed_td = self.forward(&sum_td);
            (sum_td, normed_td)
        })
    }

    /// [..., d] → [..., d] in the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let by_kernel = || {
            let (weight, eps) = self.rms(x).filter(|_| self.weight.dim() == 1 && x.dim() == 2)?;
            row_kernels::rms_norm(x, Rms { weight: &weight, eps })
        };
        by_kernel().unwrap_or_else(|| self.by_libtorch(x))
    }

    fn by_libtorch(&self, x: &Tensor) -> Tensor {
        let working = x.kind();
        let wide = if working == Kind::Double { working } else { Kind::Float };
        let factor = |kind: Kind| {
            let weight = in_kind(&self.weight, kind);
            if self.kind == NormKind::RmsOffset { weight + 1.0 } else { weight }
        };
        if working == wide && self.weight.dim() == 1 {
            let size = self.weight.size();
            return match self.kind {
                NormKind::Mean => x.layer_norm(size, Some(&factor(wide)), None::<&Tensor>, self.eps, false),
                _ => x.rms_norm(size, Some(&factor(wide)), self.eps),
            };
        }
        let quotient = self.quotient(&x.to_kind(wide));
        match self.kind {
            NormKind::Rms => quotient.to_kind(working) * factor(working),
            _ => (quotient * factor(wide)).to_kind(working),
        }
    }

    fn quotient(&self, x: &Tensor) -> Tensor {
        if self.kind == NormKind::Mean {
            return x.layer_norm([self.width()], None::<&Tensor>, None::<&Tensor>, self.eps, false);
        }
        let mean_square = x.square().mean_dim(-1, true, x.kind());
        x * (mean_square + self.eps).rsqrt()
    }
}
