//! log Σ eˣ of rows that come some columns at a time: logits of a vocabulary that never stand in memory together.

use crate::Level;
use crate::dispatch::{Job, dispatch};
use crate::exp::exp2;
use crate::lanes::Lanes;
use crate::rows::Rows;

/// Of every row the greatest number so far, and Σ e^(x − greatest).
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    greatest: Vec<f32>,
    sum: Vec<f32>,
}

impl Sums {
    pub fn new(rows: usize) -> Self {
        Self { greatest: vec![f32::NEG_INFINITY; rows], sum: vec![0.0; rows] }
    }

    /// Adds columns to all rows.
    ///
    /// # Panics
    /// Where the number of rows is another, or the level is not this machine's.
    pub fn add(&mut self, level: Level, x: Rows<f32>) {
        x.check();
        assert_eq!(x.rows, self.sum.len(), "rows of logits");
        dispatch(level, &mut AddJob { x, sums: self });
    }

    /// log Σ eˣ of every row; −∞ of none.
    pub fn log(&self) -> impl Iterator<Item = f32> {
        // The sum is at least 1: the greatest number's own part.
        self.greatest.iter().zip(&self.sum).map(|(greatest, sum)| greatest + sum.ln())
    }
}

struct AddJob<'a, 'b> {
    x: Rows<'a, f32>,
    sums: &'b mut Sums,
}

impl Job for AddJob<'_, '_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(&mut self) {
        for row in 0..self.x.rows {
            // SAFETY: rows were checked.
            let (greatest, sum) = unsafe { of_row::<L>(self.x.row(row), self.x.width) };
            let (before, now) = (self.sums.greatest[row], self.sums.greatest[row].max(greatest));
            let shrunk = |sum: f32, from: f32| if from == now { sum } else { sum * (from - now).exp() };
            self.sums.sum[row] = shrunk(self.sums.sum[row], before) + shrunk(sum, greatest);
            // A NaN is no maximum, and has to stay one.
            self.sums.greatest[row] = if sum.is_nan() { f32::NAN } else { now };
        }
    }
}

/// The greatest of `n` numbers and Σ e^(x − greatest), in two passes over what fits the first-level cache.
#[inline(always)]
unsafe fn of_row<L: Lanes>(x: *const f32, n: usize) -> (f32, f32) {
    let whole = n / L::N * L::N;
    // SAFETY: the caller's pointer is valid for `n` numbers.
    unsafe {
        let mut maxima = [L::splat(f32::NEG_INFINITY); 4];
        for (turn, at) in (0..whole).step_by(L::N).enumerate() {
            maxima[turn % 4] = L::max(maxima[turn % 4], L::load(x.add(at)));
        }
        let all = L::max(L::max(maxima[0], maxima[1]), L::max(maxima[2], maxima[3]));
        let greatest = (whole..n).map(|at| *x.add(at)).fold(L::greatest(all), f32::max);
        if greatest == f32::NEG_INFINITY {
            return (greatest, 0.0);
        }
        let (factor, offset) = (L::splat(std::f32::consts::LOG2_E), L::splat(-greatest * std::f32::consts::LOG2_E));
        let mut sums = [L::splat(0.0); 4];
        for (turn, at) in (0..whole).step_by(L::N).enumerate() {
            sums[turn % 4] = L::add(sums[turn % 4], exp2::<L>(L::fma(L::load(x.add(at)), factor, offset)));
        }
        let sum = L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])));
        (greatest, sum + (whole..n).map(|at| (*x.add(at) - greatest).exp()).sum::<f32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between −size and size, none of them regular.
    fn numbers(n: usize, size: f32) -> Vec<f32> {
        (0..n).map(|i| size * ((i as f32 * 12.9898).sin() * 43.758_545).sin()).collect()
    }

    #[test]
    fn columns_in_pieces_give_the_sum_of_all() {
        for level in Level::available() {
            for size in [0.01, 5.0, 60.0] {
                let (rows, width) = (3, 1037);
                let data = numbers(rows * width, size);
                let mut sums = Sums::new(rows);
                for (start, end) in [(0, 512), (512, 513), (513, width)] {
                    sums.add(level, Rows { data: &data[start..], rows, width: end - start, stride: width });
                }
                for (row, found) in sums.log().enumerate() {
                    let exact: f64 = data[row * width..][..width].iter().map(|x| f64::from(*x).exp()).sum();
                    assert!(
                        (f64::from(found) - exact.ln()).abs() < 4e-6 * exact.ln().abs().max(1.0),
                        "{level:?} {size}: {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_kept_and_nothing_is_nothing() {
        for level in Level::available() {
            let mut sums = Sums::new(2);
            let mut data = numbers(2 * 40, 1.0);
            data[7] = f32::NAN;
            sums.add(level, Rows { data: &data, rows: 2, width: 40, stride: 40 });
            sums.add(level, Rows { data: &data[40..], rows: 2, width: 20, stride: 20 });
            let found: Vec<f32> = sums.log().collect();
            assert!(found[0].is_nan() && found[1].is_finite(), "{level:?}: {found:?}");
            let none = [f32::NEG_INFINITY; 40];
            let mut sums = Sums::new(1);
            sums.add(level, Rows { data: &none, rows: 1, width: 40, stride: 40 });
            assert_eq!(sums.log().next(), Some(f32::NEG_INFINITY));
        }
    }
}
