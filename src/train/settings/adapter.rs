//! `[adapter]`: a few numbers trained beside a frozen model, instead of all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backbone::lora::{LoraConfig, Task};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterMethod {
    /// Every parameter; an adapter in `--model` is merged first.
    #[default]
    None,
    /// A new low-rank addition (arXiv 2106.09685).
    Lora,
    /// The same with the length of each output's row apart (arXiv 2402.09353).
    Dora,
    /// The adapter that `--model` is goes on.
    Keep,
}

/// Modules as PEFT names them: one word or pattern, or a list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    Pattern(String),
    Names(Vec<String>),
}

/// Keys and meaning are PEFT's. A reward head is always trained and always saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdapterSettings {
    pub method: AdapterMethod,
    pub rank: i64,
    pub alpha: f64,
    /// s = α/√r in place of α/r (rsLoRA, arXiv 2312.03732).
    pub rslora: bool,
    /// Rate of dropout on what the addition reads.
    pub dropout: f64,
    pub targets: Targets,
    pub exclude: Vec<String>,
    /// Layers by number; empty: all.
    pub layers: Vec<i64>,
    pub modules_to_save: Vec<String>,
    pub rank_pattern: BTreeMap<String, i64>,
    pub alpha_pattern: BTreeMap<String, f64>,
}

impl Default for AdapterSettings {
    fn default() -> Self {
        Self {
            method: AdapterMethod::None,
            rank: 16,
            alpha: 32.0,
            rslora: false,
            dropout: 0.0,
            targets: Targets::Pattern("all-linear".into()),
            exclude: Vec::new(),
            layers: Vec::new(),
            modules_to_save: Vec::new(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
        }
    }
}

impl AdapterSettings {
    /// Whether the base stays as it is.
    pub fn is_used(&self) -> bool {
        self.method != AdapterMethod::None
    }

    /// The configuration of a new adapter; `also` are further modules that it keeps in full.
    pub fn config(&self, task: Task, also: &[String]) -> Result<LoraConfig, String> {
        let mut json = LoraConfig::new(self.rank, self.alpha, &[], task)?.json;
        let saved = json["modules_to_save"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut saved: Vec<String> = saved.map(str::to_owned).collect();
        for module in self.modules_to_save.iter().chain(also) {
            if !saved.contains(module) {
                saved.push(module.clone());
            }
        }
        let unless_empty = |names: &[String]| if names.is_empty() { Value::Null } else { json!(names) };
        json["modules_to_save"] = unless_empty(&saved);
        json["target_modules"] = json!(self.targets);
        json["exclude_modules"] = unless_empty(&self.exclude);
        json["layers_to_transform"] = if self.layers.is_empty() { Value::Null } else { json!(self.layers) };
        json["lora_dropout"] = json!(self.dropout);
        json["use_rslora"] = json!(self.rslora);
        json["use_dora"] = json!(self.method == AdapterMethod::Dora);
        json["rank_pattern"] = json!(self.rank_pattern);
        json["alpha_pattern"] = json!(self.alpha_pattern);
        LoraConfig::parse(&json)
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        if matches!(self.method, AdapterMethod::None | AdapterMethod::Keep) {
            let plain = Self { method: self.method, ..Self::default() };
            return (*self != plain).then(|| {
                let known = "lora, dora";
                format!("`adapter` has settings that only a new adapter has; `adapter.method` should be one of {known}")
            });
        }
        let ranks = self.rank_pattern.values().chain([&self.rank]);
        if ranks.into_iter().any(|&rank| rank < 1) {
            return Some("ranks in `adapter` should be above 0".into());
        }
        let mut alphas = self.alpha_pattern.values().chain([&self.alpha]);
        if !alphas.all(|alpha| *alpha > 0.0 && alpha.is_finite()) {
            return Some("alphas in `adapter` should be above 0".into());
        }
        if !self.layers.is_empty() && matches!(self.targets, Targets::Pattern(_)) {
            return Some("`adapter.layers` needs a list of names in `adapter.targets`, as in PEFT".into());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Some("`adapter.dropout` should be at least 0 and below 1".into());
        }
        if self.dropout > 0.0 && self.method == AdapterMethod::Dora {
            return Some("`adapter.dropout` is for lora; dora has none here".into());
        }
        self.config(Task::Classifier, &[]).err().map(|problem| format!("`adapter`: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_pefts() {
        let settings: AdapterSettings = toml::from_str(
            "method = 'dora'\nrank = 4\nalpha = 8.0\nrslora = true\ntargets = ['q_proj', 'v_proj']\nlayers = [1]\n\
             rank-pattern = { 'layers.1.self_attn.q_proj' = 2 }\nmodules-to-save = ['norm']",
        )
        .unwrap();
        assert_eq!(settings.problem(), None);
        let config = settings.config(Task::Classifier, &["pooler".into()]).unwrap();
        assert!(config.dora && config.rslora);
        assert_eq!(config.json["modules_to_save"], json!(["classifier", "score", "norm", "pooler"]));
        assert_eq!(config.rank("model.layers.1.self_attn.q_proj"), Ok(2));
        assert_eq!(config.scale("model.layers.1.self_attn.v_proj"), Ok(4.0));
        assert_eq!(config.is_target("model.layers.0.self_attn.v_proj", true), Ok(false));
        assert_eq!(config.saves("score.weight"), Ok(true));
        assert_eq!(config.saves("model.layers.1.self_attn.v_proj.weight"), Ok(false));
        // A language model's output layer stays the base's.
        let plain = AdapterSettings { modules_to_save: Vec::new(), ..settings };
        let config = plain.config(Task::LanguageModel, &[]).unwrap();
        assert_eq!((&config.json["modules_to_save"], config.task()), (&Value::Null, Some(Task::LanguageModel)));
        assert_eq!((config.saves("lm_head.weight"), config.saves("score.weight")), (Ok(false), Ok(false)));
    }

    #[test]
    fn what_would_have_no_effect_or_no_meaning_is_refused() {
        for text in
            ["rank = 4", "method = 'lora'\nrank = 0", "method = 'keep'\nalpha = 3.0", "method = 'lora'\nlayers = [1]"]
        {
            assert!(toml::from_str::<AdapterSettings>(text).unwrap().problem().is_some(), "{text}");
        }
        let broken = "method = 'lora'\ntargets = ['q_proj']\nrank-pattern = { '(' = 3 }";
        assert!(toml::from_str::<AdapterSettings>(broken).unwrap().problem().unwrap().contains('('));
        assert!(toml::from_str::<AdapterSettings>("method = 'qlora'").is_err());
    }
}
