//! Which entries of a difference stay.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::rule::pieces;
use crate::random;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Thinning {
    None,
    /// The ⌊density · n⌋ entries of largest magnitude; of equal ones those that come first.
    Largest {
        density: f64,
    },
    /// Each with probability `density`, multiplied by 1/density.
    Random {
        density: f64,
        seed: u64,
    },
}

/// Thins the pieces of one model's difference, in order.
pub enum Thinner {
    Everything,
    Above(Cutoff),
    Drawn { draws: Box<ChaCha8Rng>, density: f64 },
}

/// Larger magnitudes than `threshold` stay, and the first `ties` that equal it.
pub struct Cutoff {
    threshold: f64,
    ties: i64,
}

/// Bits of a magnitude that are looked at in one pass.
const DIGIT: i64 = 16;

impl Thinner {
    /// `delta` gives the pieces of the n values; `key` names model and tensor.
    pub fn new(way: Thinning, key: &str, n: i64, delta: impl Fn((i64, i64)) -> Tensor) -> Result<Self, String> {
        Ok(match way {
            Thinning::None => Self::Everything,
            Thinning::Largest { density } | Thinning::Random { density, .. } if density >= 1.0 || n == 0 => {
                Self::Everything
            }
            Thinning::Largest { density } => {
                let kept = (density * n as f64) as i64;
                if kept == 0 {
                    return Err(format!("a density of {density} leaves none of its {n} values"));
                }
                Self::Above(Cutoff::of(n, kept, delta))
            }
            Thinning::Random { density, seed } => {
                Self::Drawn { draws: Box::new(random::stream(seed, "dare", key)), density }
            }
        })
    }

    /// The next piece.
    pub fn thin(&mut self, delta: Tensor) -> Tensor {
        match self {
            Thinner::Everything => delta,
            Thinner::Above(cutoff) => cutoff.keep(delta),
            Thinner::Drawn { draws, density } => {
                let density = *density;
                let stays = |draw: f64| if draw < density { 1.0 / density } else { 0.0 };
                let factors: Vec<f64> = (0..delta.numel()).map(|_| stays(draws.random())).collect();
                delta * Tensor::from_slice(&factors)
            }
        }
    }
}

impl Cutoff {
    /// The `kept`-th largest magnitude of n values, found digit by digit: the bits of magnitudes order like
    /// the numbers, so four counts of 16 bits each lead to it without anything being sorted or held.
    fn of(n: i64, kept: i64, delta: impl Fn((i64, i64)) -> Tensor) -> Self {
        let (mut found, mut rank) = (0i64, kept);
        for shift in [3 * DIGIT, 2 * DIGIT, DIGIT, 0] {
            let mut counts = vec![0i64; 1 << DIGIT];
            for at in pieces(n) {
                let bits = delta(at).abs().contiguous().view_dtype(Kind::Int64);
                let within = match shift == 3 * DIGIT {
                    true => bits,
                    false => {
                        let above = bits.bitwise_right_shift_tensor_scalar(shift + DIGIT);
                        bits.masked_select(&above.eq(found))
                    }
                };
                let digits = within.bitwise_right_shift_tensor_scalar(shift).bitwise_and((1i64 << DIGIT) - 1);
                let counted = digits.bincount(None::<Tensor>, 1 << DIGIT);
                let mut of_piece = vec![0i64; 1 << DIGIT];
                counted.copy_data(&mut of_piece, 1 << DIGIT);
                counts.iter_mut().zip(of_piece).for_each(|(sum, count)| *sum += count);
            }
            let mut digit = (1i64 << DIGIT) - 1;
            while digit > 0 && rank > counts[digit as usize] {
                rank -= counts[digit as usize];
                digit -= 1;
            }
            found = (found << DIGIT) | digit;
        }
        Self { threshold: f64::from_bits(found as u64), ties: rank }
    }

    fn keep(&mut self, delta: Tensor) -> Tensor {
        let magnitude = delta.abs();
        let equals = magnitude.eq(self.threshold);
        let place = equals.to_kind(Kind::Int64).cumsum(0, Kind::Int64);
        let stays = magnitude.gt(self.threshold).logical_or(&equals.logical_and(&place.le(self.ties)));
        self.ties -= equals.sum(Kind::Int64).int64_value(&[]);
        delta * stays.to_kind(Kind::Double)
    }
}
