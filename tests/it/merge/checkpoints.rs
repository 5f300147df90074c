//! Whole model directories through `rmbench merge`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::merge::settings::{DEFAULTS, MergeSettings};
use rmbench::merge::{self, MergeError};
use rmbench::progress::Silent;
use rmbench::reward::artifact;
use rmbench::reward::network::{MissingHead, Network};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::fixture;
use crate::artifact::{comparisons, tiny};
use crate::command::run;
use crate::parity;

type Tensors = BTreeMap<String, Tensor>;

fn llama() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama")
}

fn read(dir: &Path) -> Tensors {
    Checkpoint::open_dir(dir).unwrap().take_all().unwrap()
}

/// A copy of a model directory with other weights.
fn with_weights(like: &Path, dir: &Path, tensors: &Tensors) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    for entry in std::fs::read_dir(like).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && !name.ends_with(".safetensors") {
            std::fs::copy(entry.path(), dir.join(name)).unwrap();
        }
    }
    weights::write(&dir.join("model.safetensors"), tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    dir.to_owned()
}

/// The k-th model: every tensor moved by 0.03 · sin(0.7 i + k + length of its name), as in the reference.
fn moved(tensors: &Tensors, k: f64) -> Tensors {
    let one = |(name, tensor): (&String, &Tensor)| {
        let index = Tensor::arange(tensor.numel() as i64, (Kind::Double, Device::Cpu)).view_as(tensor);
        let by = (index * 0.7 + (k + name.len() as f64)).sin() * 0.03;
        (name.clone(), (tensor.to_kind(Kind::Double) + by).to_kind(Kind::Float))
    };
    tensors.iter().map(one).collect()
}

/// `base`, `1` to `6` below `root`.
fn models(root: &Path) {
    let base = read(&llama());
    with_weights(&llama(), &root.join("base"), &base);
    for k in 1..=6 {
        with_weights(&llama(), &root.join(k.to_string()), &moved(&base, k as f64));
    }
}

fn settings(root: &Path, toml: &str) -> MergeSettings {
    let mut table: toml::Table = DEFAULTS.parse().unwrap();
    table.extend(toml.parse::<toml::Table>().unwrap());
    let mut settings: MergeSettings = toml::Value::Table(table).try_into().unwrap();
    let at = |name: &String| root.join(name).to_string_lossy().into_owned();
    settings.models = settings.models.iter().map(at).collect();
    settings.minus = settings.minus.iter().map(at).collect();
    settings.base = settings.base.as_ref().map(at);
    settings
}

fn merged(root: &Path, out: &str, toml: &str) -> Result<Vec<PathBuf>, MergeError> {
    merge::run(&settings(root, toml), &root.join(out), &mut Silent)
}

#[test]
fn rewards_equal_transformers_on_weights_merged_by_numpy() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    models(root);
    let fixture = fixture();
    let batch = parity::separate_pairs(&llama());
    for (method, settings) in [
        ("linear", "models = ['1', '2', '3']\nweights = [[1, 0.5, 0.25]]"),
        ("slerp", "models = ['1', '2']\nmethod = 'slerp'\nweights = [[1, 0.5]]"),
        ("ties", "models = ['1', '2', '3']\nmethod = 'ties'\nbase = 'base'\nweights = [[1, 0.5, 0.25]]"),
        (
            "task-arithmetic",
            "models = ['1', '2', '3']\nminus = ['4', '5', '6']\nmethod = 'task-arithmetic'\nbase = 'base'\n\
             lambda = 0.5\nweights = [[1, 0.5, 0.25]]",
        ),
    ] {
        let dirs = merged(root, method, settings).unwrap();
        let network = Network::load(&dirs[0], Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
        let found = Vec::<f32>::try_from(&network.rewards(&batch).unwrap()).unwrap();
        let rows = fixture["scores"]["rewards"][method].as_array().unwrap();
        let expected: Vec<f64> = rows.iter().flat_map(super::numbers).collect();
        super::assert_close(method, &found.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), &expected, 1e-5);
    }
}

