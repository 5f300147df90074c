//! Pure functions over items: what each item adds to a few sums, and one function of the sums.
//!
//! Breakdown (subset, category, language, overall), weighting and intervals are done once around
//! that form, which makes the bootstrap a matrix product (see [`bootstrap`]).

pub mod estimate;

use crate::table::item::Item;

pub use estimate::{Estimate, Interval};

/// What an exact tie of rewards is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TiePolicy {
    /// A tie counts as wrong (RewardBench, M-RewardBench, RM-Bench: strict `>`).
    Loss,
    /// A tie counts one half.
    Half,
    /// Best-of-N: 1/k if the right response is among the k that share the maximum (RewardBench 2).
    OneOverK,
    /// Tied items are left out, and counted.
    Exclude,
}

/// How a benchmark turns rewards into outcomes; comes from its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    pub ties: TiePolicy,
}

/// A metric of the form `finish(Σ contribute(item))`.
pub trait Metric: Sync {
    /// Short stable name, as in result files.
    fn id(&self) -> &'static str;
    /// One sentence for people.
    fn about(&self) -> &'static str;
    /// How many sums it keeps.
    fn width(&self, protocol: &Protocol) -> usize;
    /// Adds what one item contributes; returns false (adding nothing) where the item has no outcome.
    fn contribute(&self, item: &Item<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool;
    /// The metric from the sums; `None` where it is undefined.
    fn finish(&self, sums: &[f64], protocol: &Protocol) -> Option<f64>;
}
