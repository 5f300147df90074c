//! Model directories: what is written is read back as the same model, and transformers can read it too.

use std::path::Path;

use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::reward::artifact::{self, ArtifactError};
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{MissingHead, NetworkError};
use rmbench::reward::options::RewardOptions;
use rmbench::reward::preset;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::settings::TextSettings;
use rmbench::text::train_tokenizer::{TokenizerKind, train_bpe};
use tch::{Device, Kind};

const TEXTS: [&str; 6] = [
    "The lake is deep and cold in winter.",
    "Où se trouve la gare ? Derrière le pont.",
    "Das Brot ist frisch, der Käse auch.",
    "الحليب بارد والخبز طازج",
    "湖水很深，冬天很冷。",
    "서울의 겨울은 춥다.",
];

pub fn comparisons(n: usize) -> Vec<Comparison> {
    (0..n)
        .map(|i| {
            let text = |k: usize| TEXTS[(i + k) % TEXTS.len()].repeat(1 + (i * 7 + k) % 5);
            Comparison {
                id: format!("item-{i}").into(),
                source: format!("item-{i}").into(),
                lang: Lang::ENGLISH,
                subset: "invented".into(),
                category: None,
                prompt: Conversation::from_prompt(text(0)),
                chosen: vec![Response::new(text(1))],
                rejected: vec![Response::new(text(2)), Response::new(text(3))],
                margin: None,
                evidence: Default::default(),
                row: i as u64,
            }
        })
        .collect()
}

/// A tiny model drawn from a seed around a tokenizer trained on the texts above; `dir` keeps the tokenizer.
pub fn tiny(dir: &Path) -> ScalarModel {
    train_bpe(TEXTS.iter(), 400, TokenizerKind::Decoder, 512).unwrap().write(dir).unwrap();
    let preset = preset::find("tiny").unwrap();
    let settings = TextSettings::default();
    let head = RewardOptions::default();
    artifact::init(&preset, dir, &settings, HeadInit::InvSqrtD, 7, Kind::Float, Device::Cpu, &head).unwrap()
}

fn rewards(model: &ScalarModel, items: &[Comparison]) -> Vec<f32> {
    let scores = model.score(items, &mut |_| {}).unwrap();
    scores.iter().flatten().map(|s| s.reward.unwrap()).collect()
}

fn load(dir: &Path) -> Result<ScalarModel, ArtifactError> {
    artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None)
}

#[test]
fn a_saved_model_gives_the_same_rewards_and_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    artifact::save(&first, &model, dir.path(), Some("bradley-terry"), None).unwrap();
    let again = load(&first).unwrap();
    let items = comparisons(20);
    assert_eq!(rewards(&model, &items), rewards(&again, &items));
    artifact::save(&second, &again, &first, Some("bradley-terry"), None).unwrap();
    for entry in std::fs::read_dir(&first).unwrap() {
        let name = entry.unwrap().file_name();
        let bytes = |dir: &Path| std::fs::read(dir.join(&name)).unwrap();
        assert!(bytes(&first) == bytes(&second), "{name:?} differs");
    }
    // For the check with transformers: tests/reference/loads_in_transformers.py MODEL SCORES.
    if let Some(out) = std::env::var_os("RMBENCH_EXPORT_MODEL") {
        let encoded = again.text.encode_all(&items).unwrap();
        let sequences = encoded.iter().flat_map(|e| &e.sequences).zip(rewards(&again, &items));
        let list: Vec<_> = sequences.map(|(ids, reward)| serde_json::json!({"ids": ids, "reward": reward})).collect();
        artifact::save(Path::new(&out), &again, &first, Some("bradley-terry"), None).unwrap();
        std::fs::write(Path::new(&out).join("scores.json"), serde_json::to_string(&list).unwrap()).unwrap();
    }
}

#[test]
fn rewards_do_not_depend_on_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let items = comparisons(60);
    let together = rewards(&model, &items);
    let alone: Vec<f32> = items.iter().flat_map(|item| rewards(&model, std::slice::from_ref(item))).collect();
    let largest = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-5, "{largest:.2e}");
}

#[test]
fn a_checkpoint_without_a_head_is_not_scored_with_a_random_one() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    artifact::save(dir.path(), &model, dir.path(), None, None).unwrap();
    let path = dir.path().join("model.safetensors");
    let checkpoint = rmbench::backbone::weights::Checkpoint::open_files(std::slice::from_ref(&path)).unwrap();
    let mut tensors = checkpoint.take_all().unwrap();
    assert!(tensors.remove("score.weight").is_some());
    let pairs: Vec<_> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    rmbench::backbone::weights::write(&path, pairs.iter().copied()).unwrap();
    let error = load(dir.path()).err().unwrap();
    assert!(
        matches!(&error, ArtifactError::Network(NetworkError::NoHead { missing, .. }) if missing == "score.weight"),
        "{error}"
    );

    tensors.insert("model.extra.weight".into(), tch::Tensor::zeros([1], (Kind::Float, Device::Cpu)));
    rmbench::backbone::weights::write(&path, tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    let draw = MissingHead::Draw { init: HeadInit::Hf, seed: 0 };
    let error = artifact::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, draw, None).err().unwrap();
    assert!(error.to_string().contains("model.extra.weight"), "{error}");
}

/// `--features` keeps what the head reads: a linear head gives every reward from it.
#[test]
fn features_are_what_the_head_reads() {
    use rmbench::table::features::FeatureFile;
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let path = dir.path().join("model");
    artifact::save(&path, &model, dir.path(), None, None).unwrap();
    let head = model.network.params()["score.weight"].copy();
    let pairs: String = comparisons(30)
        .iter()
        .map(|c| {
            let row = serde_json::json!({"id": c.id, "language": "eng_Latn", "prompt": c.prompt.plain_text(),
                "chosen": c.chosen[0].text, "rejected": c.rejected[0].text});
            format!("{row}\n")
        })
        .collect();
    std::fs::write(dir.path().join("pairs.jsonl"), pairs).unwrap();
    let score = ["score", "--model", "model", "--pairs", "pairs.jsonl", "--set", "shard-size=7"];
    for (out, more) in [("plain", &[][..]), ("kept", &["--features"][..])] {
        let output = crate::command::run(dir.path(), &[&score[..], &["--out", out], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let rewards = |run: &str| -> Vec<f32> {
        let file = rmbench::table::read::ScoreFile::open(&dir.path().join(run).join("scores.parquet")).unwrap();
        file.rows().unwrap().iter().map(|row| row.reward.unwrap()).collect()
    };
    assert_eq!(rewards("plain"), rewards("kept"));
    assert!(!dir.path().join("plain/features.parquet").exists());
    let mut read = Vec::new();
    let file = FeatureFile::open(&dir.path().join("kept/features.parquet")).unwrap();
    file.each(|row| {
        let state = tch::Tensor::from_slice(&row.features);
        read.push(state.dot(&head.flatten(0, -1)).double_value(&[]) as f32);
        Ok(())
    })
    .unwrap();
    let rewards = rewards("kept");
    assert_eq!(read.len(), rewards.len());
    for (found, reward) in read.iter().zip(&rewards) {
        assert!((found - reward).abs() < 1e-5, "{found} and {reward}");
    }
    let mock = ["score", "--model", "mock:length", "--pairs", "pairs.jsonl", "--out", "mock", "--features"];
    let output = crate::command::run(dir.path(), &mock);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has hidden states"));
}
