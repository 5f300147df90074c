//! What decoders can be told by a checkpoint: kinds of rotary positions, names of multimodal checkpoints,
//! narrow kinds; and that the parity fixtures would notice a switch left off.

use std::path::{Path, PathBuf};

use rmbench::backbone::Pass;
use rmbench::backbone::config::{BackboneConfig, Family};
use rmbench::backbone::params::ParamError;
use rmbench::backbone::rope;
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::reward::network::{MissingHead, Network, NetworkError};
use rmbench::text::batch::{Pooled, TokenBatch, TokenTree};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::parity::{fixture_dirs, load_as};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn load(dir: &Path) -> Result<Network, NetworkError> {
    Network::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse)
}

/// A fixture's checkpoint in a directory of its own, with another configuration and other tensors.
fn rewritten(
    name: &str,
    config: impl Fn(&mut Value),
    tensors: impl Fn(Vec<(String, Tensor)>) -> Vec<(String, Tensor)>,
) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut json = read(&fixture(name).join("config.json"));
    config(&mut json);
    std::fs::write(dir.path().join("config.json"), json.to_string()).unwrap();
    let found = Checkpoint::open_dir(&fixture(name)).unwrap().take_all().unwrap().into_iter().collect();
    let changed = tensors(found);
    let path = dir.path().join(weights::SINGLE_FILE);
    weights::write(&path, changed.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    dir
}

/// Rewards of all sequences of a fixture, each computed on its own, by another network.
fn rewards(network: &Network, name: &str) -> Tensor {
    network.rewards(&load_as(&fixture(name), Kind::Float).all_separate()).unwrap()
}

fn largest(difference: Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

/// Settings of the fixtures, and what they must not be mistaken for.
fn switches() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("gemma", "/hidden_act", json!("silu")),
        ("gemma2", "/attn_logit_softcapping", Value::Null),
        ("gemma2", "/query_pre_attn_scalar", json!(16)),
        ("gemma2", "/sliding_window", json!(1000)),
        ("gemma2", "/layer_types/1", json!("sliding_attention")),
        ("gemma3_text", "/rope_parameters/full_attention/factor", json!(1.0)),
        ("gemma3_text", "/rope_parameters/sliding_attention/rope_theta", json!(1e6)),
        ("gemma3", "/text_config/rope_parameters/full_attention/rope_type", json!("default")),
        ("phi3", "/rope_parameters/long_factor", json!([1.0, 1.0, 1.1, 1.2, 1.4, 1.5])),
        ("phi3", "/rope_parameters/short_factor", json!([1.0, 1.3, 2.0, 3.5, 4.5, 6.0])),
        ("phi3", "/rope_parameters/attention_factor", json!(1.0)),
        ("phi3", "/sliding_window", Value::Null),
        ("olmo2", "/rope_parameters/rope_theta", json!(1e4)),
        ("cohere", "/layer_norm_eps", json!(1e-2)),
        ("cohere2", "/layer_types/3", json!("sliding_attention")),
        ("cohere2", "/layer_types/2", json!("full_attention")),
        ("internlm2", "/rope_scaling", Value::Null),
        ("qwen2_yarn", "/rope_parameters/rope_type", json!("default")),
        ("qwen2_yarn", "/rope_parameters/attention_factor", json!(1.0)),
        ("qwen2_yarn", "/layer_types/1", json!("full_attention")),
        ("qwen3_linear", "/rope_parameters/factor", json!(1.0)),
        ("llama_dynamic", "/rope_parameters/factor", json!(1.0)),
        ("llama_rope3", "/rope_parameters/factor", json!(1.0)),
    ]
}

#[test]
fn a_switch_set_otherwise_shows_in_the_rewards() {
    for (name, pointer, value) in switches() {
        let change = |config: &mut Value| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            match config.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
                object => object[key] = value.clone(),
            }
        };
        let dir = rewritten(name, change, |tensors| tensors);
        let difference =
            largest(rewards(&load(dir.path()).unwrap(), name) - rewards(&load(&fixture(name)).unwrap(), name));
        assert!(difference > 1e-3, "{name}: {pointer} = {value} changes rewards by {difference:.1e}");
    }
}

