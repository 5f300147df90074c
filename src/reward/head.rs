//! Reward heads: hidden states to one number, always in f32.
//!
//! A head is data: its [`HeadKind`] (from the checkpoint's tensors and `config.json`, or from
//! `rmbench.toml`) says which layers are taken by name, what happens to several labels, and where the head
//! reads. Widths, depths and biases are the checkpoint's own. A further kind is one variant there, one arm
//! in [`Head::new`] and a fixture.
//!
//! Shape suffixes: n sequence, d model width, l label, o attribute (objective), q quantile.

mod distribution;
mod error;
mod gate;
mod kind;
mod normaliser;
mod pool;
mod stack;
mod vocabulary;

use serde_json::Value;
use tch::{Kind, Tensor};

use super::RewardError;
use super::options::{HeadKind, RewardOptions};
use crate::backbone::config::{Activation, BackboneConfig, Family, ModelType};
use crate::backbone::layers::{LayerNorm, Linear};
use crate::backbone::params::{Init, ParamSource};
use crate::backbone::vocabulary::OutputLayer;
use crate::text::pooling::Pooling;

pub use error::HeadError;
pub use kind::has_critics_head;
pub use pool::HeadStates;

use distribution::Bins;
use gate::{Gate, OwnWeights};
use kind::Found;
use normaliser::{Normaliser, score_type};
use stack::{Layer, Stack, linear, rows};
pub(super) use vocabulary::beside;

/// How a freshly drawn head begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadInit {
    /// Normal with the configuration's `initializer_range` (0.02): transformers, TRL.
    #[default]
    Hf,
    /// Normal with 1/(d + 1): OpenRLHF. Rewards begin close to zero.
    InvD,
    /// Normal with 1/√(d + 1): open-instruct.
    InvSqrtD,
    /// All zero: the first loss is exactly ln 2, and the backbone gets no gradient in that step.
    Zero,
}

impl HeadInit {
    fn of(self, config: &BackboneConfig) -> Init {
        let width = config.hidden as f64 + 1.0;
        match self {
            HeadInit::Hf => Init::Normal(config.initializer_range),
            HeadInit::InvD => Init::Normal(1.0 / width),
            HeadInit::InvSqrtD => Init::Normal(width.powf(-0.5)),
            HeadInit::Zero => Init::Zeros,
        }
    }
}

/// From the states a head reads to rewards.
pub struct Head {
    kind: HeadKind,
    /// Of a language model, and of a head that reads what it wrote.
    output: Option<OutputLayer>,
    /// [n, d] → [n, l].
    labels: Stack,
    normaliser: Option<Normaliser>,
    combine: Combine,
    /// Where it reads unless the user says otherwise, and the text that ends a prompt where it has a gate.
    reads: (Pooling, Option<String>),
    /// What transformers builds for the architecture, with one label: nothing else is needed to load it there.
    is_plain: bool,
    options: RewardOptions,
}

/// From labels to one number.
enum Combine {
    /// There is one.
    Single,
    /// Σ w_l · label_l.
    Weights(Tensor),
    Gate(Gate),
    OwnWeights(OwnWeights),
    Bins(Bins),
}

