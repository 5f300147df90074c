//! Scores by language with their replicates, for analyses that compare languages.

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::middle;
use crate::report::findings::draft::{Draft, Resolver};
use crate::report::findings::{Finding, Languages};

/// Scores that are compared over languages.
pub const METRICS: [&str; 2] = ["accuracy", "gap-to-english"];

/// One language's score of one run.
#[derive(Clone)]
pub struct Score<'a> {
    pub benchmark: &'a str,
    pub metric: &'a str,
    pub run: usize,
    pub lang: Lang,
    pub point: f64,
    pub replicates: Vec<f32>,
    pub n: usize,
}

/// Those that have a number, in the order of their drafts.
pub fn scores<'a>(drafts: impl Iterator<Item = &'a Draft<Finding>>, resolver: &'a Resolver) -> Vec<Score<'a>> {
    let score = |draft: &'a Draft<Finding>| {
        let Languages::One(lang) = draft.of.languages else { return None };
        let (point, replicates) = resolver.values(draft.node?)?;
        let (benchmark, metric) = (draft.of.benchmark.as_str(), draft.of.metric.as_str());
        Some(Score { benchmark, metric, run: draft.of.run, lang, point, replicates, n: draft.n })
    };
    drafts.filter_map(score).collect()
}

/// The mean of what is defined.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|x| !x.is_nan()).fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

/// The mean over scores, replicate by replicate.
pub fn mean_by_replicate(scores: &[&Score<'_>]) -> Vec<f64> {
    let n = scores.iter().map(|score| score.replicates.len()).min().unwrap_or(0);
    let at = |r: usize| scores.iter().map(|score| f64::from(score.replicates[r])).sum::<f64>() / scores.len() as f64;
    (0..n).map(at).collect()
}

/// The percentile interval; `None` where more than one replicate in twenty is undefined.
pub fn percentiles(mut values: Vec<f64>, level: f64) -> Option<Interval> {
    let all = values.len();
    values.retain(|x| !x.is_nan());
    (values.len() * 20 >= all * 19).then(|| middle(&mut values, level)).flatten()
}
