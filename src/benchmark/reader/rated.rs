//! What only training reads of a row: votes, probabilities, log-probabilities, ratings, rankings, reasons, prompts of one side.

use std::sync::Arc;

use super::cell::Cell;
use super::error::RowProblem;
use super::layout::Layout;
use super::messages;
use super::pairs::{Fault, cell, exactly};
use super::rows::Rows;
use super::verdict::Verdict;
use crate::benchmark::columns::Part;
use crate::preference::{Conversation, Evidence, Message, Response, Role};

/// Probability, votes, reason and user; sides in the file's order.
pub(super) fn evidence(rows: &mut dyn Rows, layout: &Layout, verdict: Verdict) -> Result<Evidence, Fault> {
    let probability = match verdict {
        Verdict::Tie => Some(0.5),
        Verdict::Soft(probability) => Some(probability),
        _ => None,
    };
    let mut name = |part| match cell(rows, layout, part) {
        Cell::Null => Ok(None),
        given => given.into_name().map(|text| Some(Arc::from(text.as_ref()))).map_err(|problem| (part, problem)),
    };
    let (rationale, user) = (name(Part::Rationale)?, name(Part::User)?);
    let mut count = |part| match cell(rows, layout, part).into_number() {
        Ok(Some(votes)) if votes < 0.0 => Err((part, RowProblem::Label { value: votes.to_string() })),
        other => other.map_err(|problem| (part, problem)),
    };
    let votes = match (count(Part::VotesA)?, count(Part::VotesB)?) {
        (Some(first), Some(second)) => Some([first, second]),
        (None, None) => individual(cell(rows, layout, Part::Individual))?,
        (None, Some(_)) => return Err((Part::VotesA, RowProblem::Null)),
        (Some(_), None) => return Err((Part::VotesB, RowProblem::Null)),
    };
    // Nobody voted: that says nothing.
    let votes = votes.filter(|votes| votes.iter().sum::<f64>() > 0.0);
    let mut log_prob = |part| match cell(rows, layout, part).into_number() {
        // Probabilities are not above 1.
        Ok(Some(log_prob)) if log_prob > 0.0 || log_prob.is_nan() => {
            Err((part, RowProblem::Label { value: log_prob.to_string() }))
        }
        other => other.map_err(|problem| (part, problem)),
    };
    let behaviour = match (log_prob(Part::BehaviourChosen)?, log_prob(Part::BehaviourRejected)?) {
        (Some(chosen), Some(rejected)) => vec![chosen, rejected],
        (None, None) => Vec::new(),
        (None, Some(_)) => return Err((Part::BehaviourChosen, RowProblem::Null)),
        (Some(_), None) => return Err((Part::BehaviourRejected, RowProblem::Null)),
    };
    Ok(Evidence { probability, votes, rationale, user, behaviour, ..Evidence::default() })
}

/// HelpSteer3: one signed score per annotator, negative where the first response is better; 0 votes for none.
fn individual(judgements: Cell<'_>) -> Result<Option<[f64; 2]>, Fault> {
    let fault = |problem| (Part::Individual, problem);
    let items = match judgements {
        Cell::Null => return Ok(None),
        Cell::List(items) => items,
        other => return Err(fault(other.mismatch("a list of judgements"))),
    };
    let mut votes = [0.0; 2];
    for item in items {
        let score = match item {
            Cell::Struct(fields) => fields.into_iter().find(|(name, _)| name == "score").map(|(_, score)| score),
            number => Some(number),
        };
        let score = score.unwrap_or(Cell::Null).into_number().map_err(fault)?.unwrap_or(0.0);
        votes[0] += f64::from(score < 0.0);
        votes[1] += f64::from(score > 0.0);
    }
    Ok(Some(votes))
}

/// The rejected response's own prompt, where a column gives it.
pub(super) fn own_prompt(rows: &mut dyn Rows, layout: &Layout, rejected: &mut [Response]) -> Result<(), Fault> {
    if layout.index(Part::PromptRejected).is_none() {
        return Ok(());
    }
    let part = Part::PromptRejected;
    let prompt = Arc::new(messages::prompt(cell(rows, layout, part)).map_err(|problem| (part, problem))?);
    rejected.iter_mut().for_each(|response| response.prompt = Some(prompt.clone()));
    Ok(())
}

