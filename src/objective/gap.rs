//! Other losses of the gap z = r_c − r_r of a pair.
//!
//! | name | loss | from |
//! |---|---|---|
//! | focal | −(1 − σ(z))^γ · log σ(z) | Skywork-Reward's comparison (arXiv 2410.18451) |
//! | hinge | max(0, t − z) | SLiC (arXiv 2305.10425), the same comparison |
//! | squared margin | (z − t)² | the same comparison |

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ObjectiveError, Rewards, cost_of, refuse};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Focal {
    /// γ ≥ 0; 0 is Bradley–Terry.
    pub gamma: f64,
}

impl Default for Focal {
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

impl Focal {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("gamma", self.gamma, self.gamma >= 0.0, "at least 0")])
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        let gap_n = chosen_n - rejected_n;
        // 1 − σ(z) = σ(−z), as a power of its logarithm.
        let doubt_n = (cost_of(&-&gap_n) * -self.gamma).exp();
        Ok(doubt_n * cost_of(&gap_n))
    }
}

/// Both losses that aim at a gap of a fixed size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Aim {
    /// t: the gap that is enough, or aimed at.
    pub target: f64,
}

impl Default for Aim {
    fn default() -> Self {
        Self { target: 1.0 }
    }
}

impl Aim {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        refuse(name, &[("target", self.target, self.target > 0.0, "above 0")])
    }

    pub fn hinge(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        Ok((rejected_n - chosen_n + self.target).relu())
    }

    pub fn square(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        Ok((chosen_n - rejected_n - self.target).square())
    }
}
