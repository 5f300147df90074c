//! The model a run begins with: a checkpoint, or a preset around a tokenizer trained on the data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Kind};

use super::error::TrainError;
use super::scalar::ScalarTrainable;
use super::settings::TrainSettings;
use crate::backbone::lora::AdapterUse;
use crate::device;
use crate::objective::Objective;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::{COMMIT, RunInfo, VERSION};
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::network::{Loading, MissingHead};
use crate::reward::options::RewardOptions;
use crate::reward::padding;
use crate::reward::parts::ModelParts;
use crate::reward::preset;
use crate::reward::scalar::ScalarModel;
use crate::text::settings::TextSettings;
use crate::text::train_tokenizer::{TokenizerKind, train_bpe};

/// Where a tokenizer trained for this run lies, below the output directory.
const TOKENIZER_DIR: &str = "tokenizer";
/// What such a tokenizer consists of; the last file is written last.
const TOKENIZER_FILES: [&str; 3] = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];

/// A model ready to train, and what the run's record says of it.
pub struct Beginning {
    pub trainable: ScalarTrainable,
    pub run: RunInfo,
}

/// Loads or draws the model named in the settings. `data` are the training pairs, for a tokenizer.
pub fn begin(
    settings: &TrainSettings,
    data: &[Comparison],
    data_digests: Vec<(PathBuf, String)>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Beginning, TrainError> {
    let source = &settings.source;
    let spec = source.model.as_deref().ok_or_else(|| TrainError::Settings("`source.model` is missing".into()))?;
    if source.reference.is_some() {
        let why = format!("objective `{}` has no use for a reference model", settings.objective.name());
        return Err(TrainError::Settings(why));
    }
    let (device, compute) = placed(settings)?;
    let mut digests = BTreeMap::new();
    let (model, tokenizer_dir) = match spec.strip_prefix("init:") {
        Some(name) => from_scratch(name, settings, data, out, compute, device, progress)?,
        None => {
            let parts = ModelParts::find(spec, source.base.as_deref(), progress)
                .map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))?;
            digests.extend(parts.digests()?);
            (from_checkpoint(&parts, settings, compute, device, progress)?, parts.tokenizer().to_owned())
        }
    };
    // Stand-ins for rejected responses are cut where the prompt ends.
    let model = match settings.pretraining.epochs > 0.0 || settings.auxiliary.mismatched_share > 0.0 {
        true => ScalarModel { text: model.text.marking_prompts(), ..model },
        false => model,
    };
    model.network.train_all();
    if let Some(warning) = padding::warning(&model) {
        progress.warn(&warning);
    }
    progress.line(&format!("{spec}: {:.2} M parameters", model.network.n_params() as f64 / 1e6));
    let (run, provenance) = record(settings, spec, "scalar", device, digests, data_digests, out);
    let objective = settings.objective.name().to_owned();
    Ok(Beginning { trainable: ScalarTrainable { model, tokenizer_dir, objective, provenance }, run })
}

/// What is written down of a run, and with its model.
pub(super) fn record(
    settings: &TrainSettings,
    spec: &str,
    kind: &str,
    device: Device,
    mut digests: BTreeMap<String, String>,
    data_digests: Vec<(PathBuf, String)>,
    out: &Path,
) -> (RunInfo, ProvenanceCard) {
    let source = &settings.source;
    let mut run = RunInfo::of_this_binary(&name_of(out), spec, kind);
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
    };
    (run, provenance)
}

/// Device and kind of activations of a run.
pub(super) fn placed(settings: &TrainSettings) -> Result<(Device, Kind), TrainError> {
    let source = &settings.source;
    let device = device::parse(&source.device).map_err(|e| TrainError::Settings(e.to_string()))?;
    let compute = device::parse_dtype(&source.dtype).map_err(|e| TrainError::Settings(e.to_string()))?;
    if compute == Kind::Half {
        let why = "gradients vanish in f16 without loss scaling; train in bf16 or f32 (both score in f16 afterwards)";
        return Err(TrainError::Settings(why.into()));
    }
    Ok((device, compute))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// f32 masters; a head that the checkpoint lacks is drawn and named. An adapter is merged into its base.
fn from_checkpoint(
    parts: &ModelParts,
    settings: &TrainSettings,
    compute: Kind,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<ScalarModel, TrainError> {
    let missing = MissingHead::Draw { init: settings.head_init, seed: settings.seed };
    let loading = Loading { device, weights: Kind::Float, compute, missing };
    let own = reward_options(&settings.objective);
    let mut model =
        artifact::load_parts(parts, AdapterUse::Merged, loading, &settings.text(), &own).map_err(Box::new)?;
    if let Some(why) = model.network.head().untrainable(settings.objective.n_attributes() > 0) {
        return Err(TrainError::Begin(why));
    }
    // A head that was trained reads where it learnt to; a new one, or a rule that ignores padding, is free.
    if !(model.network.drawn.is_empty() && model.pooling.reads_pad_id())
        && let Some(change) = padding::separate(&mut model)
    {
        progress.line(&change);
    }
    if !model.network.drawn.is_empty() {
        progress.line(&format!("drawn at random, not in the checkpoint: {}", model.network.drawn.join(", ")));
    }
    Ok(model)
}

/// What the objective says of the reward head and of where it reads.
fn reward_options(objective: &Objective) -> RewardOptions {
    let (pooling, label_weights) = (objective.pooling(), objective.label_weights());
    RewardOptions { pooling, label_weights, ..RewardOptions::default() }
}

fn from_scratch(
    name: &str,
    settings: &TrainSettings,
    data: &[Comparison],
    out: &Path,
    compute: Kind,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<(ScalarModel, PathBuf), TrainError> {
    let known = || preset::PRESETS.map(|p| format!("init:{}", p.name)).join(", ");
    let preset = preset::find(name)
        .ok_or_else(|| TrainError::Settings(format!("there is no preset `init:{name}`; known: {}", known())))?;
    let preset = settings.init.apply(preset);
    let dir = out.join(TOKENIZER_DIR);
    // A resumed run finds its own; the same data give the same tokenizer anyway.
    if !TOKENIZER_FILES.iter().all(|file| dir.join(file).is_file()) {
        progress.begin("training the tokenizer", 1, "vocabulary");
        let texts = data.iter().flat_map(|comparison| {
            let prompt = comparison.prompt.0.iter().map(|message| message.content.as_str());
            prompt.chain(comparison.responses().map(|response| response.text.as_str()))
        });
        let trained = train_bpe(texts, preset.vocab, TokenizerKind::Decoder, preset.max_length)
            .and_then(|tokenizer| tokenizer.write(&dir).map(|()| tokenizer.vocab_size()));
        let size = trained.map_err(|e| TrainError::Begin(e.to_string()))?;
        progress.advance(1);
        progress.finish();
        progress.line(&format!("tokenizer of {size} entries trained on the data"));
    }
    let text = settings.text().over(TextSettings::default());
    let reward = reward_options(&settings.objective);
    let (init, seed) = (settings.head_init, settings.seed);
    let model = artifact::init(&preset, &dir, &text, init, seed, compute, device, &reward).map_err(Box::new)?;
    Ok((model, dir))
}
