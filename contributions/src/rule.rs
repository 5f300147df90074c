//! How a benchmark turns rewards into outcomes and outcomes into scores.

use serde::{Deserialize, Serialize};

/// What an exact tie of rewards is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl TiePolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            TiePolicy::Loss => "loss",
            TiePolicy::Half => "half",
            TiePolicy::OneOverK => "one-over-k",
            TiePolicy::Exclude => "exclude",
        }
    }
}

/// How the items of a subset become its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Share of items in which every chosen response beats every rejected one.
    Accuracy,
    /// 3 × 3 matrix of styles, each cell an accuracy, the score their mean (RM-Bench).
    StyleMatrix,
    /// Reference and tied prompts together (RewardBench 2, domain Ties).
    Ties,
    /// Each pair judged in both orders; right where more verdicts are right than wrong (JudgeBench).
    TwoOrders,
    /// Two responses with gold grades; right where rewards prefer the one that the grades prefer, or neither (MENLO).
    Graded,
}

/// How a benchmark turns rewards into outcomes; comes from its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    pub ties: TiePolicy,
}
