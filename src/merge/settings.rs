//! What is merged and how; `default.toml` beside this file explains every setting.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tch::Kind;

use super::MergeError;
use super::rule::Rule;
use super::thin::Thinning;
use crate::benchmark::columns::ColumnMap;
use crate::device;
use crate::lang::Lang;

/// The commented defaults; also the list of settings there are.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Below this the weights have no sum to be divided by.
const NO_SUM: f64 = 1e-8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    Linear,
    Slerp,
    TaskArithmetic,
    Ties,
    DareTies,
}

impl Method {
    /// Whether it adds differences to a base.
    pub fn needs_base(self) -> bool {
        matches!(self, Method::TaskArithmetic | Method::Ties | Method::DareTies)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Method::Linear => "linear",
            Method::Slerp => "slerp",
            Method::TaskArithmetic => "task-arithmetic",
            Method::Ties => "ties",
            Method::DareTies => "dare-ties",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MergeSettings {
    pub models: Vec<String>,
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    pub minus: Vec<String>,
    pub weights: Vec<Vec<f64>>,
    pub density: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<bool>,
    pub lambda: f64,
    pub match_heads: Vec<PathBuf>,
    pub match_limit: usize,
    pub lang: Lang,
    pub seed: u64,
    pub device: String,
    pub dtype: String,
    pub columns: ColumnMap,
}

impl MergeSettings {
    /// Refuses what cannot be merged, before anything is read.
    pub fn validate(&self) -> Result<(), MergeError> {
        let refuse = |problem: String| Err(MergeError::Settings(problem));
        let (method, n) = (self.method.as_str(), self.models.len());
        match (n, self.method) {
            (0, _) => return refuse("no model is named that could be merged".into()),
            (1, Method::Linear) => return refuse("one model alone is no merge".into()),
            (n, Method::Slerp) if n != 2 => return refuse(format!("`slerp` merges two models, not {n}")),
            _ => {}
        }
        match (&self.base, self.method.needs_base()) {
            (None, true) => return refuse(format!("`{method}` needs a base")),
            (Some(_), false) => return refuse(format!("`{method}` has no base")),
            _ => {}
        }
        if !self.minus.is_empty() && !self.method.needs_base() {
            return refuse(format!("`{method}` takes no differences, so `minus` means nothing"));
        }
        if !self.minus.is_empty() && self.minus.len() != n {
            return refuse(format!("`minus` names {} models, and there are {n} to take them from", self.minus.len()));
        }
        if !(self.density > 0.0 && self.density <= 1.0) {
            return refuse(format!("`density` is {}; it is above 0 and at most 1", self.density));
        }
        if !self.lambda.is_finite() {
            return refuse(format!("`lambda` is {}", self.lambda));
        }
        for weights in &self.weights {
            if weights.len() != n {
                return refuse(format!("{} weights are given for {n} models", weights.len()));
            }
            if let Some(odd) = weights.iter().find(|weight| !weight.is_finite()) {
                return refuse(format!("a weight is {odd}"));
            }
            let divides = match self.rule() {
                Rule::Linear { normalise } => normalise,
                Rule::Slerp => true,
                // Where entries agree in sign, weights of both signs may cancel; the rule provides for it.
                Rule::Deltas { .. } => false,
            };
            if divides && weights.iter().sum::<f64>().abs() < NO_SUM {
                return refuse(format!("the weights {weights:?} add up to nothing, so they cannot be divided by"));
            }
        }
        self.kind()?;
        Ok(())
    }

    pub fn rule(&self) -> Rule {
        let (density, seed) = (self.density, self.seed);
        let by_default = matches!(self.method, Method::Linear | Method::Ties);
        let normalise = self.normalise.unwrap_or(by_default);
        let deltas = |thinning, elect| Rule::Deltas { thinning, elect, normalise, lambda: self.lambda };
        match self.method {
            Method::Linear => Rule::Linear { normalise },
            Method::Slerp => Rule::Slerp,
            Method::TaskArithmetic => deltas(Thinning::None, false),
            Method::Ties => deltas(Thinning::Largest { density }, true),
            Method::DareTies => deltas(Thinning::Random { density, seed }, true),
        }
    }

    /// The lists of weights that are merged.
    pub fn all_weights(&self) -> Vec<Vec<f64>> {
        match self.weights.is_empty() {
            true => vec![vec![1.0; self.models.len()]],
            false => self.weights.clone(),
        }
    }

    /// The kind that is written; `None`: as the first model's tensors are stored.
    pub fn kind(&self) -> Result<Option<Kind>, MergeError> {
        match self.dtype.as_str() {
            "stored" => Ok(None),
            given => device::parse_dtype(given).map(Some).map_err(|e| MergeError::Settings(e.to_string())),
        }
    }
}
