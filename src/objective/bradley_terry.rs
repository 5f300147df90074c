//! Bradley–Terry on reward gaps, with what is commonly done to labels and gaps:
//!
//! `w · [a·L(z) + b·L(−z)] + η·(r_c + r_r)²`, with `L(z) = −log σ(z)` and `z = r_c − r_r − m`.
//!
//! | setting | effect | from |
//! |---|---|---|
//! | `margin = "subtract"` | m = scale·margin | Llama 2 (arXiv 2307.09288), HelpSteer2-Preference (arXiv 2410.01257) |
//! | `margin = "weight"` | w = scale·abs(margin): "scaled Bradley–Terry"; ties drop out by themselves | arXiv 2410.01257 |
//! | `margin-of = "votes"` | margin = 2p − 1, p the share of votes for the chosen response; 0 of a coin flip | Beyond the Binary |
//! | `soft-labels` | (a, b) = (q, 1 − q), q the probability or vote share in the data; else (1, 0) | |
//! | `label-smoothing` | (a, b) ← ((1−ε)a + εb, (1−ε)b + εa): a share ε of labels is taken to be flipped | conservative DPO, on rewards |
//! | `flip-rate` | (a, b) ← ((1−ρ)a − ρb, (1−ρ)b − ρa) / (1 − 2ρ): unbiased where a share ρ is flipped, unbounded below | robust DPO (arXiv 2403.00409), on rewards |
//! | `centering` | η: holds the free offset of rewards; the squared sum, not a mean of squares | arXiv 2312.09244, TRL |

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ObjectiveError, Rewards, cost_of, refuse};

/// What the margin of a pair is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginUse {
    #[default]
    Ignore,
    /// The gap has to exceed the margin.
    Subtract,
    /// Clearer preferences count more.
    Weight,
}

/// What says how clear a preference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginOf {
    /// The margin column.
    #[default]
    Margin,
    /// 2p − 1, p the share of votes for the chosen response.
    Votes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BradleyTerry {
    pub margin: MarginUse,
    pub margin_of: MarginOf,
    /// Multiplies margins, whose unit is the data set's.
    pub margin_scale: f64,
    pub soft_labels: bool,
    /// ε in [0, ½).
    pub label_smoothing: f64,
    /// ρ in [0, 0.4].
    pub flip_rate: f64,
    /// η ≥ 0; 0.01 is the usual value.
    pub centering: f64,
}

impl Default for BradleyTerry {
    fn default() -> Self {
        Self {
            margin: MarginUse::Ignore,
            margin_of: MarginOf::Margin,
            margin_scale: 1.0,
            soft_labels: false,
            label_smoothing: 0.0,
            flip_rate: 0.0,
            centering: 0.0,
        }
    }
}

impl BradleyTerry {
    pub fn needs_margin(&self) -> bool {
        self.margin != MarginUse::Ignore && self.margin_of == MarginOf::Margin
    }

    pub fn needs_votes(&self) -> bool {
        self.margin != MarginUse::Ignore && self.margin_of == MarginOf::Votes
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let smoothing = (0.0..0.5).contains(&self.label_smoothing);
        let checks = [
            ("margin-scale", self.margin_scale, self.margin_scale > 0.0, "above 0"),
            ("label-smoothing", self.label_smoothing, smoothing, "at least 0 and below 0.5"),
            // Beyond 0.4 a single wrong pair weighs more than four right ones.
            ("flip-rate", self.flip_rate, (0.0..=0.4).contains(&self.flip_rate), "at least 0 and at most 0.4"),
            ("centering", self.centering, self.centering >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)?;
        if self.label_smoothing > 0.0 && self.flip_rate > 0.0 {
            let problem = "label-smoothing adds the doubt that flip-rate takes away; set one of them";
            return Err(ObjectiveError::Conflict { objective: name, problem });
        }
        Ok(())
    }

    /// Losses [n] in the kind of the rewards, at least f32.
    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        let mut gap_n = &chosen_n - &rejected_n;
        if self.margin == MarginUse::Subtract {
            gap_n -= self.margins(name, batch, &gap_n)?;
        }
        let mut losses_n = self.compared(name, batch, &gap_n)?;
        if self.margin == MarginUse::Weight {
            losses_n *= self.margins(name, batch, &gap_n)?.abs();
        }
        if self.centering > 0.0 {
            losses_n += (chosen_n + rejected_n).square() * self.centering;
        }
        Ok(losses_n)
    }

