//! What to do about an error, asked of the error types that know.

use crate::cli::config::ConfigError;
use crate::lang::LangError;
use crate::score::ScoreError;
use crate::table::TableError;

/// The hint of the outermost error that has one.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let config = cause.downcast_ref::<ConfigError>().and_then(ConfigError::hint);
        let score = cause.downcast_ref::<ScoreError>().and_then(ScoreError::hint);
        let table = cause.downcast_ref::<TableError>().and_then(TableError::hint);
        let lang = cause.downcast_ref::<LangError>().and_then(LangError::hint);
        #[cfg(feature = "torch")]
        let lang = lang.or_else(|| cause.downcast_ref::<crate::train::TrainError>()?.hint().map(str::to_owned));
        let cli = cause.downcast_ref::<CliError>().map(|error| error.hint.to_owned());
        config.or(score).or(table).or(lang).or(cli)
    })
}

/// A command line that lacks something, or asks for something that is not there.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct CliError {
    pub problem: String,
    pub hint: &'static str,
}

impl CliError {
    pub fn new(problem: impl Into<String>, hint: &'static str) -> Self {
        Self { problem: problem.into(), hint }
    }
}
