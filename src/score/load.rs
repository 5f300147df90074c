//! Models from disk: directory, device and text settings to something that scores.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind};

use super::ScoreError;
use super::implicit::{Compat, NO_REFERENCE};
use super::settings::ScoreSettings;
use crate::backbone::lora::{Adapter, AdapterUse};
use crate::device;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::RewardModel;
use crate::reward::artifact::{self, ModelCard};
use crate::reward::embedding::EmbeddingModel;
use crate::reward::implicit::{BASE_REFERENCE, ImplicitCard, ImplicitModel};
use crate::reward::locate;
use crate::reward::network::{Loading, MissingHead, Network};
use crate::reward::options::RewardKind;
use crate::reward::parts::ModelParts;
use crate::reward::scalar::ScalarModel;
use crate::table::implicit::View;

/// Something that went wrong with a model, as the run's error.
pub(super) fn failed(
    spec: &str,
    hint: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ScoreError {
    ScoreError::Load { spec: spec.to_owned(), hint: hint.into(), source: source.into() }
}

/// The model and its provenance.
pub fn open(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<(RewardModel, RunInfo), ScoreError> {
    let parts = ModelParts::find(spec, settings.base.as_deref(), progress).map_err(|e| failed(spec, e.hint(), e))?;
    let on = device::parse(&settings.device).map_err(|e| failed(spec, "see `rmbench doctor`", e))?;
    let compute = device::parse_dtype(&settings.dtype).map_err(|e| failed(spec, "use f32, bf16 or f16", e))?;
    let card = parts.card().map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
    let mut digests = parts.digests().map_err(|e| failed(spec, "", e))?;
    let kind = settings.kind(card.as_ref().map(|card| card.reward.kind));
    let model = match kind {
        RewardKind::Scalar => {
            let mut model = artifact::load_to_score(&parts, on, compute, &settings.text, &settings.reward)
                .map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
            model.token_budget = settings.batch_tokens;
            RewardModel::Scalar(Box::new(model))
        }
        RewardKind::Implicit => {
            let loaded = Implicit { spec, settings, on, compute, parts: &parts, card: card.as_ref() }.load(progress)?;
            digests.extend(loaded.digests);
            RewardModel::Implicit(Box::new(loaded.model))
        }
        // A directory of this kind is opened by `embedding`; this one has another.
        RewardKind::Embedding => {
            let hint = "train one with `--model init:embeddings`, or leave the kind to the model's directory";
            return Err(ScoreError::Absent { what: "a head on vectors", hint });
        }
        RewardKind::Generative => {
            let hint = "the model is generative: give --judge the protocol that it judges by; --kind implicit scores with its own probabilities";
            return Err(ScoreError::Absent { what: "how the judge is asked", hint });
        }
    };
    let text = match &model {
        RewardModel::Scalar(model) => Some(&model.text),
        RewardModel::Implicit(model) => Some(&model.policy.text),
        RewardModel::Mock(_) | RewardModel::Embedding(_) => None,
    };
    if let Some(template) = text.and_then(|text| text.template_source()) {
        digests.insert("template".to_owned(), crate::files::sha256(template.as_bytes()));
    }
    let mut info = info(spec, settings, device::name(on), digests)?;
    info.kind = match kind {
        RewardKind::Scalar => "scalar".to_owned(),
        RewardKind::Embedding => "embedding".to_owned(),
        RewardKind::Implicit => "implicit".to_owned(),
        RewardKind::Generative => "generative".to_owned(),
    };
    if let Some(provenance) = card.and_then(|card| card.provenance) {
        info.study = provenance.of_study();
        info.stages = provenance.earlier();
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
    let on = device::parse(&settings.device).map_err(|e| failed(spec, "see `rmbench doctor`", e))?;
    let model = EmbeddingModel::load(dir, on).map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "embedding");
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = device::name(on);
    info.threads = device::threads();
    info.seed = settings.seed;
    info.digests = locate::digests(dir)?;
    if let Some(provenance) = artifact::read_card(dir).ok().flatten().and_then(|card| card.provenance) {
        info.study = provenance.of_study();
        info.stages = provenance.earlier();
        info.trained_on = provenance.langs;
    }
    Ok(Some((model, info)))
}

fn info(
    spec: &str,
    settings: &ScoreSettings,
    on: String,
    digests: BTreeMap<String, String>,
) -> Result<RunInfo, ScoreError> {
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "scalar");
    info.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    info.device = on;
    info.dtype = settings.dtype.clone();
    info.threads = device::threads();
    info.seed = settings.seed;
    info.digests = digests;
    Ok(info)
}

/// An implicit model on its way from disk.
struct Implicit<'a> {
    spec: &'a str,
    settings: &'a ScoreSettings,
    on: Device,
    compute: Kind,
    parts: &'a ModelParts,
    card: Option<&'a ModelCard>,
}

