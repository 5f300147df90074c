//! A date that stands still: what `strftime_now` gives to chat templates.
//!
//! Llama-3 templates print the date of the day into the prompt, so that the same model gives other
//! rewards tomorrow. Here the date is a setting, saved with every run.

mod strftime;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment without a time zone, to the second; written `2024-07-26` or `2024-07-26T12:30:45`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrozenDate {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// The day that Llama-3.1's own template writes when nobody gives it one.
impl Default for FrozenDate {
    fn default() -> Self {
        Self { year: 2024, month: 7, day: 26, hour: 0, minute: 0, second: 0 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    #[error("`{0}` is not a date like 2024-07-26 or 2024-07-26T12:30:45")]
    Form(String),
    #[error("`{0}` in the format of a date is not supported")]
    Directive(String),
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for FrozenDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let wrong = || DateError::Form(text.to_owned());
        let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
        let numbers = |part: &str, separator: char, widths: [usize; 3]| -> Option<[u16; 3]> {
            let pieces: Vec<&str> = part.split(separator).collect();
            let pieces: [&str; 3] = pieces.try_into().ok()?;
            let mut out = [0; 3];
            for i in 0..3 {
                if pieces[i].len() != widths[i] || !pieces[i].bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                out[i] = pieces[i].parse().ok()?;
            }
            Some(out)
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2]).ok_or_else(wrong)?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2]).ok_or_else(wrong)?;
        let in_year = year > 0 && (1..=12).contains(&month);
        if !in_year || day == 0 || day > u16::from(days_in(year, month as u8)) {
            return Err(wrong());
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(wrong());
        }
        Ok(Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
        })
    }
}

impl fmt::Display for FrozenDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        if (self.hour, self.minute, self.second) != (0, 0, 0) {
            write!(f, "T{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        }
        Ok(())
    }
}

impl Serialize for FrozenDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FrozenDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_date() {
        for text in ["2023-02-29", "26 Jul 2024", "2024-7-26", "2024-13-01", "2024-07-26T24:00:00", ""] {
            assert!(text.parse::<FrozenDate>().is_err(), "{text}");
        }
        assert_eq!(FrozenDate::default().to_string(), "2024-07-26");
    }
}
