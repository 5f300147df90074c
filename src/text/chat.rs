//! Chat templates: a checkpoint's own Jinja template, rendered to the same string as transformers'
//! `apply_chat_template` (spec: the Jinja features and hazards of model templates).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::date::FrozenDate;
use super::python::{self, JsonStyle};
use crate::preference::{Conversation, Message, Response, Role};

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The template called `raise_exception`: it does not take such a conversation.
    #[error("the chat template refuses this conversation: {0}")]
    Refused(String),
    #[error("the chat template does not parse: {0}")]
    Syntax(String),
    #[error("the chat template fails: {0}")]
    Render(String),
}

/// What a template sees beside the messages.
#[derive(Debug, Clone, Default)]
pub struct TemplateContext {
    /// `bos_token`, `eos_token` and the other named special tokens.
    pub special_tokens: BTreeMap<String, String>,
    /// Further variables, such as `enable_thinking` or `date_string`.
    pub variables: BTreeMap<String, serde_json::Value>,
    /// What `strftime_now` formats; without it the function does not exist for the template.
    pub date: Option<FrozenDate>,
}

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    constants: BTreeMap<String, Value>,
}

const NAME: &str = "chat";

impl ChatTemplate {
    pub fn new(source: &str, context: &TemplateContext) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| TemplateError::Syntax(describe(&e)))?);
        environment.set_unknown_method_callback(method);
        environment.set_formatter(|out, state, value| match value_as_float(value) {
            Some(number) => Ok(out.write_str(&python::float(number))?),
            None => minijinja::escape_formatter(out, state, value),
        });
        environment.add_filter("tojson", tojson);
        environment.add_filter("trim", |text: Cow<'_, str>, characters: Option<Cow<'_, str>>| {
            strip(&text, characters.as_deref(), true, true).to_owned()
        });
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
        });
        if let Some(date) = context.date {
            environment.add_function("strftime_now", move |format: String| {
                date.strftime(&format).map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
            });
        }
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|e| TemplateError::Syntax(describe(&e)))?;

        // transformers passes these two as none; a template may ask whether they are defined.
        let mut constants: BTreeMap<String, Value> =
            ["tools", "documents"].map(|name| (name.to_owned(), Value::from(()))).into();
        constants.extend(context.special_tokens.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))));
        constants.extend(context.variables.iter().map(|(k, v)| (k.clone(), Value::from(Serde(v)))));
        Ok(Self { environment, source: source.to_owned(), constants })
    }

    /// The template as it was read, for provenance.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The whole conversation as one text, with the response as its last turn if there is one.
    pub fn render(
        &self,
        prompt: &Conversation,
        response: Option<&Response>,
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let answer = response.map(|r| Message { role: Role::Assistant, content: r.text.clone() });
        let messages: Vec<Value> = prompt.0.iter().chain(answer.as_ref()).map(|m| Value::from(Serde(m))).collect();
        let mut variables = self.constants.clone();
        variables.insert("messages".to_owned(), Value::from(messages));
        variables.insert("add_generation_prompt".to_owned(), Value::from(add_generation_prompt));
        let template = self.environment.get_template(NAME).map_err(|e| TemplateError::Syntax(describe(&e)))?;
        template.render(variables).map_err(|e| match raised(&e) {
            Some(message) => TemplateError::Refused(message),
            None => TemplateError::Render(describe(&e)),
        })
    }
}

/// Marks an error that the template itself asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn raised(error: &Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(Raised(message)) = source.downcast_ref() {
            return Some(message.clone());
        }
        cause = source.source();
    }
    None
}

fn describe(error: &Error) -> String {
    match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    }
}

fn value_as_float(value: &Value) -> Option<f64> {
    if value.is_number() && !value.is_integer() { f64::try_from(value.clone()).ok() } else { None }
}

