//! Which position's hidden state the reward head reads (an enum, never a guess).

// A list of ranges may well hold one.
#![allow(clippy::single_range_in_vec_init)]

use serde::{Deserialize, Serialize};

use super::batch::Pooled;

/// The rules in use. TOML: `pooling = "cls"`, or `pooling = { appended-token = { id = 92527 } }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The rightmost token that is not the pad token (transformers ≥ 4.49, TRL). With pad = EOS a
    /// closing EOS is skipped.
    #[default]
    HfLastNonpad,
    /// The token before the first pad token (older transformers). With pad = EOS in the template it
    /// reads inside the prompt.
    HfLegacyFirstPad,
    /// The last token (OpenRLHF, LLaMA-Factory).
    MaskLast,
    /// The first token (BERT, XLM-R, DeBERTa).
    Cls,
    /// The mean over all tokens.
    Mean,
    /// A reward token at the end of the sequence (InternLM2).
    AppendedToken { id: u32 },
    /// The last token of the prompt (ArmoRM's gate).
    PromptEnd,
    /// Every token of the response; the tokens' rewards are made one.
    Tokens { aggregate: Aggregate },
}

/// One reward out of those of a response's tokens. TOML: `pooling = { tokens = { aggregate = "mean" } }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    Sum,
    #[default]
    Mean,
    /// log Σ e^r, which is close to the largest.
    Max,
    /// −log Σ e^−r, which is close to the smallest.
    Min,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolingError {
    #[error("the sequence is empty")]
    Empty,
    #[error("the sequence holds pad tokens (id {pad_id}) only")]
    OnlyPads { pad_id: u32 },
    #[error("the sequence starts with a pad token (id {pad_id}), which leaves the older rule nothing to read")]
    StartsWithPad { pad_id: u32 },
    #[error("the sequence ends with token {found}, not with the reward token {expected}")]
    NoRewardToken { expected: u32, found: u32 },
    #[error("where the prompt ends is not known")]
    NoPromptEnd,
    #[error("the tokens that end the prompt ({pattern:?}), where the head's gate reads, do not occur in it")]
    NoGate { pattern: Vec<u32> },
}

/// Tokens that end a prompt, such as `<|eot_id|>` and the header of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPattern(Vec<u32>);

impl TokenPattern {
    /// `None` for no tokens, which would occur everywhere.
    pub fn new(ids: Vec<u32>) -> Option<Self> {
        (!ids.is_empty()).then_some(Self(ids))
    }

    /// Where its last occurrence begins (RLHFlow/RLHF-Reward-Modeling, `armo-rm/stage-2_prepare.py`).
    pub fn position(&self, ids: &[u32]) -> Result<usize, PoolingError> {
        let found = ids.windows(self.0.len()).rposition(|window| window == self.0);
        found.ok_or_else(|| PoolingError::NoGate { pattern: self.0.clone() })
    }
}

/// The rows of a sequence that a reward head reads, each by a rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What becomes the reward.
    pub reward: Pooling,
    /// What a gate weighs attributes by: the end of the prompt (ArmoRM, QRM).
    pub gate: Option<TokenPattern>,
}

impl From<Pooling> for Reading {
    fn from(reward: Pooling) -> Self {
        Self { reward, gate: None }
    }
}

impl Pooling {
    /// Where to read one sequence without padding. The positions count from its first token.
    ///
    /// `pad_id` is the model's (`config.json`); `prompt_tokens` the number of tokens of the prompt.
    pub fn position(
        self,
        ids: &[u32],
        pad_id: Option<u32>,
        prompt_tokens: Option<usize>,
    ) -> Result<Pooled, PoolingError> {
        let last = ids.len().checked_sub(1).ok_or(PoolingError::Empty)?;
        let position = match self {
            Pooling::Cls => 0,
            Pooling::MaskLast => last,
            Pooling::Mean => return Ok(Pooled::Mean(vec![0..ids.len()])),
            Pooling::HfLastNonpad => match pad_id {
                None => last,
                Some(pad_id) => ids.iter().rposition(|&id| id != pad_id).ok_or(PoolingError::OnlyPads { pad_id })?,
            },
            Pooling::HfLegacyFirstPad => match pad_id.and_then(|pad_id| ids.iter().position(|&id| id == pad_id)) {
                // No pad token in the sequence itself: the batch's padding begins after its last token.
                None => last,
                // The rule wraps round to the end of the padded row, which depends on the batch.
                Some(0) => return Err(PoolingError::StartsWithPad { pad_id: ids[0] }),
                Some(first) => first - 1,
            },
            Pooling::AppendedToken { id } if ids[last] == id => last,
            Pooling::AppendedToken { id } => {
                return Err(PoolingError::NoRewardToken { expected: id, found: ids[last] });
            }
            Pooling::PromptEnd => match prompt_tokens {
                Some(n) if (1..=ids.len()).contains(&n) => n - 1,
                _ => return Err(PoolingError::NoPromptEnd),
            },
            Pooling::Tokens { aggregate } => match prompt_tokens {
                // Of a response without tokens of its own the last one stands for it.
                Some(n) if n <= ids.len() => {
                    return Ok(Pooled::Tokens { pieces: vec![n.min(last)..ids.len()], aggregate });
                }
                _ => return Err(PoolingError::NoPromptEnd),
            },
        };
        Ok(Pooled::Token(position))
    }

