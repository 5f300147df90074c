//! Where a checkpoint keeps its chat templates, and which of several is used.
//!
//! As in transformers: `chat_template.jinja` and `additional_chat_templates/NAME.jinja` win over
//! `tokenizer_config.json`, whose `chat_template` is a text or a list of named texts. Where the tokenizer
//! brings none, the processor's `chat_template.json` is taken (checkpoints that were cut out of multimodal
//! models have nothing else).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::files::{self, FileError};

pub const SINGLE_FILE: &str = "chat_template.jinja";
pub const PROCESSOR_FILE: &str = "chat_template.json";
/// Directory of the templates other than the default.
pub const ADDITIONAL_DIR: &str = "additional_chat_templates";

/// Name of the template that is used unless functions are given.
const DEFAULT: &str = "default";
/// Name of the template for conversations with functions.
const TOOL_USE: &str = "tool_use";

#[derive(Debug, thiserror::Error)]
pub enum TemplateFilesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}`: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
}

/// The templates of a checkpoint by name; a single one is called `default`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatTemplates(BTreeMap<String, String>);

/// Several templates, and none of them is for this use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint has chat templates named {}, but no `{DEFAULT}`", .0.join(", "))]
pub struct NoDefault(pub Vec<String>);

impl ChatTemplates {
    /// `config` is `tokenizer_config.json`.
    pub fn read(dir: &Path, config: &Map<String, Value>) -> Result<Self, TemplateFilesError> {
        let in_files = Self::in_files(dir)?;
        if !in_files.0.is_empty() {
            return Ok(in_files);
        }
        let content = |name: &str, problem| TemplateFilesError::Content { path: dir.join(name), problem };
        let own = Self::in_json(config.get("chat_template")).map_err(|p| content("tokenizer_config.json", p))?;
        let path = dir.join(PROCESSOR_FILE);
        if !own.0.is_empty() || !path.is_file() {
            return Ok(own);
        }
        let processor: Map<String, Value> =
            serde_json::from_str(&files::read_text(&path)?).map_err(|e| content(PROCESSOR_FILE, e.to_string()))?;
        Self::in_json(processor.get("chat_template")).map_err(|p| content(PROCESSOR_FILE, p))
    }

    fn in_files(dir: &Path) -> Result<Self, FileError> {
        let mut found = BTreeMap::new();
        let single = dir.join(SINGLE_FILE);
        if single.is_file() {
            found.insert(DEFAULT.to_owned(), files::read_text(&single)?);
        }
        for path in additional(dir)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.insert(name, files::read_text(&path)?);
        }
        Ok(Self(found))
    }

    /// A template is a text or a list of `{name, template}`.
    fn in_json(value: Option<&Value>) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let found = match value {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::String(text)) => [(DEFAULT.to_owned(), text.clone())].into(),
            Some(Value::Array(named)) => named
                .iter()
                .map(|entry| text(&entry["name"]).zip(text(&entry["template"])))
                .collect::<Option<_>>()
                .ok_or("`chat_template` is a list with an entry that lacks a name or a template")?,
            Some(other) => {
                return Err(format!("`chat_template` should be a text or a list of named texts, found {other}"));
            }
        };
        Ok(Self(found))
    }

    /// The template to use; `None` if there is no template at all.
    pub fn choose(&self, with_tools: bool) -> Result<Option<&str>, NoDefault> {
        let for_tools = self.0.get(TOOL_USE).filter(|_| with_tools);
        match for_tools.or_else(|| self.0.get(DEFAULT)) {
            Some(template) => Ok(Some(template)),
            None if self.0.is_empty() => Ok(None),
            None => Err(NoDefault(self.0.keys().cloned().collect())),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Files of the templates other than the default, in the order of their names.
pub fn additional(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let dir = dir.join(ADDITIONAL_DIR);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e| FileError::new("read directory", &dir, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "jinja") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(template: Value) -> Map<String, Value> {
        Map::from_iter([("chat_template".to_owned(), template)])
    }

    #[test]
    fn files_win_over_the_config_and_the_processor_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let chosen = |config: &Map<String, Value>, with_tools| {
            let templates = ChatTemplates::read(dir.path(), config).unwrap();
            templates.choose(with_tools).map(|template| template.map(str::to_owned))
        };
        let found = |text: &str| Ok(Some(text.to_owned()));
        let own = config("own".into());
        assert_eq!(chosen(&Map::new(), false), Ok(None));
        files::write_bytes(&dir.path().join(PROCESSOR_FILE), br#"{"chat_template": "processor"}"#).unwrap();
        assert_eq!(chosen(&Map::new(), false), found("processor"));
        assert_eq!(chosen(&own, true), found("own"));
        let more = dir.path().join(ADDITIONAL_DIR);
        files::write_bytes(&more.join("tool_use.jinja"), b"tools").unwrap();
        files::write_bytes(&more.join("notes.txt"), b"no template").unwrap();
        assert_eq!(chosen(&own, true), found("tools"));
        // As in transformers, files put the config's template out of use altogether.
        assert_eq!(chosen(&own, false), Err(NoDefault(vec!["tool_use".to_owned()])));
        files::write_bytes(&dir.path().join(SINGLE_FILE), b"file").unwrap();
        assert_eq!((chosen(&own, false), chosen(&own, true)), (found("file"), found("tools")));
    }

    #[test]
    fn a_list_of_templates_is_chosen_from_by_name() {
        let named = |names: &[&str]| {
            let list: Vec<Value> =
                names.iter().map(|name| json!({"name": name, "template": format!("{name}!")})).collect();
            ChatTemplates::in_json(Some(&list.into())).unwrap()
        };
        assert_eq!(named(&["default", "rag"]).choose(true), Ok(Some("default!")));
        assert_eq!(named(&["default", "tool_use"]).choose(true), Ok(Some("tool_use!")));
        let error = named(&["rag", "tool_use"]).choose(false).unwrap_err();
        assert_eq!(error.to_string(), "the checkpoint has chat templates named rag, tool_use, but no `default`");
        assert!(ChatTemplates::in_json(Some(&json!([{"name": "default"}]))).is_err());
        assert!(ChatTemplates::in_json(Some(&json!(5))).is_err());
    }
}
