//! Sequences in padded rows, as transformers' users batch them, and the positions that are read there.
//!
//! Everything in here is defined on the padded matrix of ids and its attention mask, as the authors of each
//! rule define it, and shares nothing with the flat stream but layers and head. Positions of tokens count
//! from the first real token of a row. Where nothing is attended to the left of it, as under a causal mask,
//! that is what `attention_mask.cumsum - 1` gives; encoders are padded on the right in practice.

// A list of ranges may well hold one.
#![allow(clippy::single_range_in_vec_init)]

use super::ways::Sequence;
use crate::text::batch::{Pooled, TokenBatch, TokenTree};
use crate::text::pooling::{Pooling, Reading};

/// Where a row is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// One row: ids, and which of them are real.
struct Row {
    ids: Vec<u32>,
    segments: Vec<u32>,
    real: Vec<bool>,
    prompt_tokens: Option<usize>,
}

/// A batch of padded rows, one tree each; `None` where a rule finds nothing to read in some row.
pub fn batch(sequences: &[Sequence], side: Side, reading: &Reading, pad: u32) -> Option<TokenBatch> {
    let width = sequences.iter().map(|sequence| sequence.ids.len()).max()?;
    let mut batch = TokenBatch::default();
    for (number, sequence) in sequences.iter().enumerate() {
        let row = Row::new(sequence, width, side, pad);
        let start = batch.ids.len();
        batch.pooled.push(row.pooled(reading.reward, pad, start)?);
        if let Some(pattern) = &reading.gate {
            batch.gates.push(start + pattern.position(&row.ids).ok()?);
        }
        batch.owners.push((number, 0));
        batch.ids.extend(row.ids.iter().map(|&id| i64::from(id)));
        batch.segments.extend(row.segments.iter().map(|&segment| i64::from(segment)));
        let first = row.first()?;
        batch.positions.extend((0..width).map(|at| if row.real[at] { (at - first) as i64 } else { 0 }));
        batch.padding.extend(row.real.iter().map(|real| !real));
        batch.trees.push(TokenTree { prefix: start..start, branches: vec![start..start + width] });
    }
    Some(batch)
}

impl Row {
    fn new(sequence: &Sequence, width: usize, side: Side, pad: u32) -> Self {
        let n = sequence.ids.len();
        let first = if side == Side::Left { width - n } else { 0 };
        let filled = |values: &[u32], pad| [vec![pad; first], values.to_vec(), vec![pad; width - first - n]].concat();
        Self {
            ids: filled(&sequence.ids, pad),
            segments: filled(sequence.segments.as_deref().unwrap_or(&vec![0; n]), 0),
            real: (0..width).map(|i| (first..first + n).contains(&i)).collect(),
            prompt_tokens: sequence.prompt_tokens,
        }
    }

    /// Column of the first attended token.
    fn first(&self) -> Option<usize> {
        self.real.iter().position(|&real| real)
    }

    /// Column of the last attended token.
    fn last(&self) -> Option<usize> {
        self.real.iter().rposition(|&real| real)
    }

