//! Chat templates: a checkpoint's own Jinja template, rendered to the same string as transformers'
//! `apply_chat_template` (spec: the Jinja features and hazards of model templates).

mod language;
mod methods;
pub mod objects;
mod source;

use std::collections::BTreeMap;
use std::error::Error as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error};

use language::Raised;

use super::date::FrozenDate;
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
        language::install(&mut environment, context.date);
        let rewritten = source::rewritten(source).map_err(|e| TemplateError::Syntax(e.to_string()))?;
        environment.add_template_owned(NAME, rewritten).map_err(|e| TemplateError::Syntax(describe(&e)))?;

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
        self.render_values(messages, add_generation_prompt)
    }

    /// Messages as JSON objects, as data sets have them: with tool calls, content in parts, reasoning.
    pub fn render_json(
        &self,
        messages: &[serde_json::Value],
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let messages = messages.iter().map(|message| Value::from(Serde(&as_transformers_passes(message)))).collect();
        self.render_values(messages, add_generation_prompt)
    }

    fn render_values(&self, messages: Vec<Value>, add_generation_prompt: bool) -> Result<String, TemplateError> {
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

/// Fields that are null are left out; reasoning is passed on under the names that templates know.
fn as_transformers_passes(message: &serde_json::Value) -> serde_json::Value {
    let Some(fields) = message.as_object() else { return message.clone() };
    let fields =
        || fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone()));
    let given: serde_json::Map<String, serde_json::Value> = fields().collect();
    let reasoning = ["reasoning_content", "thinking", "reasoning"].iter().find_map(|name| given.get(*name)).cloned();
    let Some(reasoning) = reasoning else { return given.into() };
    // An object keeps the place of a name that is written again.
    let mut all = serde_json::Map::from_iter([("thinking".to_owned(), reasoning.clone())]);
    all.extend(fields());
    all.insert("reasoning_content".to_owned(), reasoning);
    all.into()
}

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
