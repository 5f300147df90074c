//! McNemar's test: of the items on which two runs disagree, do right answers favour one of them?
//!
//! exact p = min(1, 2 P(X ≤ min(b, c))), X ~ Binomial(b + c, ½), b and c the items only one of them gets right
//! (McNemar 1947, exact form). The mid-p counts the observed table half: 2 (P(X ≤ k) − ½ P(X = k)); its level
//! is closer to the nominal one, where the exact test stays below it (Fagerland, Lydersen and Laake 2013).

use crate::metric::gamma::{binomial_half_cdf, binomial_half_pmf};

/// Two-sided exact p; 1 where there is no disagreement.
pub fn exact_p(only_first_right: u64, only_second_right: u64) -> f64 {
    let smaller = only_first_right.min(only_second_right);
    (2.0 * binomial_half_cdf(smaller, only_first_right + only_second_right)).min(1.0)
}

/// Two-sided mid-p; 1 where there is no disagreement.
pub fn mid_p(only_first_right: u64, only_second_right: u64) -> f64 {
    let (smaller, n) = (only_first_right.min(only_second_right), only_first_right + only_second_right);
    if only_first_right == only_second_right {
        return 1.0;
    }
    2.0 * binomial_half_cdf(smaller, n) - binomial_half_pmf(smaller, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(exact_p(0, 0), 1.0);
        // 2 (1 + 6)/64
        assert!((exact_p(1, 5) - 14.0 / 64.0).abs() < 1e-14);
        assert_eq!(exact_p(1, 5), exact_p(5, 1));
        assert_eq!(exact_p(3, 3), 1.0);
        // 14/64 − 6/64
        assert!((mid_p(5, 1) - 8.0 / 64.0).abs() < 1e-14);
        assert_eq!((mid_p(0, 0), mid_p(3, 3)), (1.0, 1.0));
    }
}
