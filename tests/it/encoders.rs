//! What is particular to encoders: position buckets, local attention in blocks, long sequences.
//!
//! Fixture: `tests/fixtures/deberta_buckets.json`, written by `tests/reference/deberta_buckets.py`.

use std::path::{Path, PathBuf};

use rmbench::backbone::Pass;
use rmbench::backbone::config::RelativeConfig;
use rmbench::backbone::deberta::{buckets_by_distance, rows_by_distance};
use rmbench::reward::artifact;
use rmbench::reward::head::HeadInit;
use rmbench::reward::network::{MissingHead, Network, read_json};
use rmbench::reward::options::RewardOptions;
use rmbench::text::batch::{Pooled, TokenBatch, TokenTree};
use rmbench::text::pooling::Pooling;
use serde_json::json;
use tch::{Device, Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

fn network(name: &str) -> Network {
    Network::load(&fixture(name), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse).unwrap()
}

/// One sequence of arbitrary tokens.
fn sequence(n: i64) -> TokenBatch {
    TokenBatch {
        ids: (0..n).map(|i| 5 + (i * i * 7 + i * 3) % 300).collect(),
        positions: (0..n).collect(),
        trees: vec![TokenTree { prefix: 0..0, branches: vec![0..n as usize] }],
        pooled: vec![Pooled::Token(0)],
        owners: vec![(0, 0)],
        ..TokenBatch::default()
    }
}

/// Largest difference, relative to the largest value.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[])
}

#[test]
fn position_buckets_equal_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/deberta_buckets.json");
    let fixture: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 7);
    for case in cases {
        let number = |key: &str| case[key].as_i64().unwrap();
        let expected: Vec<i64> = case["bucket"].as_array().unwrap().iter().map(|b| b.as_i64().unwrap()).collect();
        let n = expected.len() as i64;
        let found = buckets_by_distance(number("buckets"), number("longest"), n);
        let mirrored = expected[1..].iter().rev().map(|bucket| -bucket);
        assert_eq!(found, mirrored.chain(expected.iter().copied()).collect::<Vec<_>>(), "{case}");
        // A shorter sequence reads the middle of the table.
        let short = buckets_by_distance(number("buckets"), number("longest"), 9);
        assert_eq!(short, found[(n - 9) as usize..(n + 8) as usize]);
    }
}

#[test]
fn distances_beyond_the_span_read_the_outermost_rows() {
    let relative = |buckets: Option<i64>, longest| RelativeConfig {
        span: buckets.unwrap_or(longest),
        buckets,
        longest,
        norm: false,
        content_to_position: true,
        position_to_content: true,
        shared: true,
    };
    assert_eq!(rows_by_distance(&relative(None, 3), 6), [0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5]);
    // mDeBERTa: 511 tokens away is the last of 512 rows, and so is everything farther.
    let rows = rows_by_distance(&relative(Some(256), 512), 2000);
    let row = |distance: i64| rows[(1999 + distance) as usize];
    assert_eq!([row(0), row(1), row(-1), row(128), row(511), row(512), row(1999)], [256, 257, 255, 384, 511, 511, 511]);
    assert_eq!([row(-511), row(-512), row(-1999)], [1, 0, 0]);
}

/// Scores of a long sequence are computed in parts of heads, then of queries; those of a few rows are not.
#[test]
fn long_sequences_in_parts_are_those_in_one_go() {
    let _guard = tch::no_grad_guard();
    for name in ["deberta_v2", "deberta_v2_c2p", "deberta_v2_p2c", "deberta"] {
        let (network, batch) = (network(name), sequence(1600));
        let pass = Pass::evaluation(Kind::Float);
        let rows = [0, 1, 400, 799, 800, 1313, 1599];
        let found = network.backbone().hidden_at(&batch, &rows, pass);
        let index = Tensor::from_slice(&rows.map(|row| row as i64));
        let found = difference(&network.backbone().hidden(&batch, pass).index_select(0, &index), &found);
        assert!(found <= 2e-6, "{name}: {found:.1e}");
    }
}

