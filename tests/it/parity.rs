//! Model code equals transformers on the same weights: hidden states, rewards, loss, gradients.
//!
//! Fixtures: `tests/fixtures/arch/*`, written by `tests/reference/architectures.py` and `decoders.py`.
//! "Relative" is relative to the largest value of the tensor compared, since both sides round in f32.

// A list of ranges may well hold one.
#![allow(clippy::single_range_in_vec_init)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rmbench::backbone::Pass;
use rmbench::backbone::config::Family;
use rmbench::backbone::weights::Checkpoint;
use rmbench::reward::network::{MissingHead, Network};
use rmbench::text::batch::{Pooled, Sharing, TokenBatch, TokenTree};
use tch::{Device, Kind, Tensor};

const RELATIVE: f64 = 1e-5;

pub struct Fixture {
    pub name: String,
    pub network: Network,
    pub expected: BTreeMap<String, Tensor>,
    /// Per pair: chosen ids, rejected ids.
    pub pairs: Vec<[Vec<i64>; 2]>,
    pad_id: i64,
    layers_of: usize,
    /// A text longer than windows and position buckets, where the architecture's positions allow one.
    long: Option<Vec<i64>>,
    /// Parameters whose gradient is exactly zero, so that both sides hold rounding noise only (by the
    /// script's run in f64): without rotation a key bias adds the same number to every score of a query,
    /// which softmax ignores; the last bias adds the same number to both rewards of a pair.
    zero_gradients: BTreeSet<String>,
}

pub fn fixture_dirs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch");
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    dirs.sort();
    assert!(dirs.len() >= 26, "fixtures are missing from {}", root.display());
    dirs
}

/// All pairs of a fixture, every sequence on its own, chosen and rejected interleaved.
pub fn separate_pairs(dir: &Path) -> TokenBatch {
    load(dir).all_separate()
}

/// All pairs of a fixture as trees with a common prefix.
pub fn tree_pairs(dir: &Path) -> TokenBatch {
    load(dir).shared()
}

fn load(dir: &Path) -> Fixture {
    load_as(dir, Kind::Float)
}

/// A fixture whose network computes in `kind`, from weights of that kind.
pub fn load_as(dir: &Path, kind: Kind) -> Fixture {
    let network = Network::load(dir, Device::Cpu, kind, kind, MissingHead::Refuse).unwrap();
    let expected = Checkpoint::open_files(&[dir.join("expected.safetensors")]).unwrap().take_all().unwrap();
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(dir.join(name)).unwrap()).unwrap()
    };
    let (inputs, meta) = (json("inputs.json"), json("meta.json"));
    let ids = |pair: &serde_json::Value, key: &str| -> Vec<i64> {
        pair[key].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
    };
    let pairs =
        inputs["pairs"].as_array().unwrap().iter().map(|p| [ids(p, "chosen_ids"), ids(p, "rejected_ids")]).collect();
    Fixture {
        name: dir.file_name().unwrap().to_string_lossy().into_owned(),
        network,
        expected,
        pairs,
        pad_id: inputs["pad_token_id"].as_i64().unwrap(),
        layers_of: inputs["layers_of"]["pair"].as_u64().unwrap() as usize,
        long: inputs.get("long_ids").map(|_| ids(&inputs, "long_ids")),
        zero_gradients: meta["noise_gradients"].as_object().unwrap().keys().cloned().collect(),
    }
}

impl Fixture {
    /// Decoders pool the last token that is not padding, encoders the first.
    fn pooled_at(&self, ids: &[i64]) -> usize {
        if self.network.shares_prefixes() { ids.iter().rposition(|&id| id != self.pad_id).unwrap() } else { 0 }
    }

    /// What of a sequence at the given place of the stream is pooled.
    fn pooled(&self, ids: &[i64], place: std::ops::Range<usize>) -> Pooled {
        match &self.network.config.family {
            Family::ModernBert(modern) if modern.mean_pooling => Pooled::Mean(vec![place]),
            _ => Pooled::Token(place.start + self.pooled_at(ids)),
        }
    }