/// bf16 is bounded by transformers' own: the distance of its bf16 forward to its f32 forward, as the root mean
/// square over all hidden states of a fixture. Ours may be 1.1 times as far from the same f32 reference. Of
/// rewards a fixture has twelve, too few to compare: there the bound is 1.25 times, over all fixtures together.
#[test]
fn bf16_is_as_close_to_f32_as_that_of_transformers() {
    let _guard = tch::no_grad_guard();
    let mut rewards = [0.0, 0.0];
    for dir in fixture_dirs() {
        let fixture = load_as(&dir, Kind::BFloat16);
        let meta = read(&dir.join("meta.json"));
        // transformers cannot compute DeBERTa v1 in bf16 at all.
        let theirs = |what: &str, which: &str| meta["bfloat16_error"][what][which].as_f64();
        assert_eq!(theirs("hidden", "rms").is_none(), fixture.name == "deberta");
        let (mut squares, mut size, mut count) = (0.0, 0.0, 0);
        for (number, pair) in fixture.pairs.iter().enumerate() {
            for (side, ids) in ["chosen", "rejected"].iter().zip(pair) {
                let batch = fixture.separate(&[ids]);
                let hidden = fixture.network.backbone().hidden(&batch, Pass::evaluation(Kind::BFloat16));
                assert_eq!(hidden.kind(), Kind::BFloat16);
                let expected = &fixture.expected[&format!("hidden.{number}.{side}")];
                let sum = |x: &Tensor| x.square().sum(Kind::Double).double_value(&[]);
                squares += sum(&(hidden.to_kind(Kind::Double) - expected));
                size += sum(expected);
                count += expected.numel();
            }
        }
        let [hidden, size] = [squares, size].map(|sum| (sum / count as f64).sqrt());
        let bound = theirs("hidden", "rms").map_or(0.02 * size, |theirs| 1.1 * theirs);
        println!("{}: hidden states {hidden:.4}, bound {bound:.4}", fixture.name);
        assert!(hidden <= bound, "{}: {hidden:.4} instead of {bound:.4}", fixture.name);
        let found = fixture.network.rewards(&fixture.all_separate()).unwrap().view([-1, 2]);
        assert_eq!(found.kind(), Kind::Float);
        let error = found - &fixture.expected["rewards"];
        if !fixture.network.shares_prefixes() {
            let (largest, bound) =
                (error.abs().max().double_value(&[]), 2.0 * theirs("rewards", "max").unwrap_or(0.05));
            assert!(largest <= bound, "{}: rewards differ by {largest:.4}, not {bound:.4}", fixture.name);
        }
        if let Some(theirs) = theirs("rewards", "rms") {
            rewards[0] += error.square().mean(Kind::Float).double_value(&[]);
            rewards[1] += theirs.powi(2);
        }
    }
    let [ours, theirs] = rewards.map(|sum: f64| (sum / fixture_dirs().len() as f64).sqrt());
    println!("rewards of all: {ours:.4}, {:.2} of transformers'", ours / theirs);
    assert!(ours <= 1.25 * theirs, "{ours:.4}");
}

#[test]
fn rotary_frequencies_equal_transformers_to_the_last_bit() {
    let fixture = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rope.json"));
    let mut compared = 0;
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let config = BackboneConfig::parse(&case["config"]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let Family::Decoder(decoder) = config.family else { panic!("{name} is no decoder") };
        let [rope] = decoder.ropes.as_slice() else { panic!("{name} has several kinds of positions") };
        // Cosines and sines are f32 when they are multiplied by it.
        let attention_factor = case["attention_factor"].as_f64().unwrap();
        assert_eq!(rope.attention_factor as f32, attention_factor as f32, "{name}");
        for sequence in case["sequences"].as_array().unwrap() {
            let length = sequence["length"].as_i64().unwrap();
            let expected: Vec<f32> =
                sequence["frequencies"].as_array().unwrap().iter().map(|f| f.as_f64().unwrap() as f32).collect();
            let found = Vec::<f32>::try_from(rope::frequencies(rope, length)).unwrap();
            assert_eq!(found, expected, "{name} at {length} tokens");
            compared += found.len();
        }
    }
    assert!(compared > 900, "{compared}");
}

