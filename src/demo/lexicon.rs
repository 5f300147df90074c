//! The words and sentences of the demonstration, per language.

use serde::Deserialize;

use super::DemoError;
use crate::lang::Lang;

const TEXT: &str = include_str!("../../assets/demo/lexicon.toml");

/// How many of each list a language brings; the lists are parallel over languages.
pub const NOUNS: usize = 16;
pub const OPENINGS: usize = 4;
pub const ABOUT: usize = 3;
pub const REQUESTS: usize = 5;

/// Meanings are explained in the head of `assets/demo/lexicon.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    pub code: Lang,
    pub train_share: f64,
    /// Stands between sentences.
    pub space: String,
    pub nouns: [String; NOUNS],
    pub openings: [String; OPENINGS],
    pub about: [String; ABOUT],
    pub answer: [String; 2],
    pub polite: [String; 3],
    pub rude: [String; 3],
    pub harmful: [String; REQUESTS],
    pub harmless: [String; REQUESTS],
    pub refuse: [String; 2],
    pub comply: [String; 2],
    pub larger: String,
    pub result: [String; 2],
    pub fillers: [String; 4],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lexicon {
    #[serde(rename = "language")]
    pub languages: Vec<Language>,
}

impl Lexicon {
    pub fn embedded() -> Result<Self, DemoError> {
        toml::from_str(TEXT).map_err(|e| DemoError::Lexicon(e.to_string()))
    }

    pub fn english(&self) -> Option<&Language> {
        self.languages.iter().find(|language| language.code == Lang::ENGLISH)
    }
}

impl Language {
    /// Sentences one after the other; empty ones leave no gap.
    pub fn join(&self, sentences: &[&str]) -> String {
        let spoken: Vec<&str> = sentences.iter().copied().filter(|s| !s.is_empty()).collect();
        spoken.join(&self.space)
    }
}

/// The template with each `{}` replaced in turn.
pub fn fill(template: &str, words: &[&str]) -> String {
    let mut pieces = template.split("{}");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (piece, word) in pieces.zip(words) {
        out.push_str(word);
        out.push_str(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_lexicon_is_parallel_and_without_doubles() {
        let lexicon = Lexicon::embedded().unwrap();
        let codes: BTreeSet<&str> = lexicon.languages.iter().map(|l| l.code.code()).collect();
        assert_eq!((codes.len(), lexicon.languages.len()), (24, 24));
        assert!(lexicon.english().is_some());
        for language in &lexicon.languages {
            let code = language.code;
            assert!((0.0..=1.0).contains(&language.train_share), "{code}");
            for (list, holes) in [
                (&language.nouns[..], 0),
                (&language.openings, 0),
                (&language.about, 1),
                (&language.answer, 1),
                (&language.polite, 0),
                (&language.rude, 0),
                (&language.harmful, 0),
                (&language.harmless, 0),
                (&language.refuse, 0),
                (&language.comply, 0),
                (std::slice::from_ref(&language.larger), 2),
                (&language.result, 1),
                (&language.fillers, 0),
            ] {
                assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len(), "{code}: {list:?}");
                for text in list {
                    assert_eq!(text.matches("{}").count(), holes, "{code}: {text}");
                    assert_eq!(text.trim(), text, "{code}");
                    assert!(!text.is_empty(), "{code}");
                }
            }
            // What tells right from wrong stands on one side only.
            let (good, bad) =
                (language.polite.iter().chain(&language.comply), language.rude.iter().chain(&language.refuse));
            let good: BTreeSet<&String> = good.collect();
            assert!(bad.chain(&language.fillers).all(|text| !good.contains(text)), "{code}");
        }
    }

    #[test]
    fn holes_are_filled_in_order() {
        assert_eq!(fill("{} or {}?", &["3", "5"]), "3 or 5?");
        assert_eq!(fill("“{}”", &["a{}b"]), "“a{}b”");
    }
}
