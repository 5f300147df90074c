//! A reward head on vectors that come with the data: whatever made them, of texts, images or recordings.
//!
//! The model directory holds `model.safetensors` (`score.weight`, or `score.0.…` and `score.2.…`) and
//! `rmbench.toml` with `kind = "embedding"` and the vectors' width. There is no trunk and no tokenizer.

use std::path::Path;

use serde_json::{Value, json};
use tch::{Device, Tensor};

use super::artifact::{ArtifactError, FILE_NAME, ModelCard, ProvenanceCard, RewardCard, read_card, write_card};
use super::features::stacked;
use super::head::{Head, HeadInit, HeadStates};
use super::network::NetworkError;
use super::options::{HeadKind, RewardKind, RewardOptions};
use super::scalar::floats;
use super::{ResponseScore, RewardError};
use crate::backbone::config::BackboneConfig;
use crate::backbone::params::{ParamSource, Params};
use crate::backbone::weights::{self, Checkpoint};
use crate::files;
use crate::preference::{Comparison, Response};

/// Vectors scored at a time.
const WINDOW: usize = 4096;

pub struct EmbeddingModel {
    head: Head,
    params: Params,
    pub width: i64,
    pub device: Device,
}

impl EmbeddingModel {
    /// Whether a directory holds such a model.
    pub fn is_in(dir: &Path) -> bool {
        let kind = |card: ModelCard| card.reward.kind == RewardKind::Embedding;
        !dir.join("config.json").is_file() && read_card(dir).ok().flatten().is_some_and(kind)
    }

    /// Reads a model directory.
    pub fn load(dir: &Path, device: Device) -> Result<Self, ArtifactError> {
        let wrong = |problem: &str| ArtifactError::Wrong { path: dir.join(FILE_NAME), problem: problem.to_owned() };
        let card = read_card(dir)?.filter(|card| card.reward.kind == RewardKind::Embedding);
        let reward = card.ok_or_else(|| wrong("it does not say that this is a head on embeddings"))?.reward;
        let width = reward.width.filter(|width| *width > 0).ok_or_else(|| wrong("`width` is missing"))?;
        let config = shape(width)?;
        let kind = config.model_type;
        let source = ParamSource::checkpoint(Checkpoint::open_dir(dir)?, kind, 0, device, tch::Kind::Float);
        let model = Self::build(&config, &reward.options(), HeadInit::Zero, source, device)?;
        Ok(model)
    }

    /// Draws a head for vectors of `width` numbers.
    pub fn init(
        width: i64,
        options: &RewardOptions,
        init: HeadInit,
        seed: u64,
        device: Device,
    ) -> Result<Self, ArtifactError> {
        Self::build(&shape(width)?, options, init, ParamSource::random(seed, device), device)
    }