#[test]
fn a_merge_of_shards_is_the_same_file() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    models(root);
    merged(root, "whole", "models = ['1', '2']").unwrap();
    // Model 1 again, in three files with an index.
    let (tensors, mut map) = (read(&root.join("1")), serde_json::Map::new());
    std::fs::remove_file(root.join("1/model.safetensors")).unwrap();
    for shard in 0..3 {
        let file = format!("model-{shard:05}-of-00003.safetensors");
        let own: Vec<_> = tensors.iter().enumerate().filter(|(i, _)| i % 3 == shard).map(|(_, t)| t).collect();
        own.iter().for_each(|(name, _)| _ = map.insert((*name).clone(), file.clone().into()));
        weights::write(&root.join("1").join(file), own.iter().map(|(n, t)| (n.as_str(), *t))).unwrap();
    }
    let index = json!({"metadata": {}, "weight_map": map});
    std::fs::write(root.join("1/model.safetensors.index.json"), index.to_string()).unwrap();
    merged(root, "shards", "models = ['1', '2']").unwrap();
    let bytes = |dir: &str| std::fs::read(root.join(dir).join("model.safetensors")).unwrap();
    assert!(bytes("whole") == bytes("shards"));
}

#[test]
fn one_model_merged_with_itself_has_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    models(root);
    for (out, settings) in [
        ("linear", "models = ['1', '1', '1']\nweights = [[0.2, 0.3, 0.1]]"),
        ("slerp", "models = ['1', '1']\nmethod = 'slerp'\nweights = [[0.3, 0.9]]"),
        ("arithmetic", "models = ['1']\nmethod = 'task-arithmetic'\nbase = 'base'"),
        ("ties", "models = ['1', '1']\nmethod = 'ties'\nbase = 'base'\ndensity = 1.0"),
        ("left-out", "models = ['1', '2']\nweights = [[2, 0]]"),
    ] {
        let dir = merged(root, out, settings).unwrap().remove(0);
        let (found, expected) = (read(&dir), read(&root.join("1")));
        assert!(found.keys().eq(expected.keys()));
        for (name, tensor) in &expected {
            let difference = (&found[name] - tensor).abs().max().double_value(&[]);
            assert!(difference < 1e-7, "{out}: {name} differs by {difference:.1e}");
        }
    }
}

