//! Where a batch predicts the tokens of its responses.
//!
//! The token at position p of a sequence is predicted by the state at p − 1. That state may stand in the prefix that a
//! comparison's responses share: always for the first token after it, and for further tokens where responses begin
//! alike. Such a prediction is made once, and counts for every response that has it.

use std::collections::HashMap;

use super::batch::TokenBatch;
use super::encode::Encoded;

/// Predictions of a batch's response tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseTokens {
    /// Positions of the stream that predict.
    pub rows: Vec<usize>,
    /// The token that follows each of them.
    pub ids: Vec<i64>,
    /// Which predictions belong to each sequence, in the order of [`TokenBatch::owners`] and of its tokens.
    pub of: Vec<Vec<usize>>,
}

impl ResponseTokens {
    /// Of the comparisons that the batch was built of; `None` where it is not known where their prompts end
    /// ([`TextPipeline::marking_prompts`](super::encode::TextPipeline::marking_prompts)).
    pub fn of(batch: &TokenBatch, members: &[(usize, &Encoded)]) -> Option<Self> {
        let starts = members.iter().flat_map(|(_, encoded)| encoded.prompt_tokens.iter().copied());
        let starts: Vec<usize> = starts.collect();
        (starts.len() == batch.owners.len()).then(|| Self::after(batch, &starts))
    }

    /// All tokens but the first of each sequence, prompt and response alike.
    pub fn whole(batch: &TokenBatch) -> Self {
        Self::after(batch, &vec![0; batch.owners.len()])
    }

    /// The tokens from position `starts[s]` of each sequence on. Nothing predicts the first token of a sequence.
    pub fn after(batch: &TokenBatch, starts: &[usize]) -> Self {
        let mut tokens = Self::default();
        let mut starts = starts.iter();
        for tree in &batch.trees {
            // Predictions within the prefix, by position.
            let mut shared: HashMap<usize, usize> = HashMap::new();
            for (branch, &start) in tree.branches.iter().zip(&mut starts) {
                let at = |position: usize| match position.checked_sub(tree.prefix.len()) {
                    None => tree.prefix.start + position,
                    Some(within) => branch.start + within,
                };
                let mut own = Vec::new();
                for position in start.max(1)..tree.prefix.len() + branch.len() {
                    let mut predict = || {
                        tokens.rows.push(at(position - 1));
                        tokens.ids.push(batch.ids[at(position)]);
                        tokens.rows.len() - 1
                    };
                    own.push(match position < tree.prefix.len() {
                        true => *shared.entry(position).or_insert_with(predict),
                        false => predict(),
                    });
                }
                tokens.of.push(own);
            }
        }
        tokens
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::batch::Sharing;
    use crate::text::pooling::Pooling;

    fn encoded(sequences: &[&[u32]], prompt_tokens: &[usize]) -> Encoded {
        Encoded {
            sequences: sequences.iter().map(|ids| ids.to_vec()).collect(),
            prompt_tokens: prompt_tokens.to_vec(),
            ..Encoded::default()
        }
    }

    /// (predecessor, token) of every prediction of every sequence.
    fn read(members: &[(usize, &Encoded)], sharing: Sharing) -> (usize, Vec<Vec<(i64, i64)>>) {
        let batch = TokenBatch::build(members, sharing, Pooling::MaskLast, None).unwrap();
        let tokens = ResponseTokens::of(&batch, members).unwrap();
        let pair = |&at: &usize| (batch.ids[tokens.rows[at]], tokens.ids[at]);
        (tokens.len(), tokens.of.iter().map(|own| own.iter().map(pair).collect()).collect())
    }

    #[test]
    fn responses_that_part_at_their_first_token_are_read_at_the_prefixs_last_row() {
        // Prompt 1 2; responses 3 4 and 5.
        let pair = encoded(&[&[1, 2, 3, 4], &[1, 2, 5]], &[2, 2]);
        let expected = vec![vec![(2, 3), (3, 4)], vec![(2, 5)]];
        assert_eq!(read(&[(0, &pair)], Sharing::Always), (3, expected.clone()));
        assert_eq!(read(&[(0, &pair)], Sharing::Never), (3, expected));
    }

    #[test]
    fn what_responses_have_in_common_is_predicted_once_and_counts_for_each() {
        // Prompt 1; responses 7 8 3, 7 8 4 and 7 8: the last leaves 7 to the prefix and 8 to its branch.
        let list = encoded(&[&[1, 7, 8, 3], &[1, 7, 8, 4], &[1, 7, 8]], &[1, 1, 1]);
        let expected = vec![vec![(1, 7), (7, 8), (8, 3)], vec![(1, 7), (7, 8), (8, 4)], vec![(1, 7), (7, 8)]];
        let (n, found) = read(&[(0, &list)], Sharing::Always);
        assert_eq!((n, &found), (6, &expected));
        assert_eq!(read(&[(0, &list)], Sharing::Never), (8, expected));
        // A second comparison in the batch, whose responses share nothing and whose prompts differ in length.
        let other = encoded(&[&[6, 5], &[9, 5, 4]], &[1, 2]);
        let (_, both) = read(&[(0, &list), (1, &other)], Sharing::Always);
        assert_eq!(both[..3], found[..]);
        assert_eq!(both[3..], [vec![(6, 5)], vec![(5, 4)]]);
    }

    #[test]
    fn nothing_predicts_a_sequences_first_token() {
        let pair = encoded(&[&[1, 2], &[3]], &[0, 0]);
        assert_eq!(read(&[(0, &pair)], Sharing::Always), (1, vec![vec![(1, 2)], vec![]]));
        let unmarked = encoded(&[&[1, 2]], &[]);
        let batch = TokenBatch::build(&[(0, &unmarked)], Sharing::Always, Pooling::MaskLast, None).unwrap();
        assert_eq!(ResponseTokens::of(&batch, &[(0, &unmarked)]), None);
        assert_eq!(ResponseTokens::whole(&batch).of, [[0]]);
    }
}
