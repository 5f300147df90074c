//! What a model directory says about its texts, read without its weights: `rmbench.toml` and `config.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::pooling::Pooling;
use super::settings::TextSettings;
use crate::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub enum ModelSettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}`: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
}

/// The text side of a model. Everything is optional: checkpoints made elsewhere have no `rmbench.toml`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelSettings {
    pub text: TextSettings,
    /// Where the model's rewards are read, if `rmbench.toml` says.
    pub pooling: Option<Pooling>,
    /// The pad token of `config.json`, which pooling rules look for; the tokenizer's may differ.
    pub pad_id: Option<u32>,
}

/// The parts of `rmbench.toml` that matter here; the loader of models checks the whole of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Card {
    text: TextSettings,
    reward: RewardPart,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RewardPart {
    pooling: Option<Pooling>,
}

impl ModelSettings {
    pub fn read(dir: &Path) -> Result<Self, ModelSettingsError> {
        let card: Card = match text_of(&dir.join("rmbench.toml"))? {
            Some((path, text)) => {
                toml::from_str(&text).map_err(|e| ModelSettingsError::Content { path, problem: e.to_string() })?
            }
            None => Card::default(),
        };
        let config: Value = match text_of(&dir.join("config.json"))? {
            Some((path, text)) => {
                serde_json::from_str(&text).map_err(|e| ModelSettingsError::Content { path, problem: e.to_string() })?
            }
            None => Value::Null,
        };
        // Multimodal checkpoints keep it with their text part.
        let pad_id = config.get("pad_token_id").or_else(|| config.get("text_config")?.get("pad_token_id"));
        let pad_id = pad_id.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        Ok(Self { text: card.text, pooling: card.reward.pooling, pad_id })
    }
}

fn text_of(path: &Path) -> Result<Option<(PathBuf, String)>, FileError> {
    if path.is_file() { Ok(Some((path.to_owned(), files::read_text(path)?))) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::settings::{BosPolicy, Layout};

    #[test]
    fn a_models_own_settings_are_read_and_none_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ModelSettings::read(dir.path()).unwrap(), ModelSettings::default());
        let card = "schema = 1\n[reward]\nkind = \"scalar\"\npooling = \"mask-last\"\n\
                    [text]\nlayout = \"concat\"\nbos = \"none\"\nmax-length = 9\n";
        files::write_bytes(&dir.path().join("rmbench.toml"), card.as_bytes()).unwrap();
        files::write_bytes(&dir.path().join("config.json"), br#"{"text_config": {"pad_token_id": 3}}"#).unwrap();
        let found = ModelSettings::read(dir.path()).unwrap();
        assert_eq!(
            (found.text.layout, found.text.bos, found.text.max_length),
            (Layout::Concat, BosPolicy::None, Some(9))
        );
        assert_eq!((found.pooling, found.pad_id), (Some(Pooling::MaskLast), Some(3)));
        files::write_bytes(&dir.path().join("rmbench.toml"), b"[text]\nlayuot = 1\n").unwrap();
        assert!(ModelSettings::read(dir.path()).unwrap_err().to_string().contains("layuot"));
    }
}
