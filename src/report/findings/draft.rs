//! Findings before their numbers: what is wanted from the sheet, then points and intervals for all.

use std::borrow::Cow;
use std::collections::HashMap;

use rmbench_resampling::clusters::Clusters;
use rmbench_resampling::stepdown::Deviations;

use crate::metric::bootstrap::{Bootstrap, Kept, Spread};
use crate::metric::interval::wilson;
use crate::metric::power::design_effect;
use crate::metric::sheet::{NodeId, Sheet};
use crate::metric::{Estimate, Interval};
use crate::progress::Progress;
use crate::report::findings::{Finding, magnitudes};

/// Fewer effective items than this give no resampled interval: their percentiles mean nothing.
const MIN_ITEMS: f64 = 10.0;
const FEW: &str = "no interval: fewer than 10 items";
const NOTHING: &str = "no interval: the same in every resample, or undefined in too many";

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Share of independent items that are right or wrong.
    Wilson,
    /// Read off the bootstrap. Where every replicate agrees on 0 or 1 and the number is a share,
    /// Wilson's interval for the effective number of items stands in: resampling cannot see beyond.
    Resampled { share: bool, effective_n: f64 },
    /// A sum of absolute values, which noise makes larger: the interval is there already.
    Error { effective_n: f64 },
    /// A variance or standard deviation of other numbers, which noise makes larger, and its unit (of the square).
    Spread { unit: f64, squared: bool },
    /// The mean of other numbers over their largest, which noise makes larger.
    OverLargest { effective_n: f64 },
    /// Not the number itself but its resampled variance over the one that independent items would give.
    DesignEffect,
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

impl<T> Draft<T> {
    /// The number whose interval is read off replicates.
    pub fn resampled(&self) -> Option<NodeId> {
        self.node.filter(|_| matches!(self.method, Method::Resampled { .. } | Method::DesignEffect))
    }
}

/// What a draft becomes.
pub struct Resolved<T> {
    pub of: T,
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
    /// Where enough items stand behind it.
    pub spread: Option<Spread>,
}

/// Replicates of a number, or of the two whose difference it is.
#[derive(Clone, Copy)]
pub struct Replicated<'a> {
    own: &'a Kept,
    less: Option<&'a Kept>,
}

impl<'a> Replicated<'a> {
    pub fn whole(&self) -> Cow<'a, Kept> {
        self.less.map_or(Cow::Borrowed(self.own), |less| Cow::Owned(self.own.minus(less)))
    }

    /// The deviations, computed where they are read.
    pub fn deviations(&self) -> Deviations<'a> {
        let own = &self.own.deviations;
        self.less.map_or(Deviations::Of(own), |less| Deviations::Difference(own, &less.deviations))
    }
}

/// Points and intervals of all drafts from one set of replicates.
pub struct Resolver<'a> {
    sheet: &'a Sheet,
    points: Vec<Option<f64>>,
    spreads: HashMap<NodeId, Option<Spread>>,
    kept: HashMap<NodeId, Kept>,
    /// Intervals that are no percentiles.
    pub errors: HashMap<NodeId, Interval>,
    pub clusters: Clusters,
    level: f64,
}

