//! Model names to directories: a path, or `hf:ORG/NAME[@REVISION]` in the local Hugging Face cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    #[error("`{0}` is neither a directory nor of the form hf:ORG/NAME")]
    NotAModel(String),
    #[error("`{spec}` is not in the local cache `{}`", cache.display())]
    NotCached { spec: String, cache: PathBuf, repository: String },
    #[error(transparent)]
    File(#[from] FileError),
}

impl LocateError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            LocateError::NotAModel(_) => "give a directory with config.json and model.safetensors".to_owned(),
            LocateError::NotCached { repository, .. } => {
                format!("bring it with `hf download {repository}`, or set HF_HUB_CACHE to the cache that has it")
            }
            LocateError::File(_) => "check the path and its permissions".to_owned(),
        }
    }
}

/// The directory a model name stands for.
pub fn directory(spec: &str) -> Result<PathBuf, LocateError> {
    match spec.strip_prefix("hf:") {
        Some(repository) => cached(spec, repository, &hub_cache()),
        None if Path::new(spec).is_dir() => Ok(PathBuf::from(spec)),
        None => Err(LocateError::NotAModel(spec.to_owned())),
    }
}

/// `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`, as the hub's own clients do.
fn hub_cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("HF_HUB_CACHE").or_else(|| variable("HF_HOME").map(|home| home.join("hub"))).unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from(".cache")).join("huggingface/hub")
    })
}

fn cached(spec: &str, repository: &str, cache: &Path) -> Result<PathBuf, LocateError> {
    let (name, revision) = repository.split_once('@').unwrap_or((repository, "main"));
    let valid = name.split('/').count() == 2 && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if !valid || revision.is_empty() || revision.contains("..") {
        return Err(LocateError::NotAModel(spec.to_owned()));
    }
    let root = cache.join(format!("models--{}", name.replace('/', "--")));
    let reference = root.join("refs").join(revision);
    let commit =
        if reference.is_file() { files::read_text(&reference)?.trim().to_owned() } else { revision.to_owned() };
    let snapshot = root.join("snapshots").join(commit);
    if ["config.json", "adapter_config.json"].iter().any(|file| snapshot.join(file).is_file()) {
        return Ok(snapshot);
    }
    Err(LocateError::NotCached { spec: spec.to_owned(), cache: cache.to_owned(), repository: name.to_owned() })
}

/// Files that decide what a model says, beside its weights and templates.
const DECISIVE: [&str; 6] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "rmbench.toml",
    "adapter_config.json",
    "adapter_model.bin",
];

/// SHA-256 of the files that decide what a model says, by `model/NAME`.
pub fn digests(dir: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let entries = std::fs::read_dir(dir).map_err(|e| FileError::new("read directory", dir, e))?;
    let mut found = BTreeMap::new();
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
    fn the_cache_layout_of_the_hub_is_read() {
        let cache = tempfile::tempdir().unwrap();
        let root = cache.path().join("models--org--model");
        files::write_bytes(&root.join("refs/main"), b"abc123\n").unwrap();
        files::write_bytes(&root.join("snapshots/abc123/config.json"), b"{}").unwrap();
        let snapshot = root.join("snapshots/abc123");
        assert_eq!(cached("hf:org/model", "org/model", cache.path()).unwrap(), snapshot);
        assert_eq!(cached("hf:org/model@abc123", "org/model@abc123", cache.path()).unwrap(), snapshot);
        let missing = cached("hf:org/other", "org/other", cache.path()).unwrap_err();
        assert!(missing.hint().contains("hf download org/other"));
        for wrong in ["org", "org/../x", "../x", "org/model@..", "org/"] {
            assert!(matches!(cached(wrong, wrong, cache.path()), Err(LocateError::NotAModel(_))), "{wrong}");
        }
    }
}
