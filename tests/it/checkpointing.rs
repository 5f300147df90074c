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

/// The same but for rounding (parts of what several layers read are added up in another order; capped scores): each
/// gradient within 1e-6 of the largest one's size. Whether everything is the same bit for bit.
fn assert_same(what: &str, (rewards, one): &(Tensor, Gradients), (again, other): &(Tensor, Gradients)) -> bool {
    let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
    let apart = norm(&(rewards - again));
    assert!(apart <= 1e-6 * norm(rewards), "{what}: rewards differ by {apart:e}");
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    let largest = one.values().map(norm).fold(0.0, f64::max);
    assert!(largest > 0.0);
    let mut exact = rewards.equal(again);
    for (name, grad) in one {
        let apart = norm(&(grad - &other[name]));
        assert!(apart <= 1e-6 * largest, "{what}, {name}: {apart:.1e} of {largest:.1e}");
        exact &= apart == 0.0;
    }
    exact
}

#[test]
fn every_architecture_has_the_same_gradients_in_segments() {
    tch::set_num_threads(1);
    let dropout = Dropout { token: 0.1, embedding: 0.1, hidden: 0.2 };
    let dropout = Some((dropout, DropoutKey { seed: 3, step: 5, micro: 1 }));
    let (mut compared, mut exact) = (0u32, 0u32);
    for dir in fixtures("arch") {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let network = load(&dir, None, Kind::Float);
        network.train_all();
        let batch = parity::separate_pairs(&dir);
        for (dropout, wanted) in [(None, false), (dropout, true)] {
            // By hand the order of sums is another (`by_hand` compares those): autograd's are those of one long segment.
            let given = network.states_for_training(&batch, dropout, wanted, None).unwrap();
            let whole = given.rest.is_some().then_some(100);
            let whole = gradients(&network, &batch, dropout, wanted, whole);
            assert!(whole.1.len() > 5, "{name}");
            for length in [1, 2, 100] {
                let segments = gradients(&network, &batch, dropout, wanted, Some(length));
                exact += u32::from(assert_same(&format!("{name}, segments of {length}"), &whole, &segments));
                compared += 1;
            }
        }
    }
    assert!(compared > 100 && 4 * exact > 3 * compared, "{exact} of {compared}");
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
        let _ = assert_same(&name, &whole, &gradients(&network, &batch, None, false, Some(1)));
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
        assert!(assert_same("bf16", &whole, &gradients(&network, &batch, None, false, Some(1))));
    }
}
