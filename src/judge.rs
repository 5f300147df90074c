//! Judges: models that compare or rate responses in words, behind an OpenAI-compatible server or scripted.
//!
//! [`protocol`] says what a judge is shown and how its reply is read, as data; [`grammar`] reads replies; [`order`]
//! says in which order responses are shown; [`prompt`] writes the messages; [`desk`] gets replies, each paid for once,
//! through [`endpoint`], [`cache`] and [`budget`], or from a model on this machine ([`local`]); [`engine`] puts it
//! together. No libtorch.

pub mod budget;
pub mod cache;
pub mod desk;
pub mod endpoint;
pub mod engine;
mod error;
mod fit;
pub mod form;
pub mod grammar;
pub mod local;
mod member;
pub mod mock;
pub mod order;
pub mod prompt;
pub mod protocol;
mod reading;
pub mod settings;
pub mod teaching;
pub mod verifiable;
pub mod wire;

use std::sync::Arc;

pub use engine::Judge;
pub use error::JudgeError;
pub use prompt::Extras;
pub use protocol::Protocol;

/// What one judgment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A response was picked, or rated.
    Verdict,
    /// Neither is better, says the judge.
    Tie,
    /// The reply has no verdict that can be read.
    Unparsed,
    /// The judge or its server declined.
    Refused,
    /// There is no reply: the server rejected the question or could not be reached.
    Error,
}

impl Outcome {
    pub const ALL: [Outcome; 5] = [Outcome::Verdict, Outcome::Tie, Outcome::Unparsed, Outcome::Refused, Outcome::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Verdict => "verdict",
            Outcome::Tie => "tie",
            Outcome::Unparsed => "unparsed",
            Outcome::Refused => "refused",
            Outcome::Error => "error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// Whether it says something of the responses.
    pub fn is_decided(self) -> bool {
        matches!(self, Outcome::Verdict | Outcome::Tie)
    }
}

/// One judgment: one judge, one order, one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgment {
    pub judge: Arc<str>,
    /// Responses in the order shown, counted chosen first, then rejected.
    pub shown: Vec<u16>,
    pub sample: u16,
    pub outcome: Outcome,
    /// Place in `shown` of the response that was picked.
    pub picked: Option<u16>,
    /// How much better it is, where the form says it: 1 is slightly.
    pub strength: Option<u8>,
    /// Of a single response.
    pub rating: Option<f64>,
    /// Of each response in `shown`, beside or instead of a verdict (MENLO, HelpSteer3).
    pub grades: Option<Vec<f64>>,
    /// Of each response in `shown` to be the best; of a single one to be called good.
    pub probabilities: Option<Vec<f64>>,
    pub reply: Option<String>,
    /// Thoughts that the server keeps apart.
    pub reasoning: Option<String>,
    /// Why there is no verdict.
    pub why: Option<String>,
    pub finish: Option<String>,
    /// Questions it took.
    pub asks: u16,
    /// Over all questions; `None` where the server does not say.
    pub prompt_tokens: Option<u32>,
    pub reply_tokens: Option<u32>,
    /// Money, by the prices in the settings; what a replayed reply cost when it was bought.
    pub cost: Option<f64>,
}

#[cfg(test)]
impl Judgment {
    /// With nothing beside its verdict.
    pub fn bare(judge: &str, shown: &[u16], outcome: Outcome, picked: Option<u16>) -> Self {
        Self {
            judge: judge.into(),
            shown: shown.to_vec(),
            sample: 0,
            outcome,
            picked,
            strength: None,
            rating: None,
            grades: None,
            probabilities: None,
            reply: None,
            reasoning: None,
            why: None,
            finish: None,
            asks: 1,
            prompt_tokens: None,
            reply_tokens: None,
            cost: None,
        }
    }
}
