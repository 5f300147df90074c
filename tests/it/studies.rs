//! Studies as one command, on vectors: many runs, scored, resumed, reported.

use std::path::Path;

use rmbench::table::item::ItemTable;
use serde_json::Value;

use crate::command::run;
use crate::features::vectors::{succeeds, write};

fn data(dir: &Path) {
    write(&dir.join("train.parquet"), 0..400);
    write(&dir.join("test.parquet"), 400..800);
}

const BASE: [&str; 10] = [
    "train",
    "--data",
    "train.parquet",
    "--model",
    "init:embeddings",
    "--test",
    "test.parquet",
    "--set",
    "lr=0.02",
    "--out",
];

fn study(dir: &Path, out: &str, more: &[&str]) -> String {
    succeeds(dir, &[&BASE[..], &[out], more].concat())
}

fn findings(dir: &Path, out: &str) -> Value {
    let path = dir.join(out).join("report/findings.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Details of the analysis by measure: what they are about, and the estimate.
fn details(findings: &Value, measure: &str) -> Vec<(Vec<String>, Value)> {
    let mine = |d: &&Value| d["analysis"] == "studies" && d["measure"] == measure;
    let about = |d: &Value| -> Vec<String> {
        d["of"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    findings["details"].as_array().unwrap().iter().filter(mine).map(|d| (about(d), d["estimate"].clone())).collect()
}

/// Mean over languages of the share of right pairs, from the score table itself.
fn accuracy(run: &Path) -> f64 {
    let table = ItemTable::load(&[run.to_owned()]).unwrap();
    let mut langs: Vec<_> = table.items.iter().map(|key| key.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let of = |lang| {
        let items: Vec<usize> = (0..table.items.len()).filter(|&i| table.items[i].lang == lang).collect();
        let right =
            items.iter().filter(|&&i| table.item(0, i).chosen[0].unwrap() > table.item(0, i).rejected[0].unwrap());
        right.count() as f64 / items.len() as f64
    };
    langs.iter().map(|lang| of(*lang)).sum::<f64>() / langs.len() as f64
}

#[test]
fn fractions_and_seeds_make_a_curve_and_a_repeated_command_does_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    data(dir);
    let args = ["--fractions", "0.03,0.1,0.3,1", "--seeds", "3", "--set", "epochs=4"];
    let said = study(dir, "study", &args);
    assert!(said.contains("run 12 of 12: fraction 1, seed 2"), "{said}");
    let found = findings(dir, "study");
    let medians = details(&found, "median-accuracy");
    let names: Vec<&str> = medians.iter().map(|(of, _)| of[0].as_str()).collect();
    assert_eq!(names, ["fraction 0.03", "fraction 0.1", "fraction 0.3", "fraction 1"]);
    for (of, estimate) in &medians {
        let fraction = of[0].trim_start_matches("fraction ");
        let run = |seed: usize| dir.join(format!("study/scores/fraction_{fraction}+seed_{seed}"));
        let mut seeds: Vec<f64> = (0..3).map(|seed| accuracy(&run(seed))).collect();
        seeds.sort_by(f64::total_cmp);
        let (point, low) = (estimate["point"].as_f64().unwrap(), estimate["interval"]["low"].as_f64().unwrap());
        assert!((point - seeds[1]).abs() < 1e-12, "{of:?}: {point} and {seeds:?}");
        assert!(low <= point && estimate["n"] == 400);
    }
    let point = |at: usize| medians[at].1["point"].as_f64().unwrap();
    assert!(point(3) > point(0) + 0.03, "more data do not help: {medians:?}");
    assert_eq!(details(&found, "curve").len(), 4);
    assert_eq!(details(&found, "best").len(), 1);
    assert_eq!(details(&found, "power-b").len(), 1);
    let markdown = std::fs::read_to_string(dir.join("study/report/report.md")).unwrap();
    assert!(markdown.contains("## Studies") && markdown.contains("fraction 0.03"), "{markdown}");
    // The models say what they are part of, and how much they were trained on.
    let card = std::fs::read_to_string(dir.join("study/runs/fraction_0.1+seed_1/rmbench.toml")).unwrap();
    assert!(card.contains("fraction = \"0.1\"") && card.contains("pairs = "), "{card}");

    // One run is lost: the command trains that one again, to the same bytes, and leaves the others.
    let lost = dir.join("study/runs/fraction_0.1+seed_1");
    let kept = dir.join("study/runs/fraction_0.1+seed_2/model.safetensors");
    let bytes = std::fs::read(lost.join("model.safetensors")).unwrap();
    let before = std::fs::metadata(&kept).unwrap().modified().unwrap();
    std::fs::remove_dir_all(&lost).unwrap();
    let said = study(dir, "study", &args);
    assert_eq!(said.matches("is already complete").count(), 11, "{said}");
    assert!(std::fs::read(lost.join("model.safetensors")).unwrap() == bytes);
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), before);
    assert_eq!(details(&findings(dir, "study"), "median-accuracy"), medians);
}

#[test]
fn settings_are_swept_and_the_best_is_named_by_objective() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    data(dir);
    study(dir, "s", &["--sweep", "objective.name=bt,hinge", "--sweep", "lr=1e-5,0.05", "--set", "max-steps=12"]);
    let found = findings(dir, "s");
    let best: Vec<Vec<String>> = details(&found, "best").into_iter().map(|(of, _)| of).collect();
    assert_eq!(best.len(), 2);
    for (objective, best) in ["bt", "hinge"].iter().zip(&best) {
        assert_eq!(best[0], *objective);
        assert!(best[1].contains("lr 0.05"), "{best:?}");
    }
    // Rates are an axis of numbers, objectives are not.
    let curve = details(&found, "curve");
    assert!(curve.len() == 4 && curve.iter().all(|(of, _)| of[0] == "lr"), "{curve:?}");
    assert!(details(&found, "quartile-1").iter().all(|(_, estimate)| estimate.is_null()));
}

#[test]
fn flipped_labels_make_a_curve() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    data(dir);
    study(dir, "s", &["--noise", "0,0.2,0.45", "--set", "epochs=8"]);
    let curve = details(&findings(dir, "s"), "curve");
    let points: Vec<(&str, f64)> = curve.iter().map(|(of, e)| (of[0].as_str(), e["point"].as_f64().unwrap())).collect();
    assert!(points.iter().all(|(axis, _)| *axis == "label noise") && points.len() == 3, "{points:?}");
    assert!(points[0].1 > points[2].1 + 0.05, "{points:?}");
}

