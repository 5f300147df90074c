//! `json.dumps` with the arguments that the `tojson` of chat templates passes on.

use minijinja::value::{Value, ValueKind};

use super::{as_float, float, prints_itself};

/// A value that JSON cannot write, by what Python calls it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("a value of kind {0} is not JSON serializable")]
    Value(String),
    #[error("a key of kind {0} is not JSON serializable")]
    Key(String),
    #[error("keys of different kinds cannot be sorted")]
    MixedKeys,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonStyle {
    pub ensure_ascii: bool,
    /// What a level is indented by; without it everything stands on one line.
    pub indent: Option<String>,
    pub item_separator: String,
    pub key_separator: String,
    pub sort_keys: bool,
}

impl JsonStyle {
    pub fn new(indent: Option<String>) -> Self {
        let item_separator = if indent.is_some() { "," } else { ", " }.to_owned();
        Self { ensure_ascii: false, indent, item_separator, key_separator: ": ".to_owned(), sort_keys: false }
    }

    pub fn dumps(&self, value: &Value) -> Result<String, JsonError> {
        let mut out = String::new();
        self.write(value, 0, &mut out)?;
        Ok(out)
    }

    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), JsonError> {
        let refused = || Err(JsonError::Value(value.kind().to_string()));
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => match as_float(value) {
                Some(number) => out.push_str(&json_float(number)),
                None => out.push_str(&value.to_string()),
            },
            ValueKind::String => self.write_string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable if !prints_itself(value) => {
                let items: Vec<Value> = value.try_iter().into_iter().flatten().collect();
                self.write_many(['[', ']'], items.len(), depth, out, |i, out| self.write(&items[i], depth + 1, out))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter().into_iter().flatten().collect();
                if self.sort_keys {
                    sort(&mut keys)?;
                }
                self.write_many(['{', '}'], keys.len(), depth, out, |i, out| {
                    self.write_string(&key_text(&keys[i])?, out);
                    out.push_str(&self.key_separator);
                    self.write(&value.get_item(&keys[i]).unwrap_or_default(), depth + 1, out)
                })?;
            }
            _ => return refused(),
        }
        Ok(())
    }

    fn write_many(
        &self,
        [open, close]: [char; 2],
        n: usize,
        depth: usize,
        out: &mut String,
        mut item: impl FnMut(usize, &mut String) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let line = |depth: usize, out: &mut String| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                out.push_str(&indent.repeat(depth));
            }
        };
        out.push(open);
        for i in 0..n {
            if i > 0 {
                out.push_str(&self.item_separator);
            }
            line(depth + 1, out);
            item(i, out)?;
        }
        if n > 0 {
            line(depth, out);
        }
        out.push(close);
        Ok(())
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
                c if c < ' ' || (self.ensure_ascii && (!c.is_ascii() || c == '\u{7f}')) => {
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

fn json_float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => float(number),
    }
}

/// Keys that are no texts become some.
fn key_text(key: &Value) -> Result<String, JsonError> {
    Ok(match key.kind() {
        ValueKind::String => key.to_string(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::None => "null".to_owned(),
        ValueKind::Number => as_float(key).map_or_else(|| key.to_string(), json_float),
        other => return Err(JsonError::Key(other.to_string())),
    })
}

fn sort(keys: &mut [Value]) -> Result<(), JsonError> {
    let alike = |kind: ValueKind| keys.iter().all(|key| key.kind() == kind);
    if !alike(ValueKind::String) && !alike(ValueKind::Number) {
        return Err(JsonError::MixedKeys);
    }
    keys.sort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::value::Serde;
    use serde_json::json;

    fn value(json: serde_json::Value) -> Value {
        Value::from(Serde(&json))
    }

    #[test]
    fn json_as_python_dumps_it() {
        let given = value(json!({"b": [1, 2.5, true, null, []], "a": "é<&>\"\u{1}\n😀"}));
        let mut style = JsonStyle::new(None);
        assert_eq!(style.dumps(&given).unwrap(), r#"{"b": [1, 2.5, true, null, []], "a": "é<&>\"\u0001\n😀"}"#);
        style.ensure_ascii = true;
        style.sort_keys = true;
        assert_eq!(style.dumps(&value(json!({"b": "😀", "a": 1}))).unwrap(), r#"{"a": 1, "b": "\ud83d\ude00"}"#);
        let indented = "{\n  \"b\": [\n    1\n  ],\n  \"c\": {}\n}";
        let style = JsonStyle::new(Some("  ".to_owned()));
        assert_eq!(style.dumps(&value(json!({"b": [1], "c": {}}))).unwrap(), indented);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let error = JsonStyle::new(None).dumps(&Value::from(vec![Value::UNDEFINED])).unwrap_err();
        assert_eq!(error, JsonError::Value("undefined".to_owned()));
    }
}
