//! The batch a backbone sees: a flat stream of tokens without padding.
//!
//! Causal decoders evaluate a *token tree* per comparison: the longest common token prefix of all its
//! responses once, then each branch, which attends to the prefix and itself with positions continuing.
//! Bidirectional encoders cannot share, so there every sequence is a tree with an empty prefix and one
//! branch. Linear layers run on the flat stream; only attention looks at the trees.

// A list of ranges may well hold one.
#![allow(clippy::single_range_in_vec_init)]

use std::ops::Range;

use super::encode::Encoded;
use super::pooling::{Aggregate, PoolingError, Reading};
use super::prefix::shared_prefix;

/// One comparison's tokens in the flat stream: `prefix` then `branches`, adjacent and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTree {
    pub prefix: Range<usize>,
    pub branches: Vec<Range<usize>>,
}

impl TokenTree {
    pub fn tokens(&self) -> Range<usize> {
        self.prefix.start..self.branches.last().map_or(self.prefix.end, |b| b.end)
    }
}

/// What of a sequence the reward head reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pooled {
    /// One position of the flat stream.
    Token(usize),
    /// The mean over the sequence's positions: pieces of the flat stream (prefix, branch).
    Mean(Vec<Range<usize>>),
    /// Each of these positions; their rewards are made one.
    Tokens { pieces: Vec<Range<usize>>, aggregate: Aggregate },
}

/// Which comparisons hold the common prefix of their sequences once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// None: tokens see what comes after them.
    Never,
    Always,
    /// Those whose sequences all have at most so many tokens: positions of longer ones depend on the length.
    UpTo(usize),
}

impl Sharing {
    fn prefix(self, sequences: &[Vec<u32>]) -> Option<usize> {
        let shares = match self {
            Sharing::Never => false,
            Sharing::Always => true,
            Sharing::UpTo(limit) => sequences.iter().all(|ids| ids.len() <= limit),
        };
        shares.then(|| shared_prefix(sequences))
    }
}

/// A batch of comparisons, or of single sequences where nothing is shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenBatch {
    /// Token ids of the flat stream, length T.
    pub ids: Vec<i64>,
    /// Position of each token within its own sequence, length T.
    pub positions: Vec<i64>,
    /// Which of two texts each token belongs to (`token_type_ids`), length T; empty where all are 0.
    pub segments: Vec<i64>,
    pub trees: Vec<TokenTree>,
    /// One entry per sequence (response), in the order of [`TokenBatch::owners`].
    pub pooled: Vec<Pooled>,
    /// The position of the stream that the head's gate reads, one entry per sequence; empty without a gate.
    pub gates: Vec<usize>,
    /// (index of the comparison in the caller's list, response index with chosen first).
    pub owners: Vec<(usize, usize)>,
    /// Which tokens of the stream are padding. Empty in every batch built here: for batches as other code
    /// builds them, which rewards are checked against.
    pub padding: Vec<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("comparison {owner}, response {response}: {problem}")]
pub struct BatchError {
    /// The caller's index of the comparison.
    pub owner: usize,
    pub response: usize,
    #[source]
    pub problem: PoolingError,
}

impl TokenBatch {
    /// Lays comparisons into one stream, in the order given: one tree per comparison that shares, else one
    /// per sequence. `reading` says which rows the head reads (a [`Pooling`](super::pooling::Pooling) where
    /// it is one); `pad_id` is the model's, for pooling rules that look for it.
    pub fn build(
        encoded: &[(usize, &Encoded)],
        sharing: Sharing,
        reading: impl Into<Reading>,
        pad_id: Option<u32>,
    ) -> Result<Self, BatchError> {
        let Reading { reward: pooling, gate } = reading.into();
        let mut batch = Self::default();
        for &(owner, comparison) in encoded {
            let shared = sharing.prefix(&comparison.sequences);
            let prefix_len = shared.unwrap_or(0);
            let mut prefix = batch.append(comparison.sequences.first().map_or(&[], |ids| &ids[..prefix_len]), 0);
            let mut branches = Vec::new();
            for (response, ids) in comparison.sequences.iter().enumerate() {
                let prompt_tokens = comparison.prompt_tokens.get(response).copied();
                let failed = |problem| BatchError { owner, response, problem };
                let pooled = pooling.position(ids, pad_id, prompt_tokens).map_err(failed)?;
                let gate = gate.as_ref().map(|pattern| pattern.position(ids)).transpose().map_err(failed)?;
                let branch = batch.append(&ids[prefix_len..], prefix_len);
                if let Some(segments) = comparison.segments.get(response) {
                    batch.set_segments(&segments[..prefix_len], prefix.start);
                    batch.set_segments(&segments[prefix_len..], branch.start);
                }
                batch.pooled.push(match pooled {
                    Pooled::Token(position) => Pooled::Token(in_stream(position, &prefix, &branch)),
                    Pooled::Mean(_) if prefix.is_empty() => Pooled::Mean(vec![branch.clone()]),
                    Pooled::Mean(_) => Pooled::Mean(vec![prefix.clone(), branch.clone()]),
                    Pooled::Tokens { pieces, aggregate } => {
                        let within = |range: Range<usize>| {
                            let shared = prefix.start + range.start.min(prefix.len())
                                ..prefix.start + range.end.min(prefix.len());
                            let own = |at: usize| branch.start + at.saturating_sub(prefix.len());
                            [shared, own(range.start)..own(range.end)].into_iter().filter(|range| !range.is_empty())
                        };
                        Pooled::Tokens { pieces: pieces.into_iter().flat_map(within).collect(), aggregate }
                    }
                });
                batch.gates.extend(gate.map(|position| in_stream(position, &prefix, &branch)));
                batch.owners.push((owner, response));
                branches.push(branch);
                if shared.is_none() {
                    batch.trees.push(TokenTree { prefix, branches: std::mem::take(&mut branches) });
                    prefix = batch.ids.len()..batch.ids.len();
                }
            }
            if !branches.is_empty() {
                batch.trees.push(TokenTree { prefix, branches });
            }
        }
        if !batch.segments.is_empty() {
            batch.segments.resize(batch.ids.len(), 0);
        }
        Ok(batch)
    }

