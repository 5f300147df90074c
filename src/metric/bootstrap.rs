//! Cluster bootstrap as a matrix product (Efron and Tibshirani 1993, ch. 6 and 8, with clusters drawn
//! within strata).
//!
//! A cluster drawn twice counts twice with all its rows, of all languages and runs. How often each is drawn
//! is the replicate's weight row, so resampled sums are weights \[replicates × clusters\] times
//! contributions \[clusters × sums\], and one set of replicates serves every number and every difference of
//! numbers. Of the n clusters of a stratum n − 1 are drawn and weighed n/(n − 1) (Rao and Wu 1988):
//! otherwise intervals of a score over many small subsets would be too narrow by √((n − 1)/n). A jackknife
//! over the same clusters tells how many degrees of freedom stand behind a number's variance; intervals and
//! tests are widened from the normal to Student's t by them (without it, tests of 200 items in four subsets
//! rejected 5.7 % instead of 5, and families of fifteen 6.7 %: `benchmarks/results`).
//!
//! Weights of replicate r are a function of (seed, r) alone: neither threads nor the number of replicates
//! change them. The loops are in [`rmbench_resampling`].

use rand::Rng;
use rayon::prelude::*;
use rmbench_resampling::clusters::Clusters;
use rmbench_resampling::draws::Draws;
use rmbench_resampling::program::Program;
use rmbench_resampling::resample::{Replicates, Scheme, resample, resample_in};
use rmbench_resampling::summary::{Jackknife, Summary, differences};

use crate::metric::Interval;
use crate::metric::interval::{Reading, bca, percentile};
use crate::metric::sheet::{NodeId, Sheet};
use crate::metric::student::as_normal;

/// Replicates that are held at a time, in values (128 MB).
const HELD: usize = 32 << 20;

/// What is drawn, how often, and how intervals are read.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub clusters: Clusters,
    pub replicates: usize,
    pub seed: u64,
    pub level: f64,
    pub reading: Reading,
}

/// What resampling says of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Standard error: the standard deviation of the replicates.
    pub error: f64,
    /// Degrees of freedom behind the error.
    pub freedom: f64,
    pub interval: Interval,
    /// Two-sided p of "the number is 0".
    pub p_of_zero: f64,
}

/// Replicates of one number, to be compared with those of others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// The number itself, NaN where undefined.
    pub point: f64,
    /// Deviations of bootstrap replicates from the number.
    pub deviations: Vec<f32>,
    pub jackknife: Vec<f32>,
}

impl Kept {
    /// Replicates of this number minus another.
    pub fn minus(&self, other: &Kept) -> Kept {
        Kept {
            point: self.point - other.point,
            deviations: differences(&self.deviations, &other.deviations),
            jackknife: differences(&self.jackknife, &other.jackknife),
        }
    }

    /// How far a number with these replicates lies from 0, in standard errors on the normal scale, and the
    /// standard error; NaN where resampling says nothing of it.
    pub fn evidence(&self, point: f64, clusters: &Clusters) -> (f64, f64) {
        let found = Summary::new(&self.deviations).zip(Jackknife::new(&self.jackknife, clusters));
        found.map_or((f64::NAN, f64::NAN), |(summary, jackknife)| {
            (statistic(point, summary.sd, jackknife.freedom), summary.sd)
        })
    }
}

/// How far a number lies from 0, in standard errors on the normal scale.
pub fn statistic(point: f64, error: f64, freedom: f64) -> f64 {
    as_normal(point / error, freedom.max(1.0))
}

/// What was asked of a bootstrap, in the order of asking.
pub struct Resampled {
    /// By wanted number; `None` where too many replicates are undefined or all agree.
    pub spreads: Vec<Option<Spread>>,
    /// By kept number.
    pub kept: Vec<Kept>,
}

impl Bootstrap {
    /// What a seed gives to the generator; replicates are numbered from there.
    fn key(&self) -> [u64; 4] {
        let mut stream = crate::random::stream(self.seed, "bootstrap", []);
        [(); 4].map(|()| stream.next_u64())
    }

    /// What the replicates draw, for [`run_on`](Self::run_on) and statistics that see weights themselves.
    pub fn draws(&self) -> Draws {
        Draws::new(&self.clusters, self.key(), self.replicates)
    }

    /// All replicates of some numbers at once.
    pub fn replicates(&self, sheet: &Sheet, wanted: &[NodeId], done: &mut dyn FnMut(u64)) -> Replicates {
        resample(&sheet.program(wanted), Scheme::Bootstrap(&self.draws()), self.replicates, done)
    }

    /// Spreads of `wanted` numbers and the replicates of `kept` ones. `done(k)` is called after k more of all
    /// replicates, however many rounds they are computed in.
    pub fn run(&self, sheet: &Sheet, wanted: &[NodeId], kept: &[NodeId], done: &mut dyn FnMut(u64)) -> Resampled {
        self.run_on(&self.draws(), sheet, wanted, kept, done)
    }

