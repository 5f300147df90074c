//! Norms, rotary positions and gates of forward passes on CPUs, by `rmbench-kernels`.
//!
//! Every function gives `None` where libtorch has to do it: gradients are recorded, another device, another
//! kind. Rows are shared out among as many threads as libtorch has on the calling one.

pub mod gradients;
mod shares;

use std::ops::Range;

use rmbench_kernels::log_sum_exp::Sums;
use rmbench_kernels::rows::{Gate, RmsNorm, RowOperand, Rows, Turn};
use rmbench_kernels::{Bf16, Level};
use tch::{Device, Kind, Tensor};

use super::config::Activation;
use super::recording::may_leave_libtorch;
use shares::{in_shares, shares, split};

/// Weights in f32 and what is added under the root.
pub struct Rms<'a> {
    pub weight: &'a Tensor,
    pub eps: f64,
}

/// x/√(mean x² + eps)·w over the last dimension of [t, d].
pub fn rms_norm(x_td: &Tensor, norm: Rms) -> Option<Tensor> {
    by_kind(x_td, |kind| match kind {
        Kind::BFloat16 => normed::<Bf16>(x_td, None, norm).1,
        _ => normed::<f32>(x_td, None, norm).1,
    })
}

/// x + y of two [t, d], and its norm.
pub fn sum_and_norm(x_td: &Tensor, y_td: &Tensor, norm: Rms) -> Option<(Tensor, Tensor)> {
    if x_td.kind() != y_td.kind() || x_td.size() != y_td.size() {
        return None;
    }
    let (sum, out) = by_kind(x_td, |kind| match kind {
        Kind::BFloat16 => normed::<Bf16>(x_td, Some(y_td), norm),
        _ => normed::<f32>(x_td, Some(y_td), norm),
    })?;
    Some((sum?, out))
}

/// Heads [t, h, k]: each normed where there is a norm over its k numbers (weights [k] or [h, k]), then turned
/// where there are cosines and sines, each [t, n] in f32, n of k numbers by halves.
pub fn heads(x_thk: &Tensor, norm: Option<Rms>, turn: Option<[&Tensor; 2]>) -> Option<Tensor> {
    by_kind(x_thk, |kind| match kind {
        Kind::BFloat16 => finished_heads::<Bf16>(x_thk, norm, turn),
        _ => finished_heads::<f32>(x_thk, norm, turn),
    })
}

/// act(gate)·up of two [t, f].
pub fn gated(act: Activation, gate_tf: &Tensor, up_tf: &Tensor) -> Option<Tensor> {
    let act = gate_of(act)?;
    if gate_tf.kind() != up_tf.kind() || gate_tf.size() != up_tf.size() {
        return None;
    }
    by_kind(gate_tf, |kind| match kind {
        Kind::BFloat16 => product::<Bf16>(act, gate_tf, up_tf),
        _ => product::<f32>(act, gate_tf, up_tf),
    })
}

/// What kernels have of activations.
pub fn gate_of(act: Activation) -> Option<Gate> {
    match act {
        Activation::Silu => Some(Gate::Silu),
        Activation::GeluTanh => Some(Gate::GeluTanh),
        _ => None,
    }
}

/// log Σ eˣ over rows [n, v] of which some columns come at a time.
pub struct LogSum(Sums);

impl LogSum {
    /// `None` where libtorch has to do it.
    pub fn of_rows(rows: i64, device: Device, kind: Kind) -> Option<Self> {
        let may = may_leave_libtorch(device, kind) && kind == Kind::Float;
        may.then(|| Self(Sums::new(rows.max(0) as usize)))
    }

    /// Adds columns [n, _] in f32.
    pub fn add(&mut self, x_nv: &Tensor) {
        self.0.add(Level::best(), rows_of::<f32>(&with_adjacent_numbers(x_nv)));
    }

    /// [n]
    pub fn log(&self) -> Tensor {
        Tensor::from_slice(&self.0.log().collect::<Vec<f32>>())
    }
}

fn by_kind<T>(x: &Tensor, compute: impl FnOnce(Kind) -> T) -> Option<T> {
    may_leave_libtorch(x.device(), x.kind()).then(|| compute(x.kind()))
}

fn normed<T: RowOperand + Send + Sync>(x: &Tensor, added: Option<&Tensor>, norm: Rms) -> (Option<Tensor>, Tensor) {
    let x = with_adjacent_numbers(x);
    let added = added.map(with_adjacent_numbers);
    let weight = numbers(norm.weight);
    let norm = RmsNorm { weight: floats(&weight), eps: norm.eps as f32 };
    let (mut out, mut sum) = (like(&x), added.as_ref().map(like));
    let all = rows_of::<T>(&x);
    let shares = shares(all.rows, all.width);
    let outs = split(numbers_mut(&mut out), &shares, all.width);
    match added.as_ref().zip(sum.as_mut()) {
        None => {
            in_shares(shares.iter().zip(outs), |(share, out)| {
                T::rms_norm(Level::best(), part(all, share), None, norm, out);
            });
        }
        Some((added, sum)) => {
            let (added, sums) = (rows_of::<T>(added), split(numbers_mut::<T>(sum), &shares, all.width));
            in_shares(shares.iter().zip(outs.into_iter().zip(sums)), |(share, (out, sum))| {
                T::rms_norm(Level::best(), part(all, share), Some((part(added, share), sum)), norm, out);
            });
        }
    }
    (sum, out)
}

