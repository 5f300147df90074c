//! A PEFT adapter directory: `adapter_config.json` and the tensors that go with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::{Device, Kind};

use super::LoraConfig;
use crate::backbone::params::Params;
use crate::backbone::weights::{self, Checkpoint, Loaded, Stored, WeightsError};
use crate::files::{self, FileError};

pub const CONFIG_FILE: &str = "adapter_config.json";
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";
/// What older adapters have in its place.
pub const PICKLE_FILE: &str = "adapter_model.bin";
/// In front of every name in the file: PEFT's wrappers around the model.
const WRAPPERS: &str = "base_model.model.";
/// What PEFT leaves beside modules that it saves in full: the base's version, and the same once more.
const BESIDE: [&str; 2] = [".original_module.", ".modules_to_save."];
/// Suffixes of an adapter's own tensors within their module.
pub const DOWN: &str = "lora_A.weight";
pub const UP: &str = "lora_B.weight";
pub const UP_BIAS: &str = "lora_B.bias";
pub const MAGNITUDE: &str = "lora_magnitude_vector";
pub const EMBEDDING_DOWN: &str = "lora_embedding_A";
pub const EMBEDDING_UP: &str = "lora_embedding_B";
pub const TOKEN_ROWS: &str = "token_adapter.trainable_tokens_delta";

#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("`{}`: {problem}", path.display())]
    Wrong { path: PathBuf, problem: String },
}

/// What becomes of an adapter when its model is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterUse {
    /// The weights it adds to become their sums, computed in f32: nothing to pay while scoring.
    Merged,
    /// Base and adapter stay apart, so that the adapter alone can be trained and saved.
    Apart,
}

/// An adapter on its way into a model.
pub struct Adapter {
    pub config: LoraConfig,
    pub usage: AdapterUse,
    /// `None`: a new adapter, to be drawn.
    file: Option<AdapterFile>,
}

struct AdapterFile {
    checkpoint: Checkpoint,
    /// A tensor's name without PEFT's wrappers to its name in the file.
    names: BTreeMap<String, String>,
}

/// Whether a directory holds an adapter.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(CONFIG_FILE).is_file()
}

/// The configuration of an adapter directory.
pub fn read_config(dir: &Path) -> Result<LoraConfig, AdapterError> {
    let path = dir.join(CONFIG_FILE);
    let wrong = |problem: String| AdapterError::Wrong { path: path.clone(), problem };
    let json: Value = serde_json::from_str(&files::read_text(&path)?).map_err(|e| wrong(e.to_string()))?;
    LoraConfig::parse(&json).map_err(wrong)
}

impl Adapter {
    pub fn open(dir: &Path, usage: AdapterUse) -> Result<Self, AdapterError> {
        let config = read_config(dir)?;
        let (safe, pickle) = (dir.join(WEIGHTS_FILE), dir.join(PICKLE_FILE));
        let path = if safe.is_file() || !pickle.is_file() { safe } else { pickle };
        let mut checkpoint = Checkpoint::open_files(std::slice::from_ref(&path))?;
        let wrong = |problem: String| AdapterError::Wrong { path: path.clone(), problem };
        let mut names = BTreeMap::new();
        let mut beside = Vec::new();
        for stored in checkpoint.names() {
            let name = stored
                .strip_prefix(WRAPPERS)
                .ok_or_else(|| wrong(format!("tensor `{stored}` does not begin with `{WRAPPERS}`: not from peft")))?;
            if BESIDE.iter().any(|part| name.contains(part)) {
                beside.push(stored.to_owned());
                continue;
            }
            // The layer that an adapter wraps; older DoRA files name its parameter too.
            let name = name.replace(".base_layer.", ".").replace("lora_magnitude_vector.weight", MAGNITUDE);
            if let Some(other) = names.insert(name, stored.to_owned()) {
                return Err(wrong(format!("tensors `{other}` and `{stored}` mean the same")));
            }
        }
        for stored in beside {
            checkpoint.skip(&stored);
        }
        Ok(Self { config, usage, file: Some(AdapterFile { checkpoint, names }) })
    }

    /// An adapter that begins as nothing: A drawn, B zero.
    pub fn new(config: LoraConfig) -> Self {
        Self { config, usage: AdapterUse::Apart, file: None }
    }

    /// The same for a model whose backbone's names begin with `prefix`, which the file may leave out.
    pub fn within(mut self, prefix: &'static str) -> Self {
        let bare = self.file.as_ref().is_some_and(|file| !file.names.keys().any(|name| name.starts_with(prefix)));
        self.config = self.config.leaving_out(if bare { prefix } else { "" });
        self
    }

    pub fn is_new(&self) -> bool {
        self.file.is_none()
    }

    /// What the file says of a tensor not yet taken.
    pub fn stored(&self, name: &str) -> Option<Stored> {
        let file = self.file.as_ref()?;
        file.checkpoint.stored(file.names.get(self.config.key(name))?)
    }

    pub fn has(&self, name: &str) -> bool {
        self.stored(name).is_some()
    }

    pub fn load(&mut self, name: &str, kind: Kind, device: Device) -> Result<Option<Loaded>, WeightsError> {
        let Some(file) = &mut self.file else { return Ok(None) };
        match file.names.get(self.config.key(name)) {
            Some(stored) => file.checkpoint.load(stored, kind, device),
            None => Ok(None),
        }
    }

    /// Names in the file that nothing has taken.
    pub fn untaken(&self) -> Vec<String> {
        let file = self.file.as_ref();
        file.map(|file| file.checkpoint.untaken().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// The file, for messages.
    pub fn place(&self) -> PathBuf {
        let file = self.file.as_ref();
        file.map_or_else(|| PathBuf::from("the new adapter"), |file| file.checkpoint.place().to_owned())
    }
}

/// Writes an adapter directory that PEFT loads: of a model's parameters, those that belong to it.
pub fn save(dir: &Path, config: &LoraConfig, base: &str, params: &Params) -> Result<(), AdapterError> {
    let path = dir.join(CONFIG_FILE);
    let mut written = config.json.clone();
    if let Value::Object(keys) = &mut written {
        keys.insert("base_model_name_or_path".into(), json!(base));
        keys.insert("inference_mode".into(), json!(true));
    }
    let text = serde_json::to_string_pretty(&written)
        .map_err(|e| AdapterError::Wrong { path: path.clone(), problem: e.to_string() })?;
    files::write_bytes(&path, (text + "\n").as_bytes())?;
    let mut named = Vec::new();
    for (name, tensor) in params {
        if config.saves(name).map_err(|problem| AdapterError::Wrong { path: path.clone(), problem })? {
            named.push((format!("{WRAPPERS}{}", config.key(&wrapped(name, params))), tensor));
        }
    }
    Ok(weights::write(&dir.join(WEIGHTS_FILE), named.iter().map(|(name, tensor)| (name.as_str(), *tensor)))?)
}

/// The name under the layer that PEFT puts around a module to which something is added.
fn wrapped(name: &str, params: &Params) -> String {
    let added =
        |module: &str| [DOWN, EMBEDDING_DOWN].iter().any(|part| params.contains_key(&format!("{module}.{part}")));
    match name.rsplit_once('.') {
        Some((module, part)) if added(module) && part != MAGNITUDE && !part.starts_with("lora_") => {
            format!("{module}.base_layer.{part}")
        }
        _ => name.to_owned(),
    }
}