#[test]
fn training_on_one_language_at_a_time_makes_the_matrix() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    data(dir);
    study(dir, "s", &["--transfer", "all", "--set", "max-steps=12"]);
    let found = findings(dir, "s");
    let cells = found["details"].as_array().unwrap().iter();
    let cells: Vec<&Value> = cells.filter(|d| d["analysis"] == "transfer" && d["measure"] == "accuracy").collect();
    assert_eq!(cells.len(), 4);
    let markdown = std::fs::read_to_string(dir.join("s/report/report.md")).unwrap();
    assert!(markdown.contains("## Transfer between languages") && markdown.contains("## Studies"));
}

#[test]
fn what_cannot_be_a_study_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    data(dir);
    for (more, says) in [
        (&["--sweep", "lr"][..], "not of the form KEY=A,B"),
        (&["--sweep", "lr=1,1"], "twice"),
        (&["--fractions", "0,1"], "source.fraction"),
        (&["--sweep", "epoch=1,2"], "`epoch` in --set is no setting"),
    ] {
        let output = run(dir, &[&BASE[..], &["x"], more].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(says), "{more:?}: {text}");
    }
    let output =
        run(dir, &["train", "--data", "train.parquet", "--model", "init:embeddings", "--out", "x", "--seeds", "2"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("--test"), "{text}");
}
