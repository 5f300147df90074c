//! What to do about an error, asked of the error types that know.

use std::error::Error;

use super::config::ConfigError;
use crate::benchmark::confusion::ConfusionError;
use crate::benchmark::convert::ConvertError;
use crate::benchmark::fetch::FetchError;
use crate::benchmark::manifest::ManifestError;
use crate::benchmark::reader::ReadError;
use crate::hub::HubError;
use crate::judge::JudgeError;
use crate::lang::LangError;
use crate::lang::fasttext::FastTextError;
use crate::report::findings::FindingError;
use crate::score::ScoreError;
use crate::study::StudyError;
use crate::table::TableError;
use crate::table::annotation::read::AnnotationError;
use crate::table::import::ImportError;
use crate::text::encode::TextError;

/// The hint of the outermost error that has one.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_one)
}

fn of_one(error: &(dyn Error + 'static)) -> Option<String> {
    /// The hint of an error of this type.
    fn hint<E: Error + 'static>(error: &(dyn Error + 'static), of: fn(&E) -> Option<String>) -> Option<String> {
        error.downcast_ref::<E>().and_then(of)
    }
    hint(error, ConfigError::hint)
        .or_else(|| hint(error, ScoreError::hint))
        .or_else(|| hint(error, TableError::hint))
        .or_else(|| hint(error, AnnotationError::hint))
        .or_else(|| hint(error, ImportError::hint))
        .or_else(|| hint(error, ReadError::hint))
        .or_else(|| hint(error, ConvertError::hint))
        .or_else(|| hint(error, ConfusionError::hint))
        .or_else(|| hint(error, ManifestError::hint))
        .or_else(|| hint(error, FetchError::hint))
        .or_else(|| hint(error, HubError::hint))
        .or_else(|| hint(error, JudgeError::hint))
        .or_else(|| hint(error, FindingError::hint))
        .or_else(|| hint(error, LangError::hint))
        .or_else(|| hint(error, FastTextError::hint))
        .or_else(|| hint(error, |error: &StudyError| Some(error.hint().to_owned())))
        .or_else(|| hint(error, |error: &TextError| error.hint().map(str::to_owned)))
        .or_else(|| of_torch(error))
        .or_else(|| hint(error, |error: &CliError| Some(error.hint.to_owned())))
}

/// Errors of the torch half.
#[cfg(feature = "torch")]
fn of_torch(error: &(dyn Error + 'static)) -> Option<String> {
    use crate::reward::parts::PartsError;
    if let Some(error) = error.downcast_ref::<crate::selfcheck::SelfcheckError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<crate::merge::MergeError>() {
        return error.hint();
    }
    let of_train = error.downcast_ref::<crate::train::TrainError>().and_then(|e| e.hint());
    of_train.or_else(|| error.downcast_ref::<PartsError>().map(PartsError::hint))
}

#[cfg(not(feature = "torch"))]
fn of_torch(_: &(dyn Error + 'static)) -> Option<String> {
    None
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
