//! Numbers of analyses that are not one metric of one scope: a pair of languages, a bin of a curve, an
//! item. In tidy form like [`Finding`](super::Finding): one number per row.

use serde::{Deserialize, Serialize};

use crate::lang::Lang;
use crate::metric::resample::Found;
use crate::metric::{Estimate, Interval};

/// What a number is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum About {
    Lang(Lang),
    Run(usize),
    /// A subset, a group, an item, a method.
    Name(String),
    /// A place in an order: a bin, a step, a rank.
    Place(u32),
}

impl About {
    pub fn name(name: impl Into<String>) -> Self {
        About::Name(name.into())
    }
}

/// One number of one analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The analysis: `agreement`, `calibration`, …
    pub analysis: String,
    pub benchmark: String,
    /// `None`: over all runs.
    pub run: Option<usize>,
    /// What was measured: `kappa`, `ece`, …
    pub measure: String,
    /// What it is about, from the outside in; empty for the benchmark as a whole.
    pub of: Vec<About>,
    /// `None`: undefined here; `why` says so in words.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
}

impl Detail {
    /// A number that is still to come.
    pub fn new(analysis: &str, benchmark: &str, run: Option<usize>, measure: &str, of: Vec<About>) -> Self {
        Self {
            analysis: analysis.to_owned(),
            benchmark: benchmark.to_owned(),
            run,
            measure: measure.to_owned(),
            of,
            estimate: None,
            why: None,
        }
    }

    /// The number; not finite means undefined.
    pub fn with(mut self, point: Option<f64>, interval: Option<Interval>, n: usize) -> Self {
        match point.filter(|point| point.is_finite()) {
            Some(point) => {
                let interval = interval.filter(|i| i.low.is_finite() && i.high.is_finite());
                self.estimate = Some(Estimate { point, interval, n, n_missing: 0 });
            }
            None => self.why = self.why.or_else(|| Some("undefined for these items".to_owned())),
        }
        self
    }

    /// What resampling found.
    pub fn found(self, found: Found, n: usize) -> Self {
        self.with(found.point, found.interval, n)
    }

    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}
