//! Losses of the difference between a chosen and a rejected response's score:
//!
//! `f(β·(s_w − s_l) − γ) + nll·NLL(y_w) + anchor·L(β·lr_w − δ) + rationale·NLL(y_w, why)`
//!
//! | score s | |
//! |---|---|
//! | `log-ratio` | lr, or of another f-divergence its link (arXiv 2309.16240): forward KL 1 − e^−lr, Jensen–Shannon log 2 + log σ(lr), α (e^{(α−1)lr} − 1)/(α − 1) |
//! | `mean-log-ratio` | lr/n |
//! | `log-prob` | lp |
//! | `mean-log-prob` | m |
//! | `log-odds` | m − log(1 − e^m); then β multiplies the loss and not the difference (ORPO's λ) |
//! | `alpha` | (1 − e^{−αm})/α (AlphaPO) |
//!
//! | link f | |
//! |---|---|
//! | `sigmoid` | a·L(x) + b·L(−x), a and b as [`BradleyTerry`] has them: smoothing, flips, soft labels |
//! | `hinge` | max(0, 1 − x) |
//! | `square` | (s_w − s_l − 1/(2β))² |
//! | `exo` | σ(x)·(log σ(x) − log(1−ε)) + σ(−x)·(log σ(−x) − log ε), ε the label smoothing |
//! | `discopop` | (1−g)·L(x) + g·e^−x, g = σ(x/τ) |

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{NllMean, PolicyNeeds, ReferenceOf, Sequences, Span, bounded_exp, log1mexp, pairs_only};
use crate::objective::bradley_terry::BradleyTerry;
use crate::objective::{ObjectiveError, Rewards, cost_of, refuse};
use crate::table::implicit::{Curve, Normalisation};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    #[default]
    LogRatio,
    MeanLogRatio,
    LogProb,
    MeanLogProb,
    LogOdds,
    Alpha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    #[default]
    Sigmoid,
    Hinge,
    Square,
    Exo,
    Discopop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    #[default]
    ReverseKl,
    ForwardKl,
    JensenShannon,
    Alpha,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Contrast {
    pub score: Score,
    pub link: Link,
    pub beta: f64,
    /// The gap that is aimed at beyond 0, in units of β·s.
    pub gamma: f64,
    pub divergence: Divergence,
    /// Of the α-divergence, or of AlphaPO's score.
    pub alpha: f64,
    /// DiscoPOP's temperature.
    pub tau: f64,
    pub soft_labels: bool,
    pub label_smoothing: f64,
    pub flip_rate: f64,
    /// Weight of NLL(y_w), and what it is over.
    pub nll: f64,
    pub nll_of: Span,
    pub nll_mean: NllMean,
    /// Weight of L(β·lr_w − δ), which keeps the chosen response likely.
    pub anchor: f64,
    pub anchor_delta: f64,
    /// Weight of the NLL of the chosen response with why it is better after it.
    pub rationale: f64,
    /// Which tokens lp and lr are over.
    pub span: Span,
    pub reference: ReferenceOf,
}

impl Default for Contrast {
    fn default() -> Self {
        Self {
            score: Score::LogRatio,
            link: Link::Sigmoid,
            beta: 0.1,
            gamma: 0.0,
            divergence: Divergence::ReverseKl,
            alpha: 0.5,
            tau: 0.05,
            soft_labels: false,
            label_smoothing: 0.0,
            flip_rate: 0.0,
            nll: 0.0,
            nll_of: Span::Response,
            nll_mean: NllMean::Response,
            anchor: 0.0,
            anchor_delta: 0.0,
            rationale: 0.0,
            span: Span::Response,
            reference: ReferenceOf::Model,
        }
    }
}

impl Contrast {
    pub fn needs(&self) -> PolicyNeeds {
        let of_ratio = matches!(self.score, Score::LogRatio | Score::MeanLogRatio);
        let normalisation = match self.score {
            Score::LogRatio | Score::LogProb => Normalisation::Sum,
            Score::MeanLogRatio | Score::MeanLogProb | Score::LogOdds | Score::Alpha => Normalisation::Mean,
        };
        let curve = match (self.score, self.divergence) {
            (Score::Alpha, _) => Curve::Exponential(-self.alpha),
            (_, Divergence::ForwardKl) => Curve::Exponential(-1.0),
            (_, Divergence::JensenShannon) => Curve::JensenShannon,
            // The reverse KL is the limit α → 1.
            (_, Divergence::Alpha) if self.alpha != 1.0 => Curve::Exponential(self.alpha - 1.0),
            _ => Curve::Straight,
        };
        PolicyNeeds {
            reference: (of_ratio || self.anchor > 0.0).then_some(self.reference),
            read_against_start: false,
            span: self.span,
            whole: self.nll > 0.0 && self.nll_of == Span::Sequence,
            whole_step: self.nll > 0.0 && self.nll_mean == NllMean::Step,
            shift: None,
            normalisation,
            curve,
            // (s_w − s_l − 1/(2β))² has no β before its scores.
            beta: if self.link == Link::Square { 1.0 } else { self.beta },
        }
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        self.labels().validate(name)?;
        let exo = self.link != Link::Exo || self.label_smoothing > 0.0;
        refuse(
            name,
            &[
                ("beta", self.beta, self.beta > 0.0, "above 0"),
                ("gamma", self.gamma, self.gamma >= 0.0, "at least 0"),
                ("alpha", self.alpha, self.alpha != 0.0 || self.score != Score::Alpha, "not 0"),
                ("tau", self.tau, self.tau > 0.0, "above 0"),
                ("nll", self.nll, self.nll >= 0.0, "at least 0"),
                ("anchor", self.anchor, self.anchor >= 0.0, "at least 0"),
                ("anchor-delta", self.anchor_delta, true, "a number"),
                ("rationale", self.rationale, self.rationale >= 0.0, "at least 0"),
                ("label-smoothing", self.label_smoothing, exo, "above 0 and below 0.5 with link `exo`"),
            ],
        )?;
        let conflict = |problem| Err(ObjectiveError::Conflict { objective: name, problem });
        let takes_labels = matches!(self.link, Link::Sigmoid | Link::Exo);
        if (self.soft_labels || self.label_smoothing > 0.0) && !takes_labels {
            return conflict("soft-labels and label-smoothing are of the links `sigmoid` and `exo`");
        }
        if self.flip_rate > 0.0 && self.link != Link::Sigmoid {
            return conflict("flip-rate is of the link `sigmoid`");
        }
        if self.divergence != Divergence::ReverseKl && !matches!(self.score, Score::LogRatio | Score::MeanLogRatio) {
            return conflict("divergence is of the scores `log-ratio` and `mean-log-ratio`");
        }
        if self.anchor > 0.0 && !matches!(self.score, Score::LogRatio | Score::MeanLogRatio) {
            return conflict("anchor needs a score with a reference");
        }
        Ok(())
    }

