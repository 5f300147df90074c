//! What a reward may not depend on: shared prefixes, batches, neighbours, order.
//!
//! On the first 1,000 real pairs, where `RMBENCH_TEST_DATA` says where they are. Three ways to the same
//! rewards: trees with shared prefixes in token-budget batches (how the suite scores), every sequence on
//! its own in such batches, and one comparison per forward pass.

use std::path::{Path, PathBuf};

use rmbench::backbone::config::Family;
use rmbench::backbone::params::Params;
use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::objective::{Label, Objective, Rewards};
use rmbench::preference::Comparison;
use rmbench::random;
use rmbench::reward::artifact;
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::MissingHead;
use rmbench::reward::options::RewardOptions;
use rmbench::reward::preset::{self, Preset};
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::batch::{Sharing, TokenBatch, cost, plan};
use rmbench::text::encode::{Encoded, TextPipeline};
use rmbench::text::settings::{TextSettings, Truncation};
use rmbench::text::train_tokenizer::{TokenizerKind, train_bpe};
use tch::{Device, Kind, Tensor};

const ABSOLUTE: f64 = 1e-5;
const N_PAIRS: u64 = 1000;

fn read(name: &str, limit: Option<u64>) -> Option<Vec<Comparison>> {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA") else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return None;
    };
    let options = ReadOptions { limit, ..ReadOptions::default() };
    Some(reader::read_all(&PathBuf::from(dir).join(name), &options).unwrap().0)
}

/// The real pairs. The calling test goes on with one thread of libtorch: its tensors are small, and tests
/// run beside each other.
fn pairs() -> Option<Vec<Comparison>> {
    tch::set_num_threads(1);
    let pairs = read("valid.parquet", Some(N_PAIRS))?;
    assert_eq!(pairs.len() as u64, N_PAIRS);
    Some(pairs)
}

/// A decoder drawn at random around a tokenizer of real texts, written to `dir`.
///
/// Matrices are drawn five times wider than for training: at 0.02 attention is nearly uniform and rewards
/// hardly see the text, and then any mask would do.
fn draw(dir: &Path) -> Option<()> {
    let texts: Vec<String> = read("bench_tiny.parquet", None)?
        .iter()
        .flat_map(|c| std::iter::once(c.prompt.plain_text()).chain(c.responses().map(|r| r.text.clone())))
        .collect();
    let preset = Preset { initializer_range: 0.1, ..preset::find("tiny").unwrap() };
    train_bpe(texts.iter(), preset.vocab, TokenizerKind::Decoder, preset.max_length).unwrap().write(dir).unwrap();
    let settings = TextSettings::default();
    let model = artifact::init(
        &preset,
        dir,
        &settings,
        HeadInit::InvSqrtD,
        11,
        Kind::Float,
        Device::Cpu,
        &RewardOptions::default(),
    )
    .unwrap();
    artifact::save(dir, &model, dir, None, None).unwrap();
    Some(())
}

fn load(dir: &Path, kind: Kind) -> ScalarModel {
    artifact::load(dir, Device::Cpu, kind, kind, MissingHead::Refuse, None).unwrap()
}

/// A checkpoint of the parity fixtures. Their tokenizers hardly merge bytes: texts are cut at the end,
/// where the decoders' positions allow more than their configuration says, so that prompts stay shared.
fn architecture(name: &str, kind: Kind) -> ScalarModel {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name);
    let mut model = load(&dir, kind);
    if model.network.shares_prefixes() {
        let settings = TextSettings { max_length: Some(512), truncation: Truncation::Right, ..TextSettings::default() };
        model.text = TextPipeline::from_dir(&dir, &settings).unwrap();
    } else if model.network.config.max_length.is_none_or(|limit| limit > 256) {
        // Beyond windows and position buckets, and no more than that.
        let settings = TextSettings { max_length: Some(192), ..TextSettings::default() };
        model.text = TextPipeline::from_dir(&dir, &settings).unwrap();
    }
    model
}

/// Rewards of each pair: chosen, rejected.
type PairRewards = Vec<[f64; 2]>;

fn as_the_suite_scores(model: &ScalarModel, pairs: &[Comparison]) -> PairRewards {
    let of_pair = |scores: &Vec<rmbench::reward::ResponseScore>| {
        assert_eq!(scores.len(), 2);
        [0, 1].map(|side| f64::from(scores[side].reward.unwrap()))
    };
    model.score(pairs, &mut |_| {}).unwrap().iter().map(of_pair).collect()
}

fn one_at_a_time(model: &ScalarModel, pairs: &[Comparison]) -> PairRewards {
    pairs.iter().flat_map(|pair| as_the_suite_scores(model, std::slice::from_ref(pair))).collect()
}

fn token_batch(model: &ScalarModel, encoded: &[(usize, &Encoded)], share: bool) -> TokenBatch {
    let sharing = if share { model.network.sharing() } else { Sharing::Never };
    TokenBatch::build(encoded, sharing, model.pooling, model.pad_id()).unwrap()
}

