//! What is exported reads back as the same results, and the command line does both.

use rmbench::benchmark::catalog;
use std::path::Path;

use rmbench::report::rewardbench::{RewardBenchFiles, rewardbench};
use rmbench::table::import::{ImportFormat, ImportOptions, Imported};
use rmbench::table::item::ItemTable;
use rmbench::table::order::ItemOrder;
use rmbench::table::read::ScoreFile;
use rmbench::table::store::write_table;
use serde_json::json;

use super::{imported, write};
use crate::command::{run, transcript};

/// Items of v1 and v2: import, export, import again.
#[test]
fn rewardbench_files_read_back() {
    let v1 = json!({
        "model": "org/rm", "model_type": "Seq. Classifier", "chat_template": null, "id": [0, 1, 2],
        "subset": ["donotanswer", "donotanswer", "hep-go"], "scores_chosen": [1.5, 0.25, 3.0],
        "scores_rejected": [1.0, 0.25, null], "results": [1, 0, null],
    });
    let v2 = json!({
        "model": "org/rm", "model_type": "Seq. Classifier", "id": ["5", "6", "ref:0", "tied:0"],
        "subset": ["Math", "Math", "Ties", "Ties"], "num_correct": [1, 1, 1, 2],
        "scores": [[1.0, 1.0, 0.0, 0.5], [3.0, 1.0, 2.0, 0.0], [2.0, 1.0], [3.0, 2.5, 1.0]], "results": [0.5, 1, 1, 1],
    });
    for (file, expected) in [(v1, json!([1.0, 0.0, null])), (v2, json!([0.5, 1.0, null, null]))] {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "rm.json", &file.to_string());
        let first = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
        let files = exported(dir.path(), &first[0]);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].items["results"], expected);
        assert_eq!(files[0].items["id"], file["id"], "whole numbers in v1, strings in v2");
        let again = write(dir.path(), "again.json", &files[0].items.to_string());
        let second = imported(ImportFormat::Rewardbench, &[again], &ImportOptions::default());
        let rewards = |runs: &[rmbench::table::import::Imported]| {
            let rows = runs[0].rows.iter();
            rows.map(|r| (r.item_id.to_string(), r.side, r.response_index, r.reward)).collect::<Vec<_>>()
        };
        assert_eq!(rewards(&first), rewards(&second));
    }
}

/// A run's files, through its table on disk.
fn exported(dir: &Path, run: &Imported) -> Vec<RewardBenchFiles> {
    let path = dir.join("scores.parquet");
    write_table(&path, &run.info, &run.rows).unwrap();
    let order = ItemOrder::read(ScoreFile::open(&path).unwrap()).unwrap();
    let table = ItemTable::load(&[path]).unwrap();
    rewardbench(&table, 0, &order, &|name| catalog::find(name).unwrap())
}

/// Items stand in the order of the data, subsets mixed as they are there; and a second import finds each again.
#[test]
fn exported_items_stand_in_the_order_of_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let (ids, subset): (Vec<i32>, Vec<&str>) =
        (0..25).map(|i| (i, if i % 3 == 0 { "hep-go" } else { "donotanswer" })).unzip();
    let scores: Vec<f64> = ids.iter().map(|id| f64::from(*id)).collect();
    let file =
        json!({"model": "m", "id": ids, "subset": subset, "scores_chosen": scores, "scores_rejected": vec![12.5; 25]});
    let row =
        |i: usize| json!({"id": i, "prompt": "p", "chosen": format!("c {i}"), "rejected": "r", "subset": subset[i]});
    let data: String = (0..25).map(|i| format!("{}\n", row(i))).collect();
    let options = ImportOptions { items: vec![write(dir.path(), "data.jsonl", &data)], ..ImportOptions::default() };
    let path = write(dir.path(), "m.json", &file.to_string());
    let first = imported(ImportFormat::Rewardbench, &[path], &options);
    let files = exported(dir.path(), &first[0]);
    for key in ["id", "subset", "scores_chosen"] {
        assert_eq!(files[0].items[key], file[key], "{key}");
    }
    let again = write(dir.path(), "again.json", &files[0].items.to_string());
    let second = imported(ImportFormat::Rewardbench, &[again], &options);
    assert_eq!(first[0].rows, second[0].rows);
}

