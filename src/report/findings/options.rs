//! What can be asked of the analysis, and what can be wrong with it.

use crate::benchmark::manifest::{ManifestError, TiePolicy};
use crate::lang::Lang;
use crate::lang::suggest::{did_you_mean, nearest};
use crate::metric::aggregate::Compat;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::design::Design;
use crate::metric::interval::Reading;

#[derive(Debug, Clone, PartialEq)]
pub struct FindingOptions {
    /// Bootstrap replicates behind every resampled interval.
    pub replicates: usize,
    pub seed: u64,
    /// Coverage that intervals are built for, between 0 and 1.
    pub level: f64,
    /// The run that others are compared with, by name; `None`: the first.
    pub baseline: Option<String>,
    /// A weighting by name, for benchmarks that have it; `None`: each benchmark's default.
    pub weights: Option<String>,
    /// What ties are worth, instead of what the manifests say.
    pub ties: Option<TiePolicy>,
    pub compat: Option<Compat>,
    /// How intervals are read off replicates.
    pub reading: Reading,
    /// The run whose languages are shown against each other, by name; `None`: the best.
    pub agreement_run: Option<String>,
    /// The language whose temperature is tried on the others; `None`: English, else the one with most items.
    pub temperature_language: Option<Lang>,
}

impl FindingOptions {
    /// The bootstrap of a benchmark.
    pub fn bootstrap(&self, design: &Design) -> Bootstrap {
        Bootstrap {
            clusters: design.clusters().grouped(self.replicates),
            replicates: self.replicates,
            seed: self.seed,
            level: self.level,
            reading: self.reading,
        }
    }
}

impl Default for FindingOptions {
    fn default() -> Self {
        Self {
            replicates: 1_000,
            seed: 0,
            level: 0.95,
            baseline: None,
            weights: None,
            ties: None,
            compat: None,
            reading: Reading::default(),
            agreement_run: None,
            temperature_language: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FindingError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("no run has any item to report")]
    Empty,
    #[error("no run is called `{name}`")]
    UnknownBaseline { name: String, known: Vec<String> },
    #[error("several runs are called `{name}`")]
    AmbiguousBaseline { name: String },
    #[error("no item is in {lang}, whose temperature was asked for")]
    UnknownLanguage { lang: Lang, known: Vec<Lang> },
    #[error("no benchmark here has a weighting `{name}`")]
    UnknownWeights { name: String, known: Vec<String> },
    #[error("an interval level of {level} is not between 0 and 1")]
    Level { level: f64 },
    #[error("too few bootstrap replicates: {replicates}")]
    Replicates { replicates: usize },
    #[error("counting items failed")]
    Counting(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FindingError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let list = |name: &str, known: &[String]| {
            let near = nearest(name, known.iter().map(String::as_str), 3);
            did_you_mean(&near).unwrap_or_else(|| match known {
                [] => "there is none here".to_owned(),
                known => format!("known: {}", known.join(", ")),
            })
        };
        Some(match self {
            FindingError::Manifest(error) => return error.hint(),
            FindingError::UnknownBaseline { name, known } | FindingError::UnknownWeights { name, known } => {
                list(name, known)
            }
            FindingError::UnknownLanguage { lang, known } => {
                list(lang.code(), &known.iter().map(|lang| lang.code().to_owned()).collect::<Vec<String>>())
            }
            FindingError::AmbiguousBaseline { .. } => "score runs under different names".to_owned(),
            FindingError::Level { .. } => "the usual level is 0.95".to_owned(),
            FindingError::Replicates { .. } => "at least 100; the usual number is 1,000".to_owned(),
            FindingError::Empty | FindingError::Counting(_) => return None,
        })
    }
}
