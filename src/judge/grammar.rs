//! Verdict grammars: from a judge's reply to what it says, or that it says nothing.
//!
//! A grammar is where a verdict stands ([`Place`]) and how it is written ([`Meaning`]); a protocol names both in its
//! TOML. Every reply goes the same way: plain characters, thoughts taken off, places found, contents read. Verdicts
//! that contradict each other are none, unless the protocol lets a last line of its own decide. Nothing is guessed
//! from letters that stand somewhere in the text.

mod letters;
mod numbers;
mod plain;
mod rating_words;
mod refusal;
pub mod rewardbench;
mod slots;
mod thinking;
mod words;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::lang::Lang;
use numbers::{Rated, Scale};
use plain::Plain;

pub use words::{VerdictWords, words_of};

/// What a verdict says of the responses as they were shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The response at this place (from 0) is the best; `strength`: by how much, where the form says it (1 = slightly).
    Pick {
        place: usize,
        strength: Option<u8>,
    },
    Tie,
    /// A rating of the one response that was shown.
    Rating(f64),
}

/// What became of reading a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// `at`: the bytes of the reply that hold it.
    Verdict { verdict: Verdict, at: Range<usize> },
    /// The judge declined.
    Refused,
    /// No verdict can be read, and why.
    Unparsed(&'static str),
}

/// Where a verdict stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// Between two delimiters; with `within`, in the part between these two marks only.
    Delimited {
        open: String,
        close: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<(String, String)>,
        /// What contradicting verdicts mean: none, or the one that ends the last line.
        #[serde(default)]
        conflict: Conflict,
    },
    /// After one of these texts.
    After(Vec<String>),
    /// The value of the first of these keys that the last JSON object has.
    Json(Vec<String>),
    /// At the end, or after a word that announces it.
    End,
    /// The answer's first word.
    FirstWord,
    /// Beside the text: what the model's own reward head reads at the end of its reply (CLoud).
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// All must agree (JudgeBench).
    #[default]
    Refuse,
    LastLine,
}

/// How a verdict is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Meaning {
    /// A letter; `tie`: the letter that stands for a tie.
    Letter {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tie: Option<char>,
    },
    /// The response's number, from 1.
    Number,
    /// A letter or a number, as people write either.
    Name,
    /// `A>>B`, `A>B`, `A=B`, `B>A`, `B>>A`.
    Preference,
    /// A rating of one response.
    Rating { min: f64, max: f64 },
    /// One number for both responses: the lower half prefers the first, the upper half the second (HelpSteer3: 1–6).
    Scale { min: u8, max: u8 },
    /// Yes or no, in the item's language or in English; read as the ratings 1 and 0.
    YesNo,
    /// A number without a scale.
    Reward,
    /// Two ratings, of the first and of the second response: the higher one is preferred, equal ones are a tie, and the
    /// distance is the strength (MENLO: 1–5).
    Grades { min: u8, max: u8 },
}

/// A grammar with the number of responses that were shown.
#[derive(Debug, Clone, Copy)]
pub struct Grammar<'a> {
    pub place: &'a Place,
    pub meaning: &'a Meaning,
    pub n_shown: usize,
    pub lang: Lang,
}

/// Content at one place: unreadable contents are no verdicts and contradict nothing.
struct Found {
    verdict: Option<Verdict>,
    range: Range<usize>,
}

