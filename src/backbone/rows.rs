//! Last-layer pruning: which rows of the stream the last layer has to finish.
//!
//! A reward is read at one position of each sequence, or a few. What the last layer does for any other
//! token beyond its key and value is read by nobody, so it is left out: exact, in both passes, and one
//! layer's queries, output and MLP cheaper.

use tch::{Device, Kind, Tensor};

use super::attention::{Plan, Sight};
use crate::text::batch::TokenBatch;

/// Wanted positions of the stream.
pub struct Rows {
    /// Ascending, each once.
    stream: Vec<usize>,
    /// Where each position asked for stands in `stream`.
    asked: Vec<usize>,
}

impl Rows {
    /// In any order; several sequences may read one position of their common prefix.
    pub fn new(positions: &[usize]) -> Self {
        let mut stream = positions.to_vec();
        stream.sort_unstable();
        stream.dedup();
        let asked = positions.iter().map(|&p| stream.partition_point(|&row| row < p)).collect();
        Self { stream, asked }
    }

    pub fn len(&self) -> usize {
        self.stream.len()
    }

    /// What a last layer with the given sight needs to know.
    pub fn last_layer(&self, batch: &TokenBatch, sight: Sight, kind: Kind, device: Device) -> LastLayer<Plan> {
        self.last(|rows| Plan::of_rows(batch, rows, sight, kind, device), device)
    }

    /// A last layer with the plan that is made of the rows (ascending, each once).
    pub fn last<P>(&self, plan: impl FnOnce(&[usize]) -> P, device: Device) -> LastLayer<P> {
        LastLayer { rows_n: index(&self.stream, device), plan: plan(&self.stream) }
    }

    /// States of the rows in the stream's order → one per position asked for.
    pub fn in_order_asked(&self, states_nd: Tensor) -> Tensor {
        if self.asked.iter().copied().eq(0..self.stream.len()) {
            return states_nd;
        }
        states_nd.index_select(0, &index(&self.asked, states_nd.device()))
    }

    /// States of the whole stream → one per position asked for.
    pub fn in_order_of_stream(&self, states_td: &Tensor) -> Tensor {
        let positions: Vec<usize> = self.asked.iter().map(|&at| self.stream[at]).collect();
        states_td.index_select(0, &index(&positions, states_td.device()))
    }
}

/// What a forward pass is to give: states of all tokens or of some, and perhaps those after each layer.
#[derive(Default)]
pub struct Wanted<'a> {
    pub rows: Option<&'a Rows>,
    /// The stream after each layer, before the last norm.
    pub per_layer: Option<&'a mut Vec<Tensor>>,
}

impl<'a> Wanted<'a> {
    pub fn rows(rows: &'a Rows) -> Self {
        Self { rows: Some(rows), per_layer: None }
    }

    /// Keeps the stream as a layer leaves it.
    pub fn keep(&mut self, x_td: &Tensor, batch: &TokenBatch) {
        if let Some(states) = self.per_layer.as_deref_mut() {
            states.push(x_td.narrow(0, 0, batch.n_tokens() as i64));
        }
    }

    /// The states asked for, without the rows that belong to no token.
    pub fn finish(&self, x_td: Tensor, batch: &TokenBatch) -> Tensor {
        if self.rows.is_some() { x_td } else { x_td.narrow(0, 0, batch.n_tokens() as i64) }
    }
}

/// The rows that a last layer finishes, and their attention.
pub struct LastLayer<P> {
    rows_n: Tensor,
    pub plan: P,
}

impl<P> LastLayer<P> {
    /// Its rows of a tensor [t, ...] → [n, ...].
    pub fn of(&self, x: &Tensor) -> Tensor {
        x.index_select(0, &self.rows_n)
    }
}

fn index(positions: &[usize], device: Device) -> Tensor {
    let positions: Vec<i64> = positions.iter().map(|&p| p as i64).collect();
    Tensor::from_slice(&positions).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_once_and_back_in_the_order_asked() {
        let states_td = Tensor::arange(6, (Kind::Float, Device::Cpu)).unsqueeze(1);
        let rows = Rows::new(&[4, 1, 4, 2]);
        assert_eq!(rows.stream, [1, 2, 4]);
        let expected = states_td.index_select(0, &index(&[4, 1, 4, 2], Device::Cpu));
        assert_eq!(rows.in_order_of_stream(&states_td), expected);
        assert_eq!(rows.in_order_asked(states_td.index_select(0, &index(&rows.stream, Device::Cpu))), expected);
    }
}
