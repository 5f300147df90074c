//! Flags of `rmbench train` that make one command many runs.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Studies: every combination of what is varied is a run of its own below --out")]
pub struct StudyArgs {
    /// Values of a setting, by its name in --print-config; repeatable
    #[arg(long, value_name = "KEY=A,B,...")]
    pub sweep: Vec<String>,
    /// Train every combination with N seeds, from --seed on
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Shares of the source items to train on, a smaller one part of a larger one
    #[arg(long, value_name = "F,...", value_delimiter = ',')]
    pub fractions: Vec<String>,
    /// Train on one language at a time: codes or names, or all that the data have
    #[arg(long, value_name = "LANG,...|all", value_delimiter = ',')]
    pub transfer: Vec<String>,
    /// Shares of training pairs whose labels are flipped
    #[arg(long, value_name = "F,...", value_delimiter = ',')]
    pub noise: Vec<String>,
    /// What every run is scored on: pairs that no run was trained or chosen on
    #[arg(long, value_name = "PAIRS", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub test: Vec<PathBuf>,
}

impl StudyArgs {
    /// Whether anything is varied.
    pub fn is_study(&self) -> bool {
        let lists = [&self.sweep, &self.fractions, &self.transfer, &self.noise];
        self.seeds.is_some() || lists.iter().any(|list| !list.is_empty())
    }
}
