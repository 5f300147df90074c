//! What a transformer does to every row between its matrix products, each in one pass over memory.
//!
//! libtorch takes four to eight passes for each of these, and in bf16 a wider copy besides. Everything is
//! computed in f32 and rounded once, when it is written.

use crate::dispatch::{Job, dispatch};
use crate::exp::sigmoid;
use crate::lanes::Lanes;
use crate::{Bf16, Level, bf16::Element};

/// A matrix [rows, width] whose rows are `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub width: usize,
    pub stride: usize,
}

impl<T> Rows<'_, T> {
    pub(crate) fn check(&self) {
        let Self { rows, width, stride, .. } = *self;
        assert!(rows == 0 || (rows - 1) * stride + width <= self.data.len(), "{rows} rows are not there");
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> *const T {
        self.data[row * self.stride..].as_ptr()
    }
}

/// Division by the root of the mean square of `width` numbers, and a weight for each.
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm<'a> {
    /// As many as numbers; of heads, as many as one head has, or as all of them have.
    pub weight: &'a [f32],
    pub eps: f32,
}

/// Rotary positions: row r turns pair (i, i + n/2) of the first n numbers of every head by cosine and sine at
/// [r, i].
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// [rows, n].
    pub cos: &'a [f32],
    pub sin: &'a [f32],
    pub n: usize,
}

/// Activations of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x/(1 + e⁻ˣ).
    Silu,
    /// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    GeluTanh,
}

/// Kinds of rows.
///
/// # Panics
/// All functions: where sizes do not fit, or the level is not this machine's.
pub trait RowOperand: Element {
    /// `norm` of x into `out` [rows, width]. With `added` of the same shape, x + added is written to
    /// `sum` and normed.
    fn rms_norm(level: Level, x: Rows<Self>, added: Option<(Rows<Self>, &mut [Self])>, norm: RmsNorm, out: &mut [Self]);

    /// Every head of `head` numbers normed where there is a norm, then turned where there is a turn, into
    /// `out` [rows, width].
    fn heads(level: Level, x: Rows<Self>, head: usize, norm: Option<RmsNorm>, turn: Option<Turn>, out: &mut [Self]);

    /// act(gate)·up into `out` [rows, width].
    fn gated(level: Level, act: Gate, gate: Rows<Self>, up: Rows<Self>, out: &mut [Self]);
}

macro_rules! operand {
    ($kind:ty) => {
        impl RowOperand for $kind {
            fn rms_norm(
                level: Level,
                x: Rows<Self>,
                added: Option<(Rows<Self>, &mut [Self])>,
                norm: RmsNorm,
                out: &mut [Self],
            ) {
                x.check();
                assert!(norm.weight.len() == x.width && out.len() == x.rows * x.width, "sizes of a norm");
                if let Some((added, sum)) = &added {
                    added.check();
                    assert!(added.rows == x.rows && added.width == x.width && sum.len() == out.len(), "sizes of a sum");
                }
                dispatch(level, &mut NormJob { x, added, norm, out });
            }

            fn heads(
                level: Level,
                x: Rows<Self>,
                head: usize,
                norm: Option<RmsNorm>,
                turn: Option<Turn>,
                out: &mut [Self],
            ) {
                x.check();
                assert!(head > 0 && x.width.is_multiple_of(head) && out.len() == x.rows * x.width, "sizes of heads");
                if let Some(norm) = norm {
                    assert!([head, x.width].contains(&norm.weight.len()), "sizes of a norm of heads");
                }
                if let Some(Turn { cos, sin, n }) = turn {
                    let fits = cos.len() == x.rows * n && sin.len() == cos.len();
                    assert!(n <= head && n.is_multiple_of(2) && fits, "sizes of a turn");
                }
                dispatch(level, &mut HeadsJob { x, head, norm, turn, out });
            }

            fn gated(level: Level, act: Gate, gate: Rows<Self>, up: Rows<Self>, out: &mut [Self]) {
                gate.check();
                up.check();
                assert!(gate.rows == up.rows && gate.width == up.width, "gate and up differ");
                assert!(out.len() == gate.rows * gate.width, "sizes of a gate");
                dispatch(level, &mut GateJob { act, gate, up, out });
            }
        }
    };
}

operand!(f32);
operand!(Bf16);

struct NormJob<'a, T> {
    x: Rows<'a, T>,
    added: Option<(Rows<'a, T>, &'a mut [T])>,
    norm: RmsNorm<'a>,
    out: &'a mut [T],
}

