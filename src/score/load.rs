//! Models from disk: directory, device and text settings to something that scores or judges.

use std::collections::BTreeMap;

use tch::{Device, Kind};

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::backbone::lora::{Adapter, AdapterUse};
use crate::device;
use crate::files;
use crate::generation::ends::Ends;
use crate::generation::judge::LocalJudge;
use crate::generation::{Capacity, Writer};
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::language_model::LanguageModel;
use crate::reward::parts::ModelParts;
use crate::reward::scalar::ScalarModel;
use crate::text::encode::TextPipeline;

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn failed<'a>(spec: &'a str) -> impl Fn(&str, Cause) -> ScoreError + 'a {
    |hint, source| ScoreError::Load { spec: spec.to_owned(), hint: hint.to_owned(), source }
}

/// The directories of a model, and where it is computed in which kind.
fn parts(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(ModelParts, Device, Kind), ScoreError> {
    let failed = failed(spec);
    let parts = ModelParts::find(spec, settings.base.as_deref(), progress).map_err(|e| failed(&e.hint(), e.into()))?;
    let (on, compute) = place(settings).map_err(|(hint, e)| failed(hint, e.into()))?;
    Ok((parts, on, compute))
}

fn place(settings: &ScoreSettings) -> Result<(Device, Kind), (&'static str, device::DeviceError)> {
    let on = device::parse(&settings.device).map_err(|e| ("see `rmbench doctor`", e))?;
    let compute = device::parse_dtype(&settings.dtype).map_err(|e| ("use f32, bf16 or f16", e))?;
    Ok((on, compute))
}

/// The model and its provenance.
pub fn scalar(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(ScalarModel, RunInfo), ScoreError> {
    let failed = failed(spec);
    let (parts, on, compute) = parts(spec, settings, progress)?;
    let mut model = artifact::load_to_score(&parts, on, compute, &settings.text, &settings.reward)
        .map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    model.token_budget = settings.batch_tokens;
    let digests = parts.digests().map_err(|e| failed("", e.into()))?;
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "scalar");
    info.seed = settings.seed;
    info.digests = digests;
    describe(&mut info, settings)?;
    if let Some(template) = model.text.template_source() {
        info.digests.insert("template".to_owned(), files::sha256(template.as_bytes()));
    }
    let card = parts.card().map_err(|e| failed("", e.into()))?;
    info.trained_on = card.and_then(|card| card.provenance).and_then(|provenance| provenance.langs);
    Ok((model, info))
}

/// What a run with a model on this machine was computed by.
pub fn describe(info: &mut RunInfo, settings: &ScoreSettings) -> Result<(), ScoreError> {
    let (on, _) = place(settings).map_err(|(hint, e)| failed(settings.model().unwrap_or_default())(hint, e.into()))?;
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = device::name(on);
    info.dtype = settings.dtype.clone();
    info.threads = device::threads();
    Ok(())
}

/// A language model that judges, and the digests of its files.
pub fn judge(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(LocalJudge, BTreeMap<String, String>), ScoreError> {
    let failed = failed(spec);
    let (parts, on, compute) = parts(spec, settings, progress)?;
    let digests = parts.digests().map_err(|e| failed("", e.into()))?;
    let adapter = parts.adapter.as_deref().map(|dir| Adapter::open(dir, AdapterUse::Merged)).transpose();
    let adapter =
        adapter.map_err(|e| failed("an adapter has adapter_config.json and adapter_model.safetensors", e.into()))?;
    let model = LanguageModel::load(&parts.checkpoint, adapter, on, compute, compute)
        .map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    let of_text = parts.card().map_err(|e| failed("", e.into()))?.map(|card| card.text).unwrap_or_default();
    let text = TextPipeline::from_dir(parts.tokenizer(), &settings.text.over(of_text))
        .map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    let ends = Ends::of(&parts.checkpoint, &text).map_err(|e| failed(e.hint().unwrap_or_default(), e.into()))?;
    let mut identity = format!("local {} {} {}\n", device::name(on), settings.dtype, device::LIBTORCH_VERSION);
    digests.iter().for_each(|(name, digest)| identity.push_str(&format!("{name} {digest}\n")));
    identity.push_str(&toml::to_string(text.settings()).unwrap_or_default());
    let capacity = Capacity { tokens: settings.batch_tokens, ..Capacity::default() };
    Ok((LocalJudge { writer: Writer { model, text, ends, capacity }, name: spec.to_owned(), identity }, digests))
}
