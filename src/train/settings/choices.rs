//! Settings that are one word of a few.

use serde::{Deserialize, Serialize};

/// What happens to a pair with a sequence over the length limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverLength {
    #[default]
    Drop,
    /// Trained on as cut by the text settings.
    Truncate,
    Refuse,
}

/// What happens to evaluation pairs that are training pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvalOverlap {
    #[default]
    Refuse,
    Drop,
    Keep,
}

/// Which parameters become the finished model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinalModel {
    /// Of the best evaluation; of the last step where there was none.
    #[default]
    Best,
    Last,
}
