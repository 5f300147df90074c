//! 2ˣ, tanh and the logistic function on vectors.

use crate::lanes::Lanes;

/// What is below 2 to this power counts as nothing. Weights are at most 1, so f32 cannot see it; and what
/// is not far above the smallest normal number turns sums subnormal, with which processors are very slow.
const NOTHING: f32 = -100.0;

/// 2ˣ for x ≤ 0, to about one unit in the last place; 0 below 2⁻¹⁰⁰.
///
/// x = n + f with whole n and |f| ≤ ½; 2ᶠ by a polynomial of degree 6 (minimax coefficients as in Cephes'
/// `exp2f`).
#[inline(always)]
pub unsafe fn exp2<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: the caller's promise of what the processor has, passed on.
    unsafe {
        // In this order a NaN stays one.
        let within = L::max(L::splat(NOTHING), x);
        let n = L::round(within);
        let f = L::sub(within, n);
        let mut p = L::splat(1.535_336_2e-4);
        for coefficient in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_7e-1, std::f32::consts::LN_2, 1.0] {
            p = L::fma(p, f, L::splat(coefficient));
        }
        L::zero_below(L::scale(p, n), x, L::splat(NOTHING))
    }
}

/// tanh x = (1 − e⁻²ˣ)/(1 + e⁻²ˣ) for x ≥ 0, odd; within 10⁻⁷.
#[inline(always)]
pub unsafe fn tanh<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: as in `exp2`.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let negative = L::sub(zero, x);
        let size = L::max(negative, x);
        let e = exp2::<L>(L::mul(size, L::splat(-2.0 * std::f32::consts::LOG2_E)));
        let turned = L::div(L::sub(one, e), L::add(one, e));
        L::sub(L::zero_below(turned, x, zero), L::zero_below(turned, negative, zero))
    }
}

/// 1/(1 + e⁻ˣ). Only powers of e of negative numbers are taken, so that none is infinite, and nothing is
/// subtracted from one.
#[inline(always)]
pub unsafe fn sigmoid<L: Lanes>(x: L::V) -> L::V {
    // SAFETY: as in `exp2`.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let size = L::max(L::sub(zero, x), x);
        let e = exp2::<L>(L::mul(size, L::splat(-std::f32::consts::LOG2_E)));
        // 1/(1 + e) for positive numbers, e/(1 + e) for negative ones.
        let above = L::add(L::zero_below(one, x, zero), L::sub(e, L::zero_below(e, x, zero)));
        L::div(above, L::add(one, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Portable;

    #[test]
    fn equals_the_library() {
        for step in 0..40_000 {
            let x = -(step as f32) / 400.0;
            // SAFETY: plain arrays run anywhere.
            let found = unsafe { exp2::<Portable>([x; 4]) }[0];
            let expected = f64::from(x).exp2();
            assert!((f64::from(found) - expected).abs() <= 1.5e-7 * expected, "{x}: {found} not {expected}");
        }
        for step in -2000..2000 {
            let x = step as f32 / 200.0;
            // SAFETY: as above.
            let found = unsafe { tanh::<Portable>([x; 4]) }[0];
            assert!((f64::from(found) - f64::from(x).tanh()).abs() <= 1e-7, "{x}: {found}");
        }
        for step in -4000..4000 {
            let x = step as f32 / 100.0;
            // SAFETY: as above.
            let found = unsafe { sigmoid::<Portable>([x; 4]) }[0];
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            // The power's own rounding grows with its size.
            let relative = 3e-7 + 1e-7 * f64::from(x.abs());
            assert!((f64::from(found) - expected).abs() <= relative * expected, "{x}: {found}");
        }
        // SAFETY: as above.
        let [below, infinite, nan, zero] = unsafe { exp2::<Portable>([-100.5, f32::NEG_INFINITY, f32::NAN, 0.0]) };
        assert!(below == 0.0 && infinite == 0.0 && nan.is_nan() && zero == 1.0);
    }
}
