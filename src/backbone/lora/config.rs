//! `adapter_config.json`: what an adapter adds, and to which modules.

use serde_json::{Map, Value, json};

use super::pattern::{Modules, Pattern, is_suffix, names};
use super::task::{HEADS, Task};

/// Keys that say nothing about what the finished adapter computes.
const WITHOUT_EFFECT: [&str; 15] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "inference_mode",
    "lora_ga_config",
    "loftq_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
    // Our layers are all stored [out, in]; PEFT, too, ignores it for such layers.
    "fan_in_fan_out",
    // Rows of output embeddings, which a reward model does not have.
    "ensure_weight_tying",
];
/// Keys that are read below.
const READ: [&str; 18] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "target_modules",
    "trainable_token_indices",
    "use_dora",
    "use_rslora",
    "target_parameters",
];
/// Ways to begin that leave the base's weights alone. Others (PiSSA, OLoRA, CorDA, LoftQ) take a part out of
/// them, so that A and B do not fit the base as published.
const BEGINNINGS: [&str; 3] = ["gaussian", "eva", "orthogonal"];
/// PEFT's defaults.
const RANK: i64 = 8;
const ALPHA: f64 = 8.0;

/// Which biases an adapter brings in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Biases {
    None,
    All,
    /// Of the layers it adds to.
    OfTargets,
}

/// Rows of embeddings that are replaced.
#[derive(Debug, Clone, PartialEq)]
enum TokenRows {
    /// Of the input embeddings.
    Input(Vec<i64>),
    /// By module name.
    ByModule(Vec<(String, Vec<i64>)>),
}

/// A parsed configuration. Problems are sentences that name the key.
#[derive(Debug, Clone)]
pub struct LoraConfig {
    rank: i64,
    alpha: f64,
    pub rslora: bool,
    pub dora: bool,
    pub lora_bias: bool,
    /// In training.
    pub dropout: f64,
    biases: Biases,
    ranks: Vec<(Pattern, i64)>,
    alphas: Vec<(Pattern, f64)>,
    targets: Option<Modules>,
    exclude: Option<Modules>,
    /// Listed in `modules_to_save`.
    saved: Vec<String>,
    is_classifier: bool,
    layers: Option<Vec<i64>>,
    layer_patterns: Vec<Pattern>,
    token_rows: Option<TokenRows>,
    /// In front of the model's names and not of the adapter's: it was trained on a bare backbone.
    left_out: &'static str,
    /// As it was read, for writing it back.
    pub json: Value,
}

