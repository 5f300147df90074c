//! Text that a language model writes: many prompts at a time over one cache of keys and values.
//!
//! A [`Task`] is a prompt and how to go on from it; [`Writer::write`] writes them all. What prompts have in common is
//! computed once ([`prefixes`]), sequences come and go between passes ([`decode`]), and a draw is a function of (seed,
//! key of the task, place in the reply), so that company, order and resume change nothing but rounding.

mod continuations;
mod decode;
pub mod ends;
pub mod judge;
mod prefixes;
pub mod sampling;
mod text;

use tch::Tensor;

use crate::reward::scalar::ScalarModel;
use ends::Ends;
pub use sampling::Sampling;

#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    #[error("task {task}: {problem}")]
    Task { task: usize, problem: String },
    #[error("this model has no output layer: it was loaded with a reward head, or is an encoder")]
    NoLanguageModel,
    #[error("what the model computed cannot be read back: {0}")]
    Read(#[from] tch::TchError),
}

/// A prompt and how to go on from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Task {
    pub prompt: Vec<u32>,
    /// New tokens at most.
    pub most: usize,
    pub sampling: Sampling,
    /// The first new token is one of these, where there are any.
    pub first: Vec<u32>,
    /// Texts that end the reply; they are no part of it.
    pub stop: Vec<String>,
    /// Tokens that end it beside the model's own.
    pub ends: Vec<u32>,
    /// So many most probable tokens are kept of every place.
    pub alternatives: usize,
    /// Texts whose log-probabilities after the prompt are wanted.
    pub continuations: Vec<Vec<u32>>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it.
    End,
    /// A stop text.
    Stop,
    /// The length allowed.
    Length,
}

/// A new token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub id: u32,
    /// log p before penalties, temperature and cuts.
    pub log_prob: f64,
    /// What it adds to the text; characters of several tokens come with the last of them.
    pub text: String,
    /// The most probable tokens at its place with their log p, best first.
    pub alternatives: Vec<(u32, f64)>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The one that ended the reply included.
    pub tokens: Vec<Token>,
    pub text: String,
    pub finish: Finish,
    /// log p of every token of the task's continuations.
    pub continuations: Vec<Vec<f64>>,
}

impl Written {
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }
}

/// How much is computed at a time. Replies do not depend on it beyond rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Sequences that are written side by side.
    pub sequences: usize,
    /// New prompt tokens of one pass.
    pub tokens: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { sequences: 32, tokens: 4096 }
    }
}

/// A language model, and what ends its replies.
pub struct Writer {
    /// Network and text pipeline; its head is the vocabulary.
    pub model: ScalarModel,
    pub ends: Ends,
    pub capacity: Capacity,
}

impl Writer {
    /// Replies to all tasks, in their order.
    pub fn write(&self, tasks: &[Task]) -> Result<Vec<Written>, GenerationError> {
        let _no_grad = tch::no_grad_guard();
        decode::Decoding::new(self, tasks)?.run()
    }
}

fn numbers(x: &Tensor) -> Result<Vec<f64>, GenerationError> {
    let flat = x.to_kind(tch::Kind::Double).to_device(tch::Device::Cpu).contiguous().view([-1]);
    Ok(Vec::<f64>::try_from(&flat)?)
}
