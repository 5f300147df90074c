//! What can be wrong with a manifest, or with finding one or its data.

use std::path::PathBuf;

use crate::benchmark::manifest::files::MissingData;
use crate::files::FileError;
use crate::lang::suggest::did_you_mean;

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{origin} is not a benchmark manifest")]
    Syntax {
        origin: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{origin}, {at}: {problem}")]
    Invalid { origin: String, at: String, problem: String, hint: Option<String> },
    #[error("no benchmark is called `{name}`")]
    Unknown { name: String, suggestions: Vec<String>, known: Vec<String> },
    #[error("benchmark `{benchmark}` has no language `{lang}`")]
    NoSuchLanguage { benchmark: String, lang: String, known: Vec<String> },
    /// Data files of some or all languages are not where they are looked for.
    #[error("benchmark `{benchmark}`: no data {} in `{}`", languages(missing), data_dir.display())]
    NoData { benchmark: String, data_dir: PathBuf, missing: Vec<MissingData>, hub: Option<String> },
}

fn languages(missing: &[MissingData]) -> String {
    let named: Vec<&str> = missing.iter().filter_map(|m| m.lang.as_ref().map(|l| l.code())).collect();
    match named.len() {
        0 => "found".to_owned(),
        1..=4 => format!("for {}", named.join(", ")),
        n => format!("for {} and {} further languages", named[..3].join(", "), n - 3),
    }
}

impl ManifestError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ManifestError::File(_) => None,
            ManifestError::Syntax { .. } => Some("the fields are described in data-manifests/README.md".to_owned()),
            ManifestError::Invalid { hint, .. } => hint.clone(),
            ManifestError::Unknown { suggestions, known, .. } => {
                did_you_mean(suggestions).or_else(|| Some(format!("known benchmarks: {}", known.join(", "))))
            }
            ManifestError::NoSuchLanguage { known, .. } => Some(format!("available: {}", known.join(", "))),
            ManifestError::NoData { benchmark, data_dir, missing, hub } => {
                let looked: Vec<String> = missing
                    .first()
                    .map(|m| m.looked_for.iter().map(|path| format!("`{}`", path.display())).collect())
                    .unwrap_or_default();
                let fetch =
                    || format!("`rmbench data fetch {benchmark} --data {}` brings them from", data_dir.display());
                let source = hub.as_ref().map(|hub| format!("; {} `{hub}` on the Hugging Face hub", fetch()));
                Some(format!("looked for {}{}", looked.join(", "), source.unwrap_or_default()))
            }
        }
    }
}
