//! What KTO and BCO subtract from rewards: a number made of those of the step.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tch::Tensor;

use crate::objective::Label;
use crate::objective::implicit::{Shift as Kind, column};
use crate::train::error::TrainError;
use crate::train::values::to_f64;

pub struct Shift {
    kind: Kind,
    /// Σ and number of rewards so far.
    sum: f64,
    n: f64,
    /// Of the last step.
    value: Option<f64>,
}

/// Columns of a micro-batch's sequences, one sequence after the other, and the labels of its comparisons.
pub type Seen = (Vec<f64>, Vec<Label>);

impl Shift {
    pub fn new(kind: Kind) -> Self {
        Self { kind, sum: 0.0, n: 0.0, value: None }
    }

    /// The shift of a step that consists of these micro-batches.
    pub fn of_step(&mut self, seen: &[Seen]) -> f64 {
        let (mut mismatched, mut responses) = (Vec::new(), Vec::new());
        for (columns, labels) in seen {
            let mut rows = columns.chunks(column::COUNT as usize);
            for label in labels {
                for place in 0..label.n_sequences() {
                    let Some(row) = rows.next() else { continue };
                    let log_ratio = row[column::LOG_PROB as usize] - row[column::REFERENCE as usize];
                    if place < label.n_responses() { &mut responses } else { &mut mismatched }.push(log_ratio);
                }
            }
        }
        let value = match self.kind {
            Kind::Mismatched => {
                let n = mismatched.len().max(1) as f64;
                (mismatched.iter().sum::<f64>() / n).max(0.0)
            }
            Kind::RunningMean { beta } => {
                self.sum += responses.iter().map(|log_ratio| beta * log_ratio).sum::<f64>();
                self.n += responses.len() as f64;
                self.sum / self.n.max(1.0)
            }
        };
        self.value = Some(value);
        value
    }

    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        [("shift".to_owned(), Tensor::from_slice(&[self.sum, self.n]))].into()
    }

    pub fn load(&mut self, tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        if let Some(&[sum, n]) = tensors.get("shift").map(to_f64).as_deref() {
            (self.sum, self.n) = (sum, n);
        }
        Ok(())
    }

    pub fn report(&self) -> Value {
        json!({ "shift": self.value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of log-probability and reference.
    fn row(log_prob: f64, reference: f64) -> [f64; column::COUNT as usize] {
        [log_prob, 1.0, reference, log_prob, 1.0]
    }

    #[test]
    fn mismatched_sequences_alone_make_ktos_and_responses_bcos() {
        let label = Label { n_further: 1, ..Label::pair(None) };
        let first = [row(-3.0, -4.0), row(-5.0, -4.5), row(-2.0, -2.5)].concat();
        let second = [row(-1.0, -1.0), row(-1.0, -1.0), row(-2.0, -2.25)].concat();
        let step = [(first.clone(), vec![label.clone()]), (second, vec![label.clone()])];
        assert_eq!(Shift::new(Kind::Mismatched).of_step(&step), 0.375);
        assert_eq!(Shift::new(Kind::Mismatched).of_step(&[([row(-3.0, -2.0); 3].concat(), vec![label.clone()])]), 0.0);
        let mut running = Shift::new(Kind::RunningMean { beta: 2.0 });
        assert_eq!(running.of_step(&step), 2.0 * 0.5 / 4.0);
        let mut resumed = Shift::new(Kind::RunningMean { beta: 2.0 });
        resumed.load(running.tensors()).unwrap();
        let next = [(first, vec![label])];
        assert_eq!(resumed.of_step(&next), 2.0 * 1.0 / 6.0);
        assert_eq!(running.of_step(&next), 2.0 * 1.0 / 6.0);
    }
}
