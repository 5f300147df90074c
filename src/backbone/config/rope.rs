//! Rotary positions in `config.json`: both generations of keys, and the kinds of scaling.
//!
//! transformers 4 writes `rope_theta` beside `rope_scaling`; transformers 5 writes one object
//! `rope_parameters`, nested by layer type where layer types differ. What is missing is filled in as
//! transformers 5 does.

use serde_json::Value;

use super::ConfigError;
use super::keys::Keys;

/// Rotary positions of one kind of layer: all that cosines and sines are computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    pub theta: f64,
    /// How many dimensions of a head turn, an even number; the others pass through.
    pub width: i64,
    pub scaling: Scaling,
    /// What cosines and sines are multiplied by.
    pub attention_factor: f64,
}

/// How frequencies are stretched beyond the lengths of pre-training; formulas in
/// [`rope`](crate::backbone::rope).
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    Default,
    Linear {
        factor: f64,
    },
    /// Neural-tangent-kernel scaling by the length of the sequence, beyond `original` tokens.
    Dynamic {
        factor: f64,
        original: i64,
    },
    Yarn {
        factor: f64,
        original: f64,
        beta_fast: f64,
        beta_slow: f64,
        /// Whether the ramp begins and ends at whole dimensions.
        truncate: bool,
    },
    /// One divisor per frequency: one list up to `original` tokens, another beyond.
    Longrope {
        short: Vec<f64>,
        long: Vec<f64>,
        original: i64,
    },
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
}

const KNOWN: &str = "default, linear, dynamic, yarn, longrope, llama3";

/// What stands where the configuration is silent.
#[derive(Debug, Clone, Copy)]
pub struct RopeDefaults {
    pub theta: f64,
    /// Key of θ beside the parameters.
    pub theta_key: &'static str,
    /// Phi-3 wrote `su` and `yarn` for what is longrope.
    pub yarn_is_longrope: bool,
    /// Phi-3's `original_max_position_embeddings`.
    pub original: Option<i64>,
    /// Whether a part of a head may turn.
    pub partial: bool,
    /// Whether `rope_scaling` of transformers 4 belongs to these layers.
    pub scaled: bool,
}

impl RopeDefaults {
    pub const PLAIN: RopeDefaults = RopeDefaults {
        theta: 10_000.0,
        theta_key: "rope_theta",
        yarn_is_longrope: false,
        original: None,
        partial: false,
        scaled: true,
    };
}

impl RopeConfig {
    /// Plain rotary positions: frequency i of `width` is θ^(−2i/width).
    pub fn plain(theta: f64, width: i64) -> Self {
        Self { theta, width, scaling: Scaling::Default, attention_factor: 1.0 }
    }

    /// The positions of layers of `layer_type` (`full_attention`, `sliding_attention`) whose heads have
    /// `head_dim` dimensions.
    pub(super) fn parse(
        at: &Keys,
        layer_type: &'static str,
        head_dim: i64,
        defaults: &RopeDefaults,
    ) -> Result<Self, ConfigError> {
        let object = parameters(at, layer_type, defaults)?;
        let theta = match object.optional_float("rope_theta")? {
            Some(theta) => theta,
            None => at.optional_float(defaults.theta_key)?.unwrap_or(defaults.theta),
        };
        if theta.is_nan() || theta <= 1.0 {
            return Err(ConfigError::Unsupported(format!("`rope_theta` is {theta}; it must be above 1")));
        }
        let partial = match object.optional_float("partial_rotary_factor")? {
            Some(factor) => factor,
            None => at.optional_float("partial_rotary_factor")?.unwrap_or(1.0),
        };
        if partial != 1.0 && !defaults.partial {
            let text = format!("`partial_rotary_factor` is {partial}; this architecture turns whole heads");
            return Err(ConfigError::Unsupported(text));
        }
        let width = (head_dim as f64 * partial) as i64;
        if width < 2 || width % 2 != 0 || width > head_dim {
            let text =
                format!("{width} of {head_dim} dimensions of a head cannot be rotated: it must be an even number");
            return Err(ConfigError::Unsupported(text));
        }
        let (scaling, attention_factor) = scaling(at, &object, width, defaults)?;
        Ok(Self { theta, width, scaling, attention_factor })
    }