    /// The same with draws that are there already.
    pub fn run_on(
        &self,
        draws: &Draws,
        sheet: &Sheet,
        wanted: &[NodeId],
        kept: &[NodeId],
        done: &mut dyn FnMut(u64),
    ) -> Resampled {
        let place = |list: &[NodeId]| {
            let mut of = vec![usize::MAX; sheet.len()];
            list.iter().enumerate().for_each(|(at, node)| of[*node as usize] = at);
            of
        };
        let (wanted_at, kept_at) = (place(wanted), place(kept));
        // A difference of two kept numbers is read off them.
        let of_kept = |node: &NodeId| -> Option<[usize; 2]> {
            let (a, b) = sheet.operands(*node)?;
            Some([kept_at[a as usize], kept_at[b as usize]]).filter(|pair| !pair.contains(&usize::MAX))
        };
        let needed = wanted.iter().copied().filter(|node| of_kept(node).is_none());
        let mut nodes: Vec<NodeId> = needed.chain(kept.iter().copied()).collect();
        // Neighbours share columns, and a round needs few of all: what is computed from one run's items comes together.
        let latest = sheet.latest_columns();
        nodes.sort_unstable_by_key(|node| (latest[*node as usize], *node));
        nodes.dedup();
        let rounds: Vec<&[NodeId]> = nodes.chunks((HELD / self.replicates.max(1)).max(1)).collect();
        let n_rounds = rounds.len().max(1) as u64;
        let mut out = Resampled { spreads: vec![None; wanted.len()], kept: vec![Kept::default(); kept.len()] };
        let (mut computed, mut told) = (0, 0);
        let mut memory = Vec::new();
        let programs: Vec<Program> = rounds.par_iter().map(|round| sheet.program(round)).collect();
        for (round, program) in rounds.into_iter().zip(programs) {
            let mut step = |more: u64| {
                computed += more;
                done(computed / n_rounds - told);
                told = computed / n_rounds;
            };
            let replicates = resample_in(memory, &program, Scheme::Bootstrap(draws), self.replicates, &mut step);
            let n_groups = self.clusters.n_groups();
            let jackknife = resample(&program, Scheme::Jackknife(&self.clusters), n_groups, &mut |_| {});
            let spread = |(k, node): (usize, &NodeId)| {
                let asked = wanted_at[*node as usize] != usize::MAX;
                let point = replicates.points()[k];
                asked.then(|| self.spread(point, replicates.of(k), jackknife.of(k))).flatten()
            };
            let copy = |(k, node): (usize, &NodeId)| {
                let asked = kept_at[*node as usize] != usize::MAX;
                let kept = || Kept {
                    point: replicates.points()[k],
                    deviations: replicates.of(k).to_vec(),
                    jackknife: jackknife.of(k).to_vec(),
                };
                asked.then(kept)
            };
            let answers: Vec<_> = round.par_iter().enumerate().map(|number| (spread(number), copy(number))).collect();
            for (node, (spread, kept)) in round.iter().zip(answers) {
                if let Some(place) = out.spreads.get_mut(wanted_at[*node as usize]) {
                    *place = spread;
                }
                if let Some((place, kept)) = out.kept.get_mut(kept_at[*node as usize]).zip(kept) {
                    *place = kept;
                }
            }
            memory = replicates.memory();
        }
        let kept = &out.kept;
        out.spreads.par_iter_mut().zip(wanted).for_each(|(place, node)| {
            if let Some([own, less]) = of_kept(node) {
                let difference = kept[own].minus(&kept[less]);
                *place = self.spread(difference.point, &difference.deviations, &difference.jackknife);
            }
        });
        // A number that is asked for twice has its answer at the last place only.
        for (at, node) in wanted.iter().enumerate() {
            out.spreads[at] = out.spreads[wanted_at[*node as usize]];
        }
        out
    }

