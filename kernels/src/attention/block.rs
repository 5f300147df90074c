//! A block of queries of one head on its walk over the keys.

use std::ops::Range;

use super::pack::{Packed, per_word};
use super::{Operand, Piece, Shape};
use crate::exp::{exp2, tanh};
use crate::lanes::Lanes;
use crate::tile::{self, Operands, tile};

/// Queries of a block.
pub const ROWS: usize = 8 * tile::ROWS;
/// Keys of a chunk: as many as fit the second-level cache with their values.
const CHUNK: usize = 256;

/// State of up to [`ROWS`] queries.
pub struct Block {
    width: usize,
    /// Numbers of a row of `sums`: the width in whole vectors.
    padded: usize,
    n: usize,
    /// Address of the first query's words and the distance to the next.
    queries: *const f32,
    stride: usize,
    /// Queries in f32 where the tensor is not read as it is.
    widened: Vec<f32>,
    /// Running maximum of the scores of each query (unscaled).
    greatest: [f32; ROWS],
    /// Running Σ exp of each query.
    totals: [f32; ROWS],
    /// Running Σ exp·value.
    sums: Vec<f32>,
    /// Scores of a tile, and after that the same as weights.
    scores: Vec<f32>,
    weights: Vec<f32>,
}

impl Block {
    pub fn new<L: Lanes>(width: usize) -> Self {
        let padded = width.next_multiple_of(L::N);
        Self {
            width,
            padded,
            n: 0,
            queries: std::ptr::null(),
            stride: 0,
            widened: vec![0.0; ROWS * width],
            greatest: [f32::NEG_INFINITY; ROWS],
            totals: [0.0; ROWS],
            sums: vec![0.0; ROWS * padded],
            scores: vec![0.0; tile::ROWS * CHUNK],
            weights: vec![0.0; tile::ROWS * CHUNK],
        }
    }

    /// Begins with `n` queries, `stride` numbers apart. They must stay where they are until the end.
    #[inline(always)]
    pub unsafe fn begin<T: Operand, const DOT: bool>(&mut self, queries: &[T], stride: usize, n: usize) {
        self.n = n;
        self.greatest.fill(f32::NEG_INFINITY);
        self.totals.fill(0.0);
        self.sums.fill(0.0);
        if T::IS_BF16 && !DOT {
            for (row, to) in self.widened.chunks_exact_mut(self.width).enumerate().take(n) {
                to.iter_mut().zip(&queries[row * stride..]).for_each(|(to, x)| *to = x.to_f32());
            }
            (self.queries, self.stride) = (self.widened.as_ptr(), self.width);
        } else {
            // Words of two bf16 begin at even numbers where strides are even; tiles read them unaligned.
            (self.queries, self.stride) = (queries.as_ptr().cast(), stride);
        }
        debug_assert!(!DOT || stride.is_multiple_of(2));
    }

    /// Adds the keys of a piece that the queries reach. They are packed from `offset` on; the first query
    /// stands at `position`.
    #[inline(always)]
    pub unsafe fn add<L: Lanes, const DOT: bool>(
        &mut self,
        packed: &Packed,
        offset: usize,
        piece: &Piece,
        position: usize,
        shape: Shape,
    ) {
        let visible = |row: usize| {
            let keys = shape.reach.of(position + row, piece);
            offset + keys.start..offset + keys.end
        };
        let (begin, end) = (visible(0).start, visible(self.n - 1).end);
        let mut from = begin / L::N * L::N;
        while from < end {
            // Chunks end with a panel, so that no panel is cut by two of them.
            let to = (from / CHUNK * CHUNK + CHUNK).min(end);
            for first in (0..self.n).step_by(tile::ROWS) {
                let rows = tile::ROWS.min(self.n - first);
                let low = visible(first).start.max(from) / L::N * L::N;
                let high = visible(first + rows - 1).end.min(to);
                if low < high {
                    let high = high.next_multiple_of(L::N);
                    // SAFETY: the caller's promise; the columns lie within the packed keys.
                    unsafe {
                        self.score::<L, DOT>(packed, first, rows, low, high);
                        if let Some(cap) = shape.cap {
                            self.cap::<L>(rows, high - low, shape.scale, cap);
                        }
                        for row in first..first + rows {
                            let Range { start, end } = visible(row);
                            let visible = start.clamp(low, to)..end.clamp(low, to);
                            self.weigh::<L, DOT>(row, row - first, low, high, visible, shape.scale);
                        }
                        self.gather::<L, DOT>(packed, first, rows, low, high);
                    }
                }
            }
            from = to.next_multiple_of(L::N);
        }
    }

    /// Scores of a tile's rows against the keys `low..high`.
    #[inline(always)]
    unsafe fn score<L: Lanes, const DOT: bool>(
        &mut self,
        packed: &Packed,
        first: usize,
        rows: usize,
        low: usize,
        high: usize,
    ) {
        let panel = packed.key_panel;
        let stride = self.stride / per_word(DOT);
        let mut column = low;
        while column < high {
            let within = column % panel;
            let n = (panel - within).min(high - column);
            let operands = Operands {
                // SAFETY: rows of the queries were checked, and panels hold all keys up to `high`.
                a: unsafe { self.queries.add(first * stride) },
                a_stride: stride,
                b: unsafe { packed.keys.as_ptr().add(column / panel * packed.key_words * panel + within) },
                b_stride: panel,
                steps: packed.key_words,
                c: unsafe { self.scores.as_mut_ptr().add(column - low) },
                c_stride: CHUNK,
                adds: false,
            };
            // SAFETY: as above.
            unsafe { tile::<L, DOT>(operands, rows, n / L::N) };
            column += n;
        }
    }

