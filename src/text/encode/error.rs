//! What can keep a comparison from becoming tokens.

use std::fmt;

use crate::lang::Lang;
use crate::preference::Comparison;
use crate::text::chat::TemplateError;
use crate::text::template_files::NoDefault;
use crate::text::tokenizer_files::TokenizerFilesError;

/// Which item an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRef {
    pub item: String,
    pub lang: Lang,
    pub row: u64,
}

impl ItemRef {
    pub fn of(comparison: &Comparison) -> Box<Self> {
        Box::new(Self { item: comparison.id.to_string(), lang: comparison.lang, row: comparison.row })
    }
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item `{}` ({}), row {}", self.item, self.lang, self.row)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error(transparent)]
    Files(#[from] TokenizerFilesError),
    #[error("layout \"chat\" needs a chat template, and the checkpoint brings none")]
    NoTemplate,
    #[error(transparent)]
    NoDefaultTemplate(#[from] NoDefault),
    #[error("the chat template cannot be used")]
    Template(#[source] TemplateError),
    #[error("bos = \"ensure\" needs a BOS token, and the tokenizer names none")]
    NoBos,
    #[error("max-length {max_length} leaves no room beside {special} special tokens")]
    NoRoom { max_length: usize, special: usize },
    #[error("{at}: cannot render response {response}")]
    Render { at: Box<ItemRef>, response: usize, source: TemplateError },
    #[error("{at}: cannot tokenise response {response}: {problem}")]
    Encode { at: Box<ItemRef>, response: usize, problem: String },
    #[error("{at}: response {response} has {n_tokens} tokens, {max_length} are allowed")]
    TooLong { at: Box<ItemRef>, response: usize, n_tokens: usize, max_length: usize },
    #[error("{at}: response {response} has no tokens at all")]
    Empty { at: Box<ItemRef>, response: usize },
}

impl TextError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            TextError::Files(TokenizerFilesError::NoTokenizer(_)) => {
                "only checkpoints with a `tokenizer.json` are read; transformers writes one with \
                 `AutoTokenizer.from_pretrained(…).save_pretrained(…)`"
            }
            TextError::NoTemplate => "use layout = \"concat\", or put a `chat_template.jinja` beside the tokenizer",
            TextError::NoDefaultTemplate(_) => {
                "put the one to use beside the tokenizer as `chat_template.jinja`, or use layout = \"concat\""
            }
            TextError::NoBos => "use bos = \"keep\"",
            TextError::TooLong { .. } => "raise max-length, or choose truncation = \"left\"",
            TextError::Render { source: TemplateError::Refused(_), .. } => {
                "the model's template does not take this sequence of roles; layout = \"concat\" joins the plain texts"
            }
            _ => return None,
        })
    }
}
