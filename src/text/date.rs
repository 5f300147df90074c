//! A date that stands still: what `strftime_now` gives to chat templates.
//!
//! Llama-3 templates print the date of the day into the prompt, so that the same model gives other
//! rewards tomorrow. Here the date is a setting, saved with every run.

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

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl FrozenDate {
    /// Python's `strftime` in the C locale: the directives templates use, `%-d` style included.
    pub fn strftime(&self, format: &str) -> Result<String, DateError> {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let unsupported = |directive: String| DateError::Directive(format!("%{directive}"));
            match chars.next() {
                Some('-') => match chars.next() {
                    Some(d) => {
                        let padded = self.directive(d).ok_or_else(|| unsupported(format!("-{d}")))?;
                        let bare = padded.trim_start_matches('0');
                        out.push_str(if bare.is_empty() { "0" } else { bare });
                    }
                    None => return Err(unsupported("-".to_owned())),
                },
                Some(d) => out.push_str(&self.directive(d).ok_or_else(|| unsupported(d.to_string()))?),
                None => return Err(unsupported(String::new())),
            }
        }
        Ok(out)
    }

    fn directive(&self, letter: char) -> Option<String> {
        let month = MONTHS[usize::from(self.month) - 1];
        let weekday = WEEKDAYS[self.weekday()];
        let hour12 = if self.hour.is_multiple_of(12) { 12 } else { self.hour % 12 };
        Some(match letter {
            'Y' => format!("{:04}", self.year),
            'y' => format!("{:02}", self.year % 100),
            'm' => format!("{:02}", self.month),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'B' => month.to_owned(),
            'b' | 'h' => month[..3].to_owned(),
            'A' => weekday.to_owned(),
            'a' => weekday[..3].to_owned(),
            'j' => format!("{:03}", self.day_of_year()),
            'H' => format!("{:02}", self.hour),
            'I' => format!("{hour12:02}"),
            'p' => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            'M' => format!("{:02}", self.minute),
            'S' => format!("{:02}", self.second),
            'F' => format!("{:04}-{:02}-{:02}", self.year, self.month, self.day),
            'T' => format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }

    /// 0 is Sunday (Sakamoto's rule).
    fn weekday(&self) -> usize {
        const SHIFT: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let year = u32::from(self.year) - u32::from(self.month < 3);
        let days = year + year / 4 - year / 100 + year / 400;
        ((days + SHIFT[usize::from(self.month) - 1] + u32::from(self.day)) % 7) as usize
    }

    fn day_of_year(&self) -> u32 {
        (1..self.month).map(|month| u32::from(days_in(self.year, month))).sum::<u32>() + u32::from(self.day)
    }
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
    fn formats_as_python_does() {
        // python: datetime(2025, 3, 1, 12, 30, 45).strftime(...)
        let date: FrozenDate = "2025-03-01T12:30:45".parse().unwrap();
        assert_eq!(date.strftime("%d %b %Y").unwrap(), "01 Mar 2025");
        assert_eq!(
            date.strftime("%A, %-d %B %y %I:%M %p %j %F %T %%").unwrap(),
            "Saturday, 1 March 25 12:30 PM 060 2025-03-01 12:30:45 %"
        );
        assert_eq!(date.strftime("%Q"), Err(DateError::Directive("%Q".to_owned())));
    }

    #[test]
    fn weekdays_around_leap_days() {
        for (text, day) in [
            ("2024-02-29", "Thursday"),
            ("2000-01-01", "Saturday"),
            ("1900-03-01", "Thursday"),
            ("2024-12-31", "Tuesday"),
        ] {
            assert_eq!(text.parse::<FrozenDate>().unwrap().strftime("%A").unwrap(), day, "{text}");
        }
        assert_eq!("2024-12-31".parse::<FrozenDate>().unwrap().strftime("%j").unwrap(), "366");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in ["2023-02-29", "26 Jul 2024", "2024-7-26", "2024-13-01", "2024-07-26T24:00:00", ""] {
            assert!(text.parse::<FrozenDate>().is_err(), "{text}");
        }
        assert_eq!(FrozenDate::default().to_string(), "2024-07-26");
    }
}
