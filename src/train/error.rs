//! What can go wrong in training, with what a person can do about it.

use std::path::PathBuf;

use crate::backbone::weights::WeightsError;
use crate::files::FileError;
use crate::lang::Lang;
use crate::objective::ObjectiveError;
use crate::reward::RewardError;
use crate::reward::artifact::ArtifactError;

use super::optimizer::OptimizerError;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("training settings: {0}")]
    Settings(String),
    #[error("the model cannot be set up: {0}")]
    Begin(String),
    #[error("the {0} data hold no pairs")]
    NoPairs(&'static str),
    #[error("all {0} training pairs are longer than the model's limit and were dropped")]
    AllDropped(usize),
    #[error(
        "{what} item `{item}` ({lang}), row {row}, has {chosen} chosen and {rejected} rejected responses; objective `{objective}` takes other shapes"
    )]
    NotAPair {
        what: &'static str,
        objective: &'static str,
        item: String,
        lang: Lang,
        row: u64,
        chosen: usize,
        rejected: usize,
    },
    #[error("objective `{objective}`: training item `{item}` ({lang}), row {row}, has no {what} (column for {part})")]
    Lacks { objective: &'static str, what: &'static str, part: &'static str, item: String, lang: Lang, row: u64 },
    #[error("{what} item `{item}` ({lang}), row {row}, is longer than the model's limit")]
    OverLength { what: &'static str, item: String, lang: Lang, row: u64 },
    #[error("{pairs} of {n} evaluation pairs are also training pairs; the first is `{item}` ({lang})")]
    Overlap { pairs: usize, n: usize, item: String, lang: Lang },
    #[error("`{}` already holds a run (`{found}`)", out.display())]
    Occupied { out: PathBuf, found: String },
    #[error("another process is training in `{}`", out.display())]
    Busy { out: PathBuf },
    #[error("`{}` cannot be resumed: {}", out.display(), differences.join("; "))]
    Mismatch { out: PathBuf, differences: Vec<String> },
    #[error("`{}`: {problem}", path.display())]
    Checkpoint { path: PathBuf, problem: String },
    #[error("step {step}: {what}; pairs of the step: {pairs}")]
    NonFinite { step: u64, what: String, pairs: String },
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    #[error(transparent)]
    Reward(#[from] RewardError),
    #[error(transparent)]
    Model(#[from] Box<ArtifactError>),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl TrainError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            TrainError::Reward(error) => return error.hint(),
            TrainError::Model(error) => return error.hint().map(str::to_owned),
            TrainError::Settings(_) => "`rmbench train --print-config` prints every setting with its default",
            TrainError::NotAPair { .. } | TrainError::Lacks { .. } => {
                "`rmbench train --list-objectives` says what each objective needs"
            }
            TrainError::OverLength { .. } => "set over-length to \"drop\" or \"truncate\", or raise the length limit",
            TrainError::AllDropped(_) => "raise the length limit, or set over-length to \"truncate\"",
            TrainError::Overlap { .. } => "set eval-overlap to \"drop\" to leave them out, or \"keep\" to go on",
            TrainError::Occupied { .. } => "`--resume` continues it; otherwise choose another --out",
            TrainError::Busy { .. } => "wait for it, end it, or choose another --out",
            TrainError::Mismatch { .. } => {
                "resume with the settings and data of the first start, or train into another --out"
            }
            TrainError::NonFinite { .. } => "look at these pairs; a lower lr or clip often helps, bf16 may need f32",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
