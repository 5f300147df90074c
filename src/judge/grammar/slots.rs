//! Where in an answer a verdict stands: between delimiters, after a cue, under a key of a JSON object.

use std::ops::Range;

use serde_json::Value;

use super::plain::Plain;

/// Longer contents of delimiters are remarks, not verdicts.
const LONGEST: usize = 40;

/// What stands between `open` and `close`, every time.
pub fn delimited(plain: &Plain, answer: Range<usize>, open: &str, close: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = answer.start;
    while let Some(at) = plain.find(open, from, answer.end) {
        let begin = at + open.chars().count();
        let Some(end) = closing(plain, begin, answer.end, open, close) else { break };
        if end - begin <= LONGEST {
            found.push(begin..end);
        }
        from = begin;
    }
    found
}

/// The delimiter that closes what began; single braces nest (`\boxed{\text{A}}`).
fn closing(plain: &Plain, begin: usize, to: usize, open: &str, close: &str) -> Option<usize> {
    if !(open.ends_with('{') && close == "}") {
        return plain.find(close, begin, to);
    }
    let mut depth = 1;
    for i in begin..to {
        match plain.chars[i] {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(i);
        }
    }
    None
}

/// The answer's first word, where it stands alone: at the end, before a mark or a line's end. A letter that a sentence
/// goes on from is an article.
pub fn first_word(plain: &Plain, answer: Range<usize>) -> Range<usize> {
    let skips = |c: char| c.is_whitespace() || "*_`\"'([".contains(c);
    let begin = answer.clone().find(|at| !skips(plain.chars[*at])).unwrap_or(answer.end);
    let end = (begin..answer.end).find(|at| !plain.chars[*at].is_alphanumeric()).unwrap_or(answer.end);
    let next = (end..answer.end).map(|at| plain.chars[at]).find(|c| *c == '\n' || !c.is_whitespace());
    if next.is_some_and(char::is_alphanumeric) { begin..begin } else { begin..end }
}

/// What follows a cue, up to the end of its line or sentence, every time. Markdown and colons around the cue
/// do not matter; a cue at the end of a line has its value on the next.
pub fn after(plain: &Plain, answer: Range<usize>, cues: &[String]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for cue in cues {
        let mut from = answer.start;
        while let Some(at) = plain.find(cue, from, answer.end) {
            let mut begin = at + cue.chars().count();
            from = begin;
            let skips = |c: char| c.is_whitespace() || "*_`:=-\"'".contains(c);
            while begin < answer.end && skips(plain.chars[begin]) {
                begin += 1;
            }
            let mut end = begin;
            while end < answer.end && !matches!(plain.chars[end], '\n' | '.' | ',' | ';' | '。') {
                end += 1;
            }
            // A decimal point ends no sentence.
            if end + 1 < answer.end && plain.chars[end] == '.' && plain.chars[end + 1].is_ascii_digit() {
                end += 2;
            }
            if !found.iter().any(|known| known.start == begin) {
                found.push(begin..end);
            }
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// A value of a JSON object as text, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub text: String,
    pub range: Range<usize>,
}

/// The values of `keys` (in order of preference) in the last JSON object that has any of them. Objects that are no JSON are
/// read for `"key": value` alone.
pub fn json(plain: &Plain, reply: &str, answer: Range<usize>, keys: &[String]) -> Option<Field> {
    for object in objects(plain, answer.clone()).into_iter().rev() {
        let raw = reply.get(plain.bytes(&object)).unwrap_or_default();
        let parsed = serde_json::from_str::<Value>(raw).or_else(|_| serde_json::from_str(&plain.text(object.clone())));
        let Ok(Value::Object(fields)) = parsed else { continue };
        for key in keys {
            let value = fields.iter().rev().find(|(name, _)| same_key(name, key)).map(|(_, value)| value);
            let text = match value {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(truth)) => truth.to_string(),
                _ => continue,
            };
            let range = locate(plain, object.clone(), key, &text).unwrap_or(object.clone());
            return Some(Field { text, range });
        }
    }
    keys.iter().find_map(|key| written(plain, answer.clone(), key))
}

/// Keys are compared without case, blanks, underscores and hyphens.
fn same_key(a: &str, b: &str) -> bool {
    let normal = |text: &str| -> String {
        Plain::of(text)
            .chars
            .iter()
            .filter(|c| !c.is_whitespace() && !"_-".contains(**c))
            .flat_map(|c| c.to_lowercase())
            .collect()
    };
    normal(a) == normal(b)
}

/// Balanced braces outside strings, innermost excluded: whole objects in order.
fn objects(plain: &Plain, answer: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut depth, mut begin, mut in_string, mut escaped) = (0usize, 0, false, false);
    for i in answer {
        let c = plain.chars[i];
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' if depth > 0 => in_string = true,
            '{' => {
                if depth == 0 {
                    begin = i;
                }
                depth += 1;
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    found.push(begin..i + 1);
                }
            }
            _ => {}
        }
    }
    found
}

