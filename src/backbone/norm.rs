//! Norms of decoders. The quotient is computed in f32 whatever the working kind.

use tch::{Kind, Tensor};

use super::config::NormKind;
use super::layers::in_kind;
use super::params::{Init, ParamError, ParamSource};

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

    /// [..., d] → [..., d] in the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
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
