//! Preference data: conversations, responses, and comparisons of k chosen with m rejected responses.
//!
//! One shape serves every layout in use: a preference pair is 1 × 1, best-of-4 is 1 × 3, an RM-Bench
//! item is 3 × 3, a RewardBench 2 Ties item is n × m.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::ToByteSlice;
use serde::{Deserialize, Serialize};

use crate::lang::Lang;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }

    /// The role of a chat message; the names in use across data sets ("human", "gpt", …) are accepted.
    pub fn parse(name: &str) -> Option<Role> {
        Some(match name.to_ascii_lowercase().as_str() {
            "system" | "developer" => Role::System,
            "user" | "human" | "prompter" => Role::User,
            "assistant" | "gpt" | "model" | "bot" | "chatbot" => Role::Assistant,
            "tool" | "function" | "ipython" => Role::Tool,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// Everything up to and including the last user turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conversation(pub Vec<Message>);

impl Conversation {
    /// A prompt given as plain text: one user turn.
    pub fn from_prompt(text: impl Into<String>) -> Self {
        Self(vec![Message { role: Role::User, content: text.into() }])
    }

    /// The text of all turns, one per line; a plain-text prompt comes back unchanged.
    pub fn plain_text(&self) -> String {
        self.0.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// What some model made of a response, of whatever kind it is: an image's, a recording's, a text's vector.
#[derive(Debug, Clone)]
pub struct Embedding(pub Arc<[f32]>);

impl Embedding {
    /// Its numbers as they lie in memory. As one piece: there are millions of them.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().to_byte_slice()
    }
}

/// Equal are the same bits.
impl PartialEq for Embedding {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Embedding {}

impl std::hash::Hash for Embedding {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// One candidate assistant turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Response {
    pub text: String,
    /// Which model wrote it, where the data say so.
    pub model: Option<Arc<str>>,
    /// Named style of the response, where the benchmark has some (RM-Bench: concise, detailed, markdown).
    pub variant: Option<Arc<str>>,
    /// The prompt that this response answers, where it is not the comparison's (DOVE, MAPL).
    pub prompt: Option<Arc<Conversation>>,
    /// Read only for models of embeddings.
    pub embedding: Option<Embedding>,
}

impl Response {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Names an item within a benchmark and language; (item id, language) is unique.
    ItemId
);
name_type!(
    /// The original of which items are translations. Items that share it are not independent:
    /// intervals resample source ids, and train/evaluation splits never cut through one.
    SourceId
);
name_type!(
    /// A published group of items, the smallest unit a benchmark reports.
    SubsetId
);

/// What data say of a comparison beyond which responses are preferred. Read for training only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// The probability that a chosen response is better than a rejected one: ½ of a tie, else above it.
    pub probability: Option<f64>,
    /// Annotators for the chosen and for the rejected response.
    pub votes: Option<[f64; 2]>,
    /// Ratings of the responses, chosen first, for each as many as there are attributes. Empty without any.
    pub ratings: Vec<Option<f64>>,
    /// Places of the responses in a ranking, chosen first; smaller is better, equals share one. Empty without one.
    pub ranks: Vec<u32>,
    /// Why the chosen response is better, in words.
    pub rationale: Option<Arc<str>>,
    /// Whose preference it is.
    pub user: Option<Arc<str>>,
    /// Log-probabilities of the responses by the policy that wrote them, chosen first, in nats. Empty without any.
    pub behaviour: Vec<f64>,
}

impl Evidence {
    /// The share of votes for the chosen response.
    pub fn vote_share(&self) -> Option<f64> {
        self.votes.map(|[chosen, rejected]| chosen / (chosen + rejected))
    }

    /// Neither side is better.
    pub fn is_tie(&self) -> bool {
        self.probability.or(self.vote_share()) == Some(0.5)
    }
}

/// One evaluation item or training example: `chosen` are all preferred to `rejected`. A single response that
/// is only rated, or not even that, is one chosen response without a rejected one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub id: ItemId,
    pub source: SourceId,
    pub lang: Lang,
    pub subset: SubsetId,
    /// Group of subsets, where the data file itself names one.
    pub category: Option<Arc<str>>,
    pub prompt: Conversation,
    pub chosen: Vec<Response>,
    pub rejected: Vec<Response>,
    /// How much clearer the preference is, in the data set's own unit; larger is clearer.
    pub margin: Option<f64>,
    pub evidence: Evidence,
    /// Where the row stands in its file (from 0), for error messages.
    pub row: u64,
}

impl Comparison {
    /// A single reply that nothing is said of.
    pub fn of_reply(prompt: Conversation, reply: String) -> Self {
        Self {
            id: "reply".into(),
            source: "reply".into(),
            lang: Lang::ENGLISH,
            subset: "replies".into(),
            category: None,
            prompt,
            chosen: vec![Response::new(reply)],
            rejected: Vec::new(),
            margin: None,
            evidence: Evidence::default(),
            row: 0,
        }
    }

    /// Chosen first, then rejected: the order of rewards everywhere.
    pub fn responses(&self) -> impl Iterator<Item = &Response> {
        self.chosen.iter().chain(&self.rejected)
    }

    /// What a response answers: its own prompt, where it has one.
    pub fn prompt_of<'a>(&'a self, response: &'a Response) -> &'a Conversation {
        response.prompt.as_deref().unwrap_or(&self.prompt)
    }

    /// True for the 1 × 1 shape that training takes.
    pub fn is_pair(&self) -> bool {
        self.chosen.len() == 1 && self.rejected.len() == 1
    }
}
