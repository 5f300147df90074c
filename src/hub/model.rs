//! Models: which of a repository's files one needs.
//!
//! Configuration, tokenizer and templates first, then the weights: what is whole at the end is what came
//! last. Code is never fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::HubError;
use super::name::Repository;
use super::snapshot::{Hub, View};
use crate::files;
use crate::progress::Progress;

/// What a model directory may hold besides weights and chat templates.
const SMALL: [&str; 15] = [
    "config.json",
    "rmbench.toml",
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "chat_template.json",
    "chat_template.jinja",
];
const TEMPLATES: &str = "additional_chat_templates/";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Weights that come beside or in place of the model's own: an adapter, a head in files of its own.
const BESIDE: [&str; 4] =
    ["adapter_model.safetensors", "value_head.safetensors", "regression_layer.pt", "gating_layer.pt"];
const PICKLE: &str = "pytorch_model.bin";
const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";
const PICKLED_ADAPTER: &str = "adapter_model.bin";

impl Hub {
    /// The directory of a model, with everything in it that the model needs.
    ///
    /// # Errors
    /// [`HubError::NoWeights`] and those of looking and transfer.
    pub fn model(&self, repository: &Repository, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        // A commit does not change: where the cache has all of it there is nothing to ask.
        if let Some(view) = self.cached(repository)?.filter(|_| repository.is_commit())
            && view.files().contains(&"tokenizer.json")
            && let Ok(dir) = self.model_of(repository, &view, progress)
        {
            return Ok(dir);
        }
        let view = self.look(repository, progress)?;
        self.model_of(repository, &view, progress)
    }

    fn model_of(&self, repository: &Repository, view: &View, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        let names = view.files();
        let weights = weights(&names);
        let (indices, whole): (Vec<&str>, Vec<&str>) = weights.iter().partition(|name| name.ends_with(".index.json"));
        if weights.is_empty() || !describes_itself(&names) {
            return Err(self.no_model(repository, view, &names));
        }
        if weights.iter().any(|name| name.contains(".bin")) {
            progress.warn(&format!("`{repository}` has no safetensors, only pickled weights"));
        }
        let small = names.iter().copied().filter(|name| is_small(name)).chain(indices.iter().copied());
        let small: Vec<String> = small.map(str::to_owned).collect();
        let dir = self.bring_first(repository, view, &small, progress)?;
        let mut rest: BTreeSet<String> = whole.into_iter().map(str::to_owned).collect();
        for index in indices {
            rest.extend(shards(&dir.join(index))?);
        }
        let rest: Vec<String> = rest.into_iter().collect();
        self.bring(repository, view, &rest, progress)
    }

    fn no_model(&self, repository: &Repository, view: &View, names: &[&str]) -> HubError {
        if let View::Cached { .. } = view {
            let missing = if describes_itself(names) { SINGLE } else { "config.json" };
            return self.not_cached(repository, vec![missing.to_owned()], Some(view));
        }
        let files = names.iter().map(|name| (*name).to_owned()).collect();
        HubError::NoWeights { spec: repository.to_string(), files }
    }
}

fn describes_itself(names: &[&str]) -> bool {
    names.contains(&"config.json") || names.contains(&"adapter_config.json")
}

fn is_small(name: &str) -> bool {
    let template = name.strip_prefix(TEMPLATES).is_some_and(|name| name.ends_with(".jinja") && !name.contains('/'));
    SMALL.contains(&name) || template
}

/// Safetensors, one file or the index of several; pickled weights only where there are none.
fn weights(names: &[&str]) -> Vec<&'static str> {
    let has = |name: &&'static str| names.contains(name);
    let first = |of: [&'static str; 2]| of.into_iter().find(has);
    let safe: Vec<&str> = first([SINGLE, INDEX]).into_iter().chain(BESIDE.into_iter().filter(has)).collect();
    if !safe.is_empty() {
        return safe;
    }
    first([PICKLE, PICKLE_INDEX]).into_iter().chain([PICKLED_ADAPTER].into_iter().filter(has)).collect()
}

/// The files that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>, HubError> {
    let wrong = |problem: &str| HubError::Answer { url: index.display().to_string(), problem: problem.to_owned() };
    let json: Value = serde_json::from_str(&files::read_text(index)?).map_err(|_| wrong("it is not JSON"))?;
    let map = json["weight_map"].as_object().ok_or_else(|| wrong("it has no `weight_map`"))?;
    let names = map.values().map(|name| name.as_str().filter(|name| !name.contains('/') && !name.starts_with('.')));
    let names: Option<BTreeSet<String>> = names.map(|name| name.map(str::to_owned)).collect();
    names.ok_or_else(|| wrong("its `weight_map` names something else than files beside it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_safetensors_where_there_are_any() {
        assert_eq!(weights(&[SINGLE, INDEX, PICKLE, "consolidated.safetensors", "model.fp16.safetensors"]), [SINGLE]);
        assert_eq!(weights(&[INDEX, "model-00001-of-00002.safetensors", PICKLE]), [INDEX]);
        assert_eq!(weights(&["adapter_model.safetensors", PICKLED_ADAPTER]), ["adapter_model.safetensors"]);
        assert_eq!(weights(&[SINGLE, "value_head.safetensors"]), [SINGLE, "value_head.safetensors"]);
        assert_eq!(
            weights(&["gating_layer.pt", INDEX, "regression_layer.pt"]),
            [INDEX, "regression_layer.pt", "gating_layer.pt"]
        );
        assert_eq!(weights(&[PICKLE, PICKLE_INDEX, "tf_model.h5"]), [PICKLE]);
        assert!(weights(&["onnx/model.safetensors", "tf_model.h5", "model.gguf"]).is_empty());
    }

    #[test]
    fn code_and_other_formats_stay_where_they_are() {
        let wanted = |name: &str| is_small(name);
        assert!(["config.json", "tokenizer.json", "chat_template.jinja", "rmbench.toml"].into_iter().all(wanted));
        assert!(wanted("additional_chat_templates/rag.jinja"));
        let others = ["modeling_rm.py", "README.md", "training_args.bin", "onnx/config.json", "a/chat_template.jinja"];
        assert!(!others.into_iter().any(wanted));
    }

    #[test]
    fn shards_are_files_beside_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join(INDEX);
        let read = |text: &str| {
            files::write_bytes(&index, text.as_bytes()).unwrap();
            shards(&index).map(|names| names.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(
            read(r#"{"weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}}"#)
                .unwrap(),
            ["m-1.safetensors", "m-2.safetensors"]
        );
        for wrong in ["[]", "{}", r#"{"weight_map": {"a": "../x"}}"#, r#"{"weight_map": {"a": 1}}"#, "<html>"] {
            assert!(read(wrong).unwrap_err().to_string().contains(INDEX), "{wrong}");
        }
    }
}
