//! `strftime` as Python on Linux has it: the C library's, in the C locale.

use super::{DateError, FrozenDate, days_in};

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

/// What a directive stands for.
enum Field {
    /// A number, its usual width, and what fills it.
    Number(u32, usize, char),
    Text(String),
    /// A shorthand for other directives.
    Format(&'static str),
}

/// How a directive asks for its field: `%`, flags, width.
#[derive(Default)]
struct Style {
    /// `-`, `_` or `0`: no filling, blanks, zeros.
    fill: Option<char>,
    upper: bool,
    /// `#`: the other case.
    swapped: bool,
    width: Option<usize>,
}

impl FrozenDate {
    /// The date in a format; what is no directive is printed as it stands, as the C library does.
    pub fn strftime(&self, format: &str) -> Result<String, DateError> {
        let mut out = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let directive = &rest[at..];
            let mut after = directive[1..].chars();
            let mut style = Style::default();
            let letter = loop {
                match after.next() {
                    Some(fill @ ('-' | '_' | '0')) if style.width.is_none() => style.fill = Some(fill),
                    Some('^') => style.upper = true,
                    Some('#') => style.swapped = true,
                    Some(digit @ '0'..='9') => {
                        let digit = digit as usize - '0' as usize;
                        style.width = Some((style.width.unwrap_or(0) * 10 + digit).min(1000));
                    }
                    // Another calendar's or script's form, which the C locale does not have.
                    Some('E' | 'O') => {}
                    other => break other,
                }
            };
            rest = after.as_str();
            let as_it_stands = &directive[..directive.len() - rest.len()];
            if letter == Some('s') {
                return Err(DateError::Directive(as_it_stands.to_owned()));
            }
            match letter.and_then(|letter| self.field(letter)) {
                Some(field) => out.push_str(&self.formatted(field, &style, letter == Some('p'))?),
                None => out.push_str(as_it_stands),
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn formatted(&self, field: Field, style: &Style, swaps_to_lower: bool) -> Result<String, DateError> {
        let (mut text, width, fill) = match field {
            Field::Number(number, width, fill) => (number.to_string(), style.width.unwrap_or(width), fill),
            Field::Text(text) => (text, style.width.unwrap_or(0), ' '),
            Field::Format(format) => (self.strftime(format)?, style.width.unwrap_or(0), ' '),
        };
        let fill = match style.fill {
            Some('-') => None,
            Some('_') => Some(' '),
            other => other.or(Some(fill)),
        };
        if style.swapped && swaps_to_lower {
            text = text.to_lowercase();
        } else if style.upper || style.swapped {
            text = text.to_uppercase();
        }
        let missing = width.saturating_sub(text.chars().count());
        let filling: String = fill.into_iter().flat_map(|fill| std::iter::repeat_n(fill, missing)).collect();
        Ok(filling + &text)
    }

    fn field(&self, letter: char) -> Option<Field> {
        let two = |n: u8| Field::Number(u32::from(n), 2, '0');
        let blank = |n: u8| Field::Number(u32::from(n), 2, ' ');
        let text = |text: &str| Field::Text(text.to_owned());
        let year = u32::from(self.year);
        let month = MONTHS[usize::from(self.month) - 1];
        let weekday = self.weekday();
        let hour12 = if self.hour.is_multiple_of(12) { 12 } else { self.hour % 12 };
        let half = if self.hour < 12 { "AM" } else { "PM" };
        Some(match letter {
            'Y' => Field::Number(year, 4, '0'),
            'y' => Field::Number(year % 100, 2, '0'),
            'C' => Field::Number(year / 100, 2, '0'),
            'm' => two(self.month),
            'd' => two(self.day),
            'e' => blank(self.day),
            'B' => text(month),
            'b' | 'h' => text(&month[..3]),
            'A' => text(WEEKDAYS[weekday]),
            'a' => text(&WEEKDAYS[weekday][..3]),
            'w' => Field::Number(weekday as u32, 1, '0'),
            'u' => Field::Number(if weekday == 0 { 7 } else { weekday as u32 }, 1, '0'),
            'j' => Field::Number(self.day_of_year(), 3, '0'),
            'U' => Field::Number((self.day_of_year() + 6 - weekday as u32) / 7, 2, '0'),
            'W' => Field::Number((self.day_of_year() + 6 - (weekday as u32 + 6) % 7) / 7, 2, '0'),
            'V' => Field::Number(self.iso_week().1, 2, '0'),
            'G' => Field::Number(self.iso_week().0, 4, '0'),
            'g' => Field::Number(self.iso_week().0 % 100, 2, '0'),
            'H' => two(self.hour),
            'I' => two(hour12),
            'k' => blank(self.hour),
            'l' => blank(hour12),
            'p' => text(half),
            'P' => Field::Text(half.to_lowercase()),
            'M' => two(self.minute),
            'S' => two(self.second),
            'f' => text("000000"),
            // The moment has no time zone.
            'Z' | 'z' => text(""),
            'D' | 'x' => Field::Format("%m/%d/%y"),
            'F' => Field::Format("%Y-%m-%d"),
            'T' | 'X' => Field::Format("%H:%M:%S"),
            'R' => Field::Format("%H:%M"),
            'r' => Field::Format("%I:%M:%S %p"),
            'c' => Field::Format("%a %b %e %H:%M:%S %Y"),
            'n' => text("\n"),
            't' => text("\t"),
            '%' => text("%"),
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

    /// Year and week by ISO 8601: weeks begin on Monday, the first has the year's first Thursday.
    fn iso_week(&self) -> (u32, u32) {
        let monday_based = (self.weekday() as u32 + 6) % 7;
        // Day of the year of this week's Thursday, which may lie in the year before or after.
        let thursday = i64::from(self.day_of_year()) + 3 - i64::from(monday_based);
        let length = |year: u16| (1..=12).map(|month| i64::from(days_in(year, month))).sum::<i64>();
        let (year, day) = match thursday {
            ..=0 => (self.year.saturating_sub(1), thursday + length(self.year.saturating_sub(1))),
            day if day > length(self.year) => (self.year + 1, day - length(self.year)),
            day => (self.year, day),
        };
        (u32::from(year), (day as u32 - 1) / 7 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> FrozenDate {
        text.parse().unwrap()
    }

    #[test]
    fn formats_as_python_does() {
        // python: datetime(2025, 3, 1, 12, 30, 45).strftime(...)
        let date = date("2025-03-01T12:30:45");
        assert_eq!(date.strftime("%d %b %Y").unwrap(), "01 Mar 2025");
        assert_eq!(
            date.strftime("%A, %-d %B %y %I:%M %p %j %F %T %%").unwrap(),
            "Saturday, 1 March 25 12:30 PM 060 2025-03-01 12:30:45 %"
        );
        assert_eq!(date.strftime("%Q %").unwrap(), "%Q %");
        assert_eq!(date.strftime("%s"), Err(DateError::Directive("%s".to_owned())));
    }

    #[test]
    fn weekdays_around_leap_days() {
        for (text, day) in [
            ("2024-02-29", "Thursday"),
            ("2000-01-01", "Saturday"),
            ("1900-03-01", "Thursday"),
            ("2024-12-31", "Tuesday"),
        ] {
            assert_eq!(date(text).strftime("%A").unwrap(), day, "{text}");
        }
        assert_eq!(date("2024-12-31").strftime("%j").unwrap(), "366");
    }

    #[test]
    fn weeks_at_the_turn_of_years() {
        // python: date(...).strftime("%G-%V %U %W")
        for (text, weeks) in [
            ("2024-12-30", "2025-01 52 53"),
            ("2021-01-03", "2020-53 01 00"),
            ("2023-01-01", "2022-52 01 00"),
            ("2026-12-31", "2026-53 52 52"),
            ("2024-01-01", "2024-01 00 01"),
        ] {
            assert_eq!(date(text).strftime("%G-%V %U %W").unwrap(), weeks, "{text}");
        }
    }
}