    /// Up to how many tokens every sequence has the same frequencies; `None`: always.
    pub fn uniform_up_to(&self) -> Option<i64> {
        match self.scaling {
            Scaling::Dynamic { original, .. } | Scaling::Longrope { original, .. } => Some(original),
            _ => None,
        }
    }

    /// The longest sequence that scaling is meant for, where that is more than `max_positions`.
    pub(super) fn reach(&self, max_positions: i64) -> i64 {
        match self.scaling {
            Scaling::Dynamic { factor, original } => max_positions.max((original as f64 * factor) as i64),
            Scaling::Yarn { factor, original, .. } => max_positions.max((original * factor) as i64),
            _ => max_positions,
        }
    }
}

/// The object that holds these layers' parameters; an empty one where nothing is said. `rope_scaling`
/// wins over `rope_parameters`, as in transformers.
fn parameters<'a>(at: &Keys<'a>, layer_type: &str, defaults: &RopeDefaults) -> Result<Keys<'a>, ConfigError> {
    static NOTHING: Value = Value::Null;
    let scaling = at.present("rope_scaling").filter(|v| v.as_object().is_none_or(|o| !o.is_empty()));
    let (key, value) = match (scaling, at.present("rope_parameters")) {
        (Some(value), _) if defaults.scaled => ("rope_scaling", value),
        (_, Some(value)) => ("rope_parameters", value),
        _ => return Ok(Keys(&NOTHING)),
    };
    let Value::Object(object) = value else {
        return Err(ConfigError::Wrong { key: key.into(), expected: "an object", found: value.to_string() });
    };
    if !["full_attention", "sliding_attention"].iter().any(|nested| object.contains_key(*nested)) {
        return Ok(Keys(value));
    }
    match object.get(layer_type) {
        Some(nested) => Ok(Keys(nested)),
        None => Err(ConfigError::Unsupported(format!("`{key}` says nothing of `{layer_type}` layers"))),
    }
}

fn scaling(at: &Keys, object: &Keys, width: i64, defaults: &RopeDefaults) -> Result<(Scaling, f64), ConfigError> {
    let need = |key: &'static str| {
        let found = object.optional_float(key)?;
        found.ok_or_else(|| ConfigError::Unsupported(format!("rope scaling lacks the number `{key}`")))
    };
    let max_positions = || at.positive("max_position_embeddings");
    let original = || -> Result<i64, ConfigError> {
        const KEY: &str = "original_max_position_embeddings";
        if let Some(original) = at.optional_int(KEY)?.or(defaults.original) {
            return Ok(original);
        }
        object.optional_int(KEY)?.map_or_else(max_positions, Ok)
    };
    let kind = match object.present("rope_type").or_else(|| object.present("type")) {
        None => "default",
        Some(kind) => kind.as_str().unwrap_or("?"),
    };
    let kind = if defaults.yarn_is_longrope && ["su", "yarn"].contains(&kind) { "longrope" } else { kind };
    Ok(match kind {
        "default" => (Scaling::Default, 1.0),
        "linear" => (Scaling::Linear { factor: need("factor")? }, 1.0),
        "dynamic" => (Scaling::Dynamic { factor: need("factor")?, original: max_positions()? }, 1.0),
        "llama3" => {
            let (factor, low, high) = (need("factor")?, need("low_freq_factor")?, need("high_freq_factor")?);
            (Scaling::Llama3 { factor, low, high, original: original()? as f64 }, 1.0)
        }
        "yarn" => {
            let original = original()? as f64;
            let factor = factor(at, object, original)?;
            // A zero counts as absent, here and below, as in transformers.
            let optional = |key: &str| object.optional_float(key).map(|found| found.filter(|x| *x != 0.0));
            let attention =
                match (object.optional_float("attention_factor")?, optional("mscale")?, optional("mscale_all_dim")?) {
                    (Some(attention), _, _) => attention,
                    (None, Some(numerator), Some(denominator)) => {
                        magnitude(factor, numerator) / magnitude(factor, denominator)
                    }
                    _ => magnitude(factor, 1.0),
                };
            let beta_fast = optional("beta_fast")?.unwrap_or(32.0);
            let beta_slow = optional("beta_slow")?.unwrap_or(1.0);
            let truncate = object.optional_bool("truncate")?.unwrap_or(true);
            (Scaling::Yarn { factor, original, beta_fast, beta_slow, truncate }, attention)
        }
        "longrope" => {
            let original = original()?;
            let factor = factor(at, object, original as f64)?;
            let attention = match object.optional_float("attention_factor")? {
                Some(attention) => attention,
                None if factor <= 1.0 => 1.0,
                None => (1.0 + factor.ln() / (original as f64).ln()).sqrt(),
            };
            let short = divisors(object, "short_factor", width)?;
            let long = divisors(object, "long_factor", width)?;
            (Scaling::Longrope { short, long, original }, attention)
        }
        other => {
            let text = format!("rope type `{other}` is not supported; known: {KNOWN}");
            return Err(ConfigError::Unsupported(text));
        }
    })
}

