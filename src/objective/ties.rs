//! Pairs of which some are ties: the loss is −log P of what was observed, d = r_c − r_r.
//!
//! Rao–Kupper (1967): P(win) = σ(d − ln θ), P(tie) = (θ² − 1)·σ(d − ln θ)·σ(−d − ln θ), θ > 1.
//! Davidson (1970): P(win) = 1/Z, P(tie) = ν·e^{−d/2}/Z, Z = 1 + e^{−d} + ν·e^{−d/2}, ν > 0.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ObjectiveError, Rewards, cost_of, refuse};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RaoKupper {
    /// θ > 1; equal responses tie with probability (θ − 1)/(θ + 1).
    pub theta: f64,
}

impl Default for RaoKupper {
    fn default() -> Self {
        Self { theta: 1.5 }
    }
}

impl RaoKupper {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("theta", self.theta, self.theta > 1.0, "above 1")])
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        let gap_n = chosen_n - rejected_n;
        let step = self.theta.ln();
        let win_n = cost_of(&(&gap_n - step));
        // θ² − 1 = e^{2 ln θ} − 1.
        let tie_n = &win_n + cost_of(&(-&gap_n - step)) - (2.0 * step).exp_m1().ln();
        observed(batch, &win_n, &tie_n)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Davidson {
    /// ν > 0; equal responses tie with probability ν/(2 + ν).
    pub nu: f64,
}

impl Default for Davidson {
    fn default() -> Self {
        Self { nu: 0.5 }
    }
}

impl Davidson {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("nu", self.nu, self.nu > 0.0, "above 0")])
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        let half_n = (chosen_n - rejected_n) * 0.5;
        // log Z with the symmetric terms e^{d/2}, e^{−d/2} and ν; the win's share of it is e^{d/2}.
        let log_nu = half_n.zeros_like() + self.nu.ln();
        let log_z_n = Tensor::stack(&[&half_n, &-&half_n, &log_nu], 0).logsumexp([0i64], false);
        observed(batch, &(&log_z_n - &half_n), &(&log_z_n - self.nu.ln()))
    }
}

/// The tie's loss where the pair is a tie, else the win's.
fn observed(batch: &Rewards, win_n: &Tensor, tie_n: &Tensor) -> Result<Tensor, ObjectiveError> {
    let tied_n = batch.per_comparison(win_n, |_, label| Ok(f64::from(label.is_tie())))?;
    Ok(win_n + (tie_n - win_n) * tied_n)
}
