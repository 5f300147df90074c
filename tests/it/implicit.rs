//! Implicit reward models: log-probabilities of responses as transformers has them, scores as RewardBench has them,
//! training steps as TRL takes them.
//!
//! Fixtures: `tests/fixtures/implicit`, written by `tests/reference/implicit.py`.

mod adapters;
mod beside;
mod cloud;
mod log_probs;
mod rewardbench;
mod scores;
mod steps;
mod train;

use std::path::{Path, PathBuf};

use rmbench::backbone::lora::AdapterUse;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::progress::Silent;
use rmbench::reward::artifact;
use rmbench::reward::network::{Loading, MissingHead};
use rmbench::reward::parts::ModelParts;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::settings::TextOverrides;
use serde_json::Value;
use tch::{Device, Kind};

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/implicit")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
}

fn loading(kind: Kind) -> Loading {
    Loading { device: Device::Cpu, weights: kind, compute: kind, missing: MissingHead::Refuse }
}

/// A language model, with no limit of length: the fixtures' texts are longer than their positions.
fn policy_in(dir: &Path, kind: Kind) -> ScalarModel {
    let parts = ModelParts::of(dir, None, &mut Silent).unwrap();
    let text = TextOverrides { max_length: Some(4096), ..TextOverrides::default() };
    artifact::load_parts(&parts, AdapterUse::Merged, loading(kind), &text, &artifact::as_policy()).unwrap()
}

fn policy(name: &str, kind: Kind) -> ScalarModel {
    policy_in(&fixtures().join(name), kind)
}

fn comparison(id: &str, prompt: &str, chosen: &[&str], rejected: &[&str]) -> Comparison {
    let responses = |texts: &[&str]| texts.iter().map(|text| Response::new(*text)).collect();
    Comparison {
        id: id.into(),
        source: id.into(),
        lang: rmbench::lang::Lang::ENGLISH,
        subset: "s".into(),
        category: None,
        prompt: Conversation::from_prompt(prompt),
        chosen: responses(chosen),
        rejected: responses(rejected),
        margin: None,
        evidence: Default::default(),
        row: 0,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
