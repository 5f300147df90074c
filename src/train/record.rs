//! What a run's record and its model's directory say of where the model comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::TrainError;
use super::settings::TrainSettings;
use crate::device;
use crate::provenance::{COMMIT, RunInfo, VERSION};
use crate::reward::artifact::{self, ModelCard, ProvenanceCard, Stage};
use crate::reward::options::{HeadKind, RewardOptions};

/// `kind` is the model's, `digests` those of the model that the run begins with.
pub(super) fn described(
    settings: &TrainSettings,
    n_pairs: usize,
    data_digests: Vec<(PathBuf, String)>,
    mut digests: BTreeMap<String, String>,
    n_params: usize,
    kind: &str,
    out: &Path,
) -> Result<(RunInfo, ProvenanceCard), TrainError> {
    let source = &settings.source;
    let spec = source.model.as_deref().ok_or_else(|| TrainError::Settings("`source.model` is missing".into()))?;
    let device = device::parse(&source.device).map_err(|e| TrainError::Settings(e.to_string()))?;
    let card = artifact::read_card(Path::new(spec)).map_err(Box::new)?;
    let stages = card.map(ModelCard::stages).unwrap_or_default();
    let mut run = RunInfo::of_this_binary(&name_of(out), spec, kind);
    run.stages = stages.iter().map(Stage::to_string).collect();
    run.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    run.device = device::name(device);
    run.dtype = source.dtype.clone();
    digests.extend(data_digests.iter().map(|(path, digest)| (format!("data/{}", name_of(path)), digest.clone())));
    run.digests = digests;
    let provenance = ProvenanceCard {
        version: VERSION.to_owned(),
        commit: COMMIT.to_owned(),
        base: spec.to_owned(),
        data: data_digests.into_iter().map(|(_, digest)| digest).collect(),
        langs: Some(source.langs.clone())
            .filter(|langs| langs != "all")
            .or_else(|| source.lang.map(|lang| lang.code().to_owned())),
        seed: settings.seed,
        pairs: Some(n_pairs as u64),
        parameters: Some(n_params as u64),
        study: source.study.clone(),
        stages,
    };
    Ok((run, provenance))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// What the objective says of the reward head and of where it reads, and for the rest the settings.
pub(super) fn reward_options(settings: &TrainSettings) -> RewardOptions {
    let (pooling, label_weights) = (settings.objective.pooling(), settings.objective.label_weights());
    let head = settings.objective.reads_critiques().then_some(HeadKind::Critique);
    RewardOptions { pooling, head, label_weights, ..RewardOptions::default() }.over(settings.reward.clone())
}