/// Token-budget batches in which nothing is shared.
fn separately(model: &ScalarModel, pairs: &[Comparison]) -> PairRewards {
    let encoded = model.text.encode_all(pairs).unwrap();
    let costs: Vec<usize> = encoded.iter().map(|e| cost(e, Sharing::Never)).collect();
    let mut found = vec![[f64::NAN; 2]; pairs.len()];
    for group in plan(&costs, model.token_budget, usize::MAX) {
        let members: Vec<(usize, &Encoded)> = group.iter().map(|&i| (i, &encoded[i])).collect();
        let batch = token_batch(model, &members, false);
        assert_eq!(batch.n_shared(), 0);
        let rewards = Vec::<f64>::try_from(model.network.rewards(&batch).unwrap().to_kind(Kind::Double)).unwrap();
        for (&(pair, side), reward) in batch.owners.iter().zip(rewards) {
            found[pair][side] = reward;
        }
    }
    found
}

/// How many tokens back from the last one a decoder can see, where every layer has a window.
fn reach(model: &ScalarModel) -> Option<usize> {
    let Family::Decoder(decoder) = &model.network.config.family else { return None };
    decoder.layers.iter().try_fold(1, |tokens, layer| layer.window.map(|w| tokens + w as usize - 1))
}

/// Whether a model has no way to prefer either side: the tokens are the same as far back as it sees
/// (rotary positions are relative), and a margin is rounding alone.
fn undecidable(model: &ScalarModel, encoded: &Encoded) -> bool {
    let seen = |side: usize| {
        let ids = &encoded.sequences[side];
        &ids[ids.len() - reach(model).unwrap_or(ids.len()).min(ids.len())..]
    };
    seen(0) == seen(1)
}

/// Largest difference of two ways, after checking that no pair is decided otherwise, unless nothing about
/// it can be decided (see [`undecidable`]).
fn difference(what: &str, one: &PairRewards, other: &PairRewards, undecided: &[bool]) -> f64 {
    let sign = |[chosen, rejected]: &[f64; 2]| chosen.partial_cmp(rejected).unwrap();
    let decided = one.iter().zip(other).zip(undecided).filter(|(_, undecided)| !**undecided);
    let flips = decided.filter(|((a, b), _)| sign(a) != sign(b)).count();
    let each = one.iter().flatten().zip(other.iter().flatten()).map(|(a, b)| (a - b).abs());
    let largest = each.fold(0.0, f64::max);
    println!("{what}: largest difference {largest:.1e}, {flips} flips in {} pairs", one.len());
    assert_eq!((one.len(), flips), (other.len(), 0), "{what}");
    largest
}

