//! The layers of a head, one after another.

use tch::Tensor;

use super::HeadInit;
use crate::backbone::config::{Activation, BackboneConfig};
use crate::backbone::layers::{LayerNorm, Linear, activate};
use crate::backbone::params::{Init, ParamError, ParamSource};

/// A distance has no slope at 0.
const NO_SLOPE: f64 = 1e-12;

/// One step of a head.
pub(super) enum Layer {
    Linear(Linear),
    /// x·Wᵀ with a weight [out, in] that has no layer of its own in the checkpoint.
    Weight(Tensor),
    Pointwise(fn(&Tensor) -> Tensor),
    Activation(Activation),
    LayerNorm(LayerNorm),
    BatchNorm(BatchNorm),
    /// c · tanh(x / c).
    SoftCap(f64),
    /// −‖x − point‖ [n, 1].
    Distance(Tensor),
}

/// Batch normalisation as it is at evaluation: (x − mean) / √(variance + ε) · w + b, with stored mean and
/// variance.
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    /// PyTorch's default.
    const EPS: f64 = 1e-5;

    fn new(source: &mut ParamSource, name: &str, width: i64) -> Result<Self, ParamError> {
        let at = |part: &str| format!("{name}.{part}");
        let norm = Self {
            weight: source.take_head(&at("weight"), &[width], Init::Ones)?,
            bias: source.take_head(&at("bias"), &[width], Init::Zeros)?,
            mean: source.take_head(&at("running_mean"), &[width], Init::Zeros)?,
            variance: source.take_head(&at("running_var"), &[width], Init::Ones)?,
        };
        if source.stored_shape(&at("num_batches_tracked")).is_some() {
            let _count = source.take_buffer(&at("num_batches_tracked"), &[])?;
        }
        Ok(norm)
    }

    fn forward(&self, x_nc: &Tensor) -> Tensor {
        let kind = x_nc.kind();
        let scale = (self.variance.to_kind(kind) + Self::EPS).rsqrt() * self.weight.to_kind(kind);
        (x_nc - self.mean.to_kind(kind)) * scale + self.bias.to_kind(kind)
    }
}

fn through(layers: &[Layer], x: &Tensor) -> Tensor {
    layers.iter().fold(x.shallow_clone(), |x, layer| match layer {
        Layer::Linear(linear) => linear.forward(&x),
        Layer::Weight(weight) => x.linear::<Tensor>(&weight.to_kind(x.kind()), None),
        Layer::Pointwise(function) => function(&x),
        Layer::Activation(act) => activate(*act, &x),
        Layer::LayerNorm(norm) => norm.forward(&x),
        Layer::BatchNorm(norm) => norm.forward(&x),
        Layer::SoftCap(cap) => (x / *cap).tanh() * *cap,
        Layer::Distance(point) => {
            let kind = x.kind();
            -((x - point.to_kind(kind)).square().sum_dim_intlist(1, true, kind) + NO_SLOPE).sqrt()
        }
    })
}

/// Layers in order.
pub(super) struct Stack(pub Vec<Layer>);

impl Stack {
    /// [n, in] → [n, out], in the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        through(&self.0, x)
    }

    /// What the last layer with weights is given.
    pub fn before_last(&self, x: &Tensor) -> Tensor {
        let last = self.0.iter().rposition(|layer| matches!(layer, Layer::Linear(_) | Layer::Weight(_)));
        through(&self.0[..last.unwrap_or(0)], x)
    }

    /// Linear layers `NAME.i` for every i the checkpoint has, `between` after each but the last; batch
    /// normalisation where a `NAME.i` holds running means. Widths are the checkpoint's.
    pub fn sequence(
        source: &mut ParamSource,
        name: &str,
        width: i64,
        between: fn(&Tensor) -> Tensor,
    ) -> Result<Self, ParamError> {
        let indices = indices(source, name);
        let shape = |source: &ParamSource, i: usize| source.stored_shape(&format!("{name}.{i}.weight"));
        let last = indices.iter().copied().filter(|&i| shape(source, i).is_some_and(|s| s.len() == 2)).max();
        let (mut layers, mut width) = (Vec::new(), width);
        for index in indices {
            let at = format!("{name}.{index}");
            if source.stored_shape(&format!("{at}.running_mean")).is_some() {
                layers.push(Layer::BatchNorm(BatchNorm::new(source, &at, width)?));
                continue;
            }
            let out = shape(source, index).and_then(|shape| shape.first().copied()).unwrap_or(1);
            layers.push(Layer::Linear(linear(source, &at, out, width, Init::Zeros)?));
            if Some(index) != last {
                layers.push(Layer::Pointwise(between));
            }
            width = out;
        }
        Ok(Self(layers))
    }

    /// `NAME.0`, ReLU, `NAME.2` as drawn for training.
    pub fn drawn_mlp(
        config: &BackboneConfig,
        init: HeadInit,
        source: &mut ParamSource,
        name: &str,
    ) -> Result<Self, ParamError> {
        let inits = [Init::Normal(config.initializer_range), init.of(config)];
        let names = [&*format!("{name}.0"), &*format!("{name}.2")];
        Self::of_two(source, names, Layer::Pointwise(Tensor::relu), [config.hidden, 1], inits)
    }

    /// Two linear layers with biases: [n, width] → `between` → [n, labels].
    pub fn of_two(
        source: &mut ParamSource,
        [inner, outer]: [&str; 2],
        between: Layer,
        [width, labels]: [i64; 2],
        [init_inner, init_outer]: [Init; 2],
    ) -> Result<Self, ParamError> {
        Ok(Self(vec![
            Layer::Linear(Linear::head(source, inner, width, width, true, init_inner)?),
            between,
            Layer::Linear(Linear::head(source, outer, labels, width, true, init_outer)?),
        ]))
    }
}

/// A linear layer with a bias where the checkpoint has one.
pub(super) fn linear(
    source: &mut ParamSource,
    name: &str,
    out: i64,
    width: i64,
    init: Init,
) -> Result<Linear, ParamError> {
    let bias = source.stored_shape(&format!("{name}.bias")).is_some();
    Linear::head(source, name, out, width, bias, init)
}

/// Rows of a stored weight.
pub(super) fn rows(source: &ParamSource, name: &str) -> Option<i64> {
    source.stored_shape(&format!("{name}.weight")).and_then(|shape| shape.first().copied())
}

/// The numbers i of stored tensors `NAME.i.…`, ascending.
pub(super) fn indices(source: &ParamSource, name: &str) -> Vec<usize> {
    let index = |stored: &String| stored.strip_prefix(name)?.strip_prefix('.')?.split('.').next()?.parse().ok();
    let mut found: Vec<usize> = source.left().iter().filter_map(index).collect();
    found.sort_unstable();
    found.dedup();
    found
}
