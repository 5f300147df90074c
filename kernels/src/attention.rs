//! Exact softmax attention over token trees, on one core.
//!
//! Per head and query: softmax(scale·q·Kᵀ)·V over the keys it sees. Keys and values of a tree are packed
//! once per key head; then blocks of queries walk over chunks of keys with a running maximum and sum
//! (as FlashAttention does, arXiv 2205.14135). What no query of a tile of six sees is not computed, so a
//! causal mask costs half of a full one and a branch never meets its siblings. Queries that come alone are computed
//! from keys and values as they lie ([`single`]). bf16 tensors are multiplied
//! in bf16 with f32 sums where the processor can, softmax is in f32 always.

mod block;
mod pack;
mod single;

use std::ops::Range;

use crate::lanes::{Lanes, Portable};
use crate::{Bf16, Level, bf16::Element};
use block::Block;
use pack::Packed;
use single::Single;

/// A tensor [row, head, width] whose last two axes are adjacent in memory.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a, T> {
    pub data: &'a [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

impl<'a, T> Heads<'a, T> {
    #[inline(always)]
    fn head(self, row: usize, head: usize, width: usize) -> &'a [T] {
        &self.data[row * self.stride + head * width..][..width]
    }
}

/// How far a query at position p sees: keys at positions p − back to p + forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub back: usize,
    pub forward: usize,
}

impl Reach {
    /// Everything.
    pub const ALL: Self = Self { back: usize::MAX, forward: usize::MAX };

    /// Keys of a piece that a query at `position` sees, counted from its first.
    fn of(self, position: usize, piece: &Piece) -> Range<usize> {
        let first = position.saturating_sub(self.back).saturating_sub(piece.position);
        let end = position.saturating_add(self.forward).saturating_add(1).saturating_sub(piece.position);
        let end = end.min(piece.keys.len());
        first.min(end)..end
    }
}

/// Keys at consecutive positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Rows of the key and value tensors.
    pub keys: Range<usize>,
    /// Of the first of them.
    pub position: usize,
}

/// Queries at consecutive positions that see the same keys, as far as they reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Rows of the query tensor (and of the output).
    pub queries: Range<usize>,
    /// Of the first of them.
    pub position: usize,
    /// Pieces of the tree by number.
    pub sees: Vec<usize>,
}

/// Keys and the queries that look at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub pieces: Vec<Piece>,
    pub spans: Vec<Span>,
}

/// What is the same for all trees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub heads: usize,
    /// Key heads; query head j uses key head j·groups/heads.
    pub groups: usize,
    /// Numbers per head.
    pub width: usize,
    pub scale: f32,
    /// Scores z = scale·q·k become cap·tanh(z/cap).
    pub cap: Option<f32>,
    pub reach: Reach,
}

/// Attention of every span into `out` [row, heads·width], rows of no span left as they are.
///
/// # Panics
/// If a range reaches beyond its tensor, or the level is not this machine's.
pub fn attend<T: Operand>(level: Level, qkv: [Heads<T>; 3], trees: &[Tree], shape: Shape, out: &mut [T]) {
    T::attend(level, qkv, trees, shape, out);
}

/// Kinds of tensors.
pub trait Operand: Element {
    /// [`attend`], compiled here and with that optimised, whatever the profile of who calls it.
    #[doc(hidden)]
    fn attend(level: Level, qkv: [Heads<Self>; 3], trees: &[Tree], shape: Shape, out: &mut [Self]);
}

impl Operand for f32 {
    fn attend(level: Level, qkv: [Heads<Self>; 3], trees: &[Tree], shape: Shape, out: &mut [Self]) {
        dispatch(level, qkv, trees, shape, out);
    }
}

impl Operand for Bf16 {
    fn attend(level: Level, qkv: [Heads<Self>; 3], trees: &[Tree], shape: Shape, out: &mut [Self]) {
        dispatch(level, qkv, trees, shape, out);
    }
}

fn dispatch<T: Operand>(level: Level, [q, k, v]: [Heads<T>; 3], trees: &[Tree], shape: Shape, out: &mut [T]) {
    assert!(level.is_available(), "{level:?} is not available on this machine");
    check(&[q, k, v], trees, shape, out.len());
    // Pairs of bf16 are read as words.
    let dot = T::IS_BF16 && shape.width.is_multiple_of(2) && q.stride.is_multiple_of(2);
    let mut work = Work { q, k, v, trees, shape, out };
    // SAFETY: the level is available, and every range was checked.
    unsafe {
        match level {
            Level::Portable => work.run::<Portable, false>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(&mut work),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 if dot => x86::avx512_bf16(&mut work),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => x86::avx512(&mut work),
            #[cfg(not(target_arch = "x86_64"))]
            _ => work.run::<Portable, false>(),
        }
    }
    let _ = dot;
}

