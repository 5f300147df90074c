//! What a result was made from: enough to say whether two numbers may be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The commit this binary was built from, with `-dirty` where the checkout had changes.
pub const COMMIT: &str = env!("RMBENCH_COMMIT");
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Saved with every run (`run.json`) and in the metadata of every score table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// What the run is called in reports; the model's name unless the user gave another.
    pub name: String,
    /// The model as the user named it: a path, `hf:ORG/NAME` or `mock`.
    pub model: String,
    /// `scalar`, `implicit`, `generative` or `mock`.
    pub kind: String,
    pub version: String,
    pub commit: String,
    /// libtorch's version; absent for runs that used none.
    pub libtorch: Option<String>,
    pub device: String,
    pub dtype: String,
    pub threads: usize,
    pub seed: u64,
    /// SHA-256 by role: `model/…`, `data/…`, `manifest/…`, `template`.
    pub digests: BTreeMap<String, String>,
    /// The resolved settings, as TOML.
    pub settings: String,
}

impl RunInfo {
    /// A run of this binary, with nothing yet known of its model.
    pub fn of_this_binary(name: &str, model: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            model: model.to_owned(),
            kind: kind.to_owned(),
            version: VERSION.to_owned(),
            commit: COMMIT.to_owned(),
            libtorch: None,
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            threads: 1,
            seed: 0,
            digests: BTreeMap::new(),
            settings: String::new(),
        }
    }
}
