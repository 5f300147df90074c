//! Parameters by their Hugging Face names, taken from a checkpoint or drawn at random, strictly.
//!
//! Building a model asks for every tensor by name and shape. Afterwards [`ParamSource::finish`]
//! refuses a checkpoint that held tensors nobody asked for: both a missing and an unused tensor are
//! errors that name it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::f64::consts::TAU;

use rand::RngExt;
use tch::{Device, Kind, Tensor};

use super::config::ModelType;
use super::weights::{Checkpoint, WeightsError};
use crate::random;

/// All tensors of a model by name, in name order.
pub type Params = BTreeMap<String, Tensor>;

#[derive(Debug, thiserror::Error)]
pub enum ParamError {
    #[error("the checkpoint has no tensor `{name}` (shape {shape:?})")]
    Missing { name: String, shape: Vec<i64> },
    #[error("tensor `{name}` should have shape {expected:?}, the checkpoint has {found:?}")]
    Shape { name: String, expected: Vec<i64>, found: Vec<i64> },
    #[error("the checkpoint holds tensors this architecture does not use: {}", names.join(", "))]
    Unused { names: Vec<String> },
    #[error("tensor `{name}` is asked for twice")]
    Twice { name: String },
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// How a tensor that is not in a checkpoint begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    Normal(f64),
    Ones,
    Zeros,
}

/// Where tensors come from while a model is built.
pub struct ParamSource {
    checkpoint: Option<Checkpoint>,
    /// In front of backbone names in the model.
    prefix: &'static str,
    /// What stands there in the checkpoint; nothing in a bare backbone's.
    stored_prefix: &'static str,
    /// Beginnings of names that are no part of the model.
    foreign: &'static [&'static str],
    seed: u64,
    device: Device,
    kind: Kind,
    params: Params,
    drawn: Vec<String>,
}

impl ParamSource {
    /// Every tensor drawn at random from its own stream of `seed`, so that none depends on the order.
    pub fn random(seed: u64, device: Device) -> Self {
        Self {
            checkpoint: None,
            prefix: "",
            stored_prefix: "",
            foreign: &[],
            seed,
            device,
            kind: Kind::Float,
            params: Params::new(),
            drawn: Vec::new(),
        }
    }

    /// Tensors of a checkpoint, converted to `kind`. Which type the model has says what its checkpoints put
    /// before backbone names (`bert.`, `model.`), which bare backbones leave out, and what else they hold.
    pub fn checkpoint(checkpoint: Checkpoint, model_type: ModelType, seed: u64, device: Device, kind: Kind) -> Self {
        let prefixes = model_type.stored_prefixes().iter();
        let stored = prefixes.copied().find(|prefix| checkpoint.names().any(|name| name.starts_with(prefix)));
        let mut source = Self::random(seed, device);
        source.checkpoint = Some(checkpoint);
        source.prefix = model_type.prefix();
        source.stored_prefix = stored.unwrap_or("");
        source.foreign = model_type.foreign_tensors();
        source.kind = kind;
        source
    }

