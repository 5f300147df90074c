//! One query at a time, as when text is written token by token.
//!
//! Packing keys pays where many queries look at them. A single one reads each key and each value once, as they lie in
//! their tensors: all heads of a group look at a row while it is there.

use super::{Heads, Operand, Piece, Shape, Span};
use crate::exp::{exp2, tanh};
use crate::lanes::Lanes;

/// Buffers of a query.
#[derive(Default)]
pub struct Single {
    /// Queries of a group's heads in f32, [head, width].
    queries: Vec<f32>,
    /// Scores and then weights, [head, key], rows of whole vectors.
    scores: Vec<f32>,
    /// Σ weight·value, [head, width].
    sums: Vec<f32>,
}

impl Single {
    /// Output of the one query of `span` for the heads of a key group.
    ///
    /// # Safety
    /// The processor has what `L` needs; rows were checked.
    #[inline(always)]
    pub unsafe fn attend<L: Lanes, T: Operand>(
        &mut self,
        [q, k, v]: [Heads<T>; 3],
        pieces: &[Piece],
        span: &Span,
        group: usize,
        shape: Shape,
        out: &mut [T],
    ) {
        let Shape { heads, groups, width, scale, cap, reach } = shape;
        let n_heads = heads / groups;
        let first_head = group * n_heads;
        let row = span.queries.start;
        self.queries.clear();
        for head in first_head..first_head + n_heads {
            self.queries.extend(q.head(row, head, width).iter().map(|x| x.to_f32()));
        }
        let seen = |piece: &Piece| reach.of(span.position, piece);
        let n: usize = span.sees.iter().map(|&piece| seen(&pieces[piece]).len()).sum();
        let stride = n.next_multiple_of(L::N);
        self.scores.clear();
        self.scores.resize(n_heads * stride, f32::NEG_INFINITY);
        let mut at = 0;
        for &piece in &span.sees {
            let piece = &pieces[piece];
            for key in seen(piece) {
                let key = k.head(piece.keys.start + key, group, width);
                for head in 0..n_heads {
                    // SAFETY: both have `width` numbers.
                    self.scores[head * stride + at] =
                        unsafe { dot::<L, T>(self.queries.as_ptr().add(head * width), key.as_ptr(), width) };
                }
                at += 1;
            }
        }
        self.sums.clear();
        self.sums.resize(n_heads * width, 0.0);
        let mut totals = [0.0f32; MOST_HEADS];
        for (head, total) in totals.iter_mut().enumerate().take(n_heads) {
            let scores = &mut self.scores[head * stride..][..stride];
            // SAFETY: rows are whole vectors.
            *total = unsafe { weigh::<L>(scores, n, scale, cap) };
        }
        let mut at = 0;
        for &piece in &span.sees {
            let piece = &pieces[piece];
            for value in seen(piece) {
                let value = v.head(piece.keys.start + value, group, width);
                for head in 0..n_heads {
                    let weight = self.scores[head * stride + at];
                    // SAFETY: both have `width` numbers.
                    unsafe { add::<L, T>(self.sums.as_mut_ptr().add(head * width), weight, value.as_ptr(), width) };
                }
                at += 1;
            }
        }
        for (head, total) in totals.iter().enumerate().take(n_heads) {
            // Compared like this, a NaN goes on to whoever looks.
            let inverse = if *total == 0.0 { 0.0 } else { 1.0 / total };
            let sums = &self.sums[head * width..][..width];
            let out = &mut out[(row * heads + first_head + head) * width..][..width];
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::of(sum * inverse));
        }
    }
}

/// Heads of a group that a single query is computed for.
pub const MOST_HEADS: usize = 64;

/// Σ q·k.
#[inline(always)]
unsafe fn dot<L: Lanes, T: Operand>(q: *const f32, k: *const T, width: usize) -> f32 {
    // SAFETY: the caller's promise: `width` numbers on either side.
    unsafe {
        let (mut one, mut two) = (L::splat(0.0), L::splat(0.0));
        let mut i = 0;
        while i + 2 * L::N <= width {
            one = L::fma(L::load(q.add(i)), T::load::<L>(k.add(i)), one);
            two = L::fma(L::load(q.add(i + L::N)), T::load::<L>(k.add(i + L::N)), two);
            i += 2 * L::N;
        }
        if i + L::N <= width {
            one = L::fma(L::load(q.add(i)), T::load::<L>(k.add(i)), one);
            i += L::N;
        }
        let mut sum = L::sum(L::add(one, two));
        while i < width {
            sum += *q.add(i) * (*k.add(i)).to_f32();
            i += 1;
        }
        sum
    }
}

/// sums += weight·values.
#[inline(always)]
unsafe fn add<L: Lanes, T: Operand>(sums: *mut f32, weight: f32, values: *const T, width: usize) {
    // SAFETY: as for `dot`.
    unsafe {
        let by = L::splat(weight);
        let mut i = 0;
        while i + L::N <= width {
            L::store(L::fma(by, T::load::<L>(values.add(i)), L::load(sums.add(i))), sums.add(i));
            i += L::N;
        }
        while i < width {
            *sums.add(i) += weight * (*values.add(i)).to_f32();
            i += 1;
        }
    }
}

/// The first `seen` scores to exp(scale·(score − maximum)), after the cap where there is one; returns their sum. What
/// fills the last vector comes to 0.
#[inline(always)]
unsafe fn weigh<L: Lanes>(scores: &mut [f32], seen: usize, scale: f32, cap: Option<f32>) -> f32 {
    // SAFETY: the caller's promise: whole vectors.
    unsafe {
        let n = scores.len();
        if let Some(cap) = cap {
            let at = scores.as_mut_ptr();
            for i in (0..n).step_by(L::N) {
                let turned = tanh::<L>(L::mul(L::load(at.add(i)), L::splat(scale / cap)));
                L::store(L::mul(turned, L::splat(cap / scale)), at.add(i));
            }
            // No cap holds what is not there.
            scores[seen..].fill(f32::NEG_INFINITY);
        }
        let at = scores.as_mut_ptr();
        let mut greatest = L::splat(f32::NEG_INFINITY);
        for i in (0..n).step_by(L::N) {
            greatest = L::max(greatest, L::load(at.add(i)));
        }
        let greatest = L::greatest(greatest);
        if greatest == f32::NEG_INFINITY {
            scores.fill(0.0);
            return 0.0;
        }
        let base2 = scale * std::f32::consts::LOG2_E;
        let (factor, offset) = (L::splat(base2), L::splat(-base2 * greatest));
        let mut total = L::splat(0.0);
        for i in (0..n).step_by(L::N) {
            let weight = exp2::<L>(L::fma(L::load(at.add(i)), factor, offset));
            total = L::add(total, weight);
            L::store(weight, at.add(i));
        }
        L::sum(total)
    }
}
