//! Flags of `rmbench data judgments`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

use super::DataArgs;

const EXAMPLES: &str = "\
Examples:
  rmbench data judgments train.parquet --judge genrm --out yes-no.parquet
  rmbench data judgments train.parquet --judge pairwise --critiques --out critiques.parquet
  rmbench data judgments train.parquet --judge con-j --from runs/sampled --hinted runs/right runs/wrong --out couples.parquet";

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench data judgments FILE... --judge PROTOCOL --out FILE [OPTIONS]")]
#[command(after_help = EXAMPLES)]
pub struct JudgmentsArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// The protocol whose questions and verdicts are written: a name, or a TOML file
    #[arg(long, value_name = "PROTOCOL")]
    pub judge: String,
    /// Judged runs on these files whose own judgments make the pairs, right ones against wrong ones; otherwise verdicts
    /// are written in the protocol's form
    #[arg(long, value_name = "RUN", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub from: Vec<PathBuf>,
    /// Runs with judge.hint, whose judgments stand in where a question has right or wrong ones only
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "from", value_hint = ValueHint::DirPath)]
    pub hinted: Vec<PathBuf>,
    /// Put the data's rationale before the verdict
    #[arg(long, conflicts_with = "from")]
    pub critiques: bool,
    /// Orders of the responses: both, one or all; otherwise the protocol's
    #[arg(long, value_name = "ORDERS")]
    pub orders: Option<String>,
    /// The language of the questions: english, or target (the item's own)
    #[arg(long, value_name = "LANGUAGE", default_value = "english")]
    pub prompt_language: String,
    /// Seed of the drawn order; the one of the runs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// A file, whose ending names the format
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}
