//! Flags of the heads that `rmbench model` fits to features.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

use super::DataArgs;

#[derive(Debug, ClapArgs)]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A model directory, or hf:ORG/NAME, whose trunk computes the features
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: String,
    /// The Parquet file to write
    #[arg(long, value_name = "FILE.parquet", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// A key of [text] or [reward] as in `rmbench score`, for example reward.pooling=mean; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// cpu, cuda, cuda:N, or auto (a GPU where there is one)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Precision of weights and activations: f32, bf16 or f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub dtype: String,
}

#[derive(Debug, ClapArgs)]
pub struct CpmArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Names of the features, separated by commas, for what is printed
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Directory for the model
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Seed of the parts of cross-validation
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, ClapArgs)]
pub struct PalArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Numbers of prototypes to try, separated by commas; the first is what is written
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_value = "2")]
    pub k: Vec<u32>,
    /// Further settings as in `width=8`: width, closeness (distance, cosine), loss (logistic, hinge), steps, lr,
    /// weight-decay, restarts, seed; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Share of users, and of the other users' pairs, that is measured on
    #[arg(long, value_name = "F", default_value_t = 0.2)]
    pub held_out: f64,
    /// Directory for prototypes and mixtures
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct AddUserArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A model directory with users.safetensors, from a training with objective individual
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// What to call the user; the data's pairs of this user are fitted to, or all where they name no users
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// Strength of the prior that holds the vector near 0
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub ridge: f64,
    /// Directory for the checkpoint of the user's rewards
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct OrchestrateArgs {
    /// Run directories or score tables of several reward models on the same pairs
    #[arg(value_name = "RUN", required = true, num_args = 2.., value_hint = ValueHint::AnyPath)]
    pub runs: Vec<PathBuf>,
    /// The JSON file to write: the weights, and what they gain
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// What of a prompt the weights depend on
    #[arg(long, value_name = "WHAT,...", value_delimiter = ',', value_enum, default_value = "language")]
    pub by: Vec<PromptKind>,
    /// Strength of the prior that holds the weights of different prompts together
    #[arg(long, value_name = "X", default_value_t = 0.01)]
    pub ridge: f64,
    /// Seed of which source items are fitted to and which measured on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// What is known of a prompt without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PromptKind {
    Language,
    Category,
    Subset,
}
