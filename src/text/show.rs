//! One comparison as a model will see it: texts, ids and pieces, and what was done to them.

use std::fmt::Write;

use serde::Serialize;

use super::encode::{TextError, TextPipeline};
use super::pooling::Pooling;
use super::prefix::shared_prefix;
use crate::preference::Comparison;

/// What is shown of one comparison; written as JSON as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub id: String,
    pub source: String,
    pub lang: String,
    pub row: u64,
    pub layout: super::settings::Layout,
    pub bos: Option<Token>,
    pub eos: Option<Token>,
    pub pad: Option<Token>,
    /// The rule, where it is known.
    pub pooling: Option<Pooling>,
    /// Tokens at the start that all responses have in common.
    pub shared_tokens: usize,
    pub bos_removed: usize,
    /// Chosen first.
    pub responses: Vec<ShownResponse>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ShownResponse {
    /// `chosen` or `rejected`.
    pub role: &'static str,
    /// The text as it goes to the tokenizer: prompt and response.
    pub rendered: String,
    /// In the `pair` layout the second text, which is the response; `rendered` is the prompt then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    pub tokens: Vec<Token>,
    /// Which text each token belongs to (`token_type_ids`); left out where all are 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<u32>,
    pub truncated: bool,
    /// The position the reward is read at; absent for a mean over all, and where the rule is not known.
    pub pooled: Option<usize>,
    pub starts_with_bos: bool,
    pub ends_with_eos: bool,
}

/// A token and the piece of the vocabulary it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    pub id: u32,
    pub piece: String,
}

impl Shown {
    /// `pooling` and `pad_id` are the model's; without a rule no position is marked.
    pub fn of(
        pipeline: &TextPipeline,
        comparison: &Comparison,
        pooling: Option<Pooling>,
        pad_id: Option<u32>,
    ) -> Result<Self, TextError> {
        let encoded = pipeline.encode(comparison)?;
        let token = |id: u32| Token { id, piece: pipeline.token_of(id).unwrap_or_default() };
        let pad_id = pad_id.or_else(|| pipeline.pad_id());
        let mut warnings = Vec::new();
        if let Some(id) = pad_id.filter(|id| Some(*id) == pipeline.eos_id()) {
            warnings.push(format!(
                "pad and EOS are the same token (id {id}): rules that look for padding skip a closing EOS"
            ));
        }
        if encoded.bos_removed > 0 {
            warnings.push(format!("{} surplus BOS tokens were removed (bos policy)", encoded.bos_removed));
        }
        if encoded.without_bos > 0 {
            warnings.push(format!("{} sequences start without the BOS token", encoded.without_bos));
        }
        let mut responses = Vec::new();
        for (index, response) in comparison.responses().enumerate() {
            let ids = &encoded.sequences[index];
            let truncated = encoded.truncated[index];
            if truncated {
                warnings.push(format!("response {index} was cut to {} tokens", ids.len()));
            }
            let prompt_tokens = encoded.prompt_tokens.get(index).copied();
            let pooled = pooling.and_then(|rule| match rule.position(ids, pad_id, prompt_tokens) {
                Ok(super::batch::Pooled::Token(position)) => Some(position),
                Ok(super::batch::Pooled::Mean(_) | super::batch::Pooled::Tokens { .. }) => None,
                Err(problem) => {
                    warnings.push(format!("response {index} cannot be pooled: {problem}"));
                    None
                }
            });
            let (rendered, second) = pipeline.texts_at(comparison, index, response)?;
            responses.push(ShownResponse {
                role: if index < comparison.chosen.len() { "chosen" } else { "rejected" },
                rendered,
                second,
                tokens: ids.iter().map(|id| token(*id)).collect(),
                segments: encoded.segments.get(index).cloned().unwrap_or_default(),
                truncated,
                pooled,
                starts_with_bos: ids.first().copied().is_some_and(|id| Some(id) == pipeline.bos_id()),
                ends_with_eos: ids.last().copied().is_some_and(|id| Some(id) == pipeline.eos_id()),
            });
        }
        Ok(Self {
            id: comparison.id.to_string(),
            source: comparison.source.to_string(),
            lang: comparison.lang.to_string(),
            row: comparison.row,
            layout: pipeline.layout(),
            bos: pipeline.bos_id().map(token),
            eos: pipeline.eos_id().map(token),
            pad: pad_id.map(token),
            pooling,
            shared_tokens: shared_prefix(&encoded.sequences),
            bos_removed: encoded.bos_removed,
            responses,
            warnings,
        })
    }

