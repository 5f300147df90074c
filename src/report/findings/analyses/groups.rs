//! Groups of languages by script, family and resource class, and how evenly languages are served.

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::quantile;
use crate::metric::permutation::{eta_squared, label_test};
use crate::metric::replicates::{by_replicate, lowest, mean, noise, range, variance};
use crate::report::findings::analyses::scores::{METRICS, Score, means, percentiles};
use crate::report::findings::detail::{About, Detail};
use crate::report::findings::options::FindingOptions;
use crate::report::language::DIMENSIONS;

pub const ANALYSIS: &str = "groups";

/// Languages with fewer items are left out of extremes: theirs would be noise.
const MIN_ITEMS: usize = 30;

/// The mean of the lowest languages is over this many.
pub const WORST: usize = 3;

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

    /// Means over runs by language; only languages that every run has, so that groups compare the same runs.
    fn breakdown(&self, scores: &[Score<'_>]) -> Vec<Detail> {
        let mut runs: Vec<usize> = scores.iter().map(|score| score.run).collect();
        runs.sort_unstable();
        runs.dedup();
        let mut langs: Vec<Lang> = scores.iter().map(|score| score.lang).collect();
        langs.sort_unstable();
        langs.dedup();
        let of_lang = |lang: Lang| scores.iter().filter(move |score| score.lang == lang);
        langs.retain(|lang| of_lang(*lang).count() == runs.len());
        let mut details = Vec::new();
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
        let mut details = Vec::new();
        let scores: Vec<Score<'_>> = scores.iter().filter(|score| score.n >= MIN_ITEMS).cloned().collect();
        for run in scores.chunk_by(|a, b| a.run == b.run) {
            if run.len() <= WORST {
                continue;
            }
            let (first, points) = (&run[0], run.iter().map(|score| score.point).collect::<Vec<f64>>());
            let replicates: Vec<&[f32]> = run.iter().map(|score| score.replicates.as_slice()).collect();
            let n = run.iter().map(|score| score.n).sum();
            let statistics = [
                ("worst-3", lowest(&points, WORST), by_replicate(&replicates, &|values| lowest(values, WORST))),
                ("max-min", range(&points), by_replicate(&replicates, &range)),
            ];
            for (measure, point, resampled) in statistics {
                let raw = self.detail(Some(first.run), measure, Vec::new());
                details.push(raw.with(Some(point), None, n).because("biased by noise; see the corrected value"));
                let corrected = corrected(point, resampled, self.options.level);
                let detail = self.detail(Some(first.run), &format!("{measure}-corrected"), Vec::new());
                let (point, interval) = corrected.map_or((None, None), |(point, interval)| (Some(point), interval));
                details.push(detail.with(point, interval, n));
            }
            let noise = noise(&replicates);
            let found = variance(&points);
            let sd = self.detail(Some(first.run), "sd", Vec::new());
            details.push(sd.with(Some(found.sqrt()), None, n).because("holds the noise of the items"));
            let net = self.detail(Some(first.run), "sd-net-of-noise", Vec::new());
            details.push(net.with(Some((found - noise).max(0.0).sqrt()), None, n));
        }
        details
    }
}

/// 2 θ − mean(θ*), with the basic interval \[2 θ − q_high, 2 θ − q_low\] (Efron and Tibshirani 1993, ch. 10).
fn corrected(point: f64, mut resampled: Vec<f64>, level: f64) -> Option<(f64, Option<Interval>)> {
    resampled.retain(|x| !x.is_nan());
    resampled.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (low, high) = (quantile(&resampled, tail)?, quantile(&resampled, 1.0 - tail)?);
    let bias = mean(&resampled) - point;
    // Neither a mean of accuracies nor a range is below 0.
    let interval = Interval { low: (2.0 * point - high).max(0.0), high: (2.0 * point - low).max(0.0), level };
    Some(((point - bias).max(0.0), Some(interval)))
}