/// A run that was scored here, too: its table has the order of the file.
#[test]
fn scored_runs_are_exported_in_the_order_of_their_data() {
    let dir = tempfile::tempdir().unwrap();
    let row = |i: usize| {
        let (chosen, subset) = ("x".repeat(1 + (i * 7) % 25), if i.is_multiple_of(3) { "b" } else { "a" });
        json!({"id": i, "language": "en", "prompt": format!("p {i}"), "chosen": chosen, "rejected": "xxxx", "subset": subset})
    };
    let data: String = (0..25).map(|i| format!("{}\n", row(i))).collect();
    write(dir.path(), "pairs.jsonl", &data);
    for args in [
        &["score", "--model", "mock:length", "--pairs", "pairs.jsonl", "--out", "run"][..],
        &["export", "run", "--format", "rewardbench", "--out", "eval"],
    ] {
        let output = run(dir.path(), args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(dir.path().join("eval/eval-set-scores/mock_length.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["id"], json!((0..25).collect::<Vec<_>>()));
}

/// What a file said of its model is said again; what was scored here is called what RewardBench calls it.
#[test]
fn exported_files_say_what_the_model_is() {
    let dir = tempfile::tempdir().unwrap();
    let summary = json!({"model": "org/dpo", "model_type": "DPO", "ref_model": "org/base", "chat_template": "tulu", "donotanswer": 0.75});
    let path = write(dir.path(), "m.json", &summary.to_string());
    let run = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default()).remove(0);
    assert_eq!(run.info.kind, "implicit");
    let said = exported(dir.path(), &run).remove(0).summary;
    for key in ["model", "model_type", "ref_model", "chat_template"] {
        assert_eq!(said[key], summary[key], "{key}");
    }
    let of_kind = |kind: &str| {
        let mut own = run.clone();
        (own.info.kind, own.info.settings) = (kind.to_owned(), String::new());
        exported(dir.path(), &own).remove(0).items["model_type"].as_str().unwrap().to_owned()
    };
    let kinds = ["endpoint", "generative", "implicit", "scalar", "imported"].map(of_kind);
    assert_eq!(kinds, ["Generative RM", "Generative RM", "DPO", "Seq. Classifier", "Custom Classifier"]);
    // M-RewardBench's files say it by their reference model alone.
    let path = write(
        dir.path(),
        "org/x-deu_Latn.json",
        &json!({"ref_model": "b", "subset_results": {"hep-go": 0.5}}).to_string(),
    );
    assert_eq!(imported(ImportFormat::MRewardbench, &[path], &ImportOptions::default())[0].info.kind, "implicit");
}

#[test]
fn the_command_line_imports_reports_and_exports() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::from("id,language,subset,model,score_chosen,score_rejected\n");
    for i in 0..40 {
        for (model, right) in [("org/good", i % 8 != 0), ("poor", i % 2 == 0)] {
            let lang = if i < 20 { "de" } else { "tr" };
            text.push_str(&format!("{i},{lang},s,{model},{},0.5\n", u8::from(right)));
        }
    }
    write(dir.path(), "scores.csv", &text);
    write(dir.path(), "one.json", &json!({"model": "x"}).to_string());
    let commands: &[&[&str]] = &[
        &["import", "table", "scores.csv", "--out", "runs"],
        &["import", "table", "scores.csv", "--out", "runs"],
        &["import", "table", "scores.csv", "--out", "other", "--column", "score-chosen"],
        &["import", "table", "scores.csv", "--out", "other", "--column", "score-choosen=x"],
        &["import", "table", "absent.csv", "--out", "other"],
        &["import", "rewardbench", "one.json", "--out", "other"],
        &["import", "m-rewardbench", "one.json", "--out", "other"],
        &["import", "pdf", "one.json", "--out", "other"],
        &["export", "runs/org_good", "--format", "rewardbench", "--out", "eval"],
        &["export", "runs/org_good", "runs/poor", "--format", "csv", "--out", "csv"],
        &["export", "runs/org_good", "runs/poor", "--format", "markdown", "--out", "tables"],
        &["export", "runs/org_good", "runs/poor", "--format", "latex", "--out", "tables"],
        &["export", "absent", "--format", "csv", "--out", "csv"],
    ];
    let said: Vec<String> = commands.iter().map(|args| transcript(dir.path(), args)).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("exchange", said.join("\n")));
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(read("csv/poor.csv").starts_with("benchmark,benchmark_version,subset,category,lang,item_id,"));
    assert_eq!(read("csv/poor.csv").lines().count(), 81);
    assert!(read("tables/tables.md").contains("| org/good |"), "{}", read("tables/tables.md"));
    assert!(read("tables/tables.tex").contains("\\begin{tabular}"));
    let summary: serde_json::Value =
        serde_json::from_str(&read("eval/scores/eval-set/org_good-deu_Latn.json")).unwrap();
    assert_eq!((summary["s"].as_f64(), summary["model"].as_str()), (Some(17.0 / 20.0), Some("org/good")));
    let report = run(dir.path(), &["report", "runs/org_good", "runs/poor", "--out", "report", "--format", "latex,md"]);
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    assert!(read("report/report.tex").ends_with("\\end{document}\n"));
}
