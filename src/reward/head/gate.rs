//! Attributes weighted per prompt: reward = Σ_o g_o(p) · (T·a(h))_o.
//!
//! A model with a head of attributes (`regression_layer`, or `score` as `rmbench train` with objective `mse` leaves it)
//! and no gate gets one drawn: two layers, the last of them zero, so that training begins at the attributes' mean.
//!
//! a(h) are attributes of the pooled state h (the mean over quantiles where there are several of each),
//! T an optional matrix that takes one attribute out of others, g = s · softmax(MLP(p) / τ) the gate, p
//! the state where the tokens that end the prompt begin.
//!
//! Sources: ArmoRM, arXiv 2406.12845 (RLHFlow/RLHF-Reward-Modeling, `armo-rm/stage-2_train.py`); QRM,
//! arXiv 2409.10164 (allenai/reward-bench, `rewardbench/models/qrm.py`).

use serde_json::Value;
use tch::Tensor;

use super::super::options::RewardOptions;
use super::HeadError;
use super::kind::Found;
use super::stack::{Layer, Stack, indices, linear, rows};
use crate::backbone::config::ModelType;
use crate::backbone::params::{Init, ParamSource};

/// What gate and attributes make of each other.
pub(super) struct Gate {
    layers: Stack,
    temperature: f64,
    /// [1].
    scale: Tensor,
    objectives: i64,
    quantiles: i64,
    /// [o, o], applied from the right.
    transform: Option<Tensor>,
}

impl Gate {
    /// The attributes' layers and the gate.
    pub fn new(found: &Found, options: &RewardOptions, source: &mut ParamSource) -> Result<(Stack, Self), HeadError> {
        let wrong = |problem: String| Err(HeadError::Gate { problem });
        let width = found.config.hidden;
        let named = ["regression_layer", "score"].map(|name| rows(source, name).map(|rows| (name, rows)));
        let Some((name, outputs)) = named.into_iter().flatten().next() else {
            let problem = "the checkpoint has no tensor `regression_layer.weight`, and no attributes in `score.weight`";
            return wrong(problem.to_owned());
        };
        let stored = indices(source, "gating.layers").last().and_then(|i| rows(source, &format!("gating.layers.{i}")));
        let objectives = stored.unwrap_or(outputs);
        if stored.is_none() && outputs < 2 {
            return wrong(format!("`{name}.weight` has one row; a gate weighs several attributes against each other"));
        }
        if objectives < 1 || outputs % objectives != 0 {
            return wrong(format!("{outputs} rows of `{name}.weight` do not divide into {objectives} attributes"));
        }
        let quantiles = outputs / objectives;
        for (key, value) in [("num_objectives", objectives), ("num_quantiles", quantiles)] {
            let stated = found.json.get(key).and_then(Value::as_i64);
            if let Some(stated) = stated.filter(|stated| *stated != value) {
                return wrong(format!("config.json says `{key}` {stated}, the tensors have {value}"));
            }
        }
        let attributes = Stack(vec![Layer::Linear(linear(source, name, outputs, width, Init::Zeros)?)]);
        let transform = match source.stored_shape("reward_transform_matrix") {
            Some(_) => Some(source.take_head("reward_transform_matrix", &[objectives; 2], Init::Zeros)?),
            None => None,
        };
        let layers = match stored {
            Some(_) => Stack::sequence(source, "gating.layers", width, Tensor::relu)?,
            None => {
                let names = ["gating.layers.0", "gating.layers.1"];
                let inits = [Init::Normal(found.config.initializer_range), Init::Zeros];
                Stack::of_two(source, names, Layer::Pointwise(Tensor::relu), [width, objectives], inits)?
            }
        };
        let gate = Self {
            layers,
            temperature: temperature(found, options)?,
            scale: source.take_head("gating.logit_scale", &[1], Init::Ones)?,
            objectives,
            quantiles,
            transform,
        };
        Ok((attributes, gate))
    }

    /// Attributes [n, o·q] and prompt states [n, d] → rewards [n].
    pub fn weigh(&self, attributes: &Tensor, gate_nd: &Tensor) -> Tensor {
        let kind = attributes.kind();
        let quantiles_noq = attributes.view([-1, self.objectives, self.quantiles]);
        let mut attributes_no = quantiles_noq.mean_dim(2, false, kind);
        if let Some(transform) = &self.transform {
            attributes_no = attributes_no.matmul(&transform.to_kind(kind));
        }
        let logits_no = self.layers.forward(gate_nd) / self.temperature;
        let gate_no = logits_no.softmax(1, kind) * self.scale.to_kind(kind);
        (gate_no * attributes_no).sum_dim_intlist(1, false, kind)
    }

    pub fn describe(&self) -> String {
        match self.quantiles {
            1 => format!("gate over {} attributes", self.objectives),
            quantiles => format!("gate over {} attributes of {quantiles} quantiles", self.objectives),
        }
    }
}

/// Attributes of two numbers each, of which the first counts, weighted by layers that read the same state
/// (URM, arXiv 2410.00847; sgl-project/sglang, `python/sglang/srt/models/llama_reward.py`).
pub(super) struct OwnWeights(Stack);

impl OwnWeights {
    pub fn new(found: &Found, labels: i64, source: &mut ParamSource) -> Result<Self, HeadError> {
        let last = indices(source, "weights.fc").last().map(|i| format!("weights.fc.{i}"));
        let outputs = last.and_then(|name| rows(source, &name)).unwrap_or(0);
        if labels != 2 * outputs {
            let problem = format!("`score.weight` has {labels} rows and `weights.fc` {outputs} outputs");
            return Err(HeadError::Gate { problem: format!("{problem}; there should be two rows for each output") });
        }
        Ok(Self(Stack::sequence(source, "weights.fc", found.config.hidden, Tensor::selu)?))
    }

    /// Labels [n, 2·a] and the states [n, d] they came from → rewards [n].
    pub fn weigh(&self, labels: &Tensor, pooled_nd: &Tensor) -> Tensor {
        let means_na = labels.view([labels.size()[0], -1, 2]).select(2, 0);
        (means_na * self.0.forward(pooled_nd)).sum_dim_intlist(1, false, labels.kind())
    }
}

/// What ends a prompt, where nobody says otherwise.
pub(super) fn pattern(found: &Found, options: &RewardOptions) -> Result<String, HeadError> {
    let known = match found.config.model_type {
        ModelType::Llama => Some("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"),
        ModelType::Gemma2 => Some("<end_of_turn>\n<start_of_turn>model\n"),
        _ => None,
    };
    options.gate_pattern.clone().or(known.map(str::to_owned)).ok_or(HeadError::NoPattern)
}

/// ArmoRM's and QRM's own classes take 10 where the configuration is silent, on Llama.
fn temperature(found: &Found, options: &RewardOptions) -> Result<f64, HeadError> {
    let stated = found.json.get("gating_temperature").and_then(Value::as_f64);
    let usual = (found.config.model_type == ModelType::Llama).then_some(10.0);
    let temperature = options.gate_temperature.or(stated).or(usual).ok_or(HeadError::NoTemperature)?;
    match temperature > 0.0 && temperature.is_finite() {
        true => Ok(temperature),
        false => Err(HeadError::Gate { problem: format!("its temperature is {temperature}; it has to be above 0") }),
    }
}
