//! Tokens on their way to a sequence: which may be cut, which must stay, and whose text they are.

use tokenizers::Encoding;

use super::settings::BosPolicy;

/// One token of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    id: u32,
    /// Truncation must leave it.
    kept: bool,
    /// Which of two texts it belongs to (`token_type_ids`).
    segment: u32,
}

pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    /// What a tokenizer made of one text or two; special tokens that it added are kept.
    pub fn of(encoding: &Encoding) -> Self {
        let parts = encoding.get_ids().iter().zip(encoding.get_special_tokens_mask()).zip(encoding.get_type_ids());
        Self(parts.map(|((&id, &special), &segment)| Token { id, kept: special == 1, segment }).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn n_kept(&self) -> usize {
        self.0.iter().filter(|token| token.kept).count()
    }

    pub fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|token| token.id).collect()
    }

    pub fn segments(&self) -> Vec<u32> {
        self.0.iter().map(|token| token.segment).collect()
    }

    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|token| token.id)
    }

    /// As many BOS tokens at the start as the policy wants, and those kept; returns how many it took away.
    pub fn apply(&mut self, policy: BosPolicy, bos: u32) -> usize {
        let leading = self.0.iter().take_while(|token| token.id == bos).count();
        let wanted = match policy {
            BosPolicy::Keep => leading,
            BosPolicy::Dedupe => leading.min(1),
            BosPolicy::Ensure => 1,
            BosPolicy::None => 0,
        };
        if wanted > leading {
            self.0.insert(0, Token { id: bos, kept: true, segment: self.0.first().map_or(0, |next| next.segment) });
        }
        let removed = leading.saturating_sub(wanted);
        self.0.drain(..removed);
        self.0.iter_mut().take(wanted).for_each(|token| token.kept = true);
        removed
    }

    /// Cuts the first `n` that may be cut.
    pub fn cut_first(&mut self, mut n: usize) {
        self.0.retain(|token| {
            let goes = !token.kept && n > 0;
            n -= usize::from(goes);
            !goes
        });
    }

    /// Cuts the last `n` that may be cut.
    pub fn cut_last(&mut self, n: usize) {
        self.0.reverse();
        self.cut_first(n);
        self.0.reverse();
    }

    /// The last token is this one, and truncation leaves it.
    pub fn end_with(&mut self, id: u32) {
        let segment = self.0.last().map_or(0, |last| last.segment);
        if self.0.last().is_none_or(|last| last.id != id) {
            self.0.push(Token { id, kept: true, segment });
        }
        self.0.iter_mut().last().into_iter().for_each(|last| last.kept = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOS: u32 = 1;

    /// `1 1 5 6 | 7 8 9`, of which the last is kept.
    fn tokens() -> Tokens {
        let of = |(id, segment)| Token { id, kept: id == 9, segment };
        Tokens([(1, 0), (1, 0), (5, 0), (6, 0), (7, 1), (8, 1), (9, 1)].map(of).to_vec())
    }

    #[test]
    fn segments_follow_their_tokens() {
        let mut left = tokens();
        assert_eq!((left.apply(BosPolicy::Dedupe, BOS), left.n_kept()), (1, 2));
        left.cut_first(3);
        assert_eq!((left.ids(), left.segments()), (vec![1, 8, 9], vec![0, 1, 1]));
        let mut right = tokens();
        right.end_with(4);
        right.cut_last(3);
        assert_eq!((right.ids(), right.segments()), (vec![1, 1, 5, 9, 4], vec![0, 0, 0, 1, 1]));
        right.apply(BosPolicy::None, BOS);
        right.apply(BosPolicy::Ensure, BOS);
        assert_eq!((right.first(), right.len(), right.segments()), (Some(1), 4, vec![0, 0, 1, 1]));
        right.end_with(4);
        assert_eq!(right.len(), 4);
    }
}
