//! Ratings in running text: which number of a reply is the rating, on which scale, or that it cannot be told.
//!
//! `8/10` is 8 (RewardBench's expression reads 10), `**8**` and `9.` are ratings (RewardBench loses them), `4/5`
//! on a scale of ten, `7-8` and `80 %` are none.

use std::ops::Range;

use super::plain::Plain;
use super::rating_words::{CUES, OF, OF_REVERSED, RANGE, SCALE_BEFORE, UNITS};

/// A number of a line with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
struct Number {
    range: Range<usize>,
    value: f64,
    /// `8/10`, `8 von 10`: the scale that is named with it.
    of: Option<f64>,
    /// One end of `7-8`, a percentage, a negative number: no rating can be read from it.
    is_other: bool,
}

const DECORATION: &str = "*_`\"'()[]{}<>.,;:!?#|\\$。、=-~";

fn undecorated(text: &str) -> String {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || DECORATION.contains(c));
    trimmed.to_lowercase()
}

/// What a text says of the rating in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Rated {
    Yes { value: f64, range: Range<usize> },
    No(&'static str),
}

/// The scale of a protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub min: f64,
    pub max: f64,
}

impl Scale {
    fn rated(&self, number: &Number) -> Rated {
        if number.is_other {
            Rated::No("the number is a range, a percentage or negative")
        } else if number.of.is_some_and(|of| of != self.max) {
            Rated::No("the rating is on another scale")
        } else if number.value < self.min || number.value > self.max {
            Rated::No("the rating is not on the scale")
        } else {
            Rated::Yes { value: number.value, range: number.range.clone() }
        }
    }
}

/// A rating that stands alone in a text: `8`, `8/10`, `**8**`.
pub fn alone(plain: &Plain, range: Range<usize>, scale: Scale) -> Rated {
    let numbers = numbers(plain, range.clone());
    match numbers.as_slice() {
        [number]
            if rest_of(plain, &range, number).iter().all(|text| text.is_empty() || UNITS.contains(&text.as_str())) =>
        {
            scale.rated(number)
        }
        [] => Rated::No("there is no number"),
        _ => Rated::No("there is more than a number"),
    }
}

/// The rating at the end of a reply, or after a word that announces it.
pub fn at_end(plain: &Plain, answer: Range<usize>, scale: Scale) -> Rated {
    let lines: Vec<Range<usize>> =
        plain.lines(answer).into_iter().filter(|line| !undecorated(&plain.text(line.clone())).is_empty()).collect();
    let Some(last) = lines.last() else { return Rated::No("there is no answer") };
    let of_last = numbers(plain, last.clone());
    if let [number] = of_last.as_slice()
        && let [before, after] = rest_of(plain, last, number)
        && (after.is_empty() || UNITS.contains(&after.as_str()))
        && (before.is_empty() || CUES.iter().any(|cue| before.contains(cue)))
    {
        return scale.rated(number);
    }
    let announced: Vec<Rated> = lines.iter().filter_map(|line| after_cue(plain, line, scale)).collect();
    if let Some(first) = announced.first() {
        let value = |rated: &Rated| match rated {
            Rated::Yes { value, .. } => Some(*value),
            Rated::No(_) => None,
        };
        let agree = announced.iter().all(|rated| value(rated) == value(first));
        return if agree { first.clone() } else { Rated::No("several ratings differ") };
    }
    match of_last.last() {
        // A sentence that ends with the number, as asked. (`3 points` in a sentence may be about anything.)
        Some(number) if ends_sentence(&rest_of(plain, last, number)[1]) => scale.rated(number),
        Some(_) => Rated::No("the last line does not end with a rating"),
        None => Rated::No("there is no rating"),
    }
}

fn ends_sentence(after: &str) -> bool {
    after.is_empty() || !after.is_ascii() && UNITS.contains(&after)
}

/// The number after a cue at the beginning of a line (`Rating: 8 because …`), where it is the only one after it.
fn after_cue(plain: &Plain, line: &Range<usize>, scale: Scale) -> Option<Rated> {
    let text = plain.text(line.clone()).to_lowercase();
    let head = text.split([':', '=']).next().filter(|head| head.len() < text.len())?;
    if head.chars().count() > 40 || !CUES.iter().any(|cue| head.contains(cue)) {
        return None;
    }
    // Lower case can be longer than the text; the colon is looked for in the text itself.
    let colon = (line.start..line.end).find(|&i| matches!(plain.chars[i], ':' | '='))?;
    let rest = colon + 1..line.end;
    Some(match numbers(plain, rest.clone()).as_slice() {
        [number] if rest_of(plain, &rest, number)[0].is_empty() => scale.rated(number),
        [] => return None,
        _ => Rated::No("more than one number follows the word"),
    })
}

/// What stands before and after a number and its scale, undecorated.
fn rest_of(plain: &Plain, line: &Range<usize>, number: &Number) -> [String; 2] {
    let before = without_parentheses(&plain.text(line.start..number.range.start));
    let after = without_parentheses(&plain.text(number.range.end..line.end));
    [undecorated(&before), undecorated(&after)]
}

