//! Models drawn at random: what differs from the preset.

use serde::{Deserialize, Serialize};

use crate::reward::preset::Preset;

/// Changes to the preset of `--model init:PRESET`; absent: as the preset has it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InitSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediate_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializer_range: Option<f64>,
}

impl InitSettings {
    pub fn apply(&self, preset: Preset) -> Preset {
        Preset {
            name: preset.name,
            vocab: self.vocab_size.unwrap_or(preset.vocab),
            hidden: self.hidden_size.unwrap_or(preset.hidden),
            layers: self.layers.unwrap_or(preset.layers),
            heads: self.heads.unwrap_or(preset.heads),
            intermediate: self.intermediate_size.unwrap_or(preset.intermediate),
            max_length: self.max_length.unwrap_or(preset.max_length),
            initializer_range: self.initializer_range.unwrap_or(preset.initializer_range),
        }
    }
}
