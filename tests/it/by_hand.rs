//! Layers whose gradients are written out: those of autograd, whether prefixes are shared or not.

use std::collections::BTreeMap;
use std::path::Path;

use rmbench::reward::network::{MissingHead, Network, Rest};
use rmbench::text::batch::TokenBatch;
use tch::{Device, Kind, Tensor};

use crate::parity;

/// Of each gradient's own size.
const RELATIVE: f64 = 1e-5;
/// Gradients smaller than this share of the largest one are rounding.
const FLOOR: f64 = 1e-4;

type Gradients = BTreeMap<String, Tensor>;

fn load(name: &str) -> Network {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name);
    let network = Network::load(&dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
    network.train_all();
    network
}

fn loss(rewards_s: &Tensor) -> Tensor {
    let weights_s = Tensor::arange(rewards_s.size()[0], (Kind::Float, Device::Cpu)) * 0.3 - 1.0;
    (rewards_s * weights_s).sum(Kind::Float)
}

fn taken(network: &Network) -> Gradients {
    let grads = network.params().iter().filter(|(_, tensor)| tensor.grad().defined());
    let grads: Gradients = grads.map(|(name, tensor)| (name.clone(), tensor.grad().copy())).collect();
    network.params().values().for_each(|tensor| tensor.shallow_clone().zero_grad());
    grads
}

/// Rewards and gradients as training has them; whether they were by hand.
fn trained(network: &Network, batch: &TokenBatch) -> (Tensor, Gradients, bool) {
    let given = network.states_for_training(batch, None, false, None).unwrap();
    let rewards_s = network.head().rewards(&given.states).unwrap();
    loss(&rewards_s).backward();
    let by_hand = given.rest.as_ref().is_some_and(Rest::is_by_hand);
    given.rest.into_iter().for_each(Rest::backward);
    (rewards_s.detach(), taken(network), by_hand)
}

fn recorded(network: &Network, batch: &TokenBatch) -> (Tensor, Gradients) {
    let rewards_s = network.rewards_for_training(batch, None).unwrap();
    loss(&rewards_s).backward();
    (rewards_s.detach(), taken(network))
}

fn assert_same(what: &str, found: &(Tensor, Gradients, bool), expected: &(Tensor, Gradients)) {
    let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
    let apart = norm(&(&found.0 - &expected.0));
    assert!(apart <= RELATIVE * norm(&expected.0), "{what}: rewards differ by {apart:e} of {:e}", norm(&expected.0));
    assert_eq!(found.1.keys().collect::<Vec<_>>(), expected.1.keys().collect::<Vec<_>>(), "{what}");
    let floor = FLOOR * expected.1.values().map(norm).fold(0.0, f64::max);
    for (name, grad) in &expected.1 {
        let apart = norm(&(grad - &found.1[name]));
        assert!(apart <= RELATIVE * norm(grad).max(floor), "{what}, {name}: {apart:.1e} of {:.1e}", norm(grad));
    }
}

#[test]
fn gradients_by_hand_are_those_of_autograd() {
    tch::set_num_threads(1);
    let mut by_hand = Vec::new();
    for dir in parity::fixture_dirs() {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let network = load(&name);
        if !network.shares_prefixes() {
            continue;
        }
        let (separate, trees) = (parity::separate_pairs(&dir), parity::tree_pairs(&dir));
        assert!(trees.n_shared() > 0);
        let expected = recorded(&network, &separate);
        for (shape, batch) in [("separate", &separate), ("trees", &trees)] {
            let found = trained(&network, batch);
            assert_same(&format!("{name}, {shape}"), &found, &expected);
            println!("{name}, {shape}: by hand {}", found.2);
            if shape == "trees" && found.2 {
                by_hand.push(name.clone());
            }
        }
    }
    for name in ["gemma", "llama", "llama_rope3", "mistral", "qwen2", "qwen3"] {
        assert!(by_hand.iter().any(|hand| hand == name), "{name} is not among {by_hand:?}");
    }
}

#[test]
fn gradients_by_hand_add_up_and_frozen_layers_are_left_to_autograd() {
    tch::set_num_threads(1);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/qwen3");
    let batch = parity::tree_pairs(&dir);
    let network = load("qwen3");
    let (_, once, _) = trained(&network, &batch);
    for _ in 0..2 {
        let given = network.states_for_training(&batch, None, false, None).unwrap();
        loss(&network.head().rewards(&given.states).unwrap()).backward();
        given.rest.into_iter().for_each(Rest::backward);
    }
    for (name, twice) in taken(&network) {
        let apart = (&twice - &once[&name] * 2.0).abs().max().double_value(&[]);
        assert!(apart <= 1e-5 * twice.abs().max().double_value(&[]), "{name}: {apart:e}");
    }
    // Evaluation of the same loss: nothing is kept.
    let given = tch::no_grad(|| network.states_for_training(&batch, None, false, None).unwrap());
    assert!(given.rest.is_none());
    let partly = Network::load(&dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap();
    partly.train_where(|name| !name.starts_with("model.layers.0.self_attn.q_proj"));
    let found = trained(&partly, &batch);
    assert!(!found.2 && !found.1.contains_key("model.layers.0.self_attn.q_proj.weight"));
}