impl<'a> Resolver<'a> {
    /// `resampled`: numbers that need an interval; `kept`: numbers whose replicates are compared with each other.
    pub fn new(
        sheet: &'a Sheet,
        bootstrap: &Bootstrap,
        resampled: impl Iterator<Item = NodeId>,
        kept: impl Iterator<Item = NodeId>,
        progress: &mut dyn Progress,
    ) -> Self {
        let points = sheet.points();
        let once = |nodes: &mut dyn Iterator<Item = NodeId>| {
            let mut nodes: Vec<NodeId> = nodes.filter(|node| points[*node as usize].is_some()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        let (mut resampled, mut kept) = (resampled, kept);
        let (wanted, kept) = (once(&mut resampled), once(&mut kept));
        let found = bootstrap.run(sheet, &wanted, &kept, &mut |k| progress.advance(k));
        Self {
            sheet,
            points,
            spreads: wanted.into_iter().zip(found.spreads).collect(),
            kept: kept.into_iter().zip(found.kept).collect(),
            errors: HashMap::new(),
            clusters: bootstrap.clusters.clone(),
            level: bootstrap.level,
        }
    }

    pub fn point(&self, node: NodeId) -> Option<f64> {
        self.points[node as usize]
    }

    /// A number's replicates: kept, or the difference of two kept ones.
    pub fn replicates(&self, node: NodeId) -> Option<Replicated<'_>> {
        if let Some(own) = self.kept.get(&node) {
            return Some(Replicated { own, less: None });
        }
        let (a, b) = self.sheet.operands(node)?;
        Some(Replicated { own: self.kept.get(&a)?, less: Some(self.kept.get(&b)?) })
    }

    /// A number's point and its value in every replicate, where these were kept.
    pub fn values(&self, node: NodeId) -> Option<(f64, Vec<f32>)> {
        let point = self.points[node as usize]?;
        let kept = self.replicates(node)?.whole();
        Some((point, kept.deviations.iter().map(|x| (point + f64::from(*x)) as f32).collect()))
    }

    pub fn resolve<T>(&self, draft: Draft<T>) -> Resolved<T> {
        let Draft { of, node, method, n, n_missing, why } = draft;
        let Some((node, point)) = node.and_then(|node| Some((node, self.points[node as usize]?))) else {
            let why = why.or_else(|| Some("undefined for these items".to_owned()));
            return Resolved { of, estimate: None, why, spread: None };
        };
        let spread = self.spreads.get(&node).copied().flatten();
        if method == Method::DesignEffect {
            let independent = self.sheet.independent_variance(node);
            let effect = spread.zip(independent).and_then(|(s, v)| design_effect(s.error, v));
            let estimate = effect.map(|point| Estimate { point, interval: None, n, n_missing });
            let why = match effect {
                Some(_) => "no interval: a ratio of two variances",
                None => "nothing varies, or the score is no mean of shares",
            };
            return Resolved { of, estimate, why: Some(why.to_owned()), spread };
        }
        let (interval, no_interval) = match method {
            Method::Error { effective_n } => self.error(node, effective_n),
            Method::Spread { unit, squared } => self.spread(node, point, unit, squared),
            Method::OverLargest { effective_n } if effective_n < MIN_ITEMS => (None, Some(FEW.to_owned())),
            Method::OverLargest { .. } => {
                let interval = self.members(node).and_then(|members| magnitudes::over_largest(&members, self.level));
                let interval = interval.map(|interval| interval.holding(point));
                (interval, interval.is_none().then(|| "no interval: what is divided by may be 0".to_owned()))
            }
            _ => self.interval(spread, point, method, n),
        };
        let why = match (why, no_interval) {
            (Some(why), Some(more)) => Some(format!("{why}; {more}")),
            (why, more) => why.or(more),
        };
        let enough = matches!(method, Method::Resampled { effective_n, .. } if effective_n >= MIN_ITEMS);
        let estimate = Some(Estimate { point, interval, n, n_missing });
        Resolved { of, estimate, why, spread: spread.filter(|_| enough) }
    }

    fn error(&self, node: NodeId, effective_n: f64) -> (Option<Interval>, Option<String>) {
        if effective_n < MIN_ITEMS {
            return (None, Some(FEW.to_owned()));
        }
        let interval = self.errors.get(&node).copied();
        (interval, interval.is_none().then(|| NOTHING.to_owned()))
    }

    /// What a spread or a quotient is made of, with replicates.
    fn members(&self, node: NodeId) -> Option<Vec<(f64, &[f32])>> {
        let member = |node: &NodeId| Some((self.points[*node as usize]?, self.kept.get(node)?.deviations.as_slice()));
        self.sheet.members(node)?.iter().map(member).collect()
    }

    /// Of the spread of the true numbers; the number found holds noise, too, and is held.
    fn spread(&self, node: NodeId, point: f64, unit: f64, squared: bool) -> (Option<Interval>, Option<String>) {
        let interval = self.members(node).and_then(|members| magnitudes::of_spread(&members, self.level)).map(|own| {
            let in_unit = |bound: f64| unit * if squared { bound * bound } else { bound };
            Interval { low: in_unit(own.low), high: in_unit(own.high), ..own }.holding(point)
        });
        let why = match interval {
            Some(_) => "the number holds the noise of the items, its interval is that of the spread without it",
            None => NOTHING,
        };
        (interval, Some(why.to_owned()))
    }

    fn interval(
        &self,
        spread: Option<Spread>,
        point: f64,
        method: Method,
        n: usize,
    ) -> (Option<Interval>, Option<String>) {
        let (share, effective_n) = match method {
            Method::Wilson => return (wilson(point, n as f64, self.level), None),
            Method::Without(why) => return (None, Some(format!("no interval: {why}"))),
            Method::DesignEffect | Method::Error { .. } | Method::Spread { .. } | Method::OverLargest { .. } => {
                return (None, None);
            }
            Method::Resampled { share, effective_n } => (share, effective_n),
        };
        if effective_n < MIN_ITEMS {
            return (None, Some(FEW.to_owned()));
        }
        match spread {
            Some(spread) => (Some(around(spread.interval, point)), None),
            None if share && (point == 0.0 || point == 1.0) => (wilson(point, effective_n, self.level), None),
            None => (None, Some(NOTHING.to_owned())),
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
