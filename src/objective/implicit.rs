//! Objectives of policies, whose rewards are implicit: functions of log-probabilities of whole responses, against a
//! reference model's or alone.
//!
//! Notation: lp = Σ_t log π(y_t | x, y_<t) over the response's tokens, n their number, m = lp/n, lr = lp − lp_ref; w the
//! chosen response, l the rejected one; L(x) = −log σ(x); NLL = −lp/n.

pub mod adaptive;
pub mod batchwise;
pub mod composite;
pub mod contrast;
pub mod lists;
pub mod sided;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Label, ObjectiveError, Rewards};
pub use crate::table::implicit::Span;
use crate::table::implicit::{Curve, Normalisation};

/// What a policy says of a sequence, by column.
pub mod column {
    /// Σ log p over the tokens that count.
    pub const LOG_PROB: i64 = 0;
    /// How many those are.
    pub const TOKENS: i64 = 1;
    /// Their Σ log p by the reference; 0 where the objective needs none.
    pub const REFERENCE: i64 = 2;
    /// Σ log p over all tokens, the prompt's too, and how many those are; as the first two where not asked for.
    pub const WHOLE: i64 = 3;
    pub const WHOLE_TOKENS: i64 = 4;
    pub const COUNT: i64 = 5;
}

/// What NLL is a mean over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NllMean {
    /// The tokens of the response.
    #[default]
    Response,
    /// The tokens of all chosen responses of the step (TRL): long responses count more.
    Step,
}

/// Where the log-probabilities come from that a policy's are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceOf {
    /// The model that training begins with, or the one that is named.
    #[default]
    Model,
    /// The data: columns with the log-probabilities by the policy that wrote the responses (behaviour-proximal
    /// objectives).
    Behaviour,
}

/// What training has to provide, and how the trained model's rewards are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyNeeds {
    /// `None`: the policy's own probabilities are enough.
    pub reference: Option<ReferenceOf>,
    /// Rewards of the trained model are read against the model that training began with, which training itself does without.
    pub read_against_start: bool,
    pub span: Span,
    /// Log-probabilities of whole sequences beside the responses'.
    pub whole: bool,
    /// All comparisons of a step have to be seen at once.
    pub whole_step: bool,
    pub shift: Option<Shift>,
    pub normalisation: Normalisation,
    pub curve: Curve,
    pub beta: f64,
}

/// A number that is subtracted from rewards, made of those of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shift {
    /// max(0, mean lr of responses to other prompts), which are further sequences (KTO).
    Mismatched,
    /// The running mean of β·lr over all responses so far (BCO).
    RunningMean { beta: f64 },
}

/// Columns of a micro-batch, each [s] in order of the sequences.
#[derive(Debug)]
pub struct Sequences {
    pub log_prob_s: Tensor,
    pub tokens_s: Tensor,
    pub reference_s: Tensor,
    pub whole_s: Tensor,
    pub whole_tokens_s: Tensor,
    starts: Vec<usize>,
}

impl Sequences {
    pub fn of(objective: &'static str, batch: &Rewards) -> Result<Self, ObjectiveError> {
        let columns = batch.rewards_s.size();
        if columns.len() != 2 || columns[1] != column::COUNT {
            let problem = "needs the log-probabilities of a policy";
            return Err(ObjectiveError::Conflict { objective, problem });
        }
        let all = batch.checked()?;
        let of = |column: i64| all.select(1, column);
        Ok(Self {
            log_prob_s: of(column::LOG_PROB),
            tokens_s: of(column::TOKENS).clamp_min(1.0),
            reference_s: of(column::REFERENCE),
            whole_s: of(column::WHOLE),
            whole_tokens_s: of(column::WHOLE_TOKENS).clamp_min(1.0),
            starts: batch.starts(),
        })
    }

    /// lr [s].
    pub fn log_ratio(&self) -> Tensor {
        &self.log_prob_s - &self.reference_s
    }

    /// m [s].
    pub fn mean(&self) -> Tensor {
        &self.log_prob_s / &self.tokens_s
    }

    /// The sequence at `place` of each comparison.
    pub fn at(&self, of_s: &Tensor, place: usize) -> Tensor {
        picked(of_s, &self.places(place))
    }

    fn places(&self, place: usize) -> Vec<i64> {
        self.starts.iter().map(|start| (start + place) as i64).collect()
    }

    /// Chosen and rejected of pairs.
    pub fn sides(&self, of_s: &Tensor) -> (Tensor, Tensor) {
        (self.at(of_s, 0), self.at(of_s, 1))
    }

    /// NLL [n] of the sequence at `place` of each comparison.
    pub fn nll(&self, place: usize, span: Span, mean: NllMean) -> Tensor {
        self.nll_of(&self.places(place), span, mean)
    }

    /// NLL [n] of these sequences.
    pub fn nll_of(&self, sequences: &[i64], span: Span, mean: NllMean) -> Tensor {
        let (log_prob_s, tokens_s) = match span {
            Span::Response => (&self.log_prob_s, &self.tokens_s),
            Span::Sequence => (&self.whole_s, &self.whole_tokens_s),
        };
        let (log_prob_n, tokens_n) = (picked(log_prob_s, sequences), picked(tokens_s, sequences));
        match mean {
            NllMean::Response => -log_prob_n / tokens_n,
            // Its mean over comparisons is the mean over all their tokens.
            NllMean::Step => -log_prob_n / tokens_n.mean(tokens_n.kind()),
        }
    }

    pub fn kind(&self) -> Kind {
        self.log_prob_s.kind()
    }
}

fn picked(of_s: &Tensor, sequences: &[i64]) -> Tensor {
    of_s.index_select(0, &Tensor::from_slice(sequences).to_device(of_s.device()))
}

/// Refuses what is no pair of one chosen and one rejected response.
pub(super) fn pairs_only(objective: &'static str, labels: &[Label]) -> Result<(), ObjectiveError> {
    match labels.iter().enumerate().find(|(_, label)| !label.is_pair()) {
        Some((index, &Label { n_chosen, n_rejected, .. })) => {
            Err(ObjectiveError::NotAPair { objective, index, n_chosen, n_rejected })
        }
        None => Ok(()),
    }
}

/// log(1 − e^m) of m < 0, exact at both ends.
pub(super) fn log1mexp(m: &Tensor) -> Tensor {
    let m = m.clamp_max(-1e-7);
    // 1 − e^m = −expm1(m), which keeps its digits near 0; far below, log1p does.
    let near = (-m.expm1()).log();
    let far = (-m.exp()).log1p();
    near.where_self(&m.gt(-std::f64::consts::LN_2), &far)
}

/// The largest exponent that is taken: e^80 is finite in f32 and bf16.
const LARGEST_EXPONENT: f64 = 80.0;

/// e^x that stays finite.
pub(super) fn bounded_exp(x: &Tensor) -> Tensor {
    x.clamp_max(LARGEST_EXPONENT).exp()
}
