//! The inner loop of both matrix products of attention: a tile of the result kept in registers.
//!
//! C[r, c] (+)= Σ_s A[r, s]·B[s, c], with A read word by word and B packed in panels. A word is an f32, or
//! two bf16 that are multiplied and added in one instruction.

use crate::lanes::Lanes;

/// Rows of a full tile.
pub const ROWS: usize = 6;

/// Operands by address. Strides are in words (4 bytes), of C in numbers.
#[derive(Clone, Copy)]
pub struct Operands {
    pub a: *const f32,
    pub a_stride: usize,
    pub b: *const f32,
    pub b_stride: usize,
    pub steps: usize,
    pub c: *mut f32,
    pub c_stride: usize,
    /// Add to what C holds.
    pub adds: bool,
}

/// A tile of `rows` ≤ [`ROWS`] and `cols` ≤ [`Lanes::COLS`] vectors; `DOT`: words are pairs of bf16.
///
/// # Safety
/// The processor has what `L` needs, and every operand is valid for the tile.
#[inline(always)]
pub unsafe fn tile<L: Lanes, const DOT: bool>(o: Operands, rows: usize, cols: usize) {
    macro_rules! choose {
        ($($r:literal)*) => {
            match (rows, cols) {
                $(
                    // SAFETY: passed on.
                    ($r, 1) => unsafe { fixed::<L, DOT, $r, 1>(o) },
                    ($r, 2) => unsafe { fixed::<L, DOT, $r, 2>(o) },
                    ($r, 3) if L::COLS > 2 => unsafe { fixed::<L, DOT, $r, 3>(o) },
                    ($r, 4) if L::COLS > 2 => unsafe { fixed::<L, DOT, $r, 4>(o) },
                )*
                _ => {}
            }
        };
    }
    choose!(1 2 3 4 5 6)
}

#[inline(always)]
unsafe fn fixed<L: Lanes, const DOT: bool, const R: usize, const C: usize>(o: Operands) {
    // SAFETY: the caller's operands are valid for R rows and C vectors, and for `steps` words.
    unsafe {
        let mut acc = [[L::splat(0.0); C]; R];
        if o.adds {
            for (r, row) in acc.iter_mut().enumerate() {
                for (c, v) in row.iter_mut().enumerate() {
                    *v = L::load(o.c.add(r * o.c_stride + c * L::N));
                }
            }
        }
        let mut b = o.b;
        for s in 0..o.steps {
            let mut columns = [L::splat(0.0); C];
            for (c, v) in columns.iter_mut().enumerate() {
                *v = L::load(b.add(c * L::N));
            }
            for (r, row) in acc.iter_mut().enumerate() {
                let a = L::splat(o.a.add(r * o.a_stride + s).read_unaligned());
                for (v, column) in row.iter_mut().zip(columns) {
                    *v = if DOT { L::dot(a, column, *v) } else { L::fma(a, column, *v) };
                }
            }
            b = b.add(o.b_stride);
        }
        for (r, row) in acc.iter().enumerate() {
            for (c, v) in row.iter().enumerate() {
                L::store(*v, o.c.add(r * o.c_stride + c * L::N));
            }
        }
    }
}
