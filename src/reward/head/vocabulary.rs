//! The output layer of the language model that a checkpoint is: one row of it as a reward head, or all of it, as the head or
//! beside one.

use serde_json::Value;
use tch::Tensor;

use super::stack::{Layer, Stack};
use super::{Found, HeadError};
use crate::backbone::config::{BackboneConfig, Family, ModelType};
use crate::backbone::layers::Linear;
use crate::backbone::params::{Init, ParamError, ParamSource, fits};
use crate::backbone::vocabulary::OutputLayer;
use crate::backbone::weights::Checkpoint;

/// What checkpoints call it: transformers, InternLM2, and Gemma 3 with images as it once was.
const OUTPUTS: [&str; 3] = ["lm_head", "output", "language_model.lm_head"];

/// Where the output layer is.
struct Place {
    /// Its module, whether or not the checkpoint has it.
    module: &'static str,
    /// Rows that are stored under that name.
    stored_rows: Option<i64>,
    /// The embeddings serve as output layer.
    is_tied: bool,
    embedding: String,
}

impl Place {
    fn of(config: &BackboneConfig, json: &Value, stored_shape: impl Fn(&str) -> Option<Vec<i64>>) -> Self {
        let shape = |module: &str| stored_shape(&format!("{module}.weight"));
        let module = OUTPUTS.into_iter().find(|module| shape(module).is_some()).unwrap_or(OUTPUTS[0]);
        let embedding = match &config.family {
            Family::Decoder(decoder) => format!("{}.weight", decoder.names.embeddings),
            _ => config.model_type.word_embeddings(),
        };
        let stored_rows = shape(module).and_then(|shape| shape.first().copied());
        // Some configurations leave their architecture's default out.
        let stated = json.get("tie_word_embeddings").and_then(Value::as_bool);
        let tied_by_default = matches!(
            config.model_type,
            ModelType::Gemma
                | ModelType::Gemma2
                | ModelType::Gemma3
                | ModelType::Gemma3Text
                | ModelType::Cohere
                | ModelType::Cohere2
        );
        let is_tied = stated.unwrap_or(tied_by_default && stored_rows.is_none());
        Self { module, stored_rows, is_tied, embedding }
    }

    fn name(&self) -> String {
        format!("{}.weight", self.module)
    }
}

/// What the architecture does to its logits, also where the configuration leaves the default out: Cohere scales them,
/// Gemma 2 caps them.
fn scale_and_cap(config: &BackboneConfig, json: &Value) -> (Option<f64>, Option<f64>) {
    let number = |key: &str, of: &[ModelType], default: f64| match json.get(key) {
        None => of.contains(&config.model_type).then_some(default),
        Some(given) => given.as_f64(),
    };
    (
        number("logit_scale", &[ModelType::Cohere, ModelType::Cohere2], 0.0625),
        number("final_logit_softcapping", &[ModelType::Gemma2], 30.0),
    )
}

/// The row of the output layer, or of the embeddings where they serve as one, as a linear layer of its own.
/// It is called `score`, since a model saved with it is a one-label classifier.
pub(super) fn logit(found: &Found, id: u32, source: &mut ParamSource) -> Result<Stack, HeadError> {
    const NAME: &str = "score.weight";
    let config = found.config;
    let place = Place::of(config, found.json, |name| source.stored_shape(name));
    let row = if source.stored_shape(NAME).is_some() {
        // Saved by this suite.
        Some(source.take_head(NAME, &[1, config.hidden], Init::Zeros)?)
    } else if !place.is_tied && place.stored_rows.is_some() {
        source.take_head_row(&place.name(), i64::from(id), NAME, config.hidden)?
    } else {
        let row = match source.taken(&place.embedding) {
            Some(embeddings) if place.is_tied && i64::from(id) < config.vocab => {
                Some(embeddings.narrow(0, i64::from(id), 1).detach().copy())
            }
            _ => None,
        };
        row.map(|row| source.keep_head(NAME, row)).transpose()?
    };
    let row = row.ok_or_else(|| match place.stored_rows {
        Some(rows) if !place.is_tied => HeadError::NoEntry { id, name: place.name(), rows },
        None if !place.is_tied => HeadError::NoVocabulary { id, name: place.name() },
        _ => HeadError::NoEntry { id, name: place.embedding, rows: config.vocab },
    })?;
    let (scale, cap) = scale_and_cap(config, found.json);
    if let Some(scale) = scale {
        let _ = row.shallow_clone().g_mul_scalar_(scale);
    }
    Ok(Stack(std::iter::once(Layer::Weight(row)).chain(cap.map(Layer::SoftCap)).collect()))
}

/// The whole layer, in the backbone's kind; a checkpoint without one is no language model.
pub(super) fn output_layer(found: &Found, source: &mut ParamSource) -> Result<OutputLayer, HeadError> {
    let config = found.config;
    if !matches!(config.family, Family::Decoder(_)) {
        return Err(HeadError::OtherFamily { kind: super::HeadKind::Vocabulary, family: "of causal decoders" });
    }
    let place = Place::of(config, found.json, |name| source.stored_shape(name));
    let layer = match source.taken(&place.embedding) {
        Some(embeddings) if place.is_tied => Linear::of_weight(embeddings),
        _ if place.stored_rows.is_none() && source.is_checkpoint() => {
            return Err(HeadError::NoOutputLayer { name: place.name() });
        }
        _ => {
            let bias = source.stored_shape(&format!("{}.bias", place.module)).is_some();
            Linear::new(source, place.module, config.vocab, config.hidden, bias, config.initializer_range)?
        }
    };
    let (scale, cap) = scale_and_cap(config, found.json);
    Ok(OutputLayer::new(layer, scale, cap))
}

/// The output layer beside a reward head: that of the language model which `checkpoint` also holds, as it stands there and not
/// trained; the embeddings, where they serve as one or where there is no other. With its name, where it is stored.
pub(in crate::reward) fn beside(
    config: &BackboneConfig,
    json: &Value,
    embeddings_vd: &Tensor,
    mut checkpoint: Option<Checkpoint>,
) -> Result<(OutputLayer, Option<String>), ParamError> {
    let stored = |name: &str| checkpoint.as_ref().and_then(|checkpoint| checkpoint.stored(name));
    let place = Place::of(config, json, |name| stored(name).map(|stored| stored.shape));
    let name = place.name();
    let own = stored(&name).filter(|_| !place.is_tied);
    if let Some(stored) = &own {
        fits(&name, stored, &[place.stored_rows.unwrap_or_default(), config.hidden])?;
    }
    let mut load = |name: &str| -> Result<Option<Tensor>, ParamError> {
        let Some(checkpoint) = &mut checkpoint else { return Ok(None) };
        Ok(checkpoint.load(name, embeddings_vd.kind(), embeddings_vd.device())?.map(|loaded| loaded.tensor))
    };
    let weight = if own.is_some() { load(&name)? } else { None };
    let layer = Linear::of_weight(weight.as_ref().unwrap_or(embeddings_vd));
    let layer = match weight.is_some().then(|| load(&format!("{}.bias", place.module))).transpose()?.flatten() {
        Some(bias) => layer.with_bias(&bias),
        None => layer,
    };
    let (scale, cap) = scale_and_cap(config, json);
    Ok((OutputLayer::new(layer, scale, cap), weight.map(|_| name)))
}
