//! `rmbench model`.

use super::args::{MergeAdapterArgs, ModelVerb, PersonalArgs};
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, heads};
use crate::backbone::lora::{Task, adapter};
use crate::device;
use crate::files;
use crate::progress::Progress;
use crate::reward::artifact::{self, RewardCard};
use crate::reward::implicit::{BASE_REFERENCE, ImplicitCard};
use crate::reward::options::{RewardKind, RewardOptions};
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
    let card = language_model(&parts)?;
    let options = if card.is_some() { artifact::as_policy() } else { RewardOptions::default() };
    let model = artifact::load_to_score(&parts, cpu, kind, &TextOverrides::default(), &options)?;
    let card = card.unwrap_or_else(|| RewardCard::of(&model, None));
    artifact::save_with(&args.out, &model, parts.tokenizer(), card, None)?;
    let parameters = model.network.n_params() as f64 / 1e6;
    message.line(&format!("merged {parameters:.2} M parameters: `{}`", args.out.display()));
    Ok(Outcome::Done)
}

/// What `rmbench.toml` will say of a merged language model; `None` where the adapter is over a model with a reward head.
fn language_model(parts: &ModelParts) -> anyhow::Result<Option<RewardCard>> {
    let config = parts.adapter.as_deref().map(adapter::read_config).transpose()?;
    let card = parts.card()?.map(|card| card.reward);
    let is_one = match &card {
        Some(card) => matches!(card.kind, RewardKind::Implicit | RewardKind::Generative),
        None => config.is_some_and(|config| config.task() == Some(Task::LanguageModel)),
    };
    if !is_one {
        return Ok(None);
    }
    // Without a card it is read as `--kind implicit` reads the adapter: against its base.
    let against_base = || ImplicitCard { reference: Some(BASE_REFERENCE.to_owned()), ..ImplicitCard::default() };
    let mut card = card.unwrap_or_else(|| RewardCard::of_policy(None, against_base()));
    if let Some(implicit) = &mut card.implicit
        && implicit.reference.as_deref() == Some(BASE_REFERENCE)
    {
        // What was merged is no adapter any more: its base goes by its place.
        implicit.reference = Some(files::whole_path(&parts.checkpoint)?);
    }
    Ok(Some(card))
}

/// The common head and a user's vector in, an ordinary checkpoint out.
fn personal(args: &PersonalArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    users::write(&args.model, &args.user, &args.out)?;
    message.line(&format!("rewards of user `{}`: `{}`", args.user, args.out.display()));
    Ok(Outcome::Done)
}
