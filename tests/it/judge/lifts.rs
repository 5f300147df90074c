//! Training lifts a tiny judge from chance to more than 80 % on items it has not seen: verdicts in a form (SFT), yes and no
//! (GenRM), its own judgments in couples (Con-J) and as it goes (GRPO).
//!
//! The better answer says `gold`, the other `lead`, among words that say nothing. The judge begins without any knowledge, or
//! (where it must write judgments first) as one that learnt the form from labels drawn by lot.

use std::fs;
use std::path::Path;
use std::process::Command;

use rmbench::judge::Outcome;
use rmbench::metric::interval::wilson;
use rmbench::random;
use rmbench::reward::artifact::{self, RewardCard};
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::Network;
use rmbench::reward::preset::{Preset, SpecialIds};
use rmbench::reward::scalar::{ScalarModel, TOKEN_BUDGET};
use rmbench::table::judgment::JudgmentFile;
use rmbench::text::encode::TextPipeline;
use rmbench::text::pooling::Pooling;
use rmbench::text::settings::TextSettings;
use rmbench::text::train_tokenizer::{TokenizerKind, train_bpe};
use serde_json::json;
use tch::{Device, Kind};

use super::one_letter;
use crate::command::rmbench;

const WORDS: [&str; 12] =
    ["river", "stone", "cloud", "field", "lamp", "door", "road", "leaf", "snow", "bell", "wheel", "glass"];

const PAIRWISE: &str = r#"
name = "tiny"
title = "Tiny"
about = "Two short answers."
papers = ["ours"]
shows = 2

[ask]
max-tokens = 8

[[message]]
role = "user"
text = "A: {{ responses[0] }} B: {{ responses[1] }} Better?"

[verdict]
place = { delimited = { open = "[[", close = "]]" } }
meaning = { letter = {} }
"#;

pub const YES_NO: &str = r#"
name = "tiny-yes"
title = "Tiny"
about = "One short answer."
papers = ["ours"]
shows = 1

[ask]
max-tokens = 1
log-probs = true

[[message]]
role = "user"
text = "{{ responses[0] }} Good?"

[verdict]
place = "first-word"
meaning = "yes-no"
"#;

/// An answer of four words, one of which says what it is worth.
fn answer(item: usize, side: &str, worth: &str) -> String {
    let draw = |what: &str, n: usize| (random::uniform(5, what, format!("{item}{side}")) * n as f64) as usize;
    let mut words: Vec<&str> = (0..3).map(|i| WORDS[draw(&format!("word {i}"), WORDS.len())]).collect();
    words.insert(draw("place", 4), worth);
    words.join(" ")
}

/// Items of a range; with `by_lot` the label says nothing.
pub fn write_pairs(path: &Path, items: std::ops::Range<usize>, by_lot: bool) {
    let line = |item: usize| {
        let (good, bad) = (answer(item, "good", "gold"), answer(item, "bad", "lead"));
        let swap = by_lot && random::uniform(6, "lot", item.to_string()) < 0.5;
        let (chosen, rejected) = if swap { (bad, good) } else { (good, bad) };
        json!({"id": format!("i{item}"), "language": "eng_Latn", "prompt": "Which?", "chosen": chosen, "rejected": rejected})
            .to_string()
    };
    fs::write(path, items.map(line).collect::<Vec<_>>().join("\n")).unwrap();
}

/// A model that knows nothing, around a tokenizer that knows these words.
fn base(dir: &Path) {
    let mut texts: Vec<String> =
        (0..200).map(|i| format!("A: {} B: Better? Good? Which?", answer(i, "good", "gold"))).collect();
    texts.extend((0..200).map(|i| format!("{} [[A]] [[B]] Yes No", answer(i, "bad", "lead"))));
    let tokenizer = dir.with_extension("tokenizer");
    train_bpe(texts.iter().map(String::as_str), 380, TokenizerKind::Decoder, 128).unwrap().write(&tokenizer).unwrap();
    let text = TextPipeline::from_dir(&tokenizer, &TextSettings::default()).unwrap();
    let eos = text.eos_id().unwrap();
    let special = SpecialIds { pad: text.pad_id().unwrap(), bos: text.bos_id(), eos };
    let shape = Preset {
        name: "lift",
        vocab: text.vocab_size(),
        hidden: 64,
        layers: 2,
        heads: 4,
        intermediate: 128,
        max_length: 128,
        initializer_range: 0.08,
    };
    let (config, options) = (shape.config(text.vocab_size(), special), artifact::as_policy());
    let network = Network::init(config, &options, HeadInit::default(), 3, Kind::Float, Device::Cpu).unwrap();
    let model = ScalarModel { network, text, pooling: Pooling::MaskLast, gate: None, token_budget: TOKEN_BUDGET };
    artifact::save_with(dir, &model, &tokenizer, RewardCard::of_judge("none"), None).unwrap();
}

