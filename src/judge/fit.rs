//! Whether judges, protocols and settings fit each other, before anything is asked.

use super::JudgeError;
use super::member::{Member, Who};
use super::protocol::Protocol;
use super::settings::{Api, EndpointSettings, JudgeSettings, Verdicts};

/// # Errors
/// The first setting that asks for what a judge or a protocol does not have.
pub(super) fn check<'a>(
    members: &[Member],
    protocols: impl Iterator<Item = &'a Protocol>,
    settings: &JudgeSettings,
    endpoint: &EndpointSettings,
) -> Result<(), JudgeError> {
    let wrong = |key, problem: String| Err(JudgeError::Setting { key, problem });
    let unpriced = |member: &Member| matches!(&member.who, Who::Endpoint(desk) if desk.prices().is_none());
    if endpoint.budget_money.is_some() && members.iter().any(unpriced) {
        return wrong("endpoint.budget-money", "needs the prices of every judge in `judge.prices`".to_owned());
    }
    let is_remote = members.iter().any(|member| matches!(member.who, Who::Endpoint(_)));
    for protocol in protocols {
        let name = &protocol.name;
        if settings.verdicts == Verdicts::Grades && !protocol.asks_for_grades() {
            let why = format!("is grades, and the protocol `{name}` asks for none; menlo and helpsteer3 do");
            return wrong("judge.verdicts", why);
        }
        if protocol.ask.goes_on && settings.api == Api::Completions {
            let why =
                format!("is completions, which has no turns that the protocol `{name}` could go on in; set it to chat");
            return wrong("judge.api", why);
        }
        if protocol.ask.first.is_empty() || !is_remote {
            continue;
        }
        if settings.max_tokens.unwrap_or(protocol.ask.max_tokens) > 1 {
            let why = format!(
                "is above 1, and the protocol `{name}` says what a reply begins with (`ask.first`): what servers take for it \
                 (`logit_bias`) holds for the whole reply, so set it to 1, or judge with a model on this machine"
            );
            return wrong("judge.max-tokens", why);
        }
        if let Some(word) =
            protocol.ask.first.iter().find(|word| settings.first_tokens.get(*word).is_none_or(Vec::is_empty))
        {
            let why = format!(
                "lacks the token ids of `{word}`, which the protocol `{name}` lets a reply begin with; a server takes ids of its \
                 model's tokenizer (vLLM and llama.cpp tell them at /tokenize), as in {word} = [32, 362]"
            );
            return wrong("judge.first-tokens", why);
        }
    }
    Ok(())
}
