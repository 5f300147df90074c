//! Result files that are one JSON object: the fields that several formats share.

use std::path::Path;

use serde_json::{Map, Value};

use super::ImportError;
use super::told::Told;
use crate::benchmark::reader::python;
use crate::files;

pub type Object = Map<String, Value>;

/// The file as an object; `what` says what it should be.
pub fn read(path: &Path, what: &str) -> Result<Object, ImportError> {
    match python::json(files::read_text(path)?.as_bytes()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ImportError::not_this(path, format!("is JSON, but not {what}"), "it should hold one JSON object")),
        Err(error) => Err(ImportError::not_this(path, format!("is not {what}: {error}"), "it should be JSON")),
    }
}

pub fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

/// A number, also as a list of one (logits of shape [B, 1]).
pub fn number(value: &Value) -> Option<f64> {
    score(value).ok().flatten()
}

/// The same, where null is that there is none; `Err`: what else stands there.
pub fn score(value: &Value) -> Result<Option<f64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Array(items) if items.len() == 1 => score(&items[0]),
        other => other.as_f64().map(Some).ok_or_else(|| format!("{other} is no score")),
    }
}

/// Of an outcome: a number, or whether it is right.
pub fn amount(value: &Value) -> Option<f64> {
    value.as_bool().map(|right| f64::from(u8::from(right))).or_else(|| number(value))
}

/// Names as text: RewardBench has whole numbers, RewardBench 2 strings.
pub fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A parallel array of the object, which must be as long as the others.
pub fn column<'a>(object: &'a Object, key: &str, n: usize, path: &Path) -> Result<Option<&'a [Value]>, ImportError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) if items.is_empty() && n > 0 => Ok(None),
        Some(Value::Array(items)) if items.len() == n => Ok(Some(items)),
        Some(Value::Array(items)) => {
            let problem = format!("has {} values of `{key}` for {n} items", items.len());
            Err(ImportError::not_this(path, problem, "its arrays must be equally long"))
        }
        Some(_) => Err(ImportError::not_this(path, format!("has no list `{key}`"), "its arrays stand side by side")),
    }
}

/// What a result says of the model: its `model_type`, `ref_model`, `chat_template`, kept with the run.
pub fn told(object: &Object) -> Told {
    let own = |key: &str| text(object, key).filter(|text| !text.is_empty()).map(str::to_owned);
    Told { model_type: own("model_type"), ref_model: own("ref_model"), chat_template: own("chat_template") }
}

/// The model that a file is about: as it says, else as it is called (`org/model.json` under a directory).
pub fn model(object: &Object, path: &Path) -> String {
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().replace("___", "/");
    text(object, "model").map_or_else(stem, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_lists_of_one() {
        assert_eq!(number(&serde_json::json!([[1.5]])), Some(1.5));
        assert_eq!(number(&serde_json::json!([1.5, 2])), None);
        assert_eq!(number(&serde_json::json!("1.5")), None);
    }
}