    /// Sequences in one flat stream, each on its own, in the order given.
    pub fn separate(&self, sequences: &[&[i64]]) -> TokenBatch {
        let mut batch = TokenBatch::default();
        for (number, ids) in sequences.iter().enumerate() {
            let start = batch.ids.len();
            batch.ids.extend(*ids);
            batch.positions.extend(0..ids.len() as i64);
            batch.trees.push(TokenTree { prefix: start..start, branches: vec![start..start + ids.len()] });
            batch.pooled.push(self.pooled(ids, start..start + ids.len()));
            batch.owners.push((number, 0));
        }
        batch
    }

    /// Each pair as a tree: common prefix once, then what differs. Pairs whose positions depend on their
    /// lengths share nothing.
    fn shared(&self) -> TokenBatch {
        let mut batch = TokenBatch::default();
        for (number, pair) in self.pairs.iter().enumerate() {
            let longest = pair[0].len().max(pair[1].len());
            let shares = match self.network.sharing() {
                Sharing::Never => false,
                Sharing::Always => true,
                Sharing::UpTo(limit) => longest <= limit,
            };
            let common = pair[0].iter().zip(&pair[1]).take_while(|(a, b)| shares && a == b).count();
            let prefix_len = common.min(pair[0].len() - 1).min(pair[1].len() - 1);
            let start = batch.ids.len();
            batch.ids.extend(&pair[0][..prefix_len]);
            batch.positions.extend(0..prefix_len as i64);
            let mut branches = Vec::new();
            for (side, ids) in pair.iter().enumerate() {
                let begin = batch.ids.len();
                batch.ids.extend(&ids[prefix_len..]);
                batch.positions.extend(prefix_len as i64..ids.len() as i64);
                branches.push(begin..batch.ids.len());
                let at = self.pooled_at(ids);
                let index = if at < prefix_len { start + at } else { begin + at - prefix_len };
                batch.pooled.push(Pooled::Token(index));
                batch.owners.push((number, side));
            }
            if !shares {
                batch
                    .trees
                    .extend(branches.into_iter().map(|b| TokenTree { prefix: b.start..b.start, branches: vec![b] }));
                continue;
            }
            batch.trees.push(TokenTree { prefix: start..start + prefix_len, branches });
        }
        batch
    }

    pub fn all_separate(&self) -> TokenBatch {
        let sequences: Vec<&[i64]> = self.pairs.iter().flatten().map(Vec::as_slice).collect();
        self.separate(&sequences)
    }