    fn spread(&self, point: f64, deviations: &[f32], jackknife: &[f32]) -> Option<Spread> {
        let summary = Summary::new(deviations)?;
        let jackknife = Jackknife::new(jackknife, &self.clusters)?;
        let interval = match self.reading {
            Reading::Percentile => percentile(point, &summary, &jackknife, self.level),
            Reading::Bca => bca(point, &summary, &jackknife, self.level)?,
        };
        let p_of_zero = summary.p_of(statistic(point, summary.sd, jackknife.freedom));
        Some(Spread { error: summary.sd, freedom: jackknife.freedom, interval, p_of_zero })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::accuracy::ACCURACY;
    use crate::metric::sheet::Finish;

    /// Seven clusters in two strata, two subsets with weights 3 and 1, a fractional credit, one cluster
    /// with two rows, one without a row in the second column pair.
    type Rows = Vec<(u32, f64)>;

    fn example() -> (Sheet, Clusters, NodeId, Vec<[Rows; 2]>) {
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
        (sheet, Clusters::new(7, vec![vec![0, 1, 2], vec![3, 4, 5, 6]]), mean, cells)
    }

    fn bootstrap(clusters: Clusters, replicates: usize, seed: u64) -> Bootstrap {
        Bootstrap { clusters, replicates, seed, level: 0.95, reading: Reading::Percentile }
    }

    #[test]
    fn the_matrix_product_equals_direct_resampling() {
        let (sheet, clusters, mean, cells) = example();
        let n = 70;
        let bootstrap = bootstrap(clusters, n, 11);
        let replicates = bootstrap.replicates(&sheet, &[mean], &mut |_| {});
        let draws = bootstrap.draws();
        let mut undefined = 0;
        for (r, found) in replicates.of(0).iter().enumerate() {
            // Directly: the drawn clusters one by one, their rows added up, the formula written out.
            let mut drawn = Vec::new();
            for (cluster, count) in draws.counts(r as u64).into_iter().enumerate() {
                drawn.extend(std::iter::repeat_n(cluster as u32, count as usize));
            }
            assert_eq!(drawn.iter().filter(|c| **c < 3).count(), 2);
            assert_eq!(drawn.len(), 2 + 3);
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
                let found = f64::from(*found) + replicates.points()[0];
                assert!((found - direct).abs() < 1e-6, "replicate {r}: {found} and {direct}");
            }
        }
        assert!(undefined < n / 4, "cluster 5 has no row, so few replicates are undefined");
    }

    #[test]
    fn replicates_depend_on_seed_and_number_only() {
        let (sheet, clusters, mean, _) = example();
        let run = |n, seed| {
            let replicates = bootstrap(clusters.clone(), n, seed).replicates(&sheet, &[mean], &mut |_| {});
            replicates.of(0).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let long = run(100, 1);
        assert_eq!(run(37, 1), long[..37], "more replicates leave the first ones alone");
        assert_ne!(run(100, 2), long);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| run(100, 1)), long);
    }

    /// The mean of one stratum: the bootstrap's variance is s²/n, not (n − 1)/n of it.
    #[test]
    fn the_variance_is_the_unbiased_one_in_small_strata() {
        let mut sheet = Sheet::default();
        let values = [0.0, 1.0, 1.0, 0.5, 1.0];
        let credit = sheet.columns.add((0..5).zip(values));
        let all = sheet.columns.add((0..5).map(|cluster| (cluster, 1.0)));
        let mean = sheet.finish(Finish::Metric(&ACCURACY), vec![credit, all]);
        let found =
            bootstrap(Clusters::new(5, vec![(0..5).collect()]), 40_000, 3).run(&sheet, &[mean], &[], &mut |_| {});
        let s2 = values.iter().map(|x| (x - 0.7f64).powi(2)).sum::<f64>() / 4.0;
        let error = found.spreads[0].unwrap().error;
        assert!((error / (s2 / 5.0).sqrt() - 1.0).abs() < 0.02, "{error}");
        // What independent items would give is the same here.
        assert!((sheet.independent_variance(mean).unwrap() - s2 / 5.0).abs() < 1e-12);
    }

    #[test]
    fn rounds_change_nothing() {
        let (sheet, clusters, mean, _) = example();
        let operands: Vec<NodeId> = (0..sheet.len() as NodeId).collect();
        let bootstrap = bootstrap(clusters, 200, 5);
        let together = bootstrap.run(&sheet, &operands, &[mean], &mut |_| {});
        let mut told = 0;
        let alone = bootstrap.run(&sheet, &[mean, mean], &[], &mut |k| told += k);
        assert_eq!(told, 200);
        assert_eq!(alone.spreads[0], together.spreads[mean as usize]);
        assert_eq!(alone.spreads[0], alone.spreads[1]);
        assert_eq!(together.kept[0].deviations.len(), 200);
    }

    /// Between two kept numbers nothing is multiplied: the spread is that of the number resampled itself.
    #[test]
    fn a_difference_of_kept_numbers_is_read_off_them() {
        let (mut sheet, clusters, mean, _) = example();
        let (difference, nothing) = (sheet.difference(mean, 0), sheet.difference(mean, mean));
        let bootstrap = bootstrap(clusters, 400, 5);
        let directly = bootstrap.run(&sheet, &[difference, nothing], &[], &mut |_| {}).spreads;
        let read_off = bootstrap.run(&sheet, &[difference, nothing], &[0, mean], &mut |_| {}).spreads;
        let [a, b] = [directly[0].unwrap(), read_off[0].unwrap()];
        let numbers = |spread: Spread| [spread.error, spread.freedom, spread.interval.low, spread.interval.high];
        for (a, b) in numbers(a).iter().zip(numbers(b)) {
            assert!((a - b).abs() < 2e-6 * a.abs(), "{a} and {b}");
        }
        assert_eq!((a.p_of_zero, directly[1], read_off[1]), (b.p_of_zero, None, None));
    }
}
