//! Settings that are one word of a few.

use serde::{Deserialize, Serialize};

use crate::text::cut::Part;

/// What happens to a pair with a sequence over the length limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverLength {
    #[default]
    Drop,
    /// Trained on as cut by the text settings.
    Truncate,
    /// Trained on without the prompt's first tokens, the same ones for all responses; dropped where no prompt is left.
    CutPrompt,
    /// Trained on without the last tokens of responses; dropped where the prompt alone is too long.
    CutResponse,
    Refuse,
}

impl OverLength {
    /// Which part is cut, where it is one.
    pub fn part(self) -> Option<Part> {
        match self {
            OverLength::CutPrompt => Some(Part::Prompt),
            OverLength::CutResponse => Some(Part::Response),
            OverLength::Drop | OverLength::Truncate | OverLength::Refuse => None,
        }
    }
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
