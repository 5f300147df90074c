//! Backward passes of what [`rows`](crate::rows) computes, in f32: each reads what went in and the gradient of what came out
//! once, and writes the gradient of what went in.

use crate::Level;
use crate::dispatch::{Job, dispatch};
use crate::exp::sigmoid;
use crate::lanes::Lanes;
use crate::rows::{Gate, RmsNorm, Rows, Turn, gelu_inner, inverse_root};

/// Gradients of weights are summed over so many rows before they are added to the sum of all: long sums in f32 lose digits.
const ROWS: usize = 64;

/// Of y = x·r·w with r = (Σx²/n + eps)^−½ and the gradient g of y: base + r·w·g − x·r³/n·Σ(w·g·x) into `out` [rows, width], and
/// Σ g·x·r over rows added to `weight`. `base` is what the gradient of x already is.
///
/// # Panics
/// Where sizes do not fit, or the level is not this machine's.
pub fn rms_norm(
    level: Level,
    [x, grad]: [Rows<f32>; 2],
    base: Option<Rows<f32>>,
    norm: RmsNorm,
    out: &mut [f32],
    weight: &mut [f32],
) {
    for rows in [Some(x), Some(grad), base].into_iter().flatten() {
        rows.check();
        assert!(rows.rows == x.rows && rows.width == x.width, "sizes of a norm's gradient");
    }
    assert!(norm.weight.len() == x.width && weight.len() == x.width, "weights of a norm");
    assert!(out.len() == x.rows * x.width, "sizes of a norm's gradient");
    dispatch(level, &mut NormJob { x, grad, base, norm, out, weight });
}

/// Of heads of `head` numbers that were normed where there is a norm and then turned where there is a turn: the gradient of
/// `x` into `out` [rows, width], that of the norm's weights added to `weight` (empty without a norm).
///
/// # Panics
/// As [`rms_norm`].
pub fn heads(
    level: Level,
    [x, grad]: [Rows<f32>; 2],
    head: usize,
    norm: Option<RmsNorm>,
    turn: Option<Turn>,
    out: &mut [f32],
    weight: &mut [f32],
) {
    x.check();
    grad.check();
    assert!(x.rows == grad.rows && x.width == grad.width && out.len() == x.rows * x.width, "sizes of heads");
    assert!(head > 0 && x.width.is_multiple_of(head), "sizes of heads");
    assert!(weight.len() == norm.map_or(0, |norm| norm.weight.len()), "weights of a norm of heads");
    assert!([0, head, x.width].contains(&weight.len()), "weights of a norm of heads");
    if let Some(Turn { cos, sin, n }) = turn {
        let fits = cos.len() == x.rows * n && sin.len() == cos.len();
        assert!(n <= head && n.is_multiple_of(2) && fits, "sizes of a turn");
    }
    dispatch(level, &mut HeadsJob { x, grad, head, norm, turn, out, weight });
}

/// Of act(gate)·up and its gradient: the gradients of gate and up, and act(gate)·up once more, each [rows, width].
///
/// # Panics
/// As [`rms_norm`].
pub fn gated(level: Level, act: Gate, [gate, up, grad]: [Rows<f32>; 3], out: [&mut [f32]; 3]) {
    for rows in [gate, up, grad] {
        rows.check();
        assert!(rows.rows == gate.rows && rows.width == gate.width, "gate, up and gradient differ");
    }
    assert!(out.iter().all(|out| out.len() == gate.rows * gate.width), "sizes of a gate's gradient");
    dispatch(level, &mut GateJob { act, gate, up, grad, out });
}

struct NormJob<'a> {
    x: Rows<'a, f32>,
    grad: Rows<'a, f32>,
    base: Option<Rows<'a, f32>>,
    norm: RmsNorm<'a>,
    out: &'a mut [f32],
    weight: &'a mut [f32],
}