    /// Adds tokens whose positions begin at `position`; returns where they stand in the stream.
    fn append(&mut self, ids: &[u32], position: usize) -> Range<usize> {
        let start = self.ids.len();
        self.ids.extend(ids.iter().map(|id| i64::from(*id)));
        self.positions.extend((position..position + ids.len()).map(|p| p as i64));
        start..self.ids.len()
    }

    /// Segments of the tokens that stand at `start` and after it.
    fn set_segments(&mut self, segments: &[u32], start: usize) {
        self.segments.resize(self.ids.len(), 0);
        self.segments[start..start + segments.len()]
            .iter_mut()
            .zip(segments)
            .for_each(|(to, from)| *to = i64::from(*from));
    }

    /// The one position of the stream that is read of each sequence, in the order of
    /// [`TokenBatch::owners`]; `None` where some sequence is read whole.
    pub fn pooled_positions(&self) -> Option<Vec<usize>> {
        let position = |pooled: &Pooled| match pooled {
            Pooled::Token(position) => Some(*position),
            Pooled::Mean(_) | Pooled::Tokens { .. } => None,
        };
        self.pooled.iter().map(position).collect()
    }

    /// Every position of the stream that the head reads: those of [`TokenBatch::pooled_positions`], then the
    /// gates'; `None` where some sequence is read whole.
    pub fn read_positions(&self) -> Option<Vec<usize>> {
        let mut positions = self.pooled_positions()?;
        positions.extend(&self.gates);
        Some(positions)
    }

    /// Tokens that are computed, after sharing.
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }

    /// Tokens that separate sequences would have.
    pub fn n_sequence_tokens(&self) -> usize {
        let of_tree = |tree: &TokenTree| tree.branches.iter().map(|b| tree.prefix.len() + b.len()).sum::<usize>();
        self.trees.iter().map(of_tree).sum()
    }

    /// Tokens that sharing saved.
    pub fn n_shared(&self) -> usize {
        self.n_sequence_tokens() - self.n_tokens()
    }
}

/// A position within a sequence as a position of the stream, where it may stand in the shared prefix.
fn in_stream(position: usize, prefix: &Range<usize>, branch: &Range<usize>) -> usize {
    if position < prefix.len() { prefix.start + position } else { branch.start + position - prefix.len() }
}

/// Tokens that one comparison costs in a batch.
pub fn cost(encoded: &Encoded, sharing: Sharing) -> usize {
    let all: usize = encoded.sequences.iter().map(Vec::len).sum();
    let shared = sharing.prefix(&encoded.sequences).unwrap_or(0);
    all - shared * encoded.sequences.len().saturating_sub(1)
}

/// Batches of neighbours in length, each of at most `budget` tokens and `max_items` items.
///
/// Returns indices into `costs`. The longest come first, so that a batch too large for the memory shows
/// at once; ties stand by index. An item over the budget is a batch of its own.
pub fn plan(costs: &[usize], budget: usize, max_items: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(costs[i]), i));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut spent = 0;
    for index in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < max_items && spent + costs[index] <= budget => {
                batch.push(index);
                spent += costs[index];
            }
            _ => {
                batches.push(vec![index]);
                spent = costs[index];
            }
        }
    }
    batches
}

