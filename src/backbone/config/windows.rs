//! Which layers see everything before them, and which only a sliding window of it.

use serde_json::Value;

use super::keys::Keys;
use super::{ConfigError, ModelType};

/// An architecture's way to say which layers slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sliding {
    /// None, whatever the keys say.
    Never,
    /// All, where `sliding_window` is a number; `default` stands where the key is missing (not null).
    All { default: Option<i64> },
    /// As `layer_types` says, else all but every n-th; n may be another under `key`.
    Pattern { full_every: i64, key: Option<&'static str> },
    /// Where `use_sliding_window` is set: as `layer_types` says, else from `max_window_layers` on.
    Qwen,
}

/// Window of architectures that slide and do not say how far.
const DEFAULT_WINDOW: i64 = 4096;

/// Per layer: how far back a query sees, itself included; `None` is all the way.
pub fn parse(at: &Keys, model_type: ModelType, sliding: Sliding, layers: i64) -> Result<Vec<Option<i64>>, ConfigError> {
    let found = at.optional_int("sliding_window")?;
    if let Some(window) = found.filter(|w| *w < 1) {
        return Err(ConfigError::Unsupported(format!("`sliding_window` is {window}; it must be at least 1")));
    }
    let missing = at.0.get("sliding_window").is_none();
    let full = || vec![None; layers as usize];
    match sliding {
        Sliding::Never => Ok(full()),
        Sliding::All { default } => {
            let window = if missing { default } else { found };
            let mixed = layer_types(at, layers)?.is_some_and(|types| types.contains(&false));
            if window.is_some() && mixed {
                let text = format!("`layer_types` of a {} model: all its layers slide", model_type.name());
                return Err(ConfigError::Unsupported(text));
            }
            Ok(vec![window; layers as usize])
        }
        Sliding::Pattern { full_every, key } => {
            let window = if missing { Some(DEFAULT_WINDOW) } else { found };
            let every = key.map_or(Ok(None), |key| at.optional_int(key))?.unwrap_or(full_every).max(1);
            let slides = match layer_types(at, layers)? {
                Some(types) => types,
                None => (1..=layers).map(|number| number % every != 0).collect(),
            };
            match window {
                None if slides.contains(&true) => Err(ConfigError::Missing { key: "sliding_window" }),
                _ => Ok(slides.into_iter().map(|slides| window.filter(|_| slides)).collect()),
            }
        }
        Sliding::Qwen => {
            let enabled = at.optional_bool("use_sliding_window")?.unwrap_or(false);
            let window = if missing { Some(DEFAULT_WINDOW) } else { found };
            let Some(window) = window.filter(|_| enabled) else { return Ok(full()) };
            let first = at.optional_int("max_window_layers")?.unwrap_or(28);
            let slides = match layer_types(at, layers)? {
                Some(types) => types,
                None => (0..layers).map(|layer| layer >= first).collect(),
            };
            Ok(slides.into_iter().map(|slides| slides.then_some(window)).collect())
        }
    }
}

/// Whether each layer slides, by `layer_types`; `None` where the key is missing.
fn layer_types(at: &Keys, layers: i64) -> Result<Option<Vec<bool>>, ConfigError> {
    const KEY: &str = "layer_types";
    let wrong = |expected, found: &Value| ConfigError::Wrong { key: KEY.into(), expected, found: found.to_string() };
    let Some(value) = at.present(KEY) else { return Ok(None) };
    let types = value.as_array().ok_or_else(|| wrong("a list", value))?;
    if types.len() as i64 != layers {
        let text = format!("`{KEY}` has {} entries for {layers} layers", types.len());
        return Err(ConfigError::Unsupported(text));
    }
    let slides = types.iter().map(|kind| match kind.as_str() {
        Some("sliding_attention") => Ok(true),
        Some("full_attention") => Ok(false),
        _ => Err(wrong("sliding_attention or full_attention", kind)),
    });
    slides.collect::<Result<_, _>>().map(Some)
}
