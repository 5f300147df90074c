//! Attributes that are each a distribution over bins: reward = Σ_a w_a(h) · Σ_k v_k · p_ak(h).
//!
//! p_a = softmax of ten outputs of an MLP on the pooled state h, v_k = k/9 for k = 0 … 9, w another MLP on h (or its softmax,
//! over the temperature τ, where `config.json` asks for that). Both MLPs have LeakyReLU between their layers.
//!
//! Source: LDL-Reward-Gemma-2-27B (allenai/reward-bench, `rewardbench/models/ldlreward.py`).

use serde_json::Value;
use tch::{Kind, Tensor};

use super::HeadError;
use super::kind::Found;
use super::stack::{Stack, indices, rows};
use crate::backbone::params::ParamSource;

/// Bins of every attribute.
const BINS: i64 = 10;

/// What weighs the attributes, and how many there are.
pub(super) struct Bins {
    weights: Stack,
    /// τ, where the weights are a softmax.
    temperature: Option<f64>,
    attributes: i64,
    /// v [k].
    values: Tensor,
}

impl Bins {
    /// The attributes' layers, and what makes one number of them.
    pub fn new(found: &Found, source: &mut ParamSource) -> Result<(Stack, Self), HeadError> {
        let wrong = |problem: String| Err(HeadError::Gate { problem });
        let outputs = |source: &ParamSource, module: &str| {
            let last = indices(source, module).last().copied()?;
            rows(source, &format!("{module}.{last}"))
        };
        let modules = ["regression_layer.network", "gating_layer.network"];
        let [Some(outputs), Some(attributes)] = modules.map(|module| outputs(source, module)) else {
            return wrong(format!("the checkpoint has no tensors `{}.…` or no `{}.…`", modules[0], modules[1]));
        };
        if outputs != BINS * attributes {
            return wrong(format!(
                "`{}` has {outputs} outputs and `{}` {attributes}; there should be {BINS} for each of the latter",
                modules[0], modules[1]
            ));
        }
        let stated = found.json.get("num_objectives").and_then(Value::as_i64);
        if let Some(stated) = stated.filter(|stated| *stated != outputs) {
            return wrong(format!("config.json says `num_objectives` {stated}, the tensors have {outputs}"));
        }
        let width = found.config.hidden;
        let distributions = Stack::sequence(source, modules[0], width, Tensor::leaky_relu)?;
        let weights = Stack::sequence(source, modules[1], width, Tensor::leaky_relu)?;
        let values: Vec<f64> = (0..BINS).map(|bin| bin as f64 / (BINS - 1) as f64).collect();
        let values = Tensor::from_slice(&values).to_device(source.device());
        Ok((distributions, Self { weights, temperature: temperature(found)?, attributes, values }))
    }

    /// Outputs [n, a·k] and the states [n, d] they came from → rewards [n].
    pub fn weigh(&self, outputs: &Tensor, pooled_nd: &Tensor) -> Tensor {
        let kind: Kind = outputs.kind();
        let distributions_nak = outputs.view([-1, self.attributes, BINS]).softmax(2, kind);
        let means_na = (distributions_nak * self.values.to_kind(kind)).sum_dim_intlist(2, false, kind);
        let weights_na = self.weights.forward(pooled_nd);
        let weights_na = match self.temperature {
            Some(temperature) => (weights_na / temperature).softmax(1, kind),
            None => weights_na,
        };
        (weights_na * means_na).sum_dim_intlist(1, false, kind)
    }

    pub fn describe(&self) -> String {
        format!("weighted distributions of {} attributes over {BINS} bins", self.attributes)
    }
}

/// Of the softmax over the weights, where there is one; 1 unless stated.
fn temperature(found: &Found) -> Result<Option<f64>, HeadError> {
    if found.json.get("softmax").and_then(Value::as_bool) != Some(true) {
        return Ok(None);
    }
    let temperature = found.json.get("temperature").and_then(Value::as_f64).unwrap_or(1.0);
    match temperature > 0.0 && temperature.is_finite() {
        true => Ok(Some(temperature)),
        false => Err(HeadError::Gate { problem: format!("its temperature is {temperature}; it has to be above 0") }),
    }
}