/// `factor`, else how much longer sequences may be than in pre-training.
fn factor(at: &Keys, object: &Keys, original: f64) -> Result<f64, ConfigError> {
    match object.optional_float("factor")? {
        Some(factor) => Ok(factor),
        None => Ok(at.positive("max_position_embeddings")? as f64 / original),
    }
}

/// YaRN's attention magnitude (arXiv 2309.00071, equation 22).
fn magnitude(factor: f64, scale: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 }
}

fn divisors(object: &Keys, key: &'static str, width: i64) -> Result<Vec<f64>, ConfigError> {
    let wrong = |found: String| ConfigError::Wrong {
        key: key.to_owned(),
        expected: "a list of numbers above 0, one per two dimensions",
        found,
    };
    let value = object.present(key).ok_or_else(|| wrong("nothing".to_owned()))?;
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|list| list.iter().map(|x| x.as_f64().filter(|x| *x > 0.0)).collect());
    match numbers {
        Some(numbers) if numbers.len() as i64 == width / 2 => Ok(numbers),
        Some(numbers) => Err(wrong(format!("{} numbers for {width} dimensions", numbers.len()))),
        None => Err(wrong(value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(config: Value) -> Result<RopeConfig, String> {
        RopeConfig::parse(&Keys(&config), "full_attention", 8, &RopeDefaults::PLAIN).map_err(|e| e.to_string())
    }

    #[test]
    fn yarn_fills_in_what_is_missing() {
        let yarn = |extra: Value| {
            let mut rope = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32});
            rope.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            parse(json!({"max_position_embeddings": 128, "rope_scaling": rope})).unwrap()
        };
        let scaling = Scaling::Yarn { factor: 4.0, original: 32.0, beta_fast: 32.0, beta_slow: 1.0, truncate: true };
        let attention_factor = 0.1 * 4f64.ln() + 1.0;
        assert_eq!(yarn(json!({})), RopeConfig { theta: 1e4, width: 8, scaling, attention_factor });
        let ratio = yarn(json!({"mscale": 0.707, "mscale_all_dim": 1.0})).attention_factor;
        assert!((ratio - (0.0707 * 4f64.ln() + 1.0) / (0.1 * 4f64.ln() + 1.0)).abs() < 1e-12);
        assert_eq!(
            yarn(json!({"mscale": 0.707, "mscale_all_dim": 1.0, "attention_factor": 1.5})).attention_factor,
            1.5
        );
    }

    #[test]
    fn parameters_nested_by_layer_type_are_told_apart() {
        let config = json!({"rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        }});
        let of = |kind| RopeConfig::parse(&Keys(&config), kind, 8, &RopeDefaults::PLAIN).unwrap();
        assert_eq!(of("sliding_attention"), RopeConfig::plain(1e4, 8));
        let full = RopeConfig { scaling: Scaling::Linear { factor: 8.0 }, ..RopeConfig::plain(1e6, 8) };
        assert_eq!(of("full_attention"), full);
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_name() {
        let refused = [
            (json!({"rope_scaling": {"rope_type": "spiral"}}), "`spiral` is not supported; known: default, linear"),
            (json!({"rope_scaling": {"type": "linear"}}), "lacks the number `factor`"),
            (json!({"partial_rotary_factor": 0.5}), "turns whole heads"),
            (json!({"rope_parameters": {"sliding_attention": {}}}), "says nothing of `full_attention`"),
            (
                json!({"max_position_embeddings": 64, "rope_scaling":
                    {"rope_type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [1.0, 1.0, 1.0, 1.0]}}),
                "`short_factor` should be a list",
            ),
        ];
        for (config, expected) in refused {
            let error = parse(config).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
