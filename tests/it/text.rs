//! Texts to token ids: template strings and ids equal transformers'.
//!
//! Fixtures: `tests/fixtures/chat` (`chat_templates.py`, `chat_expressions.py`), `tests/fixtures/tokens.json`
//! (`tokenizers_ids.py`) and `tests/fixtures/arch/*/inputs.json` (`architectures.py`).

use std::path::PathBuf;

use serde_json::Value;

pub mod pipeline;
mod show;
mod templates;
mod tokens;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(path)).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}