    /// For people. Characters that cannot be seen, or that turn the direction of the line, are written out.
    pub fn to_text(&self) -> String {
        let mut out = format!("item      {} ({}), row {}, source {}\n", self.id, self.lang, self.row, self.source);
        let named = |token: &Option<Token>| match token {
            Some(token) => format!("{} ({})", visible(&token.piece), token.id),
            None => "none".to_owned(),
        };
        let (bos, eos, pad) = (named(&self.bos), named(&self.eos), named(&self.pad));
        let _ = writeln!(out, "layout    {:?}; BOS {bos}, EOS {eos}, pad {pad}", self.layout);
        let rule = self.pooling.map_or("not known".to_owned(), |rule| format!("{rule:?}"));
        let _ = writeln!(out, "pooling   {rule}\nshared    {} tokens", self.shared_tokens);
        for (index, response) in self.responses.iter().enumerate() {
            let n = response.tokens.len();
            let cut = if response.truncated { ", cut" } else { "" };
            let _ = writeln!(out, "\nresponse {index}, {}: {n} tokens{cut}", response.role);
            let ends = [("starts with BOS", response.starts_with_bos), ("ends with EOS", response.ends_with_eos)];
            for (what, holds) in ends {
                let _ = writeln!(out, "  {what}: {}", if holds { "yes" } else { "no" });
            }
            for (name, text) in [("text", Some(&response.rendered)), ("second text", response.second.as_ref())] {
                let Some(text) = text else { continue };
                let _ = writeln!(out, "{name}");
                for line in text.split('\n') {
                    let _ = writeln!(out, "  {}", visible(line));
                }
            }
            let _ = writeln!(out, "tokens");
            // What all share is written once.
            let start = if index == 0 { 0 } else { self.shared_tokens };
            if start > 0 {
                let _ = writeln!(out, "  0 … {}: as response 0", start - 1);
            }
            for (at, token) in response.tokens.iter().enumerate().skip(start) {
                let pooled = if response.pooled == Some(at) { "  <- pooled" } else { "" };
                let segment = |at: usize| response.segments.get(at).copied().unwrap_or(0);
                let begins = segment(at) != at.checked_sub(1).map_or(0, segment);
                let begins = if begins { format!("  <- segment {}", segment(at)) } else { String::new() };
                let _ = writeln!(out, "  {at:>5} {:>7}  {}{pooled}{begins}", token.id, visible(&token.piece));
            }
            if let Some(at) = response.pooled.filter(|at| *at < start) {
                let _ = writeln!(out, "  pooled at {at}, in what is shared");
            }
        }
        for warning in &self.warnings {
            let _ = write!(out, "\nwarning: {warning}");
        }
        out + if self.warnings.is_empty() { "" } else { "\n" }
    }
}

/// Controls, marks of direction and white space other than the blank as `<U+200F>`; all else as it is, so
/// that scripts written from right to left stay whole.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control()
            || (c.is_whitespace() && c != ' ')
            || matches!(c, '\u{61c}' | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if hidden {
            let _ = write!(out, "<U+{:04X}>", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out_and_scripts_stay_whole() {
        assert_eq!(visible("שלום\u{200f}\ta\u{202e}b\u{0}"), "שלום<U+200F><U+0009>a<U+202E>b<U+0000>");
        assert_eq!(visible("e\u{301} नमस्ते 👍🏽"), "e\u{301} नमस्ते 👍🏽");
        // The joiner of emoji families and of Indic and Persian words is shown too.
        assert_eq!(visible("کتاب\u{200c}ها"), "کتاب<U+200C>ها");
    }
}
