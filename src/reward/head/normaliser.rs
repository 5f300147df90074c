//! What some heads do to their outputs: (x − mean) / deviation.

use serde_json::Value;
use tch::{Kind, Tensor};

use super::super::options::RewardOptions;
use super::HeadError;
use super::kind::Found;
use crate::backbone::params::ParamSource;

/// An affine map per label.
pub(super) struct Normaliser {
    shift_l: Tensor,
    scale_l: Tensor,
}

impl Normaliser {
    /// OpenRLHF: `config.mean` and `config.std`, applied where `config.normalize_reward` is true
    /// (OpenRLHF/OpenRLHF, `openrlhf/models/model.py`).
    pub fn of_config(found: &Found, options: &RewardOptions) -> Result<Option<Self>, HeadError> {
        let stated = found.json.get("normalize_reward").and_then(Value::as_bool).unwrap_or(false);
        if !options.normalise.unwrap_or(stated) {
            return Ok(None);
        }
        let (mean, deviation) = (numbers(found.json, "mean")?, numbers(found.json, "std")?);
        match (mean, deviation) {
            (Some(mean), Some(deviation)) => Ok(Some(Self { shift_l: mean, scale_l: deviation })),
            // Its default: nothing measured, mean 0 and deviation 1.
            _ if options.normalise.is_none() => Ok(None),
            _ => Err(HeadError::NoStatistics),
        }
    }

    /// Beaver: mean and variance beside the head, applied where `config.do_normalize` is true: both for
    /// rewards, the deviation alone for costs (PKU-Alignment/safe-rlhf, `safe_rlhf/models/normalizer.py`;
    /// allenai/reward-bench, `rewardbench/models/beaver.py`).
    pub fn of_beaver(
        found: &Found,
        options: &RewardOptions,
        labels: i64,
        source: &mut ParamSource,
    ) -> Result<Option<Self>, HeadError> {
        let mut stored = |name: &str, shape: &[i64]| match source.stored_shape(name) {
            Some(_) => source.take_buffer(name, shape).map(Some),
            None => Ok(None),
        };
        let mean = stored("normalizer.mean", &[labels])?;
        let variance = stored("normalizer.var", &[labels])?;
        stored("normalizer.count", &[1])?;
        let stated = found.json.get("do_normalize").and_then(Value::as_bool).unwrap_or(false);
        if !options.normalise.unwrap_or(stated) {
            return Ok(None);
        }
        let mean = mean.map_or_else(|| numbers(found.json, "mean"), |mean| Ok(Some(mean)))?;
        let variance = variance.map_or_else(|| numbers(found.json, "var"), |variance| Ok(Some(variance)))?;
        let (Some(mean), Some(variance)) = (mean, variance) else { return Err(HeadError::NoStatistics) };
        let (mean, variance) = (mean.to_kind(Kind::Float), variance.to_kind(Kind::Float));
        let deviation = variance.sqrt() + 1e-8;
        Ok(match score_type(found.json) {
            "reward" => Some(Self { shift_l: mean, scale_l: deviation }),
            "cost" => Some(Self { shift_l: mean.zeros_like(), scale_l: deviation }),
            _ => None,
        })
    }

    /// In the kind and on the device of `labels_nl`.
    pub fn apply(&self, labels_nl: &Tensor) -> Tensor {
        let like = |x: &Tensor| x.to_device(labels_nl.device()).to_kind(labels_nl.kind());
        (labels_nl - like(&self.shift_l)) / like(&self.scale_l)
    }
}

/// What a Beaver head predicts: `reward`, `cost` or `critic`.
pub(super) fn score_type(json: &Value) -> &str {
    json.get("score_type").and_then(Value::as_str).unwrap_or("reward")
}

/// A number or a list of numbers of `config.json`, as a tensor [l].
fn numbers(json: &Value, key: &'static str) -> Result<Option<Tensor>, HeadError> {
    let wrong = || HeadError::Number { key, found: json.get(key).map(Value::to_string).unwrap_or_default() };
    let values = match json.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(values)) => {
            values.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>().ok_or_else(wrong)?
        }
        Some(value) => vec![value.as_f64().ok_or_else(wrong)?],
    };
    Ok(Some(Tensor::from_slice(&values).to_kind(Kind::Float)))
}
