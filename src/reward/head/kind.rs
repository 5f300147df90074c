//! Which head a checkpoint has: named by its tensors and `config.json`, or by the user.

use std::path::Path;

use serde_json::Value;

use super::super::options::HeadKind;
use super::HeadError;
use crate::backbone::config::{BackboneConfig, Family, ModelType};
use crate::backbone::params::ParamSource;
use crate::backbone::weights::{Checkpoint, WeightsError};
use crate::text::pooling::Pooling;

/// Linear heads by name: what the checkpoints in use call them.
const LINEAR: [&str; 6] = ["score", "v_head", "v_head.summary", "regression_head", "score_head", "value_head"];
/// Heads of several layers by name.
const MLP: [&str; 2] = ["score", "v_head.summary"];

/// CLoud's head.
pub(super) const CRITIQUE: &str = "reward_head";

/// Whether a checkpoint, by the names of its tensors, brings CLoud's head.
pub fn has_critics_head(dir: &Path) -> Result<bool, WeightsError> {
    let checkpoint = Checkpoint::open_dir(dir)?;
    Ok(checkpoint.stored(&format!("{CRITIQUE}.out_proj.weight")).is_some())
}

/// How the tensors of known heads begin: those of other heads than the one a user names have no use.
pub(super) fn tensors() -> Vec<String> {
    let parts = [
        "regression_layer",
        "reward_transform_matrix",
        "gating",
        "gating_layer",
        "weights.fc",
        "normalizer",
        "classifier",
        "head",
        "ideal",
        CRITIQUE,
    ];
    LINEAR.into_iter().chain(parts).map(|name| format!("{name}.")).collect()
}

/// The token Athene appends and reads (allenai/reward-bench, `rewardbench/models/athene.py`).
const ATHENE_CLS: u32 = 128_003;
/// InternLM2's reward token where its configuration does not name one.
const INTERNLM2_REWARD_TOKEN: u32 = 92_527;

/// What is known of a checkpoint before its head is built.
pub(super) struct Found<'a> {
    pub config: &'a BackboneConfig,
    pub json: &'a Value,
}

impl Found<'_> {
    /// The head of the checkpoint, or where it brings none, what its architecture has in transformers.
    pub fn kind(&self, source: &ParamSource) -> Result<HeadKind, HeadError> {
        let has = |name: String| source.stored_shape(&name).is_some();
        let linear = |name: &str| HeadKind::Linear { name: name.to_owned() };
        let mut kinds = Vec::new();
        if has("regression_layer.weight".into()) {
            kinds.push(HeadKind::Gated);
        }
        if has(format!("{CRITIQUE}.out_proj.weight")) {
            kinds.push(HeadKind::Critique);
        }
        if has("regression_layer.network.0.weight".into()) {
            kinds.push(HeadKind::Distribution);
        }
        let prefix = self.json.get("value_head_prefix").and_then(Value::as_str).unwrap_or("score");
        for name in LINEAR.into_iter().chain((!LINEAR.contains(&prefix)).then_some(prefix)) {
            match has(format!("{name}.weight")) {
                true if name == "score" && has("weights.fc.0.weight".into()) => kinds.push(HeadKind::SelfWeighted),
                true => kinds.push(linear(name)),
                false => {}
            }
        }
        for name in MLP.into_iter().filter(|name| has(format!("{name}.0.weight"))) {
            kinds.push(HeadKind::Mlp { name: name.to_owned() });
        }
        match kinds.len() {
            0 => Ok(self.of_architecture()),
            1 => Ok(kinds.remove(0)),
            _ => Err(HeadError::Several { kinds }),
        }
    }

    /// What transformers builds for a sequence classifier of this type.
    pub fn of_architecture(&self) -> HeadKind {
        match (&self.config.family, self.config.model_type) {
            (Family::Decoder(_), ModelType::InternLm2) => HeadKind::Linear { name: "v_head".to_owned() },
            (Family::Decoder(_), _) => HeadKind::Linear { name: "score".to_owned() },
            (Family::Encoder(_), ModelType::Roberta | ModelType::XlmRoberta) => HeadKind::Classification,
            (Family::Encoder(_), _) => HeadKind::Pooler,
            (Family::ModernBert(_), _) => HeadKind::Prediction,
        }
    }

    /// Where a head reads, unless the user says otherwise: as its authors' code does.
    pub fn pooling(&self, kind: &HeadKind) -> Result<Pooling, HeadError> {
        let prefix = self.json.get("value_head_prefix").and_then(Value::as_str);
        Ok(match kind {
            HeadKind::Linear { name } => match name.as_str() {
                // OpenRLHF reads the last attended token (`openrlhf/models/model.py`).
                name if prefix == Some(name) => Pooling::MaskLast,
                "score" => Pooling::HfLastNonpad,
                "v_head" => Pooling::AppendedToken { id: self.reward_token().ok_or_else(|| unsaid(kind))? },
                "v_head.summary" | "regression_head" | "score_head" | "value_head" => Pooling::MaskLast,
                _ => return Err(unsaid(kind)),
            },
            HeadKind::Mlp { name } => match name.as_str() {
                "score" => Pooling::HfLegacyFirstPad,
                "v_head.summary" => Pooling::MaskLast,
                _ => return Err(unsaid(kind)),
            },
            HeadKind::Pooler | HeadKind::Prediction | HeadKind::Classification => {
                match self.json.get("classifier_pooling").and_then(Value::as_str) {
                    Some("mean") => Pooling::Mean,
                    _ => Pooling::Cls,
                }
            }
            HeadKind::VocabularyLogit { .. }
            | HeadKind::Vocabulary
            | HeadKind::SelfWeighted
            | HeadKind::IdealPoint
            | HeadKind::Critique => Pooling::MaskLast,
            HeadKind::Gated | HeadKind::Distribution => Pooling::HfLegacyFirstPad,
        })
    }

    fn reward_token(&self) -> Option<u32> {
        let stated = self.json.get("reward_token_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        stated.or(match self.class() {
            "AtheneForSequenceClassification" => Some(ATHENE_CLS),
            "InternLM2ForRewardModel" => Some(INTERNLM2_REWARD_TOKEN),
            _ => None,
        })
    }

    fn class(&self) -> &str {
        self.json.pointer("/architectures/0").and_then(Value::as_str).unwrap_or_default()
    }
}

fn unsaid(kind: &HeadKind) -> HeadError {
    HeadError::NoPooling { kind: kind.clone() }
}
