//! Which directories a model is read from: a checkpoint, and perhaps an adapter over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::artifact::{self, ArtifactError, ModelCard};
use super::locate::{self, LocateError};
use crate::backbone::lora::adapter::{self, AdapterError};
use crate::backbone::weights::{INDEX_FILE, PICKLE_FILE, PICKLE_INDEX_FILE, SINGLE_FILE};
use crate::files::FileError;
use crate::progress::Progress;

#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    #[error(transparent)]
    Locate(#[from] LocateError),
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error("`{}` holds an adapter and a whole checkpoint (`{found}`): which is meant?", dir.display())]
    Both { dir: PathBuf, found: &'static str },
    #[error("the adapter `{}` does not say what it was trained on", adapter.display())]
    Unnamed { adapter: PathBuf },
    #[error("the adapter `{}` was trained on `{base}`, which is no directory here", adapter.display())]
    NoBase { adapter: PathBuf, base: String },
    #[error("the adapter `{}` was trained on `{base}`, which the hub and its cache do not give", adapter.display())]
    NotOnHub {
        adapter: PathBuf,
        base: String,
        #[source]
        source: Box<LocateError>,
    },
    #[error("`{}` is itself an adapter: one over another is not read", base.display())]
    Stacked { base: PathBuf },
    #[error("`{}` is not an adapter, so it has no base", dir.display())]
    NeedsNoBase { dir: PathBuf },
}

impl PartsError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            PartsError::Locate(error) => error.hint(),
            PartsError::Adapter(_) => "an adapter has adapter_config.json and adapter_model.safetensors".into(),
            PartsError::Both { .. } => "move one of them into a directory of its own".into(),
            PartsError::Unnamed { .. } | PartsError::NoBase { .. } => "give --base the model it was trained on".into(),
            PartsError::NotOnHub { source, .. } => format!("{}; or give --base a directory", source.hint()),
            PartsError::Stacked { .. } => "merge it first: rmbench model merge-adapter".into(),
            PartsError::NeedsNoBase { .. } => "leave --base out".into(),
        }
    }
}

/// The directories of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelParts {
    /// Holds config.json and the weights.
    pub checkpoint: PathBuf,
    pub adapter: Option<PathBuf>,
}

impl ModelParts {
    /// The parts of a model that a user named: a directory or `hf:ORG/NAME`. `base` names an adapter's
    /// base; without it the adapter's own configuration does.
    pub fn find(spec: &str, base: Option<&str>, progress: &mut dyn Progress) -> Result<Self, PartsError> {
        Self::of(&locate::directory(spec, progress)?, base, progress)
    }

    /// The parts of the model in a directory.
    pub fn of(dir: &Path, base: Option<&str>, progress: &mut dyn Progress) -> Result<Self, PartsError> {
        if !adapter::is_adapter(dir) {
            return match base {
                Some(_) => Err(PartsError::NeedsNoBase { dir: dir.to_owned() }),
                None => Ok(Self { checkpoint: dir.to_owned(), adapter: None }),
            };
        }
        let whole = [SINGLE_FILE, INDEX_FILE, PICKLE_FILE, PICKLE_INDEX_FILE];
        if let Some(found) = whole.into_iter().find(|file| dir.join(file).is_file()) {
            return Err(PartsError::Both { dir: dir.to_owned(), found });
        }
        let checkpoint = match base {
            Some(spec) => locate::directory(spec, progress)?,
            None => base_of(dir, progress)?,
        };
        if adapter::is_adapter(&checkpoint) {
            return Err(PartsError::Stacked { base: checkpoint });
        }
        Ok(Self { checkpoint, adapter: Some(dir.to_owned()) })
    }

    /// Where the tokenizer's files lie: with the adapter, if it brings them.
    pub fn tokenizer(&self) -> &Path {
        let brings = |dir: &&PathBuf| dir.join("tokenizer.json").is_file();
        self.adapter.as_ref().filter(brings).unwrap_or(&self.checkpoint)
    }

