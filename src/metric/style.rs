//! What a response looks like, counted from its text: what a reader who does not read would go by.
//!
//! After the style features of Chatbot Arena (length, headers, lists, bold) and the length and repetition
//! properties of Li et al. 2024. Everything is a count or a share; none of it needs a model.

use crate::lang::Lang;

/// A property of a text in a language.
pub type Property = fn(&str, Lang) -> f64;

/// How many there are.
pub const COUNT: usize = 11;

/// Name and function, in the order they are shown.
pub static PROPERTIES: [(&str, Property); COUNT] = [
    ("characters", |text, _| text.chars().count() as f64),
    (MARKDOWN, |text, lang| HEADERS(text, lang) + LIST_ITEMS(text, lang) + BOLD(text, lang) + CODE(text, lang)),
    ("headers", HEADERS),
    ("list items", LIST_ITEMS),
    ("bold spans", BOLD),
    ("code spans", CODE),
    ("digits", |text, _| text.chars().filter(|c| c.is_numeric()).count() as f64),
    ("question marks", |text, _| text.chars().filter(|c| matches!(c, '?' | '？' | '؟' | '\u{37e}')).count() as f64),
    ("exclamation marks", |text, _| text.chars().filter(|c| matches!(c, '!' | '！' | '¡')).count() as f64),
    ("repetition", repetition),
    ("other scripts", other_scripts),
];

/// All marks of Markdown together.
pub const MARKDOWN: &str = "Markdown marks";

/// Lines that begin with one to six `#` and a space.
const HEADERS: Property = |text, _| {
    let is_header = |line: &&str| {
        let rest = line.trim_start().trim_start_matches('#');
        let marks = line.trim_start().len() - rest.len();
        (1..=6).contains(&marks) && rest.starts_with(' ')
    };
    text.lines().filter(is_header).count() as f64
};

/// Lines that begin with `-`, `*`, `+`, `•` or a number with `.` or `)`, and a space.
const LIST_ITEMS: Property = |text, _| {
    let is_item = |line: &&str| {
        let line = line.trim_start();
        let rest = match line.trim_start_matches(char::is_numeric) {
            after if after.len() < line.len() => after.strip_prefix(['.', ')', '．', '、']),
            plain => plain.strip_prefix(['-', '*', '+', '•']),
        };
        rest.is_some_and(|rest| rest.starts_with(char::is_whitespace))
    };
    text.lines().filter(is_item).count() as f64
};

/// Pairs of `**` or `__`.
const BOLD: Property = |text, _| (text.matches("**").count() / 2 + text.matches("__").count() / 2) as f64;

/// Fenced blocks and spans between backticks.
const CODE: Property = |text, _| {
    let fences = text.matches("```").count();
    let ticks = text.matches('`').count() - 3 * fences;
    (fences / 2 + ticks / 2) as f64
};

/// The share of three-word sequences that occurred before.
fn repetition(text: &str, _: Lang) -> f64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut seen = std::collections::HashSet::new();
    let total = words.windows(3).count();
    let repeated = words.windows(3).filter(|three| !seen.insert(*three)).count();
    if total == 0 { 0.0 } else { repeated as f64 / total as f64 }
}

/// The share of letters that belong to another script than the language's.
fn other_scripts(text: &str, lang: Lang) -> f64 {
    let Some(script) = lang.script() else { return f64::NAN };
    let (mut letters, mut others) = (0usize, 0usize);
    for letter in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        others += usize::from(!script.covers(letter));
    }
    if letters == 0 { 0.0 } else { others as f64 / letters as f64 }
}

/// All properties of responses, by property.
pub fn of(text: &str, lang: Lang) -> [f64; COUNT] {
    PROPERTIES.map(|(_, property)| property(text, lang))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, text: &str, lang: &str) -> f64 {
        let (_, property) = PROPERTIES.iter().find(|(known, _)| *known == name).unwrap();
        property(text, Lang::from_code(lang).unwrap())
    }

    #[test]
    fn marks_are_counted() {
        let text = "# Title\n#hashtag\n\n- one\n* two\n3. three\n10) ten\n2024 was **good** and __so on__\n```rust\nlet x;\n```\nSay `hi`!";
        let expected = [
            ("headers", 1.0),
            ("list items", 4.0),
            ("bold spans", 2.0),
            ("code spans", 2.0),
            (MARKDOWN, 9.0),
            ("digits", 7.0),
            ("exclamation marks", 1.0),
            ("question marks", 0.0),
        ];
        for (name, count) in expected {
            assert_eq!(value(name, text, "eng_Latn"), count, "{name}");
        }
        assert_eq!(value("characters", "日本語", "jpn_Jpan"), 3.0);
    }

    #[test]
    fn shares_of_repeated_words_and_foreign_letters() {
        // Three-word sequences: abc bca cab abc; the last was there.
        assert_eq!(value("repetition", "a b c a b c", "eng_Latn"), 0.25);
        assert_eq!(value("repetition", "a b", "eng_Latn"), 0.0);
        assert_eq!(value("other scripts", "abcд", "eng_Latn"), 0.25);
        assert_eq!(value("other scripts", "1 + 1", "eng_Latn"), 0.0);
    }
}