    /// Scores s of a tile to cap·tanh(scale·s/cap)/scale.
    #[inline(always)]
    unsafe fn cap<L: Lanes>(&mut self, rows: usize, n: usize, scale: f32, cap: f32) {
        for row in self.scores.chunks_exact_mut(CHUNK).take(rows) {
            for at in (0..n).step_by(L::N) {
                // SAFETY: the caller's promise; vectors lie within the row.
                unsafe {
                    let scores = row.as_mut_ptr().add(at);
                    let turned = tanh::<L>(L::mul(L::load(scores), L::splat(scale / cap)));
                    L::store(L::mul(turned, L::splat(cap / scale)), scores);
                }
            }
        }
    }

    /// Scores of one row to weights exp(scale·(score − maximum)), zero where a key is not visible.
    #[inline(always)]
    unsafe fn weigh<L: Lanes, const DOT: bool>(
        &mut self,
        row: usize,
        in_tile: usize,
        low: usize,
        high: usize,
        visible: Range<usize>,
        scale: f32,
    ) {
        if visible.is_empty() {
            self.weights[in_tile * CHUNK..][..high - low].fill(0.0);
            return;
        }
        let scores = &mut self.scores[in_tile * CHUNK..][..high - low];
        scores[..visible.start - low].fill(f32::NEG_INFINITY);
        scores[visible.end - low..].fill(f32::NEG_INFINITY);
        // SAFETY: vectors lie within the row's scores and weights.
        unsafe {
            let mut greatest = L::splat(f32::NEG_INFINITY);
            for at in (0..scores.len()).step_by(L::N) {
                greatest = L::max(greatest, L::load(scores.as_ptr().add(at)));
            }
            let before = self.greatest[row];
            let now = before.max(L::greatest(greatest));
            let weights = self.weights.as_mut_ptr().add(in_tile * CHUNK);
            let base2 = scale * std::f32::consts::LOG2_E;
            let (factor, offset) = (L::splat(base2), L::splat(-base2 * now));
            let mut total = L::splat(0.0);
            for at in (0..scores.len()).step_by(L::N) {
                let score = L::load(scores.as_ptr().add(at));
                let weight = exp2::<L>(L::fma(score, factor, offset));
                total = L::add(total, weight);
                if DOT {
                    L::store_bf16(weight, weights.cast::<u16>().add(at));
                } else {
                    L::store(weight, weights.add(at));
                }
            }
            // Where a key is not visible the weight is none at all, not just a very small one.
            let bytes = 4 / per_word(DOT);
            let zero = |columns: Range<usize>| {
                weights.cast::<u8>().add((columns.start - low) * bytes).write_bytes(0, columns.len() * bytes);
            };
            zero(low..visible.start);
            zero(visible.end..high);
            if before < now {
                let shrink = if before == f32::NEG_INFINITY { 0.0 } else { ((before - now) * base2).exp2() };
                self.totals[row] *= shrink;
                let factor = L::splat(shrink);
                let sums = self.sums.as_mut_ptr().add(row * self.padded);
                for at in (0..self.padded).step_by(L::N) {
                    L::store(L::mul(L::load(sums.add(at)), factor), sums.add(at));
                }
            }
            self.greatest[row] = now;
            self.totals[row] += L::sum(total);
        }
    }

    /// Adds weights times values of a tile.
    #[inline(always)]
    unsafe fn gather<L: Lanes, const DOT: bool>(
        &mut self,
        packed: &Packed,
        first: usize,
        rows: usize,
        low: usize,
        high: usize,
    ) {
        for column in (0..self.padded).step_by(packed.value_panel) {
            let panel = column / packed.value_panel * packed.value_stride;
            let operands = Operands {
                a: self.weights.as_ptr(),
                a_stride: CHUNK,
                // SAFETY: panels hold values of all keys up to `high`, and sums all rows.
                b: unsafe { packed.values.as_ptr().add(panel + low / per_word(DOT) * packed.value_panel) },
                b_stride: packed.value_panel,
                steps: (high - low) / per_word(DOT),
                c: unsafe { self.sums.as_mut_ptr().add(first * self.padded + column) },
                c_stride: self.padded,
                adds: true,
            };
            let n = packed.value_panel.min(self.padded - column);
            // SAFETY: as above.
            unsafe { tile::<L, DOT>(operands, rows, n / L::N) };
        }
    }

    /// Writes Σ exp·value / Σ exp; a query that saw nothing gives zeros.
    #[inline(always)]
    pub unsafe fn finish<L: Lanes, T: Operand>(&mut self, out: &mut [T], stride: usize) {
        for row in 0..self.n {
            let total = self.totals[row];
            // Compared like this, a NaN goes on to whoever looks at rewards.
            let inverse = if total == 0.0 { 0.0 } else { 1.0 / total };
            let sums = &self.sums[row * self.padded..][..self.width];
            let out = &mut out[row * stride..][..self.width];
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::of(sum * inverse));
        }
    }
}