impl Grammar<'_> {
    pub fn read(&self, reply: &str) -> Reading {
        let plain = Plain::of(reply);
        let answer = thinking::answer(&plain);
        if answer.is_empty() {
            return Reading::Unparsed(if plain.is_empty() {
                "the reply is empty"
            } else {
                "the thought was not finished"
            });
        }
        let reading = self.find(&plain, reply, answer.clone());
        match reading {
            Reading::Unparsed(_) if refusal::is_refusal(&plain, answer) => Reading::Refused,
            other => other,
        }
    }

    fn find(&self, plain: &Plain, reply: &str, answer: Range<usize>) -> Reading {
        match self.place {
            Place::Delimited { open, close, within, conflict } => {
                let part = match within {
                    Some((begin, end)) => match part(plain, answer, begin, end) {
                        Some(part) => part,
                        None => return Reading::Unparsed("the section for the verdict is missing"),
                    },
                    None => answer,
                };
                let found = self.contents(plain, slots::delimited(plain, part.clone(), open, close));
                agree(plain, part, found, *conflict)
            }
            Place::After(cues) => {
                let found = self.contents(plain, slots::after(plain, answer.clone(), cues));
                agree(plain, answer, found, Conflict::LastLine)
            }
            Place::Json(keys) => match slots::json(plain, reply, answer, keys) {
                None => Reading::Unparsed("there is no JSON object with the key"),
                Some(field) => match self.value(&field.text) {
                    Some(verdict) => Reading::Verdict { verdict, at: plain.bytes(&field.range) },
                    None => Reading::Unparsed("the value of the key is no verdict"),
                },
            },
            Place::End => self.at_end(plain, answer),
            Place::Head => Reading::Unparsed("no reward head reads this reply"),
            Place::FirstWord if !matches!(self.meaning, Meaning::YesNo) => {
                let word = slots::first_word(plain, answer);
                match self.value(&plain.text(word.clone())) {
                    Some(verdict) => Reading::Verdict { verdict, at: plain.bytes(&word) },
                    None => Reading::Unparsed("the reply does not begin with a verdict"),
                }
            }
            Place::FirstWord => match words::first(plain, answer, self.lang) {
                Some((is_yes, range)) => {
                    let verdict = Verdict::Rating(f64::from(u8::from(is_yes)));
                    Reading::Verdict { verdict, at: plain.bytes(&range) }
                }
                None => Reading::Unparsed("the reply begins with neither yes nor no"),
            },
        }
    }

    fn at_end(&self, plain: &Plain, answer: Range<usize>) -> Reading {
        let Meaning::Rating { min, max } = *self.meaning else {
            return Reading::Unparsed("only ratings are read at the end");
        };
        // MT-Bench's form of a rating, wherever it stands.
        let marked = self.contents(plain, slots::delimited(plain, answer.clone(), "[[", "]]"));
        if marked.iter().any(|found| found.verdict.is_some()) {
            return agree(plain, answer, marked, Conflict::LastLine);
        }
        match numbers::at_end(plain, answer, Scale { min, max }) {
            Rated::Yes { value, range } => {
                Reading::Verdict { verdict: Verdict::Rating(value), at: plain.bytes(&range) }
            }
            Rated::No(why) => Reading::Unparsed(why),
        }
    }

    fn contents(&self, plain: &Plain, ranges: Vec<Range<usize>>) -> Vec<Found> {
        ranges.into_iter().map(|range| Found { verdict: self.value(&plain.text(range.clone())), range }).collect()
    }

    /// A verdict that stands alone in a text.
    pub fn value(&self, text: &str) -> Option<Verdict> {
        let pick = |place: usize| Verdict::Pick { place, strength: None };
        match self.meaning {
            Meaning::Letter { tie } => {
                let bare = letters::bare(text);
                if tie.is_some_and(|tie| bare == tie.to_lowercase().to_string() || letters::is_tie(text)) {
                    return Some(Verdict::Tie);
                }
                letters::letter(text, self.n_shown).map(pick)
            }
            Meaning::Number => letters::number(text, self.n_shown).map(pick),
            Meaning::Name => {
                letters::letter(text, self.n_shown).or_else(|| letters::number(text, self.n_shown)).map(pick)
            }
            Meaning::Preference => preference(text),
            Meaning::Rating { min, max } => rating(text, Scale { min: *min, max: *max }).map(Verdict::Rating),
            Meaning::Scale { min, max } => {
                let scale = Scale { min: f64::from(*min), max: f64::from(*max) };
                let value = rating(text, scale).filter(|value| value.fract() == 0.0)?;
                let middle = (f64::from(*min) + f64::from(*max)) / 2.0;
                let strength = (value - middle).abs().ceil() as u8;
                Some(match value.total_cmp(&middle) {
                    std::cmp::Ordering::Less => Verdict::Pick { place: 0, strength: Some(strength) },
                    std::cmp::Ordering::Equal => Verdict::Tie,
                    std::cmp::Ordering::Greater => Verdict::Pick { place: 1, strength: Some(strength) },
                })
            }
            Meaning::YesNo => words::is_yes(text, self.lang).map(|yes| Verdict::Rating(f64::from(u8::from(yes)))),
            Meaning::Reward => None,
            Meaning::Grades { min, max } => {
                let [first, second] = grades(text, Scale { min: f64::from(*min), max: f64::from(*max) })?;
                let strength = Some((first - second).abs().ceil() as u8);
                Some(match first.total_cmp(&second) {
                    std::cmp::Ordering::Greater => Verdict::Pick { place: 0, strength },
                    std::cmp::Ordering::Equal => Verdict::Tie,
                    std::cmp::Ordering::Less => Verdict::Pick { place: 1, strength },
                })
            }
        }
    }
}

/// The rating that a text consists of.
fn rating(text: &str, scale: Scale) -> Option<f64> {
    let plain = Plain::of(text);
    let end = plain.len();
    match numbers::alone(&plain, 0..end, scale) {
        Rated::Yes { value, .. } => Some(value),
        Rated::No(_) => None,
    }
}

/// Two ratings that a text consists of: `4, 2`, `4/5 and 2/5`.
fn grades(text: &str, scale: Scale) -> Option<[f64; 2]> {
    let parts: Vec<&str> = text.split([',', ';', '、', '，', '؛', '،']).collect();
    let [first, second] = parts.as_slice() else { return None };
    Some([rating(first, scale)?, rating(second, scale)?])
}