#[test]
fn a_sweep_of_weights_is_a_directory_each_and_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    models(root);
    let sweep = |weights: &str| {
        let toml =
            format!("models = ['1']\nminus = ['4']\nmethod = 'task-arithmetic'\nbase = 'base'\nweights = {weights}");
        merged(root, "sweep", &toml)
    };
    let dirs = sweep("[[0], [0.5], [-1]]").unwrap();
    let names: Vec<_> = dirs.iter().map(|dir| dir.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["0", "0.5", "-1"]);
    let head = |dir: &Path| read(dir)["score.weight"].to_kind(Kind::Double);
    let (base, one, four) = (head(&root.join("base")), head(&root.join("1")), head(&root.join("4")));
    for (dir, eta) in dirs.iter().zip([0.0, 0.5, -1.0]) {
        let expected = &base + (&one - &four) * eta;
        assert!((head(dir) - expected).abs().max().double_value(&[]) < 1e-6);
        let card = artifact::read_card(dir).unwrap().unwrap().merge.unwrap();
        assert_eq!((card.models[0].weight, card.method.as_str()), (Some(eta), "task-arithmetic"));
        assert_eq!(card.models[0].weights_sha256.len(), 64);
    }
    let modified = |dir: &Path| std::fs::metadata(dir.join("model.safetensors")).unwrap().modified().unwrap();
    let before = modified(&dirs[1]);
    std::fs::remove_dir_all(&dirs[2]).unwrap();
    sweep("[[0], [0.5], [-1]]").unwrap();
    assert!(dirs[2].join("model.safetensors").is_file() && modified(&dirs[1]) == before);
    // Another merge under the name of one that is there.
    std::fs::rename(&dirs[2], root.join("sweep/7")).unwrap();
    let error = sweep("[[0], [7]]").unwrap_err();
    assert!(matches!(&error, MergeError::Occupied { out } if out.ends_with("sweep/7")), "{error}");
    // Nothing half-written is left beside.
    let left = std::fs::read_dir(root.join("sweep")).unwrap().count();
    assert_eq!(left, 3);
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    models(root);
    let says = |toml: &str, texts: &[&str]| {
        let error = merged(root, "never", toml).unwrap_err();
        let (text, hint) = (error.to_string(), error.hint());
        assert!(texts.iter().all(|part| text.contains(part)), "{toml}: {text}");
        assert!(hint.is_some(), "{text}");
        assert!(!root.join("never").exists());
    };
    let base = read(&llama());
    let change = |name: &str, edit: &dyn Fn(&mut Tensors)| {
        let mut tensors: Tensors = base.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
        edit(&mut tensors);
        with_weights(&llama(), &root.join(name), &tensors)
    };
    change("lacks", &|tensors| _ = tensors.remove("model.norm.weight"));
    change("more", &|tensors| _ = tensors.insert("model.extra".into(), Tensor::from(1f32)));
    change("shape", &|tensors| {
        _ = tensors.insert("score.weight".into(), Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)))
    });
    change("headless", &|tensors| _ = tensors.remove("score.weight"));
    let other = change("config", &|_| ());
    let edit = |path: &Path, key: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        json[key] = value;
        std::fs::write(path, json.to_string()).unwrap();
    };
    edit(&other.join("config.json"), "rms_norm_eps", json!(0.5));
    let other = change("words", &|_| ());
    edit(&other.join("tokenizer.json"), "added_tokens", json!([]));
    let adapter = root.join("adapter");
    std::fs::create_dir_all(&adapter).unwrap();
    let config = json!({"peft_type": "LORA", "base_model_name_or_path": root.join("base")});
    std::fs::write(adapter.join("adapter_config.json"), config.to_string()).unwrap();

    says("models = ['1', 'lacks']", &["it lacks `model.norm.weight`", "/lacks"]);
    says("models = ['1', 'more']", &["only it has `model.extra`"]);
    says("models = ['1', 'shape']", &["`score.weight` has shape [2, 3]"]);
    says("models = ['1', 'config']", &["config.json differs in `rms_norm_eps`"]);
    says("models = ['1', 'words']", &["tokenizer.json has another added tokens"]);
    says("models = ['1', 'adapter']", &["is an adapter"]);
    says("models = ['1', 'nowhere']", &["/nowhere"]);
    says("models = ['1', 'lacks']\nmethod = 'ties'\nbase = 'base'", &["model.norm.weight"]);
    says("models = ['1', '2']\nmethod = 'ties'\nbase = 'lacks'", &["model.norm.weight"]);
    says("models = ['1', '2', '3']\nmethod = 'slerp'", &["two models, not 3"]);
    says("models = ['1', '2']\nmethod = 'ties'", &["needs a base"]);
    says("models = ['1', '2']\nbase = 'base'", &["has no base"]);
    says("models = ['1', '2']\nweights = [[1]]", &["1 weights are given for 2 models"]);
    says("models = ['1', '2']\nweights = [[1, -1]]", &["add up to nothing"]);
    says("models = ['1', '2']\ndensity = 0.0", &["`density` is 0"]);
    says("models = ['1', '2']\nmethod = 'task-arithmetic'\nbase = 'base'\nminus = ['3']", &["`minus` names 1"]);
    says("models = ['1']", &["no merge"]);

    // A base without a reward head is what fine-tuning begins with: its head is the models' average.
    let dir = merged(root, "head", "models = ['1', '2']\nmethod = 'ties'\nbase = 'headless'").unwrap().remove(0);
    let head = |dir: &Path| read(dir)["score.weight"].shallow_clone();
    let expected = (head(&root.join("1")) + head(&root.join("2"))) / 2.0;
    assert!((head(&dir) - expected).abs().max().double_value(&[]) < 1e-6);
}

