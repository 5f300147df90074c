//! Flags of `rmbench model` and `rmbench merge`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};

use super::{AddUserArgs, ConfigArgs, CpmArgs, FeaturesArgs, OrchestrateArgs, PalArgs};

#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// Write a LoRA adapter and its base as one ordinary checkpoint
    #[command(after_help = "Example:\n  rmbench model merge-adapter --model models/adapter --out models/merged")]
    MergeAdapter(MergeAdapterArgs),
    /// Write one user's rewards, of a model trained with objective individual or of `model pal`, as a model of its own
    #[command(after_help = "Example:\n  rmbench model personal --model models/all --user anna --out models/anna")]
    Personal(PersonalArgs),
    /// Write one user's rewards from a few of the user's pairs, by a model trained with objective individual
    #[command(override_usage = "rmbench model add-user --model DIR --user NAME --out DIR FILE...")]
    #[command(
        after_help = "Example:\n  rmbench model add-user few.jsonl --model models/all --user new --out models/new"
    )]
    AddUser(AddUserArgs),
    /// Write what a model's trunk makes of responses, as vectors in place of texts
    #[command(override_usage = "rmbench model features --model MODEL --out FILE.parquet FILE...")]
    #[command(
        after_help = "Example:\n  rmbench model features pairs.parquet --model models/first --out vectors.parquet"
    )]
    Features(FeaturesArgs),
    /// Fit a compositional preference model: a weighted sum of features that can be read
    #[command(override_usage = "rmbench model cpm --out DIR FILE... [OPTIONS]")]
    #[command(
        after_help = "Example:\n  rmbench model cpm rated.parquet --names helpful,correct,brief --out models/cpm"
    )]
    Cpm(CpmArgs),
    /// Fit ideal points of groups of users to pairs with vectors and users
    #[command(override_usage = "rmbench model pal --out DIR FILE... [OPTIONS]")]
    #[command(after_help = "Example:\n  rmbench model pal vectors.parquet --k 2,1,4 --out models/pal")]
    Pal(PalArgs),
    /// Weigh several reward models by what a prompt is, and say what that gains
    #[command(override_usage = "rmbench model orchestrate RUN RUN... --out FILE.json [OPTIONS]")]
    #[command(
        after_help = "Example:\n  rmbench model orchestrate runs/a runs/b runs/c --by language,category --out weights.json"
    )]
    Orchestrate(OrchestrateArgs),
}

#[derive(Debug, ClapArgs)]
pub struct PersonalArgs {
    /// A model directory with users.safetensors, or one that `model pal` wrote
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

#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "rmbench merge MODEL MODEL... --out DIR [OPTIONS]\n       rmbench merge MODEL... --base MODEL --method ties --out DIR [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  rmbench merge models/ar models/hi models/tr --match-heads pairs.parquet --out models/merged
  rmbench merge models/ar models/hi --method ties --base models/base --weights 1,0.5 --out models/ties
  rmbench merge models/safe --minus models/safe-flipped --method task-arithmetic --base models/base \\
                --weights 0 --weights 0.5 --weights 1 --out models/safer")]
pub struct MergeArgs {
    /// Model directories, or hf:ORG/NAME
    #[arg(value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub models: Vec<String>,
    /// linear, slerp, task-arithmetic, ties or dare-ties
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// What the models were trained from: task-arithmetic, ties and dare-ties add differences to it
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub base: Option<String>,
    /// For each MODEL the one its difference is taken from, instead of the base
    #[arg(long, value_name = "MODEL", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub minus: Vec<String>,
    /// One weight per MODEL, separated by commas; repeated: one merge for each, in directories below --out
    #[arg(long, value_name = "W,...", allow_hyphen_values = true)]
    pub weights: Vec<String>,
    /// Bring every model's rewards on these pairs to mean 0 and deviation 1 before heads are merged
    #[arg(long, value_name = "PAIRS", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub match_heads: Vec<PathBuf>,
    /// Directory for the merged model
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
}
