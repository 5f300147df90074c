//! Scores of 500 real pairs equal those of RewardBench's own DPO inference, run by `tests/reference/rewardbench_dpo.py`.

use std::path::Path;
use std::process::Command;

use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::reward::implicit::ImplicitModel;
use rmbench::reward::scalar::ScalarModel;
use rmbench::table::implicit::{Normalisation, View};
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
    ImplicitModel { policy, reference, view: View { normalisation, with_reference, ..View::default() } }
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
        for (way, with_reference, normalisation) in ways {
            let theirs: Vec<Vec<f64>> = theirs[way].as_array().unwrap().iter().map(numbers).collect();
            let model = model(&dir, with_reference, normalisation);
            let ours = model.score(&pairs[..theirs.len()], &mut |_| ()).unwrap();
            let cut = ours.iter().flatten().filter(|score| score.truncated).count();
            assert!(way != "with_reference" || cut > 10, "{name}: {cut} responses were cut");
            let (mut largest, mut decided) = (0.0f64, 0);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let ours = [0, 1].map(|side| f64::from(ours[side].reward.unwrap()));
                for side in [0, 1] {
                    // Sums over 2,000 tokens in f32 by them: relative above 1.
                    largest = largest.max((ours[side] - theirs[side]).abs() / theirs[side].abs().max(1.0));
                }
                decided += usize::from((ours[0] > ours[1]) == (theirs[0] > theirs[1]));
            }
            eprintln!("{name} {way}: n {}, largest difference {largest:.1e}, {cut} cut", theirs.len());
            assert!(largest <= TOLERANCE, "{name} {way}: {largest}");
            assert_eq!(decided, theirs.len(), "{name} {way}");
        }
    }
}
