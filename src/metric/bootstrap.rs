//! Cluster bootstrap as a matrix product (Efron and Tibshirani 1993, ch. 6 and 8, with clusters drawn
//! within strata).
//!
//! A replicate draws, in every stratum, as many clusters as it has, with replacement; a cluster drawn
//! twice counts twice with all its rows, of all languages and runs. How often each is drawn is the
//! replicate's weight row, so resampled sums are weights \[replicates × clusters\] times contributions
//! \[clusters × sums\], and one set of replicates serves every number and every difference of numbers.
//!
//! Weights of replicate r are a function of (seed, r) alone: neither threads nor the number of replicates
//! change them. A stratum of one cluster contributes no variance.

use rand::RngExt;
use rayon::prelude::*;

use crate::metric::Interval;
use crate::metric::interval::percentile;
use crate::metric::sheet::{NodeId, Sheet};

/// Replicates computed together: a column's sums for all of them stay in registers.
const LANES: usize = 32;

/// Share of replicates that may be undefined before a number gets no interval.
const MAX_UNDEFINED: f64 = 0.05;

/// Draws of one replicate: how often each cluster occurs.
pub fn draw(strata: &[Vec<u32>], n_clusters: usize, seed: u64, replicate: u64) -> Vec<u32> {
    let mut counts = vec![0; n_clusters];
    let mut stream = crate::random::stream(seed, "bootstrap", replicate.to_le_bytes());
    for stratum in strata {
        for _ in 0..stratum.len() {
            let drawn = stratum[stream.random_range(0..stratum.len() as u32) as usize];
            counts[drawn as usize] += 1;
        }
    }
    counts
}

/// Resampled values of some of a sheet's numbers.
pub struct Replicates {
    n: usize,
    /// Numbers × replicates; f32 because percentiles need three digits and memory is what limits scale.
    values: Vec<f32>,
}

impl Replicates {
    /// The values of the k-th wanted number, NaN where undefined.
    pub fn of(&self, index: usize) -> &[f32] {
        &self.values[index * self.n..][..self.n]
    }

    /// The percentile interval of the k-th wanted number.
    ///
    /// `None` where too many replicates are undefined, or where all agree: then resampling says nothing.
    pub fn interval(&self, index: usize, level: f64) -> Option<Interval> {
        let all = self.of(index);
        let mut defined: Vec<f64> = all.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v)).collect();
        let undefined = (all.len() - defined.len()) as f64;
        if defined.len() < 2 || undefined > MAX_UNDEFINED * all.len() as f64 {
            return None;
        }
        let interval = percentile(&mut defined, level)?;
        (defined.first() != defined.last()).then_some(interval)
    }
}

/// Evaluates `wanted` numbers of a sheet on `n` resamples; `done(k)` is called after k more replicates.
pub fn replicate(
    sheet: &Sheet,
    strata: &[Vec<u32>],
    n_clusters: usize,
    wanted: &[NodeId],
    n: usize,
    seed: u64,
    done: &mut dyn FnMut(u64),
) -> Replicates {
    let mut values = vec![f32::NAN; wanted.len() * n];
    let starts: Vec<usize> = (0..n).step_by(LANES).collect();
    // A few blocks at a time, so that progress can be told from this thread.
    for blocks in starts.chunks(rayon::current_num_threads().max(1)) {
        let computed: Vec<Vec<[f32; LANES]>> =
            blocks.par_iter().map(|first| block(sheet, strata, n_clusters, wanted, *first, n, seed)).collect();
        for (first, block) in blocks.iter().zip(computed) {
            let lanes = LANES.min(n - first);
            for (row, own) in values.chunks_exact_mut(n).zip(block) {
                row[*first..first + lanes].copy_from_slice(&own[..lanes]);
            }
            done(lanes as u64);
        }
    }
    Replicates { n, values }
}

