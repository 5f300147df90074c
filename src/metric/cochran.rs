//! Cochran's Q: are k right-or-wrong answers to the same items equally often right? (Cochran 1950)
//!
//! Q = (k − 1) (k Σ C_j² − T²) / (k T − Σ R_i²), C_j the column's, R_i the item's number of right answers, T
//! all of them; χ² with k − 1 degrees of freedom. Items that are right everywhere or nowhere do not count.

use crate::metric::gamma::chi2_tail;

/// A χ² test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    pub statistic: f64,
    pub df: usize,
    pub p: f64,
}

impl ChiSquare {
    pub fn new(statistic: f64, df: usize) -> Self {
        Self { statistic, df, p: chi2_tail(statistic, df as f64) }
    }
}

/// `right[j]`: right answers of column j; `by_item`: how many items have r columns right, r = 0..=k.
/// `None` where no item tells columns apart, or for fewer than two columns.
pub fn q(right: &[u64], by_item: &[u64]) -> Option<ChiSquare> {
    let k = right.len() as f64;
    let total: f64 = right.iter().map(|c| *c as f64).sum();
    let columns: f64 = right.iter().map(|c| (*c as f64).powi(2)).sum();
    let items: f64 = by_item.iter().enumerate().map(|(r, n)| *n as f64 * (r as f64).powi(2)).sum();
    let below = k * total - items;
    if right.len() < 2 || below <= 0.0 {
        return None;
    }
    Some(ChiSquare::new((k - 1.0) * (k * columns - total * total) / below, right.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns: Q is McNemar's (b − c)²/(b + c). b = 6, c = 2, both right 4, both wrong 3: 16/8.
    #[test]
    fn two_columns_are_mcnemars_chi_square() {
        let found = q(&[10, 6], &[3, 8, 4]).unwrap();
        assert!((found.statistic - 2.0).abs() < 1e-12);
        assert_eq!(found.df, 1);
        assert_eq!(q(&[4, 4], &[3, 0, 4]), None);
        assert_eq!(q(&[4], &[3, 4]), None);
    }
}