/// As [`heads`], whatever is recorded.
pub fn finished_heads<T: RowOperand + Send + Sync>(
    x_thk: &Tensor,
    norm: Option<Rms>,
    turn: Option<[&Tensor; 2]>,
) -> Tensor {
    let size = x_thk.size();
    let x_td = with_adjacent_numbers(&x_thk.flatten(1, 2));
    let weight = norm.as_ref().map(|norm| numbers(norm.weight));
    let norm = norm.zip(weight.as_ref());
    let norm = norm.map(|(norm, weight)| RmsNorm { weight: floats(weight), eps: norm.eps as f32 });
    let tables = turn.map(|tables| tables.map(numbers));
    let turn = tables.as_ref().map(turn_of);
    let mut out = like(&x_td);
    let all = rows_of::<T>(&x_td);
    let shares = shares(all.rows, all.width);
    let outs = split(numbers_mut::<T>(&mut out), &shares, all.width);
    in_shares(shares.iter().zip(outs), |(share, out)| {
        let turn = turn.map(|turn| turn_part(turn, share));
        T::heads(Level::best(), part(all, share), size[2] as usize, norm, turn, out);
    });
    out.view_as(x_thk)
}

/// As [`gated`], whatever is recorded.
pub fn product<T: RowOperand + Send + Sync>(act: Gate, gate: &Tensor, up: &Tensor) -> Tensor {
    let [gate, up] = [gate, up].map(with_adjacent_numbers);
    let mut out = like(&gate);
    let (gate, up) = (rows_of::<T>(&gate), rows_of::<T>(&up));
    let shares = shares(gate.rows, gate.width);
    let outs = split(numbers_mut::<T>(&mut out), &shares, gate.width);
    in_shares(shares.iter().zip(outs), |(share, out)| {
        T::gated(Level::best(), act, part(gate, share), part(up, share), out);
    });
    out
}

/// Cosines and sines [t, n] in f32, numbers side by side.
fn turn_of([cos, sin]: &[Tensor; 2]) -> Turn<'_> {
    Turn { cos: floats(cos), sin: floats(sin), n: cos.size().last().copied().unwrap_or(0) as usize }
}

fn turn_part<'a>(turn: Turn<'a>, share: &Range<usize>) -> Turn<'a> {
    let part = |table: &'a [f32]| &table[share.start * turn.n..share.end * turn.n];
    Turn { cos: part(turn.cos), sin: part(turn.sin), n: turn.n }
}

/// Some of the rows.
fn part<'a, T>(all: Rows<'a, T>, share: &Range<usize>) -> Rows<'a, T> {
    Rows { data: &all.data[(share.start * all.stride).min(all.data.len())..], rows: share.len(), ..all }
}

/// [t, d] itself, or a copy, with the numbers of a row side by side.
fn with_adjacent_numbers(x: &Tensor) -> Tensor {
    if x.dim() == 2 && x.stride()[1] == 1 { x.shallow_clone() } else { x.contiguous() }
}

/// Parameters and tables in f32, numbers side by side.
fn numbers(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Float).contiguous()
}

/// An empty tensor of the same size and kind, for a kernel to fill.
fn like(x_td: &Tensor) -> Tensor {
    Tensor::empty(x_td.size().as_slice(), (x_td.kind(), Device::Cpu))
}

fn rows_of<T: RowOperand>(x_td: &Tensor) -> Rows<'_, T> {
    let [rows, width] = [0, 1].map(|axis| x_td.size()[axis] as usize);
    let stride = x_td.stride()[0] as usize;
    let n = if rows == 0 { 0 } else { (rows - 1) * stride + width };
    // SAFETY: rows are `stride` apart, their numbers adjacent and of kind `T`; the tensor outlives the slice,
    // and nothing writes to it meanwhile.
    let data = unsafe { std::slice::from_raw_parts(x_td.data_ptr().cast::<T>().cast_const(), n) };
    Rows { data, rows, width, stride }
}

fn floats(x: &Tensor) -> &[f32] {
    // SAFETY: contiguous f32 by `numbers`; the tensor outlives the slice, and nothing writes to it meanwhile.
    unsafe { std::slice::from_raw_parts(x.data_ptr().cast::<f32>().cast_const(), x.numel()) }
}

fn numbers_mut<T: RowOperand>(x: &mut Tensor) -> &mut [T] {
    // SAFETY: just made by `like`: contiguous, of kind `T`, nobody else's. Any bits are a number.
    unsafe { std::slice::from_raw_parts_mut(x.data_ptr().cast::<T>(), x.numel()) }
}
