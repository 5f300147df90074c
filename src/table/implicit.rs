//! Implicit rewards as views of what a table holds: sums of token log-probabilities and counts.
//!
//! r = β · N(lp_π − lp_ref), or β · N(lp_π) without a reference. lp is Σ_t log p(y_t) over the response's tokens, and N
//! one of:
//!
//! | normalisation | N(x) | scores models trained with |
//! |---|---|---|
//! | `sum` | x | DPO, CPO and most others |
//! | `mean` | x / tokens | ORPO, SimPO, IPO, length-normalised DPO |
//! | `per-byte` | x / bytes of the response in UTF-8 | comparisons across tokenizers |
//! | `length-power` | x / tokens^power | what lies between `sum` (0) and `mean` (1) |
//! | `l2-norm` | −√(Σ_t (log p(y_t))²), of the policy alone | RewardBench's `norm` (allenai/reward-bench, `rewardbench/dpo.py`) |
//!
//! A reward must be read with the normalisation that the model was trained with, or the benchmark measures length
//! (spec: objectives, section 2).

use serde::{Deserialize, Serialize};

/// What an implicit model says of one response.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogProbs {
    /// Σ log p over the response's tokens, in nats.
    pub policy: f64,
    /// The same by the reference model, where there is one.
    pub reference: Option<f64>,
    /// Σ (log p)² by the policy; absent from tables of others.
    pub squares: Option<f64>,
    /// Tokens that were summed over.
    pub tokens: Option<u32>,
    /// Bytes of the response's text.
    pub bytes: Option<u32>,
}

/// See the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    #[default]
    Sum,
    Mean,
    PerByte,
    LengthPower,
    L2Norm,
}

impl Normalisation {
    pub const ALL: [Self; 5] = [Self::Sum, Self::Mean, Self::PerByte, Self::LengthPower, Self::L2Norm];

    /// As settings have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::PerByte => "per-byte",
            Self::LengthPower => "length-power",
            Self::L2Norm => "l2-norm",
        }
    }
}

/// How rewards are made of log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub normalisation: Normalisation,
    /// β > 0.
    pub beta: f64,
    /// The exponent of `length-power`.
    pub power: f64,
    /// Whether the reference is subtracted, where the table has one.
    pub with_reference: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { normalisation: Normalisation::Sum, beta: 1.0, power: 0.5, with_reference: true }
    }
}

impl View {
    /// The reward; `None` where something that it needs is not there: a token, a byte, a count, the reference.
    pub fn reward(&self, of: &LogProbs) -> Option<f64> {
        let ratio = match self.with_reference {
            true => of.policy - of.reference?,
            false => of.policy,
        };
        let per = |count: Option<u32>| count.filter(|count| *count > 0).map(f64::from);
        let tokens = per(of.tokens);
        // Of no token nothing is known, whatever is summed.
        if of.tokens == Some(0) {
            return None;
        }
        let score = match self.normalisation {
            Normalisation::Sum => ratio,
            Normalisation::Mean => ratio / tokens?,
            Normalisation::PerByte => ratio / per(of.bytes)?,
            Normalisation::LengthPower => ratio / tokens?.powf(self.power),
            Normalisation::L2Norm => -of.squares?.sqrt(),
        };
        Some(self.beta * score).filter(|reward| reward.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four tokens of −1, −2, −3 and −4 by the policy, −12 in all by the reference, 10 bytes.
    const FOUR: LogProbs =
        LogProbs { policy: -10.0, reference: Some(-12.0), squares: Some(30.0), tokens: Some(4), bytes: Some(10) };

    fn view(normalisation: Normalisation, with_reference: bool) -> View {
        View { normalisation, beta: 2.0, power: 0.5, with_reference }
    }

    #[test]
    fn every_view_of_four_tokens_by_hand() {
        let of = |normalisation, reference| view(normalisation, reference).reward(&FOUR).unwrap();
        assert_eq!(of(Normalisation::Sum, true), 4.0);
        assert_eq!(of(Normalisation::Mean, true), 1.0);
        assert_eq!(of(Normalisation::PerByte, true), 0.4);
        assert_eq!(of(Normalisation::LengthPower, true), 2.0);
        assert_eq!(of(Normalisation::Sum, false), -20.0);
        assert_eq!(of(Normalisation::Mean, false), -5.0);
        assert_eq!(of(Normalisation::L2Norm, false), -2.0 * 30f64.sqrt());
        let with = |power| View { power, ..view(Normalisation::LengthPower, true) }.reward(&FOUR).unwrap();
        assert_eq!((with(0.0), with(1.0)), (of(Normalisation::Sum, true), of(Normalisation::Mean, true)));
    }

    #[test]
    fn what_is_missing_gives_no_reward() {
        let none =
            |normalisation, reference, of: LogProbs| assert_eq!(view(normalisation, reference).reward(&of), None);
        none(Normalisation::Sum, true, LogProbs { reference: None, ..FOUR });
        none(Normalisation::Mean, true, LogProbs { tokens: None, ..FOUR });
        none(Normalisation::PerByte, true, LogProbs { bytes: Some(0), ..FOUR });
        none(Normalisation::L2Norm, false, LogProbs { squares: None, ..FOUR });
        none(Normalisation::Sum, false, LogProbs { policy: 0.0, tokens: Some(0), ..FOUR });
        none(Normalisation::Sum, false, LogProbs { policy: f64::NEG_INFINITY, ..FOUR });
        assert!(view(Normalisation::Sum, true).reward(&LogProbs { tokens: None, ..FOUR }).is_some());
    }
}
