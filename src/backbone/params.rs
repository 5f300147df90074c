//! Parameters by their Hugging Face names, taken from a checkpoint or drawn at random, strictly.
//!
//! Building a model asks for every tensor by name and shape. Afterwards [`ParamSource::finish`]
//! refuses a checkpoint that held tensors nobody asked for: both a missing and an unused tensor are
//! errors that name it. What an adapter adds is taken along: [`adapted`].

mod adapted;
mod known;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::path::PathBuf;

use rand::RngExt;
use tch::{Device, Kind, Tensor};

use super::config::ModelType;
use super::lora::{Adapter, LoraConfig};
use super::weights::{Checkpoint, Stored, WeightsError};
use crate::random;
pub use adapted::{EmbeddingParams, LinearParams};

/// All tensors of a model by name, in name order.
pub type Params = BTreeMap<String, Tensor>;

#[derive(Debug, thiserror::Error)]
pub enum ParamError {
    #[error("`{}` has no tensor `{name}` (shape {shape:?})", place.display())]
    Missing { name: String, shape: Vec<i64>, place: PathBuf },
    #[error("tensor `{name}` should have shape {expected:?}, `{}` has {found:?}", place.display())]
    Shape { name: String, expected: Vec<i64>, found: Vec<i64>, place: PathBuf },
    #[error("tensor `{name}` in `{}` has element type {found}; weights are read in F32, F16 and BF16, so convert the checkpoint first", place.display())]
    Kind { name: String, found: String, place: PathBuf },
    #[error("`{}` holds tensors this architecture does not use: {}", place.display(), names.join(", "))]
    Unused { names: Vec<String>, place: PathBuf },
    #[error("tensor `{name}` is asked for twice")]
    Twice { name: String },
    #[error("`{}`: {problem}", place.display())]
    Adapter { problem: String, place: PathBuf },
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl ParamError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ParamError::Missing { .. } | ParamError::Shape { .. } | ParamError::Unused { .. } => {
                Some("the weights do not fit config.json: both must be of one model, and the checkpoint whole")
            }
            ParamError::Weights(error) => error.hint(),
            _ => None,
        }
    }
}

/// How a tensor that is not in a checkpoint begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    Normal(f64),
    /// Between −bound and bound.
    Uniform(f64),
    Ones,
    Zeros,
}

/// Where tensors come from while a model is built: an adapter first, then a checkpoint, then chance.
pub struct ParamSource {
    checkpoint: Option<Checkpoint>,
    pub(super) adapter: Option<Adapter>,
    /// In front of backbone names in the model.
    prefix: &'static str,
    /// What stands there in the checkpoint; nothing in a bare backbone's.
    stored_prefix: &'static str,
    /// Beginnings of names that are no part of the model.
    foreign: &'static [&'static str],
    seed: u64,
    pub(super) device: Device,
    pub(super) kind: Kind,
    params: Params,
    drawn: Vec<String>,
    mapped: BTreeSet<String>,
    replaced_rows: bool,
}

/// What to do about a tensor that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub init: Init,
    pub kind: Kind,
    /// Drawn where the checkpoint lacks it.
    pub optional: bool,
    /// Rows by token, which adapters may bring unasked.
    pub embedding: bool,
}

