//! How often tests reject what is true.

use rayon::prelude::*;
use rmbench::metric::bootstrap::Bootstrap;
use rmbench::metric::interval::Reading;
use rmbench::metric::multiplicity::holm;
use rmbench::metric::ranking::rank_interval;
use rmbench::metric::sheet::{NodeId, Sheet};
use rmbench::metric::{cochran, mcnemar, stuart_maxwell};
use rmbench_resampling::stepdown::{Deviations, Member, adjusted};

use super::sizes;
use super::world::{Sample, World};

/// How often something happened that should not.
#[derive(Debug, Clone)]
pub struct Rates {
    pub what: &'static str,
    pub situation: &'static str,
    pub aim: &'static str,
    happened: usize,
    of: usize,
}

impl Rates {
    pub fn share(&self) -> f64 {
        self.happened as f64 / self.of as f64
    }

    pub fn holds(&self) -> bool {
        match self.aim {
            "4–6 %" => (0.04..=0.06).contains(&self.share()),
            "at most 5.5 %" => self.share() <= 0.055,
            _ => self.share() <= 0.06,
        }
    }
}

const RUNS: usize = 6;
const LANGUAGES: usize = 3;
const SINGLE: &str = "4–6 %";
const FAMILY: &str = "at most 5.5 %";
const EXACT: &str = "at most 6 %";

/// Six runs in three languages. `ability(run)` is added everywhere.
fn runs(n: usize, ability: impl Fn(usize) -> f64) -> World {
    let columns = (0..RUNS * LANGUAGES)
        .map(|column| (0..4).map(|subset| 0.9 + ability(column / LANGUAGES) - 0.2 * subset as f64).collect())
        .collect();
    World::new(sizes(n), vec![3.0, 1.0, 2.0, 2.0], columns, 0.5)
}

fn flat(sample: &Sample, column: usize) -> Vec<bool> {
    sample.right(column).concat()
}

struct Family {
    holm: Vec<f64>,
    stepdown: Vec<f64>,
    points: Vec<f64>,
    single: Vec<f64>,
}

/// All pairs of runs by the mean over languages of the weighted score.
fn family(world: &World, sample: &Sample, replicates: usize, seed: u64) -> Family {
    let mut sheet = Sheet::default();
    let scores: Vec<NodeId> = (0..RUNS)
        .map(|run| {
            let languages: Vec<NodeId> =
                (0..LANGUAGES).map(|l| sample.score(world, &mut sheet, run * LANGUAGES + l)).collect();
            sheet.plain_mean(&languages)
        })
        .collect();
    let pairs: Vec<NodeId> = pairs().iter().map(|(a, b)| sheet.difference(scores[*a], scores[*b])).collect();
    let bootstrap = Bootstrap {
        clusters: sample.clusters().grouped(replicates),
        replicates,
        seed,
        level: 0.95,
        reading: Reading::Percentile,
    };
    let found = bootstrap.run(&sheet, &pairs, &pairs, &mut |_| {});
    let all = sheet.points();
    let points: Vec<f64> = pairs.iter().map(|node| all[*node as usize].unwrap()).collect();
    let members: Vec<Member<'_>> = points
        .iter()
        .zip(&found.kept)
        .map(|(point, kept)| {
            let (statistic, sd) = kept.evidence(*point, &bootstrap.clusters);
            Member { statistic, sd, deviations: Deviations::Of(&kept.deviations) }
        })
        .collect();
    let single: Vec<f64> = found.spreads.iter().map(|spread| spread.map_or(1.0, |s| s.p_of_zero)).collect();
    Family {
        holm: holm(&single),
        stepdown: adjusted(&members).into_iter().map(|p| p.unwrap_or(1.0)).collect(),
        points,
        single,
    }
}

fn pairs() -> Vec<(usize, usize)> {
    (0..RUNS).flat_map(|a| (a + 1..RUNS).map(move |b| (a, b))).collect()
}

/// What happened in one sample in which all runs are equally good.
fn under_equality(world: &World, number: u64, replicates: usize) -> Vec<bool> {
    let sample = world.draw(number);
    let family = family(world, &sample, replicates, number);
    let (a, b) = (flat(&sample, 0), flat(&sample, LANGUAGES));
    let count = |of: &dyn Fn(bool, bool) -> bool| a.iter().zip(&b).filter(|(a, b)| of(**a, **b)).count() as u64;
    let (first, second) = (count(&|a, b| a && !b), count(&|a, b| !a && b));
    let any = |p: &[f64]| p.iter().any(|p| *p <= 0.05);
    vec![
        family.single[0] <= 0.05,
        mcnemar::mid_p(first, second) <= 0.05,
        mcnemar::exact_p(first, second) <= 0.05,
        across_languages(&sample),
        three_outcomes(&a, &b, &flat(&sample, 1), &flat(&sample, LANGUAGES + 1)),
        any(&family.holm),
        any(&family.stepdown),
    ]
}