#[test]
fn a_convolution_behind_the_only_layer_is_pruned_with_it() {
    let _guard = tch::no_grad_guard();
    let mut config = read_json(&fixture("deberta_v2_conv").join("config.json")).unwrap();
    config["num_hidden_layers"] = json!(1);
    let network = Network::init(config, &RewardOptions::default(), HeadInit::Hf, 3, Kind::Double, Device::Cpu).unwrap();
    let (batch, pass) = (sequence(30), Pass::evaluation(Kind::Float));
    let whole = network.backbone().hidden(&batch, pass).index_select(0, &Tensor::from_slice(&[0i64, 17]));
    assert!(difference(&network.backbone().hidden_at(&batch, &[0, 17], pass), &whole) <= 1e-6);
}

#[test]
fn lengths_end_where_positions_do() {
    let limit = |name: &str| network(name).config.max_length;
    assert_eq!(limit("bert"), Some(128));
    // Two of the rows are for padding.
    assert_eq!((limit("roberta"), limit("xlm_roberta")), (Some(128), Some(128)));
    assert_eq!((limit("deberta_v2"), limit("deberta"), limit("deberta_v2_absolute")), (None, None, Some(64)));
    assert_eq!(limit("modernbert"), Some(1024));
    let error = network("deberta_v2_absolute").rewards(&sequence(65)).unwrap_err().to_string();
    assert!(error.contains("65 tokens") && error.contains("64 positions"), "{error}");
}

#[test]
fn pooling_is_what_config_json_says() {
    for (name, pooling) in
        [("modernbert", Pooling::Cls), ("modernbert_mean", Pooling::Mean), ("deberta_v2", Pooling::Cls)]
    {
        let kind = Kind::Float;
        let model = artifact::load(&fixture(name), Device::Cpu, kind, kind, MissingHead::Refuse, None).unwrap();
        assert_eq!(model.pooling, pooling, "{name}");
    }
}

/// A masked language model's checkpoint is what training begins with: its prediction head is ModernBERT's own
/// (as in transformers), its output layer is left out, and so are absolute positions that DeBERTa switched off.
#[test]
fn base_models_bring_what_they_have() {
    use rmbench::backbone::weights;
    let base = |name: &str, replaced: &[(&str, Option<&str>)], added: &[&str], drawn: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(fixture(name).join("config.json"), dir.path().join("config.json")).unwrap();
        let file = fixture(name).join(weights::SINGLE_FILE);
        let mut tensors = weights::Checkpoint::open_files(&[file]).unwrap().take_all().unwrap();
        for (old, new) in replaced {
            let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(old)).cloned().collect();
            for name in names {
                let tensor = tensors.remove(&name).unwrap();
                if let Some(new) = new {
                    tensors.insert(name.replacen(old, new, 1), tensor);
                }
            }
        }
        for name in added {
            tensors.insert((*name).to_owned(), Tensor::zeros([3], (Kind::Float, Device::Cpu)));
        }
        let pairs = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        weights::write(&dir.path().join(weights::SINGLE_FILE), pairs).unwrap();
        let missing = MissingHead::Draw { init: HeadInit::Hf, seed: 0 };
        let network = Network::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, missing).unwrap();
        assert_eq!(network.drawn, drawn, "{name}");
    };
    let classifier = ["classifier.weight", "classifier.bias"];
    base("modernbert", &[("classifier.", None)], &["decoder.weight", "decoder.bias"], &classifier);
    let mlm = [
        "lm_predictions.lm_head.bias",
        "mask_predictions.dense.weight",
        "deberta.embeddings.position_embeddings.weight",
    ];
    let head = ["pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"];
    base("deberta_v2", &[("classifier.", None), ("pooler.", None)], &mlm, &head);
    // The bare model, without prefixes.
    base("deberta_v2", &[("classifier.", None), ("pooler.", None), ("deberta.", Some(""))], &[], &head);
    base(
        "modernbert",
        &[("classifier.", None), ("head.", None), ("model.", Some(""))],
        &[],
        &["head.dense.weight", "head.norm.weight", "classifier.weight", "classifier.bias"],
    );
}
