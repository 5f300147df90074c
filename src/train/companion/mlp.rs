//! A small network of linear layers with GELU between them, trained beside the model.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::backbone::params::Params;
use crate::random;

/// Weights `N.weight` [out, in] and biases `N.bias` [out], N from 0.
pub struct Mlp {
    pub params: Params,
    depth: usize,
}

impl Mlp {
    /// Uniform in ±1/√in, as PyTorch begins linear layers; a function of the seed.
    pub fn new(widths: &[i64], seed: u64, device: Device) -> Self {
        let mut params = BTreeMap::new();
        for (index, sides) in widths.windows(2).enumerate() {
            let (from, to) = (sides[0], sides[1]);
            let bound = 1.0 / (from as f64).sqrt();
            for (name, shape) in [("weight", vec![to, from]), ("bias", vec![to])] {
                let name = format!("{index}.{name}");
                let key = random::uniform(seed, "critic", &name);
                tch::manual_seed((key * (1u64 << 53) as f64) as i64);
                let drawn = Tensor::rand(shape, (Kind::Float, Device::Cpu)) * (2.0 * bound) - bound;
                params.insert(name, drawn.to_device(device).set_requires_grad(true));
            }
        }
        Self { params: params.into_iter().collect(), depth: widths.len() - 1 }
    }

    /// [n, in] → [n].
    pub fn forward(&self, x_nd: &Tensor) -> Tensor {
        let mut x = x_nd.shallow_clone();
        for index in 0..self.depth {
            let [weight, bias] = ["weight", "bias"].map(|part| &self.params[&format!("{index}.{part}")]);
            x = x.linear(weight, Some(bias));
            if index + 1 < self.depth {
                x = x.gelu("none");
            }
        }
        x.squeeze_dim(-1)
    }
}
