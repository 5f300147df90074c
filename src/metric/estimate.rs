//! A number that never travels alone.

use serde::{Deserialize, Serialize};

/// A two-sided interval and the coverage it was built for (0.95).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub level: f64,
}

impl Interval {
    pub fn new([low, high]: [f64; 2], level: f64) -> Self {
        Self { low, high, level }
    }

    /// Wider, where it does not hold `point`: an interval of a true number that noise makes larger may end below the number found.
    pub fn holding(self, point: f64) -> Self {
        Self { low: self.low.min(point), high: self.high.max(point), ..self }
    }
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

impl Estimate {
    /// B − A from A − B.
    pub fn reversed(self) -> Estimate {
        let interval = self.interval.map(|i| Interval { low: -i.high, high: -i.low, level: i.level });
        Estimate { point: -self.point, interval, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversed_difference_mirrors_its_interval() {
        let interval = Some(Interval { low: 0.01, high: 0.03, level: 0.95 });
        let e = Estimate { point: 0.02, interval, n: 9, n_missing: 0 }.reversed();
        assert_eq!((e.point, e.interval.unwrap().low, e.interval.unwrap().high), (-0.02, -0.03, -0.01));
    }
}
