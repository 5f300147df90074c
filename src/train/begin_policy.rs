//! The language model a run of a policy begins with, and the reference it is compared with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Kind;

use super::begin::{adapter, ask_for_gradients, placed, size_of};
use super::error::TrainError;
use super::policy::PolicyTrainable;
use super::record::described;
use super::settings::{AdapterMethod, TrainSettings};
use crate::backbone::lora::{Adapter, AdapterUse, Task};
use crate::files;
use crate::objective::implicit::{PolicyNeeds, ReferenceOf};
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::implicit::{BASE_REFERENCE, ImplicitCard};
use crate::reward::network::{Loading, MissingHead, Network};
use crate::reward::parts::ModelParts;

/// A policy ready to train, and what the run's record says of it.
pub struct PolicyBeginning {
    pub trainable: PolicyTrainable,
    pub run: RunInfo,
}

/// Loads the model named in the settings as a language model; `needs` are the objective's, `n_pairs` counts the
/// training pairs.
pub fn begin_policy(
    settings: &TrainSettings,
    needs: PolicyNeeds,
    n_pairs: usize,
    data_digests: Vec<(PathBuf, String)>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<PolicyBeginning, TrainError> {
    let source = &settings.source;
    let spec = source.model.as_deref().ok_or_else(|| TrainError::Settings("`source.model` is missing".into()))?;
    if spec.starts_with("init:") {
        let why = format!(
            "objective `{}` trains a language model, and `{spec}` knows no language; give --model a directory or hf:ORG/NAME",
            settings.objective.name()
        );
        return Err(TrainError::Settings(why));
    }
    let (device, compute) = placed(settings)?;
    let find = |spec: &str, base: Option<&str>, progress: &mut dyn Progress| {
        ModelParts::find(spec, base, progress).map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))
    };
    let parts = find(spec, source.base.as_deref(), progress)?;
    let mut digests = parts.digests()?;
    let mut adapter_base = None;
    let policy = match settings.adapter.is_used() {
        true => {
            adapter_base = Some(adapter::base_name(&parts, settings)?);
            let (own, task) = (artifact::as_policy(), Task::LanguageModel);
            adapter::beside_a_checkpoint(&parts, settings, &own, task, (device, compute), progress)?
        }
        false => {
            // f32 masters; an adapter is merged into its base.
            let loading = Loading { device, weights: Kind::Float, compute, missing: MissingHead::Refuse };
            artifact::load_parts(&parts, AdapterUse::Merged, loading, &settings.text(), &artifact::as_policy())
                .map_err(Box::new)?
        }
    };
    let of_model = needs.reference == Some(ReferenceOf::Model);
    let mut reference = None;
    let mut of_reference = digests.clone();
    match source.reference.as_deref() {
        Some(_) if !of_model && !needs.read_against_start => {
            let why = format!("objective `{}` has no use for a reference model", settings.objective.name());
            return Err(TrainError::Settings(why));
        }
        Some(named) => {
            let parts = match named == BASE_REFERENCE {
                true => off(&parts)?,
                false => find(named, None, progress)?,
            };
            of_reference = parts.digests()?;
            digests.extend(of_reference.iter().map(|(file, digest)| (format!("reference/{file}"), digest.clone())));
            if of_model {
                let adapter = parts.adapter.as_deref().map(|dir| Adapter::open(dir, AdapterUse::Merged)).transpose();
                let adapter = adapter.map_err(|e| TrainError::Begin(e.to_string()))?;
                let loading = Loading { device, weights: compute, compute, missing: MissingHead::Refuse };
                let network = Network::load_with(&parts.checkpoint, adapter, loading, &artifact::as_policy());
                reference = Some(network.map_err(|e| TrainError::Begin(format!("`{named}`: {e}")))?);
            }
        }
        None => {}
    }
    let reference_digest = digest(&of_reference, &source.dtype);
    ask_for_gradients(&policy.network, settings)?;
    let n_params = policy.network.n_params();
    progress.line(&size_of(spec, &policy.network));
    let (run, provenance) = described(settings, n_pairs, data_digests, digests, n_params, "implicit", out)?;
    let card = ImplicitCard {
        normalisation: needs.normalisation,
        beta: Some(needs.beta),
        length_power: None,
        curve: needs.curve,
        span: needs.span,
        reference: read_against(settings, needs, spec, &parts),
    };
    let trainable = PolicyTrainable {
        policy,
        reference,
        reference_digest,
        needs,
        tokenizer_dir: parts.tokenizer().to_owned(),
        objective: settings.objective.label(),
        card,
        provenance,
        token_budget: settings.token_budget,
        adapter_base,
        segment: settings.segment(),
    };
    Ok(PolicyBeginning { trainable, run })
}

/// What the trained model's rewards are read against, as `rmbench.toml` names it.
fn read_against(settings: &TrainSettings, needs: PolicyNeeds, spec: &str, parts: &ModelParts) -> Option<String> {
    // What a trained behaviour-proximal policy is measured against at test time is the model it began with.
    if needs.reference.is_none() && !needs.read_against_start {
        return None;
    }
    let is_new = settings.adapter.is_used() && settings.adapter.method != AdapterMethod::Keep;
    Some(match settings.source.reference.as_deref() {
        // A new adapter began as nothing: its base is the model that training began with.
        None if is_new => BASE_REFERENCE.to_owned(),
        None => absolute(spec),
        Some(BASE_REFERENCE) if settings.adapter.is_used() => BASE_REFERENCE.to_owned(),
        // An adapter that was merged is no longer one.
        Some(BASE_REFERENCE) => absolute(&parts.checkpoint.to_string_lossy()),
        Some(named) => absolute(named),
    })
}

/// The model with its adapter off.
fn off(parts: &ModelParts) -> Result<ModelParts, TrainError> {
    match &parts.adapter {
        Some(_) => Ok(ModelParts { checkpoint: parts.checkpoint.clone(), adapter: None }),
        None => {
            let why = "`source.reference` is base, and `--model` is no adapter; a new adapter's base is the reference \
                       anyway: leave it out";
            Err(TrainError::Settings(why.into()))
        }
    }
}

/// Says which model gave log-probabilities: its files, and the precision it computed in.
fn digest(files: &BTreeMap<String, String>, dtype: &str) -> String {
    let named = files.iter().map(|(name, digest)| format!("{name} {digest}\n"));
    files::sha256((named.collect::<String>() + dtype).as_bytes())
}

/// A directory as others find it, wherever they stand; other names as they are.
fn absolute(name: &str) -> String {
    match std::fs::canonicalize(name) {
        Ok(path) if path.is_dir() => path.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}