/// By what the responses were compared goes into the system turn (CARM).
pub(super) fn criteria(rows: &mut dyn Rows, layout: &Layout, prompt: &mut Conversation) -> Result<(), Fault> {
    if layout.index(Part::Criteria).is_none() {
        return Ok(());
    }
    let text = cell(rows, layout, Part::Criteria).into_text().map_err(|problem| (Part::Criteria, problem))?;
    match prompt.0.first_mut() {
        Some(Message { role: Role::System, content }) => *content = format!("{content}\n\n{text}"),
        _ => prompt.0.insert(0, Message { role: Role::System, content: text.into_owned() }),
    }
    Ok(())
}

/// A number, a truth value, or a list of numbers with gaps.
fn numbers(cell: Cell<'_>, part: Part) -> Result<Vec<Option<f64>>, Fault> {
    let number = |cell: Cell<'_>| match cell {
        Cell::Bool(truth) => Ok(Some(f64::from(truth))),
        other => other.into_number().map_err(|problem| (part, problem)),
    };
    match cell {
        Cell::List(items) => items.into_iter().map(number).collect(),
        one => Ok(vec![number(one)?]),
    }
}

/// One response. Its ratings may be missing: then it is unlabelled.
pub(super) fn single(rows: &mut dyn Rows, layout: &Layout, evidence: &mut Evidence) -> Result<Response, Fault> {
    let text = cell(rows, layout, Part::Response).into_text().map_err(|problem| (Part::Response, problem))?;
    let response = Response::new(text);
    let part = if layout.index(Part::Scores).is_some() { Part::Scores } else { Part::Label };
    let ratings = numbers(cell(rows, layout, part), part)?;
    evidence.ratings = if ratings.iter().all(Option::is_none) { Vec::new() } else { ratings };
    Ok(response)
}

/// Chosen and rejected responses.
type Sides = (Vec<Response>, Vec<Response>);

/// Several responses, best first; the best are chosen. `None` where all are equal.
pub(super) fn ranked(rows: &mut dyn Rows, layout: &Layout, evidence: &mut Evidence) -> Result<Option<Sides>, Fault> {
    let texts = match cell(rows, layout, Part::Responses) {
        Cell::List(items) => items.into_iter().map(|item| item.into_text().map(|text| text.into_owned())),
        other => return Err((Part::Responses, other.mismatch("a list of texts"))),
    };
    let texts: Vec<String> = texts.collect::<Result<_, _>>().map_err(|problem| (Part::Responses, problem))?;
    let by_rank = layout.index(Part::Ranks).is_some();
    let part = if by_rank { Part::Ranks } else { Part::Scores };
    let given = numbers(cell(rows, layout, part), part)?;
    exactly(part, texts.len(), given.len())?;
    let values: Vec<f64> = given.into_iter().collect::<Option<_>>().ok_or((part, RowProblem::Null))?;
    // Smaller is better.
    let keys: Vec<f64> = values.iter().map(|value| if by_rank { *value } else { -value }).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let Some(best) = order.first().map(|&index| keys[index]) else { return Err((Part::Responses, RowProblem::Empty)) };
    let n_best = order.iter().take_while(|&&index| keys[index] == best).count();
    if n_best == order.len() {
        return Ok(None);
    }
    let place = |index: usize| {
        let mut better: Vec<f64> = keys.iter().copied().filter(|key| *key < keys[index]).collect();
        better.sort_by(f64::total_cmp);
        better.dedup();
        better.len() as u32
    };
    evidence.ranks = order.iter().map(|&index| place(index)).collect();
    if !by_rank {
        evidence.ratings = order.iter().map(|&index| Some(values[index])).collect();
    }
    let mut responses = order.into_iter().map(|index| Response::new(texts[index].as_str()));
    let chosen = responses.by_ref().take(n_best).collect();
    Ok(Some((chosen, responses.collect())))
}
