//! Findings before their numbers: what is wanted from the sheet, then points and intervals for all.

use std::collections::HashMap;

use crate::metric::bootstrap::{Replicates, replicate};
use crate::metric::design::Design;
use crate::metric::interval::wilson;
use crate::metric::sheet::{NodeId, Sheet};
use crate::metric::{Estimate, Interval};
use crate::progress::Progress;
use crate::report::findings::Finding;
use crate::report::findings::options::FindingOptions;

/// Fewer effective items than this give no resampled interval: their percentiles mean nothing.
const MIN_ITEMS: f64 = 10.0;

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Share of independent items that are right or wrong.
    Wilson,
    /// Percentiles of the bootstrap. Where every replicate agrees on 0 or 1 and the number is a share,
    /// Wilson's interval for the effective number of items stands in: resampling cannot see beyond.
    Resampled { share: bool, effective_n: f64 },
    /// None, and why.
    Without(&'static str),
}

/// A number that was asked of the sheet.
pub struct Draft<T> {
    pub of: T,
    /// `None`: explained by `why`.
    pub node: Option<NodeId>,
    pub method: Method,
    pub n: usize,
    pub n_missing: usize,
    pub why: Option<String>,
}

/// What a draft becomes.
pub struct Resolved<T> {
    pub of: T,
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
}

/// Points and intervals of all drafts from one set of replicates.
pub struct Resolver {
    points: Vec<Option<f64>>,
    places: HashMap<NodeId, usize>,
    replicates: Replicates,
    level: f64,
}

impl Resolver {
    pub fn new(
        sheet: &Sheet,
        design: &Design,
        resampled: impl Iterator<Item = NodeId>,
        options: &FindingOptions,
        progress: &mut dyn Progress,
    ) -> Self {
        let points = sheet.points();
        let mut wanted: Vec<NodeId> = resampled.filter(|node| points[*node as usize].is_some()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let places = wanted.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        let mut done = |n| progress.advance(n);
        let replicates =
            replicate(sheet, &design.strata, design.n_clusters, &wanted, options.replicates, options.seed, &mut done);
        Self { points, places, replicates, level: options.level }
    }

    /// A number's point and its value in every replicate, where it was resampled.
    pub fn replicates(&self, node: NodeId) -> Option<(f64, &[f32])> {
        let point = self.points[node as usize]?;
        Some((point, self.replicates.of(*self.places.get(&node)?)))
    }

    pub fn resolve<T>(&self, draft: Draft<T>) -> Resolved<T> {
        let Draft { of, node, method, n, n_missing, why } = draft;
        let Some(point) = node.and_then(|node| self.points[node as usize]) else {
            let why = why.or_else(|| Some("undefined for these items".to_owned()));
            return Resolved { of, estimate: None, why };
        };
        let (interval, no_interval) = self.interval(node, point, method, n);
        let why = match (why, no_interval) {
            (Some(why), Some(more)) => Some(format!("{why}; {more}")),
            (why, more) => why.or(more),
        };
        Resolved { of, estimate: Some(Estimate { point, interval, n, n_missing }), why }
    }

    fn interval(
        &self,
        node: Option<NodeId>,
        point: f64,
        method: Method,
        n: usize,
    ) -> (Option<Interval>, Option<String>) {
        let (share, effective_n) = match method {
            Method::Wilson => return (wilson(point, n as f64, self.level), None),
            Method::Without(why) => return (None, Some(format!("no interval: {why}"))),
            Method::Resampled { share, effective_n } => (share, effective_n),
        };
        if effective_n < MIN_ITEMS {
            return (None, Some("no interval: fewer than 10 items".to_owned()));
        }
        let place = node.and_then(|node| self.places.get(&node));
        let found = place.and_then(|place| self.replicates.interval(*place, self.level));
        match found {
            Some(interval) => (Some(around(interval, point)), None),
            None if share && (point == 0.0 || point == 1.0) => (wilson(point, effective_n, self.level), None),
            None => (None, Some("no interval: resampling does not change this number".to_owned())),
        }
    }
}

/// Replicates are f32: a bound that equals the point must not fall on its other side by rounding.
fn around(interval: Interval, point: f64) -> Interval {
    let same = |bound: f64| (bound - point).abs() <= 1e-6 * point.abs().max(1.0);
    let low = if same(interval.low) { interval.low.min(point) } else { interval.low };
    let high = if same(interval.high) { interval.high.max(point) } else { interval.high };
    Interval { low, high, level: interval.level }
}

/// The finding a resolved draft becomes.
pub fn finding(resolved: Resolved<Finding>) -> Finding {
    Finding { estimate: resolved.estimate, why: resolved.why, ..resolved.of }
}
