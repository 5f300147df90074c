//! A checkpoint laid out as CLoud's published ones: critiques and rewards are those that `tests/reference/cloud_wrapped.py`
//! computed with transformers.

use std::fs;
use std::path::{Path, PathBuf};

use rmbench::backbone::weights::Checkpoint;
use rmbench::preference::{Conversation, Message, Role};
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use rmbench::reward::scalar::ScalarModel;
use rmbench::table::judgment::JudgmentFile;
use rmbench::text::encode::Encoded;
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::command::rmbench;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cloud_wrapped")
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(fixture().join("expected.json")).unwrap()).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 2e-5 * expected.abs().max(1.0), "{found}, not {expected}");
}

/// What the head reads at the end of given critiques, turn by turn as the published code lays them out.
fn rewards(model: &ScalarModel) {
    let expected = expected();
    for row in expected["rows"].as_array().unwrap() {
        let turn = |role, key: &Value| Message { role, content: key.as_str().unwrap().to_owned() };
        let turns = vec![
            turn(Role::User, &row["question"]),
            turn(Role::Assistant, &row["answer"]),
            turn(Role::User, &expected["opening"]),
        ];
        let question = model.text.open_question(&Conversation(turns)).unwrap();
        assert_eq!(question.ids.len() as u64, row["prompt_tokens"].as_u64().unwrap());
        for (critique, reward) in [("critique", "reward"), ("fixed", "fixed_reward")] {
            let ids = model.text.closed_ids(&question, row[critique].as_str().unwrap()).unwrap();
            let encoded = Encoded { sequences: vec![ids], truncated: vec![false], ..Encoded::default() };
            let found = model.rewards_of_replies(&[encoded]).unwrap()[0].unwrap();
            close(f64::from(found), row[reward].as_f64().unwrap());
        }
    }
}

fn load(dir: &Path) -> ScalarModel {
    artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap()
}

#[test]
fn tensors_and_shape_are_found_inside_the_wrapper() {
    let model = load(&fixture());
    assert!(model.reads_critiques());
    rewards(&model);
    // Written back it is an ordinary language model with a head beside it, which says its own shape.
    let dir = tempfile::tempdir().unwrap();
    artifact::save(dir.path(), &model, &fixture(), None, None).unwrap();
    let names: Vec<String> = Checkpoint::open_dir(dir.path()).unwrap().names().map(str::to_owned).collect();
    assert!(names.contains(&"model.norm.weight".to_owned()) && names.contains(&"reward_head.dense.bias".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("reward_base_model")), "{names:?}");
    rewards(&load(dir.path()));
}

/// The whole way by the command: greedy critiques that go on in the user's turn, and their rewards.
#[test]
fn critiques_and_rewards_are_those_of_the_published_code() {
    let dir = tempfile::tempdir().unwrap();
    let expected = expected();
    let rows = expected["rows"].as_array().unwrap();
    let pair = |(i, row): (usize, &Value)| {
        json!({"id": format!("i{i}"), "language": "eng_Latn", "prompt": row["question"], "chosen": row["answer"], "rejected": "no"})
            .to_string()
    };
    let lines: Vec<String> = rows.iter().enumerate().map(pair).collect();
    fs::write(dir.path().join("pairs.jsonl"), lines.join("\n")).unwrap();
    let model = fixture();
    let most = format!("judge.max-tokens={}", expected["most"]);
    let args =
        ["score", "--model", model.to_str().unwrap(), "--judge", "cloud", "--pairs", "pairs.jsonl", "--out", "run"];
    let more = ["--set", "device=cpu", "--set", "endpoint.cache=off", "--set", most.as_str()];
    let output = rmbench(dir.path(), &[&args[..], &more].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = JudgmentFile::open(&dir.path().join("run/judgments.parquet")).unwrap().rows().unwrap();
    for (i, row) in rows.iter().enumerate() {
        let is_it = |found: &&rmbench::table::judgment::JudgmentRow| {
            *found.item_id == format!("i{i}") && found.judgment.shown == [0]
        };
        let judgment = &found.iter().find(is_it).unwrap().judgment;
        assert_eq!(judgment.reply.as_deref().unwrap_or_default().trim(), row["critique"].as_str().unwrap());
        assert_eq!(judgment.finish.as_deref() == Some("stop"), row["ended"].as_bool().unwrap());
        close(judgment.rating.unwrap(), row["reward"].as_f64().unwrap());
    }
    // What goes on in a turn is not taught, and completions have no turns.
    let refused = |args: &[&str], text: &str| {
        let output = rmbench(dir.path(), args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(text), "{said}");
    };
    let judgments = ["data", "judgments", "pairs.jsonl", "--judge", "cloud", "--from", "run", "--out", "x.parquet"];
    refused(&judgments, "turns of their own");
    refused(&[&args[..args.len() - 1], &["y", "--set", "judge.api=completions"]].concat(), "has no turns");
}
