//! Findings: every number a report shows, with interval, n and what is missing, in tidy form.
//!
//! Sections and renderers read findings only; they compute nothing.

use serde::{Deserialize, Serialize};

use crate::lang::Lang;
use crate::metric::Estimate;
use crate::provenance::RunInfo;

/// What part of a benchmark a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", content = "name")]
pub enum Scope {
    /// One subset.
    Subset(String),
    /// One category: the weighted mean of its subsets.
    Category(String),
    /// The benchmark's score: how categories combine is in its manifest.
    Overall,
}

/// Over which languages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "over", content = "name")]
pub enum Languages {
    One(Lang),
    /// A named average over languages (`avg22-merged`, `avg23`, `macro`).
    Average(String),
}

/// One number of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Index into [`Findings::runs`].
    pub run: usize,
    pub benchmark: String,
    /// `accuracy`, `gap-to-english` (points of accuracy on shared source ids), …
    pub metric: String,
    pub scope: Scope,
    pub languages: Languages,
    /// `None`: undefined here; `why` says so in words.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
    /// Exact ties among the items counted in n.
    pub n_ties: usize,
    /// Items of which a response was truncated.
    pub n_truncated: usize,
}

/// What a report must say of one benchmark besides its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkInfo {
    pub name: String,
    pub title: String,
    pub version: String,
    /// How ties, weights and averages are handled, in sentences.
    pub protocol: Vec<String>,
    pub categories: Vec<String>,
    /// (subset, category it belongs to if any), in manifest order.
    pub subsets: Vec<(String, Option<String>)>,
    pub langs: Vec<Lang>,
    /// Names of the averages over languages, the headline one first.
    pub averages: Vec<String>,
    /// What chance gives (0.5 for pairs, 0.25 for best of 4), where defined.
    pub chance: Option<f64>,
}

/// Two runs compared on the items both scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    pub run: usize,
    pub baseline: usize,
    pub benchmark: String,
    pub languages: Languages,
    /// run − baseline, paired over shared items.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
}

/// All that a report is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    pub runs: Vec<RunInfo>,
    pub benchmarks: Vec<BenchmarkInfo>,
    pub findings: Vec<Finding>,
    pub differences: Vec<PairedDifference>,
    /// Bootstrap replicates, seed and interval level behind every interval.
    pub replicates: usize,
    pub seed: u64,
    pub level: f64,
    /// What a reader must know before trusting a number: missing cells, mixed versions, many ties.
    pub warnings: Vec<String>,
}
