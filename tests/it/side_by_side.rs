//! Fifty steps beside TRL's RewardTrainer, from the same parameters on the same batches:
//! `tests/reference/trl_side_by_side.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rmbench::backbone::weights::Checkpoint;
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::command::rmbench;

/// Losses, gradient norms and parameters, relative to TRL's.
const RELATIVE: f64 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn trl(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("trl").join(file)).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

/// Trains by the command line as the fixture says, and holds the log against it.
fn train(log: &str, model: &Path, out: &Path, more: &[&str]) {
    let expected = trl(log);
    let settings = &expected["settings"];
    let pairs = fixtures().join("trl/pairs.jsonl").to_string_lossy().into_owned();
    let model = model.to_string_lossy().into_owned();
    let set = |key: &str, value: &Value| format!("{key}={value}");
    let sets = [
        set("max-steps", &settings["steps"]),
        set("batch-size", &settings["batch"]),
        set("lr", &settings["learning_rate"]),
        set("weight-decay", &settings["weight_decay"]),
        set("clip", &settings["max_grad_norm"]),
        set("warmup-steps", &settings["warmup_steps"]),
        "sampling.order=as-given".into(),
        "source.lang=eng_Latn".into(),
        "over-length=refuse".into(),
    ];
    let mut args = vec!["train", "--model", &model, "--data", &pairs, "--out", "out"];
    sets.iter().for_each(|set| args.extend(["--set", set.as_str()]));
    more.iter().for_each(|set| args.extend(["--set", set]));
    let output = rmbench(out, &args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(out.join("out/steps.jsonl")).unwrap();
    let steps: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for key in ["loss", "grad_norm"] {
        let (found, expected) = (steps.iter().map(|step| step[key].as_f64().unwrap()), numbers(&expected[key]));
        assert_eq!(expected.len(), steps.len());
        for (step, (found, expected)) in found.zip(expected).enumerate() {
            assert!((found - expected).abs() <= RELATIVE * expected.abs(), "{key} of step {step}: {found}, {expected}");
        }
    }
    // The model learns something in these fifty steps, or equality would say little.
    let loss = numbers(&expected["loss"]);
    assert!(loss[45..].iter().sum::<f64>() < 0.8 * loss[..5].iter().sum::<f64>(), "{loss:?}");
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    Checkpoint::open_files(&[path.to_owned()]).unwrap().take_all().unwrap()
}

/// Each tensor's distance relative to its size. Moved by training, all but those named.
fn assert_equal(found: &Path, expected: &Path, before: &Path) {
    let (found, expected, before) = (tensors(found), tensors(expected), tensors(before));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in &expected {
        let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
        let (difference, size) = (norm(&(&found[name] - expected)), norm(expected));
        assert!(difference <= RELATIVE * size, "{name}: {:.2e}", difference / size);
        assert!(norm(&(&before[name] - expected)) > 10.0 * RELATIVE * size, "{name} did not move");
    }
}

#[test]
fn every_parameter_goes_trls_way() {
    let (dir, base) = (tempfile::tempdir().unwrap(), fixtures().join("arch/llama"));
    train("full.json", &base, dir.path(), &["token-budget=600"]);
    let expected = fixtures().join("trl/full/model.safetensors");
    assert_equal(&dir.path().join("out/model.safetensors"), &expected, &base.join("model.safetensors"));
}

/// Segments of one layer and micro-batches beside.
#[test]
fn an_adapter_and_the_head_go_trls_way() {
    let (dir, start) = (tempfile::tempdir().unwrap(), fixtures().join("trl/lora/start"));
    train("lora.json", &start, dir.path(), &["adapter.method=keep", "checkpoint-layers=1", "token-budget=300"]);
    let file = "adapter_model.safetensors";
    let expected = fixtures().join("trl/lora/final").join(file);
    assert_equal(&dir.path().join("out").join(file), &expected, &start.join(file));
    let names: Vec<String> = tensors(&expected).into_keys().collect();
    assert!(names.iter().any(|name| name.contains("score")) && names.len() == 13, "{names:?}");
}