    fn pooled(&self, rule: Pooling, pad: u32, start: usize) -> Option<Pooled> {
        let column = match rule {
            // transformers >= 4.49: the rightmost column that holds another id.
            Pooling::HfLastNonpad => self.ids.iter().rposition(|&id| id != pad)?,
            // Before: the column before the first that holds it, counted round from the end.
            Pooling::HfLegacyFirstPad => {
                let first = self.ids.iter().position(|&id| id == pad).unwrap_or(0);
                (first + self.ids.len() - 1) % self.ids.len()
            }
            Pooling::MaskLast => self.last()?,
            Pooling::Cls => self.first()?,
            Pooling::Mean => return Some(Pooled::Mean(vec![start + self.first()?..start + self.last()? + 1])),
            Pooling::AppendedToken { id } => self.ids.iter().rposition(|&other| other == id)?,
            Pooling::PromptEnd => self.first()? + self.prompt_tokens?.checked_sub(1)?,
            Pooling::Tokens { aggregate } => {
                let (first, last) = (self.first()? + self.prompt_tokens?, self.last()?);
                return Some(Pooled::Tokens { pieces: vec![start + first.min(last)..start + last + 1], aggregate });
            }
        };
        Some(Pooled::Token(start + column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::pooling::TokenPattern;

    const PAD: u32 = 9;

    fn sequences() -> Vec<Sequence> {
        let one = |ids: &[u32]| Sequence {
            owner: (0, 0),
            ids: ids.to_vec(),
            segments: Some(ids.iter().map(|id| id % 2).collect()),
            prompt_tokens: Some(2),
        };
        vec![one(&[1, 2, 9, 3, 9]), one(&[4, 5, 6])]
    }

    fn read(rule: Pooling, side: Side) -> Vec<Pooled> {
        batch(&sequences(), side, &Reading::from(rule), PAD).unwrap().pooled
    }

    #[test]
    fn rows_are_filled_up_on_either_side() {
        let right = batch(&sequences(), Side::Right, &Pooling::MaskLast.into(), PAD).unwrap();
        assert_eq!(right.ids, [1, 2, 9, 3, 9, 4, 5, 6, 9, 9]);
        assert_eq!(right.positions, [0, 1, 2, 3, 4, 0, 1, 2, 0, 0]);
        assert_eq!(right.padding, [false, false, false, false, false, false, false, false, true, true]);
        let left = batch(&sequences(), Side::Left, &Pooling::MaskLast.into(), PAD).unwrap();
        assert_eq!(left.ids, [1, 2, 9, 3, 9, 9, 9, 4, 5, 6]);
        assert_eq!(left.positions, [0, 1, 2, 3, 4, 0, 0, 0, 1, 2]);
        assert_eq!(left.segments, [1, 0, 1, 1, 1, 0, 0, 0, 1, 0]);
        assert_eq!(left.trees[1], TokenTree { prefix: 5..5, branches: vec![5..10] });
    }

    #[test]
    fn each_rule_by_hand_on_both_sides() {
        let token = |columns: [usize; 2]| columns.map(Pooled::Token).to_vec();
        // The pad token stands in the first sequence too: twice.
        assert_eq!(read(Pooling::HfLastNonpad, Side::Right), token([3, 7]));
        assert_eq!(read(Pooling::HfLastNonpad, Side::Left), token([3, 9]));
        assert_eq!(read(Pooling::HfLegacyFirstPad, Side::Right), token([1, 7]));
        // On the left the first pad is the first column, and the count goes round: the last token.
        assert_eq!(read(Pooling::HfLegacyFirstPad, Side::Left), token([1, 9]));
        assert_eq!(read(Pooling::MaskLast, Side::Right), token([4, 7]));
        assert_eq!(read(Pooling::MaskLast, Side::Left), token([4, 9]));
        assert_eq!(read(Pooling::Cls, Side::Right), token([0, 5]));
        assert_eq!(read(Pooling::Cls, Side::Left), token([0, 7]));
        assert_eq!(read(Pooling::Mean, Side::Left), [Pooled::Mean(vec![0..5]), Pooled::Mean(vec![7..10])]);
        assert_eq!(read(Pooling::PromptEnd, Side::Left), token([1, 8]));
        let appended = batch(&sequences()[1..], Side::Left, &Pooling::AppendedToken { id: 6 }.into(), PAD).unwrap();
        assert_eq!(appended.pooled, [Pooled::Token(2)]);
        let reading = Reading { reward: Pooling::MaskLast, gate: TokenPattern::new(vec![5, 6]) };
        assert_eq!(batch(&sequences()[1..], Side::Right, &reading, PAD).unwrap().gates, [1]);
        assert_eq!(batch(&sequences(), Side::Right, &reading, PAD), None);
    }
}
