//! How texts become token sequences; saved with every model and every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::date::FrozenDate;

/// How prompt and response are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `chat` if the checkpoint brings a template, else `concat`.
    #[default]
    Auto,
    /// The whole conversation rendered by the chat template as one text; the tokenizer adds nothing.
    /// These are the ids of transformers' `apply_chat_template(tokenize=True)`.
    Chat,
    /// Prompt and response strings joined without a separator, the tokenizer's default special tokens:
    /// TRL's rule for plain-text pairs.
    Concat,
    /// Prompt and response as the tokenizer's two segments (`[CLS] prompt [SEP] response [SEP]`).
    Pair,
}

/// What happens to a sequence longer than `max-length`. Special tokens that the tokenizer added and a
/// leading BOS are never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truncation {
    /// Cut at the start, that is, the prompt first (RewardBench's `truncation_side=left`).
    #[default]
    Left,
    /// Cut at the end: the response loses its last tokens, and with them the one that is pooled.
    Right,
    /// An error that names the item.
    Refuse,
}

/// What is done about the beginning-of-sequence token. A template may write one and the tokenizer may
/// add another; training recipes disagree, so the choice is part of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BosPolicy {
    /// As template and tokenizer give it, be it none, one or two.
    Keep,
    /// Two or more at the start become one; none stays none.
    #[default]
    Dedupe,
    /// Exactly one: like `dedupe`, and added where there is none.
    Ensure,
    /// Leading BOS tokens are removed.
    None,
}

/// Everything that decides the token ids of a comparison, given the tokenizer's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TextSettings {
    pub layout: Layout,
    /// In tokens, special tokens included. Absent: nothing is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    pub truncation: Truncation,
    pub bos: BosPolicy,
    /// In the `concat` layout: end the response with the tokenizer's EOS text unless it does already.
    pub append_eos: bool,
    /// The system turn of prompts that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What chat templates take for today.
    pub date: FrozenDate,
    /// Further variables for the chat template, such as `enable_thinking = false`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub template_variables: BTreeMap<String, serde_json::Value>,
}

impl Default for TextSettings {
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            max_length: None,
            truncation: Truncation::default(),
            bos: BosPolicy::default(),
            append_eos: true,
            system: None,
            date: FrozenDate::default(),
            template_variables: BTreeMap::new(),
        }
    }
}

/// What a run changes of the model's own [`TextSettings`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TextOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Truncation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bos: Option<BosPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<FrozenDate>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub template_variables: BTreeMap<String, serde_json::Value>,
}

impl From<&TextSettings> for TextOverrides {
    /// Changes everything, up to template variables, a system turn and a length limit that the settings do not have.
    fn from(settings: &TextSettings) -> Self {
        let TextSettings { layout, max_length, truncation, bos, append_eos, system, date, template_variables } =
            settings.clone();
        Self {
            layout: Some(layout),
            max_length,
            truncation: Some(truncation),
            bos: Some(bos),
            append_eos: Some(append_eos),
            system,
            date: Some(date),
            template_variables,
        }
    }
}

impl TextOverrides {
    /// The model's settings with these changes; template variables are added one by one.
    pub fn over(&self, of_model: TextSettings) -> TextSettings {
        let Self { layout, max_length, truncation, bos, append_eos, system, date, template_variables } = self.clone();
        let mut variables = of_model.template_variables;
        variables.extend(template_variables);
        TextSettings {
            layout: layout.unwrap_or(of_model.layout),
            max_length: max_length.or(of_model.max_length),
            truncation: truncation.unwrap_or(of_model.truncation),
            bos: bos.unwrap_or(of_model.bos),
            append_eos: append_eos.unwrap_or(of_model.append_eos),
            system: system.or(of_model.system),
            date: date.unwrap_or(of_model.date),
            template_variables: variables,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_toml_and_refuses_unknown_keys() {
        let text = "layout = \"concat\"\nmax-length = 512\nbos = \"none\"\ndate = \"2025-01-31\"\n\
                    [template-variables]\nenable_thinking = false\n";
        let settings: TextSettings = toml::from_str(text).unwrap();
        assert_eq!((settings.layout, settings.bos, settings.max_length), (Layout::Concat, BosPolicy::None, Some(512)));
        assert_eq!(settings.template_variables["enable_thinking"], serde_json::json!(false));
        let again: TextSettings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(settings, again);
        let error = toml::from_str::<TextSettings>("max_lenght = 3").unwrap_err().to_string();
        assert!(error.contains("max_lenght"), "{error}");
    }

    #[test]
    fn text_overrides_touch_only_what_they_name() {
        let mut text = TextOverrides::default();
        let of_model = TextSettings { max_length: Some(77), append_eos: false, ..TextSettings::default() };
        assert_eq!(text.over(of_model.clone()), of_model);
        text.max_length = Some(12);
        assert_eq!(text.over(of_model.clone()), TextSettings { max_length: Some(12), ..of_model.clone() });
        let pair = TextSettings { layout: Layout::Pair, max_length: Some(5), ..TextSettings::default() };
        assert_eq!(TextOverrides::from(&pair).over(of_model), pair);
    }
}
