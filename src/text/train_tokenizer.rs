//! Tokenizers for models trained from scratch: byte-level BPE, saved as ordinary Hugging Face files.
//!
//! The split keeps combining marks with their letters (`[\p{L}\p{M}]+`), so that words of the Indic
//! scripts, of vowelled Hebrew and of vowelled Arabic stay whole, and gives every digit a token of its own.

use std::path::Path;

use serde_json::{Value, json};
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{AddedToken, SplitDelimiterBehavior};
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use crate::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub enum TrainTokenizerError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("a vocabulary of {asked} is too small: {least} entries are special tokens and single bytes")]
    TooSmall { asked: usize, least: usize },
    #[error("there is no text to train a tokenizer on")]
    NoText,
    #[error("the tokenizer cannot be trained: {0}")]
    Tokenizers(String),
}

/// What the tokenizer will be used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// Sequences start with `<|bos|>`.
    Decoder,
    /// Sequences start with `<|cls|>`, which is the token an encoder pools.
    Encoder,
}

pub const PAD: &str = "<|pad|>";
pub const BOS: &str = "<|bos|>";
pub const CLS: &str = "<|cls|>";
/// Closes every turn; the last token of a response, the one that decoders pool. Never the pad token.
pub const END: &str = "<|end|>";

/// Special tokens in the order of their ids, from 0.
const SPECIAL: [&str; 8] = [PAD, BOS, CLS, END, "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"];

const SPLIT: &str =
    r"[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const TEMPLATE: &str = "\
{{- START }}
{%- for message in messages %}
    {{- '<|' + message['role'] + '|>' + message['content'] + eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
";

/// A trained tokenizer and what its other files will say.
pub struct TrainedTokenizer {
    pub tokenizer: Tokenizer,
    kind: TokenizerKind,
    max_length: usize,
}

/// Trains a byte-level BPE vocabulary of at most `vocab_size` entries (fewer if the texts hold no more
/// pairs that occur twice). The same texts give the same vocabulary, whatever the number of threads.
pub fn train_bpe<I, S>(
    texts: I,
    vocab_size: usize,
    kind: TokenizerKind,
    max_length: usize,
) -> Result<TrainedTokenizer, TrainTokenizerError>
where
    I: Iterator<Item = S> + Send,
    S: AsRef<str> + Send,
{
    let failed = |e: tokenizers::Error| TrainTokenizerError::Tokenizers(e.to_string());
    let least = SPECIAL.len() + 256;
    if vocab_size < least {
        return Err(TrainTokenizerError::TooSmall { asked: vocab_size, least });
    }
    let mut texts = texts.peekable();
    if texts.peek().is_none() {
        return Err(TrainTokenizerError::NoText);
    }
    let split = Split::new(SplitPattern::Regex(SPLIT.to_owned()), SplitDelimiterBehavior::Isolated, false);
    let bytes = ByteLevel::new(false, true, false);
    let steps: Vec<PreTokenizerWrapper> = vec![split.map_err(failed)?.into(), bytes.into()];

    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_normalizer(Some(NFC)).map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    tokenizer.with_decoder(Some(ByteLevelDecoder::default()));
    let special: Vec<AddedToken> = SPECIAL.iter().map(|text| AddedToken::from(*text, true)).collect();
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(special)
        .build()
        .into();
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    Ok(TrainedTokenizer { tokenizer, kind, max_length })
}

impl TrainedTokenizer {
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The token every sequence starts with.
    pub fn start_token(&self) -> &'static str {
        match self.kind {
            TokenizerKind::Decoder => BOS,
            TokenizerKind::Encoder => CLS,
        }
    }

    /// Every turn as `<|role|>content<|end|>`, after one start token. The tokenizer itself adds nothing,
    /// so a caller who tokenises the rendered text cannot double the start token.
    pub fn chat_template(&self) -> String {
        let name = match self.kind {
            TokenizerKind::Decoder => "bos_token",
            TokenizerKind::Encoder => "cls_token",
        };
        TEMPLATE.replace("START", name)
    }

    /// `tokenizer_config.json`.
    pub fn config(&self) -> Value {
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_length,
            "pad_token": PAD,
            "eos_token": END,
            "padding_side": "right",
            // Encoders are called with a mask, decoders here never with segment ids.
            "model_input_names": ["input_ids", "attention_mask"],
            "clean_up_tokenization_spaces": false,
        });
        match self.kind {
            TokenizerKind::Decoder => config["bos_token"] = BOS.into(),
            TokenizerKind::Encoder => config["cls_token"] = CLS.into(),
        }
        config
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`, which transformers'
    /// `AutoTokenizer` reads.
    pub fn write(&self, dir: &Path) -> Result<(), TrainTokenizerError> {
        let failed = |e: tokenizers::Error| TrainTokenizerError::Tokenizers(e.to_string());
        let text = self.tokenizer.to_string(true).map_err(failed)?;
        files::write_bytes(&dir.join("tokenizer.json"), text.as_bytes())?;
        files::write_bytes(&dir.join("tokenizer_config.json"), format!("{:#}\n", self.config()).as_bytes())?;
        files::write_bytes(&dir.join("chat_template.jinja"), self.chat_template().as_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> impl Iterator<Item = String> + Send {
        (0..400u32).map(|i| {
            let word = ["alpha", "beta", "কিতাব", "שָׁלוֹם", "слово", "小船"][i as usize % 6];
            format!("{word} number {} and {word}{}!", i * 7919 % 1000, i % 13)
        })
    }

    #[test]
    fn two_runs_write_the_same_bytes() {
        let train = || train_bpe(texts(), 420, TokenizerKind::Decoder, 512).unwrap().tokenizer.to_string(true).unwrap();
        assert_eq!(train(), train());
    }

    #[test]
    fn special_tokens_come_first_and_pad_is_not_eos() {
        let trained = train_bpe(texts(), 300, TokenizerKind::Encoder, 512).unwrap();
        assert_eq!(trained.id(PAD), Some(0));
        assert_eq!(trained.vocab_size(), 300);
        assert_ne!(trained.id(END), trained.id(PAD));
        let ids = trained.tokenizer.encode_fast("<|cls|><|user|>12<|end|>", false).unwrap();
        assert_eq!(ids.get_ids().len(), 5);
    }

    #[test]
    fn unknown_scripts_come_back_and_marks_stay_with_their_letters() {
        let trained = train_bpe(texts(), 420, TokenizerKind::Decoder, 512).unwrap();
        let text = "ნ 😀\r\n\t x";
        let ids = trained.tokenizer.encode_fast(text, false).unwrap();
        assert_eq!(trained.tokenizer.decode(ids.get_ids(), false).unwrap(), text);
        // Seen often enough, the whole vowelled word is one token.
        assert_eq!(trained.tokenizer.encode_fast("שָׁלוֹם", false).unwrap().len(), 1);
    }

    #[test]
    fn too_little_of_anything_is_said() {
        assert!(matches!(
            train_bpe(texts(), 100, TokenizerKind::Decoder, 512),
            Err(TrainTokenizerError::TooSmall { asked: 100, least: 264 })
        ));
        let none = std::iter::empty::<String>();
        assert!(matches!(train_bpe(none, 300, TokenizerKind::Decoder, 512), Err(TrainTokenizerError::NoText)));
    }
}
