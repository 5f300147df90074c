//! Prompts and responses out of text, chat messages and complete conversations.

use std::borrow::Cow;

use super::cell::Cell;
use super::error::RowProblem;
use crate::preference::{Conversation, Message, Role};

fn unusable(message: impl Into<String>) -> RowProblem {
    RowProblem::Messages { message: message.into() }
}

/// A prompt: text is one user turn; a list of messages is a conversation that ends with the user (or a
/// tool); a list of texts alternates user and assistant.
pub(super) fn prompt(cell: Cell<'_>) -> Result<Conversation, RowProblem> {
    let messages = match cell {
        Cell::Text(_) => return Ok(Conversation::from_prompt(cell.into_text()?)),
        Cell::List(items) if matches!(items.first(), Some(Cell::Text(_))) => alternating(items)?,
        other => messages(other)?,
    };
    ends_with_a_question(&messages)?;
    Ok(Conversation(messages))
}

fn ends_with_a_question(messages: &[Message]) -> Result<(), RowProblem> {
    match messages.last() {
        None => Err(RowProblem::Empty),
        Some(last) if matches!(last.role, Role::User | Role::Tool) => Ok(()),
        Some(last) => Err(unusable(format!("the prompt ends with a turn of role `{}`", last.role.as_str()))),
    }
}

fn alternating(items: Vec<Cell<'_>>) -> Result<Vec<Message>, RowProblem> {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    let turn = |(item, role): (Cell<'_>, Role)| Ok(Message { role, content: item.into_text()?.into_owned() });
    items.into_iter().zip(roles).map(turn).collect()
}

/// One message or a list of messages.
pub(super) fn messages(cell: Cell<'_>) -> Result<Vec<Message>, RowProblem> {
    match cell {
        Cell::Struct(fields) => Ok(vec![message(fields)?]),
        Cell::List(items) => items
            .into_iter()
            .map(|item| match item {
                Cell::Struct(fields) => message(fields),
                other => Err(other.mismatch("a message with role and content")),
            })
            .collect(),
        other => Err(other.mismatch("a list of messages")),
    }
}

/// `{role, content}` or `{from, value}`; further fields are left out unless they carry the turn.
fn message(fields: Vec<(Cow<'_, str>, Cell<'_>)>) -> Result<Message, RowProblem> {
    let (mut role, mut content) = (None, None);
    for (name, value) in fields {
        match name.as_ref() {
            "role" | "from" if role.is_none() => role = Some(value),
            "content" | "value" if content.is_none() => content = Some(value),
            "tool_calls" if matches!(&value, Cell::List(calls) if !calls.is_empty()) => {
                return Err(unusable("a message carries tool calls, which are not read"));
            }
            _ => {}
        }
    }
    let role = match role {
        Some(Cell::Text(name)) => Role::parse(&name).ok_or_else(|| unusable(format!("`{name}` is no role")))?,
        _ => return Err(unusable("a message has no role")),
    };
    let content = match content {
        Some(Cell::Text(text)) => text.into_owned(),
        Some(Cell::List(parts)) => text_parts(parts)?,
        _ => return Err(unusable("a message has no content")),
    };
    // A blank system turn is common and harmless; a blank turn of anyone else is a hole in the data.
    if role != Role::System && content.trim().is_empty() {
        return Err(RowProblem::Empty);
    }
    Ok(Message { role, content })
}

/// Content given as parts: `[{type: "text", text: …}, …]`.
fn text_parts(parts: Vec<Cell<'_>>) -> Result<String, RowProblem> {
    let mut text = String::new();
    for part in parts {
        let Cell::Struct(fields) = part else { return Err(unusable("a message's content is a list of no parts")) };
        match fields.into_iter().find(|(name, value)| name == "text" && !value.is_null()) {
            Some((_, Cell::Text(piece))) => text.push_str(&piece),
            _ => return Err(unusable("a message has content other than text")),
        }
    }
    Ok(text)
}

/// Splits a prompt and two response conversations into one prompt and two responses.
///
/// Each side is either the assistant turn alone, or turns of which all but the last are shared
/// (repeating the prompt first, or continuing it).
pub(super) fn split_turns(
    prompt: &mut Conversation,
    mut chosen: Vec<Message>,
    mut rejected: Vec<Message>,
) -> Result<(String, String), RowProblem> {
    for side in [&mut chosen, &mut rejected] {
        let repeats = side.len() > prompt.0.len() && side.starts_with(&prompt.0);
        if repeats {
            side.drain(..prompt.0.len());
        }
    }
    let shared = common_turns(&chosen, &rejected);
    let middle: Vec<Message> = chosen.drain(..shared).collect();
    rejected.drain(..shared);
    let answers = (answer(chosen)?, answer(rejected)?);
    if middle.ends_with(&prompt.0) {
        // The sides repeat the prompt behind a system turn of their own.
        prompt.0 = middle;
    } else {
        prompt.0.extend(middle);
    }
    ends_with_a_question(&prompt.0)?;
    Ok(answers)
}

/// How many leading turns two conversations share, leaving each its last.
fn common_turns(a: &[Message], b: &[Message]) -> usize {
    let limit = a.len().min(b.len()).saturating_sub(1);
    a.iter().zip(b).take(limit).take_while(|(x, y)| x == y).count()
}

fn answer(turns: Vec<Message>) -> Result<String, RowProblem> {
    match <[Message; 1]>::try_from(turns) {
        Ok([turn]) if turn.content.trim().is_empty() => Err(RowProblem::Empty),
        Ok([turn]) if turn.role == Role::Assistant => Ok(turn.content),
        Ok([turn]) => Err(unusable(format!("the response is a turn of role `{}`", turn.role.as_str()))),
        Err(turns) if turns.is_empty() => Err(RowProblem::Empty),
        Err(turns) => Err(unusable(format!("the response has {} turns, expected one", turns.len()))),
    }
}

