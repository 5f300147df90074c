//! A template's source, rewritten where minijinja reads it differently from Jinja with transformers' settings.
//!
//! What is rewritten: line ends (`\r\n` and `\r` are `\n`), escapes in string literals, `{% raw %}` (which
//! keeps the line end after it), `{% generation %}`, and assignments to a namespace inside macros.

use crate::text::python::literal::{self, EscapeError};

/// The source for minijinja that says what `source` says to transformers.
pub fn rewritten(source: &str) -> Result<String, EscapeError> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut scanner = Scanner { rest: &source, out: String::with_capacity(source.len()), closures: 0 };
    scanner.run()?;
    Ok(scanner.out)
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
    /// How many macros and call blocks are open.
    closures: usize,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Result<(), EscapeError> {
        while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|mark| self.rest.find(mark)).min() {
            self.copy(at);
            match &self.rest[..2] {
                "{#" => self.copy(self.rest.find("#}").map_or(self.rest.len(), |end| end + 2)),
                "{{" => {
                    let end = self.rest.len() - after_expression(&self.rest[2..], "}}").len();
                    let expression = self.take(end);
                    self.push_expression(expression)?;
                }
                _ => self.block()?,
            }
        }
        self.copy(self.rest.len());
        Ok(())
    }

    fn copy(&mut self, n: usize) {
        let part = self.take(n);
        self.out.push_str(part);
    }

    fn take(&mut self, n: usize) -> &'a str {
        let (part, rest) = self.rest.split_at(n);
        self.rest = rest;
        part
    }

    fn block(&mut self) -> Result<(), EscapeError> {
        let end = self.rest.len() - after_expression(&self.rest[2..], "%}").len();
        let tag = self.take(end);
        let inside = tag.trim_start_matches("{%").trim_start_matches(['-', '+']).trim_start();
        let start = tag.len() - inside.len();
        let inside = inside.trim_end_matches("%}").trim_end_matches(['-', '+']).trim_end();
        let word = inside.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        match word {
            "raw" if inside == word => {
                // Only `-%}` takes white space away behind it; minijinja needs to be told.
                match tag.strip_suffix("-%}").or_else(|| tag.strip_suffix("+%}")) {
                    Some(_) => self.out.push_str(tag),
                    None => self.out.extend([tag.trim_end_matches("%}"), "+%}"]),
                }
                self.copy(end_of_raw(self.rest));
            }
            // It marks the assistant's text for loss masks and prints nothing itself; it opens a scope.
            "generation" if inside == word => self.out.push_str(&tag.replacen(word, "with", 1)),
            "endgeneration" if inside == word => self.out.push_str(&tag.replacen(word, "endwith", 1)),
            "set" if self.closures > 0 => match namespace_assignment(inside) {
                Some((name, value)) => {
                    let end = start + inside.len();
                    // A macro sees a namespace of the template only where it reads it.
                    self.out.extend([&tag[..end - value.len()], " [", name, ", ("]);
                    self.push_expression(value)?;
                    self.out.extend([")][1]", &tag[end..]]);
                }
                None => self.push_expression(tag)?,
            },
            _ => {
                match word {
                    "macro" | "call" => self.closures += 1,
                    "endmacro" | "endcall" => self.closures = self.closures.saturating_sub(1),
                    _ => {}
                }
                self.push_expression(tag)?;
            }
        }
        Ok(())
    }

    /// Copies code, its string literals written again.
    fn push_expression(&mut self, code: &str) -> Result<(), EscapeError> {
        let mut rest = code;
        while let Some(at) = rest.find(['\'', '"']) {
            let quote = if rest[at..].starts_with('"') { '"' } else { '\'' };
            let Some(end) = end_of_string(&rest[at + 1..], quote) else { break };
            let inside = &rest[at + 1..at + 1 + end];
            self.out.push_str(&rest[..=at]);
            match inside.contains('\\') {
                true => self.out.push_str(&literal::encode(&literal::decode(inside)?, quote)),
                false => self.out.push_str(inside),
            }
            self.out.push(quote);
            rest = &rest[at + end + 2..];
        }
        self.out.push_str(rest);
        Ok(())
    }
}

