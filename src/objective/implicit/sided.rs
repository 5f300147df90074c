//! Losses that look at each response alone (and, of `apo-down`, at the pair): a good one should be likelier than the
//! reference has it, a bad one less likely.
//!
//! | rule | good | bad |
//! |---|---|---|
//! | `nca` | L(β·lr) + ½·L(−β·lr) | ½·L(−β·lr) |
//! | `bco-pair` | L(β·lr) | L(−β·lr) |
//! | `bco` | desirable·L(β·lr − δ) | undesirable·L(−(β·lr − δ)) |
//! | `kto` | desirable·(1 − σ(β·(lr − z))) | undesirable·(1 − σ(β·(z − lr))) |
//! | `apo-zero` | 1 − σ(β·lr) | σ(β·lr) |
//! | `apo-down` | σ(β·lr_w) | 1 − σ(β·(lr_w − lr_l)) |
//! | `sppo-hard` | (lr − 1/(2β))² | (lr + 1/(2β))² |
//! | `ulma` | NLL; rated otherwise than 0 or 1: (rating − β·lr − shift)² | L(−β·lr − shift) |
//! | `pmpo` | −a·lp + ½·β·(lp_ref − lp) | (1 − a)·lp + ½·β·(lp_ref − lp) |
//!
//! δ and z are the step's (see [`Shift`]). What PMPO calls KL(ref‖π) is estimated by lp_ref − lp: its responses are
//! taken to be the reference's own samples.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{PolicyNeeds, ReferenceOf, Sequences, Shift, Span};
use crate::objective::{Label, ObjectiveError, Rewards, cost_of, numbers, refuse};
use crate::table::implicit::{Curve, Normalisation};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    Nca,
    BcoPair,
    Bco,
    #[default]
    Kto,
    ApoZero,
    ApoDown,
    SppoHard,
    Ulma,
    Pmpo,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sided {
    pub rule: Rule,
    pub beta: f64,
    /// Weights of good and of bad responses (KTO's λ, BCO's w, PMPO's a and 1 − a).
    pub desirable: f64,
    pub undesirable: f64,
    /// ULMA's constant in place of the logarithm of a partition function.
    pub shift: f64,
    pub reference: ReferenceOf,
}

impl Default for Sided {
    fn default() -> Self {
        Self { rule: Rule::Kto, beta: 0.1, desirable: 1.0, undesirable: 1.0, shift: 0.0, reference: ReferenceOf::Model }
    }
}

