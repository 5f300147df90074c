//! Groups of languages by script, family and resource class, and how evenly languages are served.

use rayon::prelude::*;

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::magnitude::{Corrected, Moved, Place, Size};
use crate::metric::permutation::{eta_squared, label_test};
use crate::metric::replicates::{lowest, range, variance};
use crate::report::findings::analyses::scores::{METRICS, Score, means, percentiles};
use crate::report::findings::analyses::sharing::{LeftOut, sharing};
use crate::report::findings::detail::{About, Detail};
use crate::report::findings::magnitudes::REPLICATES;
use crate::report::findings::options::FindingOptions;
use crate::report::language::DIMENSIONS;

pub const ANALYSIS: &str = "groups";

/// Languages with fewer items are left out of extremes: theirs would be noise.
const MIN_ITEMS: usize = 30;

/// The mean of the lowest languages is over this many.
const WORST: usize = 3;

const EVENNESS: [&str; 6] = ["worst-3", "worst-3-corrected", "max-min", "max-min-corrected", "sd", "sd-net-of-noise"];

const NOTHING: &str = "resampling says nothing of these languages";

/// Numbers for names, in order of first appearance.
pub fn numbered(names: &[&str]) -> Vec<usize> {
    let mut known: Vec<&str> = Vec::new();
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let place = known.iter().position(|k| k == name);
        numbers.push(place.unwrap_or(known.len()));
        if place.is_none() {
            known.push(name);
        }
    }
    numbers
}

pub fn groups(scores: &[Score<'_>], options: &FindingOptions) -> Vec<Detail> {
    let Some(benchmark) = scores.first().map(|score| score.benchmark) else { return Vec::new() };
    let mut details = Vec::new();
    for metric in METRICS {
        let here = Here { benchmark, metric, options };
        let own: Vec<Score<'_>> = scores.iter().filter(|score| score.metric == metric).cloned().collect();
        if metric == METRICS[0] {
            details.extend(here.evenness(&own));
        }
        details.extend(here.breakdown(&own));
    }
    details
}

struct Here<'a> {
    benchmark: &'a str,
    metric: &'a str,
    options: &'a FindingOptions,
}