/// Batches that come out even for cores that take them one by one: what is left for the last ones to wait for.
const EVEN: usize = 8;
/// Beyond so many batches one more or less says nothing.
const MANY: usize = 64;
/// Batches are not made smaller than this for evenness: matrix products want some rows.
const SMALLEST: usize = 512;

/// [`plan`], with batches of nearly equal size where they are few: as many as a multiple of eight, so that two, four or
/// eight cores finish together. The number of cores itself does not enter, so that rewards do not depend on it.
pub fn plan_evenly(costs: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let total: usize = costs.iter().sum();
    let wanted = total.div_ceil(budget.max(1)).next_multiple_of(EVEN).min(total / SMALLEST);
    if !(2..MANY).contains(&wanted) {
        return plan(costs, budget, usize::MAX);
    }
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut spent, mut before) = (0, 0);
    for index in plan(costs, usize::MAX, usize::MAX).concat() {
        let cost = costs[index];
        // A batch ends where the sum of all so far is nearest to its share.
        let share = batches.len() * total / wanted;
        let full = spent + cost > budget || (before + cost).abs_diff(share) > share.abs_diff(before);
        match batches.last_mut() {
            Some(batch) if !full => batch.push(index),
            _ => {
                batches.push(vec![index]);
                spent = 0;
            }
        }
        spent += cost;
        before += cost;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::pooling::{Pooling, TokenPattern};

    fn pair(chosen: &[u32], rejected: &[u32]) -> Encoded {
        Encoded { sequences: vec![chosen.to_vec(), rejected.to_vec()], ..Encoded::default() }
    }

    #[test]
    fn a_tree_holds_the_prefix_once_and_continues_positions() {
        let (a, b) = (pair(&[1, 2, 3, 4], &[1, 2, 5]), pair(&[7], &[8, 9]));
        let batch = TokenBatch::build(&[(10, &a), (11, &b)], Sharing::Always, Pooling::MaskLast, None).unwrap();
        assert_eq!(batch.ids, [1, 2, 3, 4, 5, 7, 8, 9]);
        assert_eq!(batch.positions, [0, 1, 2, 3, 2, 0, 0, 1]);
        let expected = [
            TokenTree { prefix: 0..2, branches: vec![2..4, 4..5] },
            TokenTree { prefix: 5..5, branches: vec![5..6, 6..8] },
        ];
        assert_eq!(batch.trees, expected);
        assert_eq!(batch.pooled, [3, 4, 5, 7].map(Pooled::Token));
        assert_eq!(batch.pooled_positions(), Some(vec![3, 4, 5, 7]));
        assert_eq!(batch.owners, [(10, 0), (10, 1), (11, 0), (11, 1)]);
        assert_eq!((batch.n_tokens(), batch.n_sequence_tokens(), batch.n_shared()), (8, 10, 2));
        assert_eq!(
            [Sharing::Always, Sharing::Never, Sharing::UpTo(3), Sharing::UpTo(4)].map(|s| cost(&a, s)),
            [5, 7, 7, 5]
        );
    }

    #[test]
    fn without_sharing_every_sequence_is_its_own_tree() {
        let a = pair(&[1, 2, 3], &[1, 2, 5, 6]);
        let batch = TokenBatch::build(&[(0, &a)], Sharing::Never, Pooling::Cls, None).unwrap();
        assert_eq!(batch.ids, [1, 2, 3, 1, 2, 5, 6]);
        assert_eq!(batch.positions, [0, 1, 2, 0, 1, 2, 3]);
        let expected =
            [TokenTree { prefix: 0..0, branches: vec![0..3] }, TokenTree { prefix: 3..3, branches: vec![3..7] }];
        assert_eq!(batch.trees, expected);
        assert_eq!(batch.pooled, [0, 3].map(Pooled::Token));
        assert_eq!(batch.n_shared(), 0);
    }

    #[test]
    fn comparisons_with_a_long_sequence_are_taken_apart() {
        let (a, b) = (pair(&[1, 2, 3], &[1, 2, 5, 6]), pair(&[1, 2], &[1, 3]));
        let batch = TokenBatch::build(&[(0, &a), (1, &b)], Sharing::UpTo(3), Pooling::MaskLast, None).unwrap();
        assert_eq!(batch.ids, [1, 2, 3, 1, 2, 5, 6, 1, 2, 3]);
        assert_eq!(batch.trees.iter().map(|tree| tree.branches.len()).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(batch.owners, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }

    #[test]
    fn pooling_may_read_the_prefix_or_span_it() {
        // Both responses are closed by a pad token: the last token that is none stands in the prefix.
        let a = pair(&[1, 2, 9], &[1, 2, 9]);
        let batch = TokenBatch::build(&[(0, &a)], Sharing::Always, Pooling::HfLastNonpad, Some(9)).unwrap();
        assert_eq!(batch.trees[0], TokenTree { prefix: 0..2, branches: vec![2..3, 3..4] });
        assert_eq!(batch.pooled, [1, 1].map(Pooled::Token));
        let batch = TokenBatch::build(&[(0, &a)], Sharing::Always, Pooling::Mean, None).unwrap();
        assert_eq!(batch.pooled, [Pooled::Mean(vec![0..2, 2..3]), Pooled::Mean(vec![0..2, 3..4])]);
        assert_eq!(batch.pooled_positions(), None);
    }

    #[test]
    fn a_gate_reads_a_second_row_which_may_be_shared() {
        // 7 8 ends the prompt; the second response writes it again.
        let a = pair(&[1, 7, 8, 4], &[1, 7, 8, 7, 8, 5]);
        let reading = Reading { reward: Pooling::MaskLast, gate: TokenPattern::new(vec![7, 8]) };
        let batch = TokenBatch::build(&[(0, &a)], Sharing::Always, reading.clone(), None).unwrap();
        assert_eq!(batch.trees[0], TokenTree { prefix: 0..3, branches: vec![3..4, 4..7] });
        assert_eq!((batch.pooled.clone(), batch.gates.clone()), (vec![Pooled::Token(3), Pooled::Token(6)], vec![1, 4]));
        assert_eq!(batch.read_positions(), Some(vec![3, 6, 1, 4]));
        let error = TokenBatch::build(&[(3, &pair(&[7, 8], &[7]))], Sharing::Always, reading, None).unwrap_err();
        assert_eq!((error.owner, error.response), (3, 1));
        let batch = TokenBatch::build(&[(0, &pair(&[1, 2], &[1, 3]))], Sharing::Always, Pooling::Mean, None).unwrap();
        assert_eq!((batch.read_positions(), batch.gates.len()), (None, 0));
    }

    #[test]
    fn segments_stand_with_their_tokens_shared_or_not() {
        let plain = pair(&[5, 6], &[7]);
        let paired = Encoded { segments: vec![vec![0, 0, 1], vec![0, 0, 1, 1]], ..pair(&[1, 2, 3], &[1, 2, 5, 6]) };
        let built = |members: &[(usize, &Encoded)], sharing| {
            TokenBatch::build(members, sharing, Pooling::Cls, None).unwrap().segments
        };
        assert_eq!(
            built(&[(0, &plain), (1, &paired), (2, &plain)], Sharing::Never),
            [0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0]
        );
        assert_eq!(built(&[(1, &paired), (0, &plain)], Sharing::Always), [0, 0, 1, 1, 1, 0, 0, 0]);
        assert!(built(&[(0, &plain)], Sharing::Never).is_empty());
    }

    #[test]
    fn a_sequence_nothing_can_be_read_from_is_named() {
        let a = pair(&[1], &[9]);
        let error = TokenBatch::build(&[(4, &a)], Sharing::Always, Pooling::HfLastNonpad, Some(9)).unwrap_err();
        assert_eq!((error.owner, error.response), (4, 1));
    }

    #[test]
    fn batches_keep_to_the_budget_longest_first() {
        assert_eq!(plan(&[3, 9, 4, 4, 20, 1], 10, 8), [vec![4], vec![1], vec![2, 3], vec![0, 5]]);
        assert_eq!(plan(&[1, 1, 1], 100, 2), [vec![0, 1], vec![2]]);
        assert!(plan(&[], 10, 2).is_empty());
    }

    #[test]
    fn few_batches_are_even_and_many_are_full() {
        // Five full batches of 4,000 would leave the second of two cores idle; eight of 2,500 do not.
        let costs = vec![500; 40];
        let batches = plan_evenly(&costs, 4_000);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [5; 8]);
        let mixed: Vec<usize> = (0..60).map(|i| 100 + i * i % 700).collect();
        let (total, batches) = (mixed.iter().sum::<usize>(), plan_evenly(&mixed, 4_000));
        let sums: Vec<usize> = batches.iter().map(|batch| batch.iter().map(|i| mixed[*i]).sum()).collect();
        assert_eq!((sums.len(), sums.iter().sum::<usize>()), (8, total));
        assert!(sums.iter().all(|sum| sum.abs_diff(total / 8) < 700), "{sums:?}");
        // Never over the budget, but for an item that is.
        assert_eq!(plan_evenly(&[5_000, 4_000, 4_000], 4_000), [vec![0], vec![1], vec![2]]);
        assert_eq!(plan_evenly(&vec![1_000; 400], 4_000), plan(&vec![1_000; 400], 4_000, usize::MAX));
        assert_eq!(plan_evenly(&[3, 4], 4_000), [vec![1, 0]]);
        assert!(plan_evenly(&[], 4_000).is_empty());
    }
}
