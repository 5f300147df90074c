//! Heads that are fitted to features at once, not trained step by step beside a trunk: a logistic model of
//! interpretable features ([`cpm`]), ideal points of groups of users ([`pal`]), a further user's vector
//! ([`user`]), weights over several reward models ([`orchestrator`]).

pub mod cpm;
pub mod orchestrator;
pub mod pal;
pub mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;

use super::error::TrainError;
use crate::lang::Lang;
use crate::metric::interval::middle;
use crate::metric::{Estimate, Interval};
use crate::preference::{Comparison, Response};
use crate::random;

/// Replicates behind an interval.
const REPLICATES: usize = 1000;
const LEVEL: f64 = 0.95;
/// Fewer clusters give no interval.
const MIN_CLUSTERS: usize = 10;

/// A pair as what some model made of its responses.
#[derive(Debug, Clone, PartialEq)]
pub struct FeaturePair {
    pub chosen: Vec<f64>,
    pub rejected: Vec<f64>,
    pub source: Arc<str>,
    pub user: Option<Arc<str>>,
    pub lang: Lang,
}

impl FeaturePair {
    /// chosen − rejected.
    pub fn difference(&self) -> Vec<f64> {
        self.chosen.iter().zip(&self.rejected).map(|(c, r)| c - r).collect()
    }
}

/// Pairs whose data bring vectors, all of one width.
pub fn of_vectors(comparisons: &[Comparison]) -> Result<Vec<FeaturePair>, TrainError> {
    let mut width = None;
    let mut one = |comparison: &Comparison| {
        let refuse = |problem: String| {
            let (id, lang, row) = (&comparison.id, comparison.lang, comparison.row);
            TrainError::Begin(format!("item `{id}` ({lang}), row {row}: {problem}"))
        };
        if !comparison.is_pair() {
            return Err(refuse("it is not one chosen and one rejected response".into()));
        }
        let mut vector = |response: &Response| {
            let vector = response.embedding.as_ref().ok_or_else(|| refuse("a response has no vector".into()))?;
            let expected = *width.get_or_insert(vector.0.len());
            if vector.0.len() != expected {
                return Err(refuse(format!("a vector has {} numbers, others have {expected}", vector.0.len())));
            }
            Ok(vector.0.iter().map(|x| f64::from(*x)).collect())
        };
        Ok(FeaturePair {
            chosen: vector(&comparison.chosen[0])?,
            rejected: vector(&comparison.rejected[0])?,
            source: comparison.source.0.clone(),
            user: comparison.evidence.user.clone(),
            lang: comparison.lang,
        })
    };
    let pairs: Vec<FeaturePair> = comparisons.iter().map(&mut one).collect::<Result<_, _>>()?;
    if pairs.is_empty() { Err(TrainError::NoPairs("given")) } else { Ok(pairs) }
}

/// What a pair is worth whose chosen response is ahead by `margin`.
pub fn credit(margin: f64) -> f64 {
    match margin {
        m if m > 0.0 => 1.0,
        m if m < 0.0 => 0.0,
        _ => 0.5,
    }
}

/// The mean of values, with an interval that resamples clusters: what belongs together is drawn together.
pub fn mean<'a>(values: impl IntoIterator<Item = (&'a str, f64)>, seed: u64) -> Option<Estimate> {
    let mut clusters: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (cluster, value) in values {
        let sums = clusters.entry(cluster).or_default();
        *sums = (sums.0 + value, sums.1 + 1.0);
    }
    let clusters: Vec<(f64, f64)> = clusters.into_values().collect();
    let total = |sums: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, n) = sums.fold((0.0, 0.0), |(a, b), (sum, n)| (a + sum, b + n));
        (sum / n, n)
    };
    let (point, n) = total(&mut clusters.iter().copied());
    if n < 1.0 {
        return None;
    }
    let replicate = |r: u64| {
        let mut draws = random::stream(seed, "heads", r.to_le_bytes());
        total(&mut (0..clusters.len()).map(|_| clusters[draws.random_range(0..clusters.len())])).0
    };
    let interval: Option<Interval> = (clusters.len() >= MIN_CLUSTERS)
        .then(|| middle(&mut (0..REPLICATES as u64).map(replicate).collect::<Vec<_>>(), LEVEL))
        .flatten();
    Some(Estimate { point, interval, n: n as usize, n_missing: 0 })
}

/// `61.2 % (58.0 to 64.1, n 900)`.
pub fn in_words(estimate: Option<Estimate>) -> String {
    let Some(Estimate { point, interval, n, .. }) = estimate else { return "not enough data".to_owned() };
    let percent = |x: f64| format!("{:.1}", 100.0 * x);
    match interval {
        Some(i) => format!("{} % ({} to {}, n {n})", percent(point), percent(i.low), percent(i.high)),
        None => format!("{} % (too few clusters for an interval, n {n})", percent(point)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_what_an_interval_counts() {
        // Twenty clusters, right or wrong as a whole: repeating rows inside them tells nothing new.
        let names: Vec<String> = (0..20).map(|c| format!("c{c:02}")).collect();
        let of = |times: usize| {
            let value = |c: usize| (names[c].as_str(), f64::from(u8::from(c.is_multiple_of(2))));
            mean((0..20).flat_map(|c| vec![value(c); times]).collect::<Vec<_>>(), 1).unwrap()
        };
        let (one, ten) = (of(1), of(10));
        assert_eq!((one.point, ten.point, ten.n), (0.5, 0.5, 200));
        assert_eq!(one.interval, ten.interval);
        assert!(one.interval.unwrap().high - one.interval.unwrap().low > 0.3);
        assert!(mean([("a", 1.0)], 1).unwrap().interval.is_none());
        assert_eq!([0.5, 0.0, -1.0].map(credit), [1.0, 0.5, 0.0]);
    }
}
