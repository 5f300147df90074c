//! Which architectures there are, and what transformers calls their parts.

use super::ConfigError;

/// Architectures rmbench loads. The name is `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelType {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
    Bert,
    Roberta,
    XlmRoberta,
    Deberta,
    /// v2, v3 and mDeBERTa.
    DebertaV2,
    /// mmBERT too.
    ModernBert,
}

impl ModelType {
    pub const ALL: [(ModelType, &'static str); 10] = [
        (ModelType::Llama, "llama"),
        (ModelType::Mistral, "mistral"),
        (ModelType::Qwen2, "qwen2"),
        (ModelType::Qwen3, "qwen3"),
        (ModelType::Bert, "bert"),
        (ModelType::Roberta, "roberta"),
        (ModelType::XlmRoberta, "xlm-roberta"),
        (ModelType::Deberta, "deberta"),
        (ModelType::DebertaV2, "deberta-v2"),
        (ModelType::ModernBert, "modernbert"),
    ];

    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|(_, name)| *name).collect()
    }

    pub(super) fn parse(name: &str) -> Result<Self, ConfigError> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        known.map(|(m, _)| *m).ok_or_else(|| ConfigError::UnknownModelType { found: name.to_owned() })
    }

    /// Class name transformers uses for a reward model of this type.
    pub fn sequence_classifier(self) -> &'static str {
        match self {
            ModelType::Llama => "LlamaForSequenceClassification",
            ModelType::Mistral => "MistralForSequenceClassification",
            ModelType::Qwen2 => "Qwen2ForSequenceClassification",
            ModelType::Qwen3 => "Qwen3ForSequenceClassification",
            ModelType::Bert => "BertForSequenceClassification",
            ModelType::Roberta => "RobertaForSequenceClassification",
            ModelType::XlmRoberta => "XLMRobertaForSequenceClassification",
            ModelType::Deberta => "DebertaForSequenceClassification",
            ModelType::DebertaV2 => "DebertaV2ForSequenceClassification",
            ModelType::ModernBert => "ModernBertForSequenceClassification",
        }
    }

    /// Prefix of the backbone's tensors within a sequence-classification checkpoint.
    pub fn prefix(self) -> &'static str {
        match self {
            ModelType::Llama | ModelType::Mistral | ModelType::Qwen2 | ModelType::Qwen3 => "model.",
            ModelType::ModernBert => "model.",
            ModelType::Bert => "bert.",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta.",
            ModelType::Deberta | ModelType::DebertaV2 => "deberta.",
        }
    }

    /// Name of the input embeddings' tensor.
    pub fn word_embeddings(self) -> String {
        let name = match self {
            ModelType::Llama | ModelType::Mistral | ModelType::Qwen2 | ModelType::Qwen3 => "embed_tokens",
            ModelType::ModernBert => "embeddings.tok_embeddings",
            _ => "embeddings.word_embeddings",
        };
        format!("{}{name}.weight", self.prefix())
    }
}
