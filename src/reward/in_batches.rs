//! Scoring any number of comparisons: batches of a token budget, computed side by side.

use super::scalar::ScalarModel;
use super::{ResponseScore, RewardError, workers};
use crate::preference::Comparison;
use crate::text::batch::{cost, plan};
use crate::text::encode::Encoded;

/// Comparisons that batches are made of at a time, so that memory does not grow with the data.
const WINDOW: usize = 2048;

/// Comparison and response of a batch, and what the model says of it.
pub(super) type Given = ((usize, usize), ResponseScore);

/// What scores a batch. Nothing but forward passes without gradients: several threads do it at once.
pub(super) trait BatchScorer {
    /// Text pipeline, sharing, budget and device.
    fn frame(&self) -> &ScalarModel;

    /// Scores of every response of a batch; lengths and truncation are filled in for them.
    fn score_batch(&self, members: &[(usize, &Encoded)]) -> Result<Vec<Given>, RewardError>;
}

/// See [`RewardModel::score`](super::RewardModel::score).
pub(super) fn score(
    model: &impl BatchScorer,
    comparisons: &[Comparison],
    done: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
    let mut scores = Vec::with_capacity(comparisons.len());
    for window in comparisons.chunks(WINDOW) {
        let encoded = model.frame().text.encode_all(window)?;
        scores.extend(score_window(model, &encoded, done).map_err(|error| error.among(window))?);
    }
    Ok(scores)
}

/// [`score`] of tokens; the comparisons are for errors.
pub(super) fn score_encoded(
    model: &impl BatchScorer,
    comparisons: &[Comparison],
    encoded: &[Encoded],
    done: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
    let mut scores = Vec::with_capacity(encoded.len());
    for (window, comparisons) in encoded.chunks(WINDOW).zip(comparisons.chunks(WINDOW)) {
        scores.extend(score_window(model, window, done).map_err(|error| error.among(comparisons))?);
    }
    Ok(scores)
}

fn score_window(
    model: &impl BatchScorer,
    encoded: &[Encoded],
    done: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
    let frame = model.frame();
    let mut scores: Vec<Vec<ResponseScore>> = encoded.iter().map(blank).collect();
    let sharing = frame.network.sharing();
    let costs: Vec<usize> = encoded.iter().map(|e| cost(e, sharing)).collect();
    let groups = plan(&costs, frame.token_budget, usize::MAX);
    let side_by_side = workers::count(frame.network.device, groups.len());
    let model = ReadOnly(model);
    let scores_of = |group: usize| {
        let members: Vec<(usize, &Encoded)> = groups[group].iter().map(|&i| (i, &encoded[i])).collect();
        model.score_batch(&members)
    };
    workers::run(side_by_side, groups.len(), scores_of, |group, given| {
        for ((comparison, response), found) in given {
            let score = &mut scores[comparison][response];
            // A reward that is not a number is no reward: it is counted as missing downstream.
            score.reward = found.reward.filter(|reward| reward.is_finite());
            score.log_probs = found.log_probs;
        }
        done(groups[group].len() as u64);
    })?;
    for (scores, encoded) in scores.iter_mut().zip(encoded) {
        level(scores, encoded);
    }
    Ok(scores)
}

/// A model that several threads compute with.
struct ReadOnly<'a, M>(&'a M);

// SAFETY: tch's tensors are not `Sync` because `&Tensor` allows changes in place. The one thing done here
// is a forward pass without gradients, which reads the weights and counts references atomically.
unsafe impl<M> Sync for ReadOnly<'_, M> {}

impl<M: BatchScorer> ReadOnly<'_, M> {
    fn score_batch(&self, members: &[(usize, &Encoded)]) -> Result<Vec<Given>, RewardError> {
        self.0.score_batch(members)
    }
}

/// See [`Encoded::same_as_earlier`].
fn level(scores: &mut [ResponseScore], encoded: &Encoded) {
    for index in 0..scores.len() {
        if let Some(first) = encoded.same_as_earlier(index) {
            scores[index].reward = scores[first].reward;
            scores[index].log_probs = scores[first].log_probs;
        }
    }
}

fn blank(encoded: &Encoded) -> Vec<ResponseScore> {
    encoded
        .sequences
        .iter()
        .zip(&encoded.truncated)
        .map(|(ids, &truncated)| ResponseScore { n_tokens: ids.len() as u32, truncated, ..ResponseScore::default() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tokens_get_the_same_reward() {
        let score = |reward| ResponseScore { reward: Some(reward), ..ResponseScore::default() };
        let mut scores = [1.0, 2.0, 1.000_000_1, 3.0].map(score);
        let sequences = vec![vec![5, 6], vec![5], vec![5, 6], vec![5, 6, 7]];
        let segments = vec![vec![0, 1], vec![0], vec![0, 1], vec![0, 1, 1]];
        let mut encoded = Encoded { sequences, segments, ..Encoded::default() };
        level(&mut scores, &encoded);
        assert_eq!(scores.map(|s| s.reward.unwrap()), [1.0, 2.0, 1.0, 3.0]);
        encoded.segments[2][0] = 1;
        assert_eq!(encoded.same_as_earlier(2), None);
    }
}
