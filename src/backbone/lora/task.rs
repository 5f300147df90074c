//! What an adapter is trained for, in PEFT's words.

use serde_json::{Value, json};

/// Heads that PEFT saves in full for sequence classifiers, asked or not.
pub const HEADS: [&str; 2] = ["classifier", "score"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A model with a reward head, which is saved in full.
    Classifier,
    /// A language model, whose output layer is the base's.
    LanguageModel,
}

impl Task {
    /// `task_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classifier => "SEQ_CLS",
            Self::LanguageModel => "CAUSAL_LM",
        }
    }

    /// The task that `task_type` names, where it is one of these.
    pub fn named(task_type: &Value) -> Option<Self> {
        [Self::Classifier, Self::LanguageModel].into_iter().find(|task| task_type.as_str() == Some(task.as_str()))
    }

    /// `modules_to_save` of a new adapter.
    pub fn saved(self) -> Value {
        match self {
            Self::Classifier => json!(HEADS),
            Self::LanguageModel => Value::Null,
        }
    }
}
