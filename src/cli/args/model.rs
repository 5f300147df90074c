//! Flags of `rmbench model`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};

#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// Write a LoRA adapter and its base as one ordinary checkpoint
    #[command(after_help = "Example:\n  rmbench model merge-adapter --model models/adapter --out models/merged")]
    MergeAdapter(MergeAdapterArgs),
    /// Write one user's rewards, of a model trained with objective individual, as an ordinary checkpoint
    #[command(after_help = "Example:\n  rmbench model personal --model models/all --user anna --out models/anna")]
    Personal(PersonalArgs),
}

#[derive(Debug, ClapArgs)]
pub struct PersonalArgs {
    /// A model directory with users.safetensors
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// Whose rewards
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// Directory for the checkpoint
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct MergeAdapterArgs {
    /// An adapter directory (adapter_config.json), or hf:ORG/NAME
    #[arg(long, value_name = "ADAPTER", value_hint = ValueHint::DirPath)]
    pub model: String,
    /// What it was trained on, where its own configuration does not lead there
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub base: Option<String>,
    /// Directory for the checkpoint
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Precision of the weights that are written: f32, bf16 or f16; they are added up in f32
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub dtype: String,
}
