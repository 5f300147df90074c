//! Intervals: percentiles and BCa of resampled values, Wilson's for a share of independent items.

use rmbench_resampling::summary::{Jackknife, Summary};

pub use rmbench_estimators::replicates::quantile;

use crate::metric::Interval;
use crate::metric::normal::{normal_cdf, normal_quantile};
use crate::metric::student::from_normal;

/// The middle `level` of resampled values; sorts them.
pub fn middle(values: &mut [f64], level: f64) -> Option<Interval> {
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Some(Interval { low: quantile(values, tail)?, high: quantile(values, 1.0 - tail)?, level })
}

/// How an interval is read off replicates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The middle `level` of the replicates (Efron and Tibshirani 1993, ch. 13).
    #[default]
    Percentile,
    /// Bias-corrected and accelerated (Efron 1987): the levels are moved by the share of replicates below
    /// the number and by its skewness, which the jackknife measures. Both are estimated from the same items: over 200 of them
    /// 95 % intervals of a difference held 91.8 % (`benchmarks/results/validity-2026-11-26.md`), so it is not the default.
    Bca,
}

/// Where the tails of an interval begin, as normal quantiles: Student's t, so that few degrees of freedom
/// make it wider (the expanded percentile interval, Hesterberg 2015, with Satterthwaite's degrees of freedom).
fn tails(jackknife: &Jackknife, level: f64) -> [f64; 2] {
    let t = from_normal(normal_quantile(0.5 + level / 2.0), jackknife.freedom.max(1.0));
    [-t, t]
}

/// The middle `level` of a number's replicates, expanded for few degrees of freedom.
pub fn percentile(point: f64, replicates: &Summary<'_>, jackknife: &Jackknife, level: f64) -> Interval {
    let [low, high] = replicates.quantiles(tails(jackknife, level).map(normal_cdf));
    Interval { low: point + low, high: point + high, level }
}

/// The BCa interval, expanded likewise; `None` where the number lies outside all its replicates.
pub fn bca(point: f64, replicates: &Summary<'_>, jackknife: &Jackknife, level: f64) -> Option<Interval> {
    let bias = normal_quantile(replicates.below());
    let levels = tails(jackknife, level).map(|tail| {
        let z = bias + tail;
        normal_cdf(bias + z / (1.0 - jackknife.acceleration * z))
    });
    if levels.iter().any(|level| level.is_nan()) {
        return None;
    }
    let [low, high] = replicates.quantiles(levels);
    Some(Interval { low: point + low, high: point + high, level })
}

/// Wilson's interval ([`rmbench_estimators::wilson`]).
pub fn wilson(share: f64, n: f64, level: f64) -> Option<Interval> {
    rmbench_estimators::wilson::wilson(share, n, level).map(|(low, high)| Interval { low, high, level })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_all_right_items_still_has_width() {
        let all = wilson(1.0, 20.0, 0.95).unwrap();
        assert_eq!(all.high, 1.0);
        // n/(n + z²) = 20/(20 + 3.8415)
        assert!((all.low - 20.0 / (20.0 + 3.841458820694124)).abs() < 1e-12);
        assert_eq!(wilson(0.5, 0.0, 0.95), None);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0], 0.025), Some(1.025));
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
