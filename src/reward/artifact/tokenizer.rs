//! The tokenizer's files, which travel with a model unchanged.

use std::path::Path;

use serde_json::Value;

use super::ArtifactError;
use crate::files;
use crate::reward::scalar::ScalarModel;
use crate::text::template_files;

/// Files of a checkpoint that belong to its tokenizer and travel with the model unchanged.
const TOKENIZER_FILES: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
];

/// Copies the files of a tokenizer.
pub fn copy_tokenizer(from: &Path, to: &Path) -> Result<(), ArtifactError> {
    files::create_dir(to)?;
    for name in TOKENIZER_FILES {
        copy(from, to, name)?;
    }
    for source in template_files::additional(from)? {
        let target = to.join(template_files::ADDITIONAL_DIR).join(source.file_name().unwrap_or_default());
        if source != target {
            files::write_bytes(&target, &files::read_bytes(&source)?)?;
        }
    }
    Ok(())
}

/// A file of one directory into another, where there is one.
pub(super) fn copy(from: &Path, to: &Path, name: &str) -> Result<(), ArtifactError> {
    let source = from.join(name);
    if source.is_file() && source != to.join(name) {
        files::write_bytes(&to.join(name), &files::read_bytes(&source)?)?;
    }
    Ok(())
}

/// The tokenizer pads with what the model takes for padding: where the two differ, transformers reads the
/// reward of a batch at a pad token.
pub(super) fn write_pad_token(dir: &Path, model: &ScalarModel) -> Result<(), ArtifactError> {
    let Some(pad) = model.pad_id().filter(|pad| Some(*pad) != model.text.pad_id()) else { return Ok(()) };
    let Some(token) = model.text.token_of(pad) else { return Ok(()) };
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let path = dir.join(name);
        if !path.is_file() {
            continue;
        }
        let wrong = |e: serde_json::Error| ArtifactError::Wrong { path: path.clone(), problem: e.to_string() };
        let mut config: serde_json::Map<String, Value> =
            serde_json::from_str(&files::read_text(&path)?).map_err(wrong)?;
        config.insert("pad_token".to_owned(), token.clone().into());
        let text = serde_json::to_string_pretty(&config).map_err(wrong)?;
        files::write_bytes(&path, (text + "\n").as_bytes())?;
    }
    Ok(())
}