/// What follows the mark that ends an expression; marks inside strings and brackets do not end it.
fn after_expression<'a>(code: &'a str, mark: &str) -> &'a str {
    let (mut depth, mut at) = (0usize, 0);
    // All that is looked for is ASCII, which no other character's bytes contain.
    while let Some(byte) = code.as_bytes().get(at) {
        if depth == 0 && code.as_bytes()[at..].starts_with(mark.as_bytes()) {
            return &code[at + mark.len()..];
        }
        match byte {
            b'\'' | b'"' => match end_of_string(&code[at + 1..], char::from(*byte)) {
                Some(end) => at += end + 1,
                None => break,
            },
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    ""
}

/// Where the closing quote of a literal stands, counted from behind the opening one.
fn end_of_string(code: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    code.char_indices().find_map(|(at, c)| {
        let ends = !escaped && c == quote;
        escaped = !escaped && c == '\\';
        ends.then_some(at)
    })
}

/// How long the text up to and including `{% endraw %}` is.
fn end_of_raw(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find("{%").map(|at| from + at) {
        let tag = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = tag.strip_prefix("endraw")
            && let Some(rest) = rest.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")
        {
            return text.len() - rest.len();
        }
        from = at + 2;
    }
    text.len()
}

/// The name and the value of `set NAME.FIELD = VALUE`.
fn namespace_assignment(inside: &str) -> Option<(&str, &str)> {
    fn word(text: &str) -> Option<(&str, &str)> {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        (end > 0).then(|| text.split_at(end))
    }
    let (name, rest) = word(inside.strip_prefix("set")?.trim_start())?;
    let (_, rest) = word(rest.trim_start().strip_prefix('.')?.trim_start())?;
    let value = rest.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='))?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(rewritten(source).unwrap(), expected, "{source}");
    }

    #[test]
    fn tags_are_told_from_texts_that_look_like_them() {
        check("{%- generation -%} a {%- endgeneration %}", "{%- with -%} a {%- endwith %}");
        check("{{ '{% generation %}' }}{# {% generation %} #}", "{{ '{% generation %}' }}{# {% generation %} #}");
        check(
            "{% raw %}{% generation %}{% endraw %}{% generation %}",
            "{% raw +%}{% generation %}{% endraw %}{% with %}",
        );
        check("{%- raw -%} a {%- endraw -%} b", "{%- raw -%} a {%- endraw -%} b");
        check("{% set x = '%}' %}{% generation %}", "{% set x = '%}' %}{% with %}");
        check("{{ {'a': {'é': 1}} }}{% generation %}", "{{ {'a': {'é': 1}} }}{% with %}");
        check("a\r\nb\rc", "a\nb\nc");
        check("{{ 'open {% generation %}", "{{ 'open {% generation %}");
    }

    #[test]
    fn literals_are_written_again() {
        check(r#"\d {{ '\d\a' ~ "\/" }}"#, "\\d {{ '\\\\d\u{7}' ~ \"\\\\/\" }}");
        check(r"{% if x == '\n' %}", r"{% if x == '\n' %}");
        assert!(rewritten(r"{{ '\ud800' }}").is_err());
    }

    #[test]
    fn a_namespace_set_in_a_macro_is_read_there() {
        check("{%- set n.a = 1 -%}", "{%- set n.a = 1 -%}");
        let inside = |tag: &str| format!("{{% macro m() %}}{tag}{{% endmacro %}}");
        check(&inside("{%- set n.a = 1, '\\/' -%}"), &inside("{%- set n.a = [n, ( 1, '\\\\/')][1] -%}"));
        check(&inside("{% set a = n.a == 1 %}"), &inside("{% set a = n.a == 1 %}"));
    }
}
