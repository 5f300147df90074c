//! The text side of a Hugging Face checkpoint directory: `tokenizer.json`, `tokenizer_config.json`,
//! `special_tokens_map.json`, chat templates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::added_tokens::TokenSettings;
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
    /// Whether a model is told which of two texts a token belongs to (`token_type_ids`).
    pub gives_segments: bool,
    /// The length the tokenizer was made for; "very large" placeholders count as absent.
    pub model_max_length: Option<usize>,
}

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
        let chat_templates = ChatTemplates::read(dir, &config)?;
        let map = read_object(&dir.join("special_tokens_map.json"))?;
        let settings = TokenSettings::new(config, map, read_object(&dir.join("added_tokens.json"))?);
        let special_tokens = settings.named();
        let wrong_config = |problem: String| TokenizerFilesError::Content { path: config_path.clone(), problem };
        check_known(&tokenizer, &special_tokens).map_err(wrong_config)?;
        settings.complete(&mut tokenizer).map_err(wrong_config)?;
        tokenizer.set_encode_special_tokens(settings.splits_special_tokens());
        // transformers writes 1e30 for "no limit".
        let model_max_length = settings.get("model_max_length").and_then(Value::as_f64);
        let model_max_length = model_max_length.filter(|n| (1.0..1e9).contains(n)).map(|n| n as usize);
        let gives_segments = gives_segments(&settings);
        Ok(Self { tokenizer, special_tokens, chat_templates, gives_segments, model_max_length })
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

/// As in transformers 5.23: what `model_input_names` says, else what the tokenizer's class does. Where neither
/// is named, the architecture's class counts, and those of all architectures with segments have them.
fn gives_segments(settings: &TokenSettings) -> bool {
    const WITH_SEGMENTS: [&str; 3] = ["BertTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer"];
    if let Some(names) = settings.get("model_input_names").and_then(Value::as_array) {
        return names.iter().any(|name| name == "token_type_ids");
    }
    let class = settings.get("tokenizer_class").and_then(Value::as_str);
    class.is_none_or(|class| WITH_SEGMENTS.contains(&class.trim_end_matches("Fast")))
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