    /// As in TOML, what belongs to it left out.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::HfLastNonpad => "hf-last-nonpad",
            Pooling::HfLegacyFirstPad => "hf-legacy-first-pad",
            Pooling::MaskLast => "mask-last",
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
            Pooling::AppendedToken { .. } => "appended-token",
            Pooling::PromptEnd => "prompt-end",
            Pooling::Tokens { .. } => "tokens",
        }
    }

    /// True if the rule looks for the pad token among the sequence's own tokens.
    pub fn reads_pad_id(self) -> bool {
        matches!(self, Pooling::HfLastNonpad | Pooling::HfLegacyFirstPad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAD: Option<u32> = Some(9);

    fn at(pooling: Pooling, ids: &[u32]) -> Result<Pooled, PoolingError> {
        pooling.position(ids, PAD, Some(2))
    }

    #[test]
    fn each_rule_by_hand() {
        // pad = EOS = 9, as templates of the Llama-3 kind write it: prompt closed by 9, response too.
        let ids = [1, 2, 9, 3, 4, 9];
        assert_eq!(at(Pooling::HfLastNonpad, &ids), Ok(Pooled::Token(4)));
        assert_eq!(at(Pooling::HfLegacyFirstPad, &ids), Ok(Pooled::Token(1)));
        assert_eq!(at(Pooling::MaskLast, &ids), Ok(Pooled::Token(5)));
        assert_eq!(at(Pooling::Cls, &ids), Ok(Pooled::Token(0)));
        assert_eq!(at(Pooling::Mean, &ids), Ok(Pooled::Mean(vec![0..6])));
        assert_eq!(at(Pooling::AppendedToken { id: 9 }, &ids), Ok(Pooled::Token(5)));
        assert_eq!(at(Pooling::PromptEnd, &ids), Ok(Pooled::Token(1)));
        assert_eq!(Pooling::HfLastNonpad.position(&ids, None, None), Ok(Pooled::Token(5)));
        assert_eq!(Pooling::HfLegacyFirstPad.position(&ids, Some(7), None), Ok(Pooled::Token(5)));
    }

    #[test]
    fn nothing_to_read_is_an_error() {
        assert_eq!(at(Pooling::HfLastNonpad, &[9, 9]), Err(PoolingError::OnlyPads { pad_id: 9 }));
        assert_eq!(at(Pooling::HfLegacyFirstPad, &[9, 1]), Err(PoolingError::StartsWithPad { pad_id: 9 }));
        assert_eq!(at(Pooling::Cls, &[]), Err(PoolingError::Empty));
        let wrong = PoolingError::NoRewardToken { expected: 5, found: 1 };
        assert_eq!(at(Pooling::AppendedToken { id: 5 }, &[5, 1]), Err(wrong));
        assert_eq!(Pooling::PromptEnd.position(&[1], PAD, None), Err(PoolingError::NoPromptEnd));
        assert_eq!(Pooling::PromptEnd.position(&[1], PAD, Some(2)), Err(PoolingError::NoPromptEnd));
    }

    #[test]
    fn a_gate_reads_where_the_last_occurrence_begins() {
        let pattern = TokenPattern::new(vec![9, 3]).unwrap();
        assert_eq!(pattern.position(&[1, 9, 3, 2, 9, 3, 4, 9]), Ok(4));
        assert_eq!(pattern.position(&[9, 1, 3]), Err(PoolingError::NoGate { pattern: vec![9, 3] }));
        assert_eq!(pattern.position(&[9]), Err(PoolingError::NoGate { pattern: vec![9, 3] }));
        assert_eq!(TokenPattern::new(vec![]), None);
    }

    #[test]
    fn names_in_toml() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Head {
            pooling: Pooling,
        }
        for (text, pooling) in [
            ("pooling = \"hf-last-nonpad\"", Pooling::HfLastNonpad),
            ("pooling = \"hf-legacy-first-pad\"", Pooling::HfLegacyFirstPad),
            ("pooling = \"mask-last\"", Pooling::MaskLast),
            ("pooling = \"prompt-end\"", Pooling::PromptEnd),
            ("pooling = { appended-token = { id = 3 } }", Pooling::AppendedToken { id: 3 }),
        ] {
            assert_eq!(toml::from_str::<Head>(text).unwrap(), Head { pooling });
            assert!(text.contains(pooling.name()));
            let again = toml::to_string(&Head { pooling }).unwrap();
            assert_eq!(toml::from_str::<Head>(&again).unwrap(), Head { pooling });
        }
    }
}