impl LoraConfig {
    pub fn parse(json: &Value) -> Result<Self, String> {
        let keys = json.as_object().ok_or("it is not an object")?;
        refuse_unknown(keys)?;
        let at = |key: &'static str| keys.get(key).unwrap_or(&Value::Null);
        let named = |key: &'static str| move |problem: String| format!("`{key}`: {problem}");
        let flag = |key: &'static str| match at(key) {
            Value::Null => Ok(false),
            value => value.as_bool().ok_or_else(|| format!("`{key}` should be true or false, found {value}")),
        };
        match at("peft_type").as_str() {
            Some("LORA") => {}
            other => return Err(format!("`peft_type` is {}; known: LORA", other.unwrap_or("missing"))),
        }
        if let Some(way) = at("init_lora_weights").as_str()
            && !BEGINNINGS.contains(&way)
        {
            return Err(format!(
                "`init_lora_weights` is {way}, which may have changed the base's weights; save the adapter again with \
                 peft's path_initial_model_for_weight_conversion, or set true here where it has not"
            ));
        }
        let biases = match at("bias") {
            Value::Null => Biases::None,
            value => match value.as_str() {
                Some("none") => Biases::None,
                Some("all") => Biases::All,
                Some("lora_only") => Biases::OfTargets,
                _ => return Err(format!("`bias` is {value}; known: none, all, lora_only")),
            },
        };
        let layers = match at("layers_to_transform") {
            Value::Null => None,
            one if one.is_i64() => Some(vec![integer(one)?]),
            list => Some(integers(list).map_err(named("layers_to_transform"))?).filter(|layers| !layers.is_empty()),
        };
        let layer_patterns = match at("layers_pattern") {
            Value::String(one) => vec![one.clone()],
            list => names(list).map_err(named("layers_pattern"))?,
        };
        let layer_patterns = match layer_patterns.as_slice() {
            [] => vec![Pattern::layer(None)],
            patterns => patterns.iter().map(|pattern| Pattern::layer(Some(pattern))).collect(),
        };
        let rank = positive("r", at("r"), RANK as f64)?;
        Ok(Self {
            rank: rank as i64,
            alpha: positive("lora_alpha", at("lora_alpha"), ALPHA)?,
            rslora: flag("use_rslora")?,
            dora: flag("use_dora")?,
            lora_bias: flag("lora_bias")?,
            dropout: at("lora_dropout").as_f64().unwrap_or(0.0),
            biases,
            ranks: by_pattern("rank_pattern", at("rank_pattern"))?.into_iter().map(|(p, n)| (p, n as i64)).collect(),
            alphas: by_pattern("alpha_pattern", at("alpha_pattern"))?,
            targets: Modules::parse(at("target_modules")).map_err(named("target_modules"))?,
            exclude: Modules::parse(at("exclude_modules")).map_err(named("exclude_modules"))?,
            saved: names(at("modules_to_save")).map_err(named("modules_to_save"))?,
            is_classifier: Task::named(at("task_type")) == Some(Task::Classifier),
            layers,
            layer_patterns: layer_patterns.into_iter().collect::<Result<_, _>>().map_err(named("layers_pattern"))?,
            token_rows: token_rows(at("trainable_token_indices")).map_err(named("trainable_token_indices"))?,
            left_out: "",
            json: json.clone(),
        })
    }

    /// A new adapter to the modules whose names end so.
    pub fn new(rank: i64, alpha: f64, targets: &[&str], task: Task) -> Result<Self, String> {
        Self::parse(&json!({
            "peft_type": "LORA", "task_type": task.as_str(), "r": rank, "lora_alpha": alpha, "lora_dropout": 0.0,
            "target_modules": targets, "modules_to_save": task.saved(), "bias": "none", "use_rslora": false,
            "use_dora": false, "rank_pattern": {}, "alpha_pattern": {}, "layers_to_transform": null,
            "layers_pattern": null, "init_lora_weights": true, "fan_in_fan_out": false, "inference_mode": true,
        }))
    }

    /// What the adapter was trained for, where its configuration says language model or classifier.
    pub fn task(&self) -> Option<Task> {
        Task::named(self.json.get("task_type")?)
    }

    /// What the adapter was trained on, as its configuration calls it, and which revision of it.
    pub fn base(&self) -> Option<(&str, Option<&str>)> {
        let text = |key| self.json.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some((text("base_model_name_or_path")?, text("revision")))
    }

    /// The same for an adapter whose names leave out the prefix of the model's backbone.
    pub fn leaving_out(mut self, prefix: &'static str) -> Self {
        self.left_out = prefix;
        self
    }

    /// What PEFT calls a module or tensor of the model.
    pub fn key<'m>(&self, name: &'m str) -> &'m str {
        name.strip_prefix(self.left_out).unwrap_or(name)
    }

    /// Whether a model's tensor belongs to the adapter: its own, or one that it keeps in full. These are
    /// what is trained and saved.
    pub fn saves(&self, name: &str) -> Result<bool, String> {
        let key = self.key(name);
        let module = key.rsplit_once('.').map_or(key, |(module, _)| module);
        Ok(is_own(key) || self.may_bring(key, module, false)?)
    }

    /// Whether the adapter adds to the module (all modules here are as [`LoraConfig::key`] calls them). `linear`: it is a linear layer, and not the head's last.
    pub fn is_target(&self, module: &str, linear: bool) -> Result<bool, String> {
        let excluded = match &self.exclude {
            Some(exclude) => exclude.contains(module, linear)?,
            None => false,
        };
        let is_kept = |part: &str| {
            self.saved.iter().any(|saved| is_suffix(part, saved)) || self.heads().any(|head| is_suffix(part, head))
        };
        let excluded = excluded || ancestors(module).any(is_kept);
        let Some(targets) = self.targets.as_ref().filter(|_| !excluded) else {
            return Ok(false);
        };
        if !targets.contains(module, linear)? {
            return Ok(false);
        }
        // A module that is listed by its full name is meant whatever its layer.
        let by_suffix = matches!(targets, Modules::Names(names) if !names.iter().any(|name| name == module));
        match self.layers.as_ref().filter(|_| by_suffix) {
            Some(layers) => Ok(self.layer(module)?.is_some_and(|layer| layers.contains(&layer))),
            None => Ok(true),
        }
    }

    fn layer(&self, module: &str) -> Result<Option<i64>, String> {
        for pattern in &self.layer_patterns {
            if let Some(number) = pattern.number(module)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// r of a module.
    pub fn rank(&self, module: &str) -> Result<i64, String> {
        Ok(first(&self.ranks, module)?.unwrap_or(self.rank))
    }

    /// s of a module: α/r, or α/√r.
    pub fn scale(&self, module: &str) -> Result<f64, String> {
        let (alpha, rank) = (first(&self.alphas, module)?.unwrap_or(self.alpha), self.rank(module)? as f64);
        Ok(alpha / if self.rslora { rank.sqrt() } else { rank })
    }

    /// Whether PEFT keeps the module (or what it is part of) in full, listed or not.
    fn is_saved(&self, module: &str) -> bool {
        self.is_listed(module) || self.heads().any(|head| within(module, head))
    }

    fn heads(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let heads: &[&str] = if self.is_classifier { &HEADS } else { &[] };
        heads.iter().copied()
    }

    /// Whether the module, or what it is part of, is listed in `modules_to_save`.
    pub fn is_listed(&self, module: &str) -> bool {
        self.saved.iter().any(|saved| within(module, saved))
    }

    /// Whether the adapter may bring this tensor in full. `module` is the tensor's.
    pub fn may_bring(&self, tensor: &str, module: &str, is_embedding: bool) -> Result<bool, String> {
        let bias = tensor.ends_with(".bias")
            && match self.biases {
                Biases::None => false,
                Biases::All => true,
                Biases::OfTargets => self.is_target(module, true)?,
            };
        // PEFT saves embeddings that it adds to, or that were resized, unasked.
        Ok(bias || is_embedding || self.is_saved(module))
    }

    /// Whether the adapter replaces rows of an embedding.
    pub fn has_token_rows(&self) -> bool {
        self.token_rows.is_some()
    }

    /// Rows of an embedding module that the adapter replaces.
    pub fn token_rows(&self, module: &str) -> Option<&[i64]> {
        match self.token_rows.as_ref()? {
            TokenRows::Input(rows) => Some(rows),
            TokenRows::ByModule(modules) => {
                modules.iter().find(|(name, _)| is_suffix(module, name)).map(|(_, rows)| rows.as_slice())
            }
        }
    }
}

/// Whether a parameter is part of an addition.
fn is_own(name: &str) -> bool {
    [".lora_", ".token_adapter."].iter().any(|part| name.contains(part))
}

/// The module and what it is part of.
fn ancestors(module: &str) -> impl Iterator<Item = &str> {
    module.match_indices('.').map(|(at, _)| &module[..at]).chain([module])
}

/// The module, or what it is part of, ends in `part`. (PEFT does not ask for a dot before it here.)
fn within(module: &str, part: &str) -> bool {
    ancestors(module).any(|ancestor| ancestor.ends_with(part))
}

/// Null, false, 0 and empty mean that something is not used.
fn is_unused(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        _ => false,
    }
}

