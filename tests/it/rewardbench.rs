//! Scores of 1,000 real pairs equal those of RewardBench's reward-model loop, whatever the batches.
//!
//! The other side is `tests/reference/rewardbench_scores.py`, run by `RMBENCH_TEST_PYTHON`: its batches are padded and
//! hold what the data's order brings; here every budget makes other batches, trees share prompts, nothing is padded.

use std::path::{Path, PathBuf};
use std::process::Command;

use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::preference::Comparison;
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::settings::TextSettings;
use tch::{Device, Kind};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/rewardbench_scores.py");
const N_PAIRS: usize = 1000;
/// RewardBench's default; about two thirds of these sequences are cut to it by the byte-level vocabularies.
const MAX_LENGTH: usize = 512;
const TOLERANCE: f64 = 1e-4;
/// Of those that are also scored response by response.
const N_ALONE: usize = 150;
/// From one pair a batch to hundreds.
const BUDGETS: [usize; 4] = [1, 900, 8192, 200_000];

fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    if value.is_none() {
        crate::say_skipped(name);
    }
    value
}

/// Pairs of all languages: every sixth row.
fn pairs(file: &Path) -> Vec<Comparison> {
    let (all, _) = reader::read_all(file, &ReadOptions::default()).unwrap();
    let chosen: Vec<Comparison> = all.into_iter().step_by(6).take(N_PAIRS).collect();
    assert_eq!(chosen.len(), N_PAIRS);
    chosen
}

fn load(dir: &Path) -> ScalarModel {
    let settings = TextSettings { max_length: Some(MAX_LENGTH), append_eos: false, ..TextSettings::default() };
    artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, Some(&settings)).unwrap()
}

/// [chosen, rejected] of every pair, and how many responses were cut.
fn scores(model: &ScalarModel, pairs: &[Comparison]) -> (Vec<[f64; 2]>, usize) {
    let scores = model.score(pairs, &mut |_| ()).unwrap();
    let cut = scores.iter().flatten().filter(|score| score.truncated).count();
    (scores.iter().map(|pair| [0, 1].map(|side| f64::from(pair[side].reward.unwrap()))).collect(), cut)
}

/// Every response by itself: nothing to share, nobody beside it.
fn alone(model: &ScalarModel, pairs: &[Comparison]) -> Vec<[f64; 2]> {
    let of = |pair: &Comparison, side: usize| {
        let response = pair.responses().nth(side).unwrap().clone();
        let single = Comparison { chosen: vec![response], rejected: Vec::new(), ..pair.clone() };
        f64::from(model.score(&[single], &mut |_| ()).unwrap()[0][0].reward.unwrap())
    };
    pairs.iter().map(|pair| [of(pair, 0), of(pair, 1)]).collect()
}

fn deviation(scores: &[[f64; 2]]) -> f64 {
    let n = 2.0 * scores.len() as f64;
    let mean = scores.iter().flatten().sum::<f64>() / n;
    (scores.iter().flatten().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Largest difference of two rewards, and pairs that are decided otherwise, as far as ours go.
fn compare(ours: &[[f64; 2]], theirs: &[[f64; 2]]) -> (f64, usize) {
    let pairs = || ours.iter().zip(theirs);
    let largest = pairs().flat_map(|(a, b)| [(a[0] - b[0]).abs(), (a[1] - b[1]).abs()]).fold(0.0, f64::max);
    (largest, pairs().filter(|(a, b)| (a[0] > a[1]) != (b[0] > b[1])).count())
}

#[test]
fn rewards_are_rewardbenchs_whatever_the_batches() {
    let (Some(python), Some(data)) = (variable("RMBENCH_TEST_PYTHON"), variable("RMBENCH_TEST_DATA")) else { return };
    let file = data.join("bench.parquet");
    let pairs = pairs(&file);
    let out = tempfile::tempdir().unwrap();
    let rows: Vec<String> = pairs.iter().map(|pair| pair.row.to_string()).collect();
    let mut command = Command::new(python);
    command.arg(SCRIPT).arg("--pairs").arg(&file).args(["--rows", &rows.join(",")]).arg("--out").arg(out.path());
    command.args(["--max-length", &MAX_LENGTH.to_string()]);
    let mut names = vec!["qwen3", "llama", "roberta"];
    if let Some(encoder) = variable("RMBENCH_TEST_MINILM") {
        command.arg("--encoder").arg(encoder);
        names.push("minilm");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for name in names {
        let dir = out.path().join(name);
        let theirs: Vec<[f64; 2]> =
            serde_json::from_str(&std::fs::read_to_string(dir.join("scores.json")).unwrap()).unwrap();
        let spread = deviation(&theirs);
        assert!(spread > 0.3, "{name}: rewards differ too little ({spread:.2}) for differences to mean anything");
        let mut model = load(&dir.join("model"));
        let mut found = vec![("alone".to_owned(), alone(&model, &pairs[..N_ALONE]))];
        // The real encoder is a hundred times the work of the drawn models.
        let budgets = if name == "minilm" { &BUDGETS[2..3] } else { &BUDGETS };
        for &budget in budgets {
            model.token_budget = budget;
            let (scores, cut) = scores(&model, &pairs);
            assert!((50..1900).contains(&cut), "{name}: {cut} of {} sequences are cut", 2 * N_PAIRS);
            found.push((format!("budget {budget}"), scores));
        }
        for (way, ours) in &found {
            let (largest, flips) = compare(ours, &theirs);
            println!("{name}, {way}: largest difference {largest:.1e}, {flips} flips, deviation {spread:.2}");
            assert!(largest <= TOLERANCE, "{name}, {way}: {largest:.2e}");
            assert_eq!(flips, 0, "{name}, {way}");
        }
    }
}
