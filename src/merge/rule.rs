//! What becomes of one tensor.
//!
//! With weights w_i, values θ_i and differences δ_i = θ_i − base (or θ_i − minus_i):
//!
//! * linear: Σ w_i θ_i / Σ w_i.
//! * slerp: [sin((1−t)Ω)·θ_1 + sin(tΩ)·θ_2] / sin Ω, Ω the angle between the two as vectors,
//!   t = w_2/(w_1 + w_2); (1−t)·θ_1 + t·θ_2 where |cos Ω| > 0.9995.
//! * deltas: base + λ·Σ w_i δ_i (task arithmetic, arXiv 2212.04089; with δ_i from flipped preferences the
//!   preference vectors of Adaptive Helpfulness-Harmlessness Alignment). TIES (arXiv 2306.01708): of each δ_i the ⌊density·n⌋ entries of
//!   largest magnitude stay (of equal ones those that come first); an entry's sign is that of Σ w_i δ_i, plus
//!   where that is 0; entries of the other sign count as 0; the sum is divided by the weights of those that
//!   agree. DARE (arXiv 2311.03099): each entry of δ_i stays with probability `density`, multiplied by
//!   1/density.
//!
//! These are mergekit's formulas (`merge_methods/{linear,slerp,generalized_task_arithmetic}.py`,
//! `sparsify.py`), in f64 where mergekit computes in the tensors' own kind. Values pass through in pieces:
//! memory depends on the number of models, not on the size of a tensor.

use tch::{Kind, Tensor};

use super::MergeError;
use super::thin::{Thinner, Thinning};

/// Values of a tensor that are computed with at a time.
pub const PIECE: i64 = 1 << 20;
/// Two directions that are closer than this are not told apart (mergekit's `DOT_THRESHOLD`).
const PARALLEL: f64 = 0.9995;
/// A shorter vector has no direction.
const NO_LENGTH: f64 = 1e-8;
/// Weights that add up to less are not divided by.
const NO_SUM: f64 = 1e-8;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    Linear { normalise: bool },
    Slerp,
    Deltas { thinning: Thinning, elect: bool, normalise: bool, lambda: f64 },
}

/// One model's values of a tensor: scale · stored + shift.
pub struct Values {
    stored: Tensor,
    scale: f64,
    shift: f64,
}

impl Values {
    pub fn new(stored: &Tensor) -> Self {
        Self::scaled(stored, 1.0, 0.0)
    }

    pub fn scaled(stored: &Tensor, scale: f64, shift: f64) -> Self {
        Self { stored: stored.contiguous().view([-1]), scale, shift }
    }