/// A place with the data: 600 items to learn from, 150 to be judged.
pub fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("train.jsonl"), 0..600, false);
    write_pairs(&dir.path().join("lot.jsonl"), 0..600, true);
    write_pairs(&dir.path().join("held-out.jsonl"), 1000..1150, false);
    fs::write(dir.path().join("tiny.toml"), PAIRWISE).unwrap();
    fs::write(dir.path().join("yes.toml"), YES_NO).unwrap();
    base(&dir.path().join("base"));
    dir
}

pub fn does(dir: &Path, args: &[&str]) -> String {
    let output = rmbench(dir, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {said}");
    said
}

const TRAINING: [&str; 6] = ["--set", "batch-size=64", "--set", "lr=3e-3", "--set", "length-window=8"];

pub fn train(dir: &Path, model: &str, data: &str, out: &str, more: &[&str]) -> String {
    let own = ["train", "--model", model, "--data", data, "--out", out, "--device", "cpu"];
    does(dir, &[&own[..], &TRAINING[..], more].concat())
}

/// What a judge is right about, with its interval, and what of its replies can be read.
pub struct Found {
    pub right: f64,
    pub low: f64,
    pub high: f64,
    pub parsed: f64,
}

pub fn judge(dir: &Path, model: &str, protocol: &str, out: &str) -> Found {
    let args = ["score", "--model", model, "--judge", protocol, "--pairs", "held-out.jsonl", "--out", out];
    does(dir, &[&args[..], &["--set", "endpoint.cache=off", "--set", "device=cpu"]].concat());
    let rows = JudgmentFile::open(&dir.join(out).join("judgments.parquet")).unwrap().rows().unwrap();
    assert_eq!(rows.len(), 300);
    let right = rows.iter().filter(|row| {
        let judgment = &row.judgment;
        match (judgment.picked, judgment.rating) {
            (Some(place), _) => judgment.shown[usize::from(place)] == 0,
            (_, Some(rating)) => (rating > 0.5) == (judgment.shown[0] == 0),
            _ => false,
        }
    });
    let right = right.count() as f64 / 300.0;
    let parsed = rows.iter().filter(|row| row.judgment.outcome == Outcome::Verdict).count() as f64 / 300.0;
    Found::of(out, right, parsed)
}

impl Found {
    /// Two judgments of one item are not independent: the interval is that of the 150 items.
    pub fn of(name: &str, right: f64, parsed: f64) -> Self {
        let interval = wilson(right, 150.0, 0.95).unwrap();
        let found = Found { right, low: interval.low, high: interval.high, parsed };
        eprintln!("{name}: right {right:.3} [{:.3}, {:.3}], parsed {parsed:.3}", found.low, found.high);
        found
    }
}

pub fn is_by_chance(found: &Found) {
    assert!(found.low < 0.5 && found.high > 0.5, "{} [{}, {}]", found.right, found.low, found.high);
}

pub fn is_lifted(found: &Found) {
    assert!(found.low > 0.8 && found.parsed > 0.95, "{} from {}, parsed {}", found.right, found.low, found.parsed);
}

/// A judge that knows the form of verdicts and nothing else.
pub fn by_lot(dir: &Path) {
    does(dir, &["data", "judgments", "lot.jsonl", "--judge", "tiny.toml", "--out", "lot.parquet"]);
    train(dir, "base", "lot.parquet", "lot", &["--set", "objective.name=sft", "--set", "epochs=4"]);
}

#[test]
fn supervised_verdicts_lift_a_judge() {
    let place = place();
    let dir = place.path();
    let before = judge(dir, "base", "tiny.toml", "before");
    assert!(before.parsed < 0.05, "it knows no form: {}", before.parsed);
    by_lot(dir);
    let lot = judge(dir, "lot", "tiny.toml", "of-lot");
    is_by_chance(&lot);
    assert!(lot.parsed > 0.95);
    does(dir, &["data", "judgments", "train.jsonl", "--judge", "tiny.toml", "--out", "verdicts.parquet"]);
    train(dir, "lot", "verdicts.parquet", "sft", &["--set", "objective.name=sft", "--set", "epochs=12"]);
    is_lifted(&judge(dir, "sft", "tiny.toml", "after"));
}

/// A pairwise preference model: one letter, read by its probability, in both orders.
#[test]
fn letters_lift_a_preference_model() {
    let place = place();
    let dir = place.path();
    fs::write(dir.join("letter.toml"), one_letter("log-probs = true")).unwrap();
    is_by_chance(&judge(dir, "base", "letter.toml", "before"));
    does(dir, &["data", "judgments", "train.jsonl", "--judge", "letter.toml", "--out", "letters.parquet"]);
    train(dir, "base", "letters.parquet", "preference", &["--set", "objective.name=sft", "--set", "epochs=12"]);
    is_lifted(&judge(dir, "preference", "letter.toml", "after"));
    let rows = JudgmentFile::open(&dir.join("after/judgments.parquet")).unwrap().rows().unwrap();
    assert!(rows.iter().all(|row| {
        row.judgment.probabilities.as_ref().is_some_and(|p| p.len() == 2 && (p[0] + p[1] - 1.0).abs() < 1e-9)
    }));
}

#[test]
fn yes_and_no_lift_a_verifier() {
    let place = place();
    let dir = place.path();
    is_by_chance(&judge(dir, "base", "yes.toml", "before"));
    does(dir, &["data", "judgments", "train.jsonl", "--judge", "yes.toml", "--out", "verdicts.parquet"]);
    train(dir, "base", "verdicts.parquet", "genrm", &["--set", "objective.name=sft", "--set", "epochs=4"]);
    is_lifted(&judge(dir, "genrm", "yes.toml", "after"));
}

const CRITIQUE_FIRST: &str = r#"
name = "tiny-critique-first"
title = "Tiny"
about = "A few words, then yes or no."
papers = ["ours"]
shows = 1

[ask]
max-tokens = 16
log-probs = true

[[message]]
role = "user"
text = "{{ responses[0] }} Good?"

[verdict]
place = { after = ["So:"] }
meaning = "yes-no"
"#;

/// GenRM with a critique first: what is learnt is the critique and the verdict after it, and the reward is the probability of
/// yes at that place.
#[test]
fn a_critique_and_its_verdict_lift_a_verifier() {
    let place = place();
    let dir = place.path();
    fs::write(dir.join("first.toml"), CRITIQUE_FIRST).unwrap();
    for (from, to) in [("lot.jsonl", "lot-why.jsonl"), ("train.jsonl", "train-why.jsonl")] {
        let text = fs::read_to_string(dir.join(from)).unwrap();
        let with_reason = |line: &str| line.trim_end_matches('}').to_owned() + ", \"rationale\": \"gold or lead?\"}";
        fs::write(dir.join(to), text.lines().map(with_reason).collect::<Vec<_>>().join("\n")).unwrap();
    }
    let written = |data: &str, out: &str| {
        does(dir, &["data", "judgments", data, "--judge", "first.toml", "--critiques", "--out", out]);
    };
    written("lot-why.jsonl", "lot.parquet");
    train(dir, "base", "lot.parquet", "lot", &["--set", "objective.name=sft", "--set", "epochs=3"]);
    is_by_chance(&judge(dir, "lot", "first.toml", "before"));
    written("train-why.jsonl", "why.parquet");
    train(dir, "lot", "why.parquet", "genrm", &["--set", "objective.name=sft", "--set", "epochs=4"]);
    is_lifted(&judge(dir, "genrm", "first.toml", "after"));
    let rows = JudgmentFile::open(&dir.join("after/judgments.parquet")).unwrap().rows().unwrap();
    let critiques = rows.iter().filter_map(|row| row.judgment.reply.as_deref());
    assert!(critiques.filter(|reply| reply.starts_with("gold or lead? So:")).count() > 280);
    assert!(rows.iter().filter(|row| row.judgment.probabilities.is_some()).count() > 280, "p(yes) after the critique");
}

/// Eight judgments of each question at temperature 1, right ones against wrong ones.
#[test]
fn couples_of_its_own_judgments_lift_a_judge() {
    let place = place();
    let dir = place.path();
    by_lot(dir);
    is_by_chance(&judge(dir, "lot", "tiny.toml", "before"));
    let sampled = ["score", "--model", "lot", "--judge", "tiny.toml", "--pairs", "train.jsonl", "--out", "sampled"];
    let how = ["--set", "judge.samples=8", "--set", "judge.temperature=1.0", "--set", "endpoint.cache=off"];
    does(dir, &[&sampled[..], &how].concat());
    let couples =
        ["data", "judgments", "train.jsonl", "--judge", "tiny.toml", "--from", "sampled", "--out", "couples.parquet"];
    let said = does(dir, &couples);
    assert!(said.contains("600 items were judged"), "{said}");
    let objective = ["--objective", "dpo:1.0,sft:0.001", "--set", "lr=1e-3", "--set", "epochs=4"];
    train(dir, "lot", "couples.parquet", "con-j", &objective);
    is_lifted(&judge(dir, "con-j", "tiny.toml", "after"));
}

#[test]
fn a_judge_learns_from_what_its_judgments_are_worth() {
    let place = place();
    let dir = place.path();
    by_lot(dir);
    is_by_chance(&judge(dir, "lot", "tiny.toml", "before"));
    let how =
        ["--eval", "held-out.jsonl", "--set", "judge.protocol=tiny.toml", "--set", "lr=1e-3", "--set", "epochs=4"];
    let more = ["--set", "judge.loss.kl=0.01", "--set", "eval-every=20"];
    let said = train(dir, "lot", "train.jsonl", "grpo", &[&how[..], &more].concat());
    assert!(said.contains("held-out accuracy") && said.contains("100.0 % parsed"), "{said}");
    is_lifted(&judge(dir, "grpo", "tiny.toml", "after"));
    goes_on_to_the_same_bytes(dir, "model.safetensors", &[]);
    let refused = ["train", "--model", "init:tiny", "--data", "train.jsonl", "--out", "x", "--set", "judge.group=4"];
    let output = rmbench(dir, &refused).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("must be able to write"));
}

