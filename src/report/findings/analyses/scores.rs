//! Scores by language with their replicates, for analyses that compare languages.

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::middle;
use crate::metric::replicates::mean_by_replicate;
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

/// The percentile interval; `None` where more than one replicate in twenty is undefined.
pub fn percentiles(mut values: Vec<f64>, level: f64) -> Option<Interval> {
    let all = values.len();
    values.retain(|x| !x.is_nan());
    (values.len() * 20 >= all * 19).then(|| middle(&mut values, level)).flatten()
}

/// The mean over scores in each replicate.
pub fn means(scores: &[&Score<'_>]) -> Vec<f64> {
    mean_by_replicate(&scores.iter().map(|score| score.replicates.as_slice()).collect::<Vec<_>>())
}