    pub fn len(&self) -> i64 {
        self.stored.numel() as i64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` values from `at` on, in f64.
    pub fn piece(&self, (at, n): (i64, i64)) -> Tensor {
        let values = self.stored.narrow(0, at, n).to_kind(Kind::Double);
        match (self.scale, self.shift) {
            (1.0, 0.0) => values,
            (scale, shift) => values * scale + shift,
        }
    }
}

/// One tensor in all models.
pub struct Operands {
    pub models: Vec<Values>,
    /// As many as models, or none.
    pub minus: Vec<Values>,
    /// Absent where the rule has none, and for a reward head that the base does not have.
    pub base: Option<Values>,
    /// What a model's draws depend on, beside seed and tensor.
    pub keys: Vec<String>,
}

impl Operands {
    fn delta(&self, model: usize, base: &Values, at: (i64, i64)) -> Tensor {
        let from = self.minus.get(model).unwrap_or(base);
        self.models[model].piece(at) - from.piece(at)
    }
}

/// The merged values of tensor `name`, in f64, handed to `put` piece by piece.
pub fn merge(
    rule: &Rule,
    name: &str,
    operands: &Operands,
    weights: &[f64],
    put: &mut dyn FnMut(Tensor) -> Result<(), MergeError>,
) -> Result<(), MergeError> {
    let n = operands.models.first().map_or(0, Values::len);
    let mut put = |piece: Tensor| match piece.isfinite().all().int64_value(&[]) {
        1 => put(piece),
        _ => Err(MergeError::Tensor {
            name: name.to_owned(),
            problem: "it would hold values that are no numbers".into(),
        }),
    };
    match (rule, &operands.base) {
        (Rule::Linear { normalise }, _) => linear(operands, &shares(name, weights, *normalise)?, n, &mut put),
        // A head that the base does not have: there is nothing to take a difference from.
        (Rule::Deltas { .. }, None) => linear(operands, &shares(name, weights, true)?, n, &mut put),
        (Rule::Slerp, _) => slerp(operands, weights, n, &mut put),
        (Rule::Deltas { thinning, elect, normalise, lambda }, Some(base)) => {
            let how = Deltas { elect: *elect, normalise: *normalise, lambda: *lambda };
            deltas(*thinning, &how, name, operands, base, weights, n, &mut put)
        }
    }
}

/// The pieces of n values: beginning and number.
pub fn pieces(n: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..n).step_by(PIECE as usize).map(move |at| (at, PIECE.min(n - at)))
}

fn shares(name: &str, weights: &[f64], normalise: bool) -> Result<Vec<f64>, MergeError> {
    let sum: f64 = weights.iter().sum();
    match normalise {
        false => Ok(weights.to_vec()),
        true if sum.abs() < NO_SUM => Err(MergeError::Tensor {
            name: name.to_owned(),
            problem: "the base does not have it, and the weights to average it with add up to nothing".into(),
        }),
        true => Ok(weights.iter().map(|weight| weight / sum).collect()),
    }
}

type Sink<'a> = dyn FnMut(Tensor) -> Result<(), MergeError> + 'a;

fn linear(operands: &Operands, shares: &[f64], n: i64, put: &mut Sink) -> Result<(), MergeError> {
    for at in pieces(n) {
        let mut sum = Tensor::zeros([at.1], (Kind::Double, tch::Device::Cpu));
        for (values, share) in operands.models.iter().zip(shares) {
            sum += values.piece(at) * *share;
        }
        put(sum)?;
    }
    Ok(())
}

fn slerp(operands: &Operands, weights: &[f64], n: i64, put: &mut Sink) -> Result<(), MergeError> {
    let [first, second] = operands.models.as_slice() else {
        return Err(MergeError::Settings("`slerp` merges two models".into()));
    };
    let t = weights[1] / (weights[0] + weights[1]);
    let sum = |x: Tensor| x.sum(Kind::Double).double_value(&[]);
    let (mut product, mut of_first, mut of_second) = (0.0, 0.0, 0.0);
    for at in pieces(n) {
        let (a, b) = (first.piece(at), second.piece(at));
        product += sum(&a * &b);
        of_first += sum(a.square());
        of_second += sum(b.square());
    }
    let length = |square: f64| Some(square.sqrt()).filter(|length| *length > NO_LENGTH).unwrap_or(1.0);
    let cosine = product / (length(of_first) * length(of_second));
    let (of_first, of_second) = match cosine.abs() > PARALLEL {
        true => (1.0 - t, t),
        false => {
            let angle = cosine.acos();
            ((angle - angle * t).sin() / angle.sin(), (angle * t).sin() / angle.sin())
        }
    };
    pieces(n).try_for_each(|at| put(first.piece(at) * of_first + second.piece(at) * of_second))
}

struct Deltas {
    elect: bool,
    normalise: bool,
    lambda: f64,
}

#[allow(clippy::too_many_arguments)]
fn deltas(
    thinning: Thinning,
    how: &Deltas,
    name: &str,
    operands: &Operands,
    base: &Values,
    weights: &[f64],
    n: i64,
    put: &mut Sink,
) -> Result<(), MergeError> {
    let mut thinners = Vec::with_capacity(operands.models.len());
    for model in 0..operands.models.len() {
        let key = format!("{}/{name}", operands.keys.get(model).map_or("", String::as_str));
        let delta = |at| operands.delta(model, base, at);
        thinners.push(
            Thinner::new(thinning, &key, n, delta)
                .map_err(|problem| MergeError::Tensor { name: name.to_owned(), problem })?,
        );
    }
    let weights_m1 = Tensor::from_slice(weights).unsqueeze(1);
    for at in pieces(n) {
        let deltas =
            thinners.iter_mut().enumerate().map(|(model, thinner)| thinner.thin(operands.delta(model, base, at)));
        let weighted_mn = Tensor::stack(&deltas.collect::<Vec<_>>(), 0) * &weights_m1;
        put(base.piece(at) + mixed(&weighted_mn, &weights_m1, how) * how.lambda)?;
    }
    Ok(())
}

/// Weighted differences [m, n] of m models as one [n].
fn mixed(weighted_mn: &Tensor, weights_m1: &Tensor, how: &Deltas) -> Tensor {
    let sum_n = weighted_mn.sum_dim_intlist(0, false, Kind::Double);
    let (sum_n, divisor_n) = match how.elect {
        true => {
            let elected_n = sum_n.ge(0.0).to_kind(Kind::Double) * 2.0 - 1.0;
            let agrees_mn = weighted_mn.sign().eq_tensor(&elected_n).to_kind(Kind::Double);
            let agreeing_n = (weighted_mn * &agrees_mn).sum_dim_intlist(0, false, Kind::Double);
            (agreeing_n, (agrees_mn * weights_m1).sum_dim_intlist(0, false, Kind::Double))
        }
        false => (sum_n, weights_m1.sum(Kind::Double)),
    };
    match how.normalise {
        true => {
            let is_none = divisor_n.abs().lt(NO_SUM);
            sum_n / divisor_n.masked_fill(&is_none, 1.0)
        }
        false => sum_n,
    }
}
