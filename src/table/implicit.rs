//! Implicit rewards as views of what a table holds: sums of token log-probabilities and counts.
//!
//! r = β · f(N(lp_π − lp_ref)), or β · f(N(lp_π)) without a reference; f(x) = x for nearly all. lp is Σ_t log p(y_t) over the response's tokens, and N
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
//! Some objectives compare a function of that (f-divergences other than the reverse KL, AlphaPO): see [`Curve`].
//!
//! A reward must be read with the normalisation that the model was trained with, or the benchmark measures length
//! (spec: objectives, section 2).

use serde::{Deserialize, Serialize};

/// What an implicit model says of one response.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogProbs {
    /// Σ log p over the response's tokens (or the sequence's, where the model was trained on these), in nats.
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

/// Which tokens of a sequence are summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    #[default]
    Response,
    /// The prompt's, too (DOVE, arXiv 2404.00530).
    Sequence,
}

impl Span {
    pub fn is_response(&self) -> bool {
        *self == Self::Response
    }
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

/// f above. Each grows with x: margins depend on it, which response is better does not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// x
    #[default]
    Straight,
    /// (e^{kx} − 1)/k: the links of the α-divergences, k = α − 1 (forward KL: k = −1; arXiv 2309.16240), and AlphaPO's
    /// score, k = −α (arXiv 2501.03884).
    Exponential(f64),
    /// log 2 + log σ(x): the link of the Jensen–Shannon divergence (arXiv 2309.16240).
    JensenShannon,
}

/// Larger exponents are taken for this one, as in training.
const LARGEST_EXPONENT: f64 = 80.0;

impl Curve {
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Straight | Self::Exponential(0.0) => x,
            Self::Exponential(k) => (k * x).min(LARGEST_EXPONENT).exp_m1() / k,
            Self::JensenShannon => std::f64::consts::LN_2 - (-x).max(0.0) - (-x.abs()).exp().ln_1p(),
        }
    }

    pub fn is_straight(&self) -> bool {
        *self == Self::Straight
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
    pub curve: Curve,
    /// Whether the reference is subtracted, where the table has one.
    pub with_reference: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { normalisation: Normalisation::Sum, beta: 1.0, power: 0.5, curve: Curve::Straight, with_reference: true }
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
        Some(self.beta * self.curve.at(score)).filter(|reward| reward.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four tokens of −1, −2, −3 and −4 by the policy, −12 in all by the reference, 10 bytes.
    const FOUR: LogProbs =
        LogProbs { policy: -10.0, reference: Some(-12.0), squares: Some(30.0), tokens: Some(4), bytes: Some(10) };

    fn view(normalisation: Normalisation, with_reference: bool) -> View {
        View { normalisation, beta: 2.0, with_reference, ..View::default() }
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

    /// Log-ratio 2 of four tokens, and m = −2.5, by the formulas as the papers write them.
    #[test]
    fn curves_by_hand() {
        let of = |curve, normalisation, reference| {
            View { curve, ..view(normalisation, reference) }.reward(&FOUR).unwrap() / 2.0
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} {b}");
        close(of(Curve::Exponential(-1.0), Normalisation::Sum, true), 1.0 - (-2.0f64).exp());
        close(of(Curve::Exponential(-0.5), Normalisation::Sum, true), ((-1.0f64).exp() - 1.0) / -0.5);
        close(of(Curve::Exponential(0.0), Normalisation::Sum, true), 2.0);
        close(of(Curve::JensenShannon, Normalisation::Sum, true), (2.0 / (1.0 + (-2.0f64).exp())).ln());
        close(of(Curve::Exponential(-0.25), Normalisation::Mean, false), (1.0 - (0.25f64 * 2.5).exp()) / 0.25);
        assert!(Curve::Exponential(-1.0).at(-1e4).is_finite() && Curve::JensenShannon.at(-1e4) < -9.9e3);
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
