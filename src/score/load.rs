//! Models from disk: directory, device and text settings to something that scores.

use std::path::Path;

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::device;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::embedding::EmbeddingModel;
use crate::reward::locate;
use crate::reward::parts::ModelParts;
use crate::reward::scalar::ScalarModel;

/// The model and its provenance.
pub fn scalar(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(ScalarModel, RunInfo), ScoreError> {
    let failed = |hint: &str, source: Box<dyn std::error::Error + Send + Sync>| ScoreError::Load {
        spec: spec.to_owned(),
        hint: hint.to_owned(),
        source,
    };
    let parts = ModelParts::find(spec, settings.base.as_deref(), progress).map_err(|e| failed(&e.hint(), e.into()))?;
    let on = device::parse(&settings.device).map_err(|e| failed("see `rmbench doctor`", e.into()))?;
    let compute = device::parse_dtype(&settings.dtype).map_err(|e| failed("use f32, bf16 or f16", e.into()))?;
    let mut model = artifact::load_to_score(&parts, on, compute, &settings.text, &settings.reward)
        .map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    model.token_budget = settings.batch_tokens;
    let digests = parts.digests().map_err(|e| failed("", e.into()))?;
    let mut info = info(spec, settings, device::name(on), &model, digests)?;
    let card = parts.card().map_err(|e| failed("", e.into()))?;
    if let Some(provenance) = card.and_then(|card| card.provenance) {
        info.study = provenance.of_study();
        info.trained_on = provenance.langs;
    }
    Ok((model, info))
}

/// A head on vectors and its provenance; `None` where the model is none.
pub fn embedding(spec: &str, settings: &ScoreSettings) -> Result<Option<(EmbeddingModel, RunInfo)>, ScoreError> {
    let dir = Path::new(spec);
    if !EmbeddingModel::is_in(dir) {
        return Ok(None);
    }
    let failed = |hint: &str, source: Box<dyn std::error::Error + Send + Sync>| ScoreError::Load {
        spec: spec.to_owned(),
        hint: hint.to_owned(),
        source,
    };
    let on = device::parse(&settings.device).map_err(|e| failed("see `rmbench doctor`", e.into()))?;
    let model = EmbeddingModel::load(dir, on).map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "embedding");
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = device::name(on);
    info.threads = device::threads();
    info.seed = settings.seed;
    info.digests = locate::digests(dir)?;
    if let Some(provenance) = artifact::read_card(dir).ok().flatten().and_then(|card| card.provenance) {
        info.study = provenance.of_study();
        info.trained_on = provenance.langs;
    }
    Ok(Some((model, info)))
}

fn info(
    spec: &str,
    settings: &ScoreSettings,
    on: String,
    model: &ScalarModel,
    digests: std::collections::BTreeMap<String, String>,
) -> Result<RunInfo, ScoreError> {
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "scalar");
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = on;
    info.dtype = settings.dtype.clone();
    info.threads = device::threads();
    info.seed = settings.seed;
    info.digests = digests;
    if let Some(template) = model.text.template_source() {
        info.digests.insert("template".to_owned(), crate::files::sha256(template.as_bytes()));
    }
    Ok(info)
}
