//! The judge that a run begins with, twice: to be trained, and to be held to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Kind;

use super::model::JudgeModel;
use super::settings::JudgeTraining;
use crate::backbone::lora::AdapterUse;
use crate::device;
use crate::generation::ends::Ends;
use crate::generation::{Capacity, Writer};
use crate::judge::Protocol;
use crate::progress::Progress;
use crate::provenance::{COMMIT, RunInfo, VERSION};
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::network::{Loading, MissingHead};
use crate::reward::parts::ModelParts;
use crate::train::error::TrainError;
use crate::train::settings::TrainSettings;

/// A judge ready to train, and what the run's record says of it.
pub struct JudgeBeginning {
    pub model: JudgeModel,
    pub run: RunInfo,
}

/// Loads the language model that the settings name. `data_digests`: the training data's files.
pub fn begin(
    settings: &TrainSettings,
    judge: &JudgeTraining,
    data_digests: Vec<(PathBuf, String)>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<JudgeBeginning, TrainError> {
    judge.validate()?;
    let source = &settings.source;
    let spec = source.model.as_deref().ok_or_else(|| TrainError::Settings("`source.model` is missing".into()))?;
    if spec.starts_with("init:") {
        let why = "a judge that learns from its own judgments must be able to write some: begin with a language model, \
                   such as one trained on the output of `rmbench data judgments`";
        return Err(TrainError::Settings(why.into()));
    }
    let on = device::parse(&source.device).map_err(|e| TrainError::Settings(e.to_string()))?;
    let compute = device::parse_dtype(&source.dtype).map_err(|e| TrainError::Settings(e.to_string()))?;
    if compute == Kind::Half {
        return Err(TrainError::Settings("gradients vanish in f16 without loss scaling; train in bf16 or f32".into()));
    }
    let protocol = Protocol::find(&judge.protocol).map_err(|e| {
        TrainError::Settings(format!("`judge.protocol`: {e}{}", e.hint().map_or(String::new(), |h| format!("; {h}"))))
    })?;
    let parts = ModelParts::find(spec, source.base.as_deref(), progress)
        .map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))?;
    let loading = Loading { device: on, weights: Kind::Float, compute, missing: MissingHead::Refuse };
    let load = || artifact::load_parts(&parts, AdapterUse::Merged, loading, &settings.text, &artifact::as_policy());
    let policy = load().map_err(Box::new)?;
    let reference = if judge.loss.kl > 0.0 { Some(load().map_err(Box::new)?.network) } else { None };
    policy.network.train_all();
    let ends = Ends::of(&parts.checkpoint, &policy.text).map_err(|e| TrainError::Begin(e.to_string()))?;
    progress.line(&format!("{spec}: {:.2} M parameters", policy.network.n_params() as f64 / 1e6));
    let name = |path: &Path| {
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let mut run = RunInfo::of_this_binary(&name(out), spec, "generative");
    run.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    run.device = device::name(on);
    run.dtype = source.dtype.clone();
    let mut digests: BTreeMap<String, String> = parts.digests()?;
    digests.extend(data_digests.iter().map(|(path, digest)| (format!("data/{}", name(path)), digest.clone())));
    digests.insert(format!("protocol/{}", protocol.name), protocol.digest.clone());
    run.digests = digests;
    let provenance = ProvenanceCard {
        version: VERSION.to_owned(),
        commit: COMMIT.to_owned(),
        base: spec.to_owned(),
        data: data_digests.into_iter().map(|(_, digest)| digest).collect(),
        langs: Some(source.langs.clone()).filter(|langs| langs != "all"),
        seed: settings.seed,
    };
    let capacity = Capacity { sequences: 64, tokens: settings.token_budget };
    let writer = Writer { model: policy, ends, capacity };
    let tokenizer_dir = parts.tokenizer().to_owned();
    Ok(JudgeBeginning { model: JudgeModel { writer, reference, protocol, tokenizer_dir, provenance }, run })
}
