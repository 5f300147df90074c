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

impl HeadStates {
    /// Out of rows [r, d] at [`TokenBatch::read_positions`].
    pub fn of_rows(rows_rd: Tensor, batch: &TokenBatch) -> Self {
        let rows_rd = widened(rows_rd);
        let (n, gates) = (batch.pooled.len() as i64, batch.gates.len() as i64);
        if gates == 0 {
            return Self { pooled_nd: rows_rd, gate_nd: None };
        }
        Self { pooled_nd: rows_rd.narrow(0, 0, n), gate_nd: Some(rows_rd.narrow(0, n, gates)) }
    }

    /// Out of the hidden states [t, d] of the whole stream.
    pub fn of_stream(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Self, RewardError> {
        if let Some(positions) = batch.read_positions() {
            return Ok(Self::of_rows(rows(hidden_td, &positions), batch));
        }
        let gate_nd = (!batch.gates.is_empty()).then(|| widened(rows(hidden_td, &batch.gates)));
        Ok(Self { pooled_nd: pool(hidden_td, batch)?, gate_nd })
    }
}

/// Means, and single rows where a batch mixes them: [n, d].
fn pool(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Tensor, RewardError> {
    let mut rows = Vec::with_capacity(batch.pooled.len());
    for pooled in &batch.pooled {
        let pieces: Vec<Tensor> = match pooled {
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
        let states = widened(Tensor::cat(&pieces, 0));
        rows.push(states.mean_dim(0, false, states.kind()));
    }
    Ok(Tensor::stack(&rows, 0))
}

/// Rows [n, d] by their position in the stream.
fn rows(hidden_td: &Tensor, positions: &[usize]) -> Tensor {
    let indices: Vec<i64> = positions.iter().map(|&position| position as i64).collect();
    hidden_td.index_select(0, &Tensor::from_slice(&indices).to_device(hidden_td.device()))
}

/// At least in f32; f64 stays for the checks that use it.
fn widened(states: Tensor) -> Tensor {
    if states.kind() == Kind::Double { states } else { states.to_kind(Kind::Float) }
}