    /// `rmbench.toml`: the adapter's, else the checkpoint's.
    pub fn card(&self) -> Result<Option<ModelCard>, ArtifactError> {
        let of_adapter = self.adapter.as_deref().map(artifact::read_card).transpose()?.flatten();
        match of_adapter {
            Some(card) => Ok(Some(card)),
            None => artifact::read_card(&self.checkpoint),
        }
    }

    /// SHA-256 of the files that decide what the model says: `model/NAME`, and `base/NAME` under an adapter.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, FileError> {
        let Some(adapter) = &self.adapter else { return locate::digests(&self.checkpoint) };
        let mut digests = locate::digests(adapter)?;
        let base = locate::digests(&self.checkpoint)?;
        digests.extend(base.into_iter().map(|(name, digest)| (name.replacen("model/", "base/", 1), digest)));
        Ok(digests)
    }
}

/// The directory of what an adapter was trained on: a path from its own directory, a path from here, or
/// a name on the hub, in this order.
fn base_of(dir: &Path, progress: &mut dyn Progress) -> Result<PathBuf, PartsError> {
    let config = adapter::read_config(dir)?;
    let (base, revision) = config.base().ok_or_else(|| PartsError::Unnamed { adapter: dir.to_owned() })?;
    // A path that is absolute replaces the directory.
    if let Some(found) = [dir.join(base), PathBuf::from(base)].into_iter().find(|path| path.is_dir()) {
        return Ok(found);
    }
    let may_be_on_hub =
        base.split('/').count() == 2 && base.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if !may_be_on_hub {
        return Err(PartsError::NoBase { adapter: dir.to_owned(), base: base.to_owned() });
    }
    let on_hub = format!("hf:{base}{}", revision.map(|revision| format!("@{revision}")).unwrap_or_default());
    let (adapter, base) = (dir.to_owned(), base.to_owned());
    locate::directory(&on_hub, progress).map_err(|error| PartsError::NotOnHub {
        adapter,
        base,
        source: Box::new(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn adapter_over(dir: &Path, base: &str) {
        let config = serde_json::json!({"peft_type": "LORA", "base_model_name_or_path": base});
        crate::files::write_bytes(&dir.join(adapter::CONFIG_FILE), config.to_string().as_bytes()).unwrap();
    }

    #[test]
    fn the_base_of_an_adapter_is_found_or_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let (base, over) = (root.path().join("base"), root.path().join("over"));
        crate::files::write_bytes(&base.join("config.json"), b"{}").unwrap();
        let parts = |base: Option<&str>| ModelParts::of(&over, base, &mut Silent);
        for name in ["../base", &base.to_string_lossy()] {
            adapter_over(&over, name);
            let found = parts(None).unwrap();
            assert_eq!(found.checkpoint.canonicalize().unwrap(), base.canonicalize().unwrap());
            assert_eq!(found.adapter.as_deref(), Some(&*over));
        }
        adapter_over(&over, "");
        assert!(matches!(parts(None), Err(PartsError::Unnamed { .. })));
        assert_eq!(parts(Some(&base.to_string_lossy())).unwrap().checkpoint, base);
        adapter_over(&over, "/nowhere/base");
        let error = parts(None).unwrap_err();
        assert!(error.to_string().contains("/nowhere/base") && error.hint().contains("--base"), "{error}");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        adapter_over(&one, "../two");
        adapter_over(&two, "../one");
        assert!(matches!(ModelParts::of(&one, None, &mut Silent), Err(PartsError::Stacked { .. })));
        crate::files::write_bytes(&one.join(SINGLE_FILE), b"").unwrap();
        assert!(matches!(ModelParts::of(&one, None, &mut Silent), Err(PartsError::Both { found: SINGLE_FILE, .. })));
        let plain = root.path().join("plain");
        crate::files::create_dir(&plain).unwrap();
        assert!(matches!(ModelParts::of(&plain, Some("x"), &mut Silent), Err(PartsError::NeedsNoBase { .. })));
        assert_eq!(ModelParts::of(&plain, None, &mut Silent).unwrap().adapter, None);
    }
}
