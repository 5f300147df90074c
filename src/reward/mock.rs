//! Scorers without a model: content-blind baselines, and the stand-in for tests and demonstrations.

use super::ResponseScore;
use crate::preference::{Comparison, Response};
use crate::random;

/// Which rule gives the reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MockRule {
    /// Longer is better: the number of characters.
    Length,
    /// A uniform draw, a function of (seed, item, language, response) alone.
    Random { seed: u64 },
}

#[derive(Debug, Clone)]
pub struct Mock {
    pub rule: MockRule,
}

impl Mock {
    pub fn score(&self, comparisons: &[Comparison], done: &mut dyn FnMut(u64)) -> Vec<Vec<ResponseScore>> {
        comparisons
            .iter()
            .map(|comparison| {
                let scores = comparison.responses().enumerate().map(|(i, r)| self.one(comparison, i, r)).collect();
                done(1);
                scores
            })
            .collect()
    }

    fn one(&self, comparison: &Comparison, index: usize, response: &Response) -> ResponseScore {
        let n_chars = response.text.chars().count() as u32;
        let reward = match self.rule {
            MockRule::Length => n_chars as f32,
            MockRule::Random { seed } => {
                let key = format!("{}\u{0}{}\u{0}{index}", comparison.id, comparison.lang);
                random::uniform(seed, "mock-reward", key) as f32
            }
        };
        ResponseScore { reward: Some(reward), n_tokens: n_chars, ..ResponseScore::default() }
    }
}