/// Replicates `first..first + LANES` (those below `n`), one per lane.
fn block(
    sheet: &Sheet,
    strata: &[Vec<u32>],
    n_clusters: usize,
    wanted: &[NodeId],
    first: usize,
    n: usize,
    seed: u64,
) -> Vec<[f32; LANES]> {
    let mut weights = vec![[0.0f32; LANES]; n_clusters];
    for lane in 0..LANES.min(n - first) {
        let counts = draw(strata, n_clusters, seed, (first + lane) as u64);
        for (row, count) in weights.iter_mut().zip(counts) {
            row[lane] = count as f32;
        }
    }
    let mut sums = Vec::new();
    sheet.columns.weighted(&weights, &mut sums);
    let mut values = Vec::new();
    sheet.evaluate(&sums, &mut values);
    wanted.iter().map(|node| values[*node as usize].map(|value| value as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::accuracy::ACCURACY;
    use crate::metric::sheet::Finish;

    /// Seven clusters in two strata, two subsets with weights 3 and 1, a fractional credit, one cluster
    /// with two rows, one without a row in the second column pair.
    type Rows = Vec<(u32, f64)>;

    fn example() -> (Sheet, Vec<Vec<u32>>, NodeId, Vec<[Rows; 2]>) {
        let rows = |entries: &[(u32, f64)]| entries.to_vec();
        let cells = vec![
            [rows(&[(0, 1.0), (1, 0.0), (2, 1.0), (2, 1.0 / 3.0)]), rows(&[(0, 1.0), (1, 1.0), (2, 1.0), (2, 1.0)])],
            [rows(&[(3, 0.5), (4, 1.0), (6, 1.0)]), rows(&[(3, 1.0), (4, 1.0), (6, 1.0)])],
        ];
        let mut sheet = Sheet::default();
        let scores: Vec<NodeId> = cells
            .iter()
            .map(|cell| {
                let columns = cell.iter().map(|column| sheet.columns.add(column.iter().copied())).collect();
                sheet.finish(Finish::Metric(&ACCURACY), columns)
            })
            .collect();
        let mean = sheet.mean(&[(3.0, scores[0]), (1.0, scores[1])]);
        (sheet, vec![vec![0, 1, 2], vec![3, 4, 5, 6]], mean, cells)
    }

    #[test]
    fn the_matrix_product_equals_direct_resampling() {
        let (sheet, strata, mean, cells) = example();
        let n = 70;
        let replicates = replicate(&sheet, &strata, 7, &[mean], n, 11, &mut |_| {});
        let mut undefined = 0;
        for (r, found) in replicates.of(0).iter().enumerate() {
            // Directly: the drawn clusters one by one, their rows added up, the formula written out.
            let mut drawn = Vec::new();
            for (cluster, count) in draw(&strata, 7, 11, r as u64).into_iter().enumerate() {
                drawn.extend(std::iter::repeat_n(cluster as u32, count as usize));
            }
            assert_eq!(drawn.iter().filter(|c| **c < 3).count(), 3);
            assert_eq!(drawn.len(), 7);
            let sum = |column: &[(u32, f64)]| -> f64 {
                let rows = |cluster: &u32| column.iter().filter(|(c, _)| c == cluster).map(|(_, v)| v).sum::<f64>();
                drawn.iter().map(rows).sum()
            };
            let share = |cell: &[Rows; 2]| sum(&cell[0]) / sum(&cell[1]);
            let direct = 0.75 * share(&cells[0]) + 0.25 * share(&cells[1]);
            if direct.is_nan() {
                undefined += 1;
                assert!(found.is_nan());
            } else {
                assert!((f64::from(*found) - direct).abs() < 1e-6, "replicate {r}: {found} and {direct}");
            }
        }
        assert!(undefined < n / 4, "cluster 5 has no row, so few replicates are undefined");
    }

    #[test]
    fn replicates_depend_on_seed_and_number_only() {
        let (sheet, strata, mean, _) = example();
        let run = |n, seed| replicate(&sheet, &strata, 7, &[mean], n, seed, &mut |_| {}).of(0).to_vec();
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let long = bits(run(100, 1));
        assert_eq!(bits(run(37, 1)), long[..37], "more replicates leave the first ones alone");
        assert_ne!(bits(run(100, 2)), long);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| bits(run(100, 1))), long);
    }
}
