//! The rows of the hidden states that a head reads.

use tch::{Kind, Tensor};

use super::super::RewardError;
use crate::text::batch::{Pooled, TokenBatch};
use crate::text::pooling::Aggregate;

/// What a head reads of each sequence, at least f32, rows in the batch's order.
pub struct HeadStates {
    /// What becomes the reward: [n, d].
    pub pooled_nd: Tensor,
    /// What a gate reads: [n, d]; `None` where the batch names no such rows.
    pub gate_nd: Option<Tensor>,
    /// Where rows are single tokens of responses: which belong together.
    pub tokens: Option<TokenRows>,
}

/// Rows of responses, one response after the other.
pub struct TokenRows {
    sizes: Vec<usize>,
    aggregate: Aggregate,
}

impl TokenRows {
    /// Rewards of rows → one per response.
    pub fn aggregate(&self, rewards_r: &Tensor) -> Tensor {
        let (kind, device) = (rewards_r.kind(), rewards_r.device());
        let width = self.sizes.iter().copied().max().unwrap_or(1);
        let (mut places, mut holes) = (Vec::new(), Vec::new());
        let mut next = 0i64;
        for &size in &self.sizes {
            // Any row will do where the hole is closed.
            places.extend((0..width).map(|i| if i < size { next + i as i64 } else { next }));
            holes.extend((0..width).map(|i| i >= size));
            next += size as i64;
        }
        let shape = [self.sizes.len() as i64, width as i64];
        let rows = rewards_r.index_select(0, &Tensor::from_slice(&places).to_device(device)).view(shape);
        let holes = Tensor::from_slice(&holes).to_device(device).view(shape);
        let sizes: Vec<f64> = self.sizes.iter().map(|size| *size as f64).collect();
        let sum = |rows: Tensor| rows.masked_fill(&holes, 0.0).sum_dim_intlist(1, false, kind);
        let log_sum = |rows: Tensor| rows.masked_fill(&holes, f64::NEG_INFINITY).logsumexp([1i64], false);
        match self.aggregate {
            Aggregate::Sum => sum(rows),
            Aggregate::Mean => sum(rows) / Tensor::from_slice(&sizes).to_kind(kind).to_device(device),
            Aggregate::Max => log_sum(rows),
            Aggregate::Min => -log_sum(-rows),
        }
    }
}

impl HeadStates {
    /// Out of rows [r, d] at [`TokenBatch::read_positions`].
    pub fn of_rows(rows_rd: Tensor, batch: &TokenBatch) -> Self {
        let rows_rd = widened(rows_rd);
        let (n, gates) = (batch.pooled.len() as i64, batch.gates.len() as i64);
        if gates == 0 {
            return Self { pooled_nd: rows_rd, gate_nd: None, tokens: None };
        }
        Self { pooled_nd: rows_rd.narrow(0, 0, n), gate_nd: Some(rows_rd.narrow(0, n, gates)), tokens: None }
    }

    /// Out of the hidden states [t, d] of the whole stream.
    pub fn of_stream(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Self, RewardError> {
        if let Some(positions) = batch.read_positions() {
            return Ok(Self::of_rows(rows(hidden_td, &positions), batch));
        }
        if let Some((positions, tokens)) = token_rows(batch)? {
            return Ok(Self { pooled_nd: widened(rows(hidden_td, &positions)), gate_nd: None, tokens: Some(tokens) });
        }
        let gate_nd = (!batch.gates.is_empty()).then(|| widened(rows(hidden_td, &batch.gates)));
        Ok(Self { pooled_nd: pool(hidden_td, batch)?, gate_nd, tokens: None })
    }
}

/// The positions of all responses' tokens, where the batch reads those.
fn token_rows(batch: &TokenBatch) -> Result<Option<(Vec<usize>, TokenRows)>, RewardError> {
    let Some(Pooled::Tokens { aggregate, .. }) = batch.pooled.first() else { return Ok(None) };
    let (mut positions, mut sizes) = (Vec::new(), Vec::new());
    for pooled in &batch.pooled {
        let Pooled::Tokens { pieces, .. } = pooled else {
            return Err(RewardError::Model("a batch reads single tokens of some sequences only".into()));
        };
        let before = positions.len();
        positions.extend(pieces.iter().cloned().flatten());
        if positions.len() == before {
            return Err(RewardError::Model("a response without tokens has no reward".into()));
        }
        sizes.push(positions.len() - before);
    }
    if !batch.gates.is_empty() {
        return Err(RewardError::Model("a head with a gate does not read single tokens".into()));
    }
    Ok(Some((positions, TokenRows { sizes, aggregate: *aggregate })))
}

/// Means, and single rows where a batch mixes them: [n, d].
fn pool(hidden_td: &Tensor, batch: &TokenBatch) -> Result<Tensor, RewardError> {
    let mut rows = Vec::with_capacity(batch.pooled.len());
    for pooled in &batch.pooled {
        let pieces: Vec<Tensor> = match pooled {
            Pooled::Token(index) => vec![hidden_td.narrow(0, *index as i64, 1)],
            Pooled::Mean(ranges) | Pooled::Tokens { pieces: ranges, .. } => ranges
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two responses of three tokens and of one.
    #[test]
    fn rewards_of_tokens_become_one() {
        let rewards = Tensor::from_slice(&[1.0f64, 3.0, -2.0, 0.5]).set_requires_grad(true);
        let of = |aggregate| {
            let all = TokenRows { sizes: vec![3, 1], aggregate }.aggregate(&rewards);
            Vec::<f64>::try_from(all).unwrap()
        };
        assert_eq!(of(Aggregate::Sum), [2.0, 0.5]);
        assert_eq!(of(Aggregate::Mean), [2.0 / 3.0, 0.5]);
        let max = (1f64.exp() + 3f64.exp() + (-2f64).exp()).ln();
        let min = -((-1f64).exp() + (-3f64).exp() + 2f64.exp()).ln();
        for (found, expected) in [(of(Aggregate::Max), max), (of(Aggregate::Min), min)] {
            assert!((found[0] - expected).abs() < 1e-12 && (found[1] - 0.5).abs() < 1e-12, "{found:?}");
        }
        // The mean shares the gradient; the soft maximum gives it by softmax.
        let gradient = |aggregate| {
            let all = TokenRows { sizes: vec![3, 1], aggregate }.aggregate(&rewards).select(0, 0);
            Vec::<f64>::try_from(&Tensor::run_backward(&[all], &[&rewards], false, false)[0]).unwrap()
        };
        assert!(gradient(Aggregate::Mean).iter().zip([1.0, 1.0, 1.0, 0.0]).all(|(g, e)| (g - e / 3.0).abs() < 1e-12));
        let soft = [1.0f64, 3.0, -2.0].map(|r| (r - max).exp());
        assert!(gradient(Aggregate::Max).iter().zip(soft).all(|(g, e)| (g - e).abs() < 1e-12));
    }
}
