//! What tests say of comparisons and rankings.

use serde::{Deserialize, Serialize};

use crate::metric::cochran;
use crate::report::findings::Languages;

/// Tests of one difference. Every p is two-sided; absent where the test does not apply or would not hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PairTests {
    /// Standard error of the difference, resampled.
    pub error: Option<f64>,
    /// The true difference that would be found four times in five (minimum detectable effect).
    pub detectable: Option<f64>,
    /// Paired cluster bootstrap.
    pub p: Option<f64>,
    /// How many comparisons the adjusted p below were adjusted for.
    pub family: usize,
    pub p_holm: Option<f64>,
    pub p_bh: Option<f64>,
    pub p_romano_wolf: Option<f64>,
    /// In one language: items that only one of the two gets right, each counting once whatever its weight.
    pub mcnemar: Option<McNemar>,
    /// In one language, where there are ties: loss, win and tie as three outcomes.
    pub stuart_maxwell: Option<ChiSquare>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    pub only_run: u64,
    pub only_baseline: u64,
    pub exact_p: f64,
    pub mid_p: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChiSquare {
    pub statistic: f64,
    pub df: usize,
    pub p: f64,
}

impl From<cochran::ChiSquare> for ChiSquare {
    fn from(found: cochran::ChiSquare) -> Self {
        Self { statistic: found.statistic, df: found.df, p: found.p }
    }
}

/// Whether several shares of right answers to the same items are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EqualityTest {
    /// `cochran-q`.
    pub test: String,
    pub benchmark: String,
    /// This run across languages; `None`: all runs.
    pub run: Option<usize>,
    /// All runs in this language; `None`: all languages.
    pub languages: Option<Languages>,
    /// Items that have all outcomes.
    pub n: usize,
    pub found: Option<ChiSquare>,
    pub why: Option<String>,
}

/// Runs in order of their score, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    pub benchmark: String,
    pub languages: Languages,
    /// Pairs that were tested together (Romano-Wolf).
    pub pairs: usize,
    pub ranks: Vec<Rank>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rank {
    pub run: usize,
    /// Ranks the run may have; all such intervals of a ranking hold together.
    pub low: usize,
    pub high: usize,
    /// Share of replicates in which it is the best.
    pub chance_of_best: Option<f64>,
    /// Letters of its tie groups: runs that share one are not significantly different.
    pub groups: Vec<String>,
}
