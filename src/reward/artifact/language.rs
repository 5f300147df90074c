//! Directories of language models that judge.

use std::path::Path;

use serde_json::Value;

use super::{ArtifactError, FILE_NAME, ModelCard, ProvenanceCard, RewardCard, SCHEMA, copy_tokenizer};
use crate::backbone::weights;
use crate::files;
use crate::reward::language_model::LanguageModel;
use crate::text::settings::TextSettings;

/// Their kind in `rmbench.toml`.
pub(super) const KIND: &str = "generative";

/// Writes a language model with its tokenizer and text settings, what it was trained for, and its generation settings;
/// the weights last.
pub fn save_language_model(
    dir: &Path,
    model: &LanguageModel,
    (tokenizer_dir, text): (&Path, &TextSettings),
    (objective, provenance): (&str, &ProvenanceCard),
    generation: &Value,
) -> Result<(), ArtifactError> {
    copy_tokenizer(tokenizer_dir, dir)?;
    let json = |name: &str, value: &Value| -> Result<(), ArtifactError> {
        let path = dir.join(name);
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| ArtifactError::Wrong { path: path.clone(), problem: e.to_string() })?;
        Ok(files::write_bytes(&path, (text + "\n").as_bytes())?)
    };
    json("generation_config.json", generation)?;
    json("config.json", &model.causal_config())?;
    let reward = RewardCard {
        kind: KIND.to_owned(),
        objective: Some(objective.to_owned()),
        pooling: None,
        head: None,
        label_weights: None,
        normalise: None,
        gate_pattern: None,
        gate_temperature: None,
    };
    let card = ModelCard { schema: SCHEMA, reward, text: text.clone(), provenance: Some(provenance.clone()) };
    let card = toml::to_string_pretty(&card)
        .map_err(|e| ArtifactError::Wrong { path: dir.join(FILE_NAME), problem: e.to_string() })?;
    files::write_bytes(&dir.join(FILE_NAME), card.as_bytes())?;
    let params = model.merged_params()?;
    let tensors = params.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Ok(weights::write(&dir.join(weights::SINGLE_FILE), tensors)?)
}
