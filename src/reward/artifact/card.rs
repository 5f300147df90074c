//! `rmbench.toml`: what a model directory says beside its checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ArtifactError, FILE_NAME, MergeCard};
use crate::files;
use crate::reward::implicit::ImplicitCard;
use crate::reward::options::{HeadKind, RewardKind, RewardOptions};
use crate::reward::scalar::ScalarModel;
use crate::study;
use crate::text::pooling::Pooling;
use crate::text::settings::TextSettings;

pub(super) const SCHEMA: u32 = 1;

/// `rmbench.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelCard {
    pub schema: u32,
    pub reward: RewardCard,
    #[serde(default)]
    pub text: TextSettings,
    #[serde(default)]
    pub provenance: Option<ProvenanceCard>,
    /// Of a model that was merged from others.
    #[serde(default)]
    pub merge: Option<MergeCard>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewardCard {
    #[serde(default)]
    pub kind: RewardKind,
    /// What training minimised; absent for models made elsewhere.
    #[serde(default)]
    pub objective: Option<String>,
    // The rest is optional: as the checkpoint implies where absent. See `RewardOptions`.
    #[serde(default)]
    pub pooling: Option<Pooling>,
    #[serde(default)]
    pub head: Option<HeadKind>,
    #[serde(default)]
    pub label_weights: Option<Vec<f64>>,
    #[serde(default)]
    pub normalise: Option<bool>,
    #[serde(default)]
    pub gate_pattern: Option<String>,
    #[serde(default)]
    pub gate_temperature: Option<f64>,
    /// Of a head on vectors: how long they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i64>,
    /// Of implicit models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implicit: Option<ImplicitCard>,
}

impl RewardCard {
    /// What the card says of the head.
    pub fn options(&self) -> RewardOptions {
        RewardOptions {
            pooling: self.pooling,
            head: self.head.clone(),
            label_weights: self.label_weights.clone(),
            normalise: self.normalise,
            gate_pattern: self.gate_pattern.clone(),
            gate_temperature: self.gate_temperature,
        }
    }

    /// The card of a model as it is: where it reads always, its head where the architecture does not say.
    pub fn of(model: &ScalarModel, objective: Option<&str>) -> Self {
        let head = model.network.head();
        let said = head.options().clone();
        Self {
            // What a critique's head says of a response without one is nothing that it learnt.
            kind: if *head.kind() == HeadKind::Critique { RewardKind::Generative } else { RewardKind::Scalar },
            objective: objective.map(str::to_owned),
            pooling: Some(model.pooling),
            head: (!head.is_plain()).then(|| head.kind().clone()),
            label_weights: said.label_weights,
            normalise: said.normalise,
            gate_pattern: said.gate_pattern,
            gate_temperature: said.gate_temperature,
            width: None,
            implicit: None,
        }
    }

    /// The card of a language model that judges.
    pub fn of_judge(objective: &str) -> Self {
        let implicit = None;
        Self { kind: RewardKind::Generative, implicit, ..Self::of_policy(Some(objective), ImplicitCard::default()) }
    }

    /// The card of an implicit model.
    pub fn of_policy(objective: Option<&str>, implicit: ImplicitCard) -> Self {
        Self {
            kind: RewardKind::Implicit,
            objective: objective.map(str::to_owned),
            pooling: None,
            head: None,
            label_weights: None,
            normalise: None,
            gate_pattern: None,
            gate_temperature: None,
            width: None,
            implicit: Some(implicit),
        }
    }
}

/// Where a model trained here comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProvenanceCard {
    pub version: String,
    pub commit: String,
    /// The model training began with, as the user named it.
    pub base: String,
    /// SHA-256 of the training data's files, in the order given.
    pub data: Vec<String>,
    /// Languages of the data that were trained on, as the user named them; absent where all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub langs: Option<String>,
    pub seed: u64,
    /// Training pairs, before those over the length limit were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// What set the run apart within its study: axis and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub study: BTreeMap<String, String>,
    /// Earlier trainings of the model, oldest first: pre-training on noisy preferences, for example.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
}

/// One training among several that a model went through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stage {
    /// The model it began with, as the user named it.
    pub base: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<u64>,
    pub seed: u64,
    /// SHA-256 of its data's files.
    pub data: Vec<String>,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objective = self.objective.as_deref().unwrap_or("objective unknown");
        let pairs = self.pairs.map(|pairs| format!(", {pairs} pairs")).unwrap_or_default();
        let data: Vec<String> = self.data.iter().map(|digest| digest.chars().take(12).collect()).collect();
        write!(f, "{objective} from {}{pairs}, seed {}, data {}", self.base, self.seed, data.join(" "))
    }
}

impl ModelCard {
    /// What a further training of this model says of those before it.
    pub fn stages(self) -> Vec<Stage> {
        let Some(provenance) = self.provenance else { return Vec::new() };
        let ProvenanceCard { base, data, seed, pairs, mut stages, .. } = provenance;
        stages.push(Stage { base, objective: self.reward.objective, pairs, seed, data });
        stages
    }
}

impl ProvenanceCard {
    /// Earlier trainings, in words.
    pub fn earlier(&self) -> Vec<String> {
        self.stages.iter().map(Stage::to_string).collect()
    }

    /// What reports of studies need to know: the axes, and how much and how large.
    pub fn of_study(&self) -> BTreeMap<String, String> {
        let facts = [(study::PAIRS, self.pairs), (study::PARAMETERS, self.parameters)];
        let facts = facts.into_iter().filter_map(|(fact, number)| Some((fact.to_owned(), number?.to_string())));
        self.study.clone().into_iter().chain(facts).collect()
    }
}

/// `rmbench.toml`, where there is one.
pub fn read_card(dir: &Path) -> Result<Option<ModelCard>, ArtifactError> {
    let path = dir.join(FILE_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    let card: ModelCard = toml::from_str(&files::read_text(&path)?)
        .map_err(|e| ArtifactError::Toml { path: path.clone(), problem: Box::new(e) })?;
    if card.schema != SCHEMA {
        let problem = format!("schema {} is not known; this version reads schema {SCHEMA}", card.schema);
        return Err(ArtifactError::Wrong { path, problem });
    }
    Ok(Some(card))
}
