//! Model names to directories: a path, or `hf:ORG/NAME[@REVISION]` on the hub and in its cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::hub::name::{MODEL_PREFIX, is_commit};
use crate::hub::{Hub, HubError, Repository};
use crate::progress::Progress;

#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    #[error("`{0}` is neither a directory nor of the form hf:ORG/NAME")]
    NotAModel(String),
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl LocateError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let directory = "give a directory with config.json and model.safetensors";
        match self {
            LocateError::NotAModel(_) => directory.to_owned(),
            LocateError::Hub(error) => error.hint().unwrap_or_else(|| directory.to_owned()),
        }
    }
}

/// The directory a model name stands for. What the hub's cache lacks of it is downloaded.
pub fn directory(spec: &str, progress: &mut dyn Progress) -> Result<PathBuf, LocateError> {
    match spec.strip_prefix(MODEL_PREFIX) {
        Some(given) => Ok(Hub::from_env()?.model(&Repository::model(given)?, progress)?),
        None if Path::new(spec).is_dir() => Ok(PathBuf::from(spec)),
        None => Err(LocateError::NotAModel(spec.to_owned())),
    }
}

/// One file of a model on the hub, ORG/NAME[@REVISION]. Where the cache lacks it, it alone is downloaded.
pub fn file(name: &str, file: &str, progress: &mut dyn Progress) -> Result<PathBuf, LocateError> {
    let (hub, repository) = (Hub::from_env()?, Repository::model(name)?);
    let view = hub.look(&repository, progress)?;
    Ok(hub.bring(&repository, &view, &[file.to_owned()], progress)?.join(file))
}

/// The commit of a directory that is a snapshot in the hub's cache.
pub fn commit(dir: &Path) -> Option<String> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let is_snapshot = dir.parent().and_then(name).is_some_and(|parent| parent == "snapshots");
    name(dir).filter(|commit| is_snapshot && is_commit(commit))
}

/// Files that decide what a model says, beside its weights and templates.
const DECISIVE: [&str; 8] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "rmbench.toml",
    "adapter_config.json",
    "adapter_model.bin",
    "regression_layer.pt",
    "gating_layer.pt",
];

/// SHA-256 of the files that decide what a model says, by `model/NAME`; of a model from the hub also its
/// commit.
pub fn digests(dir: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let entries = std::fs::read_dir(dir).map_err(|e| FileError::new("read directory", dir, e))?;
    let mut found: BTreeMap<String, String> =
        commit(dir).into_iter().map(|commit| ("model/commit".to_owned(), commit)).collect();
    for entry in entries {
        let path = entry.map_err(|e| FileError::new("read directory", dir, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let decides = name.ends_with(".safetensors")
            || name.starts_with("chat_template.")
            || name.starts_with("pytorch_model") && name.ends_with(".bin")
            || DECISIVE.contains(&name.as_str());
        if decides && path.is_file() {
            found.insert(format!("model/{name}"), files::sha256_file(&path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_the_cache_have_a_commit() {
        let commit_of = |dir: &str| commit(Path::new(dir));
        let hash = "0f".repeat(20);
        assert_eq!(commit_of(&format!("cache/models--o--n/snapshots/{hash}")), Some(hash.clone()));
        assert_eq!(commit_of(&format!("models/{hash}")), None);
        assert_eq!(commit_of("models/snapshots/first"), None);
    }

    #[test]
    fn names_that_are_no_models() {
        let error = |spec| directory(spec, &mut crate::progress::Silent).unwrap_err().to_string();
        assert_eq!(error("nothing-there"), "`nothing-there` is neither a directory nor of the form hf:ORG/NAME");
        assert!(error("hf:org/../x").starts_with("`hf:org/../x`: a name is ORG/NAME"));
    }
}
