//! What a comparison could have found, and what dependence costs.

use crate::metric::normal::normal_quantile;

/// Chance of finding a true difference of the minimum detectable size.
pub const POWER: f64 = 0.8;

/// Minimum detectable effect: the true difference that a two-sided test at 1 − `level` finds with a chance of
/// [`POWER`], (z(1 − α/2) + z(power)) · standard error (Bloom 1995). In the unit of the error.
pub fn minimum_detectable_effect(standard_error: f64, level: f64) -> f64 {
    (normal_quantile(0.5 + level / 2.0) + normal_quantile(POWER)) * standard_error
}

/// Design effect: variance as resampled, with all that depends on each other kept together, over the
/// variance if every item were independent (Kish 1965). n divided by it is the number of independent items
/// that would be as precise. `None` where the latter variance is 0.
pub fn design_effect(standard_error: f64, independent_variance: f64) -> Option<f64> {
    (independent_variance > 0.0).then(|| standard_error * standard_error / independent_variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // 1.959964 + 0.841621
        assert!((minimum_detectable_effect(0.01, 0.95) - 0.028_015_85).abs() < 1e-8);
        assert_eq!(design_effect(0.02, 0.0001), Some(4.0));
        assert_eq!(design_effect(0.02, 0.0), None);
    }
}