impl Sided {
    pub fn needs(&self) -> PolicyNeeds {
        PolicyNeeds {
            reference: Some(self.reference),
            read_against_start: false,
            span: Span::Response,
            whole: false,
            whole_step: false,
            shift: match self.rule {
                Rule::Kto => Some(Shift::Mismatched),
                Rule::Bco => Some(Shift::RunningMean { beta: self.beta }),
                _ => None,
            },
            normalisation: Normalisation::Sum,
            curve: Curve::Straight,
            beta: if self.rule == Rule::SppoHard { 1.0 } else { self.beta },
        }
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("beta", self.beta, self.beta > 0.0, "above 0"),
            ("desirable", self.desirable, self.desirable > 0.0, "above 0"),
            ("undesirable", self.undesirable, self.undesirable >= 0.0, "at least 0"),
            ("shift", self.shift, true, "a number"),
        ];
        refuse(name, &checks)
    }

    /// Whether single responses with a label are of use, beside pairs.
    pub fn takes_single(&self) -> bool {
        matches!(self.rule, Rule::Bco | Rule::Kto | Rule::ApoZero | Rule::Ulma | Rule::Pmpo)
    }

    /// Losses [n]: sums over the responses of a comparison.
    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let of = Sequences::of(name, batch)?;
        let kind = of.kind();
        let device = of.log_prob_s.device();
        let (mut good, mut bad, mut rated, mut shift, mut owner) = (vec![], vec![], vec![], vec![], vec![]);
        for (index, label) in batch.labels.iter().enumerate() {
            self.refuse_shape(name, index, label)?;
            let threshold = match (self.needs().shift, label.threshold) {
                (Some(_), None) => {
                    return Err(ObjectiveError::Lacks { objective: name, index, what: "shift of its step" });
                }
                (_, threshold) => threshold.unwrap_or(0.0),
            };
            for place in 0..label.n_sequences() {
                let responds = place < label.n_responses();
                let rating = label.ratings.get(place).copied().flatten();
                let is_good = rating.map_or(place < label.n_chosen, |rating| rating >= 0.5);
                let between = rating.filter(|rating| *rating != 0.0 && *rating != 1.0);
                let continuous = self.rule == Rule::Ulma && between.is_some();
                good.push(f64::from(responds && !continuous && is_good));
                bad.push(f64::from(responds && !continuous && !is_good));
                rated.push(if continuous && responds { between.unwrap_or(0.0) } else { f64::NAN });
                shift.push(threshold);
                owner.push(index as i64);
            }
        }
        let column = |values: &[f64]| numbers(values, kind, device);
        let (good_s, bad_s, shift_s) = (column(&good), column(&bad), column(&shift));
        let lr_s = of.log_ratio();
        let [of_good_s, of_bad_s] = self.of_sides(&of, &lr_s, &shift_s);
        if self.rule == Rule::ApoDown {
            // Pairs only: the rejected response's loss is of the gap.
            let (chosen_n, rejected_n) = of.sides(&lr_s);
            let fall_n = (&chosen_n * self.beta).sigmoid();
            let gap_n = 1.0 - ((chosen_n - rejected_n) * self.beta).sigmoid();
            return Ok(fall_n + gap_n);
        }
        let mut losses_s = of_good_s * good_s + of_bad_s * bad_s;
        if rated.iter().any(|rating| !rating.is_nan()) {
            let is_rated = column(&rated.iter().map(|rating| f64::from(!rating.is_nan())).collect::<Vec<_>>());
            let target_s = column(&rated.iter().map(|r| if r.is_nan() { 0.0 } else { *r }).collect::<Vec<_>>());
            losses_s += (target_s - &lr_s * self.beta - self.shift).square() * is_rated;
        }
        let owner_s = Tensor::from_slice(&owner).to_device(device);
        Ok(Tensor::zeros([batch.labels.len() as i64], (kind, device)).index_add(0, &owner_s, &losses_s))
    }

    fn refuse_shape(&self, objective: &'static str, index: usize, label: &Label) -> Result<(), ObjectiveError> {
        let single = self.takes_single() && label.n_rejected == 0 && label.n_chosen == 1 && !label.ratings.is_empty();
        if label.is_pair() || single {
            return Ok(());
        }
        let &Label { n_chosen, n_rejected, .. } = label;
        Err(ObjectiveError::NotAPair { objective, index, n_chosen, n_rejected })
    }

    /// What every sequence costs as a good and as a bad response.
    fn of_sides(&self, of: &Sequences, lr_s: &Tensor, shift_s: &Tensor) -> [Tensor; 2] {
        let reward_s = lr_s * self.beta;
        let (up, down) = (self.desirable, self.undesirable);
        match self.rule {
            Rule::Nca => {
                let half = cost_of(&-&reward_s) * 0.5;
                [cost_of(&reward_s) + &half, half]
            }
            Rule::BcoPair | Rule::ApoDown => [cost_of(&reward_s), cost_of(&-&reward_s)],
            Rule::Bco => {
                let above_s = reward_s - shift_s;
                [cost_of(&above_s) * up, cost_of(&-above_s) * down]
            }
            Rule::Kto => {
                let above_s = (lr_s - shift_s) * self.beta;
                [(-&above_s).sigmoid() * up, above_s.sigmoid() * down]
            }
            Rule::ApoZero => [(-&reward_s).sigmoid(), reward_s.sigmoid()],
            Rule::SppoHard => {
                let aim = 0.5 / self.beta;
                [(lr_s - aim).square(), (lr_s + aim).square()]
            }
            Rule::Ulma => [-of.mean(), cost_of(&(-reward_s - self.shift))],
            Rule::Pmpo => {
                let drift_s = -reward_s * 0.5;
                [&drift_s - &of.log_prob_s * up, drift_s + &of.log_prob_s * down]
            }
        }
    }
}
