//! LoRA adapters equal PEFT: rewards of every fixture in `tests/fixtures/lora`, written by
//! `tests/reference/lora.py`, with the adapter merged and kept apart.

use std::path::{Path, PathBuf};

use rmbench::backbone::lora::{Adapter, AdapterUse, LoraConfig, Task, adapter};
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::progress::Silent;
use rmbench::reward::adapted::save_adapter;
use rmbench::reward::artifact;
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{Loading, MissingHead, Network, NetworkError};
use rmbench::reward::options::RewardOptions;
use rmbench::reward::parts::ModelParts;
use rmbench::text::settings::TextOverrides;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::command::{rmbench, transcript};
use crate::parity;

/// Of the largest reward: two ways of adding up in f32.
const RELATIVE: f64 = 1e-5;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn cases() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("lora")).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    assert!(dirs.len() >= 20, "fixtures are missing");
    dirs
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn over(base: &Path, adapter: Adapter, kind: Kind, missing: MissingHead) -> Result<Network, NetworkError> {
    let loading = Loading { device: Device::Cpu, weights: kind, compute: kind, missing };
    Network::load_with(base, Some(adapter), loading, &RewardOptions::default())
}

fn load_over(base: &Path, adapter: Adapter, kind: Kind) -> Network {
    over(base, adapter, kind, MissingHead::Refuse).unwrap()
}

fn load(dir: &Path, usage: AdapterUse, kind: Kind) -> Network {
    let parts = ModelParts::of(dir, None, &mut Silent).unwrap();
    load_over(&parts.checkpoint, Adapter::open(dir, usage).unwrap(), kind)
}

fn base_of(case: &Path) -> PathBuf {
    ModelParts::of(case, None, &mut Silent).unwrap().checkpoint
}

/// Rewards [pair, 2] of the base's pairs.
fn rewards(network: &Network, base: &Path) -> Tensor {
    network.rewards(&parity::separate_pairs(base)).unwrap().view([-1, 2])
}

fn expected(case: &Path) -> Tensor {
    let json = read_json(&case.join("expected.json"));
    let rows = json["rewards"].as_array().unwrap();
    let numbers: Vec<f32> =
        rows.iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_f64().unwrap() as f32).collect();
    Tensor::from_slice(&numbers).view([-1, 2])
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

fn assert_equal(what: &str, found: &Tensor, expected: &Tensor) {
    let (difference, scale) = (difference(found, expected), expected.abs().max().double_value(&[]).max(1.0));
    assert!(difference <= RELATIVE * scale, "{what}: differs by {difference:.2e} at a scale of {scale:.2}");
}

#[test]
fn rewards_equal_peft_merged_or_apart() {
    for case in cases() {
        let (name, base) = (case.file_name().unwrap().to_string_lossy().into_owned(), base_of(&case));
        let expected = expected(&case);
        let merged = load(&case, AdapterUse::Merged, Kind::Float);
        assert_equal(&format!("{name}, merged"), &rewards(&merged, &base), &expected);
        let apart = load(&case, AdapterUse::Apart, Kind::Float);
        assert_equal(&format!("{name}, apart"), &rewards(&apart, &base), &expected);
    }
}

#[test]
fn all_linear_means_what_peft_listed_for_it() {
    for case in ["llama_rslora", "bert_all_linear"].map(|name| fixtures().join("lora").join(name)) {
        let dir = copy(&case);
        edit_config(dir.path(), |config| config["target_modules"] = json!("all-linear"));
        let base = base_of(&case);
        let network = load_over(&base, Adapter::open(dir.path(), AdapterUse::Merged).unwrap(), Kind::Float);
        assert_equal("all-linear", &rewards(&network, &base), &expected(&case));
    }
}

