//! What a run reads: model, data, device, and which pairs it leaves out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::lang::Lang;

/// Model and data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub data: Vec<PathBuf>,
    pub eval: Vec<PathBuf>,
    pub langs: String,
    /// Of files without a language column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    pub skip_bad_rows: bool,
    pub device: String,
    pub dtype: String,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            model: None,
            data: Vec::new(),
            eval: Vec::new(),
            langs: "all".into(),
            lang: None,
            skip_bad_rows: false,
            device: "cpu".into(),
            dtype: "f32".into(),
        }
    }
}

/// What happens to a pair with a sequence over the length limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverLength {
    #[default]
    Drop,
    /// Trained on as cut by the text settings.
    Truncate,
    Refuse,
}

/// What happens to evaluation pairs that are training pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvalOverlap {
    #[default]
    Refuse,
    Drop,
    Keep,
}