    /// a·L(z) + b·L(−z), what is not needed left out.
    pub(super) fn compared(
        &self,
        name: &'static str,
        batch: &Rewards,
        gap_n: &Tensor,
    ) -> Result<Tensor, ObjectiveError> {
        if !self.soft_labels {
            return Ok(match self.shares(1.0) {
                (a, 0.0) => cost_of(gap_n) * a,
                (a, b) => cost_of(gap_n) * a + cost_of(&-gap_n) * b,
            });
        }
        let soft = |index, label: &super::Label| {
            label.soft().ok_or(ObjectiveError::Lacks { objective: name, index, what: "probability and no votes" })
        };
        let a_n = batch.per_comparison(gap_n, |index, label| Ok(self.shares(soft(index, label)?).0))?;
        let b_n = batch.per_comparison(gap_n, |index, label| Ok(self.shares(soft(index, label)?).1))?;
        Ok(cost_of(gap_n) * a_n + cost_of(&-gap_n) * b_n)
    }

    /// (a, b) of a label that holds with probability `q`.
    fn shares(&self, q: f64) -> (f64, f64) {
        let (a, b) = (q, 1.0 - q);
        let keep = |doubt: f64| ((1.0 - doubt) * a + doubt * b, (1.0 - doubt) * b + doubt * a);
        match self.flip_rate {
            0.0 => keep(self.label_smoothing),
            rate => {
                let scale = 1.0 / (1.0 - 2.0 * rate);
                (((1.0 - rate) * a - rate * b) * scale, ((1.0 - rate) * b - rate * a) * scale)
            }
        }
    }

    /// Scaled margins [n].
    fn margins(&self, name: &'static str, batch: &Rewards, like: &Tensor) -> Result<Tensor, ObjectiveError> {
        batch.per_comparison(like, |index, label| {
            let (margin, what) = match self.margin_of {
                MarginOf::Margin => (label.margin, "margin"),
                MarginOf::Votes => (label.vote_share.map(|share| 2.0 * share - 1.0), "votes"),
            };
            let margin = margin.map(|margin| margin * self.margin_scale);
            margin.ok_or(ObjectiveError::Lacks { objective: name, index, what })
        })
    }
}

