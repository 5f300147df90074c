//! Verdicts in a protocol's form: what a judge that follows the instructions writes.

use super::grammar::{Meaning, Place, Verdict};
use super::protocol::Protocol;

/// The verdict alone: a letter, a number, a word.
pub fn value(protocol: &Protocol, verdict: &Verdict) -> String {
    let letter = |place: usize| char::from(b'A' + place.min(25) as u8);
    match (&protocol.verdict.meaning, verdict) {
        (Meaning::Grades { min, max }, verdict) => {
            let by = match verdict {
                Verdict::Pick { strength, .. } => strength.unwrap_or(max - min).clamp(1, max - min),
                _ => 0,
            };
            let (better, worse) = (*max, max - by);
            let is_second = matches!(verdict, Verdict::Pick { place: 1, .. });
            if is_second { format!("{worse}, {better}") } else { format!("{better}, {worse}") }
        }
        (Meaning::YesNo, Verdict::Rating(rating)) => if *rating > 0.5 { "yes" } else { "no" }.to_owned(),
        (_, Verdict::Rating(rating)) => rating.to_string(),
        (Meaning::Letter { tie }, Verdict::Tie) => tie.unwrap_or('C').to_string(),
        (_, Verdict::Tie) => "A=B".to_owned(),
        (Meaning::Preference, Verdict::Pick { place, strength }) => {
            let sign = if strength.is_some_and(|strength| strength > 1) { ">>" } else { ">" };
            format!("{}{sign}{}", letter(*place), letter(1 - place.min(&1)))
        }
        (Meaning::Scale { min, max }, Verdict::Pick { place, strength }) => {
            let half = (max - min).div_ceil(2);
            let strength = strength.unwrap_or(half).clamp(1, half);
            let score = if *place == 0 { min + half - strength } else { max - half + strength };
            score.to_string()
        }
        (Meaning::Number, Verdict::Pick { place, .. }) => (place + 1).to_string(),
        (_, Verdict::Pick { place, .. }) => letter(*place).to_string(),
    }
}

/// A whole reply: the reason, where there is one, and the verdict in its place. A reply that begins with its verdict
/// has no reason before it.
pub fn written(protocol: &Protocol, verdict: &Verdict, reason: &str) -> String {
    around(protocol, &value(protocol, verdict), reason)
}

/// [`written`] of a verdict in other words.
pub fn around(protocol: &Protocol, value: &str, reason: &str) -> String {
    let before = |end: &str| if reason.is_empty() { String::new() } else { format!("{reason}{end}") };
    match &protocol.verdict.place {
        Place::Delimited { open, close, within, .. } => {
            let inner = format!("{open}{value}{close}");
            match within {
                Some((begin, end)) => format!("{}{begin}\n{inner}\n{end}", before("\n")),
                None => format!("{}{inner}", before("\n")),
            }
        }
        Place::After(cues) => format!("{}{} {value}", before(" "), cues.first().map_or("", String::as_str)),
        Place::Json(keys) => {
            let key = keys.first().map_or("", String::as_str);
            let number =
                value.parse::<u64>().map_or_else(|_| serde_json::json!(value), |number| serde_json::json!(number));
            serde_json::json!({"explanation": reason, key: number}).to_string()
        }
        Place::End => format!("{}{value}", before("\n")),
        Place::FirstWord => value.to_owned(),
        Place::Head => reason.to_owned(),
    }
}
