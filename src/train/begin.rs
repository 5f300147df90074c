//! The model a run begins with: a checkpoint, or a preset around a tokenizer trained on the data.

pub(super) mod adapter;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::directory::TOKENIZER_DIR;
use super::error::TrainError;
use super::overlap::digest;
use super::record::{described, reward_options};
use super::scalar::ScalarTrainable;
use super::settings::{Groups, TrainSettings};
use crate::backbone::lora::{AdapterUse, Task};
use crate::device;
use crate::files;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact;
use crate::reward::network::{Loading, MissingHead, Network};
use crate::reward::padding;
use crate::reward::parts::ModelParts;
use crate::reward::preset;
use crate::reward::scalar::ScalarModel;
use crate::text::settings::TextSettings;
use crate::text::train_tokenizer::{TokenizerKind, train_bpe};

/// Beside a tokenizer that was trained: the digest of what it was trained on. Written last, so that it says that
/// the others are whole, too.
const TRAINED_ON: &str = "trained-on.txt";

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
    refuse_reference(settings)?;
    let (device, compute) = placed(settings)?;
    let mut digests = BTreeMap::new();
    let mut adapter_base = None;
    let mut checkpoint = None;
    let (model, tokenizer_dir) = match spec.strip_prefix("init:") {
        Some(_) if settings.adapter.is_used() => {
            let why = "an adapter needs a model that was trained; `init:` presets train every parameter";
            return Err(TrainError::Settings(why.into()));
        }
        Some(name) => from_scratch(name, settings, data, out, compute, device, progress)?,
        None => {
            let parts = ModelParts::find(spec, source.base.as_deref(), progress)
                .map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))?;
            digests.extend(parts.digests()?);
            let model = match settings.adapter.is_used() {
                true => {
                    adapter_base = Some(adapter::base_name(&parts, settings)?);
                    let own = reward_options(settings);
                    let model = adapter::beside_a_checkpoint(
                        &parts,
                        settings,
                        &own,
                        Task::Classifier,
                        (device, compute),
                        progress,
                    )?;
                    ready(model, settings, progress)?
                }
                false => from_checkpoint(&parts, settings, compute, device, progress)?,
            };
            let tokenizer_dir = parts.tokenizer().to_owned();
            checkpoint = Some(parts.checkpoint);
            (model, tokenizer_dir)
        }
    };
    // Stand-ins for rejected responses are cut where the prompt ends, and critiques begin there.
    let stand_ins = settings.pretraining.epochs > 0.0 || settings.auxiliary.mismatched_share > 0.0;
    let model = match stand_ins || settings.objective.reads_critiques() {
        true => ScalarModel { text: model.text.marking_prompts(), ..model },
        false => model,
    };
    match source.features.is_some() && !settings.adapter.is_used() {
        // A head alone is made trainable where its features are known.
        true => refuse_unused_groups(&model.network, settings)?,
        false => ask_for_gradients(&model.network, settings)?,
    }
    if let Some(warning) = padding::warning(&model) {
        progress.warn(&warning);
    }
    progress.line(&size_of(spec, &model.network));
    let n_params = model.network.n_params();
    let (run, provenance) = described(settings, data.len(), data_digests, digests, n_params, "scalar", out)?;
    let objective = settings.objective.name().to_owned();
    let mut trainable = ScalarTrainable::new(model, tokenizer_dir, objective, provenance);
    (trainable.adapter_base, trainable.segment) = (adapter_base, settings.segment());
    let network = &trainable.model.network;
    if settings.predicts_tokens() && network.shares_prefixes() && network.head().output().is_none() {
        let (output, name) = network.output_beside(checkpoint.as_deref())?;
        progress.line(&match name {
            Some(name) => format!("next-token losses read `{name}` of `{spec}`, which stays as it is"),
            None => "next-token losses read the embeddings as output layer".to_owned(),
        });
        trainable.output = Some(output);
    }
    Ok(Beginning { trainable, run })
}

/// An adapter alone is trained, or everything but what `groups` freeze.
pub(super) fn ask_for_gradients(network: &Network, settings: &TrainSettings) -> Result<(), TrainError> {
    refuse_unused_groups(network, settings)?;
    if settings.adapter.is_used() {
        return network.train_adapter().map_err(|e| TrainError::Begin(e.to_string()));
    }
    let groups = Groups::of(&settings.groups);
    network.train_where(|name| !groups.is_frozen(name));
    Ok(())
}

fn refuse_unused_groups(network: &Network, settings: &TrainSettings) -> Result<(), TrainError> {
    match Groups::of(&settings.groups).unused(network.params().keys().map(String::as_str))[..] {
        [] => Ok(()),
        [unused, ..] => {
            let why = format!("`groups`: no parameter of this model has {unused:?} in its name");
            Err(TrainError::Settings(why))
        }
    }
}

/// Reward heads are compared with no other model.
pub(super) fn refuse_reference(settings: &TrainSettings) -> Result<(), TrainError> {
    match settings.source.reference {
        None => Ok(()),
        Some(_) => {
            let why = format!("objective `{}` has no use for a reference model", settings.objective.name());
            Err(TrainError::Settings(why))
        }
    }
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
    let own = reward_options(settings);
    let model = artifact::load_parts(parts, AdapterUse::Merged, loading, &settings.text(), &own).map_err(Box::new)?;
    ready(model, settings, progress)
}

/// What has to hold of a loaded model before it is trained.
fn ready(
    mut model: ScalarModel,
    settings: &TrainSettings,
    progress: &mut dyn Progress,
) -> Result<ScalarModel, TrainError> {
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

/// For the person waiting.
pub(super) fn size_of(spec: &str, network: &Network) -> String {
    let all = network.n_params() as f64 / 1e6;
    let trained = network.params().values().filter(|tensor| tensor.requires_grad()).map(Tensor::numel);
    let trained = trained.sum::<usize>() as f64 / 1e6;
    match trained < all {
        true => format!("{spec}: {all:.2} M parameters, {trained:.3} M of them trained"),
        false => format!("{spec}: {all:.2} M parameters"),
    }
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
    // A resumed run finds its own. What a killed run left that had other data is made anew.
    let origin = format!("{} {} {}\n", digest(data), preset.vocab, preset.max_length);
    let mark = dir.join(TRAINED_ON);
    if !(mark.is_file() && files::read_text(&mark)? == origin) {
        progress.begin("training the tokenizer", 1, "vocabulary");
        let texts = data.iter().flat_map(|comparison| {
            let prompt = comparison.prompt.0.iter().map(|message| message.content.as_str());
            prompt.chain(comparison.responses().map(|response| response.text.as_str()))
        });
        let trained = train_bpe(texts, preset.vocab, TokenizerKind::Decoder, preset.max_length)
            .and_then(|tokenizer| tokenizer.write(&dir).map(|()| tokenizer.vocab_size()));
        let size = trained.map_err(|e| TrainError::Begin(e.to_string()))?;
        files::write_bytes(&mark, origin.as_bytes())?;
        progress.advance(1);
        progress.finish();
        progress.line(&format!("tokenizer of {size} entries trained on the data"));
    }
    let text = settings.text().over(TextSettings::default());
    let reward = reward_options(settings);
    let (init, seed) = (settings.head_init, settings.seed);
    let model = artifact::init(&preset, &dir, &text, init, seed, compute, device, &reward).map_err(Box::new)?;
    Ok((model, dir))
}
