//! How Python reads, prints and cuts values, where that reaches the text of a chat template.
//!
//! Templates are written for Jinja on Python; what differs from minijinja's own rules stands here.

pub mod json;
pub mod literal;
pub mod strings;
pub mod title;

use minijinja::value::{Value, ValueKind};

use super::chat::objects::{DictView, Range};

/// `str.isspace`: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `repr(float)`: shortest digits that read back, scientific outside 1e-4 … 1e16.
pub fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { ["inf", "-inf"][usize::from(number < 0.0)] }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        return format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

/// The number behind a value that Python would call a float.
pub fn as_float(value: &Value) -> Option<f64> {
    if value.is_number() && !value.is_integer() { f64::try_from(value.clone()).ok() } else { None }
}

/// `str(value)`: texts as they are, nothing for undefined, else [`repr`].
pub fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.to_string(),
        ValueKind::Undefined => String::new(),
        _ => repr(value),
    }
}

/// `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out);
    out
}

fn write_repr(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::String => write_quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Number => match as_float(value) {
            Some(number) => out.push_str(&float(number)),
            None => out.push_str(&value.to_string()),
        },
        // Slices and sums of lists are iterators for minijinja.
        ValueKind::Seq | ValueKind::Iterable if !prints_itself(value) => {
            let [open, close] = if value.is_tuple() { ['(', ')'] } else { ['[', ']'] };
            out.push(open);
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(&item, out);
            }
            if value.is_tuple() && value.len() == Some(1) {
                out.push(',');
            }
            out.push(close);
        }
        ValueKind::Map if !prints_itself(value) => {
            out.push('{');
            for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(&key, out);
                out.push_str(": ");
                write_repr(&value.get_item(&key).unwrap_or_default(), out);
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// Objects of ours that can be iterated over, and are no lists.
pub fn prints_itself(value: &Value) -> bool {
    value.downcast_object_ref::<Range>().is_some() || value.downcast_object_ref::<DictView>().is_some()
}

/// A text in quotes as Python writes it: single quotes unless only those occur in it.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02x}"),
                code @ ..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    out.push(quote);
}

/// `str.isprintable` of one character: neither a control, nor a separator but the space, nor unassigned.
pub fn is_printable(c: char) -> bool {
    // The standard library escapes what does not print, and marks at the start of a text.
    matches!(c, '\'' | '"' | '\\') || ['a', c].iter().collect::<String>().escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_writes_them() {
        for (number, text) in [
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e20, "1.5e+20"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-0.0, "-0.0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn values_as_python_represents_them() {
        let value = minijinja::value::Serde(&serde_json::json!(["it's", 1, 2.0, {"k": null, "\u{200b}": "e\u{301}"}]));
        assert_eq!(repr(&Value::from(value)), "[\"it's\", 1, 2.0, {'k': None, '\\u200b': 'e\u{301}'}]");
        assert_eq!(text(&Value::from("a\u{200b}")), "a\u{200b}");
    }
}