    /// What is done to labels, as Bradley–Terry on rewards does it.
    fn labels(&self) -> BradleyTerry {
        let Self { soft_labels, label_smoothing, flip_rate, .. } = *self;
        BradleyTerry { soft_labels, label_smoothing, flip_rate, ..BradleyTerry::default() }
    }

    pub fn needs_probability(&self) -> bool {
        self.soft_labels
    }

    /// s [s] of every sequence.
    fn scores(&self, of: &Sequences) -> Tensor {
        let linked = |lr_s: Tensor| match self.divergence {
            Divergence::ReverseKl => lr_s,
            Divergence::ForwardKl => 1.0 - bounded_exp(&-lr_s),
            Divergence::JensenShannon => lr_s.log_sigmoid() + std::f64::consts::LN_2,
            Divergence::Alpha if (self.alpha - 1.0).abs() < 1e-6 => lr_s,
            Divergence::Alpha => (bounded_exp(&(lr_s * (self.alpha - 1.0))) - 1.0) / (self.alpha - 1.0),
        };
        match self.score {
            Score::LogRatio => linked(of.log_ratio()),
            Score::MeanLogRatio => linked(of.log_ratio()) / &of.tokens_s,
            Score::LogProb => of.log_prob_s.shallow_clone(),
            Score::MeanLogProb => of.mean(),
            Score::LogOdds => {
                let mean_s = of.mean();
                &mean_s - log1mexp(&mean_s)
            }
            Score::Alpha => (1.0 - bounded_exp(&(of.mean() * -self.alpha))) / self.alpha,
        }
    }

    /// Losses [n] of pairs.
    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        pairs_only(name, batch.labels)?;
        let of = Sequences::of(name, batch)?;
        let (chosen_n, rejected_n) = of.sides(&self.scores(&of));
        let gap_n = chosen_n - rejected_n;
        let mut losses_n = self.linked(name, batch, &gap_n)?;
        if self.nll > 0.0 {
            losses_n += of.nll(0, self.nll_of, self.nll_mean) * self.nll;
        }
        if self.anchor > 0.0 {
            losses_n += cost_of(&(of.at(&of.log_ratio(), 0) * self.beta - self.anchor_delta)) * self.anchor;
        }
        if self.rationale > 0.0 {
            losses_n += of.nll(2, Span::Response, NllMean::Response) * self.rationale;
        }
        Ok(losses_n)
    }

    fn linked(&self, name: &'static str, batch: &Rewards, gap_n: &Tensor) -> Result<Tensor, ObjectiveError> {
        let (beta, weight) = match self.score {
            Score::LogOdds => (1.0, self.beta),
            _ => (self.beta, 1.0),
        };
        let x_n = gap_n * beta - self.gamma;
        let losses_n = match self.link {
            Link::Sigmoid => self.labels().compared(name, batch, &x_n)?,
            Link::Hinge => (-x_n + 1.0).relu(),
            Link::Square => (gap_n - 0.5 / self.beta).square(),
            Link::Exo => {
                let (log_w, log_l) = (x_n.log_sigmoid(), (-&x_n).log_sigmoid());
                let epsilon = self.label_smoothing;
                x_n.sigmoid() * (log_w - (-epsilon).ln_1p()) + (-&x_n).sigmoid() * (log_l - epsilon.ln())
            }
            Link::Discopop => {
                let share_n = (&x_n / self.tau).sigmoid();
                // g·e^−x as one exponential: each factor alone may be 0 or infinite.
                let exponential = bounded_exp(&((&x_n / self.tau).log_sigmoid() - &x_n));
                (1.0 - share_n) * cost_of(&x_n) + exponential
            }
        };
        Ok(losses_n * weight)
    }
}
