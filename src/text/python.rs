//! How Python prints, strips and dumps values, where that reaches the text of a chat template.

use serde_json::Value;

/// `str.isspace`: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.title`: a letter is upper case unless one that has case stands before it.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c.is_lowercase() || c.is_uppercase();
    }
    out
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

/// `json.dumps` with the arguments that the `tojson` of chat templates passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonStyle {
    pub ensure_ascii: bool,
    pub indent: Option<usize>,
    pub item_separator: String,
    pub key_separator: String,
    pub sort_keys: bool,
}

impl JsonStyle {
    pub fn new(indent: Option<usize>) -> Self {
        let item_separator = if indent.is_some() { "," } else { ", " }.to_owned();
        Self { ensure_ascii: false, indent, item_separator, key_separator: ": ".to_owned(), sort_keys: false }
    }

    pub fn dumps(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Number(number) => match number.as_f64() {
                Some(x) if number.is_f64() => out.push_str(&float(x)),
                _ => out.push_str(&number.to_string()),
            },
            Value::String(text) => self.write_string(text, out),
            Value::Array(items) => {
                self.write_many('[', ']', items.len(), depth, out, |i, out| self.write(&items[i], depth + 1, out));
            }
            Value::Object(map) => {
                let mut entries: Vec<(&String, &Value)> = map.iter().collect();
                if self.sort_keys {
                    entries.sort_by(|a, b| a.0.cmp(b.0));
                }
                self.write_many('{', '}', entries.len(), depth, out, |i, out| {
                    self.write_string(entries[i].0, out);
                    out.push_str(&self.key_separator);
                    self.write(entries[i].1, depth + 1, out);
                });
            }
        }
    }

    fn write_many(
        &self,
        open: char,
        close: char,
        n: usize,
        depth: usize,
        out: &mut String,
        mut item: impl FnMut(usize, &mut String),
    ) {
        let line = |depth: usize, out: &mut String| {
            if let Some(indent) = self.indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent * depth));
            }
        };
        out.push(open);
        for i in 0..n {
            if i > 0 {
                out.push_str(&self.item_separator);
            }
            line(depth + 1, out);
            item(i, out);
        }
        if n > 0 {
            line(depth, out);
        }
        out.push(close);
    }

    fn write_string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
    fn words_begin_after_anything_without_case() {
        assert_eq!(title("<b>it's 3rd ÉTÉ</b>"), "<B>It'S 3Rd Été</B>");
    }

    #[test]
    fn json_as_python_dumps_it() {
        let value = json!({"b": [1, 2.5, true, null, []], "a": "é<&>\"\u{1}\n😀"});
        let mut style = JsonStyle::new(None);
        assert_eq!(style.dumps(&value), r#"{"b": [1, 2.5, true, null, []], "a": "é<&>\"\u0001\n😀"}"#);
        style.ensure_ascii = true;
        style.sort_keys = true;
        assert_eq!(style.dumps(&json!({"b": "😀", "a": 1})), r#"{"a": 1, "b": "\ud83d\ude00"}"#);
        let indented = "{\n  \"b\": [\n    1\n  ],\n  \"c\": {}\n}";
        assert_eq!(JsonStyle::new(Some(2)).dumps(&json!({"b": [1], "c": {}})), indented);
    }
}