/// An adapter learns beside a frozen base, which is what it is held to; what is saved is PEFT's, judges and goes on.
#[test]
fn an_adapter_learns_from_what_its_judgments_are_worth() {
    let place = place();
    let dir = place.path();
    by_lot(dir);
    let adapter = ["--set", "adapter.method=lora", "--set", "adapter.rank=16", "--set", "checkpoint-layers=1"];
    let how = ["--set", "judge.protocol=tiny.toml", "--set", "lr=1e-2", "--set", "epochs=4"];
    let base = fs::read(dir.join("lot/model.safetensors")).unwrap();
    train(dir, "lot", "train.jsonl", "lora", &[&how[..], &adapter, &["--set", "judge.loss.kl=0.01"]].concat());
    assert!(fs::read(dir.join("lot/model.safetensors")).unwrap() == base, "the base stays as it is");
    is_lifted(&judge(dir, "lora", "tiny.toml", "after"));
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("lora/adapter_config.json")).unwrap()).unwrap();
    assert_eq!((config["peft_type"].as_str(), config["task_type"].as_str()), (Some("LORA"), Some("CAUSAL_LM")));
    let steps: Vec<serde_json::Value> = fs::read_to_string(dir.join("lora/steps.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let distance = |step: usize| steps[step]["distance"].as_f64().unwrap();
    assert!(
        distance(0).abs() < 1e-9 && distance(steps.len() - 1) > 1e-3,
        "{} {}",
        distance(0),
        distance(steps.len() - 1)
    );
    // A further run begins where the adapter is, and is held to that.
    let keep = ["--set", "adapter.method=keep", "--set", "max-steps=2", "--set", "judge.protocol=tiny.toml"];
    train(dir, "lora", "train.jsonl", "further", &keep);
    let first = fs::read_to_string(dir.join("further/steps.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert!(first["distance"].as_f64().unwrap() < 1e-9 && first["right"].as_f64().unwrap() > 0.8, "{first}");
    goes_on_to_the_same_bytes(dir, "adapter_model.safetensors", &adapter);
}

/// Six steps, and the same from the third on.
fn goes_on_to_the_same_bytes(dir: &Path, weights: &str, more: &[&str]) {
    let how = ["--set", "judge.protocol=tiny.toml", "--set", "max-steps=6", "--set", "save-every=3"];
    let how = [&how[..], &["--set", "keep-checkpoints=9", "--set", "batch-size=8"], more].concat();
    train(dir, "lot", "train.jsonl", "whole", &how);
    let (whole, cut) = (dir.join("whole"), dir.join("cut"));
    let copied = Command::new("cp").arg("-r").args([&whole, &cut]).status().unwrap();
    assert!(copied.success());
    let beside = if weights == "model.safetensors" { "config.json" } else { "adapter_config.json" };
    for name in ["run.json", weights, beside] {
        fs::remove_file(cut.join(name)).unwrap();
    }
    fs::remove_dir_all(cut.join("checkpoints/step-00000006")).unwrap();
    let said = train(dir, "lot", "train.jsonl", "cut", &[&how[..], &["--resume"]].concat());
    assert!(said.contains("resuming after step 3"), "{said}");
    for name in [weights, "steps.jsonl"] {
        assert!(fs::read(whole.join(name)).unwrap() == fs::read(cut.join(name)).unwrap(), "{name} differs");
    }
    let again = train(dir, "lot", "train.jsonl", "cut", &[&how[..], &["--resume"]].concat());
    assert!(again.contains("already complete"), "{again}");
}
