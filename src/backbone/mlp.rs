//! The gated MLP of decoders: down(act(gate(x)) ∘ up(x)), or a mixture of several.

use tch::Tensor;

use super::block::by_hand::Plain;
use super::config::names::{Gate, MlpNames};
use super::config::{Activation, DecoderConfig};
use super::experts::Experts;
use super::layers::{Linear, activate};
use super::params::{ParamError, ParamSource};
use super::row_kernels;

/// What stands in a decoder's layer beside attention.
pub enum Mlp {
    Gated(GatedMlp),
    Experts(Experts),
}

impl Mlp {
    /// Names stand after `prefix`.
    pub fn new(
        source: &mut ParamSource,
        prefix: &str,
        config: &DecoderConfig,
        shape: MlpShape,
    ) -> Result<Self, ParamError> {
        Ok(match (config.names.experts, config.experts) {
            (Some(names), Some(experts)) => Mlp::Experts(Experts::new(source, prefix, &names, experts, config, shape)?),
            _ => Mlp::Gated(GatedMlp::new(source, prefix, &config.names.mlp, shape, config.act)?),
        })
    }

    /// [t, d] → [t, d].
    pub fn forward(&self, x_td: &Tensor) -> Tensor {
        match self {
            Mlp::Gated(mlp) => mlp.forward(x_td),
            Mlp::Experts(experts) => experts.forward(x_td),
        }
    }
}

pub struct GatedMlp {
    gate: GateLayers,
    down: Linear,
    act: Activation,
}

enum GateLayers {
    Separate { gate: Linear, up: Linear },
    Joined(Linear),
}

/// Sizes of an MLP.
#[derive(Debug, Clone, Copy)]
pub struct MlpShape {
    pub width: i64,
    pub inner: i64,
    pub bias: bool,
    /// Standard deviation of drawn matrices.
    pub std: f64,
}

impl GatedMlp {
    /// Names stand after `prefix`.
    pub fn new(
        source: &mut ParamSource,
        prefix: &str,
        names: &MlpNames,
        shape: MlpShape,
        act: Activation,
    ) -> Result<Self, ParamError> {
        let MlpShape { width, inner, bias, std } = shape;
        let mut inward = |name: &str, out: i64| Linear::new(source, &format!("{prefix}{name}"), out, width, bias, std);
        let gate = match names.gate {
            Gate::Separate { gate, up } => GateLayers::Separate { gate: inward(gate, inner)?, up: inward(up, inner)? },
            Gate::Joined(name) => GateLayers::Joined(inward(name, 2 * inner)?),
        };
        let down = Linear::new(source, &format!("{prefix}{}", names.down), width, inner, bias, std)?;
        Ok(Self { gate, down, act })
    }

    /// Gate, up and down and the activation, where gate and up are matrices of their own.
    pub fn plain(&self) -> Option<([Plain<'_>; 3], Activation)> {
        match &self.gate {
            GateLayers::Separate { gate, up } => Some(([gate.plain()?, up.plain()?, self.down.plain()?], self.act)),
            GateLayers::Joined(_) => None,
        }
    }

    /// [t, d] → [t, d].
    pub fn forward(&self, x_td: &Tensor) -> Tensor {
        let (gate_tf, up_tf) = match &self.gate {
            GateLayers::Separate { gate, up } => (gate.forward(x_td), up.forward(x_td)),
            GateLayers::Joined(both) => {
                let halves = both.forward(x_td).chunk(2, -1);
                (halves[0].shallow_clone(), halves[1].shallow_clone())
            }
        };
        let inner_tf = row_kernels::gated(self.act, &gate_tf, &up_tf);
        self.down.forward(&inner_tf.unwrap_or_else(|| activate(self.act, &gate_tf) * up_tf))
    }
}
