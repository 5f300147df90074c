//! The tokens that end a reply: as `generation_config.json` says, else `config.json`, else the tokenizer.

use std::path::Path;

use serde_json::Value;

use crate::backbone::config;
use crate::reward::artifact::GENERATION_FILE;
use crate::reward::network::{NetworkError, read_json};
use crate::reward::wrapped;
use crate::text::encode::TextPipeline;

/// Ids that end a reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends(pub Vec<u32>);

impl Ends {
    pub fn of(dir: &Path, text: &TextPipeline) -> Result<Self, NetworkError> {
        let of_generation = dir.join(GENERATION_FILE);
        let mut found = Vec::new();
        if of_generation.is_file() {
            found = ids(read_json(&of_generation)?.get("eos_token_id"));
        }
        if found.is_empty() {
            let whole = wrapped::config(dir)?;
            found = ids(config::text_part(&whole)?.get("eos_token_id"));
        }
        if found.is_empty() {
            found.extend(text.eos_id());
        }
        Ok(Self(found))
    }

    pub fn holds(&self, id: u32) -> bool {
        self.0.contains(&id)
    }
}

/// One id or a list of them.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(id).collect(),
        Some(one) => id(one).into_iter().collect(),
        None => Vec::new(),
    }
}
