//! Losses of more than a pair, and of less than one.
//!
//! | name | loss | from |
//! |---|---|---|
//! | `tpo` | f(β·(s_w − s_l) − γ) + nll·NLL(y_gold) of gold, chosen and rejected (ranks 1, 2, 3); s = lp or m; f = L, `hinge` or `square` as in [`contrast`](super::contrast) | arXiv 2405.16681 |
//! | `ampo` | −log(Σ_good e^s / Σ e^s), s = β·lp + weight·(rating − mean rating) | arXiv 2502.18293 |
//! | `sft` | NLL(y_w) | |

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::contrast::Link;
use super::{NllMean, PolicyNeeds, Sequences, Span};
use crate::objective::{ObjectiveError, Rewards, cost_of, numbers, refuse};
use crate::table::implicit::{Curve, Normalisation};

/// Objectives that need the policy alone.
fn needs(normalisation: Normalisation, beta: f64, nll_mean: NllMean) -> PolicyNeeds {
    PolicyNeeds {
        reference: None,
        read_against_start: false,
        span: Span::Response,
        whole: false,
        whole_step: nll_mean == NllMean::Step,
        shift: None,
        normalisation,
        curve: Curve::Straight,
        beta,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Triple {
    pub beta: f64,
    pub gamma: f64,
    pub nll: f64,
    pub nll_mean: NllMean,
    /// s = m in place of lp.
    pub mean: bool,
    /// `sigmoid`, `hinge` or `square`.
    pub link: Link,
    pub label_smoothing: f64,
}

impl Default for Triple {
    fn default() -> Self {
        let (link, label_smoothing) = (Link::Sigmoid, 0.0);
        Self { beta: 0.01, gamma: 0.0, nll: 1.0, nll_mean: NllMean::Response, mean: false, link, label_smoothing }
    }
}

impl Triple {
    pub fn needs(&self) -> PolicyNeeds {
        let normalisation = if self.mean { Normalisation::Mean } else { Normalisation::Sum };
        let whole_step = self.nll > 0.0 && self.nll_mean == NllMean::Step;
        // (s_w − s_l − 1/(2β))² has no β before its scores.
        let beta = if self.link == Link::Square { 1.0 } else { self.beta };
        PolicyNeeds { whole_step, ..needs(normalisation, beta, self.nll_mean) }
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("beta", self.beta, self.beta > 0.0, "above 0"),
            ("gamma", self.gamma, self.gamma >= 0.0, "at least 0"),
            ("nll", self.nll, self.nll >= 0.0, "at least 0"),
            (
                "label-smoothing",
                self.label_smoothing,
                (0.0..0.5).contains(&self.label_smoothing),
                "at least 0 and below 0.5",
            ),
        ];
        refuse(name, &checks)?;
        let conflict = |problem| Err(ObjectiveError::Conflict { objective: name, problem });
        match self.link {
            Link::Exo | Link::Discopop => conflict("link is `sigmoid`, `hinge` or `square`"),
            Link::Hinge | Link::Square if self.label_smoothing > 0.0 => {
                conflict("label-smoothing is of the link `sigmoid`")
            }
            Link::Square if self.gamma > 0.0 => conflict("gamma is of the links `sigmoid` and `hinge`"),
            _ => Ok(()),
        }
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let of = Sequences::of(name, batch)?;
        let scores_s = if self.mean { of.mean() } else { of.log_prob_s.shallow_clone() };
        let (mut gaps, mut golds) = (Vec::with_capacity(batch.labels.len()), Vec::with_capacity(batch.labels.len()));
        for ((index, label), start) in batch.labels.iter().enumerate().zip(batch.starts()) {
            let place = |rank: u32| label.ranks.iter().position(|found| *found == rank);
            let (3, Some(gold), Some(chosen), Some(rejected)) = (label.n_responses(), place(0), place(1), place(2))
            else {
                let what = "three responses in a strict ranking: gold, chosen, rejected";
                return Err(ObjectiveError::Lacks { objective: name, index, what });
            };
            let score = |place: usize| scores_s.get((start + place) as i64);
            gaps.push(score(chosen) - score(rejected));
            golds.push((start + gold) as i64);
        }
        let gap_n = Tensor::stack(&gaps, 0);
        let x_n = &gap_n * self.beta - self.gamma;
        let losses_n = match self.link {
            Link::Hinge => (-x_n + 1.0).relu(),
            Link::Square => (gap_n - 0.5 / self.beta).square(),
            _ => cost_of(&x_n) * (1.0 - self.label_smoothing) + cost_of(&-x_n) * self.label_smoothing,
        };
        Ok(losses_n + of.nll_of(&golds, Span::Response, self.nll_mean) * self.nll)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    pub beta: f64,
    /// Of ratings, where the data have some.
    pub rating_weight: f64,
    /// Means of log-probabilities in place of sums.
    pub mean: bool,
}

impl Default for Group {
    fn default() -> Self {
        Self { beta: 1.0, rating_weight: 0.0, mean: true }
    }
}

impl Group {
    pub fn needs(&self) -> PolicyNeeds {
        needs(if self.mean { Normalisation::Mean } else { Normalisation::Sum }, self.beta, NllMean::Response)
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("beta", self.beta, self.beta > 0.0, "above 0"),
            ("rating-weight", self.rating_weight, self.rating_weight >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let of = Sequences::of(name, batch)?;
        let scores_s = if self.mean { of.mean() } else { of.log_prob_s.shallow_clone() };
        let scores_s = scores_s * self.beta;
        let mut losses = Vec::with_capacity(batch.labels.len());
        for ((index, label), start) in batch.labels.iter().enumerate().zip(batch.starts()) {
            let (n_chosen, n) = (label.n_chosen as i64, label.n_responses() as i64);
            if label.n_chosen == 0 || label.n_rejected == 0 {
                return Err(ObjectiveError::Lacks { objective: name, index, what: "responses on both sides" });
            }
            let mut group = scores_s.narrow(0, start as i64, n);
            if self.rating_weight > 0.0 {
                let ratings: Option<Vec<f64>> = label.ratings.iter().copied().collect();
                let ratings = ratings.filter(|ratings| ratings.len() as i64 == n);
                let ratings = ratings.ok_or(ObjectiveError::Lacks {
                    objective: name,
                    index,
                    what: "rating of every response",
                })?;
                let mean = ratings.iter().sum::<f64>() / n as f64;
                let shifts: Vec<f64> = ratings.iter().map(|rating| self.rating_weight * (rating - mean)).collect();
                group = &group + numbers(&shifts, of.kind(), scores_s.device());
            }
            losses.push(group.logsumexp([0i64], false) - group.narrow(0, 0, n_chosen).logsumexp([0i64], false));
        }
        Ok(Tensor::stack(&losses, 0))
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sft {
    pub nll_mean: NllMean,
}

impl Sft {
    /// Its reward is the change of the log-probability: β·(lp_sft − lp_base); the reference is needed to read it, not to
    /// train it.
    pub fn needs(&self) -> PolicyNeeds {
        PolicyNeeds { read_against_start: true, ..needs(Normalisation::Sum, 1.0, self.nll_mean) }
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let of = Sequences::of(name, batch)?;
        Ok(of.nll(0, Span::Response, self.nll_mean))
    }
}