#[test]
fn a_pickled_adapter_and_a_bare_base_give_the_same() {
    let case = fixtures().join("lora/qwen2_lora");
    let dir = copy(&case);
    std::fs::remove_file(dir.path().join("adapter_model.safetensors")).unwrap();
    assert!(dir.path().join("adapter_model.bin").is_file());
    let base = base_of(&case);
    let network = load_over(&base, Adapter::open(dir.path(), AdapterUse::Merged).unwrap(), Kind::Float);
    assert_equal("pickled", &rewards(&network, &base), &expected(&case));

    // A base as it comes from a language model's backbone: no prefix, no head, no labels.
    let bare = tempfile::tempdir().unwrap();
    let tensors = Checkpoint::open_dir(&base).unwrap().take_all().unwrap();
    let named = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("model.")?, tensor)));
    weights::write(&bare.path().join("model.safetensors"), named).unwrap();
    let mut config = read_json(&base.join("config.json"));
    config.as_object_mut().unwrap().remove("id2label");
    std::fs::write(bare.path().join("config.json"), config.to_string()).unwrap();
    let network = load_over(bare.path(), Adapter::open(&case, AdapterUse::Merged).unwrap(), Kind::Float);
    assert_equal("bare base", &rewards(&network, &base), &expected(&case));
    // And without an adapter that has one, it has no head.
    let headless = Adapter::open(&fixtures().join("lora/llama_headless"), AdapterUse::Merged).unwrap();
    let llama = base_of(&fixtures().join("lora/llama_headless"));
    let dir = without(&llama, "score.weight");
    let refused = over(dir.path(), headless, Kind::Float, MissingHead::Refuse);
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("reward head") && error.contains("score.weight"), "{error}");
}

