//! Vectors of f32 behind one trait, so that every kernel is written once.
//!
//! All methods are `unsafe` because an implementation may use instructions that not every processor has:
//! the entry points in [`level`](crate::level) choose one that this processor can run. Pointers need no
//! alignment and must be valid for the lanes they name.

/// One way to compute on `N` numbers at a time.
pub trait Lanes: Copy + 'static {
    type V: Copy;
    const N: usize;
    /// Vectors side by side in a tile; with [`ROWS`](crate::tile::ROWS) rows of them in registers, some are left over.
    const COLS: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(v: Self::V, to: *mut f32);
    /// bf16 by their bits.
    unsafe fn load_bf16(from: *const u16) -> Self::V;
    /// Rounded to nearest even.
    unsafe fn store_bf16(v: Self::V, to: *mut u16);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `b` where one of them is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c, rounded once.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// To the nearest whole number.
    unsafe fn round(a: Self::V) -> Self::V;
    /// a·2ⁿ for whole n of at least −126.
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V;
    /// `a`, but 0 where `x` is below `bound`.
    unsafe fn zero_below(a: Self::V, x: Self::V, bound: Self::V) -> Self::V;
    unsafe fn sum(a: Self::V) -> f32;
    unsafe fn greatest(a: Self::V) -> f32;
    /// Every lane holds two bf16: acc + a₀·b₀ + a₁·b₁ in f32.
    unsafe fn dot(a: Self::V, b: Self::V, acc: Self::V) -> Self::V;
}

/// Plain arrays; the compiler finds the vectors.
#[derive(Clone, Copy)]
pub struct Portable;

const N: usize = 4;

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> [f32; N] {
    std::array::from_fn(f)
}

impl Lanes for Portable {
    type V = [f32; N];
    const N: usize = N;
    const COLS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's pointer is valid for N numbers; arrays of them may be read unaligned.
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(v: Self::V, to: *mut f32) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[f32; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        // SAFETY: as for `load`.
        unsafe { from.cast::<[u16; N]>().read_unaligned() }.map(|bits| crate::Bf16(bits).to_f32())
    }
    #[inline(always)]
    unsafe fn store_bf16(v: Self::V, to: *mut u16) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[u16; N]>().write_unaligned(v.map(|x| crate::Bf16::of(x).0)) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Rounded twice: `mul_add` is a call where the processor has no such instruction.
        map(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn round(a: Self::V) -> Self::V {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        map(|i| a[i] * f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn zero_below(a: Self::V, x: Self::V, bound: Self::V) -> Self::V {
        map(|i| if x[i] < bound[i] { 0.0 } else { a[i] })
    }
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    unsafe fn greatest(a: Self::V) -> f32 {
        a[0].max(a[1]).max(a[2].max(a[3]))
    }
    #[inline(always)]
    unsafe fn dot(_: Self::V, _: Self::V, acc: Self::V) -> Self::V {
        acc
    }
}
