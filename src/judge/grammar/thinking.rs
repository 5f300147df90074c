//! Where a reply's answer stands: what a reasoning model thinks aloud before it is no verdict.

use std::ops::Range;

use super::plain::Plain;

/// How models mark their thoughts: begin and end.
const TAGS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<scratchpad>", "</scratchpad>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
];

/// Where models with channels begin a thought, and where their answer.
const THOUGHT_CHANNEL: &str = "<|channel|>analysis<|message|>";
const ANSWER_CHANNEL: &str = "<|channel|>final<|message|>";
const ENDS: &[&str] = &["<|return|>", "<|end|>", "<|im_end|>", "<|eot_id|>", "</s>", "<|endoftext|>"];

/// The part of a reply that answers. Empty where a thought was never finished.
///
/// Servers that put the opening tag into the prompt leave only the closing one: what follows the last closing
/// tag counts.
pub fn answer(plain: &Plain) -> Range<usize> {
    let end = plain.len();
    let mut from = 0;
    for (_, close) in TAGS {
        if let Some(at) = plain.rfind(close, from, end) {
            from = at + close.chars().count();
        }
    }
    if let Some(at) = plain.rfind(ANSWER_CHANNEL, from, end) {
        from = at + ANSWER_CHANNEL.chars().count();
    } else if plain.find(THOUGHT_CHANNEL, from, end).is_some() {
        return end..end;
    }
    let mut to = end;
    for open in TAGS.iter().map(|(open, _)| *open).chain(ENDS.iter().copied()) {
        if let Some(at) = plain.find(open, from, to) {
            to = at;
        }
    }
    from..to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_no_answers() {
        for (reply, expected) in [
            ("<think>A is better</think>\n[[B]]", "\n[[B]]"),
            ("A is better</think>[[B]]", "[[B]]"),
            ("<think>so far [[A]] but", ""),
            ("[[A]] <think>or not", "[[A]] "),
            ("<THINK>x</THINK>y", "y"),
            ("<think>a</think>b<think>c</think>d", "d"),
            ("<|channel|>analysis<|message|>[[A]]<|end|><|channel|>final<|message|>[[B]]<|return|>", "[[B]]"),
            ("<|channel|>analysis<|message|>[[A]]", ""),
            ("plain", "plain"),
        ] {
            let plain = Plain::of(reply);
            assert_eq!(plain.text(answer(&plain)), expected, "{reply}");
        }
    }
}
