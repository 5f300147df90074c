//! Reward-conditioned copies of pairs: asked for a good response the chosen one is better, asked for a bad one the
//! rejected one is.
//!
//! What is asked for stands in the system turn. A model learns from every pair twice, and has to read the goal to tell
//! which side is meant. It is scored with the good goal, which its text settings keep.

use super::settings::TrainSettings;
use crate::preference::{Comparison, Message, Role};
use crate::text::settings::TextOverrides;

/// The system turn that asks for a good response, where prompts have none of their own.
pub const GOOD: &str = "Give the response that people prefer.";
const BAD: &str = "Give the response that people do not prefer.";

impl TrainSettings {
    /// How texts become tokens, with the goal that a trained model is asked for.
    pub fn text(&self) -> TextOverrides {
        let goal = self.auxiliary.goals.then(|| GOOD.to_owned());
        TextOverrides { system: self.text.system.clone().or(goal), ..self.text.clone() }
    }
}

/// The comparisons, and after each pair its copy with the other goal; and the number of the comparison that each is of.
/// What is no pair has no other side to prefer.
pub fn with_copies(comparisons: &[Comparison]) -> (Vec<Comparison>, Vec<usize>) {
    let (mut all, mut of) = (Vec::with_capacity(2 * comparisons.len()), Vec::with_capacity(2 * comparisons.len()));
    for (number, comparison) in comparisons.iter().enumerate() {
        all.push(asked(comparison.clone(), GOOD));
        of.push(number);
        if comparison.is_pair() && comparison.evidence.ratings.is_empty() {
            all.push(asked(swapped(comparison), BAD));
            of.push(number);
        }
    }
    (all, of)
}

/// With the goal in the system turn.
fn asked(mut comparison: Comparison, goal: &str) -> Comparison {
    match comparison.prompt.0.first_mut() {
        Some(Message { role: Role::System, content }) => *content = format!("{content}\n\n{goal}"),
        // The good goal is what the model's own settings put there.
        _ if goal == GOOD => {}
        _ => comparison.prompt.0.insert(0, Message { role: Role::System, content: goal.to_owned() }),
    }
    comparison
}

/// Chosen and rejected exchanged. How clear a preference is says the same of both goals.
fn swapped(comparison: &Comparison) -> Comparison {
    let mut copy = comparison.clone();
    std::mem::swap(&mut copy.chosen, &mut copy.rejected);
    copy.evidence.behaviour.reverse();
    copy.evidence.rationale = None;
    copy.id = format!("{} (other goal)", comparison.id).into();
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::preference::{Conversation, Response};

    #[test]
    fn every_pair_is_learnt_both_ways() {
        let pair = Comparison {
            id: "i".into(),
            source: "i".into(),
            lang: Lang::ENGLISH,
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt("p"),
            chosen: vec![Response::new("a")],
            rejected: vec![Response::new("b")],
            margin: Some(2.0),
            evidence: Default::default(),
            row: 0,
        };
        let mut with_system = pair.clone();
        with_system.prompt.0.insert(0, Message { role: Role::System, content: "Be brief.".into() });
        let mut list = pair.clone();
        list.rejected.push(Response::new("c"));
        let (all, of) = with_copies(&[pair.clone(), with_system, list]);
        assert_eq!(of, [0, 0, 1, 1, 2]);
        let seen: Vec<(usize, &str, &str)> =
            all.iter().map(|c| (c.prompt.0.len(), c.prompt.0[0].content.as_str(), c.chosen[0].text.as_str())).collect();
        let both = [format!("Be brief.\n\n{GOOD}"), format!("Be brief.\n\n{BAD}")];
        let expected =
            [(1, "p", "a"), (2, BAD, "b"), (2, both[0].as_str(), "a"), (2, both[1].as_str(), "b"), (1, "p", "a")];
        assert_eq!(seen, expected);
        assert_eq!((all[1].source.clone(), all[1].margin), (pair.source, pair.margin));
    }
}
