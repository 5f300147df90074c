//! Content hashes: two texts have the same fingerprint when they differ in case and white space only.

use sha2::{Digest, Sha256};

use crate::lang::Script;
use crate::preference::Comparison;

/// First half of a SHA-256: collisions are out of reach for any file that fits on a disk.
pub(super) type Fingerprint = u128;

/// Hash of parts in order; parts cannot run into each other.
pub(super) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize()[..16]);
    u128::from_le_bytes(half)
}

/// Hash of a text in lower case with every run of white space as one space, none at the ends.
pub(super) fn of_text(text: &str) -> Fingerprint {
    let mut normal = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(&word.to_lowercase());
    }
    of_parts([normal.as_bytes()])
}

/// The fingerprints of one comparison's texts.
pub(super) struct Content {
    pub prompt: Fingerprint,
    pub chosen: Vec<Fingerprint>,
    pub rejected: Vec<Fingerprint>,
}

impl Content {
    pub fn of(comparison: &Comparison) -> Self {
        let turns: Vec<[u8; 16]> =
            comparison.prompt.0.iter().map(|turn| of_text(&turn.content).to_le_bytes()).collect();
        let prompt = of_parts(turns.iter().map(|turn| turn.as_slice()));
        let side = |responses: &[crate::preference::Response]| responses.iter().map(|r| of_text(&r.text)).collect();
        Self { prompt, chosen: side(&comparison.chosen), rejected: side(&comparison.rejected) }
    }

    /// The prompt with all responses, whichever of them is preferred.
    pub fn whole(&self) -> Fingerprint {
        let mut responses: Vec<[u8; 16]> = self.chosen.iter().chain(&self.rejected).map(|r| r.to_le_bytes()).collect();
        responses.sort_unstable();
        let prompt = self.prompt.to_le_bytes();
        of_parts(std::iter::once(prompt.as_slice()).chain(responses.iter().map(|r| r.as_slice())))
    }

    /// Every preference of the comparison: a key that is the same for both directions, and the direction.
    pub fn preferences(&self) -> impl Iterator<Item = (Fingerprint, bool)> + '_ {
        let pairs = self.chosen.iter().flat_map(|c| self.rejected.iter().map(move |r| (*c, *r)));
        pairs.filter(|(c, r)| c != r).map(|(c, r)| {
            let parts = [self.prompt, c.min(r), c.max(r)].map(u128::to_le_bytes);
            (of_parts(parts.iter().map(|part| part.as_slice())), c < r)
        })
    }
}

/// Texts shorter than this (in letters) say nothing about their language.
const TELLING_LETTERS: usize = 20;

/// What the letters of a text say about its writing system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// Too few letters: numbers, formulas, short names.
    Untold,
    Expected,
    /// Less than a tenth of the letters belong to the language's script.
    Other,
}

/// Whether a text is written in a script. Of very long texts the beginning decides.
pub(super) fn writing(text: &str, script: Option<&Script>) -> Writing {
    const LOOKED_AT: usize = 1000;
    let (mut letters, mut own) = (0usize, 0usize);
    for c in text.chars().take(LOOKED_AT).filter(|c| c.is_alphabetic()) {
        letters += 1;
        own += usize::from(script.is_some_and(|script| script.covers(c)));
    }
    match script {
        _ if letters < TELLING_LETTERS => Writing::Untold,
        Some(_) if own * 10 < letters => Writing::Other,
        _ => Writing::Expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn case_and_white_space_do_not_count() {
        assert_eq!(of_text("  Two\n words "), of_text("two WORDS"));
        assert_ne!(of_text("two words"), of_text("twowords"));
        assert_ne!(of_parts([b"ab".as_slice(), b"c"]), of_parts([b"a".as_slice(), b"bc"]));
    }

    #[test]
    fn writing_is_told_by_letters_alone() {
        let hindi = Lang::parse("hi").unwrap().script();
        assert_eq!(writing("This was never translated at all.", hindi), Writing::Other);
        assert_eq!(writing("यह वाक्य हिंदी में लिखा गया है और काफी लंबा है।", hindi), Writing::Expected);
        assert_eq!(writing("x = 42; y = 3.14159265358979", hindi), Writing::Untold);
    }
}
