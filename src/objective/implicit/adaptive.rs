//! A penalty of the rejected response that grows with how far it is from the chosen one:
//!
//! `L(β·lp_w − τ·β·lp_l) + nll·NLL(y_w)`, τ = min(c1·e^{c2·abs(m_w − m_l)} − 1, 1)
//!
//! τ is bounded from above alone (c1 − 1 at equal means), and gradients flow through it, as in the authors' code.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{NllMean, PolicyNeeds, Sequences, Span, bounded_exp, pairs_only};
use crate::objective::{ObjectiveError, Rewards, cost_of, refuse};
use crate::table::implicit::{Curve, Normalisation};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Adaptive {
    pub beta: f64,
    pub c1: f64,
    pub c2: f64,
    pub nll: f64,
    pub nll_mean: NllMean,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { beta: 0.1, c1: 0.9, c2: 0.4, nll: 1.0, nll_mean: NllMean::Response }
    }
}

impl Adaptive {
    pub fn needs(&self) -> PolicyNeeds {
        PolicyNeeds {
            reference: None,
            read_against_start: false,
            span: Span::Response,
            whole: false,
            whole_step: self.nll > 0.0 && self.nll_mean == NllMean::Step,
            shift: None,
            normalisation: Normalisation::Sum,
            curve: Curve::Straight,
            beta: self.beta,
        }
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("beta", self.beta, self.beta > 0.0, "above 0"),
            ("c1", self.c1, self.c1 > 0.0, "above 0"),
            ("c2", self.c2, self.c2 >= 0.0, "at least 0"),
            ("nll", self.nll, self.nll >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        pairs_only(name, batch.labels)?;
        let of = Sequences::of(name, batch)?;
        let (mean_w, mean_l) = of.sides(&of.mean());
        let (log_prob_w, log_prob_l) = of.sides(&of.log_prob_s);
        let tau_n = (bounded_exp(&((mean_w - mean_l).abs() * self.c2)) * self.c1 - 1.0).clamp_max(1.0);
        let losses_n = cost_of(&((log_prob_w - tau_n * log_prob_l) * self.beta));
        Ok(losses_n + of.nll(0, Span::Response, self.nll_mean) * self.nll)
    }
}