/// `A>>B` and its like, also `B<A`, `A = B`, `tie`.
fn preference(text: &str) -> Option<Verdict> {
    let text = Plain::of(text).chars.iter().collect::<String>().replace("&gt;", ">").replace("&lt;", "<");
    if letters::is_tie(&text) {
        return Some(Verdict::Tie);
    }
    let at = text.find(['>', '<', '=', '~', '≈'])?;
    let sign: String = text[at..].chars().take_while(|c| "><=~≈ ".contains(*c)).filter(|c| *c != ' ').collect();
    let length: usize = text[at..].chars().take_while(|c| "><=~≈ ".contains(*c)).map(char::len_utf8).sum();
    let (left, right) = (letters::letter(&text[..at], 2)?, letters::letter(&text[at + length..], 2)?);
    if left == right {
        return None;
    }
    let strength = Some(sign.chars().count().min(2) as u8);
    match sign.chars().next()? {
        '>' if sign.chars().all(|c| c == '>') => Some(Verdict::Pick { place: left, strength }),
        '<' if sign.chars().all(|c| c == '<') => Some(Verdict::Pick { place: right, strength }),
        '=' | '~' | '≈' if sign.chars().all(|c| "=~≈".contains(c)) => Some(Verdict::Tie),
        _ => None,
    }
}

/// The part between two marks, the last one where there are several.
fn part(plain: &Plain, answer: Range<usize>, begin: &str, end: &str) -> Option<Range<usize>> {
    let from = plain.rfind(begin, answer.start, answer.end)? + begin.chars().count();
    let to = plain.find(end, from, answer.end).unwrap_or(answer.end);
    Some(from..to)
}

/// One verdict from all places, or why there is none.
fn agree(plain: &Plain, answer: Range<usize>, found: Vec<Found>, conflict: Conflict) -> Reading {
    let readable: Vec<(&Verdict, &Range<usize>)> =
        found.iter().filter_map(|found| Some((found.verdict.as_ref()?, &found.range))).collect();
    let Some((last, range)) = readable.last() else {
        return Reading::Unparsed(if found.is_empty() {
            "the verdict's form is missing"
        } else {
            "the form holds no verdict"
        });
    };
    let decided = readable.iter().all(|(verdict, _)| verdict == last)
        || conflict == Conflict::LastLine && ends_last_line(plain, answer, &readable);
    match decided {
        true => Reading::Verdict { verdict: (*last).clone(), at: plain.bytes(range) },
        false => Reading::Unparsed("verdicts contradict each other"),
    }
}

/// Whether the last verdict is the only one of the answer's last line and ends it.
fn ends_last_line(plain: &Plain, answer: Range<usize>, found: &[(&Verdict, &Range<usize>)]) -> bool {
    let says = |line: &Range<usize>| plain.chars[line.clone()].iter().any(|c| c.is_alphanumeric());
    let Some(line) = plain.lines(answer).into_iter().rfind(says) else { return false };
    let here: Vec<_> = found.iter().filter(|(_, range)| range.start >= line.start && range.end <= line.end).collect();
    match here.as_slice() {
        [(_, range)] => !plain.chars[range.end..line.end].iter().any(|c| c.is_alphanumeric()),
        _ => false,
    }
}

impl Grammar<'_> {
    /// The two ratings that the verdict of a reply was read from.
    pub fn grades(&self, reply: &str, reading: &Reading) -> Option<[f64; 2]> {
        let Meaning::Grades { min, max } = *self.meaning else { return None };
        let Reading::Verdict { at, .. } = reading else { return None };
        let text: String = Plain::of(reply.get(at.clone())?).chars.into_iter().collect();
        grades(&text, Scale { min: f64::from(min), max: f64::from(max) })
    }
}

/// A token in plain lower case, without what tokenizers write for blanks.
pub(crate) fn plain_token(token: &str) -> String {
    let text: String = Plain::of(token).chars.into_iter().collect();
    text.replace(['▁', 'Ġ'], " ").trim().to_lowercase()
}

impl Grammar<'_> {
    /// The probability of each response that was shown, from the alternatives to the token that holds the verdict;
    /// `None` where no alternative names a response.
    pub fn probabilities(&self, alternatives: &[(String, f64)]) -> Option<Vec<f64>> {
        if matches!(self.meaning, Meaning::YesNo) {
            return words::probability(alternatives, self.lang).map(|p| vec![p]);
        }
        let mut sums = vec![0.0; self.n_shown];
        for (token, log_probability) in alternatives {
            if let Some(Verdict::Pick { place, .. }) = self.value(&plain_token(token)) {
                sums[place] += log_probability.exp();
            }
        }
        let total: f64 = sums.iter().sum();
        (total > 0.0).then(|| sums.into_iter().map(|sum| sum / total).collect())
    }
}
