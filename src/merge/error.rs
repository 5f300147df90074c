//! Why models were not merged.

use crate::backbone::weights::WeightsError;
use crate::benchmark::reader::ReadError;
use crate::files::FileError;
use crate::hub::HubError;
use crate::reward::RewardError;
use crate::reward::artifact::ArtifactError;
use crate::reward::parts::PartsError;

#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Parts(#[from] Box<PartsError>),
    #[error(transparent)]
    Artifact(#[from] Box<ArtifactError>),
    #[error("the head of `{model}` cannot be matched: {problem}")]
    Head { model: String, problem: String },
    #[error("`{model}` on the pairs for matching heads: {source}")]
    Reward { model: String, source: RewardError },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("`{model}` is an adapter")]
    Adapter { model: String },
    #[error("`{model}` and `{first}` are not of one kind: {problem}")]
    Differs { first: String, model: String, problem: String },
    #[error("tensor `{name}`: {problem}")]
    Tensor { name: String, problem: String },
    #[error("`{out}` holds something else")]
    Occupied { out: String },
}

impl MergeError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            MergeError::Settings(_) => "`rmbench merge --print-config` explains every setting".into(),
            MergeError::Weights(error) => return error.hint().map(str::to_owned),
            MergeError::Parts(error) => error.hint(),
            MergeError::Artifact(error) => return error.hint().map(str::to_owned),
            MergeError::Head { .. } => "leave --match-heads out, or merge models with one-label heads".into(),
            MergeError::Reward { source, .. } => return source.hint(),
            MergeError::Read(error) => return error.hint(),
            MergeError::Hub(error) => return error.hint(),
            MergeError::Adapter { .. } => "make it a checkpoint first: rmbench model merge-adapter".into(),
            MergeError::Differs { .. } => {
                "only models with the same architecture, vocabulary and reward head can be merged".into()
            }
            MergeError::Occupied { .. } => "name another --out, or remove it".into(),
            MergeError::File(_) | MergeError::Tensor { .. } => return None,
        })
    }
}
