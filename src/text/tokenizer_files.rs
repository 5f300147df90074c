//! The text side of a Hugging Face checkpoint directory: `tokenizer.json`, `tokenizer_config.json`,
//! `special_tokens_map.json`, chat templates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;
use tokenizers::processors::template::TemplateProcessing;

use super::template_files::{ChatTemplates, TemplateFilesError};
use crate::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub enum TokenizerFilesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Templates(#[from] TemplateFilesError),
    #[error("`{}` is missing", .0.display())]
    NoTokenizer(PathBuf),
    #[error("`{}`: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
}

/// What the files say, before any settings of ours.
#[derive(Debug, Clone)]
pub struct TokenizerFiles {
    /// Neither truncates nor pads, whatever the file says: both depend on the batch.
    pub tokenizer: Tokenizer,
    /// Named special tokens (`bos_token`, `eos_token`, …) and their texts.
    pub special_tokens: BTreeMap<String, String>,
    pub chat_templates: ChatTemplates,
    /// The length the tokenizer was made for; "very large" placeholders count as absent.
    pub model_max_length: Option<usize>,
}

/// The named tokens that transformers gives to a template.
const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl TokenizerFiles {
    pub fn read(dir: &Path) -> Result<Self, TokenizerFilesError> {
        let path = dir.join("tokenizer.json");
        if !path.is_file() {
            return Err(TokenizerFilesError::NoTokenizer(path));
        }
        let content = |problem: String| TokenizerFilesError::Content { path: path.clone(), problem };
        let mut tokenizer = Tokenizer::from_bytes(files::read_bytes(&path)?).map_err(|e| content(e.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| content(e.to_string()))?;

        let config_path = dir.join("tokenizer_config.json");
        let config = read_object(&config_path)?;
        let special_tokens = special_tokens(&config, &read_object(&dir.join("special_tokens_map.json"))?);
        let wrong_config = |problem: String| TokenizerFilesError::Content { path: config_path.clone(), problem };
        check_known(&tokenizer, &special_tokens).map_err(wrong_config)?;
        follow_bos_and_eos_switches(&mut tokenizer, &config, &special_tokens).map_err(wrong_config)?;

        let chat_templates = ChatTemplates::read(dir, &config)?;
        // transformers writes 1e30 for "no limit".
        let model_max_length = config.get("model_max_length").and_then(Value::as_f64);
        let model_max_length = model_max_length.filter(|n| (1.0..1e9).contains(n)).map(|n| n as usize);
        Ok(Self { tokenizer, special_tokens, chat_templates, model_max_length })
    }

    /// The id of a named special token, such as `pad_token`.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(self.special_tokens.get(name)?)
    }
}

/// An absent file reads as an empty object.
fn read_object(path: &Path) -> Result<Map<String, Value>, TokenizerFilesError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let text = files::read_text(path)?;
    serde_json::from_str(&text)
        .map_err(|e| TokenizerFilesError::Content { path: path.to_owned(), problem: e.to_string() })
}

/// `tokenizer_config.json` first, the older `special_tokens_map.json` for what it does not name.
fn special_tokens(config: &Map<String, Value>, map: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in NAMES {
        if let Some(text) = config.get(name).and_then(token_text).or_else(|| map.get(name).and_then(token_text)) {
            found.insert(name.to_owned(), text);
        }
    }
    // Models bring names of their own, as an object of name → token.
    for key in ["extra_special_tokens", "model_specific_special_tokens"] {
        for (name, token) in config.get(key).and_then(Value::as_object).into_iter().flatten() {
            if let Some(text) = token_text(token) {
                found.entry(name.clone()).or_insert(text);
            }
        }
    }
    found
}

/// A token is a string or an `AddedToken` object.
fn token_text(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

/// transformers would add an unknown token under a new id, for which no trained model has an embedding.
fn check_known(tokenizer: &Tokenizer, special_tokens: &BTreeMap<String, String>) -> Result<(), String> {
    for name in ["bos_token", "eos_token", "pad_token"] {
        if let Some(text) = special_tokens.get(name).filter(|text| tokenizer.token_to_id(text).is_none()) {
            return Err(format!("`{name}` is \"{text}\", which `tokenizer.json` does not know"));
        }
    }
    Ok(())
}

/// Where the config says `add_bos_token` or `add_eos_token`, that decides, not the post-processor of
/// `tokenizer.json` (as in transformers 5).
fn follow_bos_and_eos_switches(
    tokenizer: &mut Tokenizer,
    config: &Map<String, Value>,
    special_tokens: &BTreeMap<String, String>,
) -> Result<(), String> {
    let switch = |key: &str| config.get(key).map(|value| value.as_bool().unwrap_or(false));
    let (bos, eos) = (switch("add_bos_token"), switch("add_eos_token"));
    if bos.is_none() && eos.is_none() {
        return Ok(());
    }
    let token = |wanted: Option<bool>, name: &str| -> Result<Option<(String, u32)>, String> {
        let Some(text) = special_tokens.get(name).filter(|_| wanted == Some(true)) else { return Ok(None) };
        let id = tokenizer.token_to_id(text).ok_or_else(|| format!("`{name}` \"{text}\" is not in the vocabulary"))?;
        Ok(Some((text.clone(), id)))
    };
    let (bos, eos) = (token(bos, "bos_token")?, token(eos, "eos_token")?);
    let piece = |token: &Option<(String, u32)>, type_id: u8| match token {
        Some((text, _)) => vec![format!("{text}:{type_id}")],
        None => vec![],
    };
    let segment = |name: &str, type_id: u8| {
        [piece(&bos, type_id), vec![format!("${name}:{type_id}")], piece(&eos, type_id)].concat()
    };
    let processor = TemplateProcessing::builder()
        .try_single(segment("A", 0))
        .and_then(|builder| builder.try_pair([segment("A", 0), segment("B", 1)].concat()))
        .map_err(|e| e.to_string())?
        .special_tokens(bos.iter().chain(&eos).cloned().collect::<Vec<_>>())
        .build()
        .map_err(|e| e.to_string())?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn special_tokens_are_texts_or_objects_and_the_config_wins() {
        let config = object(json!({
            "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null, "pad_token": "<pad>",
            "extra_special_tokens": {"image_token": "<image>"}
        }));
        let map = object(json!({"eos_token": {"content": "</s>"}, "pad_token": "other"}));
        let found = special_tokens(&config, &map);
        let expected =
            [("bos_token", "<s>"), ("eos_token", "</s>"), ("image_token", "<image>"), ("pad_token", "<pad>")];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
