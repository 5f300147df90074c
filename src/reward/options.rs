//! Which reward head a model has and where it reads, as people write it down.

use serde::{Deserialize, Serialize};

use crate::text::pooling::Pooling;

/// The heads there are. TOML: `head = "pooler"`, or `head = { linear = { name = "value_head" } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum HeadKind {
    /// One linear layer, with a bias where the checkpoint has one: `score` (transformers' decoders),
    /// `v_head` (InternLM2, Athene), `v_head.summary` (TRL, LLaMA-Factory), `regression_head` (UltraRM,
    /// Eurus: allenai/reward-bench, `rewardbench/models/openbmb.py`), `score_head` (Beaver), and what
    /// OpenRLHF's `value_head_prefix` says.
    Linear { name: String },
    /// Linear layers NAME.0, NAME.2, … with ReLU between them: `score` (INF-ORM, WorldPM,
    /// Qwen2.5-Math-RM: allenai/reward-bench, `rewardbench/models/inform.py`), `v_head.summary` (GRM:
    /// the same, `grm.py`).
    Mlp { name: String },
    /// `pooler.dense`, an activation, `classifier` (BERT, DeBERTa).
    Pooler,
    /// `head.dense`, an activation, `head.norm`, `classifier` (ModernBERT).
    Prediction,
    /// `classifier.dense`, tanh, `classifier.out_proj` (RoBERTa).
    Classification,
    /// The output logit of one vocabulary entry (Llama-3.1-Nemotron-70B-Reward-HF: entry 0).
    VocabularyLogit { id: u32 },
    /// The output layer over the whole vocabulary: a language model, whose rewards are implicit. Not for users to say: the
    /// model's kind does.
    #[serde(skip)]
    Vocabulary,
    /// Attributes weighted by a gate that reads the end of the prompt (ArmoRM, QRM).
    Gated,
    /// Attributes weighted by layers that read the same state (URM).
    SelfWeighted,
    /// `reward_head.dense`, tanh, `reward_head.out_proj` at the end of a critique, beside the output layer that writes it
    /// (CLoud, arXiv 2408.11791: zankner/CLoud, `cloud/model.py`).
    Critique,
    /// Attributes that are each a distribution over bins, weighted by layers that read the same state
    /// (LDL-Reward-Gemma-2-27B).
    Distribution,
    /// −‖A·x − u‖, `ideal.projection` A and `ideal.point` u: how close a response is to what a user wants (PAL).
    IdealPoint,
}

/// Every kind as a user writes it, for messages.
pub const KNOWN: &str = "{ linear = { name = \"…\" } }, { mlp = { name = \"…\" } }, pooler, prediction, classification, \
     { vocabulary-logit = { id = 0 } }, gated, self-weighted, distribution, ideal-point, critique";

/// Kinds of reward models that are read from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RewardKind {
    /// A reward head.
    #[default]
    Scalar,
    /// A reward head on vectors that come with the data.
    Embedding,
    /// A language model's own probabilities, against a reference model's or alone.
    Implicit,
    /// A language model that judges in words.
    Generative,
}

/// What a user says about the reward head, in `rmbench.toml` or for one run; what is not said is as the
/// checkpoint implies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewardOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadKind>,
    /// What the reward is of a head with several labels: Σ weight · label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_weights: Option<Vec<f64>>,
    /// Whether the checkpoint's mean and deviation are applied (OpenRLHF, Beaver).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalise: Option<bool>,
    /// The text that ends a prompt, where a gate reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_temperature: Option<f64>,
}

impl RewardOptions {
    /// These, and for what they do not say, the model's own.
    pub fn over(&self, of_model: RewardOptions) -> RewardOptions {
        let Self { pooling, head, label_weights, normalise, gate_pattern, gate_temperature } = self.clone();
        RewardOptions {
            pooling: pooling.or(of_model.pooling),
            head: head.or(of_model.head),
            label_weights: label_weights.or(of_model.label_weights),
            normalise: normalise.or(of_model.normalise),
            gate_pattern: gate_pattern.or(of_model.gate_pattern),
            gate_temperature: gate_temperature.or(of_model.gate_temperature),
        }
    }
}

impl std::fmt::Display for HeadKind {
    /// As a user writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeadKind::Linear { name } => write!(f, "{{ linear = {{ name = \"{name}\" }} }}"),
            HeadKind::Mlp { name } => write!(f, "{{ mlp = {{ name = \"{name}\" }} }}"),
            HeadKind::Pooler => f.write_str("\"pooler\""),
            HeadKind::Prediction => f.write_str("\"prediction\""),
            HeadKind::Classification => f.write_str("\"classification\""),
            HeadKind::VocabularyLogit { id } => write!(f, "{{ vocabulary-logit = {{ id = {id} }} }}"),
            HeadKind::Vocabulary => f.write_str("\"vocabulary\""),
            HeadKind::Gated => f.write_str("\"gated\""),
            HeadKind::SelfWeighted => f.write_str("\"self-weighted\""),
            HeadKind::Distribution => f.write_str("\"distribution\""),
            HeadKind::IdealPoint => f.write_str("\"ideal-point\""),
            HeadKind::Critique => f.write_str("\"critique\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_read() {
        for kind in [
            HeadKind::Linear { name: "value_head".into() },
            HeadKind::Mlp { name: "score".into() },
            HeadKind::Pooler,
            HeadKind::Prediction,
            HeadKind::Classification,
            HeadKind::VocabularyLogit { id: 7 },
            HeadKind::Gated,
            HeadKind::SelfWeighted,
            HeadKind::Distribution,
            HeadKind::IdealPoint,
            HeadKind::Critique,
        ] {
            let options: RewardOptions = toml::from_str(&format!("head = {kind}")).unwrap();
            assert_eq!(options.head.as_ref(), Some(&kind));
            let again: RewardOptions = toml::from_str(&toml::to_string(&options).unwrap()).unwrap();
            assert_eq!(again, options);
        }
        let error = toml::from_str::<RewardOptions>("head = \"regression\"").unwrap_err().to_string();
        assert!(error.contains("`regression`") && error.contains("self-weighted"), "{error}");
    }

    #[test]
    fn what_a_run_says_wins_over_what_the_model_says() {
        let run = RewardOptions { pooling: Some(Pooling::Mean), ..RewardOptions::default() };
        let of_model =
            RewardOptions { pooling: Some(Pooling::Cls), head: Some(HeadKind::Gated), ..RewardOptions::default() };
        let both = run.over(of_model);
        assert_eq!((both.pooling, both.head), (Some(Pooling::Mean), Some(HeadKind::Gated)));
    }
}
