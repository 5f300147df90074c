//! Judges without a model: they answer in a protocol's form, so that everything behind the reply can be tried.

use super::form;
use super::grammar::{Meaning, Verdict};
use super::protocol::Protocol;
use super::wire::Reply;
use crate::preference::{Comparison, Response};
use crate::random;

/// What the verdict is a function of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MockJudge {
    /// Longer is better; equally long is a tie where the protocol has ties, else the first shown.
    Length,
    /// A uniform draw from (seed, item, order).
    Random { seed: u64 },
}

impl MockJudge {
    pub fn reply(self, protocol: &Protocol, comparison: &Comparison, shown: &[usize], sample: u16) -> Reply {
        let all: Vec<&Response> = comparison.responses().collect();
        let length = |place: &usize| all.get(*place).map_or(0, |response| response.text.chars().count());
        let lengths: Vec<usize> = shown.iter().map(length).collect();
        let draw = |n: usize| match self {
            MockJudge::Length => 0,
            MockJudge::Random { seed } => {
                let key = format!(
                    "{}\u{0}{}\u{0}{}\u{0}{shown:?}\u{0}{sample}",
                    comparison.subset, comparison.id, comparison.lang
                );
                ((random::uniform(seed, "mock-judge", key) * n as f64) as usize).min(n - 1)
            }
        };
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let is_tie =
            self == MockJudge::Length && lengths.len() > 1 && lengths.iter().filter(|l| **l == longest).count() > 1;
        let verdict = match protocol.verdict.meaning {
            Meaning::Rating { min, max } => Verdict::Rating(match self {
                MockJudge::Length => (min + (longest / 100) as f64).min(max),
                MockJudge::Random { .. } => min + draw((max - min) as usize + 1) as f64,
            }),
            Meaning::YesNo => Verdict::Rating(match self {
                MockJudge::Length => f64::from(u8::from(longest >= 100)),
                MockJudge::Random { .. } => draw(2) as f64,
            }),
            Meaning::Reward => Verdict::Rating(match self {
                MockJudge::Length => longest as f64,
                MockJudge::Random { .. } => draw(1_000_000) as f64,
            }),
            Meaning::Preference | Meaning::Grades { .. } | Meaning::Letter { tie: Some(_) } if is_tie => Verdict::Tie,
            _ => {
                let place = match self {
                    MockJudge::Length => lengths.iter().position(|l| *l == longest).unwrap_or(0),
                    MockJudge::Random { .. } => draw(shown.len()),
                };
                Verdict::Pick { place, strength: None }
            }
        };
        let text = form::written(protocol, &verdict, "A scripted verdict.");
        let n_prompt = comparison.prompt.plain_text().chars().count() + lengths.iter().sum::<usize>();
        Reply {
            reply_tokens: Some(text.split_whitespace().count() as u32),
            prompt_tokens: u32::try_from(n_prompt / 4).ok(),
            finish: Some("stop".to_owned()),
            text,
            reward: match (protocol.reads_head(), verdict) {
                (true, Verdict::Rating(reward)) => Some(reward),
                _ => None,
            },
            ..Reply::default()
        }
    }
}
