//! bfloat16: the upper half of an f32.

use crate::lanes::Lanes;

/// A bfloat16 number by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// Rounded to nearest, ties to even; any NaN becomes the quiet one.
    pub fn of(x: f32) -> Self {
        if x.is_nan() {
            return Self(0x7fc0);
        }
        let bits = x.to_bits();
        Self(((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
    }

    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// Numbers that tensors hold.
pub trait Element: Copy + Default + 'static {
    const IS_BF16: bool;
    fn of(x: f32) -> Self;
    fn to_f32(self) -> f32;
    /// # Safety
    /// As for [`Lanes`]: valid for its lanes.
    #[doc(hidden)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::V;
    /// # Safety
    /// As for [`Lanes`]: valid for its lanes.
    #[doc(hidden)]
    unsafe fn store<L: Lanes>(v: L::V, to: *mut Self);
}

impl Element for f32 {
    const IS_BF16: bool = false;

    fn of(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::V {
        // SAFETY: passed on.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    unsafe fn store<L: Lanes>(v: L::V, to: *mut Self) {
        // SAFETY: passed on.
        unsafe { L::store(v, to) }
    }
}

impl Element for Bf16 {
    const IS_BF16: bool = true;

    fn of(x: f32) -> Self {
        Bf16::of(x)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        Bf16::to_f32(self)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Self) -> L::V {
        // SAFETY: passed on; a Bf16 is its bits.
        unsafe { L::load_bf16(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store<L: Lanes>(v: L::V, to: *mut Self) {
        // SAFETY: passed on; a Bf16 is its bits.
        unsafe { L::store_bf16(v, to.cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_nearest_even() {
        for (x, bits) in [
            (1.0, 0x3f80),
            (-2.5, 0xc020),
            // Half way between 1 and its successor: the even one; and just above.
            (1.0 + 1.0 / 256.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 0x3f82),
            (1.0 + 1.0 / 255.0, 0x3f81),
            (f32::INFINITY, 0x7f80),
            (f32::MAX, 0x7f80),
            (f32::NAN, 0x7fc0),
        ] {
            assert_eq!(Bf16::of(x).0, bits, "{x}");
        }
        assert_eq!(Bf16(0x4049).to_f32(), 3.140625);
    }
}
