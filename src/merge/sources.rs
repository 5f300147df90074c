//! The models that are merged: opened, and checked to be of one kind before anything is computed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::MergeError;
use super::heads::HeadScale;
use super::rule::Values;
use crate::backbone::config::BackboneConfig;
use crate::backbone::weights::{Checkpoint, Stored};
use crate::files;
use crate::progress::Progress;
use crate::reward::artifact::{ArtifactError, MergedModel, ModelCard};
use crate::reward::embedding::EmbeddingModel;
use crate::reward::network::read_json;
use crate::reward::parts::ModelParts;

/// Names that an error lists at most.
const LISTED: usize = 5;
/// Keys of `config.json` that say nothing of what is computed with the weights.
const BESIDE: [&str; 14] = [
    "_name_or_path",
    "architectures",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "id2label",
    "label2id",
    "num_labels",
    "pad_token_id",
    "problem_type",
    "torch_dtype",
    "transformers_version",
    "unsloth_version",
    "use_cache",
];

/// One model, opened.
pub struct Source {
    pub name: String,
    pub parts: ModelParts,
    /// SHA-256 over the digests of its weights.
    pub digest: String,
    pub card: Option<ModelCard>,
    pub config: Value,
    checkpoint: Checkpoint,
    /// What its head's tensors are multiplied by and shifted with.
    pub head: Option<HeadScale>,
}

impl Source {
    pub fn open(spec: &str, progress: &mut dyn Progress) -> Result<Self, MergeError> {
        let parts = ModelParts::find(spec, None, progress).map_err(Box::new)?;
        if parts.adapter.is_some() {
            return Err(MergeError::Adapter { model: spec.to_owned() });
        }
        let wrong = |error: ArtifactError| MergeError::from(Box::new(error));
        let path = parts.checkpoint.join("config.json");
        // A head on vectors has no trunk and no configuration of one.
        let config = match path.is_file() {
            true => read_json(&path).map_err(|e| wrong(e.into()))?,
            false if EmbeddingModel::is_in(&parts.checkpoint) => Value::Null,
            false => return Err(wrong(ArtifactError::NotAModel { path: parts.checkpoint.clone() })),
        };
        let card = parts.card().map_err(wrong)?;
        let checkpoint = Checkpoint::open_dir(&parts.checkpoint)?;
        let weights =
            parts.digests()?.into_iter().filter(|(name, _)| name.ends_with(".safetensors") || name.ends_with(".bin"));
        let digests: Vec<String> = weights.map(|(_, digest)| digest).collect();
        let digest = files::sha256(digests.join("\n").as_bytes());
        Ok(Self { name: spec.to_owned(), parts, digest, card, config, checkpoint, head: None })
    }

    /// Makes its tensors readable once more.
    pub fn reopen(&mut self) -> Result<(), MergeError> {
        self.checkpoint = Checkpoint::open_dir(&self.parts.checkpoint)?;
        Ok(())
    }

    pub fn names(&self) -> BTreeSet<String> {
        self.checkpoint.names().map(str::to_owned).collect()
    }

    pub fn stored(&self, name: &str) -> Option<Stored> {
        self.checkpoint.stored(name)
    }

    /// A tensor as it is stored; on the page cache where the file allows it.
    fn tensor(&mut self, name: &str) -> Result<Tensor, MergeError> {
        let missing =
            || MergeError::Tensor { name: name.to_owned(), problem: format!("`{}` does not have it", self.name) };
        let stored = self.stored(name).ok_or_else(missing)?;
        let kind = stored.kind.ok_or_else(|| MergeError::Tensor {
            name: name.to_owned(),
            problem: format!("its element type {} is not read", stored.dtype),
        })?;
        let loaded = self.checkpoint.load(name, kind, Device::Cpu)?;
        loaded
            .map(|loaded| loaded.tensor)
            .ok_or_else(|| MergeError::Tensor { name: name.to_owned(), problem: "it was read before".into() })
    }

    /// The values of a tensor, with the head matched where that was asked for.
    pub fn values(&mut self, name: &str) -> Result<Values, MergeError> {
        let tensor = self.tensor(name)?;
        let (scale, shift) = self.head.as_ref().map_or((1.0, 0.0), |head| head.of(name));
        Ok(Values::scaled(&tensor, scale, shift))
    }

    /// A tensor of whole numbers, in which all models agree.
    pub fn whole_numbers<'a>(
        &mut self,
        name: &str,
        others: impl Iterator<Item = &'a mut Source>,
    ) -> Result<Tensor, MergeError> {
        let own = self.tensor(name)?;
        for other in others {
            if other.stored(name).is_some() && !other.tensor(name)?.equal(&own) {
                let problem =
                    format!("`{}` and `{}` differ in it, and whole numbers have no average", self.name, other.name);
                return Err(MergeError::Tensor { name: name.to_owned(), problem });
            }
        }
        Ok(own)
    }

    pub fn is_whole(&self, name: &str) -> bool {
        let kind = self.stored(name).and_then(|stored| stored.kind);
        !matches!(kind, Some(Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16))
    }

    pub fn described(&self, weight: Option<f64>) -> MergedModel {
        MergedModel {
            name: self.name.clone(),
            weights_sha256: self.digest.clone(),
            weight,
            rewards: self.head.as_ref().map(|head| head.rewards),
        }
    }
}

