//! The rows of the hidden states that a head reads.

use tch::{Kind, Tensor};

use super::super::RewardError;
use crate::text::batch::{Pooled, TokenBatch};

/// What a head reads of each sequence, at least f32, rows in the batch's order.
pub struct HeadStates {
    /// What becomes the reward: [n, d].
    pub pooled_nd: Tensor,
    /// What a gate reads: [n, d]; `None` where the batch names no such rows.
    pub gate_nd: Option<Tensor>,
}

/// Picks what the head reads out of hidden states [t, d].
pub fn pool(hidden_td: &Tensor, batch: &TokenBatch) -> Result<HeadStates, RewardError> {
    let gate_nd = (!batch.gates.is_empty()).then(|| rows(hidden_td, batch.gates.iter().copied()));
    Ok(HeadStates { pooled_nd: pooled(hidden_td, batch)?, gate_nd })
}

fn pooled(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Tensor, RewardError> {
    let single = batch.pooled.iter().map(|pooled| match pooled {
        Pooled::Token(index) => Some(*index),
        Pooled::Mean(_) => None,
    });
    if let Some(indices) = single.collect::<Option<Vec<usize>>>() {
        return Ok(rows(hidden_td, indices));
    }
    let mut pooled = Vec::with_capacity(batch.pooled.len());
    for of_sequence in &batch.pooled {
        let pieces: Vec<Tensor> = match of_sequence {
            Pooled::Token(index) => vec![hidden_td.narrow(0, *index as i64, 1)],
            Pooled::Mean(ranges) => ranges
                .iter()
                .filter(|r| !r.is_empty())
                .map(|r| hidden_td.narrow(0, r.start as i64, r.len() as i64))
                .collect(),
        };
        if pieces.is_empty() {
            return Err(RewardError::Model("a sequence without tokens cannot be pooled".into()));
        }
        let states = Tensor::cat(&pieces, 0).to_kind(wide(hidden_td.kind()));
        pooled.push(states.mean_dim(0, false, wide(hidden_td.kind())));
    }
    Ok(Tensor::stack(&pooled, 0))
}

/// Rows [n, d] by their position in the stream.
fn rows(hidden_td: &Tensor, indices: impl IntoIterator<Item = usize>) -> Tensor {
    let indices: Vec<i64> = indices.into_iter().map(|index| index as i64).collect();
    let indices = Tensor::from_slice(&indices).to_device(hidden_td.device());
    hidden_td.index_select(0, &indices).to_kind(wide(hidden_td.kind()))
}

/// At least f32; f64 stays for the checks that use it.
fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double { kind } else { Kind::Float }
}
