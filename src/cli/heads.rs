//! `rmbench model features`, `cpm`, `pal`, `add-user` and `orchestrate`.

mod orchestrate;

use std::sync::Arc;

use serde_json::json;
use toml::{Table, Value};

use super::Outcome;
use super::args::{AddUserArgs, CpmArgs, DataArgs, FeaturesArgs, PalArgs};
use super::config;
use super::data;
use super::hint::CliError;
use super::message::Message;
use crate::backbone::lora::AdapterUse;
use crate::backbone::weights;
use crate::benchmark::dataset;
use crate::benchmark::reader::{self, ReadOptions};
use crate::device;
use crate::files;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::{COMMIT, VERSION};
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::head::HeadInit;
use crate::reward::network::{Loading, MissingHead};
use crate::reward::options::RewardOptions;
use crate::reward::parts::ModelParts;
use crate::text::settings::TextOverrides;
use crate::train::directory::refuse_occupied;
use crate::train::heads::pal::{FILE, Pal, PalSettings, trial};
use crate::train::heads::{cpm, in_words, of_vectors};
use crate::train::personal;

pub use orchestrate::orchestrate;

/// Pairs of the files, and the files' digests.
fn pairs(
    args: &DataArgs,
    options: ReadOptions,
    progress: &mut dyn Progress,
) -> anyhow::Result<(Vec<Comparison>, Vec<String>)> {
    let options = ReadOptions { evidence: options.evidence, embeddings: options.embeddings, ..data::options(args)? };
    let (mut all, mut digests) = (Vec::new(), Vec::new());
    for path in dataset::local(&args.files, progress)? {
        digests.push(files::sha256_file(&path)?);
        all.extend(reader::open(&path, &options)?.collect::<Result<Vec<_>, _>>()?);
    }
    Ok((all, digests))
}

/// Pairs with what training reads and vectors.
fn vectors(args: &DataArgs, progress: &mut dyn Progress) -> anyhow::Result<(Vec<Comparison>, Vec<String>)> {
    pairs(args, ReadOptions { evidence: true, embeddings: true, ..ReadOptions::default() }, progress)
}

fn provenance(base: &str, data: Vec<String>, seed: u64, n_pairs: usize) -> ProvenanceCard {
    ProvenanceCard {
        version: VERSION.to_owned(),
        commit: COMMIT.to_owned(),
        base: base.to_owned(),
        data,
        langs: None,
        seed,
        pairs: Some(n_pairs as u64),
        parameters: None,
        study: Default::default(),
        stages: Vec::new(),
    }
}

/// What `--set` may say of how features are computed.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FeatureSettings {
    text: TextOverrides,
    reward: RewardOptions,
}

/// What a trunk makes of data, as columns of vectors.
pub fn features(args: &FeaturesArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let (on, kind) = (device::parse(&args.device)?, device::parse_dtype(&args.dtype)?);
    let (pairs, _) = pairs(&args.data, ReadOptions { evidence: true, ..ReadOptions::default() }, message)?;
    let wanted: FeatureSettings = config::resolve("", None, &args.set, Table::new())?;
    let parts = ModelParts::find(&args.model, None, message)?;
    // No reward is asked for: a trunk without a head will do.
    let missing = MissingHead::Draw { init: HeadInit::Zero, seed: 0 };
    let loading = Loading { device: on, weights: kind, compute: kind, missing };
    let model = artifact::load_parts(&parts, AdapterUse::Merged, loading, &wanted.text, &wanted.reward)?;
    model.feature_key()?;
    let encoded = model.text.encode_all(&pairs)?;
    message.begin("computing features", pairs.len() as u64, "items");
    let rows = model.features(&encoded, &mut |n| message.advance(n)).map_err(|error| error.among(&pairs));
    message.finish();
    crate::reward::features::table::write(&args.out, &pairs, &rows?)?;
    message.line(&format!("features of {} items: `{}`", pairs.len(), args.out.display()));
    Ok(Outcome::Done)
}

/// A compositional preference model as a linear head on vectors.
pub fn cpm(args: &CpmArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    let (comparisons, digests) = vectors(&args.data, message)?;
    let pairs = of_vectors(&comparisons)?;
    let width = pairs[0].chosen.len();
    if !args.names.is_empty() && args.names.len() != width {
        let problem = format!("--names gives {} names, and the vectors have {width} numbers", args.names.len());
        return Err(CliError::new(problem, "name every feature once, in the vectors' order").into());
    }
    let model = cpm::fit(&pairs, args.seed)?;
    model.save(&args.out, Some(provenance("cpm", digests, args.seed, pairs.len())))?;
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| model.weights[b].abs().total_cmp(&model.weights[a].abs()));
    let mut text = format!("{:?} penalty, C = {:.3e}\nfeature weight\n", model.penalty, model.c);
    for k in order {
        let name = args.names.get(k).cloned().unwrap_or_else(|| k.to_string());
        text += &format!("{name} {:.4}\n", model.weights[k]);
    }
    text += &format!("cross-validated accuracy {}\n", in_words(model.cross_validated));
    message.data(&text)?;
    message.line(&format!("model: `{}`", args.out.display()));
    Ok(Outcome::Done)
}