#[test]
fn matched_heads_have_one_scale() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let (model, tokenizer) = (tiny(root), root.to_owned());
    artifact::save(&root.join("one"), &model, &tokenizer, None, None).unwrap();
    // The same model with rewards eight times as large, and another one.
    let louder = |factor: f64| -> Tensors {
        let scaled = |(name, tensor): (String, Tensor)| match name.as_str() {
            "score.weight" => (name, tensor * factor),
            _ => (name, tensor),
        };
        read(&root.join("one")).into_iter().map(scaled).collect()
    };
    with_weights(&root.join("one"), &root.join("loud"), &louder(8.0));
    with_weights(&root.join("one"), &root.join("other"), &moved(&louder(1.0), 1.0));
    let pairs = root.join("pairs.jsonl");
    let items = comparisons(12);
    let lines = items.iter().map(|item| {
        json!({"id": item.id.to_string(), "language": "eng_Latn", "prompt": item.prompt.0[0].content,
               "chosen": item.chosen[0].text, "rejected": item.rejected[0].text})
        .to_string()
    });
    std::fs::write(&pairs, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let matched = |models: &str, out: &str| {
        let toml = format!("models = {models}\nmatch-heads = ['{}']", pairs.display());
        merged(root, out, &toml).unwrap().remove(0)
    };
    let rewards = |dir: &Path| -> Vec<f64> {
        let model = artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap();
        let scores = model.score(&items, &mut |_| {}).unwrap();
        // The pool has one rejected response of each.
        scores.iter().flat_map(|s| &s[..2]).map(|s| f64::from(s.reward.unwrap())).collect()
    };
    let deviation = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
    };
    // One scale: the louder copy adds nothing, and rewards have deviation 1.
    let both = rewards(&matched("['one', 'loud']", "both"));
    assert!((deviation(&both) - 1.0).abs() < 1e-4, "{}", deviation(&both));
    let one = rewards(&root.join("one"));
    let unit = deviation(&one);
    super::assert_close("matched", &both, &one.iter().map(|x| x / unit).collect::<Vec<_>>(), 1e-4);
    // So loud and one give the same with a third.
    let (with_one, with_loud) = (matched("['one', 'other']", "a"), matched("['loud', 'other']", "b"));
    super::assert_close("with another", &rewards(&with_one), &rewards(&with_loud), 1e-4);
    let card = artifact::read_card(&with_loud).unwrap().unwrap().merge.unwrap();
    let of_loud = card.models[0].rewards.unwrap();
    assert_eq!((of_loud.n, card.matched_on.len()), (24, 1));
    assert!((of_loud.deviation - 8.0 * unit).abs() < 1e-3 * of_loud.deviation);

    // For the check with transformers: tests/reference/loads_in_transformers.py MODEL SCORES.
    if let Some(out) = std::env::var_os("RMBENCH_EXPORT_MERGED") {
        let model =
            artifact::load(&with_one, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap();
        let encoded = model.text.encode_all(&items).unwrap();
        let scores = model.score(&items, &mut |_| {}).unwrap();
        let sequences = encoded.iter().flat_map(|e| &e.sequences).zip(scores.iter().flatten());
        let list: Vec<_> = sequences.map(|(ids, score)| json!({"ids": ids, "reward": score.reward})).collect();
        let out = Path::new(&out);
        std::fs::create_dir_all(out).unwrap();
        for entry in std::fs::read_dir(&with_one).unwrap().flatten() {
            std::fs::copy(entry.path(), out.join(entry.file_name())).unwrap();
        }
        std::fs::write(out.join("scores.json"), serde_json::to_string(&list).unwrap()).unwrap();
    }
}

#[test]
fn the_command_says_what_it_did() {
    let root = tempfile::tempdir().unwrap();
    models(root.path());
    let output = run(root.path(), &["merge", "1", "2", "--weights", "1,0.5", "--out", "out/merged"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("merged: `out/merged`"), "{text}");
    let output = run(root.path(), &["merge", "1", "2", "--method", "ties", "--out", "out/ties"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`ties` needs a base") && text.contains("hint: "), "{text}");
}