/// The prompt and responses of two complete texts.
///
/// Transcripts with `Human:` and `Assistant:` turns (HH-RLHF) are taken apart into messages. Of other
/// texts the prompt is the common beginning, cut back to the last line break in it or else to the last
/// space, so that no word is split; prompt + response is the original text, character for character.
pub(super) fn split_texts(
    chosen: Cow<'_, str>,
    rejected: Cow<'_, str>,
) -> Result<(Conversation, String, String), RowProblem> {
    if let (Some(a), Some(b)) = (transcript(&chosen), transcript(&rejected)) {
        let mut prompt = Conversation::default();
        let (a, b) = split_turns(&mut prompt, a, b)?;
        return Ok((prompt, a, b));
    }
    let shared: usize =
        chosen.chars().zip(rejected.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let common = &chosen[..shared];
    let cut = common.rfind('\n').or_else(|| common.rfind(' ')).map_or(0, |at| at + 1);
    if common[..cut].trim().is_empty() {
        return Err(RowProblem::NoCommonPrompt);
    }
    let (a, b) = (&chosen[cut..], &rejected[cut..]);
    if a.trim().is_empty() || b.trim().is_empty() {
        return Err(RowProblem::Empty);
    }
    Ok((Conversation::from_prompt(&common[..cut]), a.to_owned(), b.to_owned()))
}

/// The turns of a transcript that begins with a human turn; `None` for any other text.
///
/// Turns begin with `\n\nHuman:` or `\n\nAssistant:`; the blank line may be missing before the first.
fn transcript(text: &str) -> Option<Vec<Message>> {
    const MARKERS: [(&str, Role); 2] = [("\n\nHuman:", Role::User), ("\n\nAssistant:", Role::Assistant)];
    let first = text.trim_start().strip_prefix("Human:")?;
    let mut turns = Vec::new();
    let (mut role, mut rest) = (Role::User, first);
    loop {
        let next = MARKERS
            .iter()
            .filter_map(|&(mark, role)| rest.find(mark).map(|at| (at, mark, role)))
            .min_by_key(|next| next.0);
        let content = rest[..next.map_or(rest.len(), |(at, _, _)| at)].trim();
        turns.push(Message { role, content: content.to_owned() });
        let Some((at, mark, next_role)) = next else { return Some(turns) };
        (role, rest) = (next_role, &rest[at + mark.len()..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn split(chosen: &str, rejected: &str) -> Result<(String, String, String), RowProblem> {
        split_texts(chosen.into(), rejected.into()).map(|(p, a, b)| (p.plain_text(), a, b))
    }

    #[test]
    fn transcripts_are_split_at_their_last_turn() {
        let head = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:";
        let (prompt, a, b) =
            split_texts(format!("{head} Because a.").into(), format!("{head} Because b.").into()).unwrap();
        assert_eq!(prompt.0, [turn(Role::User, "Hi"), turn(Role::Assistant, "Hello"), turn(Role::User, "Why?")]);
        assert_eq!((a.as_str(), b.as_str()), ("Because a.", "Because b."));
        // The common characters "Because " stay with the responses: turns are the unit.
        let different = format!("{head} x\n\nHuman: more\n\nAssistant: y");
        assert!(split(&different, &format!("{head} z")).is_err());
    }

    #[test]
    fn plain_texts_are_split_between_words_and_lose_nothing() {
        let (prompt, a, b) = split("Q: two?\nA: forty", "Q: two?\nA: four").unwrap();
        assert_eq!((prompt.as_str(), a.as_str(), b.as_str()), ("Q: two?\n", "A: forty", "A: four"));
        let (prompt, a, b) = split("say größer now", "say größte now").unwrap();
        assert_eq!((prompt.as_str(), a.as_str(), b.as_str()), ("say ", "größer now", "größte now"));
        assert_eq!(split("abc", "xyz"), Err(RowProblem::NoCommonPrompt));
        assert_eq!(split("a b", "a "), Err(RowProblem::Empty));
    }

    #[test]
    fn shared_turns_go_to_the_prompt() {
        let question = Conversation::from_prompt("Q");
        let [q, a, b] = [turn(Role::User, "Q"), turn(Role::Assistant, "A"), turn(Role::Assistant, "B")];
        let more = [turn(Role::Assistant, "hm"), turn(Role::User, "go on")];
        let expected = Ok(("A".to_owned(), "B".to_owned()));

        // The assistant turns alone.
        assert_eq!(split_turns(&mut question.clone(), vec![a.clone()], vec![b.clone()]), expected);
        // The prompt repeated on each side.
        let mut prompt = question.clone();
        assert_eq!(split_turns(&mut prompt, vec![q.clone(), a.clone()], vec![q, b.clone()]), expected);
        assert_eq!(prompt, question);
        // Turns that both sides go on with.
        let side = |last: &Message| more.iter().cloned().chain([last.clone()]).collect::<Vec<_>>();
        assert_eq!(split_turns(&mut prompt, side(&a), side(&b)), expected);
        assert_eq!(prompt.0.len(), 3);
        // Identical conversations keep their last turn as the response.
        assert_eq!(split_turns(&mut question.clone(), vec![a.clone()], vec![a.clone()]).unwrap().1, "A");
        // Conversations that part before the last turn have no common prompt.
        assert!(split_turns(&mut question.clone(), side(&a), vec![b]).is_err());
    }
}
