//! What can be wrong with a data file, and with one row of it.

use std::path::{Path, PathBuf};

use super::format::Format;
use crate::files::FileError;
use crate::lang::suggest::did_you_mean;

/// A file that cannot be read as preference data, or the first bad row of one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither content nor name says a format that is read here.
    #[error("`{}` {problem}", path.display())]
    NotData { path: PathBuf, problem: String, hint: Option<String> },
    /// The file's own format is broken.
    #[error("`{}` cannot be read as {format}", path.display())]
    Broken {
        path: PathBuf,
        format: Format,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The columns do not make preference data.
    #[error("`{}` {problem} (columns: {})", path.display(), columns.join(", "))]
    Columns { path: PathBuf, problem: String, columns: Vec<String>, hint: Option<String> },
    /// The column map names a column that the file does not have.
    #[error("`{}` has no column `{column}` for {part} (columns: {})", path.display(), columns.join(", "))]
    UnknownColumn { path: PathBuf, part: &'static str, column: String, columns: Vec<String>, suggestions: Vec<String> },
    #[error("`{}` row {row} (counted from 0), column `{column}`: {problem}", path.display())]
    Row { path: PathBuf, row: u64, column: String, problem: Box<RowProblem>, hint: Option<String> },
}

impl ReadError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            ReadError::NotData { hint, .. } | ReadError::Columns { hint, .. } | ReadError::Row { hint, .. } => {
                hint.clone()
            }
            ReadError::UnknownColumn { suggestions, .. } => did_you_mean(suggestions),
            // Codecs that this build leaves out; both libraries name them as missing features only.
            ReadError::Broken { format: Format::Parquet, source, .. } if source.to_string().contains("feature") => {
                Some("write the file with zstd, snappy or no compression".to_owned())
            }
            ReadError::Broken { format: Format::ArrowFile | Format::ArrowStream, source, .. }
                if source.to_string().contains("feature") =>
            {
                Some("write the file without compression, or as Parquet".to_owned())
            }
            ReadError::File(_) | ReadError::Broken { .. } => None,
        }
    }

    pub(super) fn broken(
        path: &Path,
        format: Format,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        ReadError::Broken { path: path.to_owned(), format, source: source.into() }
    }

    pub(super) fn row(path: &Path, row: u64, column: &str, problem: RowProblem) -> Self {
        let skip = || "mend the row, or skip bad rows: they are then counted".to_owned();
        let hint = Some(problem.advice().unwrap_or_else(skip));
        ReadError::Row { path: path.to_owned(), row, column: column.to_owned(), problem: Box::new(problem), hint }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    #[error("there is no value")]
    Null,
    #[error("the text is empty")]
    Empty,
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: String },
    #[error("`{name}` is not a language rmbench knows")]
    Language { name: String, suggestions: Vec<String> },
    #[error("the record is malformed: {message}")]
    Malformed { message: String },
    #[error("{message}")]
    Messages { message: String },
    #[error("`{value}` does not say which response is better")]
    Label { value: String },
    #[error("expected {expected} responses, found {found}")]
    Count { expected: usize, found: usize },
    #[error("the two texts have no common beginning that could be the prompt")]
    NoCommonPrompt,
}

impl RowProblem {
    /// The word under which skipped rows are counted.
    pub fn reason(&self) -> &'static str {
        match self {
            RowProblem::Null => "null",
            RowProblem::Empty => "empty",
            RowProblem::Type { .. } => "wrong type",
            RowProblem::Language { .. } => "unknown language",
            RowProblem::Malformed { .. } => "malformed",
            RowProblem::Messages { .. } => "unusable messages",
            RowProblem::Label { .. } => "unknown label",
            RowProblem::Count { .. } => "wrong number of responses",
            RowProblem::NoCommonPrompt => "no common prompt",
        }
    }

    /// What to do about this problem in particular.
    pub fn advice(&self) -> Option<String> {
        match self {
            RowProblem::Language { suggestions, .. } => did_you_mean(suggestions),
            RowProblem::NoCommonPrompt => Some("map the column that holds the prompt".to_owned()),
            _ => None,
        }
    }
}
