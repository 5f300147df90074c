//! A model whose adapter alone is trained.

use tch::{Device, Kind};

use crate::backbone::lora::{Adapter, AdapterUse, Task};
use crate::files;
use crate::hub::name::MODEL_PREFIX;
use crate::progress::Progress;
use crate::reward::artifact::{self, ArtifactError};
use crate::reward::network::{Loading, MissingHead};
use crate::reward::options::RewardOptions;
use crate::reward::parts::ModelParts;
use crate::reward::scalar::ScalarModel;
use crate::train::error::TrainError;
use crate::train::settings::{AdapterMethod, TrainSettings};

/// The base stays in the kind of activations, the adapter and the head are in f32. `own` says which head the model has,
/// `task` what the adapter is for.
///
/// Whatever the checkpoint lacks is drawn, and must then be trained and saved with the adapter: a pooler or head
/// left at random values is the best-known way to lose a run.
pub fn beside_a_checkpoint(
    parts: &ModelParts,
    settings: &TrainSettings,
    own: &RewardOptions,
    task: Task,
    (device, compute): (Device, Kind),
    progress: &mut dyn Progress,
) -> Result<ScalarModel, TrainError> {
    let missing = MissingHead::Draw { init: settings.head_init, seed: settings.seed };
    let loading = Loading { device, weights: compute, compute, missing };
    let failed = |e: ArtifactError| TrainError::from(Box::new(e));
    if settings.adapter.method == AdapterMethod::Keep {
        if parts.adapter.is_none() {
            let why = "`adapter.method` is keep, and `--model` is no adapter; choose lora or dora for a new one";
            return Err(TrainError::Settings(why.into()));
        }
        let model = artifact::load_parts(parts, AdapterUse::Apart, loading, &settings.text(), own).map_err(failed)?;
        if let Some(loss) = model.network.adapter_loss() {
            let why =
                format!("this adapter cannot be trained further: {loss}; `rmbench model merge-adapter` merges it");
            return Err(TrainError::Begin(why));
        }
        if model.network.adapter().is_some_and(|config| config.dora && config.dropout > 0.0) {
            progress.warn("the adapter's `lora_dropout` is not applied: DoRA is trained without it here");
        }
        return Ok(model);
    }
    if parts.adapter.is_some() {
        let why = "`--model` is an adapter itself: set adapter.method=keep to train it further, or merge it first \
                   (rmbench model merge-adapter)";
        return Err(TrainError::Settings(why.into()));
    }
    let mut also = Vec::new();
    loop {
        let config = settings.adapter.config(task, &also).map_err(TrainError::Settings)?;
        let adapter = Adapter::new(config.clone());
        let model = artifact::load_with(parts, Some(adapter), loading, &settings.text(), own).map_err(failed)?;
        let mut lost = Vec::new();
        for name in &model.network.drawn {
            if !config.saves(name).map_err(TrainError::Settings)? {
                lost.push(name.rsplit_once('.').map_or(name.as_str(), |(module, _)| module).to_owned());
            }
        }
        if lost.is_empty() || also.iter().any(|module| lost.contains(module)) {
            if !model.network.params().keys().any(|name| name.contains(".lora_")) {
                let why = format!("`adapter.targets` {:?} fit no layer of this model", settings.adapter.targets);
                return Err(TrainError::Settings(why));
            }
            return Ok(model);
        }
        also.extend(lost);
        also.sort();
        also.dedup();
    }
}

/// What the adapter's configuration will call its base: the hub's name of it, or where it lies.
pub fn base_name(parts: &ModelParts, settings: &TrainSettings) -> Result<String, TrainError> {
    let source = &settings.source;
    let spec = if parts.adapter.is_some() { source.base.as_deref() } else { source.model.as_deref() };
    if let Some(name) = spec.and_then(|spec| spec.strip_prefix(MODEL_PREFIX)) {
        return Ok(name.split('@').next().unwrap_or(name).to_owned());
    }
    Ok(files::whole_path(&parts.checkpoint)?)
}
