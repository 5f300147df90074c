//! Flags of `rmbench import` and `rmbench export`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum, ValueHint};

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench import FORMAT FILE... --out RUN [OPTIONS]")]
#[command(after_help = "\
One model becomes the run --out; several become one run each, in directories below it.
With --items, scores find their items by id; by text where the file's texts say it is another item;
by position only where the format has nothing else and counts agree. Joins, missing items and what
was mended are counted, said and kept in the run. Where data name no sources, translations of one
prompt are one source.

Examples:
  rmbench import table scores.csv --column score-chosen=good --column score-rejected=bad --lang en --out runs/mine
  rmbench import table scores.csv --items data.parquet --column items.source-id=document --out runs/mine
  rmbench import rewardbench eval-set-scores/org/rm.json --items rewardbench.parquet --out runs/rm
  rmbench import m-rewardbench out/org/rm-*-all.jsonl eval-set-scores/org/rm.json --items mrb/*.parquet rewardbench.parquet --out runs/rm
  rmbench import judgebench outputs/*.jsonl --out runs/judges")]
pub struct ImportArgs {
    /// What the files are
    #[arg(value_name = "FORMAT")]
    pub format: ImportKind,
    /// The files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Directory for the score table, or for one run per model
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// The benchmark's own data: ids, source ids, subsets, languages, lengths, and which items lack a score
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub items: Vec<PathBuf>,
    /// What the benchmark is called; a built-in one brings its weights and averages
    #[arg(long, value_name = "NAME")]
    pub benchmark: Option<String>,
    /// What the model is called, instead of what the files say
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// The language of files without one
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Option<String>,
    /// What a column is called, as in `--column score-chosen=good`, or `items.prompt=NAME` of --items; repeatable
    #[arg(long, value_name = "PART=NAME")]
    pub column: Vec<String>,
    /// Of judges that give scores, take the decisions that their tool made of them
    #[arg(long)]
    pub decisions: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportKind {
    /// JSONL, JSON, CSV, TSV, Parquet or Arrow with a column for each thing
    Table,
    /// RewardBench v1 and v2: items, summaries, outputs of the `rewardbench` command
    Rewardbench,
    /// M-RewardBench: languages and translation, by file name or folder; RewardBench's own files are its English
    MRewardbench,
    /// RM-Bench: its data with three scores per side
    RmBench,
    /// JudgeBench: judgments in one or both orders
    Judgebench,
    /// Samples of lm-evaluation-harness; languages as the tasks' names have them
    LmEval,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench export RUN... --format FORMAT --out DIR [OPTIONS]")]
#[command(after_help = "\
Examples:
  rmbench export runs/first --format rewardbench --out eval
  rmbench export runs/* --format latex --out tables
  rmbench export runs/first --format csv --out scores")]
pub struct ExportArgs {
    /// Run directories, or score tables
    #[arg(required = true, value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub runs: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Directory for the files
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    #[command(flatten)]
    pub config: super::ConfigArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// eval-set/MODEL.json (accuracies) and eval-set-scores/MODEL.json (items), as RewardBench reads them
    Rewardbench,
    /// Every score as a row
    Csv,
    /// The report's tables of results as LaTeX, to paste into a paper
    Latex,
    /// The same as Markdown
    Markdown,
}
