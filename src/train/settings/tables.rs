//! The sub-tables of the training settings: `[source]`, `[pretraining]`, `[auxiliary]`, `[dropout]`, `[init]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backbone;
use crate::lang::Lang;
use crate::reward::preset::Preset;

/// Model and data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of an adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What a policy is compared with; absent: the model that training begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub data: Vec<PathBuf>,
    pub eval: Vec<PathBuf>,
    pub langs: String,
    /// Of files without a language column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    pub skip_bad_rows: bool,
    /// Of the source items; see [`fraction`](crate::train::fraction).
    pub fraction: f64,
    /// What sets the run apart within a study, by axis; written down with the model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub study: BTreeMap<String, String>,
    /// Where a frozen trunk's features are kept; absent: the whole model is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<PathBuf>,
    pub device: String,
    pub dtype: String,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            model: None,
            base: None,
            reference: None,
            data: Vec::new(),
            eval: Vec::new(),
            langs: "all".into(),
            lang: None,
            skip_bad_rows: false,
            fraction: 1.0,
            study: BTreeMap::new(),
            features: None,
            device: "cpu".into(),
            dtype: "f32".into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DropoutSettings {
    pub token: f64,
    pub embedding: f64,
    pub hidden: f64,
}

impl DropoutSettings {
    /// `None` where nothing is dropped.
    pub fn rates(&self) -> Option<backbone::Dropout> {
        let &Self { token, embedding, hidden } = self;
        (token > 0.0 || embedding > 0.0 || hidden > 0.0).then_some(backbone::Dropout { token, embedding, hidden })
    }
}

/// A phase before preference learning that needs no preferences: which response belongs to which prompt,
/// and how texts go on. It has a warm-up and a decay of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PretrainingSettings {
    pub epochs: f64,
    /// In place of the run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    pub lm_weight: f64,
}

impl Default for PretrainingSettings {
    fn default() -> Self {
        Self { epochs: 0.0, lr: None, lm_weight: 1.0 }
    }
}

/// What preference learning minimises besides the objective.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuxiliarySettings {
    pub lm_weight: f64,
    pub mismatched_share: f64,
    /// Stand-ins come beside the rejected response, as a second comparison of the chosen one, and not in
    /// its place.
    pub mismatched_beside: bool,
    /// Pairs are learnt both ways: see [`goals`](crate::train::goals).
    pub goals: bool,
}

impl AuxiliarySettings {
    /// Stand-ins in place of all rejected responses would leave no preference to learn.
    pub fn leaves_preferences(&self) -> bool {
        let share = self.mismatched_share;
        (0.0..1.0).contains(&share) || (self.mismatched_beside && share == 1.0)
    }
}

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
