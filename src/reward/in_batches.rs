//! Scoring any number of comparisons: batches of a token budget, computed side by side.

use tch::Device;

use super::scalar::ScalarModel;
use super::{ResponseScore, RewardError, States, workers};
use crate::preference::Comparison;
use crate::text::batch::{cost, plan, plan_evenly};
use crate::text::encode::Encoded;

/// Comparisons that batches are made of at a time, so that memory does not grow with the data.
const WINDOW: usize = 2048;

/// Comparison and response of a batch, and what the model says of it.
pub(super) type Given = ((usize, usize), ResponseScore);

/// All that a model says of a batch.
pub(super) struct BatchGiven {
    pub scores: Vec<Given>,
    /// Where asked for: the states that the head read, one after the other, as many numbers of each.
    pub states: Vec<f32>,
}

/// What scores a batch. Nothing but forward passes without gradients: several threads do it at once.
pub(super) trait BatchScorer {
    /// Text pipeline, sharing, budget and device.
    fn frame(&self) -> &ScalarModel;

    /// Scores of every response of a batch; lengths and truncation are filled in for them.
    fn score_batch(&self, members: &[(usize, &Encoded)], with_states: bool) -> Result<BatchGiven, RewardError>;
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
        scores.extend(score_window(model, &encoded, None, done).map_err(|error| error.among(window))?);
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
        scores.extend(score_window(model, window, None, done).map_err(|error| error.among(comparisons))?);
    }
    Ok(scores)
}

/// The same with the state that the head read of every response.
pub(super) fn score_with_states(
    model: &impl BatchScorer,
    comparisons: &[Comparison],
    encoded: &[Encoded],
    done: &mut dyn FnMut(u64),
) -> Result<(Vec<Vec<ResponseScore>>, States), RewardError> {
    let (mut scores, mut states) = (Vec::with_capacity(encoded.len()), Vec::with_capacity(encoded.len()));
    for (window, comparisons) in encoded.chunks(WINDOW).zip(comparisons.chunks(WINDOW)) {
        let mut own: States = window.iter().map(|encoded| vec![Vec::new(); encoded.sequences.len()]).collect();
        scores.extend(score_window(model, window, Some(&mut own), done).map_err(|error| error.among(comparisons))?);
        states.extend(own);
    }
    Ok((scores, states))
}

fn score_window<M: BatchScorer>(
    model: &M,
    encoded: &[Encoded],
    mut states: Option<&mut States>,
    done: &mut dyn FnMut(u64),
) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
    let mut scores: Vec<Vec<ResponseScore>> = encoded.iter().map(blank).collect();
    let with_states = states.is_some();
    let score_batch = |model: &M, members: &[(usize, &Encoded)]| model.score_batch(members, with_states);
    each_batch(model.frame(), model, encoded, score_batch, done, |given: BatchGiven| {
        let width = given.states.len() / given.scores.len().max(1);
        for (at, ((comparison, response), found)) in given.scores.into_iter().enumerate() {
            if let Some(states) = &mut states {
                states[comparison][response] = given.states[at * width..][..width].to_vec();
            }
            let score = &mut scores[comparison][response];
            // A reward that is not a number is no reward: it is counted as missing downstream.
            score.reward = found.reward.filter(|reward| reward.is_finite());
            score.log_probs = found.log_probs;
        }
    })?;
    for (scores, encoded) in scores.iter_mut().zip(encoded) {
        level(scores, encoded);
    }
    Ok(scores)
}

/// Cuts comparisons into batches, calls `compute` with each on as many threads as the device has use for, and `take` with
/// what came of it on this one; `done(n)` as n more comparisons are finished. `compute` makes forward passes without
/// gradients and nothing else.
pub(super) fn each_batch<M, T: Send>(
    frame: &ScalarModel,
    model: &M,
    encoded: &[Encoded],
    compute: impl Fn(&M, &[(usize, &Encoded)]) -> Result<T, RewardError> + Sync,
    done: &mut dyn FnMut(u64),
    mut take: impl FnMut(T),
) -> Result<(), RewardError> {
    let sharing = frame.network.sharing();
    let costs: Vec<usize> = encoded.iter().map(|e| cost(e, sharing)).collect();
    let groups = match frame.network.device {
        Device::Cpu => plan_evenly(&costs, frame.token_budget),
        _ => plan(&costs, frame.token_budget, usize::MAX),
    };
    let side_by_side = workers::count(frame.network.device, groups.len());
    let model = ReadOnly(model);
    let of_group = |group: usize| {
        let members: Vec<(usize, &Encoded)> = groups[group].iter().map(|&i| (i, &encoded[i])).collect();
        compute(model.get(), &members)
    };
    workers::run(side_by_side, groups.len(), of_group, |group, found| {
        take(found);
        done(groups[group].len() as u64);
    })
}

/// A model that several threads compute with.
struct ReadOnly<'a, M>(&'a M);

// SAFETY: tch's tensors are not `Sync` because `&Tensor` allows changes in place. The one thing done here
// is a forward pass without gradients, which reads the weights and counts references atomically.
unsafe impl<M> Sync for ReadOnly<'_, M> {}

impl<M> ReadOnly<'_, M> {
    /// A call, so that closures hold the wrapper and not what is in it.
    fn get(&self) -> &M {
        self.0
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
