//! AdamW in PyTorch's form, with its state in the open.
//!
//! `p ← p(1−ηλ)`; `m ← β₁m + (1−β₁)g`; `v ← β₂v + (1−β₂)g²`;
//! `p ← p − η/(1−β₁ᵗ) · m/(√v/√(1−β₂ᵗ) + ε)`, t counted from 1 (Loshchilov and Hutter, arXiv 1711.05101;
//! `torch/optim/adamw.py`). libtorch's own optimiser neither gives nor takes its state through tch, and
//! exact resume needs both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::moments::{Moments, Precision};
use super::update::{Update, apply_all};

/// What all parameters share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamWSettings {
    pub betas: [f64; 2],
    pub eps: f64,
    /// λ of the parameters that decay; see [`decays`].
    pub weight_decay: f64,
    pub moments: Precision,
    /// Embeddings have moments for the rows they have seen; see [`moments`](super::moments).
    pub embedding_rows: bool,
}

impl Default for AdamWSettings {
    /// PyTorch's, without decay.
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, moments: Precision::Full, embedding_rows: false }
    }
}

/// What is special about a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Multiplies the rate.
    pub lr_multiplier: f64,
    /// λ in place of the one for all.
    pub weight_decay: Option<f64>,
}

impl Default for Group {
    fn default() -> Self {
        Self { lr_multiplier: 1.0, weight_decay: None }
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum OptimizerError {
    #[error("parameter `{name}` is {found}; AdamW keeps masters in f32 (f64 in checks)")]
    Kind { name: String, found: String },
    #[error("the optimiser state has no tensor `{name}`")]
    Missing { name: String },
    #[error("the optimiser state of `{name}` should have shape {expected:?}, the file has {found:?}")]
    Shape { name: String, expected: Vec<i64>, found: Vec<i64> },
    #[error("the optimiser state holds tensors of no parameter: {}", names.join(", "))]
    Unused { names: Vec<String> },
}

/// One parameter with its moments and its place in the groups.
struct Slot {
    name: String,
    param: Tensor,
    moments: Moments,
    /// Updates so far; PyTorch counts per parameter, because one without a gradient is left alone.
    step: u64,
    decay: f64,
    lr_multiplier: f64,
}

/// AdamW over the parameters that ask for gradients.
pub struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
}

impl AdamW {
    /// `params` in name order; `group` says what is special about one.
    pub fn new<'a>(
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
        group: impl Fn(&str) -> Group,
        settings: AdamWSettings,
    ) -> Result<Self, OptimizerError> {
        let mut slots = Vec::new();
        for (name, param) in params {
            if !param.requires_grad() {
                continue;
            }
            if !matches!(param.kind(), Kind::Float | Kind::Double) {
                return Err(OptimizerError::Kind { name: name.to_owned(), found: format!("{:?}", param.kind()) });
            }
            let _no_grad = tch::no_grad_guard();
            let Group { lr_multiplier, weight_decay } = group(name);
            slots.push(Slot {
                name: name.to_owned(),
                param: param.shallow_clone(),
                moments: Moments::new(param, settings.moments, settings.embedding_rows && is_embedding(name)),
                step: 0,
                decay: weight_decay.unwrap_or(if decays(name) { settings.weight_decay } else { 0.0 }),
                lr_multiplier,
            });
        }
        Ok(Self { settings, slots })
    }

    /// Names and tensors that are trained, in name order.
    pub fn params(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.slots.iter().map(|slot| (slot.name.as_str(), &slot.param))
    }

    /// One update from the gradients as they stand. Parameters without a gradient are left alone.
    pub fn step(&mut self, lr: f64) {
        let _no_grad = tch::no_grad_guard();
        let mut work = Vec::with_capacity(self.slots.len());
        for slot in &mut self.slots {
            let grad = slot.param.grad();
            if grad.defined() {
                slot.step += 1;
                let update = Update::new(&self.settings, lr * slot.lr_multiplier, slot.decay, slot.step);
                work.extend(
                    slot.moments.operands(&slot.param, &grad, &update, slot.step).map(|operands| (update, operands)),
                );
            }
        }
        apply_all(work);
    }

