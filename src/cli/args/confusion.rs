//! Flags of `rmbench data confusion`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench data confusion FILE... [OPTIONS]")]
#[command(after_help = "\
Examples:
  rmbench data confusion outputs/*.csv --identifier lid.176.ftz --words words.txt")]
pub struct ConfusionArgs {
    /// Files of completions: columns completion and language, and where there are any model, task and source
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// What tells the language of a line: a classifier that fastText wrote, in place of the one built in
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::FilePath)]
    pub identifier: Option<PathBuf>,
    /// English words, one a line, for the word pass rate; without, any word of a to z is one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub words: Option<PathBuf>,
}