    /// A tensor that must be there (or is drawn where there is no checkpoint at all).
    pub fn take(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ParamError> {
        self.take_as(name, shape, init, self.kind, false)
    }

    /// A tensor of the reward head: kept in f32 whatever the backbone's kind, and drawn where the
    /// checkpoint lacks it; [`Finished::drawn`] then names it.
    pub fn take_head(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ParamError> {
        self.take_as(name, shape, init, Kind::Float, true)
    }

    fn take_as(
        &mut self,
        name: &str,
        shape: &[i64],
        init: Init,
        kind: Kind,
        optional: bool,
    ) -> Result<Tensor, ParamError> {
        if self.params.contains_key(name) {
            return Err(ParamError::Twice { name: name.to_owned() });
        }
        let stored_name = self.stored_name(name);
        let stored = match &mut self.checkpoint {
            Some(checkpoint) => checkpoint.take(&stored_name)?,
            None => None,
        };
        let tensor = match stored {
            Some(tensor) if tensor.size() == shape => tensor.to_device(self.device).to_kind(kind),
            Some(tensor) => {
                let found = tensor.size();
                return Err(ParamError::Shape { name: stored_name.into_owned(), expected: shape.to_vec(), found });
            }
            None if self.checkpoint.is_some() && !optional => {
                return Err(ParamError::Missing { name: stored_name.into_owned(), shape: shape.to_vec() });
            }
            None => {
                self.drawn.push(name.to_owned());
                draw(name, shape, init, self.seed).to_device(self.device).to_kind(kind)
            }
        };
        self.params.insert(name.to_owned(), tensor.shallow_clone());
        Ok(tensor)
    }

    /// What a tensor is called in the checkpoint.
    fn stored_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match name.strip_prefix(self.prefix) {
            Some(rest) if self.prefix != self.stored_prefix => Cow::Owned(format!("{}{rest}", self.stored_prefix)),
            _ => Cow::Borrowed(name),
        }
    }

    /// The parameters, once everything has been asked for.
    pub fn finish(self) -> Result<Finished, ParamError> {
        if let Some(checkpoint) = &self.checkpoint {
            let ignored = |name: &str| ignorable(name) || self.foreign.iter().any(|begin| name.starts_with(begin));
            let names: Vec<String> = checkpoint.untaken().filter(|name| !ignored(name)).map(str::to_owned).collect();
            if !names.is_empty() {
                return Err(ParamError::Unused { names });
            }
        }
        Ok(Finished { params: self.params, drawn: self.drawn })
    }
}

/// What building a model took.
pub struct Finished {
    pub params: Params,
    /// Names of tensors that were drawn at random.
    pub drawn: Vec<String>,
}

/// Tensors that checkpoints carry and a reward model has no use for: buffers, and the heads of the
/// language model that a backbone came from.
fn ignorable(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq")
        || name.ends_with("embeddings.position_ids")
        || name.ends_with(".attn.masked_bias")
        || name == "lm_head.weight"
        || name.starts_with("lm_head.")
        || name.starts_with("cls.predictions.")
        || name.starts_with("cls.seq_relationship.")
        // DeBERTa's, and absolute positions that its configuration has switched off.
        || name.starts_with("lm_predictions.")
        || name.starts_with("mask_predictions.")
        || name.ends_with("embeddings.position_embeddings.weight")
        // ModernBERT's.
        || name == "decoder.weight"
        || name == "decoder.bias"
}

/// A tensor on the CPU in f32, a function of (seed, name, shape) alone.
fn draw(name: &str, shape: &[i64], init: Init, seed: u64) -> Tensor {
    match init {
        Init::Ones => Tensor::ones(shape, (Kind::Float, Device::Cpu)),
        Init::Zeros => Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
        Init::Normal(std) => {
            let n = shape.iter().product::<i64>().max(0) as usize;
            let mut rng = random::stream(seed, "init", name);
            let mut values = Vec::with_capacity(n + 1);
            while values.len() < n {
                // Box–Muller: two uniforms give two independent normals.
                let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * std;
                let angle = TAU * rng.random::<f64>();
                values.push((radius * angle.cos()) as f32);
                values.push((radius * angle.sin()) as f32);
            }
            Tensor::from_slice(&values[..n]).reshape(shape)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tensors_have_the_asked_spread_and_do_not_depend_on_order() {
        let mut one = ParamSource::random(3, Device::Cpu);
        let a = one.take("a", &[300, 200], Init::Normal(0.02)).unwrap();
        let mut two = ParamSource::random(3, Device::Cpu);
        let _ = two.take("b", &[5], Init::Normal(0.02)).unwrap();
        let again = two.take("a", &[300, 200], Init::Normal(0.02)).unwrap();
        assert_eq!(a, again);
        let std = a.std(true).double_value(&[]);
        assert!((std - 0.02).abs() < 2e-4, "{std}");
        assert!(a.mean(Kind::Float).double_value(&[]).abs() < 5e-4);
    }

    #[test]
    fn asking_twice_is_refused() {
        let mut source = ParamSource::random(0, Device::Cpu);
        let _ = source.take("a", &[1], Init::Ones).unwrap();
        assert!(matches!(source.take("a", &[1], Init::Ones), Err(ParamError::Twice { .. })));
    }
}
