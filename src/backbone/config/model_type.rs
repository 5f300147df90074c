//! Which architectures there are, and what transformers calls their parts.

use super::ConfigError;

/// Architectures rmbench loads. The name is `model_type` in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelType {
    Llama,
    Mistral,
    Mixtral,
    Qwen2,
    Qwen3,
    Gemma,
    Gemma2,
    /// Multimodal; its text part is used.
    Gemma3,
    Gemma3Text,
    Phi3,
    Olmo2,
    Cohere,
    Cohere2,
    InternLm2,
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
    pub const ALL: [(ModelType, &'static str); 20] = [
        (ModelType::Llama, "llama"),
        (ModelType::Mistral, "mistral"),
        (ModelType::Mixtral, "mixtral"),
        (ModelType::Qwen2, "qwen2"),
        (ModelType::Qwen3, "qwen3"),
        (ModelType::Gemma, "gemma"),
        (ModelType::Gemma2, "gemma2"),
        (ModelType::Gemma3, "gemma3"),
        (ModelType::Gemma3Text, "gemma3_text"),
        (ModelType::Phi3, "phi3"),
        (ModelType::Olmo2, "olmo2"),
        (ModelType::Cohere, "cohere"),
        (ModelType::Cohere2, "cohere2"),
        (ModelType::InternLm2, "internlm2"),
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

    /// Its `model_type` in `config.json`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| *name)
    }

    /// Class name transformers uses for a reward model of this type, or would use if it had one (Cohere).
    pub fn sequence_classifier(self) -> &'static str {
        match self {
            ModelType::Llama => "LlamaForSequenceClassification",
            ModelType::Mistral => "MistralForSequenceClassification",
            ModelType::Mixtral => "MixtralForSequenceClassification",
            ModelType::Qwen2 => "Qwen2ForSequenceClassification",
            ModelType::Qwen3 => "Qwen3ForSequenceClassification",
            ModelType::Gemma => "GemmaForSequenceClassification",
            ModelType::Gemma2 => "Gemma2ForSequenceClassification",
            ModelType::Gemma3 | ModelType::Gemma3Text => "Gemma3TextForSequenceClassification",
            ModelType::Phi3 => "Phi3ForSequenceClassification",
            ModelType::Olmo2 => "Olmo2ForSequenceClassification",
            ModelType::Cohere => "CohereForSequenceClassification",
            ModelType::Cohere2 => "Cohere2ForSequenceClassification",
            ModelType::InternLm2 => "InternLM2ForRewardModel",
            ModelType::Bert => "BertForSequenceClassification",
            ModelType::Roberta => "RobertaForSequenceClassification",
            ModelType::XlmRoberta => "XLMRobertaForSequenceClassification",
            ModelType::Deberta => "DebertaForSequenceClassification",
            ModelType::DebertaV2 => "DebertaV2ForSequenceClassification",
            ModelType::ModernBert => "ModernBertForSequenceClassification",
        }
    }

    /// Class name transformers uses for a language model of this type.
    pub fn causal_lm(self) -> String {
        let base = self.sequence_classifier();
        let base =
            base.strip_suffix("ForSequenceClassification").or(base.strip_suffix("ForRewardModel")).unwrap_or(base);
        // Its text part alone is a class of its own.
        format!("{}ForCausalLM", base.strip_suffix("Text").unwrap_or(base))
    }

    /// Prefix of the backbone's tensors within a sequence-classification checkpoint.
    pub fn prefix(self) -> &'static str {
        match self {
            ModelType::Bert => "bert.",
            ModelType::Roberta | ModelType::XlmRoberta => "roberta.",
            ModelType::Deberta | ModelType::DebertaV2 => "deberta.",
            _ => "model.",
        }
    }

    /// What may stand in a checkpoint where the model has [`ModelType::prefix`]; the first that is there counts.
    pub fn stored_prefixes(self) -> &'static [&'static str] {
        match self {
            // transformers from 4.52 on, before that, and the bare model.
            ModelType::Gemma3 => &["model.language_model.", "language_model.model.", "language_model."],
            ModelType::Bert => &["bert."],
            ModelType::Roberta | ModelType::XlmRoberta => &["roberta."],
            ModelType::Deberta | ModelType::DebertaV2 => &["deberta."],
            _ => &["model."],
        }
    }

    /// Beginnings of tensor names that are no part of a reward model of this type, beside those that no type has.
    pub fn foreign_tensors(self) -> &'static [&'static str] {
        match self {
            ModelType::Gemma3 => &[
                "model.vision_tower.",
                "model.multi_modal_projector.",
                "vision_tower.",
                "multi_modal_projector.",
                "language_model.lm_head.",
            ],
            // The language model's head.
            ModelType::InternLm2 => &["output."],
            _ => &[],
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
