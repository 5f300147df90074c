//! What a check is asked to do; `default.toml` beside this file explains every setting.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SelfcheckError;
use crate::benchmark::columns::ColumnMap;
use crate::lang::Lang;
use crate::reward::options::RewardOptions;
use crate::text::settings::TextOverrides;

/// The commented defaults; also the list of settings there are.
pub const DEFAULTS: &str = include_str!("default.toml");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SelfcheckSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PathBuf>,
    pub limit: u64,
    pub lang: Lang,
    pub device: String,
    pub dtype: String,
    pub batch_tokens: usize,
    pub rows: usize,
    pub seed: u64,
    pub columns: ColumnMap,
    pub text: TextOverrides,
    pub reward: RewardOptions,
}

impl SelfcheckSettings {
    /// The model asked for.
    pub fn model(&self) -> Result<&str, SelfcheckError> {
        self.model.as_deref().ok_or(SelfcheckError::NoModel)
    }

    /// Refuses values that no check can have.
    pub fn check(&self) -> Result<(), SelfcheckError> {
        self.model()?;
        let positive = [("limit", self.limit as usize), ("batch-tokens", self.batch_tokens), ("rows", self.rows)];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(SelfcheckError::Setting { key }),
            None => Ok(()),
        }
    }
}