/// A copy of a checkpoint directory without one tensor.
fn without(dir: &Path, tensor: &str) -> tempfile::TempDir {
    let copied = copy(dir);
    let path = copied.path().join("model.safetensors");
    let mut tensors = Checkpoint::open_dir(dir).unwrap().take_all().unwrap();
    assert!(tensors.remove(tensor).is_some());
    weights::write(&path, tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    copied
}

fn copy(dir: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn edit_config(dir: &Path, edit: impl FnOnce(&mut Value)) {
    let path = dir.join(adapter::CONFIG_FILE);
    let mut config = read_json(&path);
    edit(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
}

/// What is wrong with a copy of the case whose tensors and configuration were edited.
fn refused(
    case: &str,
    tensors: impl FnOnce(&mut std::collections::BTreeMap<String, Tensor>),
    config: impl FnOnce(&mut Value),
) -> String {
    let case = fixtures().join("lora").join(case);
    let dir = copy(&case);
    let path = dir.path().join(adapter::WEIGHTS_FILE);
    let mut stored = Checkpoint::open_files(std::slice::from_ref(&path)).unwrap().take_all().unwrap();
    tensors(&mut stored);
    weights::write(&path, stored.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    edit_config(dir.path(), config);
    match Adapter::open(dir.path(), AdapterUse::Merged) {
        Err(error) => error.to_string(),
        Ok(adapter) => {
            let base = base_of(&case);
            let refuse = MissingHead::Refuse;
            let loaded = over(&base, adapter, Kind::Float, refuse);
            loaded.err().expect("it should be refused").to_string()
        }
    }
}

#[test]
fn what_is_wrong_with_an_adapter_is_said_by_name() {
    const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let none = |_: &mut std::collections::BTreeMap<String, Tensor>| {};
    let cases = [
        (refused("llama_lora", |t| drop(t.remove(Q)), |_| {}), "has no tensor `model.layers.0.self_attn.q_proj.lora_A"),
        (
            refused("llama_lora", |t| drop(t.insert(Q.into(), zeros(&[3, 32]))), |_| {}),
            "q_proj.lora_A.weight` should have shape [4, 32]",
        ),
        (
            refused("llama_lora", |t| drop(t.insert(Q.replace("q_proj", "o_proj"), zeros(&[4, 32]))), |_| {}),
            "does not use: base_model.model.model.layers.0.self_attn.o_proj.lora_A.weight",
        ),
        (
            refused("llama_lora", |t| drop(t.remove("base_model.model.score.weight")), |_| {}),
            "has no tensor `score.weight`",
        ),
        (
            refused(
                "llama_lora",
                |t| drop(t.insert("base_model.model.model.norm.weight".into(), zeros(&[32]))),
                |_| {},
            ),
            "does not use: base_model.model.model.norm.weight",
        ),
        (refused("llama_lora", |t| drop(t.insert("x.y".into(), zeros(&[1]))), |_| {}), "`x.y` does not begin with"),
        (
            refused("llama_lora", |t| drop(t.insert(Q.into(), zeros(&[4, 32]).to_kind(Kind::Int64))), |_| {}),
            "has element type I64",
        ),
        (refused("llama_lora", none, |c| c["peft_type"] = json!("IA3")), "`peft_type` is IA3; known: LORA"),
        (refused("llama_lora", none, |c| c["r"] = json!(0)), "`r` should be a positive number"),
        (refused("llama_lora", none, |c| c["target_modules"] = json!("(")), "`target_modules`: `(` is not a pattern"),
        (refused("llama_lora", none, |c| c["bias"] = json!("some")), "`bias` is \"some\""),
        (refused("llama_lora", none, |c| c["use_qalora"] = json!(true)), "`use_qalora` is set"),
        (refused("llama_lora", none, |c| c["target_parameters"] = json!(["a.b"])), "`target_parameters` is set"),
        (refused("llama_lora", none, |c| c["init_lora_weights"] = json!("pissa_niter_4")), "is pissa_niter_4"),
        (refused("llama_lora", none, |c| c["trainable_token_indices"] = json!([1])), "has no rows for them"),
        (refused("llama_token_rows", none, |c| c["trainable_token_indices"] = json!([1, 2, 384])), "row 384 of"),
        (refused("llama_dora", none, |c| c["use_dora"] = json!(false)), "lora_magnitude_vector"),
        (refused("llama_lora", none, |c| c["use_dora"] = json!(true)), "q_proj.lora_magnitude_vector`"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
        assert!(error.contains("adapter_"), "{error}\nshould name the file");
    }
}

#[test]
fn the_base_is_frozen_and_its_file_untouched_while_an_adapter_trains() {
    for name in ["llama_lora", "llama_dora", "qwen2_lora_bias", "bert_all_linear", "llama_embedding"] {
        let case = fixtures().join("lora").join(name);
        let base = base_of(&case);
        let before = std::fs::read(base.join("model.safetensors")).unwrap();
        let network = load(&case, AdapterUse::Apart, Kind::Float);
        network.train_adapter().unwrap();
        let reward = network.rewards_for_training(&parity::separate_pairs(&base), None).unwrap();
        reward.square().sum(Kind::Float).backward();
        let _no_grad = tch::no_grad_guard();
        let mut trained = 0;
        for (parameter, tensor) in network.params() {
            let own =
                parameter.contains(".lora_") || parameter.starts_with("score") || parameter.starts_with("classifier");
            assert_eq!(tensor.requires_grad(), own, "{name}: {parameter}");
            let gradient = tensor.grad();
            if own {
                assert!(gradient.abs().max().double_value(&[]) > 0.0, "{name}: {parameter} has no gradient");
                let _ = tensor.shallow_clone().f_sub_(&(gradient * 0.01)).unwrap();
                trained += 1;
            } else {
                assert!(!gradient.defined(), "{name}: {parameter}");
            }
        }
        assert!(trained > 4);
        // The step reaches the layers, and a merge of what was trained gives the same rewards.
        let stepped = rewards(&network, &base);
        assert!(difference(&stepped, &expected(&case)) > 1e-3, "{name}: the step changed nothing");
        assert_eq!(std::fs::read(base.join("model.safetensors")).unwrap(), before);
        let dir = tempfile::tempdir().unwrap();
        let merged = network.merged_params().unwrap();
        weights::write(&dir.path().join("model.safetensors"), merged.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
        std::fs::copy(base.join("config.json"), dir.path().join("config.json")).unwrap();
        let again = Network::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
        assert_equal(name, &rewards(&again, &base), &stepped);
    }
}

#[test]
fn dora_gradients_do_not_go_through_the_norm() {
    let case = fixtures().join("lora/llama_dora");
    let base = base_of(&case);
    let network = load(&case, AdapterUse::Apart, Kind::Float);
    network.train_adapter().unwrap();
    network.rewards_for_training(&parity::separate_pairs(&base), None).unwrap().sum(Kind::Float).backward();
    let expected = read_json(&case.join("expected.json"));
    let gradients = expected["gradients"].as_object().unwrap();
    assert!(gradients.len() > 5);
    for (name, values) in gradients {
        let values: Vec<f32> = values.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
        let found = network.params()[name].grad().view([-1]);
        assert_equal(name, &found, &Tensor::from_slice(&values));
    }
}

#[test]
fn a_new_adapter_begins_as_nothing_and_lacks_nothing() {
    let base = fixtures().join("arch/llama");
    let plain = Network::load(&base, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
    for dora in [false, true] {
        let mut config = LoraConfig::new(4, 8.0, &["q_proj", "down_proj"], Task::Classifier).unwrap().json;
        config["use_dora"] = json!(dora);
        let adapter = Adapter::new(LoraConfig::parse(&config).unwrap());
        let draw = MissingHead::Draw { init: HeadInit::Hf, seed: 5 };
        let network = over(&base, adapter, Kind::Float, draw).unwrap();
        assert_equal("a new adapter", &rewards(&network, &base), &rewards(&plain, &base));
        let a = &network.params()["model.layers.1.mlp.down_proj.lora_A.weight"];
        let bound = 64f64.powf(-0.5);
        assert_eq!(a.size(), [4, 64]);
        assert!(a.abs().max().double_value(&[]) <= bound && a.std(true).double_value(&[]) > 0.5 * bound);
        let n = network.params().keys().filter(|name| name.contains(".lora_")).count();
        assert_eq!(n, 2 * 2 * if dora { 3 } else { 2 });
    }
}

#[test]
fn half_precision_rewards_stay_close() {
    for name in ["llama_lora", "llama_dora", "qwen2_lora", "xlm_roberta_dora"] {
        let case = fixtures().join("lora").join(name);
        let (base, expected) = (base_of(&case), expected(&case));
        let scale = expected.abs().max().double_value(&[]);
        for (kind, bound) in [(Kind::BFloat16, 0.05), (Kind::Half, 0.007)] {
            for usage in [AdapterUse::Merged, AdapterUse::Apart] {
                let found = rewards(&load(&case, usage, kind), &base);
                let difference = difference(&found, &expected) / scale;
                assert!(difference < bound, "{name} {kind:?} {usage:?}: {difference:.4}");
            }
        }
    }
}

/// A model directory with tokenizer over the case's base, and the adapter as a model.
fn scalar(case: &str, usage: AdapterUse) -> rmbench::reward::scalar::ScalarModel {
    let parts = ModelParts::of(&fixtures().join("lora").join(case), None, &mut Silent).unwrap();
    let (kind, missing) = (Kind::Float, MissingHead::Refuse);
    let loading = Loading { device: Device::Cpu, weights: kind, compute: kind, missing };
    artifact::load_parts(&parts, usage, loading, &TextOverrides::default(), &RewardOptions::default()).unwrap()
}

#[test]
fn a_saved_adapter_is_the_same_adapter() {
    for name in [
        "llama_dora",
        "llama_patterns",
        "llama_bare",
        "llama_embedding",
        "qwen2_lora",
        "qwen2_lora_bias",
        "bert_lora",
        "xlm_roberta_dora",
    ] {
        let case = fixtures().join("lora").join(name);
        let base = base_of(&case);
        let model = scalar(name, AdapterUse::Apart);
        let dir = tempfile::tempdir().unwrap();
        let base_name = base.canonicalize().unwrap().to_string_lossy().into_owned();
        save_adapter(dir.path(), &model, &base_name, &base, None, None).unwrap();
        let again = artifact::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None);
        assert_equal(name, &rewards(&again.unwrap().network, &base), &expected(&case));
        assert!(dir.path().join("tokenizer.json").is_file() && dir.path().join("rmbench.toml").is_file());
        // For the check with PEFT: tests/reference/loads_in_peft.py ADAPTER SCORES.
        if let Some(out) = std::env::var_os("RMBENCH_EXPORT_ADAPTERS") {
            let out = Path::new(&out).join(name);
            save_adapter(&out, &model, &base_name, &base, None, None).unwrap();
            write_scores(&out.join("scores.json"), &base, &rewards(&model.network, &base));
        }
    }
}

/// `[{"ids": …, "reward": …}]` of the base's pairs.
fn write_scores(path: &Path, base: &Path, rewards: &Tensor) {
    let inputs = read_json(&base.join("inputs.json"));
    let pairs = inputs["pairs"].as_array().unwrap();
    let ids = pairs.iter().flat_map(|pair| [&pair["chosen_ids"], &pair["rejected_ids"]]);
    let rewards = Vec::<f32>::try_from(&rewards.view([-1])).unwrap();
    let scores: Vec<Value> = ids.zip(rewards).map(|(ids, reward)| json!({"ids": ids, "reward": reward})).collect();
    std::fs::write(path, Value::from(scores).to_string()).unwrap();
}

#[test]
fn merge_adapter_writes_an_ordinary_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    for (case, dtype) in
        [("llama_dora", "f32"), ("qwen2_lora", "f32"), ("xlm_roberta_rslora", "f32"), ("bert_lora", "bf16")]
    {
        let adapter = fixtures().join("lora").join(case);
        let base = base_of(&adapter);
        let args = ["model", "merge-adapter", "--model", &adapter.to_string_lossy(), "--out", case, "--dtype", dtype];
        let output = rmbench(dir.path(), &args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let merged = dir.path().join(case);
        let network = Network::load(&merged, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
        let config = read_json(&merged.join("config.json"));
        match dtype {
            "f32" => {
                assert_equal(case, &rewards(&network, &base), &expected(&adapter));
                assert_eq!(config["dtype"], "float32");
            }
            _ => {
                assert!(difference(&rewards(&network, &base), &expected(&adapter)) < 0.02);
                assert_eq!(config["dtype"], "bfloat16");
            }
        }
        if let Some(out) = std::env::var_os("RMBENCH_EXPORT_ADAPTERS") {
            let out = Path::new(&out).join(format!("{case}_merged"));
            std::fs::create_dir_all(&out).unwrap();
            for entry in std::fs::read_dir(&merged).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, out.join(path.file_name().unwrap())).unwrap();
            }
            write_scores(&out.join("scores.json"), &base, &rewards(&network, &base));
        }
    }
    let again =
        rmbench(dir.path(), &["model", "merge-adapter", "--model", "x", "--out", "llama_dora"]).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("already holds"));
}

#[test]
fn an_adapter_is_scored_like_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = dir.path().join("pairs.jsonl");
    std::fs::write(&pairs, "{\"prompt\": \"Is it deep?\", \"chosen\": \"Very.\", \"rejected\": \"No\"}\n").unwrap();
    let adapter = fixtures().join("lora/llama_lora");
    let (adapter, base) = (adapter.to_string_lossy(), fixtures().join("arch/llama").to_string_lossy().into_owned());
    let score = |out: &str, more: &[&str]| {
        let mut args =
            vec!["score", "--model", &adapter, "--pairs", "pairs.jsonl", "--out", out, "--set", "lang=eng_Latn"];
        args.extend(more);
        rmbench(dir.path(), &args).output().unwrap()
    };
    for (out, more) in [("found", &[][..]), ("given", &["--base", &base][..])] {
        let output = score(out, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = score("f16", &["--set", "dtype=f16"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A base that is named as on the hub, and is not in its cache.
    let elsewhere = copy(&fixtures().join("lora/llama_lora"));
    edit_config(elsewhere.path(), |config| config["base_model_name_or_path"] = json!("org/base"));
    let args = ["score", "--model", &elsewhere.path().to_string_lossy(), "--pairs", "pairs.jsonl", "--out", "none"];
    let output =
        rmbench(dir.path(), &args).env("HF_HUB_OFFLINE", "1").env("HF_HUB_CACHE", dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("org/base") && said.contains("--base"), "{said}");
    // Training goes on from the two merged, and writes an ordinary checkpoint.
    let train = |more: &[&'static str]| {
        [&["train", "--data", "pairs.jsonl", "--set", "source.lang=eng_Latn", "--set", "max-steps=1"], more].concat()
    };
    let mut args = train(&["--out", "trained"]);
    args.extend(["--model", &adapter]);
    let output = rmbench(dir.path(), &args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trained = dir.path().join("trained");
    Network::load(&trained, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).map(drop).unwrap();
    // The base alone takes no --base; an adapter whose base is nowhere says so.
    let lost = copy(&fixtures().join("lora/llama_lora"));
    std::fs::rename(lost.path(), dir.path().join("lost")).unwrap();
    for name in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        let plain = dir.path().join("plain");
        std::fs::create_dir_all(&plain).unwrap();
        std::fs::copy(fixtures().join("arch/llama").join(name), plain.join(name)).unwrap();
    }
    let tell = |args: &[&str]| transcript(dir.path(), args);
    let said = [
        tell(&["score", "--model", "lost", "--pairs", "pairs.jsonl", "--out", "a", "--set", "lang=eng_Latn"]),
        tell(&["score", "--model", "plain", "--base", "plain", "--pairs", "pairs.jsonl", "--out", "b"]),
        tell(&["model", "merge-adapter", "--model", "plain", "--out", "c"]),
        tell(&train(&["--model", "plain", "--out", "d", "--dtype", "f16"])),
    ];
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("errors-adapter", said.join("\n"));
    });
}
