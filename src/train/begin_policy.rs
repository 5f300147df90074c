//! The language model a run of a policy begins with, and the reference it is compared with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Kind;

use super::begin::{placed, train_by_groups};
use super::error::TrainError;
use super::policy::PolicyTrainable;
use super::record::described;
use super::settings::TrainSettings;
use crate::backbone::lora::{Adapter, AdapterUse};
use crate::files;
use crate::objective::implicit::{PolicyNeeds, ReferenceOf};
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::implicit::ImplicitCard;
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
    // f32 masters; an adapter is merged into its base.
    let loading = Loading { device, weights: Kind::Float, compute, missing: MissingHead::Refuse };
    let policy = artifact::load_parts(&parts, AdapterUse::Merged, loading, &settings.text(), &artifact::as_policy())
        .map_err(Box::new)?;
    let of_model = needs.reference == Some(ReferenceOf::Model);
    let mut reference = None;
    let mut of_reference = digests.clone();
    match source.reference.as_deref() {
        Some(_) if !of_model => {
            let why = format!("objective `{}` has no use for a reference model", settings.objective.name());
            return Err(TrainError::Settings(why));
        }
        Some(named) => {
            let parts = find(named, None, progress)?;
            of_reference = parts.digests()?;
            digests.extend(of_reference.iter().map(|(file, digest)| (format!("reference/{file}"), digest.clone())));
            let adapter = parts.adapter.as_deref().map(|dir| Adapter::open(dir, AdapterUse::Merged)).transpose();
            let adapter = adapter.map_err(|e| TrainError::Begin(e.to_string()))?;
            let loading = Loading { weights: compute, ..loading };
            let network = Network::load_with(&parts.checkpoint, adapter, loading, &artifact::as_policy());
            reference = Some(network.map_err(|e| TrainError::Begin(format!("`{named}`: {e}")))?);
        }
        None => {}
    }
    let reference_digest = digest(&of_reference, &source.dtype);
    train_by_groups(&policy.network, settings)?;
    let n_params = policy.network.n_params();
    progress.line(&format!("{spec}: {:.2} M parameters", n_params as f64 / 1e6));
    let (run, provenance) = described(settings, n_pairs, data_digests, digests, n_params, "implicit", out)?;
    // What a trained behaviour-proximal policy is measured against at test time is the model it began with.
    let named = needs.reference.map(|_| source.reference.clone().unwrap_or_else(|| spec.to_owned()));
    let card = ImplicitCard {
        normalisation: needs.normalisation,
        beta: Some(needs.beta),
        length_power: None,
        reference: named.map(|name| absolute(&name)),
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
    };
    Ok(PolicyBeginning { trainable, run })
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
