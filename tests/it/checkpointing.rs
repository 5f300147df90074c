//! Gradient checkpointing: a backward pass in segments gives the gradients of one that keeps everything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rmbench::backbone::lora::{Adapter, AdapterUse};
use rmbench::backbone::{Dropout, DropoutKey};
use rmbench::reward::network::{Loading, MissingHead, Network};
use rmbench::reward::options::RewardOptions;
use rmbench::reward::parts::ModelParts;
use rmbench::text::batch::TokenBatch;
use tch::{Device, Kind, Tensor};

use crate::parity;

fn fixtures(below: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(below);
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    dirs
}

fn load(checkpoint: &Path, adapter: Option<&Path>, compute: Kind) -> Network {
    let missing = MissingHead::Refuse;
    let loading = Loading { device: Device::Cpu, weights: Kind::Float, compute, missing };
    let adapter = adapter.map(|dir| Adapter::open(dir, AdapterUse::Apart).unwrap());
    Network::load_with(checkpoint, adapter, loading, &RewardOptions::default()).unwrap()
}

type Gradients = BTreeMap<String, Tensor>;

/// Rewards, and gradients of a loss that weighs every sequence differently; of all hidden states, too, where
/// `wanted`.
fn gradients(
    network: &Network,
    batch: &TokenBatch,
    dropout: Option<(Dropout, DropoutKey)>,
    wanted: bool,
    segment: Option<usize>,
) -> (Tensor, Gradients) {
    for tensor in network.params().values() {
        tensor.shallow_clone().zero_grad();
    }
    let given = network.states_for_training(batch, dropout, wanted, segment).unwrap();
    let rewards_s = network.head().rewards(&given.states).unwrap();
    let weights_s = Tensor::arange(rewards_s.size()[0], (Kind::Float, Device::Cpu)) * 0.3 - 1.0;
    let mut loss = (&rewards_s * weights_s).sum(Kind::Float);
    if let Some(hidden_td) = &given.hidden_td {
        loss += hidden_td.to_kind(Kind::Float).square().mean(Kind::Float);
    }
    loss.backward();
    if let Some(rest) = given.rest {
        rest.backward();
    }
    let grads = network.params().iter().map(|(name, tensor)| (name.clone(), tensor.grad()));
    let grads = grads.filter(|(_, grad)| grad.defined()).map(|(name, grad)| (name, grad.copy())).collect();
    (rewards_s.detach(), grads)
}

/// Bit for bit, but for what several layers read: their parts are added up in another order.
fn assert_same(what: &str, (rewards, one): &(Tensor, Gradients), (again, other): &(Tensor, Gradients)) {
    assert!(rewards.equal(again), "{what}: rewards");
    let moved = |all: &Gradients| {
        let some = all.iter().filter(|(_, g)| g.abs().max().double_value(&[]) > 0.0);
        some.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(moved(one), moved(other), "{what}");
    for (name, grad) in one.iter().filter(|(name, _)| other.contains_key(*name)) {
        let is_shared = name.contains("rel_embeddings")
            || name.ends_with("encoder.LayerNorm.weight")
            || name.ends_with("encoder.LayerNorm.bias");
        let (difference, size) = [grad - &other[name], grad.shallow_clone()].map(|x| x.norm().double_value(&[])).into();
        assert!(
            difference <= if is_shared { 1e-6 * size } else { 0.0 },
            "{what}, {name}: {difference:.1e} of {size:.1e}"
        );
    }
}

#[test]
fn every_architecture_has_the_same_gradients_in_segments() {
    tch::set_num_threads(1);
    let dropout = Dropout { token: 0.1, embedding: 0.1, hidden: 0.2 };
    let dropout = Some((dropout, DropoutKey { seed: 3, step: 5, micro: 1 }));
    let mut compared = 0;
    for dir in fixtures("arch") {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let network = load(&dir, None, Kind::Float);
        network.train_all();
        let batch = parity::separate_pairs(&dir);
        for (dropout, wanted) in [(None, false), (dropout, true)] {
            let whole = gradients(&network, &batch, dropout, wanted, None);
            assert!(whole.1.len() > 5, "{name}");
            for length in [1, 2, 100] {
                let segments = gradients(&network, &batch, dropout, wanted, Some(length));
                assert_same(&format!("{name}, segments of {length}"), &whole, &segments);
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn adapters_have_the_same_gradients_in_segments_and_bases_none() {
    tch::set_num_threads(1);
    for dir in fixtures("lora") {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let base = ModelParts::of(&dir, None, &mut rmbench::progress::Silent).unwrap().checkpoint;
        let network = load(&base, Some(&dir), Kind::Float);
        network.train_adapter().unwrap();
        let batch = parity::separate_pairs(&base);
        let whole = gradients(&network, &batch, None, false, None);
        assert!(whole.1.keys().all(|name| network.adapter_params().unwrap().contains(&name.as_str())), "{name}");
        assert_same(&name, &whole, &gradients(&network, &batch, None, false, Some(1)));
    }
}

#[test]
fn half_precision_has_the_same_gradients_in_segments() {
    tch::set_num_threads(1);
    for dir in fixtures("arch").into_iter().filter(|dir| dir.ends_with("llama") || dir.ends_with("xlm_roberta")) {
        let network = load(&dir, None, Kind::BFloat16);
        network.train_all();
        let batch = parity::separate_pairs(&dir);
        let whole = gradients(&network, &batch, None, false, None);
        assert_same("bf16", &whole, &gradients(&network, &batch, None, false, Some(1)));
    }
}
