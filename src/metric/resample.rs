//! The second resampling path, for statistics that are not functions of a few sums: slopes, orders,
//! curves, fitted weights.
//!
//! A replicate is the same draw of clusters as in [`bootstrap`](crate::metric::bootstrap) (the same seed
//! gives the same draws and weights); the statistic sees what each cluster weighs and computes itself anew.
//! That costs a pass over the items per replicate, so there are fewer of them where there are many items.

use rayon::prelude::*;

use crate::metric::Interval;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::interval::middle;

/// Fewer clusters than this give no interval: percentiles would mean nothing.
pub const MIN_CLUSTERS: usize = 10;

/// Steps of arithmetic that one analysis may spend on its replicates.
const BUDGET: usize = 60_000_000;
const FEWEST: usize = 200;

/// Share of replicates that may be undefined before a number gets no interval.
const MAX_UNDEFINED: f64 = 0.05;

/// How resampling is done: for one benchmark, by all of its analyses alike.
pub struct Plan {
    bootstrap: Bootstrap,
    pub seed: u64,
    pub level: f64,
}

impl Plan {
    pub fn new(bootstrap: Bootstrap) -> Self {
        Self { seed: bootstrap.seed, level: bootstrap.level, bootstrap }
    }

    /// Replicates of a statistic that costs about `steps` each time.
    pub fn affordable(&self, steps: usize) -> usize {
        self.bootstrap.replicates.min((BUDGET / steps.max(1)).max(FEWEST))
    }

    /// Evaluates `statistic` on resampled clusters: it fills `width` values, NaN where undefined.
    pub fn run(&self, width: usize, steps: usize, statistic: &(dyn Fn(&[f32], &mut [f64]) + Sync)) -> Resampled {
        let n = self.affordable(steps);
        let weights_of = self.bootstrap.weights();
        let rows: Vec<Vec<f64>> = (0..n as u64)
            .into_par_iter()
            .map(|replicate| {
                let weights = weights_of(replicate);
                let mut values = vec![f64::NAN; width];
                statistic(&weights, &mut values);
                values
            })
            .collect();
        Resampled { rows, level: self.level, few: self.bootstrap.clusters.len() < MIN_CLUSTERS }
    }
}

/// Resampled values: a row per replicate.
pub struct Resampled {
    rows: Vec<Vec<f64>>,
    level: f64,
    /// Too few clusters for any interval.
    few: bool,
}

impl Resampled {
    /// The percentile interval of value `at`; `None` where clusters are few, too many replicates are undefined, or all
    /// agree.
    pub fn interval(&self, at: usize) -> Option<Interval> {
        let defined = self.rows.iter().filter_map(|row| row.get(at)).copied();
        let mut defined: Vec<f64> = defined.filter(|value| !value.is_nan()).collect();
        let undefined = (self.rows.len() - defined.len()) as f64;
        if self.few || defined.len() < 2 || undefined > MAX_UNDEFINED * self.rows.len() as f64 {
            return None;
        }
        let interval = middle(&mut defined, self.level)?;
        (defined.first() != defined.last()).then_some(interval)
    }
}

#[cfg(test)]
mod tests {
    use rmbench_resampling::clusters::Clusters;

    use super::*;
    use crate::metric::interval::Reading;

    fn plan(replicates: usize) -> Plan {
        let clusters = Clusters::new(40, vec![(0..40).collect()]);
        Plan::new(Bootstrap { clusters, replicates, seed: 3, level: 0.95, reading: Reading::Percentile })
    }

    #[test]
    fn a_mean_has_the_replicates_of_the_other_path() {
        use crate::metric::accuracy::ACCURACY;
        use crate::metric::sheet::{Finish, Sheet};
        let right = |cluster: u32| f64::from(u8::from(!cluster.is_multiple_of(3)));
        let mut sheet = Sheet::default();
        let columns =
            vec![sheet.columns.add((0..40).map(|c| (c, right(c)))), sheet.columns.add((0..40).map(|c| (c, 1.0)))];
        let node = sheet.finish(Finish::Metric(&ACCURACY), columns);
        let plan = plan(300);
        let product = plan.bootstrap.replicates(&sheet, &[node], &mut |_| {});
        let found = plan.run(1, 40, &|weights, out| {
            let right: f64 = (0..40u32).map(|c| f64::from(weights[c as usize]) * right(c)).sum();
            out[0] = right / 40.0;
        });
        let point = product.points()[0];
        for (row, deviation) in found.rows.iter().zip(product.of(0)) {
            assert!((row[0] - point - f64::from(*deviation)).abs() < 1e-6);
        }
        let interval = found.interval(0).unwrap();
        assert!(interval.low < point && point < interval.high);
    }

    #[test]
    fn undefined_and_constant_values_have_no_interval() {
        let found = plan(100).run(2, 1, &|_, out| out[0] = 1.0);
        assert_eq!((found.interval(0), found.interval(1)), (None, None));
        assert_eq!(plan(10_000).affordable(3_000_000), FEWEST);
    }
}
