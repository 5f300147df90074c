//! What `rmbench.toml` says of a model that was merged from others.

use serde::{Deserialize, Serialize};

use super::{ModelCard, ProvenanceCard, RewardCard, SCHEMA};
use crate::reward::options::RewardKind;
use crate::text::settings::TextSettings;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MergeCard {
    pub version: String,
    pub commit: String,
    pub method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    pub normalise: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// As asked for: `stored` is as the first model has it.
    pub dtype: String,
    /// SHA-256 of the files whose pairs the heads were matched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched_on: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<MergedModel>,
    pub models: Vec<MergedModel>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minus: Vec<MergedModel>,
}

impl MergeCard {
    /// Whether the same was merged in the same way, whatever version of this program did it and wherever the
    /// models lay.
    pub fn is_same(&self, other: &Self) -> bool {
        let bare = |model: &MergedModel| MergedModel { name: String::new(), rewards: None, ..model.clone() };
        let bare_all = |models: &[MergedModel]| models.iter().map(bare).collect::<Vec<_>>();
        let alike = |card: &Self| Self {
            version: String::new(),
            commit: String::new(),
            base: card.base.as_ref().map(bare),
            models: bare_all(&card.models),
            minus: bare_all(&card.minus),
            ..card.clone()
        };
        alike(self) == alike(other)
    }
}

/// One of the models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MergedModel {
    /// As the user named it.
    pub name: String,
    /// SHA-256 over the digests of its weights.
    pub weights_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Rewards on the shared pairs before its head was matched: their number, mean and deviation (ddof 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Rewards>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rewards {
    pub n: usize,
    pub mean: f64,
    pub deviation: f64,
}

impl ModelCard {
    /// The card of a model without texts.
    pub fn new(reward: RewardCard, provenance: Option<ProvenanceCard>) -> Self {
        Self { schema: SCHEMA, reward, text: TextSettings::default(), provenance, merge: None }
    }

    /// The card of a merge: what the first model's card says of head and text, and where it comes from.
    pub fn merged(of_first: Option<ModelCard>, merge: MergeCard) -> Self {
        let (reward, text) = of_first.map(|card| (Some(card.reward), card.text)).unwrap_or_default();
        let unsaid = || RewardCard {
            kind: RewardKind::Scalar,
            objective: None,
            pooling: None,
            head: None,
            label_weights: None,
            normalise: None,
            gate_pattern: None,
            gate_temperature: None,
            width: None,
            implicit: None,
        };
        let reward = RewardCard { objective: None, ..reward.unwrap_or_else(unsaid) };
        Self { schema: SCHEMA, reward, text, provenance: None, merge: Some(merge) }
    }
}
