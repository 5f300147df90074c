//! Judges without a model: they answer in a protocol's form, so that everything behind the reply can be tried.

use super::grammar::{Meaning, Place, Verdict};
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
            Meaning::Preference | Meaning::Letter { tie: Some(_) } if is_tie => Verdict::Tie,
            _ => {
                let place = match self {
                    MockJudge::Length => lengths.iter().position(|l| *l == longest).unwrap_or(0),
                    MockJudge::Random { .. } => draw(shown.len()),
                };
                Verdict::Pick { place, strength: None }
            }
        };
        let text = write(protocol, &verdict);
        let n_prompt = comparison.prompt.plain_text().chars().count() + lengths.iter().sum::<usize>();
        Reply {
            reply_tokens: Some(text.split_whitespace().count() as u32),
            prompt_tokens: u32::try_from(n_prompt / 4).ok(),
            finish: Some("stop".to_owned()),
            text,
            ..Reply::default()
        }
    }
}

/// A verdict in a protocol's form: what a judge that follows the instructions writes.
pub fn write(protocol: &Protocol, verdict: &Verdict) -> String {
    let letter = |place: usize| char::from(b'A' + place.min(25) as u8);
    let value = match (&protocol.verdict.meaning, verdict) {
        (Meaning::YesNo, Verdict::Rating(rating)) => if *rating > 0.5 { "yes" } else { "no" }.to_owned(),
        (_, Verdict::Rating(rating)) => rating.to_string(),
        (Meaning::Letter { tie }, Verdict::Tie) => tie.unwrap_or('C').to_string(),
        (_, Verdict::Tie) => "A=B".to_owned(),
        (Meaning::Preference, Verdict::Pick { place, strength }) => {
            let sign = if strength.is_some_and(|strength| strength > 1) { ">>" } else { ">" };
            format!("{}{sign}{}", letter(*place), letter(1 - place.min(&1)))
        }
        (Meaning::Scale { min, max }, Verdict::Pick { place, strength }) => {
            let half = (max - min).div_ceil(2);
            let strength = strength.unwrap_or(half).clamp(1, half);
            let score = if *place == 0 { min + half - strength } else { max - half + strength };
            score.to_string()
        }
        (Meaning::Number, Verdict::Pick { place, .. }) => (place + 1).to_string(),
        (_, Verdict::Pick { place, .. }) => letter(*place).to_string(),
    };
    match &protocol.verdict.place {
        Place::Delimited { open, close, within, .. } => {
            let inner = format!("{open}{value}{close}");
            match within {
                Some((begin, end)) => format!("A scripted verdict.\n{begin}\n{inner}\n{end}"),
                None => format!("A scripted verdict.\n{inner}"),
            }
        }
        Place::After(cues) => format!("A scripted verdict. {} {value}", cues.first().map_or("", String::as_str)),
        Place::Json(keys) => {
            let key = keys.first().map_or("", String::as_str);
            serde_json::json!({"explanation": "A scripted verdict.", key: value}).to_string()
        }
        Place::End => format!("A scripted verdict.\n{value}"),
        Place::FirstWord => value,
    }
}
