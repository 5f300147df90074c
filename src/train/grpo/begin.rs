//! The judge that a run begins with, twice: to be trained, and to be held to.

use std::path::{Path, PathBuf};

use tch::Kind;

use super::model::JudgeModel;
use super::settings::JudgeTraining;
use crate::backbone::lora::{AdapterUse, Task};
use crate::generation::ends::Ends;
use crate::generation::{Capacity, Writer};
use crate::judge::Protocol;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::network::{Loading, MissingHead};
use crate::reward::parts::ModelParts;
use crate::train::begin::{adapter, ask_for_gradients, placed, size_of};
use crate::train::error::TrainError;
use crate::train::kept::Kept;
use crate::train::record::described;
use crate::train::settings::TrainSettings;

/// A judge ready to train, and what the run's record says of it.
pub struct JudgeBeginning {
    pub model: JudgeModel,
    pub run: RunInfo,
}

/// Loads the language model that the settings name. `n_pairs`, `data_digests`: of the training data.
pub fn begin(
    settings: &TrainSettings,
    judge: &JudgeTraining,
    n_pairs: usize,
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
    let (on, compute) = placed(settings)?;
    let protocol = Protocol::find(&judge.protocol).map_err(|e| {
        TrainError::Settings(format!("`judge.protocol`: {e}{}", e.hint().map_or(String::new(), |h| format!("; {h}"))))
    })?;
    if judge.worth.reads_grades()[0] && !protocol.asks_for_grades() {
        let why = format!(
            "`judge.worth` counts ratings of single responses, and the protocol `{}` asks for none",
            protocol.name
        );
        return Err(TrainError::Settings(why));
    }
    let parts = ModelParts::find(spec, source.base.as_deref(), progress)
        .map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))?;
    let own = artifact::as_policy();
    let load = |weights| {
        let loading = Loading { device: on, weights, compute, missing: MissingHead::Refuse };
        artifact::load_parts(&parts, AdapterUse::Merged, loading, &settings.text(), &own).map_err(Box::new)
    };
    let (policy, adapter_base) = match settings.adapter.is_used() {
        true => {
            let base = adapter::base_name(&parts, settings)?;
            let (task, on) = (Task::LanguageModel, (on, compute));
            (adapter::beside_a_checkpoint(&parts, settings, &own, task, on, progress)?, Some(base))
        }
        false => (load(Kind::Float)?, None),
    };
    if (Kept { model: &policy, adapter_base: adapter_base.as_deref() }).drops() {
        let why = "the adapter has `lora_dropout`, and judges sample replies from the model as it is; set it to 0 in its \
                   adapter_config.json";
        return Err(TrainError::Settings(why.into()));
    }
    // As training began: of a new adapter the base, whose weights are the same pages of its file.
    let of_reference = if adapter_base.is_some() { compute } else { Kind::Float };
    let reference = if judge.loss.kl > 0.0 { Some(load(of_reference)?.network) } else { None };
    ask_for_gradients(&policy.network, settings)?;
    let ends = Ends::of(&parts.checkpoint, &policy.text).map_err(|e| TrainError::Begin(e.to_string()))?;
    let n_params = policy.network.n_params();
    progress.line(&size_of(spec, &policy.network));
    let mut digests = parts.digests()?;
    digests.insert(format!("protocol/{}", protocol.name), protocol.digest.clone());
    let (run, provenance) = described(settings, n_pairs, data_digests, digests, n_params, "generative", out)?;
    let capacity = Capacity { sequences: 64, tokens: settings.token_budget };
    let writer = Writer { model: policy, ends, capacity };
    let tokenizer_dir = parts.tokenizer().to_owned();
    Ok(JudgeBeginning {
        model: JudgeModel { writer, reference, protocol, tokenizer_dir, provenance, adapter_base },
        run,
    })
}
