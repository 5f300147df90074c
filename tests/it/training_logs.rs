//! What a training run writes of itself: event files that TensorBoard's own reader reads, and a report.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::command::rmbench;

/// Six steps of so many pairs, with evaluations, on pairs of these languages in turn; the run's directory is `DIR/run`.
fn train(dir: &Path, langs: &[&str], batch: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = root.join("tests/fixtures/arch/llama").to_string_lossy().into_owned();
    let text = std::fs::read_to_string(root.join("tests/fixtures/trl/pairs.jsonl")).unwrap();
    let spoken = |(row, line): (usize, &str)| {
        let mut pair: Value = serde_json::from_str(line).unwrap();
        pair["language"] = langs[row % langs.len()].into();
        format!("{pair}\n")
    };
    std::fs::write(dir.join("pairs.jsonl"), text.lines().enumerate().map(spoken).collect::<String>()).unwrap();
    let mut args = vec!["train", "--model", &model, "--data", "pairs.jsonl", "--out", "run"];
    let batch = format!("batch-size={batch}");
    let sets = ["max-steps=6", &batch, "eval-every=3", "sampling.eval-share=0.1"];
    sets.iter().for_each(|set| args.extend(["--set", set]));
    let output = rmbench(dir, &args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_report_shows_how_a_model_was_trained() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), &["deu_Latn"], 4);
    let args = ["report", "--training", "run", "--out", "report", "--format", "html,md,csv"];
    let output = rmbench(dir.path(), &args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(dir.path().join("report").join(name)).unwrap();
    let (html, markdown, csv) = (read("report.html"), read("report.md"), read("analyses.csv"));
    assert!(html.contains("id=\"training\"") && html.contains("Accuracy while run was trained"), "{html}");
    for words in ["German", "Useful tokens/s", "Of the bound", "Padding left out", "Dropped", "Held out"] {
        assert!(html.contains(words) && markdown.contains(words), "{words}");
    }
    assert!(html.contains("Margin while run was trained"), "{html}");
    // One language alone has no map.
    assert!(!html.contains("by language while"));
    // Six windows of one step each, four pairs in each.
    let rows: Vec<&str> = csv.lines().filter(|line| line.starts_with("run,training,,accuracy,deu_Latn,")).collect();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row.contains(",4,")), "{rows:?}");
    let output = rmbench(dir.path(), &["report", "--training", "report", "--out", "none"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is not a training run"), "{said}");
}

#[test]
fn languages_are_followed_over_the_steps() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), &["deu_Latn", "fra_Latn"], 24);
    let output = rmbench(dir.path(), &["report", "--training", "run", "--out", "report", "--format", "html,json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let html = read("report/report.html");
    for title in ["Accuracy", "Loss", "Margin"] {
        assert!(html.contains(&format!("{title} by language while run was trained")), "{title}");
    }
    // What the report says is what the logs say, step by step.
    let json: Value = serde_json::from_str(&read("report/findings.json")).unwrap();
    let details = json["details"].as_array().unwrap();
    let of = |measure: &str, about: Value| {
        let found = details.iter().find(|d| d["analysis"] == "training" && d["measure"] == measure && d["of"] == about);
        found.map(|d| d["estimate"]["point"].as_f64().unwrap())
    };
    let (mut compared, mut useful, mut padded) = (0, 0.0, 0.0);
    for (place, line) in read("run/steps.jsonl").lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        for (lang, numbers) in line["languages"].as_object().unwrap() {
            let about = json!([{"kind": "lang", "name": lang}, {"kind": "place", "name": place}]);
            for measure in ["loss", "margin", "accuracy"] {
                assert!((of(measure, about.clone()).unwrap() - numbers[measure].as_f64().unwrap()).abs() < 1e-9);
                compared += 1;
            }
        }
        useful += line["tokens"].as_f64().unwrap() + line["tokens_shared"].as_f64().unwrap();
        padded += line["tokens_padded"].as_f64().unwrap();
    }
    assert!(compared >= 18, "{compared}");
    let share = of("padding-share", json!([])).unwrap();
    assert!(share > 0.0 && share < 1.0 && (share - (1.0 - useful / padded)).abs() < 1e-9, "{share}");
}

#[test]
fn tensorboard_reads_every_number_of_the_logs() {
    let Some(python) = std::env::var_os("RMBENCH_TEST_PYTHON") else {
        return crate::say_skipped("RMBENCH_TEST_PYTHON");
    };
    let (root, dir) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    train(dir.path(), &["deu_Latn"], 4);
    let run = dir.path().join("run");
    let script = root.join("tests/reference/reads_tensorboard.py");
    let output = Command::new(python).arg(script).arg(run.join("tensorboard")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["file_version"], 2.0);
    assert!(found["wall_times"][0].as_f64().unwrap() > 1.7e9);
    let mut compared = 0;
    for (log, prefix) in [("steps.jsonl", "train"), ("eval.jsonl", "eval"), ("timing.jsonl", "speed")] {
        let text = std::fs::read_to_string(run.join(log)).unwrap();
        for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let mut numbers: Vec<(String, f64)> = Vec::new();
            let mut take = |prefix: String, object: &Value| {
                let of = object.as_object().unwrap().iter().filter(|(key, _)| *key != "step");
                numbers.extend(of.filter_map(|(key, value)| Some((format!("{prefix}/{key}"), value.as_f64()?))));
            };
            take(prefix.to_owned(), &line);
            for (lang, object) in line["languages"].as_object().into_iter().flatten() {
                take(format!("{prefix}-{lang}"), object);
            }
            for (tag, number) in numbers {
                let points = found[&tag].as_array().unwrap_or_else(|| panic!("{tag} is not there"));
                let point = points.iter().find(|point| point[0] == line["step"]).unwrap();
                assert!((point[1].as_f64().unwrap() - number).abs() <= 1e-6 * number.abs(), "{tag}: {point}, {number}");
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "{compared}");
    assert_eq!(found["train-deu_Latn/accuracy"].as_array().unwrap().len(), 6);
}
