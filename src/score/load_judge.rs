//! Language models from disk that judge.

use std::collections::BTreeMap;

use super::ScoreError;
use super::load::failed;
use super::settings::ScoreSettings;
use crate::backbone::lora::AdapterUse;
use crate::device;
use crate::generation::ends::Ends;
use crate::generation::judge::LocalJudge;
use crate::generation::{Capacity, Writer};
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::head::has_critics_head;
use crate::reward::network::{Loading, MissingHead};
use crate::reward::options::{HeadKind, RewardOptions};
use crate::reward::parts::ModelParts;

/// A language model that judges, and the digests of its files.
pub fn open(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(LocalJudge, BTreeMap<String, String>), ScoreError> {
    let parts = ModelParts::find(spec, settings.base.as_deref(), progress).map_err(|e| failed(spec, e.hint(), e))?;
    let on = device::parse(&settings.device).map_err(|e| failed(spec, "see `rmbench doctor`", e))?;
    let compute = device::parse_dtype(&settings.dtype).map_err(|e| failed(spec, "use f32, bf16 or f16", e))?;
    let digests = parts.digests().map_err(|e| failed(spec, "", e))?;
    let loading = Loading { device: on, weights: compute, compute, missing: MissingHead::Refuse };
    let card = parts.card().map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
    // A head that reads critiques stands beside the output layer that writes them.
    let is_critic = match card.and_then(|card| card.reward.head) {
        Some(head) => head == HeadKind::Critique,
        None => has_critics_head(&parts.checkpoint).map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?,
    };
    let options = if is_critic { RewardOptions::default() } else { artifact::as_policy() };
    let model = artifact::load_parts(&parts, AdapterUse::Merged, loading, &settings.text, &options)
        .map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
    let ends = Ends::of(&parts.checkpoint, &model.text).map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
    let mut identity = format!("local {} {} {}\n", device::name(on), settings.dtype, device::LIBTORCH_VERSION);
    digests.iter().for_each(|(name, digest)| identity.push_str(&format!("{name} {digest}\n")));
    identity.push_str(&toml::to_string(model.text.settings()).unwrap_or_default());
    let capacity = Capacity { tokens: settings.batch_tokens, ..Capacity::default() };
    Ok((LocalJudge { writer: Writer { model, ends, capacity }, name: spec.to_owned(), identity }, digests))
}

/// What a run with judges of this machine was computed by.
pub fn describe(info: &mut RunInfo, settings: &ScoreSettings) -> Result<(), ScoreError> {
    let spec = settings.model().unwrap_or_default();
    let on = device::parse(&settings.device).map_err(|e| failed(spec, "see `rmbench doctor`", e))?;
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = device::name(on);
    info.dtype = settings.dtype.clone();
    info.threads = device::threads();
    Ok(())
}