/// Standard deviation of rewards: what an absolute tolerance has to be small against.
fn spread(rewards: &PairRewards) -> f64 {
    let n = 2.0 * rewards.len() as f64;
    let mean = rewards.iter().flatten().sum::<f64>() / n;
    (rewards.iter().flatten().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// All three ways agree; returns the rewards.
fn check(name: &str, model: &ScalarModel, pairs: &[Comparison]) -> PairRewards {
    let encoded = model.text.encode_all(pairs).unwrap();
    // Cut to the same tokens: the suite gives both sides one reward, whatever else is in the batch.
    let same: Vec<bool> = encoded.iter().map(|e| e.sequences[0] == e.sequences[1]).collect();
    let undecided: Vec<bool> = encoded.iter().map(|e| undecidable(model, e)).collect();
    let batches = as_the_suite_scores(model, pairs);
    for ((pair, [chosen, rejected]), same) in pairs.iter().zip(&batches).zip(&same) {
        assert!(!same || chosen == rejected, "{name}: row {} has the same tokens on both sides", pair.row);
    }
    let single = one_at_a_time(model, pairs);
    let alone = difference(&format!("{name}, batches and single"), &batches, &single, &undecided);
    assert!(alone <= ABSOLUTE, "{name}: {alone:.2e}");
    if model.network.shares_prefixes() {
        let separate = separately(model, pairs);
        let shared = difference(&format!("{name}, trees and sequences"), &batches, &separate, &undecided);
        assert!(shared <= ABSOLUTE, "{name}: {shared:.2e}");
        let total = |sharing| encoded.iter().map(|e| cost(e, sharing)).sum::<usize>() as f64;
        let (all, shared) = (total(Sharing::Never), total(model.network.sharing()));
        let saved = 1.0 - shared / all;
        println!("{name}: {all:.0} tokens, {:.1} % of them shared", 100.0 * saved);
        assert!(saved > 0.1, "{name}: only {saved:.3} of the tokens are shared, which proves little");
    }
    let [same, undecided] = [same, undecided].map(|pairs| pairs.iter().filter(|is| **is).count());
    let spread = spread(&batches);
    println!("{name}: standard deviation of rewards {spread:.2}, {same} pairs of the same tokens, {undecided} as seen");
    assert!(spread > 1000.0 * ABSOLUTE, "{name}: rewards hardly differ, which proves little");
    assert!(undecided < pairs.len() / 4, "{name}: {undecided} pairs look the same, which proves little");
    batches
}

#[test]
fn a_drawn_decoder_gives_the_same_rewards_shared_separate_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (Some(pairs), Some(())) = (pairs(), draw(dir.path())) else { return };
    let mut model = load(dir.path(), Kind::Float);
    let rewards = check("drawn", &model, &pairs);

    let all = vec![false; pairs.len()];
    // Neither the order of comparisons nor the size of batches matters.
    let order = random::permutation(pairs.len(), 3, "order", "pairs");
    assert!(!order.is_sorted());
    let permuted: Vec<Comparison> = order.iter().map(|&i| pairs[i].clone()).collect();
    let mut back = vec![[f64::NAN; 2]; pairs.len()];
    for (&to, rewards) in order.iter().zip(as_the_suite_scores(&model, &permuted)) {
        back[to] = rewards;
    }
    let by_order = difference("drawn, permuted", &rewards, &back, &all);
    assert!(by_order <= 1e-6, "{by_order:.2e}");
    model.token_budget = 1500;
    let by_size = difference("drawn, smaller batches", &rewards, &as_the_suite_scores(&model, &pairs), &all);
    assert!(by_size <= ABSOLUTE, "{by_size:.2e}");
}

#[test]
fn decoders_give_the_same_rewards_shared_separate_and_alone() {
    let Some(pairs) = pairs() else { return };
    // Windows of 16 tokens end within nearly every prompt; Gemma's scores are capped, and Cohere's last layer
    // has no positions.
    for name in ["llama", "qwen3", "mistral", "gemma2", "cohere2"] {
        check(name, &architecture(name, Kind::Float), &pairs);
    }
}

#[test]
fn encoders_give_the_same_rewards_in_batches_and_alone() {
    let Some(pairs) = pairs() else { return };
    for name in ["bert", "roberta", "xlm_roberta", "deberta_v2", "deberta_v2_conv", "modernbert", "modernbert_mean"] {
        check(name, &architecture(name, Kind::Float), &pairs);
    }
}

/// Gradients of the Bradley–Terry loss of one batch, shared or not.
fn gradients(model: &ScalarModel, encoded: &[(usize, &Encoded)], share: bool) -> Params {
    let batch = token_batch(model, encoded, share);
    let labels = vec![Label::pair(None); encoded.len()];
    let rewards = model.rewards_for_training(&batch, None).unwrap();
    let losses = Objective::default().losses(&Rewards { rewards_s: &rewards, labels: &labels }).unwrap();
    losses.mean(losses.kind()).backward();
    let take = |(name, tensor): (&String, &Tensor)| {
        let mut gradient = tensor.grad();
        let taken = gradient.copy();
        let _ = gradient.zero_();
        (name.clone(), taken)
    };
    model.network.params().iter().map(take).collect()
}

/// Largest difference of a parameter's gradients, relative to the largest value of its gradient, with its
/// name: among the backbone's parameters, and in the head.
fn gradient_difference(what: &str, model: &ScalarModel, pairs: &[Comparison]) -> [f64; 2] {
    model.network.train_all();
    let encoded = model.text.encode_all(pairs).unwrap();
    let members: Vec<(usize, &Encoded)> = encoded.iter().enumerate().collect();
    let [shared, separate] = [true, false].map(|share| gradients(model, &members, share));
    let mut largest = [0.0, 0.0];
    let mut worst = "";
    for (name, one) in &shared {
        let other = &separate[name];
        let scale = other.abs().max().double_value(&[]);
        assert!(scale > 0.0, "{what}: {name} has no gradient");
        let found = (one - other).abs().max().double_value(&[]) / scale;
        let part = usize::from(name.starts_with("score."));
        if part == 0 && found > largest[0] {
            worst = name;
        }
        largest[part] = found.max(largest[part]);
    }
    println!("{what}: gradients of {} pairs within {:.1e} ({worst}), head {:.1e}", pairs.len(), largest[0], largest[1]);
    largest
}

#[test]
fn gradients_are_the_same_shared_and_separate() {
    let dir = tempfile::tempdir().unwrap();
    let (Some(pairs), Some(())) = (pairs(), draw(dir.path())) else { return };
    let batch = &pairs[..24];
    let mut models = vec![("drawn", [Kind::Float, Kind::Double].map(|kind| load(dir.path(), kind)))];
    for name in ["llama", "qwen3", "mistral", "gemma2", "cohere2"] {
        models.push((name, [Kind::Float, Kind::Double].map(|kind| architecture(name, kind))));
    }
    for (name, [float, double]) in &models {
        let [backbone, head] = gradient_difference(&format!("{name} in f32"), float, batch);
        assert!(backbone <= 1e-5 && head <= 1e-5, "{name} in f32: {backbone:.2e}, head {head:.2e}");
        // The head's tensors stay in f32, and so do their gradients: they round at 6e-8.
        let [backbone, head] = gradient_difference(&format!("{name} in f64"), double, batch);
        assert!(backbone <= 1e-10 && head <= 1e-6, "{name} in f64: {backbone:.2e}, head {head:.2e}");
    }
}
