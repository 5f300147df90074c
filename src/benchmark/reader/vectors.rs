//! Vectors that stand for responses: of any kind, made by whatever model.

use super::cell::Cell;
use super::error::RowProblem;
use super::layout::Layout;
use super::pairs::{Fault, cell, exactly, prompt};
use super::rows::Rows;
use crate::benchmark::columns::Part;
use crate::files;
use crate::preference::{Conversation, Embedding, Response};

const EXPECTED: &str = "a list of finite numbers";

/// Responses that are vectors and nothing else; they are called after their numbers.
pub(super) fn alone(
    rows: &mut dyn Rows,
    layout: &Layout,
) -> Result<(Conversation, Vec<Response>, Vec<Response>), Fault> {
    let prompt = match layout.index(Part::Prompt).or(layout.index(Part::Context)) {
        Some(_) => prompt(rows, layout)?,
        None => Conversation::default(),
    };
    let mut side = |part| Ok::<_, Fault>(vectors(rows, layout, part)?.into_iter().map(named).collect::<Vec<_>>());
    let (chosen, rejected) = (side(Part::ChosenEmbedding)?, side(Part::RejectedEmbedding)?);
    Ok((prompt, chosen, rejected))
}

/// Vectors beside texts.
pub(super) fn beside(
    rows: &mut dyn Rows,
    layout: &Layout,
    chosen: &mut [Response],
    rejected: &mut [Response],
) -> Result<(), Fault> {
    for (part, responses) in [(Part::ChosenEmbedding, chosen), (Part::RejectedEmbedding, rejected)] {
        if layout.index(part).is_none() {
            continue;
        }
        let vectors = vectors(rows, layout, part)?;
        exactly(part, responses.len(), vectors.len())?;
        responses.iter_mut().zip(vectors).for_each(|(response, vector)| response.embedding = Some(vector));
    }
    Ok(())
}

fn named(embedding: Embedding) -> Response {
    let text = format!("vector {}", &files::sha256(embedding.bytes())[..16]);
    Response { embedding: Some(embedding), ..Response::new(text) }
}

/// One vector, or a list of them.
fn vectors(rows: &mut dyn Rows, layout: &Layout, part: Part) -> Result<Vec<Embedding>, Fault> {
    let plain = layout.index(part).and_then(|index| rows.vectors(index)).filter(|vectors| !vectors.is_empty());
    if let Some(vectors) = plain {
        return vectors.into_iter().map(finite).collect::<Result<_, _>>().map_err(|problem| (part, problem));
    }
    let all = match cell(rows, layout, part) {
        Cell::List(items) if matches!(items.first(), Some(Cell::List(_))) => items.into_iter().map(vector).collect(),
        one => vector(one).map(|vector| vec![vector]),
    };
    all.map_err(|problem| (part, problem))
}

fn finite(values: &[f32]) -> Result<Embedding, RowProblem> {
    match values.iter().find(|x| !x.is_finite()) {
        _ if values.is_empty() => Err(RowProblem::Empty),
        Some(x) => Err(Cell::Number((*x).into()).mismatch(EXPECTED)),
        None => Ok(Embedding(values.into())),
    }
}

fn vector(cell: Cell<'_>) -> Result<Embedding, RowProblem> {
    let Cell::List(items) = cell else { return Err(cell.mismatch(EXPECTED)) };
    if items.is_empty() {
        return Err(RowProblem::Empty);
    }
    let number = |item: Cell<'_>| match item {
        Cell::Number(x) if x.is_finite() => Ok(x as f32),
        Cell::Integer(x) => Ok(x as f32),
        other => Err(other.mismatch(EXPECTED)),
    };
    Ok(Embedding(items.into_iter().map(number).collect::<Result<Vec<_>, _>>()?.into()))
}
