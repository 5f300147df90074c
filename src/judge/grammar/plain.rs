//! A reply in plain characters, each with its place in the reply: one spelling of digits, brackets, quotes and
//! signs, nothing invisible.
//!
//! Judges write `８／１０`, `٨/١٠`, `【【Ａ】】`, `A≫B`, a right-to-left mark before the letter or a keycap after the
//! digit; all of these say what their ASCII spelling says.

use std::ops::Range;

/// Characters of a reply after normalisation.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    pub chars: Vec<char>,
    /// Byte offset in the reply of each character, and of the end.
    at: Vec<usize>,
}

impl Plain {
    pub fn of(reply: &str) -> Self {
        let mut plain = Plain::default();
        for (at, c) in reply.char_indices() {
            plain.push(at, c);
        }
        plain.at.push(reply.len());
        plain
    }

    fn push(&mut self, at: usize, c: char) {
        let mut put = |text: &str| {
            for c in text.chars() {
                self.chars.push(c);
                self.at.push(at);
            }
        };
        match c {
            _ if is_invisible(c) => {}
            '\n' | '\u{2028}' | '\u{2029}' | '\u{85}' => put("\n"),
            _ if c.is_whitespace() => put(" "),
            '【' | '〖' | '〔' => put("["),
            '】' | '〗' | '〕' => put("]"),
            '⟦' | '〚' => put("[["),
            '⟧' | '〛' => put("]]"),
            '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '＂' => put("\""),
            '‘' | '’' | '‚' => put("'"),
            '∶' => put(":"),
            '≫' | '⪢' => put(">>"),
            '≪' | '⪡' => put("<<"),
            '–' | '—' | '−' | '‐' | '‑' | '‒' => put("-"),
            '⁄' | '∕' => put("/"),
            '٫' => put("."),
            '،' => put(","),
            '۔' | '।' => put("."),
            '🔟' => put("10"),
            '🅰' => put("A"),
            '🅱' => put("B"),
            '①'..='⑳' => put(&(c as u32 - '①' as u32 + 1).to_string()),
            '❶'..='❿' => put(&(c as u32 - '❶' as u32 + 1).to_string()),
            'Ⓐ'..='Ⓩ' => put(&letter('A', c as u32 - 'Ⓐ' as u32).to_string()),
            'ⓐ'..='ⓩ' => put(&letter('a', c as u32 - 'ⓐ' as u32).to_string()),
            '！'..='～' => put(&char::from_u32(c as u32 - 0xFEE0).unwrap_or(c).to_string()),
            '\u{1D400}'..='\u{1D6A3}' => {
                let place = (c as u32 - 0x1D400) % 52;
                put(&if place < 26 { letter('A', place) } else { letter('a', place - 26) }.to_string());
            }
            '\u{1D7CE}'..='\u{1D7FF}' => put(&((c as u32 - 0x1D7CE) % 10).to_string()),
            _ => match digit(c) {
                Some(value) => put(&value.to_string()),
                None => put(c.encode_utf8(&mut [0; 4])),
            },
        }
    }

    pub fn len(&self) -> usize {
        self.chars.len()
    }

    pub fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// The bytes of the reply that some characters came from.
    pub fn bytes(&self, range: &Range<usize>) -> Range<usize> {
        let end = |i: usize| self.at.get(i).copied().unwrap_or_default();
        // The last character may come from several bytes: its end is where another one begins.
        let from = end(range.start);
        let last = end(range.end.saturating_sub(1));
        let to = self.at[range.end.min(self.at.len() - 1)..].iter().find(|at| **at > last).copied();
        from..to.unwrap_or(last).max(from)
    }

    /// Where a text begins, at or after `from` and ending by `to`.
    pub fn find(&self, text: &str, from: usize, to: usize) -> Option<usize> {
        let wanted: Vec<char> = text.chars().collect();
        if wanted.is_empty() || to > self.chars.len() || from + wanted.len() > to {
            return None;
        }
        (from..=to - wanted.len()).find(|&i| same(&self.chars[i..i + wanted.len()], &wanted))
    }

    /// Where a text begins last.
    pub fn rfind(&self, text: &str, from: usize, to: usize) -> Option<usize> {
        let wanted: Vec<char> = text.chars().collect();
        if wanted.is_empty() || to > self.chars.len() || from + wanted.len() > to {
            return None;
        }
        (from..=to - wanted.len()).rev().find(|&i| same(&self.chars[i..i + wanted.len()], &wanted))
    }

    pub fn text(&self, range: Range<usize>) -> String {
        self.chars.get(range).unwrap_or(&[]).iter().collect()
    }

    /// The lines of a range, without their ends.
    pub fn lines(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut lines = Vec::new();
        let mut begin = range.start;
        for i in range.clone() {
            if self.chars[i] == '\n' {
                lines.push(begin..i);
                begin = i + 1;
            }
        }
        lines.push(begin..range.end);
        lines
    }
}

/// Without regard to case, character by character.
fn same(found: &[char], wanted: &[char]) -> bool {
    found.iter().zip(wanted).all(|(a, b)| a == b || a.to_lowercase().eq(b.to_lowercase()))
}

fn letter(first: char, place: u32) -> char {
    char::from_u32(first as u32 + place).unwrap_or(first)
}

/// Marks of direction, joiners, variation selectors, keycaps: they change how a text looks, not what it says.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{20E3}' | '\r')
}

/// Where the decimal digits of scripts begin (Unicode 16, category Nd, ten in a row each).
const ZEROS: [u32; 40] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
    0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x11066, 0x1E950,
];

/// The value of a decimal digit of any script.
fn digit(c: char) -> Option<u32> {
    let code = c as u32;
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same() {
        for (written, plain) in [
            ("８／１０", "8/10"),
            ("٨/١٠", "8/10"),
            ("۸ از ۱۰", "8 از 10"),
            ("८", "8"),
            ("๘", "8"),
            ("\u{200F}[[A]]\u{200F}", "[[A]]"),
            ("【【Ｂ】】", "[[B]]"),
            ("⟦A⟧", "[[A]]"),
            ("A≫B", "A>>B"),
            ("8\u{FE0F}\u{20E3}", "8"),
            ("🔟", "10"),
            ("②", "2"),
            ("𝐀𝟖", "A8"),
            ("a\u{A0}b\r\nc", "a b\nc"),
        ] {
            assert_eq!(Plain::of(written).chars.iter().collect::<String>(), plain, "{written}");
        }
    }

    #[test]
    fn places_lead_back_into_the_reply() {
        let reply = "é ⟦Ａ⟧!";
        let plain = Plain::of(reply);
        let at = plain.find("A", 0, plain.len()).unwrap();
        assert_eq!(&reply[plain.bytes(&(at..at + 1))], "Ａ");
        let whole = plain.find("[[", 0, plain.len()).unwrap();
        assert_eq!(&reply[plain.bytes(&(whole..whole + 5))], "⟦Ａ⟧");
        assert_eq!(&reply[plain.bytes(&(plain.len() - 1..plain.len()))], "!");
    }
}