impl<T: Element> Job for NormJob<'_, T> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let width = self.x.width;
        for row in 0..self.x.rows {
            let mut x = self.x.row(row);
            // SAFETY: rows were checked, and `sum` and `out` are as large as all of them.
            unsafe {
                if let Some((added, sum)) = &mut self.added {
                    let to = sum.as_mut_ptr().add(row * width);
                    each::<L>(
                        width,
                        |at| plus::<L, T>(x, added.row(row), to, at),
                        |at| {
                            to.add(at).write(T::of((*x.add(at)).to_f32() + (*added.row(row).add(at)).to_f32()));
                        },
                    );
                    x = to;
                }
                let factor = inverse_root::<L, T>(x, width, self.norm.eps);
                let (weight, to) = (self.norm.weight.as_ptr(), self.out.as_mut_ptr().add(row * width));
                let vector = L::splat(factor);
                each::<L>(
                    width,
                    |at| {
                        let normed = L::mul(L::mul(T::load::<L>(x.add(at)), vector), L::load(weight.add(at)));
                        T::store::<L>(normed, to.add(at));
                    },
                    |at| to.add(at).write(T::of((*x.add(at)).to_f32() * factor * *weight.add(at))),
                );
            }
        }
    }
}

#[inline(always)]
unsafe fn plus<L: Lanes, T: Element>(a: *const T, b: *const T, to: *mut T, at: usize) {
    // SAFETY: the caller's pointers are valid for a vector at `at`.
    unsafe { T::store::<L>(L::add(T::load::<L>(a.add(at)), T::load::<L>(b.add(at))), to.add(at)) }
}

/// (Σx²/n + eps)^−½.
#[inline(always)]
pub(crate) unsafe fn inverse_root<L: Lanes, T: Element>(x: *const T, n: usize, eps: f32) -> f32 {
    // SAFETY: the caller's pointer is valid for `n` numbers.
    unsafe {
        // Several sums: one would wait for itself, and be less exact.
        let mut sums = [L::splat(0.0); 4];
        let mut turn = 0;
        let mut rest = 0.0f32;
        each::<L>(
            n,
            |at| {
                let v = T::load::<L>(x.add(at));
                sums[turn] = L::fma(v, v, sums[turn]);
                turn = (turn + 1) % 4;
            },
            |at| rest += (*x.add(at)).to_f32() * (*x.add(at)).to_f32(),
        );
        let sum = L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3]))) + rest;
        1.0 / (sum / n as f32 + eps).sqrt()
    }
}

/// `vector` at every place of a whole vector within `n` numbers, `single` for what is left.
#[inline(always)]
fn each<L: Lanes>(n: usize, mut vector: impl FnMut(usize), single: impl FnMut(usize)) {
    let whole = n / L::N * L::N;
    for at in (0..whole).step_by(L::N) {
        vector(at);
    }
    (whole..n).for_each(single);
}

struct HeadsJob<'a, T> {
    x: Rows<'a, T>,
    head: usize,
    norm: Option<RmsNorm<'a>>,
    turn: Option<Turn<'a>>,
    out: &'a mut [T],
}

impl<T: Element> Job for HeadsJob<'_, T> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let Rows { rows, width, .. } = self.x;
        // Numbers of a head as f32, normed; a head fits the first-level cache.
        let mut head = vec![0.0f32; self.head];
        for row in 0..rows {
            for first in (0..width).step_by(self.head) {
                // SAFETY: rows were checked, and `out` is as large as all of them.
                unsafe {
                    let x = self.x.row(row).add(first);
                    self.widen::<L>(x, first, &mut head);
                    if let Some(turn) = self.turn {
                        turn_head::<L>(&mut head, turn, row);
                    }
                    let to = self.out.as_mut_ptr().add(row * width + first);
                    each::<L>(
                        head.len(),
                        |at| T::store::<L>(L::load(head.as_ptr().add(at)), to.add(at)),
                        |at| to.add(at).write(T::of(head[at])),
                    );
                }
            }
        }
    }
}

impl<T: Element> HeadsJob<'_, T> {
    /// A head that begins at column `first`, with its norm.
    #[inline(always)]
    unsafe fn widen<L: Lanes>(&self, x: *const T, first: usize, head: &mut [f32]) {
        let n = head.len();
        // SAFETY: the caller's pointer is valid for a head; weights are as long as a head, or as a row.
        unsafe {
            let Some(RmsNorm { weight, eps }) = self.norm else {
                let to = head.as_mut_ptr();
                each::<L>(
                    n,
                    |at| L::store(T::load::<L>(x.add(at)), to.add(at)),
                    |at| {
                        to.add(at).write((*x.add(at)).to_f32());
                    },
                );
                return;
            };
            let weight = weight.as_ptr().add(if weight.len() == n { 0 } else { first });
            let factor = inverse_root::<L, T>(x, n, eps);
            let (vector, to) = (L::splat(factor), head.as_mut_ptr());
            each::<L>(
                n,
                |at| {
                    let normed = L::mul(L::mul(T::load::<L>(x.add(at)), vector), L::load(weight.add(at)));
                    L::store(normed, to.add(at));
                },
                |at| to.add(at).write((*x.add(at)).to_f32() * factor * *weight.add(at)),
            );
        }
    }
}

