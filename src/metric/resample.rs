//! Resampling of an analysis: numbers that are functions of sums of its own, and the second path for what is none
//! (orders, curves).
//!
//! A replicate is the same draw of clusters as in [`bootstrap`](crate::metric::bootstrap) (the same seed gives the same
//! draws and weights). Fitted coefficients are sums, too: one step of Newton's method from the fit of all items is a function
//! of the sums of gradients and curvatures there. In the second path the statistic sees what each cluster weighs and computes
//! itself anew. Analyses have more sums than scores have, so there are fewer replicates where there are many items.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use rmbench_resampling::LANES;
use rmbench_resampling::columns::ColumnId;
use rmbench_resampling::draws::Draws;

use crate::metric::Interval;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::interval::middle;
use crate::metric::magnitude::{Moved, Size};
use crate::metric::sheet::{NodeId, Sheet};

/// Fewer clusters than this give no interval: percentiles would mean nothing.
pub const MIN_CLUSTERS: usize = 10;

/// Multiplications that one analysis of a benchmark may spend on its replicates, all runs together: about a second.
const BUDGET: usize = 4_000_000_000;
/// Replicates that are always made.
const FEWEST: usize = 400;

/// Steps of arithmetic, and replicates, of the second path.
const STEPS: usize = 400_000_000;
const FEWEST_PASSES: usize = 200;

/// Share of replicates that may be undefined before a number gets no interval.
const MAX_UNDEFINED: f64 = 0.05;

/// Values from the weights of [`LANES`] resamples, a row of lanes per cluster and per value.
type SideBySide<'a> = dyn Fn(&[[f32; LANES]]) -> Vec<[f64; LANES]> + Sync + 'a;

/// How resampling is done: for one benchmark, by all of its analyses alike.
pub struct Plan {
    bootstrap: Bootstrap,
    draws: Draws,
    /// Runs that each analysis looks at.
    n_runs: usize,
    pub seed: u64,
    pub level: f64,
}

/// Numbers of one analysis, mostly of one run, that are resampled together.
pub struct Numbers<'a> {
    plan: &'a Plan,
    sheet: Sheet,
    wanted: Vec<NodeId>,
    /// By cluster, to add a column up.
    sums: Vec<f64>,
}

/// One of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(usize);

/// What became of a number: itself, `None` where it is undefined, and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub point: Option<f64>,
    pub interval: Option<Interval>,
}

impl Numbers<'_> {
    /// What each cluster adds to one sum; a cluster may come several times.
    pub fn column(&mut self, entries: impl Iterator<Item = (u32, f64)>) -> ColumnId {
        let entries: Vec<(u32, f64)> = entries.collect();
        self.insert(&entries)
    }

    /// The same, from a slice.
    pub fn insert(&mut self, entries: &[(u32, f64)]) -> ColumnId {
        self.sheet.columns.insert_summed(entries, &mut self.sums)
    }

    /// A column's sum over all items.
    pub fn total(&self, column: ColumnId) -> f64 {
        self.sheet.columns.totals()[column as usize]
    }

    /// First sum over second.
    pub fn ratio(&mut self, above: ColumnId, below: ColumnId) -> Number {
        let node = self.sheet.ratio(above, below);
        self.want(node)
    }

    /// A function of sums; `None` where it is undefined.
    pub fn function(
        &mut self,
        columns: Vec<ColumnId>,
        function: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'static,
    ) -> Number {
        let node = self.sheet.own(columns, Arc::new(move |sums: &[f64]| function(sums).unwrap_or(f64::NAN)));
        self.want(node)
    }

    fn want(&mut self, node: NodeId) -> Number {
        self.wanted.push(node);
        Number(self.wanted.len() - 1)
    }

    /// All numbers, by [`Number`].
    pub fn resample(self) -> Answers {
        self.resample_keeping(&[])
    }

    /// The same, with the replicates of some, for what is no function of sums.
    pub fn resample_keeping(self, kept: &[Number]) -> Answers {
        let points = self.sheet.points();
        let mut bootstrap = self.plan.bootstrap.clone();
        let products = self.sheet.columns.n_entries() * self.plan.n_runs;
        bootstrap.replicates = bootstrap.replicates.min((BUDGET / products.max(1)).max(FEWEST));
        bootstrap.clusters = bootstrap.clusters.grouped(bootstrap.replicates);
        let few = bootstrap.clusters.len() < MIN_CLUSTERS;
        let kept_nodes: Vec<NodeId> = kept.iter().map(|number| self.wanted[number.0]).collect();
        let (spreads, replicates) = match few {
            true => (vec![None; self.wanted.len()], Vec::new()),
            false => {
                let found = bootstrap.run_on(&self.plan.draws, &self.sheet, &self.wanted, &kept_nodes, &mut |_| {});
                (found.spreads, found.kept)
            }
        };
        let mut deviations = vec![Vec::new(); self.wanted.len()];
        // Numbers that are the same node have one answer, at the last place.
        let answered: HashMap<NodeId, Vec<f32>> =
            kept_nodes.iter().copied().zip(replicates).map(|(node, own)| (node, own.deviations)).collect();
        for number in kept {
            let own = answered.get(&self.wanted[number.0]);
            deviations[number.0] = own.cloned().unwrap_or_default();
        }
        let found = |(node, spread): (&NodeId, Option<crate::metric::bootstrap::Spread>)| Found {
            point: points[*node as usize],
            interval: spread.map(|spread| spread.interval),
        };
        let found = self.wanted.iter().zip(spreads).map(found).collect();
        Answers { found, deviations, level: self.plan.level }
    }
}

