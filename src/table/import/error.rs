//! What can keep another tool's results from being imported.

use std::path::{Path, PathBuf};

use crate::benchmark::manifest::ManifestError;
use crate::benchmark::reader::ReadError;
use crate::files::FileError;
use crate::lang::suggest::did_you_mean;
use crate::lang::{Lang, LangError};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lang(#[from] LangError),
    /// The file is not what the format says.
    #[error("`{}` {problem}", path.display())]
    NotThis { path: PathBuf, problem: String, hint: Option<String> },
    #[error("`{}` has no column `{column}` for {part} (columns: {})", path.display(), columns.join(", "))]
    NoColumn { path: PathBuf, part: &'static str, column: String, columns: Vec<String>, suggestions: Vec<String> },
    #[error("`{}` row {row} (counted from 0): {problem}", path.display())]
    Row { path: PathBuf, row: u64, problem: String, hint: Option<String> },
    #[error("model `{model}` has item `{item}` ({lang}) of subset `{subset}` twice")]
    Repeated { model: String, item: String, subset: String, lang: Lang },
    #[error("model `{model}`, item `{item}`: the reward {reward:e} is beyond 32-bit numbers (±3.4e38)")]
    Range { model: String, item: String, reward: f64 },
    #[error("--items is not read with files of this format")]
    NoItems,
    #[error("the files hold {} models, which cannot all be called `{wanted}`", models.len())]
    OneName { wanted: String, models: Vec<String> },
    #[error("there is nothing to import in {files}{}", reasons(notes))]
    Nothing { files: String, notes: Vec<String>, joined: bool },
    #[error("the settings of the import cannot be written")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn reasons(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) }
}

impl ImportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // What other verbs can skip is not skipped here.
            ImportError::Read(ReadError::Row { problem, .. }) => {
                Some(problem.advice().unwrap_or_else(|| "mend the row, or take it out of the file".to_owned()))
            }
            ImportError::Read(error) => error.hint(),
            ImportError::Manifest(error) => error.hint(),
            ImportError::Lang(error) => error.hint(),
            ImportError::NotThis { hint, .. } => hint.clone(),
            ImportError::NoColumn { suggestions, .. } => did_you_mean(suggestions),
            ImportError::Row { hint, .. } => hint.clone(),
            ImportError::Repeated { .. } => {
                Some("rows of several models need a column `model`; translations need a language".to_owned())
            }
            ImportError::OneName { models, .. } => Some(format!("leave --model out; found: {}", models.join(", "))),
            ImportError::Range { .. } => {
                Some("divide all scores by one number, or leave out those that are none".to_owned())
            }
            ImportError::NoItems => Some("its samples hold their own documents: leave --items out".to_owned()),
            ImportError::Nothing { joined: true, .. } => Some(
                "scores and data must call items the same: `--column id=NAME` and `--column items.id=NAME` say where"
                    .to_owned(),
            ),
            ImportError::Nothing { .. } | ImportError::File(_) | ImportError::Settings(_) => None,
        }
    }

    pub(super) fn not_this(path: &Path, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        ImportError::NotThis { path: path.to_owned(), problem: problem.into(), hint: Some(hint.into()) }
    }

    pub(super) fn row(path: &Path, row: u64, problem: impl Into<String>, hint: Option<&str>) -> Self {
        ImportError::Row { path: path.to_owned(), row, problem: problem.into(), hint: hint.map(str::to_owned) }
    }

    pub(super) fn settings(error: toml::ser::Error) -> Self {
        ImportError::Settings(Box::new(error))
    }
}
