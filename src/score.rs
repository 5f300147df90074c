//! From a model and benchmarks to a score table.
//!
//! [`plan`] reads the data once and checks everything that can be checked before the model runs,
//! [`run`] scores in shards that survive a kill, [`directory`] is the run on disk.

mod ahead;
pub mod directory;
pub mod implicit;
mod judged;
#[cfg(feature = "torch")]
mod load;
#[cfg(feature = "torch")]
mod load_judge;
pub mod plan;
pub mod rescore;
pub mod run;
pub mod scorer;
pub mod settings;
pub mod source;
mod survey;

use std::path::PathBuf;

use crate::benchmark::manifest::ManifestError;
use crate::benchmark::reader::ReadError;
use crate::files::FileError;
use crate::hub::HubError;
use crate::judge::JudgeError;
use crate::lang::LangError;
use crate::reward::RewardError;
use crate::table::TableError;
use crate::text::encode::TextError;

/// What can keep a model from being scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Lang(#[from] LangError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Reward(#[from] RewardError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error("{what} is missing")]
    Absent { what: &'static str, hint: &'static str },
    #[error("setting `{key}`: {problem}")]
    Setting { key: &'static str, problem: String },
    #[error("`{spec}` is no model")]
    Model { spec: String, hint: String },
    #[error("benchmark `{name}` has none of the languages `{spec}`")]
    NoLanguage { name: String, spec: String, available: Vec<String> },
    #[error("`{spec}` cannot be loaded")]
    Load {
        spec: String,
        hint: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("two benchmarks are called `{name}`: `{}` and `{}`", first.display(), second.display())]
    SameName { name: String, first: PathBuf, second: PathBuf },
    #[error("{}", problems.join("; "))]
    Checks { problems: Vec<String>, hints: Vec<String> },
    #[error("`{}` is not empty", out.display())]
    NotEmpty { out: PathBuf, finished: bool },
    #[error("`{}` holds something else than a run of `rmbench score`", out.display())]
    NotARun { out: PathBuf },
    #[error("the run in `{}` cannot be continued with other inputs: {}", out.display(), differences.join("; "))]
    Differs { out: PathBuf, differences: Vec<String> },
    #[error("the provenance in `{}` cannot be read", path.display())]
    Provenance {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{}` changed while it was being scored: {problem}", path.display())]
    Changed { path: PathBuf, problem: String },
}

impl ScoreError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ScoreError::Table(error) => return error.hint(),
            ScoreError::Read(error) => return error.hint(),
            ScoreError::Manifest(error) => return error.hint(),
            ScoreError::Hub(error) => return error.hint(),
            ScoreError::Lang(error) => return error.hint(),
            ScoreError::Reward(error) => return error.hint(),
            ScoreError::Text(error) => return error.hint().map(str::to_owned),
            ScoreError::Judge(error) => return error.hint(),
            ScoreError::Absent { hint, .. } => (*hint).to_owned(),
            ScoreError::NoLanguage { available, .. } => format!("available: {}", available.join(", ")),
            ScoreError::Load { hint, .. } if hint.is_empty() => return None,
            ScoreError::Model { hint, .. } | ScoreError::Load { hint, .. } => hint.clone(),
            ScoreError::SameName { .. } => "rename one of the files, or score them into two directories".into(),
            ScoreError::Checks { hints, .. } => hints.first()?.clone(),
            ScoreError::NotEmpty { finished: true, .. } => {
                "it holds a finished run; give --out another directory, or remove it first".into()
            }
            ScoreError::NotEmpty { finished: false, .. } => {
                "--resume continues an interrupted run; otherwise give --out another directory".into()
            }
            ScoreError::NotARun { .. } => "give --out a directory of its own".into(),
            ScoreError::Differs { .. } => {
                "repeat the command that began the run, or start anew in another directory".into()
            }
            _ => return None,
        })
    }
}
