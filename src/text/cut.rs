//! Sequences over the length limit: cut one by one, or all of a comparison by one rule.

use rayon::prelude::*;

use super::encode::{Encoded, ItemRef, TextError, TextPipeline};
use super::settings::Truncation;
use super::tokens::Tokens;
use crate::preference::Comparison;

/// Which part of a comparison gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The prompt's first tokens, the same ones of every sequence: responses stay whole, and answer one prompt.
    Prompt,
    /// Each response's last tokens before what closes it.
    Response,
}

impl TextPipeline {
    /// [`TextPipeline::encode_all`] with comparisons over the limit cut by this rule; `None` where it leaves no
    /// token of the part.
    pub fn encode_all_cut(&self, comparisons: &[Comparison], part: Part) -> Result<Vec<Option<Encoded>>, TextError> {
        let encoded: Vec<_> = comparisons.par_iter().map(|comparison| self.encode_cut(comparison, part)).collect();
        encoded.into_iter().collect()
    }

    fn encode_cut(&self, comparison: &Comparison, part: Part) -> Result<Option<Encoded>, TextError> {
        let encoded = self.encode_within(comparison, None, true)?;
        let Some(limit) = self.settings().max_length else { return Ok(Some(encoded)) };
        let bos = self.bos_id();
        Ok(match part {
            Part::Prompt => encoded.with_shorter_prompt(limit, |id| Some(id) == bos),
            Part::Response => encoded.with_shorter_responses(limit, |id| self.is_special(id)),
        })
    }

    /// Cuts to the limit; returns how many tokens went.
    pub(super) fn truncate(
        &self,
        tokens: &mut Tokens,
        limit: Option<usize>,
        comparison: &Comparison,
        index: usize,
    ) -> Result<usize, TextError> {
        let n_tokens = tokens.len();
        let Some(max_length) = limit.filter(|max| n_tokens > *max) else { return Ok(0) };
        let excess = n_tokens - max_length;
        let special = tokens.n_kept();
        if special >= max_length {
            return Err(TextError::NoRoom { max_length, special });
        }
        match self.settings().truncation {
            Truncation::Refuse => {
                return Err(TextError::TooLong { at: ItemRef::of(comparison), response: index, n_tokens, max_length });
            }
            Truncation::Left => tokens.cut_first(excess),
            Truncation::Right => tokens.cut_last(excess),
        }
        Ok(excess)
    }
}

impl Encoded {
    /// Sequences of at most `limit` tokens, as many of each prompt's first tokens gone as the longest needs; those
    /// that `is_bos` stay.
    fn with_shorter_prompt(mut self, limit: usize, is_bos: impl Fn(u32) -> bool) -> Option<Self> {
        let longest = self.sequences.iter().map(Vec::len).max().unwrap_or(0);
        let excess = longest.saturating_sub(limit);
        if excess == 0 {
            return Some(self);
        }
        for sequence in 0..self.sequences.len() {
            let start = self.sequences[sequence].iter().take_while(|id| is_bos(**id)).count();
            let end = *self.prompt_tokens.get(sequence)?;
            if start + excess >= end {
                return None;
            }
            self.remove(sequence, start..start + excess);
            self.prompt_tokens[sequence] = end - excess;
        }
        Some(self)
    }

    /// Sequences of at most `limit` tokens, each without its response's last tokens; what follows the last
    /// special token of a response closes it and stays.
    fn with_shorter_responses(mut self, limit: usize, is_special: impl Fn(u32) -> bool) -> Option<Self> {
        for sequence in 0..self.sequences.len() {
            let ids = &self.sequences[sequence];
            let excess = ids.len().saturating_sub(limit);
            if excess == 0 {
                continue;
            }
            let start = *self.prompt_tokens.get(sequence)?;
            let closing = ids[start..].iter().rposition(|id| is_special(*id)).map_or(ids.len(), |at| start + at);
            // Responses may close with several: `<eos>` after `<end of turn>`.
            let closing = start + ids[start..closing].iter().rposition(|id| !is_special(*id)).map_or(0, |at| at + 1);
            if start + excess >= closing {
                return None;
            }
            self.remove(sequence, closing - excess..closing);
        }
        Some(self)
    }

    fn remove(&mut self, sequence: usize, tokens: std::ops::Range<usize>) {
        self.sequences[sequence].drain(tokens.clone());
        if let Some(segments) = self.segments.get_mut(sequence) {
            segments.drain(tokens);
        }
        self.truncated[sequence] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOS: u32 = 1;
    const END: u32 = 2;

    /// A prompt `1 10 11 12 13`, then responses of three and five tokens that end in `2 3`; 3 is a line's end.
    fn encoded() -> Encoded {
        let prompt = [BOS, 10, 11, 12, 13];
        let sequences: Vec<Vec<u32>> = [&[20, 21, 22, END, 3][..], &[30, 31, 32, 33, 34, END, 3]]
            .map(|response| [&prompt, response].concat())
            .into();
        Encoded { truncated: vec![false; 2], prompt_tokens: vec![5; 2], sequences, ..Encoded::default() }
    }

    #[test]
    fn a_prompt_is_cut_alike_for_all_responses() {
        let is_bos = |id| id == BOS;
        let cut = encoded().with_shorter_prompt(10, is_bos).unwrap();
        assert_eq!(cut.sequences[0], [BOS, 12, 13, 20, 21, 22, END, 3]);
        assert_eq!(cut.sequences[1], [BOS, 12, 13, 30, 31, 32, 33, 34, END, 3]);
        assert_eq!((cut.prompt_tokens.as_slice(), cut.truncated.as_slice()), (&[3, 3][..], &[true, true][..]));
        // One token of the prompt is the least.
        assert!(
            encoded().with_shorter_prompt(9, is_bos).is_some() && encoded().with_shorter_prompt(8, is_bos).is_none()
        );
        assert_eq!(encoded().with_shorter_prompt(12, is_bos).unwrap(), encoded());
    }

    #[test]
    fn responses_are_cut_before_what_closes_them() {
        let special = |id| id < 3;
        let cut = encoded().with_shorter_responses(10, special).unwrap();
        assert_eq!(cut.sequences[0], encoded().sequences[0]);
        assert_eq!(cut.sequences[1], [BOS, 10, 11, 12, 13, 30, 31, 32, END, 3]);
        assert_eq!((cut.prompt_tokens.as_slice(), cut.truncated.as_slice()), (&[5, 5][..], &[false, true][..]));
        assert_eq!(encoded().with_shorter_responses(8, special).unwrap().sequences[1].len(), 8);
        assert!(encoded().with_shorter_responses(7, special).is_none());
        // Nothing special: the last tokens go.
        let cut = encoded().with_shorter_responses(10, |_| false).unwrap();
        assert_eq!(cut.sequences[1], [BOS, 10, 11, 12, 13, 30, 31, 32, 33, 34]);
    }

    #[test]
    fn segments_go_with_their_tokens() {
        let mut pair = encoded();
        pair.segments =
            pair.sequences.iter().map(|ids| (0..ids.len()).map(|at| u32::from(at >= 5)).collect()).collect();
        let cut = pair.with_shorter_prompt(10, |id| id == BOS).unwrap();
        assert_eq!(cut.segments[0], [0, 0, 0, 1, 1, 1, 1, 1]);
    }
}