    fn build(
        config: &BackboneConfig,
        options: &RewardOptions,
        init: HeadInit,
        mut source: ParamSource,
        device: Device,
    ) -> Result<Self, ArtifactError> {
        let linear = || HeadKind::Linear { name: "score".into() };
        let options = RewardOptions { head: Some(options.head.clone().unwrap_or_else(linear)), ..options.clone() };
        let head = Head::new(config, &Value::Null, &options, init, &mut source).map_err(NetworkError::from)?;
        let finished = source.finish().map_err(NetworkError::from)?;
        Ok(Self { head, params: finished.params, width: config.hidden, device })
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Asks for gradients of every parameter, which then have memory of their own.
    pub fn train_all(&self) {
        for tensor in self.params.values() {
            let mut tensor = tensor.shallow_clone();
            let copy = tch::no_grad(|| tensor.copy());
            tensor.set_data(&copy);
            let _ = tensor.set_requires_grad(true);
        }
    }

    /// Rewards [n] of vectors, on the graph.
    pub fn states(&self, rows: &[&[f32]]) -> HeadStates {
        HeadStates { pooled_nd: stacked(rows, self.device), gate_nd: None, tokens: None }
    }

    /// The vector of a response; an error where it has none, or one of another width.
    pub fn vector<'a>(&self, comparison: &Comparison, response: &'a Response) -> Result<&'a [f32], RewardError> {
        let problem = match &response.embedding {
            None => "it has no vector, and the model is a head on embeddings".to_owned(),
            Some(vector) if vector.0.len() as i64 != self.width => {
                format!("its vector has {} numbers, and the model takes {}", vector.0.len(), self.width)
            }
            Some(vector) => return Ok(&vector.0),
        };
        let (item, lang, row) = (comparison.id.to_string(), comparison.lang, comparison.row);
        Err(RewardError::Item { item, lang, row, problem })
    }

    /// See [`RewardModel::score`](super::RewardModel::score).
    pub fn score(
        &self,
        comparisons: &[Comparison],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, RewardError> {
        let _no_grad = tch::no_grad_guard();
        let mut scores = Vec::with_capacity(comparisons.len());
        for window in comparisons.chunks(WINDOW) {
            let rows = window.iter().flat_map(|c| c.responses().map(move |response| self.vector(c, response)));
            let rows: Vec<&[f32]> = rows.collect::<Result<_, _>>()?;
            let mut rewards = floats(&self.head.rewards(&self.states(&rows))?)?.into_iter();
            for comparison in window {
                let one = |reward: f32| ResponseScore {
                    reward: reward.is_finite().then_some(reward),
                    ..ResponseScore::default()
                };
                scores.push(rewards.by_ref().take(comparison.responses().count()).map(one).collect());
            }
            done(window.len() as u64);
        }
        Ok(scores)
    }

    /// Writes the model directory.
    pub fn save(
        &self,
        dir: &Path,
        objective: Option<&str>,
        provenance: Option<ProvenanceCard>,
    ) -> Result<(), ArtifactError> {
        let head = (self.head.kind().clone(), self.head.options().label_weights.clone());
        let tensors = self.params.iter().map(|(name, tensor)| (name.as_str(), tensor));
        write(dir, self.width, head, tensors, objective, provenance)
    }
}

/// Writes the directory of a head r = w·x + b that was not trained but computed.
pub fn write_linear(
    dir: &Path,
    weight: &[f64],
    bias: f64,
    objective: &str,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    let rounded = |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(tch::Kind::Float);
    let (weight_1d, bias_1) = (rounded(weight).unsqueeze(0), rounded(&[bias]));
    let head = (HeadKind::Linear { name: "score".into() }, None);
    let tensors = [("score.weight", &weight_1d), ("score.bias", &bias_1)];
    write(dir, weight.len() as i64, head, tensors, Some(objective), provenance)
}

/// Writes the directory of a head r = −‖A·x − u‖.
pub fn write_ideal_point(
    dir: &Path,
    projection_wd: &Tensor,
    point_w: &Tensor,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    let width = projection_wd.size().get(1).copied().unwrap_or(0);
    let tensors = [("ideal.projection", projection_wd), ("ideal.point", point_w)];
    write(dir, width, (HeadKind::IdealPoint, None), tensors, Some("pal"), provenance)
}

fn write<'a>(
    dir: &Path,
    width: i64,
    (head, label_weights): (HeadKind, Option<Vec<f64>>),
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    objective: Option<&str>,
    provenance: Option<ProvenanceCard>,
) -> Result<(), ArtifactError> {
    files::create_dir(dir)?;
    let reward = RewardCard {
        kind: RewardKind::Embedding,
        objective: objective.map(str::to_owned),
        pooling: None,
        head: Some(head),
        label_weights,
        normalise: None,
        gate_pattern: None,
        gate_temperature: None,
        width: Some(width),
        implicit: None,
    };
    write_card(dir, &ModelCard::new(reward, provenance))?;
    Ok(weights::write(&dir.join(weights::SINGLE_FILE), tensors)?)
}

/// A configuration as heads know it: they look at the width, and at how their layers begin.
fn shape(width: i64) -> Result<BackboneConfig, ArtifactError> {
    let json = json!({
        "model_type": "bert", "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 1, "vocab_size": 1, "max_position_embeddings": 1, "type_vocab_size": 1,
        "num_labels": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    });
    Ok(BackboneConfig::parse(&json).map_err(NetworkError::from)?)
}
