//! What can keep a judge from judging.

use std::path::PathBuf;

use crate::files::FileError;
use crate::hub::HubError;

#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("`{name}` is no judge protocol")]
    UnknownProtocol { name: String, hint: String },
    #[error("the protocol {origin} cannot be used: {problem}")]
    Protocol { origin: String, problem: String },
    #[error("`{given}` is no endpoint: {problem}")]
    Address { given: String, problem: String },
    #[error("setting `{key}`: {problem}")]
    Setting { key: &'static str, problem: String },
    #[error("`{url}` cannot be reached: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("`{url}` gives no answer that can be used: {problem}")]
    Answer { url: String, problem: String },
    #[error("`{url}` refuses to answer ({status}): {message}")]
    Refused { url: String, status: u16, message: String },
    #[error("`{url}` serves several models")]
    ManyModels { url: String, models: Vec<String> },
    #[error("the first {n} questions were all rejected by `{url}`: {message}")]
    AllRejected { url: String, n: u64, message: String },
    #[error("the budget is used up: {spent} of {cap} {unit}")]
    Budget { spent: String, cap: String, unit: &'static str },
    #[error("`{}`, line {line}, is no reply of the cache", path.display())]
    Cache { path: PathBuf, line: u64 },
    #[error("item `{item}` ({lang}), row {row}: {problem}")]
    Item { item: String, lang: crate::lang::Lang, row: u64, problem: String },
    #[error("the judge `{name}` cannot answer: {problem}")]
    Local { name: String, problem: String },
    #[error("judging was stopped")]
    Stopped,
}

impl JudgeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        const AGAIN: &str = "no reply is lost: the same command with --resume goes on from here";
        Some(match self {
            JudgeError::Hub(error) => return error.hint(),
            JudgeError::UnknownProtocol { hint, .. } => hint.clone(),
            JudgeError::Protocol { .. } => "the built-in protocols in src/judge/protocols show the form".to_owned(),
            JudgeError::Address { .. } => {
                "give --model endpoint:URL or endpoint:URL#MODEL, as in endpoint:http://127.0.0.1:8000/v1".to_owned()
            }
            JudgeError::Unreachable { .. } | JudgeError::Answer { .. } => {
                format!("{AGAIN}; `--set endpoint.on-failure=record` counts such questions as errors and goes on")
            }
            JudgeError::Refused { status: 401 | 403, .. } => {
                "put the key into RMBENCH_ENDPOINT_KEY, or into a variable that `endpoint.key-variable` names".to_owned()
            }
            JudgeError::Refused { status: 404, .. } => "is it the address before /chat/completions, and the model's name?".to_owned(),
            JudgeError::Refused { .. } => AGAIN.to_owned(),
            JudgeError::ManyModels { models, .. } => {
                format!("name one behind the address, as in endpoint:URL#{}; it serves {}", models[0], models.join(", "))
            }
            JudgeError::AllRejected { .. } => {
                "the server may not know a field: `--set judge.omit='[\"seed\"]'` leaves fields out, `judge.extra` adds some".to_owned()
            }
            JudgeError::Budget { .. } => format!("raise `endpoint.budget-…`; {AGAIN}"),
            JudgeError::Cache { .. } => "remove the file; replies in it are asked for again".to_owned(),
            JudgeError::Local { .. } => {
                "a chat template may refuse system turns; --set judge.api=completions asks without one".to_owned()
            }
            JudgeError::Item { .. } => "the protocol does not fit the benchmark; `judge.protocol` names another".to_owned(),
            _ => return None,
        })
    }
}
