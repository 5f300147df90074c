//! What is wrong with a reward head, and the line of `rmbench.toml` that would mend it.

use super::super::options::HeadKind;
use crate::backbone::params::ParamError;

#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    #[error(transparent)]
    Param(#[from] ParamError),
    #[error(
        "the checkpoint has tensors of several reward heads; say which one counts, in rmbench.toml below `[reward]` \
         as one of: {}",
        kinds.iter().map(|kind| format!("head = {kind}")).collect::<Vec<_>>().join(", ")
    )]
    Several { kinds: Vec<HeadKind> },
    #[error(
        "the head has {labels} labels{names}, and a reward is one number; give each label a weight, in rmbench.toml \
         below `[reward]` as: label-weights = [{example}]"
    )]
    NoWeights { labels: i64, names: String, example: String },
    #[error("the head `{kind}` belongs to the architecture {family} alone")]
    OtherFamily { kind: HeadKind, family: &'static str },
    #[error("label-weights has {given} numbers; the head has {labels} labels")]
    WeightCount { given: usize, labels: i64 },
    #[error(
        "where the head `{kind}` reads is not known; say so in rmbench.toml below `[reward]`, for example as: \
         pooling = \"mask-last\""
    )]
    NoPooling { kind: HeadKind },
    #[error("the gate of the reward head: {problem}")]
    Gate { problem: String },
    #[error(
        "the text that ends a prompt, where the head's gate reads, is not known for this architecture; give it in \
         rmbench.toml below `[reward]` as: gate-pattern = \"…\""
    )]
    NoPattern,
    #[error(
        "config.json has no `gating_temperature`; give it in rmbench.toml below `[reward]` as: gate-temperature = 10.0"
    )]
    NoTemperature,
    #[error("`normalise = true` needs a mean and a deviation, and the checkpoint has none")]
    NoStatistics,
    #[error("config.json: `{key}` should be a number or a list of numbers, found {found}")]
    Number { key: &'static str, found: String },
    #[error("the vocabulary has no entry {id}: `{name}` has {rows} rows")]
    NoEntry { id: u32, name: String, rows: i64 },
    #[error("the checkpoint has no tensor `{name}`, whose row {id} would be the reward head")]
    NoVocabulary { id: u32, name: String },
    #[error(
        "the checkpoint has no output layer: neither is there a tensor `{name}`, nor do its embeddings serve as one \
         (`tie_word_embeddings` in config.json)"
    )]
    NoOutputLayer { name: String },
}
