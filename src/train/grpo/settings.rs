//! What judges that learn from their own judgments are told.

use serde::{Deserialize, Serialize};

use crate::judge::order::Orders;
use crate::judge::prompt::Wording;
use crate::judge::verifiable::Worth;
use crate::objective::grpo::Grpo;
use crate::train::error::TrainError;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeTraining {
    /// A protocol by name, or a TOML file.
    pub protocol: String,
    /// Replies to each question.
    pub group: usize,
    pub temperature: f64,
    pub top_p: f64,
    /// Of a reply; absent: the protocol's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    pub orders: Orders,
    pub prompt_language: Wording,
    pub worth: Worth,
    /// Whether advantages are divided by their group's standard deviation.
    pub scaled: bool,
    pub loss: Grpo,
}

impl Default for JudgeTraining {
    fn default() -> Self {
        Self {
            protocol: "pairwise".to_owned(),
            group: 8,
            temperature: 1.0,
            top_p: 1.0,
            max_tokens: None,
            orders: Orders::Both,
            prompt_language: Wording::English,
            worth: Worth::default(),
            scaled: true,
            loss: Grpo::default(),
        }
    }
}

impl JudgeTraining {
    pub fn validate(&self) -> Result<(), TrainError> {
        let checks = [
            ("group", self.group > 1, "at least 2: a reply is compared with its group"),
            ("temperature", self.temperature > 0.0 && self.temperature.is_finite(), "above 0"),
            ("top-p", self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("max-tokens", self.max_tokens != Some(0), "above 0"),
            ("loss.kl", self.loss.kl >= 0.0 && self.loss.kl.is_finite(), "at least 0"),
            ("loss.clip", self.loss.clip.iter().all(|clip| *clip > 0.0 && *clip < 1.0), "between 0 and 1"),
        ];
        match checks.iter().find(|(_, holds, _)| !holds) {
            Some((name, _, expected)) => Err(TrainError::Settings(format!("`judge.{name}` should be {expected}"))),
            None => match self.worth.problem() {
                Some(expected) => Err(TrainError::Settings(format!("`judge.worth` should be {expected}"))),
                None => Ok(()),
            },
        }
    }
}
