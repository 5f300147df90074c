//! Scores of 500 real pairs equal those of RewardBench's own DPO inference, run by `tests/reference/rewardbench_dpo.py`.

use std::path::Path;
use std::process::Command;

use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::reward::implicit::ImplicitModel;
use rmbench::reward::scalar::ScalarModel;
use rmbench::table::implicit::{Normalisation, Span, View};
use tch::Kind;

use super::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/rewardbench_dpo.py");
const N_PAIRS: usize = 500;
/// Every thirteenth row: all languages and categories.
const STEP: usize = 13;
const TOLERANCE: f64 = 1e-4;

fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).map(PathBuf::from);
    if value.is_none() {
        crate::say_skipped(name);
    }
    value
}

fn model(dir: &Path, with_reference: bool, normalisation: Normalisation) -> ImplicitModel {
    let load = |part: &str| policy_in(&dir.join(part), Kind::Float);
    let policy = load("policy");
    let policy = ScalarModel { text: policy.text.as_rewardbench(), ..policy };
    let reference = with_reference.then(|| load("reference").network);
    let view = View { normalisation, with_reference, ..View::default() };
    ImplicitModel { policy, reference, view, span: Span::Response }
}

#[test]
fn rewards_are_those_of_run_dpo() {
    let (Some(python), Some(data)) = (variable("RMBENCH_TEST_PYTHON"), variable("RMBENCH_TEST_DATA")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = data.join("bench.parquet");
    let status = Command::new(python)
        .arg(SCRIPT)
        .args([dir.path(), &file])
        .args(["--step", &STEP.to_string(), "--limit", &N_PAIRS.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let (all, _) = reader::read_all(&file, &ReadOptions::default()).unwrap();
    let pairs: Vec<Comparison> = all.into_iter().step_by(STEP).take(N_PAIRS).collect();
    assert_eq!(pairs.len(), N_PAIRS);
    for name in ["llama", "qwen3"] {
        let dir = dir.path().join(name);
        let theirs: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("scores.json")).unwrap()).unwrap();
        let ways = [
            ("with_reference", true, Normalisation::Sum),
            ("avg", false, Normalisation::Mean),
            ("norm", false, Normalisation::L2Norm),
            ("sum", false, Normalisation::Sum),
        ];
        let of = |way: &str| -> Vec<Vec<f64>> { theirs[way].as_array().unwrap().iter().map(numbers).collect() };
        for (way, with_reference, normalisation) in ways {
            let exact = of(way);
            let model = model(&dir, with_reference, normalisation);
            let ours = model.score(&pairs[..exact.len()], &mut |_| ()).unwrap();
            let cut = ours.iter().flatten().filter(|score| score.truncated).count();
            assert!(way != "with_reference" || cut > 10, "{name}: {cut} responses were cut");
            let ours: Vec<[f64; 2]> =
                ours.iter().map(|pair| [0, 1].map(|side| f64::from(pair[side].reward.unwrap()))).collect();
            let largest = |theirs: &[Vec<f64>]| {
                let both = ours.iter().zip(theirs).flat_map(|(a, b)| [(a[0], b[0]), (a[1], b[1])]);
                // Relative above 1.
                both.map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
            };
            let decided =
                |theirs: &[Vec<f64>]| ours.iter().zip(theirs).filter(|(a, b)| (a[0] > a[1]) == (b[0] > b[1])).count();
            eprintln!("{name} {way}: n {}, largest difference {:.1e}, {cut} cut", exact.len(), largest(&exact));
            assert!(largest(&exact) <= TOLERANCE, "{name} {way}: {}", largest(&exact));
            assert_eq!(decided(&exact), exact.len(), "{name} {way}");
            if with_reference {
                // Over the first pairs its own f32 is farther from its f64 than we are, and decides every pair the same.
                let rounded = of("with_reference_f32");
                assert!(rounded.len() >= 50);
                let own = rounded.iter().zip(&exact).flat_map(|(a, b)| [a[0] - b[0], a[1] - b[1]]);
                let own = own.map(f64::abs).fold(0.0, f64::max);
                let of_ours = ours.iter().zip(&exact).take(rounded.len()).flat_map(|(a, b)| [a[0] - b[0], a[1] - b[1]]);
                let of_ours = of_ours.map(f64::abs).fold(0.0, f64::max);
                eprintln!("{name}: largest distance from f64: ours {of_ours:.1e}, RewardBench's f32 {own:.1e}");
                assert!(of_ours <= own, "{name}: {of_ours} {own}");
                assert_eq!(decided(&rounded), rounded.len(), "{name}");
            }
        }
    }
}