fn refuse_unknown(keys: &Map<String, Value>) -> Result<(), String> {
    let known = |key: &str| WITHOUT_EFFECT.contains(&key) || READ.contains(&key);
    if let Some(key) = keys.iter().find(|(key, value)| !known(key) && !is_unused(value)).map(|(key, _)| key) {
        return Err(format!("`{key}` is set, which rmbench does not know how to compute"));
    }
    match keys.get("target_parameters") {
        Some(value) if !is_unused(value) => Err("`target_parameters` is set; only modules can be adapted".into()),
        _ => Ok(()),
    }
}

fn integer(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("should be an integer, found {value}"))
}

fn integers(value: &Value) -> Result<Vec<i64>, String> {
    let items = value.as_array().ok_or_else(|| format!("should be a list of integers, found {value}"))?;
    items.iter().map(integer).collect()
}

fn positive(key: &str, value: &Value, default: f64) -> Result<f64, String> {
    match value {
        Value::Null => Ok(default),
        value => value
            .as_f64()
            .filter(|n| *n > 0.0)
            .ok_or_else(|| format!("`{key}` should be a positive number, found {value}")),
    }
}

fn by_pattern(key: &str, value: &Value) -> Result<Vec<(Pattern, f64)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(patterns) => patterns
            .iter()
            .map(|(pattern, n)| {
                let compiled = Pattern::suffix(pattern).map_err(|e| format!("`{key}`: {e}"))?;
                Ok((compiled, positive(&format!("{key}.{pattern}"), n, 1.0)?))
            })
            .collect(),
        _ => Err(format!("`{key}` should be an object of patterns, found {value}")),
    }
}

/// The value of the first pattern that matches, in the file's order.
fn first<T: Copy>(patterns: &[(Pattern, T)], module: &str) -> Result<Option<T>, String> {
    for (pattern, value) in patterns {
        if pattern.matches(module)? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn token_rows(value: &Value) -> Result<Option<TokenRows>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(modules) => {
            let rows = modules.iter().map(|(name, rows)| Ok((name.clone(), integers(rows)?)));
            Ok(Some(TokenRows::ByModule(rows.collect::<Result<_, String>>()?)))
        }
        list => Ok(Some(TokenRows::Input(integers(list)?)).filter(|_| !is_unused(list))),
    }
}
