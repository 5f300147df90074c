//! String literals as Python reads them, written again so that minijinja reads the same text.

/// An escape that stands for no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the escape `\\{0}` in a string is not supported")]
pub struct EscapeError(pub String);

/// What a literal's inside (between the quotes) says.
pub fn decode(inside: &str) -> Result<String, EscapeError> {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { return Err(EscapeError(String::new())) };
        let wrong = || EscapeError(rest.chars().take(8).collect());
        let plain = match letter {
            '\n' => Some(None),
            '\\' | '\'' | '"' => Some(Some(letter)),
            'a' => Some(Some('\u{7}')),
            'b' => Some(Some('\u{8}')),
            'f' => Some(Some('\u{c}')),
            'n' => Some(Some('\n')),
            'r' => Some(Some('\r')),
            't' => Some(Some('\t')),
            'v' => Some(Some('\u{b}')),
            _ => None,
        };
        if let Some(character) = plain {
            out.extend(character);
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        let (digits, radix) = match letter {
            'x' => (rest.get(1..3), 16),
            'u' => (rest.get(1..5), 16),
            'U' => (rest.get(1..9), 16),
            '0'..='7' => {
                let n = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                (rest.get(..n), 8)
            }
            // Named characters need a table of names.
            'N' => return Err(wrong()),
            // Python keeps the backslash of an escape it does not know.
            _ => {
                out.push('\\');
                continue;
            }
        };
        let code = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        // A lone surrogate is no character of any text that a tokenizer could take.
        out.push(code.and_then(char::from_u32).ok_or_else(wrong)?);
        rest = &rest[digits.map_or(0, str::len) + usize::from(radix == 16)..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The inside of a literal in `quote`s that says `text`, with the escapes that both languages share.
pub fn encode(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_pythons() {
        for (inside, text) in [
            (r"a\nb", "a\nb"),
            (r"\x41\u00e9\U0001F600\101\0", "Aé😀A\0"),
            (r"\d\/\é", "\\d\\/\\é"),
            ("a\\\nb", "ab"),
            (r"\\n\'", "\\n'"),
        ] {
            assert_eq!(decode(inside).unwrap(), text, "{inside}");
            assert_eq!(decode(&encode(text, '\'')).unwrap(), text);
        }
        for inside in [r"\x4", r"\ud83d", r"\N{BULLET}", r"\U00110000"] {
            assert!(decode(inside).is_err(), "{inside}");
        }
    }
}
