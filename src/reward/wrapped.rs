//! Checkpoints of a class of their own around a language model, as CLoud's (zankner/CLoud, `cloud/model.py`): config.json names
//! the model inside and says nothing of its shape, and that model's tensors stand below a name.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::locate;
use super::network::{NetworkError, read_json};
use crate::progress::Silent;

/// In front of the names of the model inside.
pub const PREFIX: &str = "reward_base_model.";

/// Where config.json names the model inside: a directory, or a model on the hub.
const INSIDE: &str = "base_model_name_or_path";

/// `config.json` of a checkpoint; where it says of a model no more than its name, that model's.
///
/// # Errors
/// Also where the model that it names is neither a directory nor on the hub or in its cache.
pub fn config(dir: &Path) -> Result<Value, NetworkError> {
    let own = read_json(&dir.join("config.json"))?;
    let says_a_type = own.get("model_type").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let Some(inside) = own.get(INSIDE).and_then(Value::as_str).filter(|_| !says_a_type) else { return Ok(own) };
    // A path that is absolute replaces the directory.
    let local = [dir.join(inside), PathBuf::from(inside)].into_iter().find(|path| path.is_dir());
    let path = match local {
        Some(found) => found.join("config.json"),
        None => locate::file(inside, "config.json", &mut Silent).map_err(|source| NetworkError::Inside {
            dir: dir.to_owned(),
            inside: inside.to_owned(),
            source: Box::new(source),
        })?,
    };
    read_json(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn the_model_inside_says_its_shape() {
        let root = tempfile::tempdir().unwrap();
        let (outer, inner) = (root.path().join("outer"), root.path().join("inner"));
        let write = |dir: &Path, text: &str| files::write_bytes(&dir.join("config.json"), text.as_bytes()).unwrap();
        write(&inner, r#"{"model_type": "llama"}"#);
        for named in ["../inner", &inner.to_string_lossy()] {
            write(&outer, &format!(r#"{{"model_type": "", "base_model_name_or_path": "{named}"}}"#));
            assert_eq!(config(&outer).unwrap()["model_type"], "llama");
        }
        write(&outer, r#"{"model_type": "qwen2", "base_model_name_or_path": "../inner"}"#);
        assert_eq!(config(&outer).unwrap()["model_type"], "qwen2", "what says its own shape is read as it is");
        write(&outer, r#"{"base_model_name_or_path": "/nowhere"}"#);
        let error = config(&outer).unwrap_err();
        assert!(error.to_string().contains("/nowhere") && error.hint().is_some(), "{error}");
    }
}