    /// Sets all gradients to zero. They stay defined: tch cannot remove them.
    pub fn zero_grad(&mut self) {
        for slot in &mut self.slots {
            slot.param.zero_grad();
        }
    }

    /// The state by name: `exp_avg.P`, `exp_avg_sq.P` and `step.P` for each parameter P, or what its [`Moments`] have
    /// in place of the first two.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            for (kind, tensor) in slot.moments.tensors() {
                state.insert(format!("{kind}.{}", slot.name), tensor);
            }
            state.insert(format!("step.{}", slot.name), Tensor::from_slice(&[slot.step as i64]));
        }
        state
    }

    /// Takes a state that [`AdamW::state`] gave; names and shapes must fit exactly.
    pub fn load_state(&mut self, mut state: BTreeMap<String, Tensor>) -> Result<(), OptimizerError> {
        let _no_grad = tch::no_grad_guard();
        for slot in &mut self.slots {
            let rows = state.remove(&format!("rows.{}", slot.name));
            let mut take = |kind: &str, shape: &[i64]| {
                let name = format!("{kind}.{}", slot.name);
                match state.remove(&name) {
                    Some(tensor) if tensor.size() == shape => Ok(tensor),
                    Some(tensor) => Err(OptimizerError::Shape { name, expected: shape.to_vec(), found: tensor.size() }),
                    None => Err(OptimizerError::Missing { name }),
                }
            };
            slot.moments.load(&slot.param, rows, &mut take)?;
            slot.step = take("step", &[1])?.int64_value(&[0]).max(0) as u64;
        }
        match state.is_empty() {
            true => Ok(()),
            false => Err(OptimizerError::Unused { names: state.into_keys().collect() }),
        }
    }
}

/// Whether a parameter has a row per token, of which a batch sees few.
fn is_embedding(name: &str) -> bool {
    ["embed_tokens.weight", "word_embeddings.weight", "tok_embeddings.weight"].iter().any(|end| name.ends_with(end))
}

/// Whether a parameter decays: all but biases and the weights of norms, told apart by name with the
/// patterns of transformers (`Trainer.get_decay_parameter_names`).
pub fn decays(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let norm_module = lower.split('.').any(|part| part == "norm" || part.ends_with("_norm"));
    !(lower.contains("bias") || lower.contains("layernorm") || lower.contains("rmsnorm") || norm_module)
}

/// Global L2 norm of the gradients (the norm of the norms per tensor, as PyTorch takes it), before they
/// are scaled by min(1, limit/(norm + 1e-6)). No limit: the norm only.
pub fn clip_grad_norm<'a>(params: impl IntoIterator<Item = &'a Tensor>, limit: Option<f64>) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let mut grads: Vec<Tensor> = params.into_iter().map(Tensor::grad).filter(Tensor::defined).collect();
    if grads.is_empty() {
        return 0.0;
    }
    let norms: Vec<Tensor> = grads.iter().map(|grad| grad.norm().to_kind(Kind::Double)).collect();
    let norm = Tensor::stack(&norms, 0).norm().double_value(&[]);
    let scale = limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0));
    if scale < 1.0 {
        for grad in &mut grads {
            let _ = grad.g_mul_scalar_(scale);
        }
    }
    norm
}

/// Names of parameters whose gradient holds a NaN or an infinity.
pub fn non_finite_gradients<'a>(params: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Vec<String> {
    let _no_grad = tch::no_grad_guard();
    let broken = |grad: Tensor| grad.defined() && grad.isfinite().all().int64_value(&[]) == 0;
    params.into_iter().filter(|(_, param)| broken(param.grad())).map(|(name, _)| name.to_owned()).collect()
}