/// Refuses models whose tensors, configuration, vocabulary or reading of rewards differ. `is_base`: a reward
/// head may be missing, and tensors that only it has are no error. Returns what it lacks and has too many.
pub fn compare(first: &Source, other: &Source, is_base: bool) -> Result<Unlike, MergeError> {
    let differs =
        |problem: String| Err(MergeError::Differs { first: first.name.clone(), model: other.name.clone(), problem });
    let (of_first, of_other) = (first.names(), other.names());
    let missing: Vec<String> = of_first.difference(&of_other).cloned().collect();
    let extra: Vec<String> = of_other.difference(&of_first).cloned().collect();
    let unlike = Unlike { missing, extra };
    let is_alike = unlike.missing.is_empty() && unlike.extra.is_empty();
    let is_fine = is_alike || is_base && unlike.missing.iter().all(|name| is_head(name));
    if !is_fine {
        return differs(unlike.to_string());
    }
    for name in of_first.intersection(&of_other) {
        let (Some(a), Some(b)) = (first.stored(name), other.stored(name)) else { continue };
        if a.shape != b.shape {
            return differs(format!("tensor `{name}` has shape {:?} and {:?}", b.shape, a.shape));
        }
    }
    if let Some(problem) = configs(&first.config, &other.config, is_base) {
        return differs(problem);
    }
    if let Some(problem) = vocabularies(first, other)? {
        return differs(problem);
    }
    let reads = |source: &Source| source.card.as_ref().map(|card| card.reward.options());
    if let (Some(a), Some(b), false) = (reads(first), reads(other), is_base)
        && a != b
    {
        return differs("their rmbench.toml describe different reward heads, or heads that read elsewhere".into());
    }
    Ok(unlike)
}

/// Tensors that one of two models lacks.
pub struct Unlike {
    pub missing: Vec<String>,
    pub extra: Vec<String>,
}

impl std::fmt::Display for Unlike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        for (what, names) in [("it lacks", &self.missing), ("only it has", &self.extra)] {
            if !names.is_empty() {
                parts.push(format!("{what} {}", listed(names)));
            }
        }
        f.write_str(&parts.join("; "))
    }
}

/// A few names, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Tensors of reward heads, which the language models that fine-tuning begins with do not have.
fn is_head(name: &str) -> bool {
    let heads = ["score.", "classifier.", "v_head.", "regression_head.", "value_head.", "pooler.dense.", "head."];
    heads.iter().any(|head| name.starts_with(head) || name.contains(&format!(".{head}")))
}

/// What two configurations disagree in, of what decides how weights are used.
fn configs(first: &Value, other: &Value, is_base: bool) -> Option<String> {
    let alike = |config: &Value| {
        let config = BackboneConfig::parse(config).ok()?;
        let labels = if is_base { 1 } else { config.num_labels };
        Some(BackboneConfig { pad_id: None, num_labels: labels, ..config })
    };
    // What is not understood is compared as it stands.
    if let (Some(a), Some(b)) = (alike(first), alike(other))
        && a == b
    {
        return None;
    }
    let keys: BTreeSet<&String> = [first, other].iter().filter_map(|c| c.as_object()).flat_map(|c| c.keys()).collect();
    let keys = keys.into_iter().filter(|key| !BESIDE.contains(&key.as_str()) && first.get(key) != other.get(key));
    let keys: Vec<String> = keys.cloned().collect();
    (!keys.is_empty()).then(|| format!("config.json differs in {}", listed(&keys)))
}

/// Whether the same token ids mean the same texts.
fn vocabularies(first: &Source, other: &Source) -> Result<Option<String>, MergeError> {
    let read = |source: &Source| -> Result<Option<BTreeMap<&'static str, Value>>, MergeError> {
        let path: PathBuf = source.parts.tokenizer().join("tokenizer.json");
        if !path.is_file() {
            return Ok(None);
        }
        let json = read_json(&path).map_err(|e| Box::new(ArtifactError::from(e)))?;
        let part = |pointer: &str| json.pointer(pointer).cloned().unwrap_or_default();
        Ok(Some(BTreeMap::from([("vocabulary", part("/model/vocab")), ("added tokens", part("/added_tokens"))])))
    };
    let (Some(a), Some(b)) = (read(first)?, read(other)?) else { return Ok(None) };
    let part = a.iter().find(|(part, value)| b.get(*part) != Some(*value)).map(|(part, _)| *part);
    Ok(part.map(|part| format!("tokenizer.json has another {part}")))
}
