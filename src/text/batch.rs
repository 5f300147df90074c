//! The batch a backbone sees: a flat stream of tokens without padding.
//!
//! Causal decoders evaluate a *token tree* per comparison: the longest common token prefix of all its
//! responses once, then each branch, which attends to the prefix and itself with positions continuing.
//! Bidirectional encoders cannot share, so there every sequence is a tree with an empty prefix and one
//! branch. Linear layers run on the flat stream; only attention looks at the trees.

use std::ops::Range;

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
}

/// A batch of comparisons, or of single sequences where nothing is shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenBatch {
    /// Token ids of the flat stream, length T.
    pub ids: Vec<i64>,
    /// Position of each token within its own sequence, length T.
    pub positions: Vec<i64>,
    pub trees: Vec<TokenTree>,
    /// One entry per sequence (response), in the order of [`TokenBatch::owners`].
    pub pooled: Vec<Pooled>,
    /// (index of the comparison in the caller's list, response index with chosen first).
    pub owners: Vec<(usize, usize)>,
}

impl TokenBatch {
    /// Tokens that are computed, after sharing.
    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }
}