impl Job for NormJob<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let (rows, width) = (self.x.rows, self.x.width);
        let mut partial = vec![0.0f32; width];
        for first in (0..rows).step_by(ROWS) {
            partial.fill(0.0);
            for row in first..(first + ROWS).min(rows) {
                // SAFETY: rows were checked, and `out` is as large as all of them.
                unsafe {
                    let base = self.base.map(|base| base.row(row));
                    let to = self.out.as_mut_ptr().add(row * width);
                    let [x, grad] = [self.x.row(row), self.grad.row(row)];
                    norm_row::<L>([x, grad], base, self.norm.weight, self.norm.eps, to, &mut partial);
                }
            }
            self.weight.iter_mut().zip(&partial).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// One row, of as many numbers as there are weights.
#[inline(always)]
unsafe fn norm_row<L: Lanes>(
    [x, grad]: [*const f32; 2],
    base: Option<*const f32>,
    weight: &[f32],
    eps: f32,
    to: *mut f32,
    partial: &mut [f32],
) {
    let n = weight.len();
    let (weight, partial) = (weight.as_ptr(), partial.as_mut_ptr());
    // SAFETY: the caller's pointers are valid for as many numbers as there are weights.
    unsafe {
        let factor = inverse_root::<L, f32>(x, n, eps);
        let whole = n / L::N * L::N;
        let (mut sums, mut turn) = ([L::splat(0.0); 4], 0);
        for at in (0..whole).step_by(L::N) {
            let weighted = L::mul(L::load(weight.add(at)), L::load(grad.add(at)));
            sums[turn] = L::fma(weighted, L::load(x.add(at)), sums[turn]);
            turn = (turn + 1) % 4;
        }
        let mut sum = L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])));
        for at in whole..n {
            sum += *weight.add(at) * *grad.add(at) * *x.add(at);
        }
        let along = factor * factor * factor * sum / n as f32;
        let (factors, alongs) = (L::splat(factor), L::splat(along));
        for at in (0..whole).step_by(L::N) {
            let (x, grad) = (L::load(x.add(at)), L::load(grad.add(at)));
            let scaled = L::mul(grad, factors);
            L::store(L::fma(scaled, x, L::load(partial.add(at))), partial.add(at));
            let mut own = L::sub(L::mul(scaled, L::load(weight.add(at))), L::mul(x, alongs));
            if let Some(base) = base {
                own = L::add(L::load(base.add(at)), own);
            }
            L::store(own, to.add(at));
        }
        for at in whole..n {
            let (x, scaled) = (*x.add(at), *grad.add(at) * factor);
            *partial.add(at) += scaled * x;
            let own = scaled * *weight.add(at) - x * along;
            to.add(at).write(base.map_or(0.0, |base| *base.add(at)) + own);
        }
    }
}

struct HeadsJob<'a> {
    x: Rows<'a, f32>,
    grad: Rows<'a, f32>,
    head: usize,
    norm: Option<RmsNorm<'a>>,
    turn: Option<Turn<'a>>,
    out: &'a mut [f32],
    weight: &'a mut [f32],
}

impl Job for HeadsJob<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let (rows, width, n) = (self.x.rows, self.x.width, self.head);
        let mut head = vec![0.0f32; n];
        let mut partial = vec![0.0f32; self.weight.len()];
        for first in (0..rows).step_by(ROWS) {
            partial.fill(0.0);
            for row in first..(first + ROWS).min(rows) {
                for column in (0..width).step_by(n) {
                    // SAFETY: rows were checked, `out` is as large as all of them, weights are as long as a head or a row.
                    unsafe {
                        let [x, grad] = [self.x.row(row).add(column), self.grad.row(row).add(column)];
                        let to = self.out.as_mut_ptr().add(row * width + column);
                        std::ptr::copy_nonoverlapping(grad, head.as_mut_ptr(), n);
                        if let Some(turn) = self.turn {
                            turn_back::<L>(&mut head, turn, row);
                        }
                        match self.norm {
                            Some(RmsNorm { weight, eps }) => {
                                let at = if weight.len() == n { 0 } else { column };
                                let (weight, partial) = (&weight[at..at + n], &mut partial[at..at + n]);
                                norm_row::<L>([x, head.as_ptr()], None, weight, eps, to, partial);
                            }
                            None => std::ptr::copy_nonoverlapping(head.as_ptr(), to, n),
                        }
                    }
                }
            }
            self.weight.iter_mut().zip(&partial).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// The transpose of a turn: (a, b) → (a·cos₁ + b·sin₂, b·cos₂ − a·sin₁) for every pair, with the cosine and sine that made each.
#[inline(always)]
unsafe fn turn_back<L: Lanes>(head: &mut [f32], turn: Turn, row: usize) {
    let half = turn.n / 2;
    let of_row = |table: &[f32]| table[row * turn.n..][..turn.n].as_ptr();
    let (cos, sin, x) = (of_row(turn.cos), of_row(turn.sin), head.as_mut_ptr());
    // SAFETY: tables were checked, a head has at least n numbers.
    unsafe {
        let whole = half / L::N * L::N;
        for at in (0..whole).step_by(L::N) {
            let (a, b) = (L::load(x.add(at)), L::load(x.add(half + at)));
            let low = L::fma(a, L::load(cos.add(at)), L::mul(b, L::load(sin.add(half + at))));
            let high = L::sub(L::mul(b, L::load(cos.add(half + at))), L::mul(a, L::load(sin.add(at))));
            L::store(low, x.add(at));
            L::store(high, x.add(half + at));
        }
        for at in whole..half {
            let (a, b) = (*x.add(at), *x.add(half + at));
            *x.add(at) = a * *cos.add(at) + b * *sin.add(half + at);
            *x.add(half + at) = b * *cos.add(half + at) - a * *sin.add(at);
        }
    }
}

struct GateJob<'a> {
    act: Gate,
    gate: Rows<'a, f32>,
    up: Rows<'a, f32>,
    grad: Rows<'a, f32>,
    out: [&'a mut [f32]; 3],
}

impl Job for GateJob<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let Rows { rows, width, .. } = self.gate;
        for row in 0..rows {
            let from = [self.gate.row(row), self.up.row(row), self.grad.row(row)];
            // SAFETY: rows were checked, and outputs are as large as all of them.
            unsafe {
                let to = self.out.each_mut().map(|out| out.as_mut_ptr().add(row * width));
                gate_row::<L>(self.act, from, to, width);
            }
        }
    }
}

