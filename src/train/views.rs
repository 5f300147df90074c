//! Further sequences of training pairs, for objectives that look at a pair in more than one way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lang::Lang;
use crate::objective::companions::LmText;
use crate::objective::implicit::Shift;
use crate::objective::{Family, Objective};
use crate::preference::{Comparison, Conversation, Message, Response, Role};

/// What stands between the parts of a composite.
const BETWEEN: &str = "\n\n";

/// The further sequences of each comparison, in order; most objectives have none.
pub fn further(objective: &Objective, comparisons: &[Comparison]) -> Vec<Vec<Response>> {
    match objective.family() {
        Family::Mapl(mapl) if mapl.inter > 0.0 => composites(comparisons),
        Family::LmBeside(lm) if lm.text == LmText::Rationale => comparisons.iter().map(rationale).collect(),
        _ if explains(objective) => comparisons.iter().map(rationale).collect(),
        _ if objective.policy().and_then(|needs| needs.shift) == Some(Shift::Mismatched) => mismatched(comparisons),
        _ => vec![Vec::new(); comparisons.len()],
    }
}

/// Whether a policy learns why responses are better.
fn explains(objective: &Objective) -> bool {
    match objective.family() {
        Family::Contrast(contrast) => contrast.rationale > 0.0,
        Family::Composite(composite) => {
            composite.parts().is_ok_and(|parts| parts.iter().any(|(part, _)| explains(part)))
        }
        _ => false,
    }
}

/// After each prompt the first response of the comparison before it in its language (KTO's estimate of how far the
/// policy is from its reference). One that is alone in its language has none.
fn mismatched(comparisons: &[Comparison]) -> Vec<Vec<Response>> {
    let mut by_lang: BTreeMap<Lang, Vec<usize>> = BTreeMap::new();
    comparisons.iter().enumerate().for_each(|(index, c)| by_lang.entry(c.lang).or_default().push(index));
    let mut found = vec![Vec::new(); comparisons.len()];
    for members in by_lang.values().filter(|members| members.len() > 1) {
        for (place, &own) in members.iter().enumerate() {
            let before = members[(place + members.len() - 1) % members.len()];
            found[own].extend(comparisons[before].chosen.first().map(|response| Response::new(response.text.as_str())));
        }
    }
    found
}

/// Whether a pair may do without them.
pub fn are_optional(objective: &Objective) -> bool {
    let of_step = objective.policy().and_then(|needs| needs.shift).is_some();
    of_step || matches!(objective.family(), Family::Mapl(_))
}

/// The comparison with its further sequences after its rejected responses, as it is encoded.
pub fn with(comparison: &Comparison, further: &[Response]) -> Comparison {
    let mut whole = comparison.clone();
    whole.rejected.extend_from_slice(further);
    whole
}

/// The chosen response and, after it, why it is better.
fn rationale(comparison: &Comparison) -> Vec<Response> {
    let (Some(chosen), Some(rationale)) = (comparison.chosen.first(), &comparison.evidence.rationale) else {
        return Vec::new();
    };
    vec![Response { text: format!("{}{BETWEEN}{rationale}", chosen.text), ..chosen.clone() }]
}

/// Of every pair and the next one in its language: both prompts in one, both chosen, and both rejected
/// responses. Pairs with more than one turn, or with two prompts, have no composite.
fn composites(comparisons: &[Comparison]) -> Vec<Vec<Response>> {
    let mut by_lang: BTreeMap<Lang, Vec<usize>> = BTreeMap::new();
    for (index, comparison) in comparisons.iter().enumerate() {
        if single_turn(comparison).is_some() {
            by_lang.entry(comparison.lang).or_default().push(index);
        }
    }
    let mut found = vec![Vec::new(); comparisons.len()];
    for members in by_lang.values().filter(|members| members.len() > 1) {
        for (place, &own) in members.iter().enumerate() {
            let other = members[(place + 1) % members.len()];
            found[own] = composite(&comparisons[own], &comparisons[other]).unwrap_or_default();
        }
    }
    found
}

fn single_turn(comparison: &Comparison) -> Option<&str> {
    let own_prompts = comparison.responses().any(|response| response.prompt.is_some());
    match comparison.prompt.0.as_slice() {
        [Message { role: Role::User, content }] if comparison.is_pair() && !own_prompts => Some(content),
        _ => None,
    }
}

fn composite(own: &Comparison, other: &Comparison) -> Option<Vec<Response>> {
    let joined = |a: &str, b: &str| format!("{a}{BETWEEN}{b}");
    let prompt = Arc::new(Conversation::from_prompt(joined(single_turn(own)?, single_turn(other)?)));
    let response = |a: &Response, b: &Response| Response {
        text: joined(&a.text, &b.text),
        prompt: Some(prompt.clone()),
        ..Response::default()
    };
    let chosen = response(own.chosen.first()?, other.chosen.first()?);
    Some(vec![chosen, response(own.rejected.first()?, other.rejected.first()?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(id: u64, lang: &str) -> Comparison {
        Comparison {
            id: format!("i{id}").into(),
            source: format!("i{id}").into(),
            lang: Lang::from_code(lang).unwrap(),
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt("p"),
            chosen: vec![Response::new("a")],
            rejected: vec![Response::new("b")],
            margin: None,
            evidence: Default::default(),
            row: id,
        }
    }

    #[test]
    fn a_composite_joins_neighbours_of_one_language() {
        let mut all = vec![comparison(0, "eng_Latn"), comparison(1, "deu_Latn"), comparison(2, "eng_Latn")];
        all[2].prompt = Conversation::from_prompt("q");
        all[2].chosen[0].text = "c".into();
        let mapl = Objective::named("mapl").unwrap();
        let found = further(&mapl, &all);
        // German stands alone.
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2]);
        assert_eq!(found[0][0].prompt.as_ref().unwrap().plain_text(), "p\n\nq");
        assert_eq!((found[0][0].text.as_str(), found[0][1].text.as_str()), ("a\n\nc", "b\n\nb"));
        assert_eq!(found[2][0].text, "c\n\na");
        assert_eq!(with(&all[0], &found[0]).rejected.len(), 3);
        assert!(further(&Objective::default(), &all).iter().all(Vec::is_empty));
    }

    #[test]
    fn mismatched_responses_are_the_neighbours_in_the_language() {
        let mut all = vec![comparison(0, "eng_Latn"), comparison(1, "deu_Latn"), comparison(2, "eng_Latn")];
        all[2].chosen[0].text = "c".into();
        let found = further(&Objective::named("kto").unwrap(), &all);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!((found[0][0].text.as_str(), found[2][0].text.as_str()), ("c", "a"));
    }

    #[test]
    fn a_rationale_follows_the_chosen_response() {
        let mut one = comparison(0, "eng_Latn");
        one.evidence.rationale = Some("because".into());
        let found = further(&Objective::named("rationale").unwrap(), &[one]);
        assert_eq!(found[0][0].text, "a\n\nbecause");
    }
}
