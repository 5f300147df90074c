//! The command line as clap sees it: flags for what people change daily, TOML for the rest.
//!
//! Flags end here; verbs turn them into settings. Frozen by the help snapshots in `tests/snapshots`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};

pub use confusion::ConfusionArgs;
pub use exchange::{ExportArgs, ExportFormat, ImportArgs, ImportKind};
pub use heads::{AddUserArgs, CpmArgs, FeaturesArgs, OrchestrateArgs, PalArgs, PromptKind};
pub use judgments::JudgmentsArgs;
pub use model::{MergeAdapterArgs, MergeArgs, ModelVerb, PersonalArgs};
pub use report::{ReportArgs, ReportFormat};
pub use study::StudyArgs;

mod confusion;
mod exchange;
mod heads;
mod judgments;
mod model;
mod report;
mod study;

/// Version and commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("RMBENCH_COMMIT"), ")");

const EXAMPLES: &str = "\
Examples:
  rmbench demo
  rmbench train --data pairs.parquet --model init:small --out models/first
  rmbench score --model models/first --pairs bench.parquet --langs all --out runs/first
  rmbench report runs/first runs/other --out report";

/// Train reward models and evaluate them per language.
#[derive(Debug, Parser)]
#[command(name = "rmbench", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
#[command(help_expected = true, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Preference pairs in, a reward model out
    Train(TrainArgs),
    /// A reward model and benchmarks in, a score table out
    Score(ScoreArgs),
    /// Score tables in, accuracies with intervals out
    Report(ReportArgs),
    /// Another tool's results in, score tables out
    Import(ImportArgs),
    /// Score tables in, files for other tools and papers out
    Export(ExportArgs),
    /// Look into and convert preference data
    #[command(subcommand)]
    Data(DataVerb),
    /// Several reward models in, one out
    Merge(MergeArgs),
    /// Turn models into other forms
    #[command(subcommand)]
    Model(ModelVerb),
    /// The whole way on invented data: train, score and report a tiny model
    Demo(DemoArgs),
    /// Check that a model's rewards do not depend on batches, padding, order or shared prefixes
    Selfcheck(SelfcheckArgs),
    /// Say what this machine offers and what is wrong with it
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  rmbench completions bash > ~/.local/share/bash-completion/completions/rmbench")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Where settings come from that have no flag of their own.
#[derive(Debug, ClapArgs)]
pub struct ConfigArgs {
    /// Settings to use instead of the defaults
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// One setting, by its name in --print-config; repeatable, wins over --config
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the default settings with explanations, and stop
    #[arg(long)]
    pub print_config: bool,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench train --data PAIRS... --model MODEL --out DIR [OPTIONS]")]
#[command(after_help = "\
Examples:
  rmbench train --data train.parquet --model init:small --out models/first --eval valid.parquet
  rmbench train --data train.parquet --model models/first --out models/second --set lr=1e-5
  rmbench train --data votes.jsonl --model models/first --out models/third --objective bt-votes
  rmbench train --data train.parquet --model models/chat --objective dpo --out models/dpo --set lr=1e-6
  rmbench train --data train.parquet --model init:small --test bench.parquet --out studies/lr \\
                --sweep lr=1e-4,3e-4,1e-3 --seeds 3")]
pub struct TrainArgs {
    /// Preference pairs: Parquet, JSONL, CSV or Arrow files, or hf-data:ORG/NAME[/FILE]
    #[arg(long, value_name = "PAIRS", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub data: Vec<PathBuf>,
    /// Where to start: a model directory, hf:ORG/NAME[@REVISION], or init:tiny, init:small, init:base
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,
    /// What an adapter in --model was trained on, where its own configuration does not lead there
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub base: Option<String>,
    /// What to minimise, by its name in --list-objectives, or a weighted sum: dpo:0.8,sft:0.2
    #[arg(long, value_name = "NAME")]
    pub objective: Option<String>,
    /// What a policy is compared with (objectives such as dpo); otherwise the model that training begins with
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub reference: Option<String>,
    /// Directory for the model, its checkpoints and logs
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Pairs to measure accuracy on while training
    #[arg(long, value_name = "PAIRS", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub eval: Vec<PathBuf>,
    /// Languages to train on: codes or names separated by commas, sets such as @script:Arab, or all
    #[arg(long, value_name = "LIST|all")]
    pub langs: Option<String>,
    /// Train the reward head alone, on the trunk's features, which are computed once and kept in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub features: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print every objective with its formula, data needs, settings and source, and stop
    #[arg(long)]
    pub list_objectives: bool,
    /// Continue an interrupted run in --out
    #[arg(long)]
    pub resume: bool,
    /// Seed of every random draw
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// cpu, cuda, cuda:N, or auto (a GPU where there is one)
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Precision of weights and activations: f32 or bf16
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    // Last: the heading holds for everything after it.
    #[command(flatten)]
    pub study: StudyArgs,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "\
rmbench score --model MODEL --benchmarks NAME,... --out DIR [OPTIONS]
       rmbench score --model MODEL --pairs FILE... --out DIR [OPTIONS]
       rmbench score --model MODEL --manifest FILE.toml... --out DIR [OPTIONS]
       rmbench score --table RUN --out DIR [OPTIONS]")]
#[command(after_help = "\
Examples:
  rmbench score --model models/first --pairs bench.parquet --out runs/first
  rmbench score --model models/first --benchmarks rewardbench,rm-bench --data data --out runs/first
  rmbench score --model models/first --pairs bench.parquet --langs ar,hin,@script:Cyrl --out runs/some
  rmbench score --model endpoint:http://127.0.0.1:8000/v1 --judge pairwise --pairs bench.parquet --out runs/judge
  rmbench score --model models/dpo --reference models/base --pairs bench.parquet --out runs/dpo
  rmbench score --table runs/dpo --set implicit.normalisation=mean --out runs/dpo-mean
  rmbench score --model mock:length --pairs bench.parquet --out runs/length --dry-run")]
pub struct ScoreArgs {
    /// A model or adapter directory, hf:ORG/NAME[@REVISION], with --judge endpoint:URL[#MODEL], or a scorer without a
    /// model: mock:length, mock:random
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,
    /// Have the model compare or rate responses in words, by a protocol such as pairwise or ratings, or a TOML file
    #[arg(long, value_name = "PROTOCOL")]
    pub judge: Option<String>,
    /// What an adapter in --model was trained on, where its own configuration does not lead there
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub base: Option<String>,
    /// scalar (a reward head) or implicit (a language model's own probabilities), where the model does not say
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// The model that an implicit one is measured against: a directory, hf:ORG/NAME, base (of an adapter) or none
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub reference: Option<String>,
    /// Follow another tool's arithmetic: rewardbench (implicit models)
    #[arg(long, value_name = "TOOL")]
    pub compat: Option<String>,
    /// Read a finished run of an implicit model in another way, such as --set implicit.normalisation=mean; no model runs
    #[arg(long, value_name = "RUN", group = "what", conflicts_with = "model", value_hint = ValueHint::AnyPath)]
    pub table: Option<PathBuf>,
    /// Benchmarks by name, separated by commas
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', group = "what")]
    pub benchmarks: Vec<String>,
    /// Files of preference pairs or hf-data:ORG/NAME[/FILE], each a benchmark of its own
    #[arg(long, value_name = "FILE", num_args = 1.., group = "what", value_hint = ValueHint::FilePath)]
    pub pairs: Vec<PathBuf>,
    /// Benchmarks described by manifests of yours
    #[arg(long, value_name = "FILE.toml", num_args = 1.., group = "what", value_hint = ValueHint::FilePath)]
    pub manifest: Vec<PathBuf>,
    /// Languages: codes or names separated by commas, sets such as @script:Arab, or all
    #[arg(long, value_name = "LIST|all")]
    pub langs: Option<String>,
    /// Directory for the score table
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Directory that holds the benchmarks' data files
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Score at most N items of each benchmark and language
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Also write the hidden state that the reward head read of every response: large
    #[arg(long)]
    pub features: bool,
    /// Check everything, print the plan, score nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Continue an interrupted run in --out
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "rmbench selfcheck --model MODEL [OPTIONS]")]
#[command(after_help = "\
Exit code 1 where a check fails.

Examples:
  rmbench selfcheck --model models/first
  rmbench selfcheck --model models/first --pairs bench.parquet --limit 200 --out check")]
pub struct SelfcheckArgs {
    /// A model directory, or hf:ORG/NAME
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,
    /// Preference pairs to check with, instead of invented ones in many languages
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub pairs: Option<PathBuf>,
    /// Use at most N comparisons
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// cpu, cuda, cuda:N, or auto (a GPU where there is one)
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Precision of weights and activations: f32 or bf16; only in f32 can a check fail
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// Directory for the certificate as JSON and as text
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// Look for what would spoil a training run or a benchmark, per language
    #[command(after_help = "Example:\n  rmbench data check train.parquet --against bench.parquet --model models/first")]
    Check {
        #[command(flatten)]
        data: DataArgs,
        /// A file that must not share items with these, such as a benchmark
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        against: Option<PathBuf>,
        /// Count items that are too long for this model directory's tokenizer
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        model: Option<PathBuf>,
        /// The longest sequence in tokens, in place of what the tokenizer's files say
        #[arg(long, value_name = "N", requires = "model")]
        max_length: Option<usize>,
    },
    /// Count items and lengths per language, category and subset, and lines in the wrong language
    #[command(after_help = "\
Examples:
  rmbench data stats train.parquet
  rmbench data stats train.parquet --identifier lid.176.ftz")]
    Stats {
        #[command(flatten)]
        data: DataArgs,
        /// What tells the language of a line: a classifier that fastText wrote, in place of the one built in
        #[arg(long, value_name = "MODEL", value_hint = ValueHint::FilePath)]
        identifier: Option<PathBuf>,
    },
    /// Count completions that are not in the language they should be in
    Confusion(ConfusionArgs),
    /// Write preference data in another format, with the usual column names
    #[command(after_help = "\
Examples:
  rmbench data convert old.jsonl --out pairs.parquet
  rmbench data convert parts/*.csv --out parquet/ --column chosen=better --column rejected=worse --lang en")]
    Convert {
        #[command(flatten)]
        data: DataArgs,
        /// A file, whose ending names the format; or for several FILEs a directory, which gets Parquet
        #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
        out: PathBuf,
    },
    /// Write what a judge can learn from: its questions with right and wrong judgments, as preference pairs
    Judgments(JudgmentsArgs),
    /// Show one row as a model will see it: text, tokens, and what was done to them
    #[command(override_usage = "rmbench data show --model MODEL --pairs FILE --row N [OPTIONS]")]
    #[command(after_help = "Example:\n  rmbench data show --model models/first --pairs bench.parquet --row 7")]
    Show(ShowArgs),
    /// Bring public benchmarks from the Hugging Face hub, and check them against their manifests
    #[command(override_usage = "rmbench data fetch NAME... [OPTIONS]\n       rmbench data fetch --list [--sizes]")]
    #[command(after_help = "\
Examples:
  rmbench data fetch rewardbench-2 --data data
  rmbench data fetch m-rewardbench --langs ar,tr,@script:Deva --data data")]
    Fetch(FetchArgs),
}

#[derive(Debug, ClapArgs)]
pub struct ShowArgs {
    /// A model directory, or hf:ORG/NAME
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: String,
    /// A file of preference data, or hf-data:ORG/NAME/FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub pairs: PathBuf,
    /// The row of the file, counted from 0 as in messages
    #[arg(long, value_name = "N")]
    pub row: u64,
    /// The language of files without a language column
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Option<String>,
    /// What a column is called, as in `--column chosen=better_answer`; repeatable
    #[arg(long, value_name = "PART=NAME")]
    pub column: Vec<String>,
    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct FetchArgs {
    /// Benchmarks by name
    #[arg(required_unless_present = "list", value_name = "NAME")]
    pub names: Vec<String>,
    /// Directory for the benchmarks' data files, as `score --data` takes it
    #[arg(long, value_name = "DIR", default_value = "data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Languages: codes or names separated by commas, sets such as @script:Arab, or all
    #[arg(long, value_name = "LIST|all", default_value = "all")]
    pub langs: String,
    /// List the benchmarks there are, with size, languages and licence, and stop
    #[arg(long, conflicts_with = "names")]
    pub list: bool,
    /// With --list: ask the hub how many bytes each has
    #[arg(long, requires = "list")]
    pub sizes: bool,
}

/// What is read and how, the same for all that look into data.
#[derive(Debug, ClapArgs)]
pub struct DataArgs {
    /// Preference data: Parquet, Arrow IPC, JSONL, JSON, CSV or TSV files, or hf-data:ORG/NAME[/FILE]
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Languages to read: codes or names separated by commas, sets such as @script:Arab, or all
    #[arg(long, value_name = "LIST|all", default_value = "all")]
    pub langs: String,
    /// The language of files without a language column
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Option<String>,
    /// What a column is called, as in `--column chosen=better_answer`; repeatable
    #[arg(long, value_name = "PART=NAME")]
    pub column: Vec<String>,
    /// Leave bad rows out and count them, instead of stopping at the first
    #[arg(long)]
    pub skip_bad_rows: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  rmbench demo --out somewhere")]
pub struct DemoArgs {
    /// Directory for data, model, scores and report
    #[arg(long, value_name = "DIR", default_value = "rmbench-demo", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Seed of data and training
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
}

/// Shells that completions can be written for.
pub type Shell = clap_complete::Shell;
