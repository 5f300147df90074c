//! Groups of languages by script, family and resource class, and how evenly languages are served.

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::quantile;
use crate::metric::permutation::{eta_squared, label_test};
use crate::report::findings::detail::{About, Detail};
use crate::report::findings::draft::{Draft, Resolver};
use crate::report::findings::options::FindingOptions;
use crate::report::findings::{Finding, Languages};
use crate::report::language::DIMENSIONS;

pub const ANALYSIS: &str = "groups";

/// Scores by language that are broken down.
pub const METRICS: [&str; 2] = ["accuracy", "gap-to-english"];

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

/// One language's score of one run.
struct Score<'a> {
    run: usize,
    lang: Lang,
    point: f64,
    replicates: &'a [f32],
    n: usize,
}

pub fn groups<'a>(
    drafts: impl Iterator<Item = &'a Draft<Finding>>,
    resolver: &Resolver,
    options: &FindingOptions,
) -> Vec<Detail> {
    let drafts: Vec<&Draft<Finding>> = drafts.collect();
    let Some(benchmark) = drafts.first().map(|draft| draft.of.benchmark.clone()) else { return Vec::new() };
    let mut details = Vec::new();
    for metric in METRICS {
        let scores: Vec<Score<'_>> = drafts
            .iter()
            .filter(|draft| draft.of.metric == metric)
            .filter_map(|draft| {
                let Languages::One(lang) = draft.of.languages else { return None };
                let (point, replicates) = resolver.replicates(draft.node?)?;
                Some(Score { run: draft.of.run, lang, point, replicates, n: draft.n })
            })
            .collect();
        let here = Here { benchmark: &benchmark, metric, options };
        if metric == METRICS[0] {
            details.extend(here.evenness(&scores));
        }
        details.extend(here.breakdown(&scores));
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
                let means = mean_by_replicate(&own);
                let name = known.iter().zip(&labels).find(|(_, l)| **l == group).map(|((_, name), _)| name.clone());
                let of = vec![
                    About::name(self.metric),
                    About::name(dimension),
                    About::name(name.unwrap_or_default()),
                    About::Place(members.len() as u32),
                ];
                let n = own.iter().map(|score| score.n).sum::<usize>() / runs.len();
                let interval = percentiles(means, self.options.level);
                details.push(self.detail(None, "group-mean", of).with(Some(point), interval, n));
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

    /// Worst languages, range and spread of each run; corrected for noise, which makes the lowest look lower.
    fn evenness(&self, scores: &[Score<'_>]) -> Vec<Detail> {
        let mut details = Vec::new();
        for run in scores.chunk_by(|a, b| a.run == b.run) {
            if run.len() <= WORST {
                continue;
            }
            let (first, points) = (&run[0], run.iter().map(|score| score.point).collect::<Vec<f64>>());
            let n_replicates = run.iter().map(|score| score.replicates.len()).min().unwrap_or(0);
            let n = run.iter().map(|score| score.n).sum();
            let at = |r: usize| run.iter().map(|score| f64::from(score.replicates[r])).collect::<Vec<f64>>();
            for (measure, statistic) in [("worst-3", worst as fn(&[f64]) -> f64), ("max-min", range)] {
                let point = statistic(&points);
                let resampled: Vec<f64> = (0..n_replicates).map(|r| statistic(&at(r))).collect();
                let raw = self.detail(Some(first.run), measure, Vec::new());
                details.push(raw.with(Some(point), None, n).because("biased by noise; see the corrected value"));
                let corrected = corrected(point, resampled, self.options.level);
                let detail = self.detail(Some(first.run), &format!("{measure}-corrected"), Vec::new());
                let (point, interval) = corrected.map_or((None, None), |(point, interval)| (Some(point), interval));
                details.push(detail.with(point, interval, n));
            }
            // Variance of what resampling adds, with the languages' noise as correlated as it is.
            let means: Vec<f64> = run.iter().map(|score| mean(score.replicates.iter().map(|x| f64::from(*x)))).collect();
            let noise = mean((0..n_replicates).map(|r| {
                let moved: Vec<f64> = at(r).iter().zip(&means).map(|(x, mean)| x - mean).collect();
                variance(&moved)
            }));
            let found = variance(&points);
            let sd = self.detail(Some(first.run), "sd", Vec::new());
            details.push(sd.with(Some(found.sqrt()), None, n).because("holds the noise of the items"));
            let net = self.detail(Some(first.run), "sd-net-of-noise", Vec::new());
            details.push(net.with(Some((found - noise).max(0.0).sqrt()), None, n));
        }
        details
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|x| !x.is_nan()).fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

fn variance(values: &[f64]) -> f64 {
    let centre = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// Mean of the lowest [`WORST`].
fn worst(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.iter().take(WORST).sum::<f64>() / WORST as f64
}

fn range(values: &[f64]) -> f64 {
    let ends = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    ends.1 - ends.0
}

fn mean_by_replicate(scores: &[&Score<'_>]) -> Vec<f64> {
    let n = scores.iter().map(|score| score.replicates.len()).min().unwrap_or(0);
    let at = |r: usize| scores.iter().map(|score| f64::from(score.replicates[r])).sum::<f64>() / scores.len() as f64;
    (0..n).map(at).collect()
}

fn percentiles(mut values: Vec<f64>, level: f64) -> Option<Interval> {
    let all = values.len();
    values.retain(|x| !x.is_nan());
    (values.len() * 20 >= all * 19).then(|| crate::metric::interval::percentile(&mut values, level)).flatten()
}

/// 2 θ − mean(θ*), with the basic interval \[2 θ − q_high, 2 θ − q_low\] (Efron and Tibshirani 1993, ch. 10).
fn corrected(point: f64, mut resampled: Vec<f64>, level: f64) -> Option<(f64, Option<Interval>)> {
    resampled.retain(|x| !x.is_nan());
    resampled.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (low, high) = (quantile(&resampled, tail)?, quantile(&resampled, 1.0 - tail)?);
    let bias = mean(resampled.iter().copied()) - point;
    let interval = Interval { low: 2.0 * point - high, high: 2.0 * point - low, level };
    Some((point - bias, Some(interval)))
}