fn across_languages(sample: &Sample) -> bool {
    let columns: Vec<Vec<bool>> = (0..LANGUAGES).map(|column| flat(sample, column)).collect();
    let right: Vec<u64> = columns.iter().map(|c| c.iter().filter(|r| **r).count() as u64).collect();
    let mut by_item = vec![0; LANGUAGES + 1];
    for item in 0..columns[0].len() {
        by_item[columns.iter().filter(|c| c[item]).count()] += 1;
    }
    cochran::q(&right, &by_item).is_some_and(|found| found.p <= 0.05)
}

/// Three outcomes out of two answers each: both wrong, both right, one of them.
fn three_outcomes(a: &[bool], b: &[bool], a2: &[bool], b2: &[bool]) -> bool {
    let label = |x: bool, y: bool| match (x, y) {
        (false, false) => 0,
        (true, true) => 1,
        _ => 2,
    };
    let mut table = [0.0; 9];
    for item in 0..a.len() {
        table[3 * label(a[item], a2[item]) + label(b[item], b2[item])] += 1.0;
    }
    stuart_maxwell::test(&table, 3).is_some_and(|found| found.p <= 0.05)
}

/// Runs 0 to 3 equally good, 4 and 5 better: false findings, and rank intervals that miss.
fn under_differences(world: &World, number: u64, replicates: usize) -> Vec<bool> {
    let family = family(world, &world.draw(number), replicates, number);
    let truth: Vec<f64> = (0..RUNS).map(|run| world.score(run * LANGUAGES)).collect();
    let pairs = pairs();
    let false_finding =
        |p: &[f64]| pairs.iter().zip(p).any(|((a, b), p)| *p <= 0.05 && (truth[*a] - truth[*b]).abs() < 1e-12);
    let better = |a: usize, b: usize| {
        let at = pairs.iter().position(|pair| *pair == (a.min(b), a.max(b))).unwrap();
        let ahead = if a < b { family.points[at] > 0.0 } else { family.points[at] < 0.0 };
        family.stepdown[at] <= 0.05 && ahead
    };
    // A run may stand anywhere among its equals: the interval must hold all those ranks.
    let missed = (0..RUNS).any(|run| {
        let above = truth.iter().filter(|t| **t > truth[run] + 1e-12).count();
        let below = truth.iter().filter(|t| **t < truth[run] - 1e-12).count();
        let (low, high) = rank_interval(run, RUNS, &better);
        low > 1 + above || high < RUNS - below
    });
    vec![false_finding(&family.holm), false_finding(&family.stepdown), missed]
}

pub fn rates(n: usize, simulations: usize, replicates: usize) -> Vec<Rates> {
    let tally = |count: usize, of: &(dyn Fn(u64) -> Vec<bool> + Sync)| {
        let all: Vec<Vec<bool>> = (0..simulations as u64).into_par_iter().map(of).collect();
        (0..count).map(|at| all.iter().filter(|row| row[at]).count()).collect::<Vec<_>>()
    };
    let equal = runs(n, |_| 0.0);
    let unequal = runs(n, |run| [0.0, 0.0, 0.0, 0.0, 0.15, 0.4][run]);
    let equality = tally(7, &|number| under_equality(&equal, number, replicates));
    let differences = tally(3, &|number| under_differences(&unequal, number, replicates));
    let names = [
        ("paired cluster bootstrap", "two equal runs, mean over languages", SINGLE),
        ("McNemar, mid-p", "two equal runs, one language", SINGLE),
        ("McNemar, exact", "two equal runs, one language", EXACT),
        ("Cochran's Q", "one run, equal languages", SINGLE),
        ("Stuart-Maxwell", "two equal runs, three outcomes", SINGLE),
        ("Holm, any of 15 pairs", "six equal runs", FAMILY),
        ("Romano-Wolf, any of 15 pairs", "six equal runs", FAMILY),
        ("Holm, any false finding", "four equal runs, two better ones", FAMILY),
        ("Romano-Wolf, any false finding", "four equal runs, two better ones", FAMILY),
        ("rank intervals, any that misses", "four equal runs, two better ones", FAMILY),
    ];
    let counts = equality.into_iter().chain(differences);
    names
        .into_iter()
        .zip(counts)
        .map(|((what, situation, aim), happened)| Rates { what, situation, aim, happened, of: simulations })
        .collect()
}
