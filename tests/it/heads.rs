//! Special reward heads and all pooling rules against their authors' published formulas, end to end: texts in,
//! rewards out.
//!
//! Fixtures: `tests/fixtures/heads`, written by `tests/reference/heads.py` on the backbones of
//! `tests/fixtures/arch`. The reference pads its batches, this suite never does.

use std::path::{Path, PathBuf};

use rmbench::backbone::lora::AdapterUse;
use rmbench::backbone::params::Params;
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Message, Response, Role};
use rmbench::progress::Silent;
use rmbench::reward::artifact::{self, ArtifactError};
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{Loading, MissingHead};
use rmbench::reward::options::{HeadKind, RewardOptions};
use rmbench::reward::parts::ModelParts;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::pooling::Pooling;
use rmbench::text::settings::TextOverrides;
use serde_json::Value;
use tch::{Device, Kind};

/// Of the largest reward: both sides round in f32.
const RELATIVE: f64 = 1e-5;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The comparisons with the given numbers: one chosen, one rejected response.
pub fn items(numbers: &Value) -> Vec<Comparison> {
    let all = json(&fixtures().join("heads/items.json"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let message = |pair: &Value| Message { role: Role::parse(&text(&pair[0])).unwrap(), content: text(&pair[1]) };
    numbers
        .as_array()
        .unwrap()
        .iter()
        .map(|number| {
            let row = number.as_u64().unwrap();
            let item = &all["items"][row as usize];
            Comparison {
                id: text(&item["name"]).into(),
                source: text(&item["name"]).into(),
                lang: Lang::ENGLISH,
                subset: "invented".into(),
                category: None,
                prompt: Conversation(item["messages"].as_array().unwrap().iter().map(message).collect()),
                chosen: vec![Response::new(text(&item["chosen"]))],
                rejected: vec![Response::new(text(&item["rejected"]))],
                margin: None,
                evidence: Default::default(),
                row,
            }
        })
        .collect()
}

fn write_tensors(path: &Path, tensors: &Params) {
    weights::write(path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
}

/// A model directory: a backbone of the parity fixtures with other tensors behind it, two shards where it
/// has no head file of its own, changes of `config.json` (null removes a key) and lines of `[reward]`.
pub fn assemble(dir: &Path, base: &str, config: &Value, head: Option<&Path>, head_file: Option<&str>, card: &str) {
    let base = fixtures().join("arch").join(base);
    for entry in std::fs::read_dir(&base).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("tokenizer") || name.starts_with("chat_template") {
            std::fs::copy(&path, dir.join(&name)).unwrap();
        }
    }
    let mut merged = json(&base.join("config.json"));
    for (key, value) in config.as_object().into_iter().flatten() {
        match value {
            Value::Null => merged.as_object_mut().unwrap().remove(key),
            value => merged.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
    std::fs::write(dir.join("config.json"), merged.to_string()).unwrap();
    let open = |path: PathBuf| Checkpoint::open_files(&[path]).unwrap().take_all().unwrap();
    let mut backbone = open(base.join("model.safetensors"));
    if let Some(head) = head {
        let tensors = open(head.to_owned());
        backbone.retain(|name, _| name != "score.weight" && !tensors.contains_key(name));
        let files = match head_file {
            Some(file) => ["model.safetensors", file],
            None => ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        };
        write_tensors(&dir.join(files[0]), &backbone);
        write_tensors(&dir.join(files[1]), &tensors);
        if head_file.is_none() {
            let of = |tensors: &Params, file: &str| -> Vec<(String, Value)> {
                tensors.keys().map(|name| (name.clone(), file.into())).collect()
            };
            let map: serde_json::Map<_, _> =
                of(&backbone, files[0]).into_iter().chain(of(&tensors, files[1])).collect();
            let index = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
            std::fs::write(dir.join("model.safetensors.index.json"), index.to_string()).unwrap();
        }
    } else {
        backbone.retain(|name, _| name != "score.weight" || !card.contains("vocabulary-logit"));
        write_tensors(&dir.join("model.safetensors"), &backbone);
    }
    if !card.is_empty() {
        std::fs::write(dir.join("rmbench.toml"), format!("schema = 1\n[reward]\n{card}\n")).unwrap();
    }
}

/// Every head fixture by name, with its directory assembled.
fn heads() -> Vec<(String, Value, tempfile::TempDir)> {
    let mut names: Vec<String> = std::fs::read_dir(fixtures().join("heads"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .filter(|name| !["items", "pooling"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert!(names.len() >= 21, "{names:?}");
    names.into_iter().map(|name| (name.clone(), assembled(&name))).map(|(name, (f, d))| (name, f, d)).collect()
}

pub fn assembled(name: &str) -> (Value, tempfile::TempDir) {
    let at = |ending: &str| fixtures().join(format!("heads/{name}.{ending}"));
    let (fixture, dir) = (json(&at("json")), tempfile::tempdir().unwrap());
    let head = at("safetensors");
    let card = fixture["card"].as_str().unwrap_or_default();
    let base = fixture["base"].as_str().unwrap();
    let head = head.is_file().then_some(head);
    assemble(dir.path(), base, &fixture["config"], head.as_deref(), fixture["file"].as_str(), card);
    (fixture, dir)
}

/// Other tensors in a shard, which the index then names.
fn write_shard(shard: &Path, tensors: &Params) {
    write_tensors(shard, tensors);
    let path = shard.with_file_name("model.safetensors.index.json");
    let mut index: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let file = shard.file_name().unwrap().to_string_lossy().into_owned();
    let map = index["weight_map"].as_object_mut().unwrap();
    map.retain(|_, of| of.as_str() != Some(&*file));
    map.extend(tensors.keys().map(|name| (name.clone(), file.clone().into())));
    std::fs::write(&path, index.to_string()).unwrap();
}

fn load(dir: &Path) -> Result<ScalarModel, ArtifactError> {
    load_as(dir, Kind::Float, &RewardOptions::default())
}

fn load_as(dir: &Path, kind: Kind, options: &RewardOptions) -> Result<ScalarModel, ArtifactError> {
    let parts = ModelParts::of(dir, None, &mut Silent).map_err(Box::new)?;
    artifact::load_to_score(&parts, Device::Cpu, kind, &TextOverrides::default(), options)
}

fn rewards(model: &ScalarModel, items: &[Comparison]) -> Vec<f64> {
    let scores = model.score(items, &mut |_| {}).unwrap();
    scores.iter().flatten().map(|score| f64::from(score.reward.unwrap())).collect()
}

fn expected(fixture: &Value) -> Vec<f64> {
    let pairs = fixture["rewards"].as_array().unwrap().iter();
    pairs.flat_map(|pair| pair.as_array().unwrap()).map(|reward| reward.as_f64().unwrap()).collect()
}

/// Largest difference in units of the largest expected value.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0, |largest: f64, reward| largest.max(reward.abs()));
    let largest = found.iter().zip(expected).fold(0.0, |largest: f64, (a, b)| largest.max((a - b).abs()));
    largest / scale
}

#[test]
fn every_head_equals_its_published_formula() {
    for (name, fixture, dir) in heads() {
        let model = load(dir.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let items = items(&fixture["items"]);
        let found = rewards(&model, &items);
        let off = difference(&found, &expected(&fixture));
        println!("{name}: {off:.1e} of the largest reward; {}", model.network.head().describe());
        assert!(off <= RELATIVE, "{name}: {off:.2e}\n{found:?}\n{:?}", expected(&fixture));
        // One at a time: neither the batch nor the tree decides.
        let alone: Vec<f64> = items.iter().flat_map(|item| rewards(&model, std::slice::from_ref(item))).collect();
        assert!(difference(&alone, &found) <= RELATIVE, "{name} alone");
    }
}

#[test]
fn heads_stay_in_f32_where_the_backbone_is_bf16() {
    for (name, fixture, dir) in heads() {
        let model = load_as(dir.path(), Kind::BFloat16, &RewardOptions::default()).unwrap();
        for (tensor, value) in model.network.params() {
            let of_backbone = tensor.starts_with("model.") || tensor.starts_with("roberta.");
            let kind = if of_backbone { Kind::BFloat16 } else { Kind::Float };
            let is_counter = value.kind() == Kind::Int64;
            assert!(value.kind() == kind || is_counter, "{name}: {tensor} is {:?}", value.kind());
        }
        let found = rewards(&model, &items(&fixture["items"]));
        let is_bf16 = |reward: f64| (reward as f32).to_bits() & 0xffff == 0;
        assert!(
            found.iter().all(|reward| reward.is_finite()) && !found.iter().all(|&r| is_bf16(r)),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn every_pooling_rule_equals_its_definition_on_padded_batches() {
    let cases = json(&fixtures().join("heads/pooling.json"));
    let mut rules = std::collections::HashSet::new();
    for case in cases["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let rule = case["pooling"].as_str().unwrap();
        let base = case["base"].as_str().unwrap();
        let expected = expected(case);
        let items = items(&case["items"]);
        // From rmbench.toml, and as a run's own setting.
        let dir = tempfile::tempdir().unwrap();
        assemble(dir.path(), base, &case["config"], None, None, &format!("pooling = {rule}"));
        let model = load(dir.path()).unwrap();
        let off = difference(&rewards(&model, &items), &expected);
        println!("{name}: {off:.1e}");
        assert!(off <= RELATIVE, "{name}: {off:.2e}");
        let bare = tempfile::tempdir().unwrap();
        assemble(bare.path(), base, &case["config"], None, None, "");
        let options: RewardOptions = toml::from_str(&format!("pooling = {rule}")).unwrap();
        let overridden = load_as(bare.path(), Kind::Float, &options).unwrap();
        assert_eq!(overridden.pooling, model.pooling);
        assert!(difference(&rewards(&overridden, &items), &expected) <= RELATIVE, "{name} overridden");
        rules.insert(std::mem::discriminant(&model.pooling));
        // The rule that transformers has is the default.
        let usual = ["hf_last_nonpad", "hf_last_nonpad_pad_is_eos", "bert_cls", "xlm_roberta_cls"].contains(&name);
        if usual {
            let plain = load(bare.path()).unwrap();
            assert!(difference(&rewards(&plain, &items), &expected) <= RELATIVE, "{name} by default");
        }
    }
    assert_eq!(rules.len(), 7, "every rule has a case");
}

#[test]
fn heads_read_where_their_authors_code_reads() {
    let pooling = |name: &str| load(assembled(name).1.path()).unwrap().pooling;
    for name in ["inf_orm", "qwen2_rm", "armorm", "qrm_llama", "qrm_other"] {
        assert_eq!(pooling(name), Pooling::HfLegacyFirstPad, "{name}");
    }
    for name in ["nemotron", "grm", "llama_factory", "ultra_rm", "beaver_cost", "open_rlhf", "open_rlhf_score", "urm"] {
        assert_eq!(pooling(name), Pooling::MaskLast, "{name}");
    }
    assert_eq!(pooling("internlm2"), Pooling::AppendedToken { id: 380 });
    assert_eq!(pooling("labels"), Pooling::HfLastNonpad);
    assert_eq!(pooling("encoder_labels"), Pooling::Cls);
    // What Athene's class has built in, whatever the vocabulary.
    let (fixture, dir) = assembled("athene");
    std::fs::remove_file(dir.path().join("rmbench.toml")).unwrap();
    let model = load(dir.path()).unwrap();
    assert_eq!(model.pooling, Pooling::AppendedToken { id: 128_003 });
    let error = model.score(&items(&fixture["items"]), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("128003") && error.contains("vocabulary of 384"), "{error}");
}

#[test]
fn only_one_row_of_the_vocabulary_is_loaded() {
    let (_, dir) = assembled("nemotron");
    let model = load(dir.path()).unwrap();
    let outside: Vec<_> = model.network.params().iter().filter(|(name, _)| !name.starts_with("model.")).collect();
    assert_eq!(outside.len(), 1);
    assert_eq!((outside[0].0.as_str(), outside[0].1.size()), ("score.weight", vec![1, 32]));
}

/// Saved and loaded again: the same head, the same names, the same rewards.
#[test]
fn a_saved_head_keeps_its_names_and_rewards() {
    for (name, fixture, dir) in heads() {
        let model = load(dir.path()).unwrap();
        let out = dir.path().join("saved");
        artifact::save(&out, &model, dir.path(), None, None).unwrap();
        let again = load(&out).unwrap_or_else(|error| panic!("{name}: {error}"));
        let items = items(&fixture["items"]);
        assert_eq!(rewards(&model, &items), rewards(&again, &items), "{name}");
        assert_eq!(model.pooling, again.pooling, "{name}");
        let names = |model: &ScalarModel| model.network.params().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&model), names(&again), "{name}");
        let head = fixtures().join(format!("heads/{name}.safetensors"));
        // A vocabulary logit is saved as the one-label classifier that it is.
        if head.is_file() && !name.contains("logit") && name != "nemotron" {
            let stored = Checkpoint::open_files(&[head]).unwrap().take_all().unwrap();
            for tensor in stored.keys().filter(|tensor| *tensor != "lm_head.weight") {
                assert!(again.network.params().contains_key(tensor), "{name}: {tensor} is lost");
            }
        }
    }
}

fn refused(name: &str, change: impl Fn(&Path)) -> String {
    let (_, dir) = assembled(name);
    change(dir.path());
    load(dir.path()).err().unwrap().to_string()
}

fn rewrite_card(card: &'static str) -> impl Fn(&Path) {
    move |dir| std::fs::write(dir.join("rmbench.toml"), format!("schema = 1\n[reward]\n{card}\n")).unwrap()
}

#[test]
fn what_is_not_known_is_refused_with_what_to_write() {
    let no_card = |dir: &Path| {
        let _ = std::fs::remove_file(dir.join("rmbench.toml"));
    };
    let mut errors = vec![
        refused("labels", no_card),
        refused("labels", rewrite_card("label-weights = [1.0, 2.0]")),
        refused("encoder_labels", no_card),
        refused("nemotron", no_card),
        refused("nemotron", rewrite_card("head = { vocabulary-logit = { id = 384 } }")),
        refused("nemotron_tied", rewrite_card("head = { vocabulary-logit = { id = 384 } }")),
        refused("ultra_rm", rewrite_card("head = { vocabulary-logit = { id = 0 } }")),
        refused("qrm_other", rewrite_card("gate-temperature = 1.0")),
        refused("qrm_other", rewrite_card("gate-pattern = \"<|im_end|>\"")),
        refused("armorm", rewrite_card("gate-temperature = 0.0")),
        refused("armorm", rewrite_card("label-weights = [1.0]")),
        refused("labels", rewrite_card("head = \"gated\"")),
        refused("ultra_rm", rewrite_card("head = \"regression-head\"")),
        refused("ultra_rm", rewrite_card("head = { linear = { name = \"score\" } }")),
        refused("ultra_rm", rewrite_card("normalise = true")),
        refused("grm", rewrite_card("head = { linear = { name = \"v_head.other\" } }")),
    ];
    // A head that nobody knows, and two at once.
    let (_, dir) = assembled("ultra_rm");
    let shard = dir.path().join("model-00002-of-00002.safetensors");
    let mut tensors = Checkpoint::open_files(std::slice::from_ref(&shard)).unwrap().take_all().unwrap();
    let weight = tensors.remove("regression_head.weight").unwrap();
    let rename = |tensors: &Params| {
        write_shard(&shard, tensors);
        load(dir.path()).err().unwrap().to_string()
    };
    errors.push(rename(&Params::from([("preference_head.weight".to_owned(), weight.shallow_clone())])));
    let two = [("v_head.weight", &weight), ("score.weight", &weight)];
    errors.push(rename(&two.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).into()));
    // Which one counts is said: the other is no error then, unless it stands for nothing known.
    rewrite_card("head = { linear = { name = \"score\" } }")(dir.path());
    assert_eq!(load(dir.path()).unwrap().pooling, Pooling::HfLastNonpad);
    std::fs::remove_file(dir.path().join("rmbench.toml")).unwrap();
    // Known tensors in a class that nobody knows.
    errors.push(rename(&Params::from([("v_head.weight".to_owned(), weight.shallow_clone())])));
    let text = errors.join("\n\n").replace(&*std::env::temp_dir().to_string_lossy(), "TMP");
    insta::assert_snapshot!(
        text.split('`').map(|word| if word.starts_with("TMP") { "PATH" } else { word }).collect::<Vec<_>>().join("`")
    );
}

#[test]
fn an_item_without_the_end_of_its_prompt_is_named() {
    let (fixture, dir) = assembled("armorm");
    let mut model = load(dir.path()).unwrap();
    let items = items(&fixture["items"]);
    model.text =
        rmbench::text::encode::TextPipeline::from_dir(dir.path(), &toml::from_str("layout = \"concat\"").unwrap())
            .unwrap();
    let error = model.score(&items, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("tokens that end the prompt"), "{error}");
}

#[test]
fn heads_with_statistics_or_several_labels_are_not_trained() {
    let untrainable: Vec<String> = heads()
        .into_iter()
        .filter(|(_, _, dir)| load(dir.path()).unwrap().network.head().untrainable(false).is_some())
        .map(|(name, _, _)| name)
        .collect();
    let expected =
        ["beaver_cost", "beaver_reward", "encoder_labels", "labels", "open_rlhf", "soft_capped_logit", "urm"];
    assert_eq!(untrainable, expected);
}

#[test]
fn a_drawn_head_may_be_named() {
    let (_, dir) = assembled("ultra_rm");
    let shard = dir.path().join("model-00002-of-00002.safetensors");
    write_shard(
        &shard,
        &Params::from([("lm_head.weight".to_owned(), tch::Tensor::zeros([384, 32], (Kind::Float, Device::Cpu)))]),
    );
    let draw = MissingHead::Draw { init: HeadInit::Hf, seed: 3 };
    for (kind, names) in [
        (HeadKind::Linear { name: "score".into() }, vec!["score.weight"]),
        (
            HeadKind::Mlp { name: "score".into() },
            vec!["score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"],
        ),
    ] {
        let options = RewardOptions { head: Some(kind.clone()), ..RewardOptions::default() };
        let parts = ModelParts::of(dir.path(), None, &mut Silent).unwrap();
        let loading = Loading { device: Device::Cpu, weights: Kind::Float, compute: Kind::Float, missing: draw };
        let text = TextOverrides::default();
        let model = artifact::load_parts(&parts, AdapterUse::Merged, loading, &text, &options).unwrap();
        assert_eq!(model.network.drawn, names);
        assert_eq!((model.network.head().kind(), model.network.head().untrainable(false)), (&kind, None));
    }
}
