//! `rmbench model`.

use super::args::{MergeAdapterArgs, ModelVerb, PersonalArgs};
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, heads};
use crate::device;
use crate::progress::Progress;
use crate::reward::artifact;
use crate::reward::options::RewardOptions;
use crate::reward::parts::ModelParts;
use crate::text::settings::TextOverrides;
use crate::train::directory::refuse_occupied;
use crate::train::personal as users;

pub fn run(verb: &ModelVerb, message: &mut Message) -> anyhow::Result<Outcome> {
    match verb {
        ModelVerb::MergeAdapter(args) => merge_adapter(args, message),
        ModelVerb::Personal(args) => personal(args, message),
        ModelVerb::AddUser(args) => heads::add_user(args, message),
        ModelVerb::Features(args) => heads::features(args, message),
        ModelVerb::Cpm(args) => heads::cpm(args, message),
        ModelVerb::Pal(args) => heads::pal(args, message),
        ModelVerb::Orchestrate(args) => heads::orchestrate(args, message),
    }
}

/// Adapter and base in, an ordinary checkpoint out.
fn merge_adapter(args: &MergeAdapterArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    let (cpu, kind) = (device::parse("cpu")?, device::parse_dtype(&args.dtype)?);
    let parts = ModelParts::find(&args.model, args.base.as_deref(), message)?;
    if parts.adapter.is_none() {
        let problem = format!("`{}` is not an adapter: it has no adapter_config.json", args.model);
        return Err(CliError::new(problem, "`rmbench score` takes it as it is").into());
    }
    let model = artifact::load_to_score(&parts, cpu, kind, &TextOverrides::default(), &RewardOptions::default())?;
    artifact::save(&args.out, &model, parts.tokenizer(), None, None)?;
    let parameters = model.network.n_params() as f64 / 1e6;
    message.line(&format!("merged {parameters:.2} M parameters: `{}`", args.out.display()));
    Ok(Outcome::Done)
}

/// The common head and a user's vector in, an ordinary checkpoint out.
fn personal(args: &PersonalArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    users::write(&args.model, &args.user, &args.out)?;
    message.line(&format!("rewards of user `{}`: `{}`", args.user, args.out.display()));
    Ok(Outcome::Done)
}