/// (a, b) → (a·cos − b·sin, b·cos + a·sin) for every pair.
#[inline(always)]
unsafe fn turn_head<L: Lanes>(head: &mut [f32], turn: Turn, row: usize) {
    let half = turn.n / 2;
    let of_row = |table: &[f32]| table[row * turn.n..][..turn.n].as_ptr();
    let (cos, sin, x) = (of_row(turn.cos), of_row(turn.sin), head.as_mut_ptr());
    // SAFETY: tables were checked, a head has at least n numbers.
    unsafe {
        each::<L>(
            half,
            |at| {
                let (a, b) = (L::load(x.add(at)), L::load(x.add(half + at)));
                let turned = L::mul(b, L::load(sin.add(at)));
                let low = L::sub(L::mul(a, L::load(cos.add(at))), turned);
                let high = L::fma(b, L::load(cos.add(half + at)), L::mul(a, L::load(sin.add(half + at))));
                L::store(low, x.add(at));
                L::store(high, x.add(half + at));
            },
            |at| {
                let (a, b) = (*x.add(at), *x.add(half + at));
                *x.add(at) = a * *cos.add(at) - b * *sin.add(at);
                *x.add(half + at) = b * *cos.add(half + at) + a * *sin.add(half + at);
            },
        );
    }
}

struct GateJob<'a, T> {
    act: Gate,
    gate: Rows<'a, T>,
    up: Rows<'a, T>,
    out: &'a mut [T],
}

impl<T: Element> Job for GateJob<'_, T> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        let Rows { rows, width, .. } = self.gate;
        for row in 0..rows {
            let (gate, up) = (self.gate.row(row), self.up.row(row));
            // SAFETY: rows were checked, and `out` is as large as all of them.
            unsafe {
                let to = self.out.as_mut_ptr().add(row * width);
                let whole = width / L::N * L::N;
                match self.act {
                    Gate::Silu => gate_row::<L, T>(gate, up, to, whole, |x| silu::<L>(x)),
                    Gate::GeluTanh => gate_row::<L, T>(gate, up, to, whole, |x| gelu_tanh::<L>(x)),
                }
                for at in whole..width {
                    // The same arithmetic in the first lane.
                    let x = L::splat((*gate.add(at)).to_f32());
                    let acted = match self.act {
                        Gate::Silu => silu::<L>(x),
                        Gate::GeluTanh => gelu_tanh::<L>(x),
                    };
                    to.add(at).write(T::of(L::greatest(acted) * (*up.add(at)).to_f32()));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn gate_row<L: Lanes, T: Element>(
    gate: *const T,
    up: *const T,
    to: *mut T,
    whole: usize,
    act: impl Fn(L::V) -> L::V,
) {
    for at in (0..whole).step_by(L::N) {
        // SAFETY: the caller's pointers are valid for `whole` numbers.
        unsafe {
            let product = L::mul(act(T::load::<L>(gate.add(at))), T::load::<L>(up.add(at)));
            T::store::<L>(product, to.add(at));
        }
    }
}

#[inline(always)]
unsafe fn silu<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: the caller's promise of what the processor has, passed on.
    unsafe { L::mul(x, sigmoid::<L>(x)) }
}

/// x·σ(2√(2/π)·(x + 0.044715·x³)), since (1 + tanh u)/2 = σ(2u).
#[inline(always)]
unsafe fn gelu_tanh<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: as above.
    unsafe { L::mul(x, sigmoid::<L>(gelu_inner::<L>(x)[0])) }
}

/// 2√(2/π)·(x + 0.044715·x³), and its slope.
#[inline(always)]
pub(crate) unsafe fn gelu_inner<L: Lanes>(x: L::V) -> [L::V; 2] {
    // 2√(2/π)
    const FACTOR: f32 = 1.595_769;
    const CUBE: f32 = 0.044_715;
    // SAFETY: as above.
    unsafe {
        let square = L::mul(x, x);
        let inner = L::mul(L::mul(x, L::splat(FACTOR)), L::fma(square, L::splat(CUBE), L::splat(1.0)));
        [inner, L::mul(L::splat(FACTOR), L::fma(square, L::splat(3.0 * CUBE), L::splat(1.0)))]
    }
}