impl Head {
    /// Takes the head's tensors from `source`; the backbone's have been taken. `json` is `config.json`.
    pub fn new(
        config: &BackboneConfig,
        json: &Value,
        options: &RewardOptions,
        init: HeadInit,
        source: &mut ParamSource,
    ) -> Result<Self, HeadError> {
        let found = Found { config, json };
        let kind = match &options.head {
            Some(kind) => kind.clone(),
            None => found.kind(source)?,
        };
        let width = config.hidden;
        let inner = Init::Normal(config.initializer_range);
        let last = init.of(config);
        // transformers' own classes state how many labels they have; other heads have as many as they have.
        let labels_of = |source: &ParamSource, name: &str| match rows(source, name) {
            Some(stored) => stated_labels(json).unwrap_or(stored),
            // Attributes to be trained: as many as there are weights.
            None => options.label_weights.as_ref().map_or(1, |weights| weights.len() as i64),
        };
        let mut normaliser = None;
        let mut combine = None;
        let (stack, labels) = match &kind {
            HeadKind::Linear { name } => {
                let is_own = name == "score" && json.get("value_head_prefix").is_none();
                let labels = if is_own { labels_of(source, name) } else { rows(source, name).unwrap_or(1) };
                normaliser = match name.as_str() {
                    "score_head" => Normaliser::of_beaver(&found, options, labels, source)?,
                    _ => Normaliser::of_config(&found, options)?,
                };
                if name == "score_head" && score_type(json) == "cost" && options.label_weights.is_none() {
                    // Less cost is better (allenai/reward-bench, `rewardbench/models/beaver.py`).
                    combine = Some(Combine::Weights(weights(&vec![-1.0; labels.max(1) as usize], source)));
                }
                (Stack(vec![Layer::Linear(linear(source, name, labels, width, last)?)]), labels)
            }
            HeadKind::Mlp { name } => match stack::indices(source, name).last() {
                Some(index) => {
                    let labels = rows(source, &format!("{name}.{index}")).unwrap_or(1);
                    (Stack::sequence(source, name, width, Tensor::relu)?, labels)
                }
                None => (Stack::drawn_mlp(config, init, source, name)?, 1),
            },
            HeadKind::Pooler => {
                let labels = labels_of(source, "classifier");
                let (dense, act) = match &config.family {
                    Family::Encoder(encoder) if config.model_type != ModelType::Bert => {
                        ("pooler.dense".to_owned(), encoder.pooler_act)
                    }
                    _ => (format!("{}pooler.dense", config.model_type.prefix()), Activation::Tanh),
                };
                let (names, sizes) = ([&*dense, "classifier"], [width, labels]);
                (Stack::of_two(source, names, Layer::Activation(act), sizes, [inner, last])?, labels)
            }
            HeadKind::Prediction => {
                let Family::ModernBert(modern) = &config.family else {
                    return Err(HeadError::OtherFamily { kind, family: "modernbert" });
                };
                let labels = labels_of(source, "classifier");
                let stack = Stack(vec![
                    Layer::Linear(Linear::head(source, "head.dense", width, width, modern.head_bias, inner)?),
                    Layer::Activation(modern.head_act),
                    Layer::LayerNorm(LayerNorm::head(source, "head.norm", width, modern.norm_eps, modern.norm_bias)?),
                    Layer::Linear(Linear::head(source, "classifier", labels, width, true, last)?),
                ]);
                (stack, labels)
            }
            HeadKind::Classification => {
                let labels = labels_of(source, "classifier.out_proj");
                let names = ["classifier.dense", "classifier.out_proj"];
                (Stack::of_two(source, names, Layer::Pointwise(Tensor::tanh), [width, labels], [inner, last])?, labels)
            }
            HeadKind::VocabularyLogit { id } => (vocabulary::logit(&found, *id, source)?, 1),
            HeadKind::Vocabulary => (Stack(Vec::new()), 1),
            HeadKind::Critique => {
                let names = ["dense", "out_proj"].map(|layer| format!("{}.{layer}", kind::CRITIQUE));
                let (names, tanh) = (names.each_ref().map(String::as_str), Layer::Pointwise(Tensor::tanh));
                (Stack::of_two(source, names, tanh, [width, 1], [inner, last])?, 1)
            }
            HeadKind::Gated => {
                let (stack, gate) = Gate::new(&found, options, source)?;
                combine = Some(Combine::Gate(gate));
                (stack, 1)
            }
            HeadKind::IdealPoint => {
                let rows = source.stored_shape("ideal.projection").and_then(|shape| shape.first().copied());
                let rows = rows.unwrap_or(width);
                let projection = source.take_head("ideal.projection", &[rows, width], inner)?;
                let point = source.take_head("ideal.point", &[rows], inner)?;
                (Stack(vec![Layer::Weight(projection), Layer::Distance(point)]), 1)
            }
            HeadKind::SelfWeighted => {
                let labels = rows(source, "score").unwrap_or(0);
                let stack = Stack(vec![Layer::Linear(linear(source, "score", labels, width, last)?)]);
                combine = Some(Combine::OwnWeights(OwnWeights::new(&found, labels, source)?));
                (stack, labels)
            }
            HeadKind::Distribution => {
                let (stack, bins) = Bins::new(&found, source)?;
                combine = Some(Combine::Bins(bins));
                (stack, 1)
            }
        };
        let output = match &kind {
            HeadKind::Vocabulary | HeadKind::Critique => Some(vocabulary::output_layer(&found, source)?),
            _ => None,
        };
        if options.head.is_some() {
            source.forget(&kind::tensors());
        }
        let combine = match combine {
            Some(Combine::Gate(_) | Combine::OwnWeights(_) | Combine::Bins(_)) if options.label_weights.is_some() => {
                return Err(HeadError::Gate { problem: "it weighs the labels; label-weights do not apply".to_owned() });
            }
            Some(combine) => combine,
            None => match &options.label_weights {
                Some(given) if given.len() as i64 != labels => {
                    return Err(HeadError::WeightCount { given: given.len(), labels });
                }
                Some(given) => Combine::Weights(weights(given, source)),
                None if labels == 1 => Combine::Single,
                None => return Err(no_weights(labels, json)),
            },
        };
        let pooling = match options.pooling {
            Some(pooling) => pooling,
            None => found.pooling(&kind)?,
        };
        let pattern = match &combine {
            Combine::Gate(_) => Some(gate::pattern(&found, options)?),
            _ => None,
        };
        let is_plain = kind == found.of_architecture() && labels == 1 && options.label_weights.is_none();
        let is_plain = is_plain || matches!(kind, HeadKind::VocabularyLogit { .. }) && stack.0.len() == 1;
        Ok(Self {
            kind,
            output,
            labels: stack,
            normaliser,
            combine,
            reads: (pooling, pattern),
            is_plain,
            options: options.clone(),
        })
    }

