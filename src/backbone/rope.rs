//! Rotary position embeddings: frequencies from `config.json`, cosines and sines per batch.
//!
//! Frequency i of head width k is θ^(−2i/k); scaling variants change the frequencies only.
//! Reads both the v4 keys (`rope_theta`, `rope_scaling`) and the v5 one (`rope_parameters`).

use std::f64::consts::PI;

use serde_json::Value;
use tch::{Kind, Tensor};

use super::config::ConfigError;

/// Inverse frequencies, already scaled: k / 2 of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    pub frequencies: Vec<f64>,
}

impl Rope {
    pub fn parse(config: &Value, head_dim: i64) -> Result<Self, ConfigError> {
        if head_dim < 2 || head_dim % 2 != 0 {
            return Err(ConfigError::Unsupported(format!("head width {head_dim} cannot be rotated: it must be even")));
        }
        let parameters =
            ["rope_parameters", "rope_scaling"].iter().find_map(|k| config.get(k).filter(|v| v.is_object()));
        let number = |key: &str| parameters.and_then(|p| p.get(key)).and_then(Value::as_f64);
        let theta =
            number("rope_theta").or_else(|| config.get("rope_theta").and_then(Value::as_f64)).unwrap_or(10_000.0);
        let half = (head_dim / 2) as usize;
        let plain: Vec<f64> = (0..half).map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64)).collect();
        let kind = parameters.and_then(|p| p.get("rope_type").or_else(|| p.get("type"))).and_then(Value::as_str);
        let need = |key: &'static str| {
            number(key).ok_or_else(|| ConfigError::Unsupported(format!("rope scaling lacks the number `{key}`")))
        };
        let frequencies = match kind.unwrap_or("default") {
            "default" => plain,
            "linear" => {
                let factor = need("factor")?;
                plain.into_iter().map(|f| f / factor).collect()
            }
            "llama3" => {
                let (factor, low, high) = (need("factor")?, need("low_freq_factor")?, need("high_freq_factor")?);
                let original = need("original_max_position_embeddings")?;
                plain.into_iter().map(|f| llama3(f, factor, low, high, original)).collect()
            }
            other => {
                let text = format!("rope type `{other}` is not supported; known: default, linear, llama3");
                return Err(ConfigError::Unsupported(text));
            }
        };
        Ok(Self { frequencies })
    }

    /// Cosines and sines for the given positions, each [t, k], computed in f32 and cast to `kind`.
    pub fn tables(&self, positions: &Tensor, kind: Kind) -> (Tensor, Tensor) {
        // f32 from here on, as the reference does: its angles carry f32 rounding.
        let frequencies: Vec<f32> = self.frequencies.iter().map(|&f| f as f32).collect();
        let frequencies = Tensor::from_slice(&frequencies).to_device(positions.device());
        let angles_tk = positions.to_kind(Kind::Float).unsqueeze(1) * frequencies.unsqueeze(0);
        let angles_tk = Tensor::cat(&[&angles_tk, &angles_tk], 1);
        (angles_tk.cos().to_kind(kind), angles_tk.sin().to_kind(kind))
    }
}

/// Llama 3.1's rule: long wavelengths are stretched by `factor`, short ones kept, a ramp between.
fn llama3(frequency: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wavelength = 2.0 * PI / frequency;
    if wavelength < original / high {
        frequency
    } else if wavelength > original / low {
        frequency / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

/// Rotates first-half / second-half pairs: x·cos + [−x₂, x₁]·sin. `x_thk` is [t, h, k].
pub fn rotate(x_thk: &Tensor, cos_tk: &Tensor, sin_tk: &Tensor) -> Tensor {
    let halves = x_thk.chunk(2, -1);
    let turned = Tensor::cat(&[&halves[1].neg(), &halves[0]], -1);
    x_thk * cos_tk.unsqueeze(1) + turned * sin_tk.unsqueeze(1)
}
