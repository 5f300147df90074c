//! Conversations that are to be answered, as the tokens a language model goes on from.

use super::encode::TextPipeline;
use super::tokens::Tokens;
use crate::preference::Conversation;

/// A text to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    pub ids: Vec<u32>,
    /// Whether the tokenizer puts its special tokens around a text.
    special: bool,
    /// What closes the turn that a reply goes on in; empty where replies are turns of their own.
    close: String,
}

impl TextPipeline {
    /// A conversation with the header of the answer, where there is a chat template; else its plain text.
    ///
    /// # Errors
    /// The template refuses the conversation, or the tokenizer the text: why.
    pub fn question(&self, conversation: &Conversation) -> Result<Question, String> {
        match &self.template {
            Some(template) => {
                let text = template.render(&self.asked(conversation), None, true).map_err(|e| e.to_string())?;
                self.question_of(text, false)
            }
            None => self.plain_question(conversation.plain_text()),
        }
    }

    /// A conversation whose last turn goes on: up to the end of what is said in it.
    ///
    /// # Errors
    /// As [`TextPipeline::question`]; also where the template shows that turn otherwise than it is.
    pub fn open_question(&self, conversation: &Conversation) -> Result<Question, String> {
        let Some(template) = &self.template else { return self.plain_question(conversation.plain_text()) };
        let text = template.render(&self.asked(conversation), None, false).map_err(|e| e.to_string())?;
        // Templates cut blanks at the ends of turns.
        let said = conversation.0.last().map_or("", |turn| turn.content.trim());
        let end = text.rfind(said).filter(|_| !said.is_empty()).map(|at| at + said.len());
        let end =
            end.ok_or("the chat template does not show the last turn as it is, so that nothing can go on in it")?;
        Ok(Question { close: text[end..].to_owned(), ..self.question_of(text[..end].to_owned(), false)? })
    }

    /// Tokens of the turn's close that are no text: where a reply that goes on in it ends.
    pub fn closing_ids(&self, question: &Question) -> Vec<u32> {
        self.ids_of(&question.close).into_iter().filter(|id| self.is_special(*id)).take(1).collect()
    }

    /// All of an open question's conversation once a reply has gone on in it.
    pub fn closed_ids(&self, question: &Question, reply: &str) -> Result<Vec<u32>, String> {
        self.ids_with(&format!("{}{}{}", question.text, reply.trim(), question.close), question.special)
    }

    /// A text as it stands.
    pub fn plain_question(&self, text: String) -> Result<Question, String> {
        self.question_of(text, true)
    }

    fn question_of(&self, text: String, special: bool) -> Result<Question, String> {
        let ids = self.ids_with(&text, special)?;
        // Tokenizers of encoders end a text with a token of its own; nothing follows that.
        Ok(Question { text, ids, special, close: String::new() })
    }

    /// The tokens that follow the question's where this answer does.
    pub fn answer_ids(&self, question: &Question, answer: &str) -> Result<Vec<u32>, String> {
        let whole = self.ids_with(&format!("{}{answer}", question.text), question.special)?;
        match whole.strip_prefix(question.ids.as_slice()) {
            Some(ids) => Ok(ids.to_vec()),
            // The answer changes how the question's end is cut into tokens, which a model that goes on does not.
            None => Ok(self.ids_of(answer)),
        }
    }

    /// The text of some tokens, special ones left out.
    pub fn text_of(&self, ids: &[u32]) -> String {
        self.files.tokenizer.decode(ids, true).unwrap_or_default()
    }

    /// Ids of a text by the policy for BOS tokens.
    pub(super) fn ids_with(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        let encoding = self.files.tokenizer.encode_fast(text, special).map_err(|e| e.to_string())?;
        let mut tokens = Tokens::of(&encoding);
        self.apply_bos_policy(&mut tokens);
        Ok(tokens.ids())
    }
}
