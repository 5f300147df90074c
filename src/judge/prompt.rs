//! From a comparison to the messages a judge reads.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

use super::JudgeError;
use super::protocol::Protocol;
use crate::lang::Lang;
use crate::preference::{Comparison, Conversation, Message, Response, Role};

/// What of an item the data hold beside prompt and responses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    pub reference: Option<String>,
    pub checklist: Option<String>,
    pub rubric: Option<String>,
}

/// The language a prompt is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wording {
    #[default]
    English,
    /// The item's own.
    Target,
}

pub(super) const LETTERS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// The variables of a protocol's texts.
#[derive(Debug, Serialize)]
pub struct Variables<'a> {
    /// The last user turn; with earlier turns, the whole conversation.
    pub question: String,
    /// Earlier turns, oldest first: `role` and `content`.
    pub turns: &'a [Message],
    /// Responses in the order shown, and letters to name them by.
    pub responses: Vec<&'a str>,
    pub letters: [&'static str; 6],
    /// English name of the item's language.
    pub language: &'a str,
    /// Name of the language to reason in.
    pub reasoning_language: &'a str,
    pub reference: Option<&'a str>,
    pub checklist: Option<&'a str>,
    pub rubric: Option<&'a str>,
    /// The protocol's phrases in the language of the prompt.
    pub phrases: Option<&'a BTreeMap<String, String>>,
    /// The words for yes and no in the item's language.
    pub yes: &'a str,
    pub no: &'a str,
}

/// Which languages a question is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wordings {
    pub prompt: Wording,
    pub reasoning: Wording,
}

/// The messages of one question. `shown`: places of the responses, chosen first, in the order they are shown.
pub fn messages(
    protocol: &Protocol,
    comparison: &Comparison,
    extras: &Extras,
    shown: &[usize],
    wordings: Wordings,
) -> Result<Vec<Message>, JudgeError> {
    let all: Vec<&Response> = comparison.responses().collect();
    let in_language = |wording: Wording| match wording {
        Wording::English => Lang::ENGLISH,
        Wording::Target => comparison.lang,
    };
    let words =
        super::grammar::VerdictWords::of(in_language(wordings.prompt)).or(super::grammar::VerdictWords::english());
    let word = |list: fn(&super::grammar::VerdictWords) -> &Vec<String>| {
        words.and_then(|words| list(words).first()).map_or("", String::as_str)
    };
    let reasoning = in_language(wordings.reasoning);
    let variables = Variables {
        question: question(&comparison.prompt),
        turns: &comparison.prompt.0,
        responses: shown.iter().filter_map(|place| all.get(*place)).map(|response| response.text.as_str()).collect(),
        letters: LETTERS,
        language: comparison.lang.name(),
        reasoning_language: reasoning.name(),
        reference: extras.reference.as_deref(),
        checklist: extras.checklist.as_deref(),
        rubric: extras.rubric.as_deref(),
        phrases: protocol.phrases(in_language(wordings.prompt)),
        yes: word(|words| &words.yes),
        no: word(|words| &words.no),
    };
    render(protocol, &variables).map_err(|problem| JudgeError::Protocol { origin: protocol.name.clone(), problem })
}

/// Whether and how a judge is told which verdict to give: to learn from what it then writes, never to measure it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    #[default]
    None,
    Right,
    Wrong,
}

/// Adds to the last message what tells the judge to give the verdict `value`.
pub fn add_hint(protocol: &Protocol, messages: &mut [Message], value: &str) -> Result<(), JudgeError> {
    let Some(hint) = &protocol.verdict.hint else {
        let problem = format!("the protocol `{}` has no words for hints (`verdict.hint`)", protocol.name);
        return Err(JudgeError::Setting { key: "judge.hint", problem });
    };
    let failed = |e: Error| JudgeError::Protocol { origin: protocol.name.clone(), problem: format!("{e:#}") };
    let text = environment().and_then(|e| e.render_str(hint, minijinja::context! { hint => value })).map_err(failed)?;
    if let Some(last) = messages.last_mut() {
        last.content = format!("{}\n\n{}", last.content, text.trim());
    }
    Ok(())
}

/// A conversation as one text: the question alone, or all turns with their speakers.
fn question(prompt: &Conversation) -> String {
    match prompt.0.as_slice() {
        [only] => only.content.clone(),
        turns => {
            let speaker = |role: Role| match role {
                Role::System => "System",
                Role::User => "User",
                Role::Assistant => "Assistant",
                Role::Tool => "Tool",
            };
            let lines = turns.iter().map(|turn| format!("{}: {}", speaker(turn.role), turn.content));
            lines.collect::<Vec<_>>().join("\n\n")
        }
    }
}

fn environment<'a>() -> Result<Environment<'a>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}

fn render(protocol: &Protocol, variables: &Variables<'_>) -> Result<Vec<Message>, String> {
    let problem = |e: Error| format!("{e:#}");
    let environment = environment().map_err(problem)?;
    let variables = Value::from(Serde(variables));
    let mut messages = Vec::new();
    for message in &protocol.message {
        let text = environment.render_str(&message.text, variables.clone()).map_err(problem)?;
        messages.push(Message { role: message.role, content: text.trim().to_owned() });
    }
    Ok(messages)
}

/// Whether the protocol's texts render, tried on invented values.
pub(super) fn check(protocol: &Protocol) -> Result<(), String> {
    let variables = Variables {
        question: "q".to_owned(),
        turns: &[],
        responses: vec!["r"; protocol.shows],
        letters: LETTERS,
        language: "English",
        reasoning_language: "English",
        reference: None,
        checklist: None,
        rubric: None,
        phrases: protocol.phrases(Lang::ENGLISH),
        yes: "yes",
        no: "no",
    };
    if let Some(hint) = &protocol.verdict.hint {
        let problem = |e: Error| format!("`verdict.hint`: {e:#}");
        environment().and_then(|e| e.render_str(hint, minijinja::context! { hint => "1" })).map_err(problem)?;
    }
    render(protocol, &variables).map(|_| ())
}

/// Whether a text names a variable.
pub(super) fn uses(protocol: &Protocol, variable: &str) -> bool {
    let Ok(environment) = environment() else { return false };
    let names = |text: &str| environment.template_from_str(text).map(|t| t.undeclared_variables(false));
    protocol.message.iter().any(|message| names(&message.text).is_ok_and(|names| names.contains(variable)))
}