impl ParamSource {
    /// Every tensor drawn at random from its own stream of `seed`, so that none depends on the order.
    pub fn random(seed: u64, device: Device) -> Self {
        Self {
            checkpoint: None,
            adapter: None,
            prefix: "",
            stored_prefix: "",
            foreign: &[],
            seed,
            device,
            kind: Kind::Float,
            params: Params::new(),
            drawn: Vec::new(),
            mapped: BTreeSet::new(),
            replaced_rows: false,
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

    /// The same with an adapter over it.
    pub fn adapted(mut self, adapter: Option<Adapter>) -> Self {
        self.adapter = adapter.map(|adapter| adapter.within(self.prefix));
        self
    }

    /// A tensor that must be there (or is drawn where there is no checkpoint at all).
    pub fn take(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ParamError> {
        self.take_as(name, shape, Wanted { init, kind: self.kind, optional: false, embedding: false })
    }

    /// A tensor of the reward head: kept in f32 whatever the backbone's kind, and drawn where the
    /// checkpoint lacks it; [`Finished::drawn`] then names it.
    pub fn take_head(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ParamError> {
        self.take_as(name, shape, Wanted { init, kind: Kind::Float, optional: true, embedding: false })
    }

    pub(super) fn take_as(&mut self, name: &str, shape: &[i64], wanted: Wanted) -> Result<Tensor, ParamError> {
        let tensor = self.fetch(name, shape, wanted)?;
        self.keep(name, tensor)
    }

    /// Makes a tensor a parameter of the model.
    pub(super) fn keep(&mut self, name: &str, tensor: Tensor) -> Result<Tensor, ParamError> {
        match self.params.insert(name.to_owned(), tensor.shallow_clone()) {
            Some(_) => Err(ParamError::Twice { name: name.to_owned() }),
            None => Ok(tensor),
        }
    }

    /// The tensor without making it a parameter.
    pub(super) fn fetch(&mut self, name: &str, shape: &[i64], wanted: Wanted) -> Result<Tensor, ParamError> {
        let stored_name = self.stored_name(name).into_owned();
        let stored_name = stored_name.as_str();
        if let Some(tensor) = self.brought_by_adapter(name, shape, wanted)? {
            if let Some(checkpoint) = &mut self.checkpoint {
                checkpoint.skip(stored_name);
            }
            return Ok(tensor);
        }
        let Wanted { init, kind, .. } = wanted;
        if let Some(checkpoint) = &mut self.checkpoint {
            if let Some(stored) = checkpoint.stored(stored_name) {
                fits(stored_name, &stored, shape)?;
                if let Some(loaded) = checkpoint.load(stored_name, kind, self.device)? {
                    if loaded.mapped {
                        self.mapped.insert(name.to_owned());
                    }
                    return Ok(loaded.tensor);
                }
            }
            if !wanted.optional {
                let place = checkpoint.place().to_owned();
                return Err(ParamError::Missing { name: stored_name.to_owned(), shape: shape.to_vec(), place });
            }
        }
        self.drawn.push(name.to_owned());
        Ok(self.draw(name, shape, init, kind))
    }

    /// A tensor drawn from its own stream.
    pub(super) fn draw(&self, name: &str, shape: &[i64], init: Init, kind: Kind) -> Tensor {
        draw(name, shape, init, self.seed).to_device(self.device).to_kind(kind)
    }

    /// A tensor that is no parameter (running means, counts): as it is stored, drawn as zeros.
    pub fn take_buffer(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ParamError> {
        let stored_name = self.stored_name(name).into_owned();
        let found = self.checkpoint.as_mut().map(|checkpoint| checkpoint.take(&stored_name)).transpose()?.flatten();
        let place = self.checkpoint.as_ref().map(|checkpoint| checkpoint.place().to_owned()).unwrap_or_default();
        let tensor = match found {
            Some(tensor) if tensor.size() == shape => tensor.to_device(self.device),
            Some(tensor) => {
                let (name, found) = (stored_name, tensor.size());
                return Err(ParamError::Shape { name, expected: shape.to_vec(), found, place });
            }
            None if self.checkpoint.is_some() => {
                return Err(ParamError::Missing { name: stored_name, shape: shape.to_vec(), place });
            }
            None => Tensor::zeros(shape, (Kind::Float, self.device)),
        };
        self.keep(name, tensor)
    }

    /// One row of a stored matrix [_, width] as a tensor [1, width] of the reward head, by another name;
    /// `None` where the checkpoint has no such matrix or the matrix no such row.
    pub fn take_head_row(
        &mut self,
        stored: &str,
        row: i64,
        name: &str,
        width: i64,
    ) -> Result<Option<Tensor>, ParamError> {
        let Some(checkpoint) = &mut self.checkpoint else { return Ok(None) };
        let Some(found) = checkpoint.stored(stored) else { return Ok(None) };
        let Some(tensor) = checkpoint.take_row(stored, row)? else { return Ok(None) };
        if tensor.size() != [1, width] {
            let expected = vec![found.shape.first().copied().unwrap_or(1), width];
            let (found, place) = (found.shape, found.path);
            return Err(ParamError::Shape { name: stored.to_owned(), expected, found, place });
        }
        self.keep_head(name, tensor).map(Some)
    }

    /// A tensor of the reward head that was made from others.
    pub fn keep_head(&mut self, name: &str, tensor: Tensor) -> Result<Tensor, ParamError> {
        self.keep(name, tensor.to_device(self.device).to_kind(Kind::Float))
    }

    /// Stored tensors whose name begins so are no longer missed by [`ParamSource::finish`].
    pub fn forget(&mut self, beginnings: &[String]) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.forget(|name| beginnings.iter().any(|beginning| format!("{name}.").starts_with(beginning)));
        }
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// A tensor asked for earlier.
    pub fn taken(&self, name: &str) -> Option<&Tensor> {
        self.params.get(name)
    }

    /// Shape of a tensor that an adapter brings or that is stored and not yet asked for; `None` without either.
    pub fn stored_shape(&self, name: &str) -> Option<Vec<i64>> {
        let of_adapter = self.adapter.as_ref().and_then(|adapter| adapter.stored(name));
        of_adapter.or_else(|| self.checkpoint.as_ref()?.stored(&self.stored_name(name))).map(|stored| stored.shape)
    }

    /// Names of stored tensors that nobody asked for yet, those left out that a reward model never needs.
    pub fn left(&self) -> Vec<String> {
        let ignored = |name: &str| ignorable(name) || self.foreign.iter().any(|begin| name.starts_with(begin));
        let names = self.checkpoint.iter().flat_map(Checkpoint::untaken);
        names.filter(|name| !ignored(name)).map(str::to_owned).collect()
    }

    /// Tensors drawn so far because the checkpoint lacks them.
    pub fn drawn(&self) -> &[String] {
        &self.drawn
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
        let names = self.left();
        if let Some(checkpoint) = self.checkpoint.as_ref().filter(|_| !names.is_empty()) {
            return Err(ParamError::Unused { names, place: checkpoint.place().to_owned() });
        }
        if let Some(adapter) = &self.adapter {
            if adapter.config.has_token_rows() && !adapter.is_new() && !self.replaced_rows {
                let problem = "`trainable_token_indices` is set, and the file has no rows for them".to_owned();
                return Err(ParamError::Adapter { problem, place: adapter.place() });
            }
            let names = adapter.untaken();
            if !names.is_empty() {
                return Err(ParamError::Unused { names, place: adapter.place() });
            }
        }
        let adapter = self.adapter.map(|adapter| adapter.config);
        Ok(Finished { params: self.params, drawn: self.drawn, mapped: self.mapped, adapter })
    }
}

/// The stored tensor has the shape wanted, in an element type that weights may have.
pub fn fits(name: &str, stored: &Stored, shape: &[i64]) -> Result<(), ParamError> {
    let (name, place) = (name.to_owned(), stored.path.clone());
    if stored.shape != shape {
        return Err(ParamError::Shape { name, expected: shape.to_vec(), found: stored.shape.clone(), place });
    }
    match stored.kind {
        Some(Kind::Float | Kind::Half | Kind::BFloat16) => Ok(()),
        _ => Err(ParamError::Kind { name, found: stored.dtype.clone(), place }),
    }
}

/// What building a model took.
pub struct Finished {
    pub params: Params,
    /// Names of tensors that were drawn at random.
    pub drawn: Vec<String>,
    /// Names of tensors that are views of their files.
    pub mapped: BTreeSet<String>,
    /// What was over the checkpoint.
    pub adapter: Option<LoraConfig>,
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
        Init::Uniform(bound) => {
            let n = shape.iter().product::<i64>().max(0) as usize;
            let mut rng = random::stream(seed, "init", name);
            let values: Vec<f32> = (0..n).map(|_| ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32).collect();
            Tensor::from_slice(&values).reshape(shape)
        }
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