    /// What the head reads → rewards [n] in its kind (f32, or f64 in checks).
    pub fn rewards(&self, states: &HeadStates) -> Result<Tensor, RewardError> {
        if self.kind == HeadKind::Vocabulary {
            return Err(RewardError::Model(
                "a language model gives log-probabilities, and no reward of a state".into(),
            ));
        }
        let mut labels_nl = self.labels.forward(&states.pooled_nd);
        if let Some(normaliser) = &self.normaliser {
            labels_nl = normaliser.apply(&labels_nl);
        }
        let kind = labels_nl.kind();
        let rewards = match (&self.combine, &states.gate_nd) {
            (Combine::Single, _) => labels_nl.squeeze_dim(-1),
            (Combine::Weights(weights_l), _) => (labels_nl * weights_l.to_kind(kind)).sum_dim_intlist(1, false, kind),
            (Combine::Gate(gate), Some(gate_nd)) => gate.weigh(&labels_nl, gate_nd),
            (Combine::Gate(_), None) => {
                return Err(RewardError::Model("the batch does not say where the head's gate reads".into()));
            }
            (Combine::OwnWeights(weights), _) => weights.weigh(&labels_nl, &states.pooled_nd),
            (Combine::Bins(bins), _) => bins.weigh(&labels_nl, &states.pooled_nd),
        };
        Ok(match &states.tokens {
            Some(tokens) => tokens.aggregate(&rewards),
            None => rewards,
        })
    }

    /// What the head reads → labels [n, l] before they become one number.
    pub fn attributes(&self, states: &HeadStates) -> Tensor {
        self.labels.forward(&states.pooled_nd)
    }

    /// What the head reads → what its last layer reads [n, e].
    pub fn before_last(&self, states: &HeadStates) -> Tensor {
        self.labels.before_last(&states.pooled_nd)
    }

    /// How many attributes a head has whose weights the user gave.
    pub fn n_drawn_labels(&self) -> Option<usize> {
        self.options.label_weights.as_ref().map(Vec::len)
    }

    /// The output layer of a language model.
    pub fn output(&self) -> Option<&OutputLayer> {
        self.output.as_ref()
    }

    pub fn kind(&self) -> &HeadKind {
        &self.kind
    }

    /// Where it reads.
    pub fn pooling(&self) -> Pooling {
        self.reads.0
    }

    /// The text that ends a prompt, where its gate reads.
    pub fn gate_pattern(&self) -> Option<&str> {
        self.reads.1.as_deref()
    }

    /// Whether transformers' sequence classifier of the architecture has the same head.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// What the user said of it.
    pub fn options(&self) -> &RewardOptions {
        &self.options
    }

    /// For people: which head this is.
    pub fn describe(&self) -> String {
        match &self.combine {
            Combine::Gate(gate) => gate.describe(),
            Combine::Bins(bins) => bins.describe(),
            _ => self.kind.to_string(),
        }
    }

    /// Why the head cannot be trained; `None` where it can. `attributes`: each of its labels is trained.
    pub fn untrainable(&self, attributes: bool) -> Option<String> {
        let is_capped = self.labels.0.iter().any(|layer| matches!(layer, Layer::SoftCap(_)));
        let why = match (&self.combine, &self.normaliser) {
            _ if is_capped => "its logit is capped",
            (Combine::Single | Combine::Gate(_), None) if !attributes => return None,
            (Combine::Single, None) => return None,
            (Combine::Weights(_), None) if attributes => return None,
            (_, Some(_)) => "its mean and deviation belong to the weights it was trained with",
            (Combine::Weights(_), _) => "it has several labels, or a weighted one",
            _ => "its attributes are trained one by one",
        };
        Some(format!(
            "the head {} can be scored with, not trained: {why}; known to train: heads of one label, or \
             with a gate",
            self.describe()
        ))
    }
}

fn weights(values: &[f64], source: &ParamSource) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Float).to_device(source.device())
}

/// How many labels `config.json` states; `None` where it is silent.
fn stated_labels(json: &Value) -> Option<i64> {
    match json.get("id2label") {
        Some(Value::Object(labels)) => Some(labels.len() as i64),
        _ => json.get("num_labels").and_then(Value::as_i64),
    }
}

fn no_weights(labels: i64, json: &Value) -> HeadError {
    let named = json.get("id2label").and_then(Value::as_object);
    let name = |i: i64| named?.get(&i.to_string())?.as_str();
    let names: Vec<&str> = (0..labels).filter_map(name).filter(|name| !name.starts_with("LABEL_")).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let example = vec!["1.0"; labels.clamp(0, 64) as usize].join(", ");
    HeadError::NoWeights { labels, names, example }
}