struct Loaded {
    model: ImplicitModel,
    /// Of the reference.
    digests: BTreeMap<String, String>,
}

impl Implicit<'_> {
    fn load(&self, progress: &mut dyn Progress) -> Result<Loaded, ScoreError> {
        let Self { spec, settings, .. } = *self;
        let card = self.card.and_then(|card| card.reward.implicit.as_ref());
        let mut policy = artifact::load_parts(
            self.parts,
            AdapterUse::Merged,
            self.loading(),
            &settings.text,
            &artifact::as_policy(),
        )
        .map_err(|e| failed(spec, e.hint().unwrap_or_default(), e))?;
        policy.token_budget = settings.batch_tokens;
        if settings.implicit.compat == Some(Compat::RewardBench) {
            policy = ScalarModel { text: policy.text.as_rewardbench(), ..policy };
        }
        let reference = self.reference(card, progress)?;
        let mut digests = BTreeMap::new();
        let reference = match reference {
            None => None,
            Some((name, parts)) => {
                let of_reference = parts.digests().map_err(|e| failed(&name, "", e))?;
                digests.extend(of_reference.into_iter().map(|(file, digest)| (format!("reference/{file}"), digest)));
                Some(self.network(&name, &parts)?)
            }
        };
        // RewardBench knows of responses only.
        let span = card.filter(|_| settings.implicit.compat.is_none()).map(|card| card.span).unwrap_or_default();
        let of_model = card.map_or_else(View::default, ImplicitCard::view);
        let view = settings.implicit.view(of_model, reference.is_some())?;
        Ok(Loaded { model: ImplicitModel { policy, reference, view, span }, digests })
    }

    fn loading(&self) -> Loading {
        Loading { device: self.on, weights: self.compute, compute: self.compute, missing: MissingHead::Refuse }
    }

    /// The reference's own tokenizer and template are not read: it sees the policy's tokens.
    fn network(&self, name: &str, parts: &ModelParts) -> Result<Network, ScoreError> {
        let adapter = parts.adapter.as_deref().map(|dir| Adapter::open(dir, AdapterUse::Merged)).transpose();
        let adapter = adapter.map_err(|e| failed(name, "", e))?;
        Network::load_with(&parts.checkpoint, adapter, self.loading(), &artifact::as_policy())
            .map_err(|e| failed(name, e.hint().unwrap_or_default(), e))
    }

    /// The reference's name and where it lies; `None` where rewards need none.
    fn reference(
        &self,
        card: Option<&ImplicitCard>,
        progress: &mut dyn Progress,
    ) -> Result<Option<(String, ModelParts)>, ScoreError> {
        let base = || ModelParts { checkpoint: self.parts.checkpoint.clone(), adapter: None };
        let given = self.settings.implicit.reference.as_deref();
        let asked = match (given, card) {
            (Some(NO_REFERENCE), _) => return Ok(None),
            (Some(name), _) => name.to_owned(),
            (None, Some(ImplicitCard { reference: Some(name), .. })) => self.beside(name),
            (None, Some(_)) => return Ok(None),
            (None, None) => BASE_REFERENCE.to_owned(),
        };
        if asked == BASE_REFERENCE {
            if self.parts.adapter.is_some() {
                return Ok(Some((asked, base())));
            }
            let hint =
                "give --reference the model that training began with, or none for the policy's probabilities alone";
            return Err(ScoreError::Absent { what: "the reference model of the policy", hint });
        }
        let hint = "give --reference where the reference model is now, or none";
        let parts = ModelParts::find(&asked, None, progress)
            .map_err(|e| failed(&asked, if given.is_some() { e.hint() } else { hint.to_owned() }, e))?;
        Ok(Some((asked, parts)))
    }

    /// A path in `rmbench.toml` counts from here, or from the model's own directory.
    fn beside(&self, name: &str) -> String {
        if name == BASE_REFERENCE {
            return name.to_owned();
        }
        let dir = self.parts.adapter.as_deref().unwrap_or(&self.parts.checkpoint).join(name);
        if !Path::new(name).is_dir() && dir.is_dir() { dir.to_string_lossy().into_owned() } else { name.to_owned() }
    }
}