/// Remarks in parentheses (`(1-10)`, `(out of 10)`) taken out.
fn without_parentheses(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// The numbers of a line outside parentheses, joined where they belong together.
fn numbers(plain: &Plain, line: Range<usize>) -> Vec<Number> {
    let found = scan(plain, line.clone());
    let outside: Vec<Number> =
        found.iter().filter(|n| !is_in_parentheses(plain, &line, n.range.start)).cloned().collect();
    let mut found = if outside.is_empty() { found } else { outside };
    let mut joined: Vec<Number> = Vec::new();
    while !found.is_empty() {
        let number = found.remove(0);
        let Some(before) = joined.last_mut() else {
            joined.push(number);
            continue;
        };
        let gap = plain.text(before.range.end..number.range.start).trim().to_lowercase();
        let gap = gap.trim_matches(|c: char| c.is_whitespace() || "*_`".contains(c));
        if before.of.is_none() && OF.contains(&gap) {
            before.of = Some(number.value);
            before.range.end = number.range.end;
        } else if OF_REVERSED.contains(&gap) {
            *before = Number { of: Some(before.value), range: before.range.start..number.range.end, ..number };
        } else if RANGE.contains(&gap) || OF.contains(&gap) {
            before.is_other = true;
            before.range.end = number.range.end;
        } else {
            joined.push(number);
        }
    }
    let is_scale = |number: &Number| {
        let before = plain.text(line.start..number.range.start).to_lowercase();
        SCALE_BEFORE.iter().any(|word| before.trim_end().ends_with(word))
    };
    joined.retain(|number| !is_scale(number));
    joined
}

fn is_in_parentheses(plain: &Plain, line: &Range<usize>, at: usize) -> bool {
    let before = &plain.chars[line.start..at];
    let open = before.iter().filter(|c| **c == '(').count();
    open > before.iter().filter(|c| **c == ')').count() && plain.chars[at..line.end].contains(&')') && {
        // A rating that is itself in parentheses, alone on its line, is no remark.
        before.iter().any(|c| c.is_alphanumeric())
    }
}

/// Every number of a line, on its own.
fn scan(plain: &Plain, line: Range<usize>) -> Vec<Number> {
    let chars = &plain.chars;
    let mut found = Vec::new();
    let mut i = line.start;
    while i < line.end {
        if !chars[i].is_ascii_digit() {
            i += 1;
            continue;
        }
        let begin = i;
        while i < line.end && chars[i].is_ascii_digit() {
            i += 1;
        }
        let is_digit = |at: usize| at < line.end && chars[at].is_ascii_digit();
        if i < line.end && matches!(chars[i], '.' | ',') && is_digit(i + 1) {
            i += 1;
            while is_digit(i) {
                i += 1;
            }
        }
        let before = (begin > line.start).then(|| chars[begin - 1]);
        let after = (i < line.end).then(|| chars[i]);
        // `GPT4`, `3rd`, `2x` name things and count nothing.
        let is_part = before.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | ','))
            || after.is_some_and(|c| c.is_ascii_alphabetic());
        let text: String = chars[begin..i].iter().collect::<String>().replace(',', ".");
        let Some(value) = text.parse::<f64>().ok().filter(|_| !is_part) else { continue };
        let earlier = begin.checked_sub(2).filter(|at| *at >= line.start).map(|at| chars[at]);
        let is_negative = before == Some('-') && !earlier.is_some_and(|c| c.is_ascii_digit() || c == '-');
        let is_negative = is_negative && earlier.is_none_or(|c| c.is_whitespace() || ":=([*".contains(c));
        // A list's dash is followed by a blank.
        let percent = after == Some('%') || after == Some(' ') && chars.get(i + 1) == Some(&'%');
        found.push(Number { range: begin..i, value, of: None, is_other: percent || is_negative });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated(text: &str) -> Option<f64> {
        let plain = Plain::of(text);
        let end = plain.len();
        match at_end(&plain, 0..end, Scale { min: 1.0, max: 10.0 }) {
            Rated::Yes { value, .. } => Some(value),
            Rated::No(_) => None,
        }
    }

    #[test]
    fn ratings_in_text() {
        for (text, value) in [
            ("8", Some(8.0)),
            ("8/10", Some(8.0)),
            ("7 out of 10", Some(7.0)),
            ("**9**.", Some(9.0)),
            ("Good answer.\n\nRating: 8", Some(8.0)),
            ("Rating (1-10): 8", Some(8.0)),
            ("Rating: 7\nIt has 3 points of interest", Some(7.0)),
            ("I would give this an 8", Some(8.0)),
            ("On a scale of 1 to 10, I rate it 6.", Some(6.0)),
            ("8 (out of 10)", Some(8.0)),
            ("10点満点中8点", Some(8.0)),
            ("满分10分,得8分", Some(8.0)),
            ("8分（满分10分）", Some(8.0)),
            ("10 üzerinden 7", Some(7.0)),
            ("التقييم: ٨/١٠", Some(8.0)),
            ("7.5", Some(7.5)),
            ("7,5", Some(7.5)),
            ("4/5", None),
            ("80%", None),
            ("7-8", None),
            ("between 7 and 8", None),
            ("-3", None),
            ("11", None),
            ("0", None),
            ("no number here", None),
            ("GPT4", None),
            ("", None),
        ] {
            assert_eq!(rated(text), value, "{text}");
        }
    }
}
