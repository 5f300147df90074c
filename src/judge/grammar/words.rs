//! Yes and no by language, for verdicts of one word: as text and as the first token's probabilities.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde::Deserialize;

use super::letters::bare;
use super::plain::Plain;
use crate::lang::Lang;

/// The words of one language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictWords {
    /// The usual word first.
    pub yes: Vec<String>,
    pub no: Vec<String>,
}

static WORDS: LazyLock<BTreeMap<String, VerdictWords>> =
    LazyLock::new(|| toml::from_str(include_str!("../protocols/verdict-words.toml")).unwrap_or_default());

impl VerdictWords {
    /// The words of a language; of one that is not listed, those of the same language in another script, else `None`.
    pub fn of(lang: Lang) -> Option<&'static VerdictWords> {
        let same = |(code, words): (&'static String, _)| code.starts_with(lang.iso3()).then_some(words);
        WORDS.get(lang.code()).or_else(|| WORDS.iter().find_map(same))
    }

    pub fn english() -> Option<&'static VerdictWords> {
        WORDS.get(Lang::ENGLISH.code())
    }

    /// Of languages with words of their own.
    pub fn langs() -> impl Iterator<Item = &'static str> {
        WORDS.keys().map(String::as_str)
    }
}

/// The item's language first, then English.
fn both(lang: Lang) -> impl Iterator<Item = &'static VerdictWords> {
    VerdictWords::of(lang).into_iter().chain(VerdictWords::english())
}

/// The words for yes and no of a language and of English, as answers begin with them.
pub fn words_of(lang: Lang) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in both(lang).flat_map(|words| words.yes.iter().chain(&words.no)) {
        let mut letters = word.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        for spelling in [capital, word.clone()] {
            if !all.contains(&spelling) {
                all.push(spelling);
            }
        }
    }
    all
}

/// Whether a text is the word for yes or for no.
pub fn is_yes(text: &str, lang: Lang) -> Option<bool> {
    let name = bare(text);
    both(lang).find_map(|words| {
        let has = |list: &[String]| list.iter().any(|word| word.to_lowercase() == name);
        if has(&words.yes) { Some(true) } else { has(&words.no).then_some(false) }
    })
}

/// Yes or no at the beginning of an answer, the longer word where one begins the other.
pub fn first(plain: &Plain, answer: Range<usize>, lang: Lang) -> Option<(bool, Range<usize>)> {
    let skips = |c: char| c.is_whitespace() || "*_`\"'([#>-:.".contains(c);
    let mut begin = answer.start;
    while begin < answer.end && skips(plain.chars[begin]) {
        begin += 1;
    }
    let mut found: Option<(bool, usize)> = None;
    for words in both(lang) {
        for (list, is_yes) in [(&words.yes, true), (&words.no, false)] {
            for word in list {
                let length = Plain::of(word).len();
                let end = begin + length;
                let is_there = plain.find(word, begin, answer.end.min(end)) == Some(begin);
                if is_there && is_boundary(plain, end, answer.end) && found.is_none_or(|(_, known)| length > known) {
                    found = Some((is_yes, length));
                }
            }
        }
    }
    found.map(|(is_yes, length)| (is_yes, begin..begin + length))
}

/// Whether a word ends at `at`. Scripts without blanks between words have no such boundary.
fn is_boundary(plain: &Plain, at: usize, end: usize) -> bool {
    let next = (at < end).then(|| plain.chars[at]);
    let joined = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    !next.is_some_and(|c| joined(c) && (at == 0 || !is_unspaced(plain.chars[at - 1])))
}

/// Han, kana, Thai, Lao, Khmer, Myanmar and Hangul (whose particles follow without a blank).
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}')
}

/// P(yes) / (P(yes) + P(no)) from the first token's alternatives: (token, log-probability).
///
/// A token counts for a side if it is one of its words in any case, or begins one of its words and none of the other
/// side's: words of several tokens are known by their first one. `None` where neither side has a token.
pub fn probability(alternatives: &[(String, f64)], lang: Lang) -> Option<f64> {
    let words: Vec<&VerdictWords> = both(lang).collect();
    let begins = |token: &str, yes: bool| {
        let lists = words.iter().map(|words| if yes { &words.yes } else { &words.no });
        lists.flatten().any(|word| word.to_lowercase().starts_with(token))
    };
    let is_word = |token: &str, yes: bool| {
        let lists = words.iter().map(|words| if yes { &words.yes } else { &words.no });
        lists.flatten().any(|word| word.to_lowercase() == token)
    };
    let (mut yes, mut no) = (0.0, 0.0);
    for (token, log_probability) in alternatives {
        let token = super::plain_token(token);
        if token.is_empty() {
            continue;
        }
        let p = log_probability.exp();
        match (is_word(&token, true), is_word(&token, false), begins(&token, true), begins(&token, false)) {
            (true, false, ..) | (false, false, true, false) => yes += p,
            (false, true, ..) | (false, false, false, true) => no += p,
            _ => {}
        }
    }
    (yes + no > 0.0).then(|| yes / (yes + no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sound() {
        assert!(WORDS.len() >= 24, "{} languages", WORDS.len());
        for (code, words) in WORDS.iter() {
            assert!(Lang::from_code(code).is_some_and(|lang| lang.info().is_some()), "{code}");
            assert!(!words.yes.is_empty() && !words.no.is_empty(), "{code}");
            assert!(words.yes.iter().all(|word| !words.no.contains(word)), "{code}");
        }
        for code in crate::lang::MREWARDBENCH {
            assert!(Lang::from_code(code).and_then(VerdictWords::of).is_some(), "{code}");
        }
    }

    #[test]
    fn first_words() {
        let first = |text: &str, code: &str| {
            let plain = Plain::of(text);
            first(&plain, 0..plain.len(), Lang::from_code(code).unwrap()).map(|(yes, _)| yes)
        };
        assert_eq!(first("**Yes**, because no …", "eng_Latn"), Some(true));
        assert_eq!(first("No.", "eng_Latn"), Some(false));
        assert_eq!(first("Nothing", "eng_Latn"), None);
        assert_eq!(first("Nein, das", "deu_Latn"), Some(false));
        assert_eq!(first("Yes", "deu_Latn"), Some(true), "English counts everywhere");
        assert_eq!(first("不是的", "zho_Hans"), Some(false));
        assert_eq!(first("是的，它", "zho_Hans"), Some(true));
    }

    /// p(yes) = (0.5 + 0.1) / (0.6 + 0.3): `Y` begins yes and nothing of no; `N` the other way round.
    #[test]
    fn probabilities_sum_over_spellings() {
        let alternatives = [("Yes", 0.5), (" yes", 0.1), ("No", 0.2), ("N", 0.1), ("The", 0.1)]
            .map(|(t, p): (_, f64)| (t.to_owned(), p.ln()));
        let p = probability(&alternatives, Lang::ENGLISH).unwrap();
        assert!((p - 0.6 / 0.9).abs() < 1e-12, "{p}");
        assert_eq!(probability(&[("The".to_owned(), 0.0)], Lang::ENGLISH), None);
    }
}
