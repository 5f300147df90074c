//! What is learnt besides preferences, before them or along with them, and what is dropped meanwhile.

use serde::{Deserialize, Serialize};

use crate::backbone;

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
}

/// Rates of what is left out at random in training; see [`backbone::Dropout`].
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
