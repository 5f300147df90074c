//! Python's string methods that the standard library has in another shape.

use super::is_space;

/// `str.strip` and its one-sided forms; without `characters`, white space goes.
pub fn strip<'a>(text: &'a str, characters: Option<&str>, left: bool, right: bool) -> &'a str {
    let removed = |c: char| characters.map_or_else(|| is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(removed) } else { text };
    if right { text.trim_end_matches(removed) } else { text }
}

/// `str.split`: at white space runs without `separator`; at most `limit` cuts, from the left.
pub fn split<'a>(text: &'a str, separator: Option<&str>, limit: Option<usize>) -> Vec<&'a str> {
    let limit = limit.unwrap_or(usize::MAX);
    if let Some(separator) = separator {
        return text.splitn(limit.saturating_add(1), separator).collect();
    }
    let mut pieces = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = if pieces.len() < limit { rest.find(is_space) } else { None };
        match end {
            Some(end) => {
                pieces.push(&rest[..end]);
                rest = rest[end..].trim_start_matches(is_space);
            }
            // What is left after the last cut keeps its trailing white space only where cuts ran out.
            None => {
                pieces.push(rest);
                rest = "";
            }
        }
    }
    pieces
}

/// `str.rsplit`: as [`split`], the cuts counted from the right.
pub fn rsplit<'a>(text: &'a str, separator: Option<&str>, limit: Option<usize>) -> Vec<&'a str> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut pieces: Vec<&str> = Vec::new();
    if let Some(separator) = separator {
        pieces.extend(text.rsplitn(limit.saturating_add(1), separator));
    } else {
        let mut rest = text.trim_end_matches(is_space);
        while !rest.is_empty() {
            let cut = if pieces.len() < limit { rest.char_indices().rfind(|(_, c)| is_space(*c)) } else { None };
            let start = cut.map_or(0, |(at, c)| at + c.len_utf8());
            pieces.push(&rest[start..]);
            rest = rest[..start].trim_end_matches(is_space);
        }
    }
    pieces.reverse();
    pieces
}

/// `str.splitlines`: at every line end that Unicode knows, with it if `keep_ends`.
pub fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let ends_line = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| ends_line(*c)) {
        let width = if rest[at..].starts_with("\r\n") { 2 } else { c.len_utf8() };
        lines.push(&rest[..if keep_ends { at + width } else { at }]);
        rest = &rest[at + width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// The part `text[start:end]` in characters, negative ones counted from the end, and where it begins;
/// `None` if `start` lies past the end of the text.
pub fn slice(text: &str, start: Option<i64>, end: Option<i64>) -> Option<(usize, &str)> {
    let n = text.chars().count() as i64;
    let index = |given: i64| if given < 0 { (given + n).max(0) } else { given };
    let start = index(start.unwrap_or(0));
    let end = end.map_or(n, |end| index(end).min(n));
    if start > n {
        return None;
    }
    let byte = |at: i64| text.char_indices().nth(at as usize).map_or(text.len(), |(byte, _)| byte);
    Some((start as usize, if end > start { &text[byte(start)..byte(end)] } else { "" }))
}

/// Which end of a text is looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// `str.find` and `str.rfind` within a [`slice`]: the position in characters of the whole text.
pub fn find(within: Option<(usize, &str)>, what: &str, side: Side) -> Option<usize> {
    let (offset, part) = within?;
    let byte = if side == Side::Left { part.find(what) } else { part.rfind(what) }?;
    Some(offset + part[..byte].chars().count())
}

/// `str.partition` and `str.rpartition`.
pub fn partition<'a>(text: &'a str, separator: &'a str, side: Side) -> [&'a str; 3] {
    let found = if side == Side::Left { text.split_once(separator) } else { text.rsplit_once(separator) };
    match (found, side) {
        (Some((before, after)), _) => [before, separator, after],
        (None, Side::Left) => [text, "", ""],
        (None, Side::Right) => ["", "", text],
    }
}

/// `str.ljust` (left), `str.rjust` (right): filled up to `width` characters on the other side.
pub fn justify(text: &str, width: usize, fill: char, side: Side) -> String {
    let filling: String = std::iter::repeat_n(fill, width.saturating_sub(text.chars().count())).collect();
    if side == Side::Left { text.to_owned() + &filling } else { filling + text }
}

/// `str.center`: an odd rest goes to the right where `width` is even, to the left where it is odd.
pub fn center(text: &str, width: usize, fill: char) -> String {
    let n = text.chars().count();
    let rest = width.saturating_sub(n);
    let left = rest / 2 + (rest & width & 1);
    justify(&justify(text, n + left, fill, Side::Right), n + rest, fill, Side::Left)
}

/// `str.zfill`: zeros between the sign and the digits.
pub fn zero_fill(text: &str, width: usize) -> String {
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    sign.to_owned() + &justify(digits, width.saturating_sub(sign.len()), '0', Side::Right)
}

/// `str.expandtabs`.
pub fn expand_tabs(text: &str, size: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let n = if size == 0 { 0 } else { size - column % size };
                out.extend(std::iter::repeat_n(' ', n));
                column += n;
            }
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    out
}

/// Jinja's `indent` filter: `by` before every line but the first and blank ones.
pub fn indent(text: &str, by: &str, first: bool, blank: bool) -> String {
    let mut out = if first { by.to_owned() } else { String::new() };
    // A newline is added first, so that the line end of the text itself survives `splitlines`.
    let text = text.to_owned() + "\n";
    for (index, line) in split_lines(&text, false).into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
            out.push_str(if blank || !line.is_empty() { by } else { "" });
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_as_python_makes_them() {
        assert_eq!(split(" a  b c ", None, Some(1)), ["a", "b c "]);
        assert_eq!(rsplit(" a  b c ", None, Some(1)), [" a  b", "c"]);
        assert_eq!(split("a\u{1c}b", None, None), ["a", "b"]);
        assert_eq!(split("", Some(","), None), [""]);
        assert_eq!(split_lines("a\r\nb\u{2028}\n", true), ["a\r\n", "b\u{2028}", "\n"]);
        assert_eq!(slice("añb", Some(-2), None), Some((1, "ñb")));
        assert_eq!(slice("añb", Some(4), None), None);
        assert_eq!(find(slice("naïve", Some(1), None), "v", Side::Left), Some(3));
        assert_eq!(partition("a-b-c", "-", Side::Right), ["a-b", "-", "c"]);
    }

    #[test]
    fn widths_as_python_fills_them() {
        assert_eq!((center("abc", 8, ' '), center("ab", 5, '.')), ("  abc   ".to_owned(), "..ab.".to_owned()));
        assert_eq!(zero_fill("-42", 6), "-00042");
        assert_eq!(expand_tabs("a\tbc\td", 8), "a       bc      d");
        assert_eq!(indent("a\n\nb\n", "  ", false, false), "a\n\n  b\n");
    }
}
