//! Next-token loss on the texts a reward model reads.
//!
//! L = −(1/n) Σ log softmax(E·h_t)[y_{t+1}], E the output layer of the language model that training began with, which stays as
//! it is, or else the input embeddings. As an auxiliary term it keeps the trunk a language model while the head learns
//! preferences (the text regularisation of GRM, arXiv 2406.10216); alone it is the pre-training stage of a model from
//! scratch. The output layer is no parameter of the reward model, so the saved checkpoint stays an ordinary sequence classifier.

use tch::Tensor;

use crate::backbone::vocabulary::OutputLayer;
use crate::text::batch::TokenBatch;

/// Which positions of a sequence are predicted from: every `stride`-th, beginning at a place that the
/// caller moves from step to step. The output layer is most of a small model's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    pub stride: u64,
    pub offset: u64,
}

impl Every {
    pub fn takes(self, position: u64) -> bool {
        (position + self.offset).is_multiple_of(self.stride.max(1))
    }

    /// Predictions over a sequence of `len` tokens.
    pub fn count(self, len: usize) -> usize {
        (0..len.saturating_sub(1) as u64).filter(|&position| self.takes(position)).count()
    }
}

/// Where the next token is predicted, and which it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextTokens {
    /// Rows of the flat stream.
    pub rows: Vec<i64>,
    /// The token that follows each row in its own sequence.
    pub ids: Vec<i64>,
}

impl NextTokens {
    /// Predictions over every prefix and over the branches of responses that `learn` admits (by index
    /// within their comparison). A prefix is predicted once, however many branches share it; its last
    /// token predicts the first token of each admitted branch.
    pub fn of(batch: &TokenBatch, learn: impl Fn(usize) -> bool) -> Self {
        let mut next = NextTokens::default();
        let mut responses = batch.owners.iter().map(|(_, response)| *response);
        for tree in &batch.trees {
            next.within(batch, tree.prefix.clone());
            for (branch, response) in tree.branches.iter().zip(&mut responses) {
                if !learn(response) {
                    continue;
                }
                if !tree.prefix.is_empty() && !branch.is_empty() {
                    next.push(tree.prefix.end - 1, batch.ids[branch.start]);
                }
                next.within(batch, branch.clone());
            }
        }
        next
    }

    /// Only the positions that `every` takes.
    pub fn thinned(self, batch: &TokenBatch, every: Every) -> Self {
        let taken = |row: &i64| every.takes(batch.positions[*row as usize] as u64);
        let (rows, ids) = self.rows.into_iter().zip(self.ids).filter(|(row, _)| taken(row)).unzip();
        Self { rows, ids }
    }

    fn within(&mut self, batch: &TokenBatch, range: std::ops::Range<usize>) {
        for row in range.start..range.end.saturating_sub(1) {
            self.push(row, batch.ids[row + 1]);
        }
    }

    fn push(&mut self, row: usize, id: i64) {
        self.rows.push(row as i64);
        self.ids.push(id);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Sum of −log p over the predictions, on the graph, at least in f32. hidden [t, d].
///
/// Divide by the number of predictions of the whole step (not of the micro-batch) for the mean.
pub fn next_token_loss(hidden_td: &Tensor, output: &OutputLayer, next: &NextTokens) -> Tensor {
    let rows = Tensor::from_slice(&next.rows).to_device(hidden_td.device());
    let log_probs_n = output.log_probs(&hidden_td.index_select(0, &rows), &next.ids);
    -log_probs_n.sum(log_probs_n.kind())
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::text::batch::TokenTree;

    /// Two sequences 5 6 7 and 5 6 8 9 sharing 5 6.
    fn tree() -> TokenBatch {
        TokenBatch {
            ids: vec![5, 6, 7, 8, 9],
            positions: vec![0, 1, 2, 2, 3],
            trees: vec![TokenTree { prefix: 0..2, branches: vec![2..3, 3..5] }],
            owners: vec![(0, 0), (0, 1)],
            ..TokenBatch::default()
        }
    }

    #[test]
    fn a_shared_prefix_is_predicted_once_and_its_end_predicts_each_branch() {
        let next = NextTokens::of(&tree(), |_| true);
        assert_eq!(next.rows, [0, 1, 1, 3]);
        assert_eq!(next.ids, [6, 7, 8, 9]);
        let chosen = NextTokens::of(&tree(), |branch| branch == 0);
        assert_eq!((chosen.rows, chosen.ids), (vec![0, 1], vec![6, 7]));
    }

    #[test]
    fn of_sequences_that_share_nothing_the_admitted_responses_are_learnt() {
        let sequence =
            |range: std::ops::Range<usize>| TokenTree { prefix: range.start..range.start, branches: vec![range] };
        let batch = TokenBatch {
            ids: vec![5, 6, 7, 5, 6, 8, 9],
            positions: vec![0, 1, 2, 0, 1, 2, 3],
            trees: vec![sequence(0..3), sequence(3..7)],
            owners: vec![(0, 0), (0, 1)],
            ..TokenBatch::default()
        };
        let chosen = NextTokens::of(&batch, |response| response == 0);
        assert_eq!((chosen.rows, chosen.ids), (vec![0, 1], vec![6, 7]));
    }

    #[test]
    fn over_as_many_steps_as_the_stride_every_position_is_taken_once() {
        let batch = tree();
        let mut seen = Vec::new();
        for offset in 0..3 {
            let every = Every { stride: 3, offset };
            let next = NextTokens::of(&batch, |branch| branch == 1).thinned(&batch, every);
            assert_eq!(next.len(), every.count(4));
            seen.extend(next.ids);
        }
        seen.sort_unstable();
        assert_eq!(seen, [6, 8, 9]);
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let next = NextTokens::of(&tree(), |_| true);
        let hidden = Tensor::zeros([5, 4], (Kind::Float, tch::Device::Cpu));
        let embeddings = Tensor::randn([10, 4], (Kind::Float, tch::Device::Cpu));
        let loss = next_token_loss(&hidden, &OutputLayer::tied(&embeddings), &next).double_value(&[]);
        assert!((loss - 4.0 * 10f64.ln()).abs() < 1e-5, "{loss}");
    }
}
