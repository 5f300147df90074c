//! Comparisons to token ids: template, tokenizer, BOS policy, truncation.

mod error;
mod rewardbench;

use std::borrow::Cow;
use std::path::Path;

use rayon::prelude::*;

use super::chat::{ChatTemplate, TemplateContext, TemplateError};
use super::prefix::common_prefix;
use super::settings::{BosPolicy, Layout, TextSettings, Truncation};
use super::tokenizer_files::TokenizerFiles;
use super::tokens::Tokens;
use crate::preference::{Comparison, Conversation, Message, Response, Role};

pub use error::{ItemRef, TextError};

/// The token ids of one comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// One sequence per response, chosen first, without padding.
    pub sequences: Vec<Vec<u32>>,
    /// Which text each token of each sequence belongs to (`token_type_ids`): 0 the first, 1 the second.
    /// Empty where all are 0.
    pub segments: Vec<Vec<u32>>,
    /// Which sequences were cut to `max-length`.
    pub truncated: Vec<bool>,
    /// How many tokens of each sequence are the prompt's. Empty unless asked for with
    /// [`TextPipeline::marking_prompts`].
    pub prompt_tokens: Vec<usize>,
    /// How many BOS tokens the policy took away, over all sequences.
    pub bos_removed: usize,
    /// How many sequences start without a BOS although the tokenizer has one.
    pub without_bos: usize,
}

impl Encoded {
    /// Segments of a sequence, also where all are 0.
    pub fn segments_of(&self, sequence: usize) -> Vec<u32> {
        let zeros = || vec![0; self.sequences.get(sequence).map_or(0, Vec::len)];
        self.segments.get(sequence).cloned().unwrap_or_else(zeros)
    }

    /// The first sequence with the same tokens as this one, where it is an earlier one: to a model the two
    /// are one, so they get one reward. Computed side by side they may differ in the last bit, and what cannot
    /// be told apart would be won or lost by rounding instead of being a tie.
    pub fn same_as_earlier(&self, sequence: usize) -> Option<usize> {
        let same = |other: &usize| {
            self.sequences[*other] == self.sequences[sequence]
                && self.segments.get(*other) == self.segments.get(sequence)
        };
        (0..sequence).find(same)
    }
}

/// Sums over encoded comparisons, for reports: nothing is cut or removed without being counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodingCounts {
    pub sequences: usize,
    pub tokens: usize,
    pub truncated: usize,
    pub bos_removed: usize,
    pub without_bos: usize,
}

impl EncodingCounts {
    pub fn of(encoded: &[Encoded]) -> Self {
        encoded.iter().fold(Self::default(), |sum, e| Self {
            sequences: sum.sequences + e.sequences.len(),
            tokens: sum.tokens + e.sequences.iter().map(Vec::len).sum::<usize>(),
            truncated: sum.truncated + e.truncated.iter().filter(|t| **t).count(),
            bos_removed: sum.bos_removed + e.bos_removed,
            without_bos: sum.without_bos + e.without_bos,
        })
    }
}

/// A checkpoint's tokenizer and template with the settings to use them.
pub struct TextPipeline {
    pub(super) files: TokenizerFiles,
    settings: TextSettings,
    /// Never `Auto`.
    layout: Layout,
    pub(super) template: Option<ChatTemplate>,
    bos_id: Option<u32>,
    eos: Option<String>,
    marks_prompts: bool,
    /// What every sequence ends with.
    last: Option<u32>,
    /// Sequences as RewardBench's DPO inference makes them.
    rewardbench: bool,
}

impl TextPipeline {
    /// Reads `tokenizer.json`, `tokenizer_config.json` and the chat template of a checkpoint directory.
    pub fn from_dir(dir: &Path, settings: &TextSettings) -> Result<Self, TextError> {
        Self::new(TokenizerFiles::read(dir)?, settings)
    }