fn check<T>(tensors: &[Heads<T>; 3], trees: &[Tree], shape: Shape, out: usize) {
    let Shape { heads, groups, width, .. } = shape;
    assert!(groups > 0 && width > 0 && heads.is_multiple_of(groups), "{heads} heads, {groups} key heads");
    let fits = |tensor: &Heads<T>, heads: usize, end: usize| {
        let n = heads * width;
        assert!(end == 0 || (end - 1) * tensor.stride + n <= tensor.data.len(), "{end} rows are not there");
        assert!(tensor.stride >= n, "rows of {n} numbers every {}", tensor.stride);
    };
    for tree in trees {
        for piece in &tree.pieces {
            fits(&tensors[1], groups, piece.keys.end);
            fits(&tensors[2], groups, piece.keys.end);
        }
        for span in &tree.spans {
            fits(&tensors[0], heads, span.queries.end);
            assert!(span.queries.end * heads * width <= out, "the output is too small");
            assert!(span.sees.iter().all(|&piece| piece < tree.pieces.len()), "the tree has no such piece");
        }
    }
}

/// Operands of one call, checked.
struct Work<'a, T> {
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    trees: &'a [Tree],
    shape: Shape,
    out: &'a mut [T],
}

impl<T: Operand> Work<'_, T> {
    #[inline(always)]
    unsafe fn run<L: Lanes, const DOT: bool>(&mut self) {
        let Shape { heads, groups, width, .. } = self.shape;
        let mut packed = Packed::new::<L, DOT>(width);
        let mut block = Block::new::<L>(width);
        let mut single = Single::default();
        let is_single = |span: &&Span| span.queries.len() == 1 && heads / groups <= single::MOST_HEADS;
        for tree in self.trees {
            let n_single = tree.spans.iter().filter(is_single).count();
            for group in 0..groups {
                for span in tree.spans.iter().filter(is_single) {
                    // SAFETY: the caller's promise; rows were checked.
                    unsafe {
                        single.attend::<L, T>([self.q, self.k, self.v], &tree.pieces, span, group, self.shape, self.out)
                    };
                }
                if n_single == tree.spans.len() {
                    continue;
                }
                // SAFETY: as above.
                unsafe { packed.fill::<L, T, DOT>(self.k, self.v, &tree.pieces, group) };
                for span in tree.spans.iter().filter(|span| !is_single(span)) {
                    for head in group * (heads / groups)..(group + 1) * (heads / groups) {
                        for first in span.queries.clone().step_by(block::ROWS) {
                            let rows = first..(first + block::ROWS).min(span.queries.end);
                            // SAFETY: as above.
                            unsafe { self.block::<L, DOT>(&packed, &mut block, &tree.pieces, span, rows, head) };
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block<L: Lanes, const DOT: bool>(
        &mut self,
        packed: &Packed,
        block: &mut Block,
        pieces: &[Piece],
        span: &Span,
        rows: Range<usize>,
        head: usize,
    ) {
        let Shape { heads, width, .. } = self.shape;
        let position = span.position + rows.start - span.queries.start;
        let queries = &self.q.data[rows.start * self.q.stride + head * width..];
        // SAFETY: the caller's promise; rows were checked.
        unsafe {
            block.begin::<T, DOT>(queries, self.q.stride, rows.len());
            for &piece in &span.sees {
                block.add::<L, DOT>(packed, packed.offsets[piece], &pieces[piece], position, self.shape);
            }
            let out = &mut self.out[(rows.start * heads + head) * width..];
            block.finish::<L, T>(out, heads * width);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Operand, Work};
    use crate::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<T: Operand>(work: &mut Work<T>) {
        // SAFETY: the instructions are enabled here, and the caller knows that they exist.
        unsafe { work.run::<Avx2, false>() }
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")]
    pub(super) unsafe fn avx512<T: Operand>(work: &mut Work<T>) {
        // SAFETY: as above.
        unsafe { work.run::<Avx512<false>, false>() }
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
    pub(super) unsafe fn avx512_bf16<T: Operand>(work: &mut Work<T>) {
        // SAFETY: as above.
        unsafe { work.run::<Avx512<true>, true>() }
    }
}
