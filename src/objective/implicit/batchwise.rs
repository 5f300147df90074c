//! Losses that compare pairs with other pairs of the step.
//!
//! Distributional preference (AOT, arXiv 2406.05882): differences are sorted before they are compared, i the rank.
//! `aot`: L(β·(u_(i) − v_(i))), u = lp_w − lp_l, v = ref_w − ref_l, each sorted over the step; `aot-unpaired`: u = lr_w,
//! v = lr_l. With label smoothing (1−ε)·L(x) + ε·L(−x).
//!
//! Relative preference (RPO): mean over j of L(β·ω_ij·(lr_w,i − lr_l,j)), ω the softmax over j of −(1 − cos(i, j))/τ, cos
//! of the prompts' topics ([`topic`](crate::objective::topic)).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{PolicyNeeds, ReferenceOf, Sequences, Span, pairs_only};
use crate::objective::{ObjectiveError, Rewards, cost_of, refuse};
use crate::table::implicit::{Curve, Normalisation};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sorted {
    pub beta: f64,
    pub label_smoothing: f64,
    /// Chosen and rejected log-ratios are sorted each on their own.
    pub unpaired: bool,
    pub reference: ReferenceOf,
}

impl Default for Sorted {
    fn default() -> Self {
        Self { beta: 0.1, label_smoothing: 0.0, unpaired: false, reference: ReferenceOf::Model }
    }
}

/// Objectives that see the whole step, with rewards β·lr.
fn needs(beta: f64, reference: ReferenceOf) -> PolicyNeeds {
    PolicyNeeds {
        reference: Some(reference),
        read_against_start: false,
        span: Span::Response,
        whole: false,
        whole_step: true,
        shift: None,
        normalisation: Normalisation::Sum,
        curve: Curve::Straight,
        beta,
    }
}

impl Sorted {
    pub fn needs(&self) -> PolicyNeeds {
        needs(self.beta, self.reference)
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let smoothing = (0.0..0.5).contains(&self.label_smoothing);
        let checks = [
            ("beta", self.beta, self.beta > 0.0, "above 0"),
            ("label-smoothing", self.label_smoothing, smoothing, "at least 0 and below 0.5"),
        ];
        refuse(name, &checks)
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        pairs_only(name, batch.labels)?;
        let of = Sequences::of(name, batch)?;
        let (u_n, v_n) = match self.unpaired {
            true => of.sides(&of.log_ratio()),
            false => {
                let ((chosen, rejected), (ref_chosen, ref_rejected)) =
                    (of.sides(&of.log_prob_s), of.sides(&of.reference_s));
                (chosen - rejected, ref_chosen - ref_rejected)
            }
        };
        let sorted = |x: Tensor| x.sort(0, false).0;
        let x_n = (sorted(u_n) - sorted(v_n)) * self.beta;
        let epsilon = self.label_smoothing;
        Ok(cost_of(&x_n) * (1.0 - epsilon) + cost_of(&-x_n) * epsilon)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Relative {
    pub beta: f64,
    /// How quickly a pair of another topic counts less.
    pub tau: f64,
    pub reference: ReferenceOf,
}

impl Default for Relative {
    fn default() -> Self {
        Self { beta: 0.1, tau: 0.5, reference: ReferenceOf::Model }
    }
}

impl Relative {
    pub fn needs(&self) -> PolicyNeeds {
        needs(self.beta, self.reference)
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("beta", self.beta, self.beta > 0.0, "above 0"), ("tau", self.tau, self.tau > 0.0, "above 0")])
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        pairs_only(name, batch.labels)?;
        let of = Sequences::of(name, batch)?;
        let width = batch.labels.first().map_or(0, |label| label.topic.len());
        if let Some(index) = batch.labels.iter().position(|label| label.topic.len() != width || width == 0) {
            return Err(ObjectiveError::Lacks { objective: name, index, what: "topic" });
        }
        let topics: Vec<f64> = batch.labels.iter().flat_map(|label| label.topic.iter().copied()).collect();
        let topics_nk = Tensor::from_slice(&topics).view([-1, width as i64]);
        let topics_nk = topics_nk.to_kind(of.kind()).to_device(of.log_prob_s.device());
        let weights_nn = ((topics_nk.matmul(&topics_nk.tr()) - 1.0) / self.tau).softmax(-1, of.kind());
        let (chosen_n, rejected_n) = of.sides(&of.log_ratio());
        let gaps_nn = chosen_n.unsqueeze(1) - rejected_n.unsqueeze(0);
        Ok(cost_of(&(gaps_nn * weights_nn * self.beta)).mean_dim(1i64, false, of.kind()))
    }
}