/// Sequences longer and shorter than the limit, in one batch and alone.
#[test]
fn positions_that_depend_on_length_do_not_depend_on_the_batch() {
    let _guard = tch::no_grad_guard();
    for name in ["llama_dynamic", "phi3", "internlm2"] {
        let fixture = load_as(&fixture(name), Kind::Float);
        let together = fixture.network.rewards(&fixture.all_separate()).unwrap();
        let alone: Vec<Tensor> = fixture
            .pairs
            .iter()
            .flatten()
            .map(|ids| fixture.network.rewards(&fixture.separate(&[ids])).unwrap())
            .collect();
        assert!(largest(&together - Tensor::cat(&alone, 0)) <= 1e-6, "{name}");
        let lengths = fixture.pairs.iter().flatten().map(Vec::len);
        assert!(lengths.clone().any(|n| n > 32) && lengths.clone().any(|n| n <= 32));

        // A tree of sequences with different frequencies has no right answer, and is refused.
        let ids: Vec<i64> = (0..50).map(|i| 10 + i % 7).collect();
        let tree = TokenBatch {
            positions: (0..30).chain(30..40).chain(30..40).collect(),
            trees: vec![TokenTree { prefix: 0..30, branches: vec![30..40, 40..50] }],
            pooled: vec![Pooled::Token(39), Pooled::Token(49)],
            owners: vec![(0, 0), (0, 1)],
            ids,
            ..TokenBatch::default()
        };
        let error = fixture.network.rewards(&tree).unwrap_err().to_string();
        assert!(error.contains("depend on their lengths"), "{name}: {error}");
    }
}

#[test]
fn multimodal_checkpoints_of_every_generation_are_their_text_part() {
    let expected = rewards(&load(&fixture("gemma3")).unwrap(), "gemma3");
    for prefix in ["model.language_model.", "language_model.model.", "language_model."] {
        let rename = |tensors: Vec<(String, Tensor)>| {
            let renamed = tensors.into_iter().map(|(name, tensor)| match name.strip_prefix("language_model.model.") {
                Some(rest) => (format!("{prefix}{rest}"), tensor),
                None if prefix.starts_with("model.") && name != "score.weight" => (format!("model.{name}"), tensor),
                None => (name, tensor),
            });
            renamed.collect()
        };
        let dir = rewritten("gemma3", |_| (), rename);
        let network = load(dir.path()).unwrap();
        assert_eq!(rewards(&network, "gemma3"), expected, "{prefix}");
        // What is written is the text model.
        assert_eq!(network.config_json["model_type"], "gemma3_text");
        assert!(network.params().contains_key("model.layers.0.self_attn.q_norm.weight"));
        assert!(!network.params().keys().any(|name| name.contains("vision")));
    }
    // A tensor of neither part is still an error.
    let stray = |mut tensors: Vec<(String, Tensor)>| {
        tensors.push(("audio_tower.weight".into(), Tensor::zeros([1], (Kind::Float, Device::Cpu))));
        tensors
    };
    let error = load(rewritten("gemma3", |_| (), stray).path()).err().unwrap();
    let NetworkError::Param(ParamError::Unused { names, .. }) = &error else { panic!("{error}") };
    assert_eq!(names.as_slice(), ["audio_tower.weight"]);
}

#[test]
fn heads_of_the_language_model_are_left_aside() {
    for (name, head) in [("llama", "lm_head.weight"), ("gemma", "lm_head.weight"), ("internlm2", "output.weight")] {
        let with_head = |mut tensors: Vec<(String, Tensor)>| {
            tensors.push((head.to_owned(), Tensor::zeros([384, 32], (Kind::Float, Device::Cpu))));
            tensors
        };
        let network = load(rewritten(name, |_| (), with_head).path()).unwrap();
        assert_eq!(rewards(&network, name), rewards(&load(&fixture(name)).unwrap(), name));
        assert!(!network.params().contains_key(head));
    }
}

/// The last state and the reward of sequences many windows long, alone and with their common prefix shared.
#[test]
fn long_contexts_equal_transformers() {
    let long = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/long.json"));
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let sequences: Vec<Vec<i64>> = long["sequences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ids| numbers(ids).iter().map(|&id| id as i64).collect())
        .collect();
    let cases = long["cases"].as_array().unwrap();
    assert!(cases.len() >= 17);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let mut fixture = load_as(&fixture(name), Kind::Float);
        fixture.pairs = vec![[sequences[0].clone(), sequences[1].clone()]];
        let states: Vec<f64> = case["states"].as_array().unwrap().iter().flat_map(numbers).collect();
        let states = Tensor::from_slice(&states).view([2, -1]);
        let rewards = Tensor::from_slice(&numbers(&case["rewards"]));
        for batch in [fixture.all_separate(), fixture.shared()] {
            let _guard = tch::no_grad_guard();
            let at = batch.pooled_positions().unwrap();
            let found = fixture.network.backbone().hidden_at(&batch, &at, Pass::evaluation(Kind::Float));
            let difference = largest(found - &states);
            assert!(difference <= 1e-5 * largest(states.shallow_clone()), "{name}: {difference:.1e}");
            let difference = largest(fixture.network.rewards(&batch).unwrap() - &rewards);
            assert!(difference <= 1e-5 * largest(rewards.shallow_clone()), "{name}: rewards {difference:.1e}");
        }
    }
}
