//! Last-layer pruning changes nothing: every fixture, trees and single sequences, states and gradients.

use std::path::Path;

use rmbench::backbone::Pass;
use rmbench::backbone::params::Params;
use rmbench::reward::network::{MissingHead, Network};
use rmbench::text::batch::TokenBatch;
use tch::{Device, Kind, Tensor};

use crate::parity::{fixture_dirs, separate_pairs, tree_pairs};

fn load(dir: &Path, kind: Kind) -> Network {
    Network::load(dir, Device::Cpu, kind, kind, MissingHead::Refuse).unwrap()
}

/// Single sequences, and trees where the architecture has them.
fn batches(dir: &Path, network: &Network) -> Vec<(&'static str, TokenBatch)> {
    let mut batches = vec![("single", separate_pairs(dir))];
    if network.shares_prefixes() {
        let trees = tree_pairs(dir);
        assert!(trees.n_shared() > 0);
        batches.push(("trees", trees));
    }
    batches
}

/// What to read: what pooling reads (unless it reads all); and several rows of some sequences, none of others, in no order, one
/// twice, some of them in prefixes.
fn readings(batch: &TokenBatch) -> Vec<Vec<usize>> {
    let n = batch.n_tokens();
    let some = vec![n - 1, 3, n / 2, 3, n / 2 - 1, 0, n / 3];
    batch.pooled_positions().into_iter().chain([some]).collect()
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let scale = b.abs().max().double_value(&[]).max(1e-30);
    (a - b).abs().max().double_value(&[]) / scale
}

fn rows(hidden_td: &Tensor, positions: &[usize]) -> Tensor {
    let indices: Vec<i64> = positions.iter().map(|&p| p as i64).collect();
    hidden_td.index_select(0, &Tensor::from_slice(&indices))
}

#[test]
fn states_are_those_of_the_whole_stream() {
    let _guard = tch::no_grad_guard();
    for dir in fixture_dirs() {
        for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::Double, 1e-14)] {
            let network = load(&dir, kind);
            for (shape, batch) in batches(&dir, &network) {
                let whole_td = network.backbone().hidden(&batch, Pass::evaluation(kind));
                for positions in readings(&batch) {
                    let pruned = network.backbone().hidden_at(&batch, &positions, Pass::evaluation(kind));
                    let found = difference(&pruned, &rows(&whole_td, &positions));
                    assert!(found <= tolerance, "{} {shape} {kind:?}: {found:.1e}", dir.display());
                }
                let every: Vec<usize> = (0..batch.n_tokens()).rev().collect();
                let all = network.backbone().hidden_at(&batch, &every, Pass::evaluation(kind));
                assert_eq!(all, rows(&whole_td, &every), "nothing is pruned where everything is read");
            }
        }
    }
}

/// Gradients of a sum with arbitrary weights over the states that are read.
fn gradients(network: &Network, states_nd: &Tensor) -> Params {
    let weights = (Tensor::arange(states_nd.numel() as i64, (Kind::Double, Device::Cpu)) * 0.7).sin();
    (states_nd * weights.view_as(states_nd)).sum(Kind::Double).backward();
    let defined = network.params().iter().filter(|(_, tensor)| tensor.grad().defined());
    defined
        .map(|(name, tensor)| {
            let mut gradient = tensor.grad();
            let taken = gradient.copy();
            let _ = gradient.zero_();
            (name.clone(), taken)
        })
        .collect()
}

#[test]
fn gradients_are_those_of_the_whole_stream() {
    for dir in fixture_dirs() {
        let network = load(&dir, Kind::Double);
        network.train_all();
        let pass = Pass::evaluation(Kind::Double);
        for (shape, batch) in batches(&dir, &network) {
            for positions in readings(&batch) {
                let whole = gradients(&network, &rows(&network.backbone().hidden(&batch, pass), &positions));
                let pruned = gradients(&network, &network.backbone().hidden_at(&batch, &positions, pass));
                assert!(whole.keys().eq(pruned.keys()));
                let largest = whole.values().map(|g| g.abs().max().double_value(&[])).fold(0.0, f64::max);
                for (name, gradient) in &whole {
                    let found = (gradient - &pruned[name]).abs().max().double_value(&[]) / largest;
                    assert!(found <= 1e-13, "{} {shape}: gradient of {name} {found:.1e}", dir.display());
                }
            }
        }
    }
}
