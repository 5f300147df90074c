//! Shapes that only training reads.

use super::{Kind, Search, Shape};
use crate::benchmark::columns::Part;
use crate::benchmark::reader::error::ReadError;

/// Prompts of the two sides in columns of their own, where there is no common one.
pub(super) fn own_prompts(search: &mut Search<'_>) -> Result<bool, ReadError> {
    let of = |search: &Search<'_>, part| Ok::<_, ReadError>(search.mapped(part)?.or_else(|| search.usual(part)));
    let (Some(chosen), Some(rejected)) = (of(search, Part::PromptChosen)?, of(search, Part::PromptRejected)?) else {
        return Ok(false);
    };
    search.found.extend([(Part::PromptChosen, chosen), (Part::PromptRejected, rejected)]);
    Ok(true)
}

/// A list of responses with ratings or ranks, or a single response with or without a rating.
pub(super) fn rated(search: &mut Search<'_>) -> Result<Option<Shape>, ReadError> {
    if search.take(Part::Responses)?.is_some() {
        if search.take(Part::Ranks)?.is_none() && search.take(Part::Scores)?.is_none() {
            let problem = "has a list of responses and no column that says which is better";
            return search.refuse(problem, "map scores (larger is better) or ranks (1 is best)");
        }
        return Ok(Some(Shape::Ranked));
    }
    if search.take(Part::Response)?.is_some() {
        if search.take(Part::Scores)?.is_none() {
            let label = search.mapped(Part::Label)?.or_else(|| search.named("label"));
            search.found.extend(label.map(|index| (Part::Label, index)));
        }
        return Ok(Some(Shape::Points));
    }
    Ok(None)
}

/// Takes the mapped column for a part, or the usual one where it holds what the part would: a column that is of
/// no use here may be called the same and hold anything.
pub(super) fn take(search: &mut Search<'_>, part: Part) -> Result<(), ReadError> {
    let fits = |kind: Kind| match part {
        Part::VotesA | Part::VotesB => matches!(kind, Kind::Integer | Kind::Number | Kind::Text),
        Part::Individual => !matches!(kind, Kind::Integer | Kind::Number | Kind::Text),
        _ => matches!(kind, Kind::Integer | Kind::Text),
    };
    let index = search.mapped(part)?.or_else(|| search.usual(part).filter(|&index| fits(search.kind(index))));
    search.found.extend(index.map(|index| (part, index)));
    Ok(())
}

/// The columns of the responses' vectors: both, or none.
pub(super) fn embeddings(search: &mut Search<'_>) -> Result<bool, ReadError> {
    let chosen = search.take(Part::ChosenEmbedding)?;
    let rejected = search.take(Part::RejectedEmbedding)?;
    match (chosen, rejected) {
        (Some(_), Some(_)) => Ok(true),
        (None, None) => Ok(false),
        _ => search.refuse("has vectors of one side only", "map chosen-embedding and rejected-embedding"),
    }
}

/// Whether there are texts of both sides beside the vectors.
pub(super) fn has_texts(search: &Search<'_>) -> bool {
    let there = |part: Part| search.map.get(part).is_some() || search.usual(part).is_some();
    [[Part::Chosen, Part::Rejected], [Part::ResponseA, Part::ResponseB]].iter().any(|two| two.iter().all(|p| there(*p)))
}