    pub fn new(files: TokenizerFiles, settings: &TextSettings) -> Result<Self, TextError> {
        let layout = match settings.layout {
            Layout::Auto if files.chat_templates.is_empty() => Layout::Concat,
            Layout::Auto => Layout::Chat,
            given => given,
        };
        let with_tools = settings.template_variables.get("tools").is_some_and(|tools| !tools.is_null());
        let template = match layout {
            Layout::Chat => {
                let source = files.chat_templates.choose(with_tools)?.ok_or(TextError::NoTemplate)?;
                let context = TemplateContext {
                    special_tokens: files.special_tokens.clone(),
                    variables: settings.template_variables.clone(),
                    date: Some(settings.date),
                };
                Some(ChatTemplate::new(source, &context).map_err(TextError::Template)?)
            }
            _ => None,
        };
        let bos_id = files.id_of("bos_token");
        if settings.bos == BosPolicy::Ensure && bos_id.is_none() {
            return Err(TextError::NoBos);
        }
        let eos = files.special_tokens.get("eos_token").cloned();
        let settings = settings.clone();
        let (marks_prompts, last, rewardbench) = (false, None, false);
        Ok(Self { files, settings, layout, template, bos_id, eos, marks_prompts, last, rewardbench })
    }

    /// Also finds where each prompt ends ([`Encoded::prompt_tokens`]), at the price of encoding it once more.
    pub fn marking_prompts(mut self) -> Self {
        self.marks_prompts = true;
        self
    }

    /// Ends every sequence with this token unless it does already, whatever is cut (InternLM2, Athene).
    pub fn ending_with(mut self, id: u32) -> Self {
        self.last = Some(id);
        self
    }

    /// All sequences of one comparison.
    pub fn encode(&self, comparison: &Comparison) -> Result<Encoded, TextError> {
        if self.rewardbench {
            return self.encode_as_rewardbench(comparison);
        }
        self.encode_within(comparison, self.settings.max_length, self.marks_prompts)
    }

    /// The same with another limit, and with prompts marked or not.
    pub(super) fn encode_within(
        &self,
        comparison: &Comparison,
        limit: Option<usize>,
        marks: bool,
    ) -> Result<Encoded, TextError> {
        let mut encoded = Encoded::default();
        let marked = |prompt| marks.then(|| self.prompt_ids(comparison, prompt)).transpose();
        let prompt_ids = marked(&comparison.prompt)?;
        for (index, response) in comparison.responses().enumerate() {
            let mut tokens = self.tokens(comparison, index, response)?;
            encoded.bos_removed += self.apply_bos_policy(&mut tokens);
            encoded.without_bos += usize::from(self.bos_id.is_some() && tokens.first() != self.bos_id);
            if tokens.len() == 0 {
                return Err(TextError::Empty { at: ItemRef::of(comparison), response: index });
            }
            let own = response.prompt.as_deref().map(marked).transpose()?.flatten();
            let mut prompt_tokens =
                own.as_ref().or(prompt_ids.as_ref()).map(|prompt| common_prefix(prompt, &tokens.ids()));
            if let Some(last) = self.last {
                tokens.end_with(last);
            }
            let cut = self.truncate(&mut tokens, limit, comparison, index)?;
            if self.settings.truncation == Truncation::Left {
                prompt_tokens = prompt_tokens.map(|n| n.saturating_sub(cut));
            }
            encoded.truncated.push(cut > 0);
            encoded.prompt_tokens.extend(prompt_tokens.map(|n| n.min(tokens.len())));
            if self.files.gives_segments {
                encoded.segments.push(tokens.segments());
            }
            encoded.sequences.push(tokens.ids());
        }
        if encoded.segments.iter().flatten().all(|segment| *segment == 0) {
            encoded.segments.clear();
        }
        Ok(encoded)
    }

    /// [`TextPipeline::encode`] of many on all cores; in the order given, the first error by that order.
    pub fn encode_all(&self, comparisons: &[Comparison]) -> Result<Vec<Encoded>, TextError> {
        let encoded: Vec<_> = comparisons.par_iter().map(|comparison| self.encode(comparison)).collect();
        encoded.into_iter().collect()
    }

    /// One response with its prompt as the text that goes to the tokenizer, or the two texts.
    pub fn texts(
        &self,
        comparison: &Comparison,
        response: &Response,
    ) -> Result<(String, Option<String>), TemplateError> {
        let conversation = &*self.asked(comparison.prompt_of(response));
        Ok(match &self.template {
            Some(template) => (template.render(conversation, Some(response), false)?, None),
            // transformers takes an empty second text for none.
            None if self.layout == Layout::Pair => {
                (conversation.plain_text(), Some(response.text.clone()).filter(|text| !text.is_empty()))
            }
            None => (conversation.plain_text() + &self.closed(response), None),
        })
    }

    /// [`TextPipeline::texts`], with an error that names the item.
    pub fn texts_at(
        &self,
        comparison: &Comparison,
        index: usize,
        response: &Response,
    ) -> Result<(String, Option<String>), TextError> {
        self.texts(comparison, response).map_err(|source| TextError::Render {
            at: ItemRef::of(comparison),
            response: index,
            source,
        })
    }