/// What became of all [`Numbers`].
pub struct Answers {
    found: Vec<Found>,
    /// Replicates less the number, of those that were kept.
    deviations: Vec<Vec<f32>>,
    level: f64,
}

impl Answers {
    /// # Panics
    /// Where the number belongs to other [`Numbers`].
    pub fn of(&self, number: Number) -> Found {
        self.found[number.0]
    }

    /// How far the replicates of a number that was kept lie from it; empty for others.
    pub fn deviations(&self, number: Number) -> &[f32] {
        &self.deviations[number.0]
    }

    /// Numbers that were kept, as they move together; `None` where one is undefined or resampling says nothing.
    pub fn moved(&self, numbers: &[Number]) -> Option<Moved> {
        let points = numbers.iter().map(|number| self.of(*number).point).collect::<Option<Vec<f64>>>()?;
        Moved::new(points, &numbers.iter().map(|number| self.deviations(*number)).collect::<Vec<_>>())
    }

    /// A size of numbers that were kept, in units of `scale`.
    pub fn size(&self, size: Size, numbers: &[Number], scale: f64) -> Option<Interval> {
        let bounds = self.moved(numbers)?.bounds(size, self.level)?;
        Some(Interval::new(bounds.map(|bound| scale * bound), self.level))
    }
}

impl Plan {
    pub fn new(bootstrap: Bootstrap, n_runs: usize) -> Self {
        Self { draws: bootstrap.draws(), seed: bootstrap.seed, level: bootstrap.level, n_runs, bootstrap }
    }

    /// Numbers to be declared, of one run or of all together.
    pub fn numbers(&self) -> Numbers<'_> {
        let sums = vec![0.0; self.bootstrap.clusters.len()];
        Numbers { plan: self, sheet: Sheet::default(), wanted: Vec::new(), sums }
    }

    /// Replicates of a statistic that costs about `steps` each time, in every run.
    pub fn affordable(&self, steps: usize) -> usize {
        let steps = steps.max(1) * self.n_runs.max(1);
        self.bootstrap.replicates.min((STEPS / steps).max(FEWEST_PASSES))
    }

    /// Evaluates `statistic` on [`LANES`] resamples at once, whose weights stand side by side by cluster; it returns a row
    /// of lanes per value, NaN where undefined.
    pub fn run_lanes(&self, steps: usize, statistic: &SideBySide<'_>) -> Resampled {
        let n = self.affordable(steps);
        let of_block = |block: usize| {
            let first = block * LANES;
            let mut weights = Vec::new();
            self.draws.weights(first, &mut weights);
            let values = statistic(&weights);
            let row = move |lane: usize| values.iter().map(|value| value[lane]).collect::<Vec<f64>>();
            (0..LANES.min(n - first)).map(row).collect::<Vec<_>>()
        };
        let rows = (0..n.div_ceil(LANES)).into_par_iter().flat_map_iter(of_block).collect();
        Resampled { rows, level: self.level, few: self.bootstrap.clusters.len() < MIN_CLUSTERS }
    }

    /// Evaluates `statistic` on resampled clusters: it fills `width` values, NaN where undefined.
    pub fn run(&self, width: usize, steps: usize, statistic: &(dyn Fn(&[f32], &mut [f64]) + Sync)) -> Resampled {
        let n = self.affordable(steps);
        let rows: Vec<Vec<f64>> = (0..n as u64)
            .into_par_iter()
            .map(|replicate| {
                let weights = self.draws.weighed(replicate);
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

    /// Values at some places, which are `points` without resampling, as they move together.
    pub fn moved(&self, points: &[f64], at: &[usize]) -> Option<Moved> {
        let column = |(point, at): (&f64, &usize)| {
            self.rows.iter().map(|row| (row.get(*at).copied().unwrap_or(f64::NAN) - point) as f32).collect::<Vec<f32>>()
        };
        let columns: Vec<Vec<f32>> = points.iter().zip(at).map(column).collect();
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        (!self.few).then(|| Moved::new(points.to_vec(), &columns)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use rmbench_resampling::clusters::Clusters;

    use super::*;
    use crate::metric::interval::Reading;

    fn plan(replicates: usize) -> Plan {
        let clusters = Clusters::new(40, vec![(0..40).collect()]);
        Plan::new(Bootstrap { clusters, replicates, seed: 3, level: 0.95, reading: Reading::Percentile }, 1)
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
        assert_eq!(plan(10_000).affordable(30_000_000), FEWEST_PASSES);
    }

    #[test]
    fn numbers_are_functions_of_sums_by_cluster() {
        let plan = plan(500);
        let mut numbers = plan.numbers();
        // Every cluster twice; what it adds cancels for cluster 0.
        let value = |c: u32| if c == 0 { [2.0, -2.0] } else { [f64::from(c), 1.0] };
        let above = numbers.column((0..40).flat_map(|c| value(c).map(|v| (c, v))));
        let below = numbers.column((0..40).map(|c| (c, 1.0)));
        let mean = numbers.ratio(above, below);
        let squared = numbers.function(vec![above, below], |sums| Some((sums[0] / sums[1]).powi(2)));
        let undefined = numbers.function(vec![above], |_| None);
        let found = numbers.resample();
        let exact = (1..40).map(|c| f64::from(c) + 1.0).sum::<f64>() / 40.0;
        assert!((found.of(mean).point.unwrap() - exact).abs() < 1e-12);
        assert!((found.of(squared).point.unwrap() - exact * exact).abs() < 1e-9);
        let (a, b) = (found.of(mean).interval.unwrap(), found.of(squared).interval.unwrap());
        assert!(a.low < exact && exact < a.high && (b.high - a.high.powi(2)).abs() < 1e-3 * b.high);
        assert_eq!(found.of(undefined), Found { point: None, interval: None });
    }
}