/// −log σ(gap), what a pair costs; for numbers outside the graph.
pub fn pair_loss(gap: f64) -> f64 {
    (-gap).max(0.0) + (-gap.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::objective::Label;

    const NAME: &str = "bt";

    fn bt(change: impl FnOnce(&mut BradleyTerry)) -> BradleyTerry {
        let mut objective = BradleyTerry::default();
        change(&mut objective);
        objective.validate(NAME).unwrap();
        objective
    }

    /// Loss of one pair and its derivatives by both rewards, in f64.
    fn at(objective: &BradleyTerry, chosen: f64, rejected: f64, margin: f64) -> [f64; 3] {
        let rewards = Tensor::from_slice(&[chosen, rejected]).set_requires_grad(true);
        let labels = [Label::pair(Some(margin))];
        let loss = objective.losses(NAME, &Rewards { rewards_s: &rewards, labels: &labels }).unwrap();
        loss.sum(Kind::Double).backward();
        let gradient = rewards.grad();
        [loss.double_value(&[0]), gradient.double_value(&[0]), gradient.double_value(&[1])]
    }

    fn variants() -> Vec<BradleyTerry> {
        vec![
            bt(|_| ()),
            bt(|o| o.margin = MarginUse::Subtract),
            bt(|o| o.margin = MarginUse::Weight),
            bt(|o| (o.margin, o.margin_scale) = (MarginUse::Subtract, 0.3)),
            bt(|o| o.label_smoothing = 0.2),
            bt(|o| o.centering = 0.01),
            bt(|o| o.flip_rate = 0.2),
            bt(|o| (o.margin, o.label_smoothing, o.centering) = (MarginUse::Weight, 0.1, 0.05)),
        ]
    }

    // Worked independently from the formulas with dual numbers, at r_c = 1.5, r_r = 0.25.
    #[test]
    fn golden_values_and_gradients() {
        let cases = [
            (bt(|_| ()), 0.0, [0.251929081, -0.222700139, 0.222700139]),
            (bt(|o| o.margin = MarginUse::Subtract), 0.5, [0.386871006, -0.320821301, 0.320821301]),
            (bt(|o| o.margin = MarginUse::Weight), 2.0, [0.503858163, -0.445400278, 0.445400278]),
            (bt(|o| o.centering = 0.01), 0.0, [0.282554081, -0.187700139, 0.257700139]),
            (bt(|o| o.label_smoothing = 0.1), 0.0, [0.376929081, -0.122700139, 0.122700139]),
        ];
        for (objective, margin, expected) in cases {
            let found = at(&objective, 1.5, 0.25, margin);
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-9, "{objective:?}: {found} instead of {expected}");
            }
        }
    }

    // Plain double arithmetic on the formulas, at r_c = 1.2, r_r = 0.5.
    #[test]
    fn golden_values_in_full_precision() {
        let cases = [
            (bt(|_| ()), 0.0, 0.4031860488854579),
            (bt(|o| o.margin = MarginUse::Subtract), 0.5, 0.5981388693815919),
            (bt(|o| o.margin = MarginUse::Weight), -2.0, 0.8063720977709158),
            (bt(|o| o.centering = 0.01), 0.0, 0.4320860488854579),
            (bt(|o| o.label_smoothing = 0.2), 0.0, 0.543186048885458),
            (bt(|o| o.flip_rate = 0.2), 0.0, 0.1698527155521246),
        ];
        for (objective, margin, expected) in cases {
            let found = at(&objective, 1.2, 0.5, margin)[0];
            assert!((found / expected - 1.0).abs() <= 1e-12, "{objective:?}: {found} instead of {expected}");
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let h = 1e-5;
        for objective in variants() {
            for (chosen, rejected, margin) in [(1.5, 0.25, 0.5), (-3.0, 2.0, 1.0), (0.0, 0.0, 2.0), (12.0, -11.0, 3.0)]
            {
                let value = |c: f64, r: f64| at(&objective, c, r, margin)[0];
                let [_, by_chosen, by_rejected] = at(&objective, chosen, rejected, margin);
                let numeric = [
                    (value(chosen + h, rejected) - value(chosen - h, rejected)) / (2.0 * h),
                    (value(chosen, rejected + h) - value(chosen, rejected - h)) / (2.0 * h),
                ];
                for (exact, numeric) in [by_chosen, by_rejected].into_iter().zip(numeric) {
                    assert!((exact - numeric).abs() < 1e-8, "{objective:?} at {chosen}, {rejected}: {exact} {numeric}");
                }
            }
        }
    }

    #[test]
    fn extreme_gaps_are_exact() {
        let [loss, by_chosen, _] = at(&bt(|_| ()), -500.0, 500.0, 0.0);
        assert_eq!((loss, by_chosen), (1000.0, -1.0));
        assert_eq!(at(&bt(|_| ()), 500.0, -500.0, 0.0), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn identities() {
        // L(−d) − L(d) = d, and a weight of zero has no gradient.
        let plain = bt(|_| ());
        let difference = at(&plain, 0.3, 1.0, 0.0)[0] - at(&plain, 1.0, 0.3, 0.0)[0];
        assert!((difference - 0.7).abs() < 1e-15);
        assert_eq!(at(&bt(|o| o.margin = MarginUse::Weight), 1.0, 0.3, 0.0), [0.0, 0.0, 0.0]);
        for gap in [-40.0, -0.7, 0.0, 0.7, 40.0] {
            assert!((pair_loss(gap) - at(&plain, gap, 0.0, 0.0)[0]).abs() < 1e-15);
        }
    }

    #[test]
    fn half_precision_rewards_are_widened_before_the_gap() {
        let rewards = Tensor::from_slice(&[16.125f32, 16.0]).to_kind(Kind::BFloat16);
        let labels = [Label::pair(None)];
        let loss = bt(|_| ()).losses(NAME, &Rewards { rewards_s: &rewards, labels: &labels }).unwrap();
        assert_eq!(loss.kind(), Kind::Float);
        assert!((loss.double_value(&[0]) - pair_loss(0.125)).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let rewards = Tensor::from_slice(&[1.0f32, 2.0, 3.0]);
        let three = [Label { n_rejected: 2, ..Label::pair(None) }];
        let error = bt(|_| ()).losses(NAME, &Rewards { rewards_s: &rewards, labels: &three }).unwrap_err();
        assert!(matches!(error, ObjectiveError::NotAPair { n_rejected: 2, .. }));
        let pair = [Label::pair(None)];
        let error = bt(|_| ()).losses(NAME, &Rewards { rewards_s: &rewards, labels: &pair }).unwrap_err();
        assert_eq!(error, ObjectiveError::Count { rewards: 3, responses: 2 });
        let two = rewards.narrow(0, 0, 2);
        let uses_margin = bt(|o| o.margin = MarginUse::Subtract);
        let error = uses_margin.losses(NAME, &Rewards { rewards_s: &two, labels: &pair }).unwrap_err();
        assert_eq!(error, ObjectiveError::Lacks { objective: NAME, index: 0, what: "margin" });
        assert!(BradleyTerry { label_smoothing: 0.5, ..BradleyTerry::default() }.validate(NAME).is_err());
        assert!(BradleyTerry { flip_rate: 0.45, ..BradleyTerry::default() }.validate(NAME).is_err());
        let both = BradleyTerry { flip_rate: 0.1, label_smoothing: 0.1, ..BradleyTerry::default() };
        assert!(matches!(both.validate(NAME), Err(ObjectiveError::Conflict { .. })));
    }
}
