//! A number that never travels alone.

use serde::{Deserialize, Serialize};

/// A two-sided interval and the coverage it was built for (0.95).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub level: f64,
}

/// A point with its interval and the number of items behind it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub point: f64,
    /// `None`: too little data for an interval; never a stand-in.
    pub interval: Option<Interval>,
    /// Items with an outcome.
    pub n: usize,
    /// Items without one (not scored, no reward).
    pub n_missing: usize,
}
