//! The `pair` layout: prompt and response as a tokenizer's two texts, told apart by token types.
//!
//! Fixture: `tests/fixtures/segments.json`, written by `tests/reference/segments.py`.

use std::path::{Path, PathBuf};

use rmbench::preference::Comparison;
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::encode::TextPipeline;
use rmbench::text::settings::{Layout, TextSettings};
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::command::run;
use crate::text::pipeline::pair as pair_of;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join("segments.json")).unwrap()).unwrap()
}

fn settings(max_length: Option<u64>) -> TextSettings {
    let max_length = max_length.map(|n| n as usize);
    TextSettings { layout: Layout::Pair, max_length, ..TextSettings::default() }
}

fn model(architecture: &str, max_length: Option<u64>) -> ScalarModel {
    let dir = fixtures().join("arch").join(architecture);
    let (kind, missing) = (Kind::Float, MissingHead::Refuse);
    artifact::load(&dir, Device::Cpu, kind, kind, missing, Some(&settings(max_length))).unwrap()
}

/// Chosen and rejected rows of one limit, as a comparison each.
fn comparisons(rows: &[Value], limit: Option<u64>) -> (Vec<Comparison>, Vec<[&Value; 2]>) {
    let pairs = rows.chunks(2).filter(|pair| pair[0]["max_length"].as_u64() == limit);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    pairs
        .map(|pair| {
            let [chosen, rejected] = [&pair[0], &pair[1]].map(|row| text(row, "response"));
            (pair_of(&text(&pair[0], "prompt"), &chosen, &rejected), [&pair[0], &pair[1]])
        })
        .unzip()
}

fn numbers(value: &Value) -> Option<Vec<u32>> {
    Some(value.as_array()?.iter().map(|n| u32::try_from(n.as_u64().unwrap()).unwrap()).collect())
}

#[test]
fn ids_segments_and_rewards_equal_transformers() {
    let fixture = fixture();
    let architectures = fixture["architectures"].as_object().unwrap();
    assert!(architectures.len() >= 8);
    for (name, expected) in architectures {
        let rows = expected["rows"].as_array().unwrap();
        for limit in [None, Some(30)] {
            let model = model(name, limit);
            let (comparisons, rows) = comparisons(rows, limit);
            assert!(!comparisons.is_empty());
            let scores = model.score(&comparisons, &mut |_| {}).unwrap();
            for ((comparison, rows), scores) in comparisons.iter().zip(rows).zip(scores) {
                let encoded = model.text.encode(comparison).unwrap();
                for (index, row) in rows.into_iter().enumerate() {
                    let at = format!("{name}, {row}");
                    assert_eq!(encoded.sequences[index], numbers(&row["ids"]).unwrap(), "{at}");
                    let segments =
                        numbers(&row["token_type_ids"]).unwrap_or_else(|| vec![0; encoded.sequences[index].len()]);
                    assert_eq!(encoded.segments_of(index), segments, "{at}");
                    let (found, expected) = (f64::from(scores[index].reward.unwrap()), row["reward"].as_f64().unwrap());
                    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}: {at}");
                }
            }
        }
    }
}

#[test]
fn gradients_reach_the_segments_embeddings() {
    let fixture = fixture();
    let mut compared = 0;
    for (name, expected) in fixture["architectures"].as_object().unwrap() {
        let Some(gradient) = expected["token_type_gradient"].as_array() else { continue };
        let gradient: Vec<f64> =
            gradient.iter().flat_map(|row| row.as_array().unwrap().iter().map(|g| g.as_f64().unwrap())).collect();
        let mut loss = tch::Tensor::zeros([], (Kind::Float, Device::Cpu));
        let (whole, cut) = (model(name, None), model(name, Some(30)));
        whole.network.train_all();
        for (limit, text) in [(None, &whole.text), (Some(30), &cut.text)] {
            for comparison in comparisons(expected["rows"].as_array().unwrap(), limit).0 {
                let batch = whole.token_batch(&[(0, &text.encode(&comparison).unwrap())]).unwrap();
                let rewards = whole.rewards_for_training(&batch, None).unwrap();
                loss += (rewards.get(1) - rewards.get(0)).softplus();
            }
        }
        loss.backward();
        let types = whole.network.params().iter().find(|(name, _)| name.ends_with("token_type_embeddings.weight"));
        let found = Vec::<f32>::try_from(types.unwrap().1.grad().view([-1])).unwrap();
        let scale = gradient.iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
        assert_eq!(found.len(), gradient.len());
        for (found, expected) in found.iter().zip(&gradient) {
            assert!((f64::from(*found) - expected).abs() <= 2e-5 * scale, "{name}: {found} {expected}");
        }
        compared += 1;
    }
    assert!(compared >= 3, "{compared}");
}

