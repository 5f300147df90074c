//! JSON as Python writes it: `json.dump` lets NaN and infinities through, which are no JSON.

use serde_json::Value;

/// The value of a JSON text, in which a bare `NaN` says that there is no value, as null does.
///
/// # Errors
/// What is not JSON, and infinities, in words.
pub fn json(text: &[u8]) -> Result<Value, String> {
    let strict = match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) => error.to_string(),
    };
    let mut mended = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped, mut found) = (false, false, false);
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        if !in_string && rest.starts_with(b"NaN") {
            mended.extend_from_slice(b"null");
            (rest, found) = (&rest[3..], true);
            continue;
        }
        if !in_string && rest.starts_with(b"Infinity") {
            return Err("`Infinity` is no number in JSON, and no score".to_owned());
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        mended.push(*byte);
        rest = after;
    }
    match serde_json::from_slice(&mended) {
        Ok(value) if found => Ok(value),
        _ => Err(strict),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_python_calls_json() {
        assert_eq!(super::json(br#"{"a": [NaN, 1], "NaN": "\" NaN"}"#), Ok(json!({"a": [null, 1], "NaN": "\" NaN"})));
        assert!(super::json(b"[-Infinity]").unwrap_err().contains("`Infinity`"));
        assert!(super::json(b"[NaN").unwrap_err().contains("line 1 column 2"), "the first error is said");
        assert!(super::json(b"nan").is_err());
    }
}