impl Here<'_> {
    fn detail(&self, run: Option<usize>, measure: &str, of: Vec<About>) -> Detail {
        Detail::new(ANALYSIS, self.benchmark, run, measure, of)
    }

    /// Means over runs by language; only languages that every run has, so that groups compare the same runs. A run without
    /// which they would be twice as many is left out.
    fn breakdown(&self, scores: &[Score<'_>]) -> Vec<Detail> {
        let mut runs: Vec<usize> = scores.iter().map(|score| score.run).collect();
        runs.sort_unstable();
        runs.dedup();
        let mut langs: Vec<Lang> = scores.iter().map(|score| score.lang).collect();
        langs.sort_unstable();
        langs.dedup();
        let has = |run: &usize| {
            let of_run = |lang: &Lang| scores.iter().any(|score| score.run == *run && score.lang == *lang);
            langs.iter().map(of_run).collect::<Vec<bool>>()
        };
        let (kept, left_out) = sharing(&runs.iter().map(has).collect::<Vec<_>>());
        let said = |own: &LeftOut| {
            let why = format!("left out: with it all runs share {} languages, without it {}", own.with, own.without);
            self.detail(Some(runs[own.run]), "left-out", vec![About::name(self.metric)]).because(why)
        };
        let mut details: Vec<Detail> = left_out.iter().map(said).collect();
        let runs: Vec<usize> = kept.into_iter().map(|at| runs[at]).collect();
        let of_lang = |lang: Lang| {
            scores.iter().filter(move |score| score.lang == lang).filter(|score| runs.contains(&score.run))
        };
        langs.retain(|lang| of_lang(*lang).count() == runs.len());
        for (dimension, group_of) in DIMENSIONS {
            let known: Vec<(Lang, String)> = langs.iter().filter_map(|l| Some((*l, group_of(*l)?))).collect();
            let names: Vec<&str> = known.iter().map(|(_, group)| group.as_str()).collect();
            let labels = numbered(&names);
            let n_groups = labels.iter().max().map_or(0, |label| label + 1);
            if n_groups < 2 || n_groups == labels.len() {
                continue;
            }
            for group in 0..n_groups {
                let members: Vec<Lang> =
                    known.iter().zip(&labels).filter(|(_, l)| **l == group).map(|((lang, _), _)| *lang).collect();
                let own: Vec<&Score<'_>> = members.iter().flat_map(|lang| of_lang(*lang)).collect();
                let point = own.iter().map(|score| score.point).sum::<f64>() / own.len() as f64;
                let means = means(&own);
                let name = known.iter().zip(&labels).find(|(_, l)| **l == group).map(|((_, name), _)| name.clone());
                let of = vec![
                    About::name(self.metric),
                    About::name(dimension),
                    About::name(name.unwrap_or_default()),
                    About::Place(members.len() as u32),
                ];
                let n = own.iter().map(|score| score.n).sum::<usize>() / runs.len();
                let interval = percentiles(means, self.options.level);
                details.push(self.detail(None, "group-mean", of.clone()).with(Some(point), interval, n));
                details.extend(self.without_class_0(&own, of, runs.len()));
            }
            let values: Vec<f64> = known
                .iter()
                .map(|(lang, _)| of_lang(*lang).map(|score| score.point).sum::<f64>() / runs.len() as f64)
                .collect();
            let eta = |labels: &[usize]| eta_squared(&values, labels).unwrap_or(0.0);
            let test = label_test(&labels, self.options.seed, &eta);
            let of = vec![About::name(self.metric), About::name(dimension)];
            details.push(self.detail(None, "eta-squared", of.clone()).with(Some(eta(&labels)), None, labels.len()));
            details.push(self.detail(None, "permutation-p", of).with(Some(test.p), None, labels.len()));
        }
        details
    }

    /// The mean of a group as M-RewardBench's figures have it: without its languages of class 0 (traditional Chinese).
    fn without_class_0(&self, own: &[&Score<'_>], of: Vec<About>, n_runs: usize) -> Option<Detail> {
        let is_kept = |score: &&&Score<'_>| score.lang.info().and_then(|info| info.class) != Some(0);
        let kept: Vec<&Score<'_>> = own.iter().filter(is_kept).copied().collect();
        if kept.is_empty() || kept.len() == own.len() {
            return None;
        }
        let point = kept.iter().map(|score| score.point).sum::<f64>() / kept.len() as f64;
        let n = kept.iter().map(|score| score.n).sum::<usize>() / n_runs;
        let interval = percentiles(means(&kept), self.options.level);
        Some(self.detail(None, "group-mean-without-class-0", of).with(Some(point), interval, n))
    }

    /// Worst languages, range and spread of each run; corrected for noise, which makes the lowest look lower.
    fn evenness(&self, scores: &[Score<'_>]) -> Vec<Detail> {
        let runs: Vec<&[Score<'_>]> = scores.chunk_by(|a, b| a.run == b.run).collect();
        runs.par_iter().flat_map_iter(|run| self.evenness_of(run)).collect()
    }

    fn evenness_of(&self, run: &[Score<'_>]) -> Vec<Detail> {
        let number = run[0].run;
        let own: Vec<&Score<'_>> = run.iter().filter(|score| score.n >= MIN_ITEMS).collect();
        let detail = |measure: &str| self.detail(Some(number), measure, Vec::new());
        // One language is no breakdown.
        if run.len() < 2 {
            return Vec::new();
        }
        let few = format!("not enough data: {} languages with {MIN_ITEMS} items or more", own.len());
        if own.len() < 2 {
            return EVENNESS.map(|measure| detail(measure).because(few.clone())).into();
        }
        let points: Vec<f64> = own.iter().map(|score| score.point).collect();
        let n = own.iter().map(|score| score.n).sum();
        let moved = self.moved(&own);
        let level = self.options.level;
        let corrected = |measure: &str, found: Option<Corrected>| {
            let detail = detail(&format!("{measure}-corrected"));
            match found {
                // Neither a mean of accuracies nor a range leaves [0, 1].
                Some(found) => {
                    let bounds = found.bounds.map(|bound| bound.clamp(0.0, 1.0));
                    detail.with(Some(found.point.clamp(0.0, 1.0)), Some(Interval::new(bounds, level)), n)
                }
                None => detail.because(NOTHING),
            }
        };
        let raw = |measure: &str, point: f64| {
            detail(measure).with(Some(point), None, n).because("biased by noise; see the corrected value")
        };
        let mut details = Vec::new();
        if own.len() > WORST {
            let found = moved.as_ref().and_then(|moved| moved.place(Place::Lowest(WORST), level));
            details.extend([raw("worst-3", lowest(&points, WORST)), corrected("worst-3", found)]);
        } else {
            let why = format!("{few}; the lowest {WORST} are all of them");
            details.extend(["worst-3", "worst-3-corrected"].map(|measure| detail(measure).because(why.clone())));
        }
        let found = moved.as_ref().and_then(|moved| moved.range(level));
        details.extend([raw("max-min", range(&points)), corrected("max-min", found)]);
        let sd = detail("sd").with(Some(variance(&points).sqrt()), None, n);
        details.push(sd.because("holds the noise of the items"));
        let net = detail("sd-net-of-noise");
        let found = moved.and_then(|moved| Some((moved.net_spread(), moved.bounds(Size::Spread, level)?)));
        details.push(match found {
            Some((point, bounds)) => net.with(Some(point), Some(Interval::new(bounds, level).holding(point)), n),
            None => net.because(NOTHING),
        });
        details
    }

    /// Languages as replicates move them together.
    fn moved(&self, scores: &[&Score<'_>]) -> Option<Moved> {
        let deviations = |score: &&Score<'_>| {
            let first = score.replicates.iter().take(REPLICATES);
            first.map(|x| (f64::from(*x) - score.point) as f32).collect::<Vec<f32>>()
        };
        let columns: Vec<Vec<f32>> = scores.iter().map(deviations).collect();
        let points = scores.iter().map(|score| score.point).collect();
        Moved::new(points, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}