/// The text side of the tiny BERT with changed keys of `tokenizer_config.json`; null takes one away.
fn changed(dir: &Path, tokenizer: &Value) {
    let source = fixtures().join("arch/bert");
    for name in ["tokenizer.json", "config.json", "model.safetensors"] {
        std::fs::copy(source.join(name), dir.join(name)).unwrap();
    }
    let text = std::fs::read_to_string(source.join("tokenizer_config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let keys = config.as_object_mut().unwrap();
    for (key, value) in tokenizer.as_object().unwrap() {
        match value {
            Value::Null => drop(keys.remove(key)),
            value => drop(keys.insert(key.clone(), value.clone())),
        }
    }
    std::fs::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
}

#[test]
fn segments_are_given_where_transformers_gives_them() {
    let fixture = fixture();
    let classes = fixture["classes"].as_array().unwrap();
    assert!(classes.len() >= 17);
    for case in classes {
        let dir = tempfile::tempdir().unwrap();
        let keys = json!({"tokenizer_class": case["tokenizer_class"], "model_input_names": case["model_input_names"]});
        changed(dir.path(), &keys);
        let pipeline = TextPipeline::from_dir(dir.path(), &settings(None)).unwrap();
        let encoded = pipeline.encode(&pair_of("Is it deep?", "Yes.", "No.")).unwrap();
        assert_eq!(!encoded.segments.is_empty(), case["gives"].as_bool().unwrap(), "{case}");
    }
}

#[test]
fn segments_that_the_model_has_no_row_for_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), &json!({}));
    let path = dir.path().join("model.safetensors");
    let mut tensors =
        rmbench::backbone::weights::Checkpoint::open_files(std::slice::from_ref(&path)).unwrap().take_all().unwrap();
    let types = tensors.get_mut("bert.embeddings.token_type_embeddings.weight").unwrap();
    *types = types.narrow(0, 0, 1).contiguous();
    rmbench::backbone::weights::write(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    std::fs::write(dir.path().join("config.json"), text.replace("\"type_vocab_size\": 2", "\"type_vocab_size\": 1"))
        .unwrap();
    let (kind, missing) = (Kind::Float, MissingHead::Refuse);
    let model = artifact::load(dir.path(), Device::Cpu, kind, kind, missing, Some(&settings(None))).unwrap();
    let error = model.score(&[pair_of("Is it deep?", "Yes.", "No.")], &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("segment id 1 is outside the model's 1"), "{error}");
}

#[test]
fn a_pair_is_shown_with_its_segments() {
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), &json!({}));
    std::fs::write(dir.path().join("rmbench.toml"), "schema = 1\n[reward]\n[text]\nlayout = \"pair\"\n").unwrap();
    std::fs::write(dir.path().join("pairs.csv"), "prompt,chosen,rejected\nIs it deep?,Yes.,No.\n").unwrap();
    let shown = |more: &[&str]| {
        let args = ["data", "show", "--model", ".", "--pairs", "pairs.csv", "--lang", "en", "--row", "0"];
        let output = run(dir.path(), &[&args[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = shown(&[]);
    assert!(text.contains("second text\n  Yes.\n") && text.matches("<- segment 1").count() == 2, "{text}");
    let json: Value = serde_json::from_str(&shown(&["--json"])).unwrap();
    let chosen = &json["responses"][0];
    let segments = numbers(&chosen["segments"]).unwrap();
    assert_eq!(chosen["tokens"].as_array().unwrap().len(), segments.len());
    assert_eq!((&chosen["rendered"], &chosen["second"]), (&json!("Is it deep?"), &json!("Yes.")));
    assert_eq!(segments.iter().filter(|segment| **segment == 1).count(), {
        let end = chosen["tokens"].as_array().unwrap().iter().position(|token| token["piece"] == "[SEP]").unwrap();
        segments.len() - end - 1
    });
}