/// Prototypes of users' ideal points, and how well seen and new users are known.
pub fn pal(args: &PalArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    if !(args.held_out > 0.0 && args.held_out < 1.0) {
        return Err(CliError::new(format!("--held-out is {}", args.held_out), "give a share between 0 and 1").into());
    }
    let settings = pal_settings(&args.set)?;
    let (comparisons, digests) = vectors(&args.data, message)?;
    let pairs = of_vectors(&comparisons)?;
    let mut trials = Vec::new();
    for &k in &args.k {
        let trial = trial(&pairs, PalSettings { k: i64::from(k), ..settings }, args.held_out)?;
        let mut text = format!("{k} prototypes\n  known users, pairs kept apart: {}\n", in_words(trial.seen));
        for (shots, accuracy) in &trial.unseen {
            text += &format!("  new users after {shots} pairs: {}\n", in_words(*accuracy));
        }
        message.data(&text)?;
        let unseen: Vec<_> =
            trial.unseen.iter().map(|(n, accuracy)| json!({"pairs": n, "accuracy": accuracy})).collect();
        trials.push(json!({"k": k, "seen": trial.seen, "unseen": unseen}));
    }
    let k = args.k.first().copied().unwrap_or(2);
    let model = Pal::fit(&pairs, PalSettings { k: i64::from(k), ..settings })?;
    let tensors = model.tensors();
    files::create_dir(&args.out)?;
    weights::write(&args.out.join(FILE), tensors.iter().map(|(name, t)| (name.as_str(), t)))?;
    let shares: serde_json::Map<String, _> =
        model.users().iter().map(|user| (user.to_string(), json!(model.shares(user)))).collect();
    let record = json!({
        "version": VERSION, "commit": COMMIT, "data": digests, "settings": PalSettings { k: i64::from(k), ..settings },
        "loss": model.loss, "shares": shares, "trials": trials,
    });
    files::write_bytes(&args.out.join("pal.json"), (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
    message.line(&format!("{k} prototypes of {} users: `{}`", model.users().len(), args.out.display()));
    Ok(Outcome::Done)
}

fn pal_settings(sets: &[String]) -> anyhow::Result<PalSettings> {
    let hint = "settings are width, closeness, loss, steps, lr, weight-decay, restarts and seed";
    let mut table = Table::new();
    for set in sets {
        let (key, text) = set
            .split_once('=')
            .ok_or_else(|| CliError::new(format!("`--set {set}` is not of the form KEY=VALUE"), hint))?;
        let value = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
        table.insert(key.trim().to_owned(), value.unwrap_or_else(|| Value::String(text.trim().to_owned())));
    }
    let parsed: Result<PalSettings, _> = Value::Table(table).try_into();
    Ok(parsed.map_err(|error| CliError::new(error.message().to_owned(), hint))?)
}

/// A further user's vector from a few pairs, and that user's rewards as a checkpoint.
pub fn add_user(args: &AddUserArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    refuse_occupied(&args.out)?;
    if !(args.ridge > 0.0 && args.ridge.is_finite()) {
        return Err(CliError::new(format!("--ridge is {}", args.ridge), "give a number above 0").into());
    }
    let (mut pairs, _) = pairs(&args.data, ReadOptions { evidence: true, ..ReadOptions::default() }, message)?;
    if pairs.iter().any(|pair| pair.evidence.user.is_some()) {
        pairs.retain(|pair| pair.evidence.user.as_deref() == Some(args.user.as_str()));
    }
    pairs.retain(Comparison::is_pair);
    if pairs.is_empty() {
        let problem = format!("the data have no pairs of user `{}`", args.user);
        return Err(CliError::new(problem, "--column user=NAME names the column of users").into());
    }
    let (cpu, kind) = (device::parse("cpu")?, device::parse_dtype("f32")?);
    let model = artifact::load(&args.model, cpu, kind, kind, MissingHead::Refuse, None)?;
    let shots = personal::shots(&args.model, &model, &pairs)?;
    for (n, accuracy) in personal::by_shots(&shots, args.ridge) {
        message.line(&format!("after {n} pairs: {} on this user's others", in_words(accuracy)));
    }
    personal::add(&args.model, &args.user, &shots, args.ridge, &args.out)?;
    let user: Arc<str> = args.user.as_str().into();
    message.line(&format!("rewards of user `{user}`, from {} pairs: `{}`", shots.len(), args.out.display()));
    Ok(Outcome::Done)
}
