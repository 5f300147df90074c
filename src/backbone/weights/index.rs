//! The index of a sharded checkpoint: which file holds which tensor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Checkpoint, WeightsError};
use crate::files;

/// `*.index.json`.
pub struct Index {
    path: PathBuf,
    /// Tensor to file name.
    files: BTreeMap<String, String>,
}

impl Index {
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let wrong = |problem: String| WeightsError::Index { path: path.to_owned(), problem };
        let parsed: serde_json::Value =
            serde_json::from_str(&files::read_text(path)?).map_err(|e| wrong(e.to_string()))?;
        let map =
            parsed.get("weight_map").and_then(|m| m.as_object()).ok_or_else(|| wrong("no `weight_map`".into()))?;
        let mut files = BTreeMap::new();
        for (tensor, file) in map {
            let file = file.as_str().ok_or_else(|| wrong(format!("the file of `{tensor}` is not a string")))?;
            if file.is_empty() || file.contains(['/', '\\']) || file.contains("..") {
                return Err(wrong(format!("the file of `{tensor}` lies outside the directory: `{file}`")));
            }
            files.insert(tensor.clone(), file.to_owned());
        }
        if files.is_empty() {
            return Err(wrong("`weight_map` is empty".into()));
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// The files it names, in name order; one that does not exist is an error that names a tensor in it.
    pub fn files(&self) -> Result<Vec<PathBuf>, WeightsError> {
        let mut tensors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in &self.files {
            tensors.entry(file).or_default().push(tensor);
        }
        let dir = self.path.parent().unwrap_or(Path::new("."));
        tensors
            .into_iter()
            .map(|(file, tensors)| match dir.join(file) {
                path if path.is_file() => Ok(path),
                _ => Err(self.wrong(format!(
                    "`{file}`, which should hold {}, is not in the directory",
                    listed(tensors.iter().copied())
                ))),
            })
            .collect()
    }

    /// Every tensor is in the file that the index says, and no file has a tensor that the index does not know.
    pub fn agrees_with(&self, checkpoint: &Checkpoint) -> Result<(), WeightsError> {
        for (tensor, file) in &self.files {
            let found = checkpoint.stored(tensor).map(|stored| stored.path);
            if found.as_ref().and_then(|path| path.file_name()).is_none_or(|name| name != file.as_str()) {
                return Err(self.wrong(format!("tensor `{tensor}` should be in `{file}` and is not")));
            }
        }
        let unknown: Vec<&str> = checkpoint.names().filter(|name| !self.files.contains_key(*name)).collect();
        match unknown.as_slice() {
            [] => Ok(()),
            names => {
                Err(self.wrong(format!("it does not know {}, which its files hold", listed(names.iter().copied()))))
            }
        }
    }

    fn wrong(&self, problem: String) -> WeightsError {
        WeightsError::Index { path: self.path.clone(), problem }
    }
}

/// The first few names, and how many more there are.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let n = names.len();
    let mut text = names.take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if n > SHOWN {
        text.push_str(&format!(" and {} more", n - SHOWN));
    }
    text
}
