//! JudgeBench: the 35 rows recomputed from its released outputs, from imported outputs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rmbench::report::findings::{FindingOptions, Scope};
use rmbench::table::import::{ImportFormat, ImportOptions, ScoreColumns};
use serde_json::{Value, json};

use super::{english, find, findings, imported, quick, write};

type Record = BTreeMap<String, String>;

fn records(name: &str) -> Vec<Record> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// Categories of one subset have their parts on the subset only.
fn scope(category: &str) -> Scope {
    match category {
        "overall" => Scope::Overall,
        "knowledge" => Scope::Category("Knowledge".into()),
        "coding" => Scope::Subset("livecodebench".into()),
        other => Scope::Subset(format!("livebench-{other}")),
    }
}

/// The released decisions, counted (`tests/reference/judgebench_decisions.py`), as files in JudgeBench's layout.
fn outputs() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for row in records("judgebench_decisions.csv") {
        let name = format!(
            "dataset=judgebench,response_model={},judge_name={},judge_model={}.jsonl",
            row["response_model"], row["judge"], row["judge_model"]
        );
        let (n, text) = files.entry(name).or_default();
        for _ in 0..row["pairs"].parse::<usize>().unwrap() {
            let decision = |name: &str| match row[name].as_str() {
                "" => Value::Null,
                said => json!(said),
            };
            let judgment = |name: &str| json!({"judgment": {"response": "…"}, "decision": decision(name)});
            let pair = json!({
                "pair_id": format!("pair-{n}"), "source": row["source"], "label": row["label"],
                "judgments": [judgment("first"), judgment("second")],
            });
            *n += 1;
            text.push_str(&format!("{pair}\n"));
        }
    }
    files.into_iter().map(|(name, (_, text))| (name, text)).collect()
}

#[test]
fn all_35_recomputed_rows_come_out_exactly() {
    let published = records("published/judgebench_recomputed_from_released_outputs.csv");
    assert_eq!(published.len(), 35);
    let files = outputs();
    assert_eq!(files.len(), 7);
    for (name, text) in files {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), &name, &text);
        let runs = imported(ImportFormat::Judgebench, &[path], &ImportOptions::default());
        let model = &runs[0].info.name;
        let findings = findings(dir.path(), &runs, &quick());
        let rows: Vec<&Record> =
            published.iter().filter(|r| r["judge_model"] == *model && name.contains(&r["response_model"])).collect();
        assert_eq!(rows.len(), 5, "{model}");
        for row in rows {
            let scope = scope(&row["category"]);
            let count = |metric: &str| {
                let estimate = find(&findings, 0, metric, &scope, &english()).estimate.unwrap();
                assert!(estimate.interval.is_some(), "{model} {metric} {scope:?}");
                (estimate.point * estimate.n as f64, estimate.n)
            };
            let number = |column: &str| row[column].parse::<f64>().unwrap();
            for (metric, column) in [
                ("accuracy", "pair_correct"),
                ("two-orders-first", "single_correct"),
                ("two-orders-inconsistent", "inconsistent"),
                ("two-orders-silent", "null"),
            ] {
                let (right, n) = count(metric);
                assert_eq!(n as f64, number("n"), "{model} {scope:?}");
                assert!((right - number(column)).abs() < 1e-9, "{model} {scope:?} {metric}: {right}");
            }
            let accuracy = 100.0 * count("accuracy").0 / number("n");
            assert!((accuracy - number("pair_acc")).abs() < 0.005 + 1e-9);
        }
    }
}

/// The scores of five reward models on 350 pairs: single-order rule, ties lost, ties half.
#[test]
fn reward_models_scores_give_their_25_rows() {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA").map(PathBuf::from) else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return;
    };
    let columns = [("score-a", "score_A"), ("score-b", "score_B"), ("label", "label")];
    let options = ImportOptions {
        benchmark: Some("judgebench".to_owned()),
        lang: Some(rmbench::lang::Lang::ENGLISH),
        columns: ScoreColumns::parse(columns.into_iter()).unwrap(),
        ..ImportOptions::default()
    };
    let runs = imported(ImportFormat::Table, &[dir.join("judgebench_rm_scores.parquet")], &options);
    assert_eq!(runs.len(), 5);
    let scratch = tempfile::tempdir().unwrap();
    let all = findings(scratch.path(), &runs, &quick());
    assert_eq!(all.warnings, Vec::<String>::new());
    let mut checked = 0;
    for row in records("published/judgebench_recomputed_from_released_outputs.csv") {
        let Some(run) = all.runs.iter().position(|run| run.name.replace('/', "_") == row["judge_model"]) else {
            continue;
        };
        let scope = scope(&row["category"]);
        let estimate = find(&all, run, "accuracy", &scope, &english()).estimate.unwrap();
        let right = estimate.point * estimate.n as f64;
        assert_eq!(estimate.n.to_string(), row["n"]);
        assert!((right - row["pair_correct"].parse::<f64>().unwrap()).abs() < 1e-9, "{} {scope:?}", row["judge_model"]);
        checked += 1;
    }
    assert_eq!(checked, 25);
    // The data sheet's values, ties counting half: as plain pairs.
    let plain = ImportOptions { benchmark: Some("plain".to_owned()), ..options };
    let runs = imported(ImportFormat::Table, &[dir.join("judgebench_rm_scores.parquet")], &plain);
    let half = FindingOptions { ties: Some(rmbench::metric::TiePolicy::Half), ..quick() };
    let all = findings(scratch.path(), &runs, &half);
    for (name, expected) in [
        ("internlm/internlm2-20b-reward", 63.43),
        ("internlm/internlm2-7b-reward", 59.43),
        ("Ray2333/GRM-Gemma-2B-rewardmodel-ft", 59.43),
        ("Skywork/Skywork-Reward-Gemma-2-27B", 64.71),
        ("Skywork/Skywork-Reward-Llama-3.1-8B", 62.43),
    ] {
        let run = all.runs.iter().position(|run| run.name == name).unwrap();
        let point = find(&all, run, "accuracy", &Scope::Overall, &english()).estimate.unwrap().point;
        assert!((100.0 * point - expected).abs() < 0.005, "{name}: {point}");
    }
}

/// In single-game mode the reference turns a tie into "B>A"; its decisions are taken on request only.
#[test]
fn a_tie_is_a_tie_unless_the_tools_decisions_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let judgment = json!({"judgment": {"scores": [[1.5], [1.5]]}, "decision": "B>A"});
    let pair = json!({"pair_id": "p", "source": "livebench-math", "label": "B>A", "judgments": [judgment]});
    let path = write(dir.path(), "judge_name=reward_model,judge_model=org_rm.jsonl", &format!("{pair}\n"));
    let scores = |decisions: bool| {
        let options = ImportOptions { decisions, ..ImportOptions::default() };
        let runs = imported(ImportFormat::Judgebench, std::slice::from_ref(&path), &options);
        assert_eq!(runs[0].info.kind, "scalar");
        find(&findings(dir.path(), &runs, &quick()), 0, "accuracy", &Scope::Subset("livebench-math".into()), &english())
            .estimate
            .unwrap()
            .point
    };
    assert_eq!((scores(false), scores(true)), (0.0, 1.0));
}
