//! Settings of objectives that are Bradley–Terry and something beside it, which the trainer computes: gradients
//! by group (MORE), a critic (DIAL), a threshold for unlabelled responses (SSPO), a language-model loss (GRM,
//! rationales).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ObjectiveError, Rewards, bradley_terry::BradleyTerry, cost_of, refuse};
use crate::text::pooling::Aggregate;

/// What the groups of MORE are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    #[default]
    Subset,
    Language,
}

/// L = T·Σ λ_t·L_t, λ the weights on the simplex that make ‖Σ λ_t ĝ_t‖ smallest, ĝ_t the moving average of the
/// normalised gradient of L_t by the reward head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct More {
    pub group_by: GroupBy,
    /// ĝ ← (1 − new)·ĝ + new·g.
    pub new_share: f64,
}

impl Default for More {
    fn default() -> Self {
        Self { group_by: GroupBy::Subset, new_share: 0.99 }
    }
}

impl More {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let holds = self.new_share > 0.0 && self.new_share <= 1.0;
        refuse(name, &[("new-share", self.new_share, holds, "above 0 and at most 1")])
    }
}

/// L = L_bt of source languages + weight·[mean f(h_source) − mean f(h_target)], f a critic that maximises the
/// bracket − penalty·(‖∇f‖ − 1)². Labels of other languages are not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dial {
    /// As `--langs` takes them.
    pub source_langs: String,
    pub weight: f64,
    pub critic_steps: u64,
    pub critic_lr: f64,
    pub penalty: f64,
}

impl Default for Dial {
    fn default() -> Self {
        Self { source_langs: "eng_Latn".into(), weight: 0.01, critic_steps: 3, critic_lr: 1e-4, penalty: 1.0 }
    }
}

impl Dial {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("weight", self.weight, self.weight > 0.0, "above 0"),
            ("critic-steps", self.critic_steps as f64, self.critic_steps > 0, "above 0"),
            ("critic-lr", self.critic_lr, self.critic_lr > 0.0, "above 0"),
            ("penalty", self.penalty, self.penalty >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)
    }
}

/// L = g·L_pairs + (1 − g)·L_unlabelled, means each; g = max(n_L/(n_L + n_U), start·e^{−decay·t}). An unlabelled
/// response costs −log σ(±(r − δ)), + where r is at least δ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sspo {
    pub start: f64,
    pub decay: f64,
    /// δ ← (1 − new)·δ + new·(where the densities of chosen and rejected rewards of the step cross).
    pub new_share: f64,
}

impl Default for Sspo {
    fn default() -> Self {
        Self { start: 1.0, decay: 0.001, new_share: 0.1 }
    }
}

impl Sspo {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let checks = [
            ("start", self.start, share(self.start), "above 0 and at most 1"),
            ("decay", self.decay, self.decay >= 0.0, "at least 0"),
            ("new-share", self.new_share, share(self.new_share), "above 0 and at most 1"),
        ];
        refuse(name, &checks)
    }

    /// g at step `t` for so many labelled and unlabelled rows.
    pub fn labelled_share(&self, t: u64, labelled: usize, unlabelled: usize) -> f64 {
        let floor = labelled as f64 / (labelled + unlabelled).max(1) as f64;
        floor.max(self.start * (-self.decay * t as f64).exp())
    }

    /// Pairs as Bradley–Terry; unlabelled responses against the threshold, and nothing before there is one.
    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let rewards_s = batch.checked()?;
        let (mut first, mut second, mut factor) = (Vec::new(), Vec::new(), Vec::new());
        for ((index, label), start) in batch.labels.iter().enumerate().zip(batch.starts()) {
            if !label.is_pair() && !label.is_unlabelled() {
                let &super::Label { n_chosen, n_rejected, .. } = label;
                return Err(ObjectiveError::NotAPair { objective: name, index, n_chosen, n_rejected });
            }
            first.push(start as i64);
            second.push(if label.is_pair() { start as i64 + 1 } else { start as i64 });
            factor.push(f64::from(label.is_pair() || label.threshold.is_some()));
        }
        let device = rewards_s.device();
        let pick = |places: &[i64]| rewards_s.index_select(0, &Tensor::from_slice(places).to_device(device));
        let (first_n, second_n) = (pick(&first), pick(&second));
        let single_n = batch.per_comparison(&first_n, |_, label| Ok(f64::from(!label.is_pair())))?;
        let threshold_n = batch.per_comparison(&first_n, |_, label| Ok(label.threshold.unwrap_or(0.0)))?;
        let factor_n = super::numbers(&factor, rewards_s.kind(), device);
        // abs has the right sign on both sides: the pseudo-label is that of the reward itself.
        let away_n = (&first_n - threshold_n).abs() * &single_n;
        Ok(cost_of(&((first_n - second_n) + away_n)) * factor_n)
    }
}

/// What the language-model loss is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LmText {
    /// Prompts and chosen responses.
    #[default]
    Chosen,
    /// Prompts, chosen responses and, after them, why they are better.
    Rationale,
    /// Both responses, which are critiques of what the prompts show; not the prompts.
    Critiques,
}

/// L = L_bt + weight·NLL, through the output layer of the model that training began with (GRM, arXiv 2406.10216), which stays as
/// it is, or its embeddings; of critiques through the model's own, which is trained and saved (CLoud, arXiv 2408.11791).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LmBeside {
    pub lm_weight: f64,
    pub text: LmText,
}

impl Default for LmBeside {
    fn default() -> Self {
        Self { lm_weight: 0.01, text: LmText::Chosen }
    }
}

impl LmBeside {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("lm-weight", self.lm_weight, self.lm_weight > 0.0, "above 0")])
    }
}

/// Bradley–Terry on rewards of whole responses that are made of their tokens' rewards; where rewards are read
/// belongs to the model, which keeps it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TokenHead {
    pub aggregate: Aggregate,
}

/// L(z) of r_u = r_0 + u·(W h), u a vector of `rank` numbers per user, W shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Individual {
    pub rank: u64,
    /// Of vectors and W, constant.
    pub lr: f64,
    pub weight_decay: f64,
}

impl Default for Individual {
    fn default() -> Self {
        Self { rank: 8, lr: 1e-3, weight_decay: 0.01 }
    }
}

impl Individual {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("rank", self.rank as f64, self.rank > 0, "above 0"),
            ("lr", self.lr, self.lr > 0.0, "above 0"),
            ("weight-decay", self.weight_decay, self.weight_decay >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)
    }
}

/// The part of these objectives that is Bradley–Terry.
pub fn plain(name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
    BradleyTerry::default().losses(name, batch)
}