    /// Never [`Layout::Auto`].
    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn settings(&self) -> &TextSettings {
        &self.settings
    }

    /// The chat template in use, for provenance.
    pub fn template_source(&self) -> Option<&str> {
        self.template.as_ref().map(ChatTemplate::source)
    }

    /// The tokenizer's pad token. Pooling rules need the model's (`config.json`), which may differ.
    pub fn pad_id(&self) -> Option<u32> {
        self.files.id_of("pad_token")
    }

    pub fn bos_id(&self) -> Option<u32> {
        self.bos_id
    }

    /// Whether the tokenizer marks this token as special (of the template, not of the texts).
    pub fn is_special(&self, id: u32) -> bool {
        // Lent by the vocabulary; the tokenizer's method of this name copies it.
        let added = self.files.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        added.get(&id).is_some_and(|token| token.special)
    }

    pub fn eos_id(&self) -> Option<u32> {
        self.files.id_of("eos_token")
    }

    /// Ids of a text as it stands, nothing added: `[]` where the vocabulary cannot express it.
    pub fn ids_of(&self, text: &str) -> Vec<u32> {
        self.files.tokenizer.encode_fast(text, false).map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
    }

    /// One more than the largest id; at least as many rows must the embedding have.
    pub fn vocab_size(&self) -> usize {
        self.files.tokenizer.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
    }

    /// The length the tokenizer was made for, where its files say so.
    pub fn model_max_length(&self) -> Option<usize> {
        self.files.model_max_length
    }

    /// The id of a token by its exact text.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.files.tokenizer.token_to_id(token)
    }

    /// The exact text of a token.
    pub fn token_of(&self, id: u32) -> Option<String> {
        self.files.tokenizer.id_to_token(id)
    }

    /// The response with the EOS text that the `concat` layout appends.
    fn closed(&self, response: &Response) -> String {
        match &self.eos {
            Some(eos) if self.settings.append_eos && !response.text.ends_with(eos.as_str()) => {
                format!("{}{eos}", response.text)
            }
            _ => response.text.clone(),
        }
    }

    fn tokens(&self, comparison: &Comparison, index: usize, response: &Response) -> Result<Tokens, TextError> {
        let special = self.layout != Layout::Chat;
        let encoding = match self.texts_at(comparison, index, response)? {
            (text, None) => self.files.tokenizer.encode_fast(text, special),
            (prompt, Some(response)) => self.files.tokenizer.encode_fast((prompt, response), special),
        };
        let encoding = encoding.map_err(|e| TextError::Encode {
            at: ItemRef::of(comparison),
            response: index,
            problem: e.to_string(),
        })?;
        Ok(Tokens::of(&encoding))
    }

    /// The conversation with the settings' system turn, where it has none and they say one.
    pub(super) fn asked<'a>(&self, conversation: &'a Conversation) -> Cow<'a, Conversation> {
        let has_system = conversation.0.first().is_some_and(|turn| turn.role == Role::System);
        match &self.settings.system {
            Some(content) if !has_system => {
                let system = Message { role: Role::System, content: content.clone() };
                Cow::Owned(Conversation(std::iter::once(system).chain(conversation.0.iter().cloned()).collect()))
            }
            _ => Cow::Borrowed(conversation),
        }
    }

    /// Ids of the prompt alone as it begins every sequence: with the header of the answer in the chat
    /// layout, up to the tokens that change once a response follows.
    fn prompt_ids(&self, comparison: &Comparison, prompt: &Conversation) -> Result<Vec<u32>, TextError> {
        let at = || ItemRef::of(comparison);
        let prompt = &*self.asked(prompt);
        let (text, special) = match &self.template {
            Some(template) => {
                let text = template.render(prompt, None, true);
                (text.map_err(|source| TextError::Render { at: at(), response: 0, source })?, false)
            }
            None => (prompt.plain_text(), true),
        };
        self.ids_with(&text, special).map_err(|problem| TextError::Encode { at: at(), response: 0, problem })
    }

    /// Returns how many BOS tokens were removed. A BOS that stays is protected from truncation.
    pub(super) fn apply_bos_policy(&self, tokens: &mut Tokens) -> usize {
        self.bos_id.map_or(0, |bos| tokens.apply(self.settings.bos, bos))
    }
}
