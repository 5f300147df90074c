//! Flags of `rmbench report`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum, ValueHint};

use super::ConfigArgs;

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench report RUN... --out DIR [OPTIONS]")]
#[command(after_help = "\
Examples:
  rmbench report runs/first --out report
  rmbench report runs/* --out report --baseline runs/length --format html,csv
  rmbench report runs/first --out report --fail-under 60")]
pub struct ReportArgs {
    /// Run directories, or score tables
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub runs: Vec<PathBuf>,
    /// Directory for the report
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// What to write, separated by commas
    #[arg(long, value_name = "FORMAT,...", value_delimiter = ',', default_value = "html,png,svg,md,csv,json")]
    pub format: Vec<ReportFormat>,
    /// The run that the others are compared with
    #[arg(long, value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub baseline: Option<PathBuf>,
    /// Put the items' texts into the page: from the data that the runs name, or from a file or directory.
    /// Whoever gets the page gets the texts
    #[arg(long, value_name = "DATA", num_args = 0.., require_equals = true, value_delimiter = ',', value_hint = ValueHint::AnyPath)]
    pub items: Option<Vec<PathBuf>>,
    /// What else is known of the items: votes, opinions of single people, properties of responses
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub annotations: Vec<PathBuf>,
    /// Directories of training runs whose logs the report shows; alone or beside score runs
    #[arg(long, value_name = "DIR", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub training: Vec<PathBuf>,
    /// Exit with 1 unless every run's accuracy on every benchmark is at least X percent
    #[arg(long, value_name = "X")]
    pub fail_under: Option<f64>,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One self-contained page
    Html,
    /// Figures as PNG
    Png,
    /// Figures as SVG
    Svg,
    /// Tables as Markdown
    Md,
    /// The same as LaTeX, with booktabs
    Latex,
    /// Findings as one tidy table
    Csv,
    /// Findings with all their context
    Json,
}