/// `json.dumps` as transformers binds it: nothing escaped for HTML, not sorted, Unicode kept.
fn tojson(value: Value, arguments: Kwargs) -> Result<String, Error> {
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut style = JsonStyle::new(arguments.get("indent")?);
    if let Some(ensure_ascii) = arguments.get("ensure_ascii")? {
        style.ensure_ascii = ensure_ascii;
    }
    if let Some(sort_keys) = arguments.get("sort_keys")? {
        style.sort_keys = sort_keys;
    }
    if let Some(separators) = arguments.get::<Option<Vec<String>>>("separators")? {
        let [item, key]: [String; 2] = separators
            .try_into()
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "`separators` takes two strings"))?;
        (style.item_separator, style.key_separator) = (item, key);
    }
    arguments.assert_all_used()?;
    Ok(style.dumps(&serde_json::to_value(&value).map_err(failed)?))
}

/// Python's string methods, with Python's idea of white space and of where words begin.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let (Some(text), true) = (value.as_str(), arguments.is_empty()) {
        match name {
            "strip" => return Ok(Value::from(strip(text, None, true, true))),
            "lstrip" => return Ok(Value::from(strip(text, None, true, false))),
            "rstrip" => return Ok(Value::from(strip(text, None, false, true))),
            "title" => return Ok(Value::from(python::title(text))),
            _ => {}
        }
    }
    pycompat::unknown_method_callback(state, value, name, arguments)
}

fn strip<'a>(text: &'a str, characters: Option<&str>, left: bool, right: bool) -> &'a str {
    let removed = |c: char| characters.map_or_else(|| python::is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(removed) } else { text };
    if right { text.trim_end_matches(removed) } else { text }
}

/// `{% generation %}` marks the assistant's text for loss masks and prints nothing itself. It opens a
/// scope, so it becomes `{% with %}`; the marks that control white space stay.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open);
        out.push_str(before);
        let Some(close) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(close + 2);
        let word = tag.trim_start_matches("{%").trim_end_matches("%}").trim_matches(['-', '+']).trim();
        match word {
            "generation" | "endgeneration" => {
                let replacement = if word == "generation" { "with" } else { "endwith" };
                out.push_str(&tag.replacen(word, replacement, 1));
            }
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, TemplateError> {
        let context = TemplateContext {
            special_tokens: [("eos_token".to_owned(), "<e>".to_owned())].into(),
            variables: [("thinking".to_owned(), serde_json::json!(false))].into(),
            date: Some(FrozenDate::default()),
        };
        ChatTemplate::new(source, &context)?.render(
            &Conversation::from_prompt(" a\u{1f} "),
            Some(&Response::new("b")),
            false,
        )
    }

    #[test]
    fn the_response_is_the_last_turn_and_variables_arrive() {
        let text =
            render("{% for m in messages %}{{ m.role }}={{ m.content }};{% endfor %}{{ eos_token }}{{ thinking }}");
        assert_eq!(text.unwrap(), "user= a\u{1f} ;assistant=b;<e>False");
    }

    #[test]
    fn white_space_is_pythons() {
        let text = render("[{{ messages[0].content | trim }}][{{ messages[0].content.strip() }}]").unwrap();
        assert_eq!(text, "[a][a]");
    }

    #[test]
    fn the_date_stands_still() {
        assert_eq!(render("{{ strftime_now('%d %b %Y') }}").unwrap(), "26 Jul 2024");
    }

    #[test]
    fn errors_say_who_is_at_fault() {
        assert!(matches!(render("{{ raise_exception('no') }}"), Err(TemplateError::Refused(m)) if m == "no"));
        assert!(matches!(render("{% for %}"), Err(TemplateError::Syntax(_))));
        assert!(matches!(render("a\n{{ missing.field }}"), Err(TemplateError::Render(m)) if m.starts_with("line 2")));
    }

    #[test]
    fn generation_tags_keep_their_white_space_marks_and_their_scope() {
        let text = render("a {%- generation -%} {% set x = 1 %}b {%- endgeneration %} {{ x is defined }}").unwrap();
        assert_eq!(text, "ab False");
    }
}