    fn assert_close(&self, what: &str, found: &Tensor, expected: &Tensor, floor: f64) {
        assert_eq!(found.size(), expected.size(), "{}: shape of {what}", self.name);
        let scale = expected.abs().max().double_value(&[]).max(floor);
        let difference = (found.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs().max().double_value(&[]);
        assert!(
            difference <= RELATIVE * scale,
            "{}: {what} differs by {difference:.3e}, {:.3e} of its scale {scale:.3e}",
            self.name,
            difference / scale
        );
    }

    /// Mean of −log σ(Δ) over pairs; rewards interleaved chosen, rejected.
    fn loss(&self, rewards: &Tensor) -> Tensor {
        let pairs = rewards.view([-1, 2]);
        (pairs.select(1, 1) - pairs.select(1, 0)).softplus().mean(Kind::Float)
    }
}

#[test]
fn hidden_states_equal_transformers() {
    for dir in fixture_dirs() {
        let fixture = load(&dir);
        let _guard = tch::no_grad_guard();
        for (number, pair) in fixture.pairs.iter().enumerate() {
            for (side, ids) in ["chosen", "rejected"].iter().zip(pair) {
                let batch = fixture.separate(&[ids]);
                let hidden = fixture.network.backbone().hidden(&batch, Pass::evaluation(Kind::Float));
                let name = format!("hidden.{number}.{side}");
                fixture.assert_close(&name, &hidden, &fixture.expected[&name], 0.0);
            }
        }
        let batch = fixture.separate(&[&fixture.pairs[fixture.layers_of][0]]);
        let (_, layers) = fixture.network.backbone().hidden_per_layer(&batch, Pass::evaluation(Kind::Float));
        for (index, layer) in layers.iter().enumerate() {
            let name = format!("layer.{index}");
            fixture.assert_close(&name, layer, &fixture.expected[&name], 0.0);
        }
    }
}

#[test]
fn long_contexts_equal_transformers() {
    let mut compared = 0;
    for dir in fixture_dirs() {
        let fixture = load(&dir);
        let Some(long) = &fixture.long else { continue };
        let _guard = tch::no_grad_guard();
        // Behind a shorter one: its place in the stream must not matter.
        let short = &fixture.pairs[0][0];
        let batch = fixture.separate(&[short, long]);
        let hidden = fixture.network.backbone().hidden(&batch, Pass::evaluation(Kind::Float));
        let hidden = hidden.narrow(0, short.len() as i64, long.len() as i64);
        fixture.assert_close("hidden states of the long text", &hidden, &fixture.expected["long.hidden"], 0.0);
        let reward = fixture.network.rewards(&batch).unwrap().get(1);
        fixture.assert_close("reward of the long text", &reward, &fixture.expected["long.reward"], 1.0);
        compared += 1;
    }
    assert!(compared >= 5, "{compared} fixtures have a long text");
}

#[test]
fn rewards_equal_transformers_shared_or_not() {
    for dir in fixture_dirs() {
        let fixture = load(&dir);
        let expected = &fixture.expected["rewards"];
        let separate = fixture.network.rewards(&fixture.all_separate()).unwrap().view([-1, 2]);
        fixture.assert_close("rewards", &separate, expected, 0.0);
        if fixture.network.shares_prefixes() {
            let shared = fixture.network.rewards(&fixture.shared()).unwrap().view([-1, 2]);
            fixture.assert_close("rewards of trees", &shared, expected, 0.0);
        }
    }
}

#[test]
fn loss_and_gradients_equal_transformers_shared_or_not() {
    for dir in fixture_dirs() {
        let fixture = load(&dir);
        fixture.network.train_all();
        let mut batches = vec![fixture.all_separate()];
        if fixture.network.shares_prefixes() {
            batches.push(fixture.shared());
        }
        let largest = fixture
            .expected
            .iter()
            .filter(|(name, _)| name.starts_with("grad."))
            .map(|(_, g)| g.abs().max().double_value(&[]))
            .fold(0.0, f64::max);
        for batch in batches {
            let loss = fixture.loss(&fixture.network.rewards_for_training(&batch, None).unwrap());
            fixture.assert_close("loss", &loss, &fixture.expected["loss"], 0.0);
            loss.backward();
            let mut compared = 0;
            for (name, tensor) in fixture.network.params() {
                let mut gradient = tensor.grad();
                let expected = &fixture.expected[&format!("grad.{name}")];
                if fixture.zero_gradients.contains(name) {
                    for noise in [&gradient, expected] {
                        assert!(noise.abs().max().double_value(&[]) < 1e-6 * largest, "{}: {name}", fixture.name);
                    }
                } else {
                    fixture.assert_close(&format!("gradient of {name}"), &gradient, expected, 0.0);
                }
                let _ = gradient.zero_();
                compared += 1;
            }
            assert_eq!(compared, fixture.expected.keys().filter(|name| name.starts_with("grad.")).count());
        }
    }
}

#[test]
fn both_generations_of_config_json_mean_the_same() {
    let mut compared = 0;
    for dir in fixture_dirs() {
        let old = dir.join("config_v4.json");
        if !old.is_file() {
            continue;
        }
        let parse = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            rmbench::backbone::config::BackboneConfig::parse(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        assert_eq!(parse(&old), parse(&dir.join("config.json")), "{}", dir.display());
        compared += 1;
    }
    assert!(compared > 0, "no fixture has a config_v4.json");
}