#[inline(always)]
unsafe fn gate_row<L: Lanes>(
    act: Gate,
    [gate, up, grad]: [*const f32; 3],
    [to_gate, to_up, product]: [*mut f32; 3],
    width: usize,
) {
    // SAFETY: the caller's pointers are valid for `width` numbers.
    unsafe {
        let whole = width / L::N * L::N;
        for at in (0..whole).step_by(L::N) {
            let [acted, slope] = activate::<L>(act, L::load(gate.add(at)));
            let (up, grad) = (L::load(up.add(at)), L::load(grad.add(at)));
            L::store(L::mul(L::mul(grad, up), slope), to_gate.add(at));
            L::store(L::mul(grad, acted), to_up.add(at));
            L::store(L::mul(acted, up), product.add(at));
        }
        for at in whole..width {
            // The same arithmetic in all lanes.
            let [acted, slope] = activate::<L>(act, L::splat(*gate.add(at)));
            let (acted, slope) = (L::greatest(acted), L::greatest(slope));
            to_gate.add(at).write(*grad.add(at) * *up.add(at) * slope);
            to_up.add(at).write(*grad.add(at) * acted);
            product.add(at).write(acted * *up.add(at));
        }
    }
}

/// An activation and its slope.
#[inline(always)]
unsafe fn activate<L: Lanes>(act: Gate, x: L::V) -> [L::V; 2] {
    // SAFETY: the caller's promise of what the processor has, passed on.
    unsafe {
        match act {
            Gate::Silu => silu::<L>(x),
            Gate::GeluTanh => gelu_tanh::<L>(x),
        }
    }
}

/// x·σ(x), and σ + x·σ·(1 − σ).
#[inline(always)]
unsafe fn silu<L: Lanes>(x: L::V) -> [L::V; 2] {
    // SAFETY: the caller's promise of what the processor has, passed on.
    unsafe {
        let s = sigmoid::<L>(x);
        let acted = L::mul(x, s);
        [acted, L::fma(acted, L::sub(L::splat(1.0), s), s)]
    }
}

/// x·σ(u) with u = 2√(2/π)·(x + 0.044715·x³), and σ + x·σ·(1 − σ)·u′.
#[inline(always)]
unsafe fn gelu_tanh<L: Lanes>(x: L::V) -> [L::V; 2] {
    // SAFETY: as above.
    unsafe {
        let [inner, slope] = gelu_inner::<L>(x);
        let s = sigmoid::<L>(inner);
        let acted = L::mul(x, s);
        [acted, L::fma(L::mul(acted, L::sub(L::splat(1.0), s)), slope, s)]
    }
}
