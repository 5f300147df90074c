//! The seam between scoring and analysis: score tables on disk, items in memory.

pub mod align;
pub mod annotation;
pub mod export;
pub mod features;
mod footer;
pub mod implicit;
pub mod import;
pub mod item;
pub mod judged;
pub mod judgment;
pub mod order;
pub mod read;
pub mod score;
pub mod store;
pub mod votes;

use std::path::{Path, PathBuf};

use crate::files::FileError;

/// What can be wrong with a score table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("no score table was given")]
    NoTables,
    #[error("`{}` was given twice", path.display())]
    GivenTwice { path: PathBuf },
    #[error("`{}` has no score table", run.display())]
    Missing { run: PathBuf },
    #[error("`{}` is not a readable Parquet file", path.display())]
    Parquet {
        path: PathBuf,
        #[source]
        source: parquet::errors::ParquetError,
    },
    #[error("`{}` cannot be decoded", path.display())]
    Arrow {
        path: PathBuf,
        #[source]
        source: arrow::error::ArrowError,
    },
    #[error("`{}` is Parquet but not a score table: its metadata has no `{key}`", path.display())]
    NotATable { path: PathBuf, key: &'static str },
    #[error("`{}` is a score table of version {found}; this rmbench reads version {expected}", path.display())]
    Version { path: PathBuf, found: String, expected: &'static str },
    #[error("the provenance in `{}` cannot be read", path.display())]
    Provenance {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{}` has no column `{column}`", path.display())]
    NoColumn { path: PathBuf, column: &'static str },
    #[error("column `{column}` of `{}` has type {found}; expected {expected}", path.display())]
    ColumnType { path: PathBuf, column: &'static str, expected: String, found: String },
    #[error("row {row} of `{}`, column `{column}`: {problem}", path.display())]
    Value { path: PathBuf, row: u64, column: &'static str, problem: String },
    #[error("`{}` comes from another run than `{}`: {}", path.display(), first.display(), differences.join("; "))]
    MixedProvenance { first: PathBuf, path: PathBuf, differences: Vec<String> },
    #[error("`{}`, {item}: {problem}", path.display())]
    Conflict { path: PathBuf, item: String, problem: String },
    #[error("`{}` cannot be written as CSV", path.display())]
    Csv {
        path: PathBuf,
        #[source]
        source: Box<csv::Error>,
    },
    #[error("`{}` holds more responses than one table can: {rows}", path.display())]
    TooLarge { path: PathBuf, rows: u64 },
}

impl TableError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            TableError::NoTables => "give run directories or score tables, as in `rmbench report runs/a runs/b`".into(),
            TableError::Missing { run } => {
                format!("finish it with `rmbench score … --out {} --resume`, or give the table itself", run.display())
            }
            TableError::NotATable { .. } | TableError::NoColumn { .. } | TableError::ColumnType { .. } => {
                "a score table is what `rmbench score` writes; its columns are listed in src/table/score.rs".into()
            }
            TableError::Version { .. } => {
                "score again with this version, or read it with the version that wrote it".into()
            }
            TableError::MixedProvenance { .. } => "one table holds one run; score again into an empty directory".into(),
            TableError::Conflict { .. } => {
                "runs can be compared only where they scored the same data; score again with one version of it".into()
            }
            _ => return None,
        })
    }

    pub(crate) fn parquet(path: &Path, source: parquet::errors::ParquetError) -> Self {
        TableError::Parquet { path: path.to_owned(), source }
    }

    pub(crate) fn arrow(path: &Path, source: arrow::error::ArrowError) -> Self {
        TableError::Arrow { path: path.to_owned(), source }
    }
}
