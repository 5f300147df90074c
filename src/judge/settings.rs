//! How a judge is asked. [`JudgeSettings`] decide what the verdicts are and belong to a run's provenance;
//! [`EndpointSettings`] decide how fast and at what cost they come, and may change from one command to the next.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::JudgeError;
use super::order::Orders;
use super::prompt::{Hint, Wording, Wordings};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeSettings {
    /// A built-in protocol or a TOML file; `None`: no judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Further judges, each asked the same.
    pub panel: Vec<String>,
    /// `None`: the protocol's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<Orders>,
    /// Judgments of each order, with seeds of their own.
    pub samples: u16,
    /// Questions at most for one judgment; `None`: 2 where the protocol has a follow-up, else 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<u16>,
    pub api: Api,
    pub parser: ParserChoice,
    /// What rewards are made of.
    pub verdicts: Verdicts,
    pub prompt_language: Wording,
    pub reasoning_language: Wording,
    /// Tells the judge the verdict, to train on what it then writes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub hint: Hint,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_probs: Option<bool>,
    /// Alternatives per token; servers have limits of their own.
    pub top_log_probs: u8,
    /// Keep the judges' replies in the judgment table.
    pub keep_replies: bool,
    /// Columns of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checklist_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rubric_column: Option<String>,
    /// Fields of the request that the server does not know.
    pub omit: Vec<String>,
    /// Token ids of the words that a protocol allows a reply to begin with, by a server's tokenizer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_tokens: BTreeMap<String, Vec<u32>>,
    /// Protocols of subsets that are judged another way.
    #[serde(default)]
    pub subsets: BTreeMap<String, String>,
    /// Further fields of the request.
    #[serde(default)]
    pub extra: Table,
    /// Money per million tokens, in and out, by model name; `*` for any other.
    #[serde(default)]
    pub prices: BTreeMap<String, [f64; 2]>,
}

fn is_none(hint: &Hint) -> bool {
    *hint == Hint::None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// `/chat/completions`.
    Chat,
    /// `/completions`, for models without a chat template.
    Completions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParserChoice {
    /// The protocol's grammar.
    Rmbench,
    /// RewardBench's own parser, misreadings included.
    Rewardbench,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdicts {
    /// One vote per verdict.
    #[default]
    Hard,
    /// The probability of each response, where the server gives probabilities.
    Soft,
    /// The grades of both responses, by protocols that ask for them.
    Grades,
}

impl JudgeSettings {
    pub fn check(&self) -> Result<(), JudgeError> {
        let wrong = |key, problem: &str| Err(JudgeError::Setting { key, problem: problem.to_owned() });
        if self.samples == 0 {
            return wrong("judge.samples", "must be at least 1");
        }
        if self.asks == Some(0) {
            return wrong("judge.asks", "must be at least 1");
        }
        if self.prices.values().flatten().any(|price| !price.is_finite() || *price < 0.0) {
            return wrong("judge.prices", "a price is money per million tokens, as in \"name\" = [0.15, 0.6]");
        }
        Ok(())
    }

    /// Whether there is no judge at all.
    pub fn is_off(&self) -> bool {
        self.protocol.is_none()
    }

    pub fn wordings(&self) -> Wordings {
        Wordings { prompt: self.prompt_language, reasoning: self.reasoning_language }
    }

    /// Columns of the data that the judge reads beside prompt and responses: reference, checklist, rubric.
    pub fn columns(&self) -> [Option<&str>; 3] {
        [&self.reference_column, &self.checklist_column, &self.rubric_column].map(Option::as_deref)
    }

    /// Whether probabilities are asked for, by a protocol that does so or not.
    pub fn wants_log_probs(&self, protocol_does: bool) -> bool {
        self.log_probs.unwrap_or(protocol_does || self.verdicts == Verdicts::Soft)
    }

    /// Money for a million tokens in and out.
    pub fn prices_of(&self, model: &str) -> Option<[f64; 2]> {
        self.prices.get(model).or_else(|| self.prices.get("*")).copied()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndpointSettings {
    /// Requests under way at a time.
    pub concurrency: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<f64>,
    /// Times that a request is made before it counts as failed.
    pub attempts: u32,
    /// Seconds before the second attempt; doubles with every further one.
    pub first_wait: f64,
    /// The longest that a server may ask to wait, in seconds.
    pub longest_wait: f64,
    /// Seconds for a whole reply.
    pub timeout: f64,
    pub on_failure: OnFailure,
    /// Of this command: tokens of prompts and replies together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_money: Option<f64>,
    /// The variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<String>,
    /// Directory of replies; `off` for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run stops and can be resumed: no verdict is lost.
    Stop,
    /// The question counts as an error.
    Record,
}

impl EndpointSettings {
    pub fn check(&self) -> Result<(), JudgeError> {
        let wrong = |key, problem: &str| Err(JudgeError::Setting { key, problem: problem.to_owned() });
        if self.concurrency == 0 || self.concurrency > 1024 {
            return wrong("endpoint.concurrency", "is between 1 and 1024");
        }
        if self.attempts == 0 {
            return wrong("endpoint.attempts", "must be at least 1");
        }
        let seconds = [
            ("endpoint.first-wait", self.first_wait),
            ("endpoint.longest-wait", self.longest_wait),
            ("endpoint.timeout", self.timeout),
        ];
        for (key, value) in seconds {
            if !(value > 0.0 && value <= 86_400.0) {
                return wrong(key, "is a number of seconds, at most a day");
            }
        }
        if self.requests_per_minute.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return wrong("endpoint.requests-per-minute", "must be above 0");
        }
        if self.budget_money.is_some_and(|money| !(money >= 0.0 && money.is_finite())) {
            return wrong("endpoint.budget-money", "is an amount of money");
        }
        Ok(())
    }

    /// Where replies are kept: as set, else below the user's cache directory; `None`: nowhere.
    pub fn cache_directory(&self) -> Option<PathBuf> {
        match &self.cache {
            Some(path) if path.as_os_str() == "off" => None,
            Some(path) => Some(path.clone()),
            None => {
                let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
                let home = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
                Some(home.unwrap_or_else(|| PathBuf::from(".cache")).join("rmbench").join("replies"))
            }
        }
    }
}