/// Where a value stands after its key.
fn locate(plain: &Plain, object: Range<usize>, key: &str, value: &str) -> Option<Range<usize>> {
    let key_at = plain.rfind(key, object.start, object.end)?;
    let wanted: String = Plain::of(value).chars.iter().collect();
    let at = plain.find(&wanted, key_at + key.chars().count(), object.end)?;
    Some(at..at + wanted.chars().count())
}

/// `"key": value` or `'key': 'value'` as written, the last time.
fn written(plain: &Plain, answer: Range<usize>, key: &str) -> Option<Field> {
    let at = plain.rfind(key, answer.start, answer.end)?;
    let mut i = at + key.chars().count();
    let mut colon = false;
    let mut quoted = at > answer.start && matches!(plain.chars[at - 1], '"' | '\'');
    while i < answer.end {
        match plain.chars[i] {
            ':' => colon = true,
            '"' | '\'' => quoted = true,
            c if c.is_whitespace() || "*`_".contains(c) => {}
            _ => break,
        }
        i += 1;
    }
    // A key in running text is no key.
    if !colon || !quoted {
        return None;
    }
    let begin = i;
    while i < answer.end && !matches!(plain.chars[i], '"' | '\'' | ',' | '}' | '\n') {
        i += 1;
    }
    (i > begin).then(|| Field { text: plain.text(begin..i), range: begin..i })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_and_cues() {
        let plain = Plain::of("x [[A]] y [[ b ]] \\boxed{\\text{A>B}}");
        let texts = |ranges: Vec<Range<usize>>| ranges.into_iter().map(|r| plain.text(r)).collect::<Vec<_>>();
        assert_eq!(texts(delimited(&plain, 0..plain.len(), "[[", "]]")), ["A", " b "]);
        assert_eq!(texts(delimited(&plain, 0..plain.len(), "\\boxed{", "}")), ["\\text{A>B}"]);
        let plain = Plain::of("Feedback: fine. **[RESULT]** 4.5\n[RESULT]\nB.");
        let texts = |ranges: Vec<Range<usize>>| ranges.into_iter().map(|r| plain.text(r)).collect::<Vec<_>>();
        assert_eq!(texts(after(&plain, 0..plain.len(), &["[RESULT]".to_owned()])), ["4.5", "B"]);
    }

    #[test]
    fn fields_of_objects() {
        let field = |reply: &str| {
            let plain = Plain::of(reply);
            json(&plain, reply, 0..plain.len(), &["better_answer".to_owned(), "score".to_owned()]).map(|f| f.text)
        };
        for (reply, value) in [
            ("{\"better_answer\": 2}", Some("2")),
            ("```json\n{\"why\": \"a {b} c\", \"Better Answer\": \"1\"}\n```", Some("1")),
            ("{\"better_answer\": 1} no: {\"better_answer\": 2}", Some("2")),
            ("{'better_answer': '2'}", Some("2")),
            ("{“better_answer”：２}", Some("2")),
            ("{\"why\": \"it says \"so\"\", \"better_answer\": 1}", Some("1")),
            ("{\"score\": \"Assistant A\"", Some("Assistant A")),
            ("the score is 2", None),
            ("{\"other\": 1}", None),
        ] {
            assert_eq!(field(reply).as_deref(), value, "{reply}");
        }
    }
}
