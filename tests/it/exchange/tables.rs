//! Any table of scores: columns by their usual names or named, joins with the benchmark's data.

use std::collections::BTreeMap;

use rmbench::lang::Lang;
use rmbench::report::findings::{Languages, Scope};
use rmbench::table::import::{ImportFormat, ImportOptions, ScoreColumns};
use serde_json::json;

use super::{find, findings, imported, quick, refusal, wmt23, write};

fn columns(pairs: &[(&'static str, &'static str)]) -> ScoreColumns {
    ScoreColumns::parse(pairs.iter().copied()).unwrap()
}

#[test]
fn a_table_with_models_in_rows() {
    let dir = tempfile::tempdir().unwrap();
    let text =
        "id,lang,domain,metric,good,bad\n1,de,news,a,0.5,0.25\n1,de,news,b,0.1,0.9\n2,de,news,a,1,1\n2,de,news,b,3,2\n";
    let path = write(dir.path(), "scores.csv", text);
    let options = ImportOptions {
        columns: columns(&[("score-chosen", "good"), ("score-rejected", "bad")]),
        ..ImportOptions::default()
    };
    let runs = imported(ImportFormat::Table, std::slice::from_ref(&path), &options);
    assert_eq!(runs.iter().map(|r| (r.info.name.as_str(), r.n_items)).collect::<Vec<_>>(), [("a", 2), ("b", 2)]);
    let row = &runs[0].rows[0];
    assert_eq!((row.benchmark.as_ref(), row.subset.as_ref(), row.lang.code()), ("scores", "news", "deu_Latn"));
    assert!(runs[0].notes.iter().any(|note| note.contains("lengths of responses are not known")));
    let found = findings(dir.path(), &runs, &quick());
    let deu = Languages::One(Lang::from_code("deu_Latn").unwrap());
    assert_eq!(find(&found, 0, "accuracy", &Scope::Overall, &deu).estimate.unwrap().point, 0.5);
    // Unknown lengths give no baseline instead of a wrong one.
    let longest = find(&found, 0, "longest-wins", &Scope::Overall, &deu);
    assert!(longest.estimate.is_none() && longest.why.is_some(), "{longest:?}");

    let (error, hint) = refusal(ImportFormat::Table, &path, &ImportOptions::default());
    assert!(error.contains("has no columns with scores (columns: id, lang, domain, metric, good, bad)"), "{error}");
    assert!(hint.contains("score-chosen=NAME"), "{hint}");
    let misspelt = ImportOptions { columns: columns(&[("score-chosen", "goood")]), ..ImportOptions::default() };
    let (error, hint) = refusal(ImportFormat::Table, &path, &misspelt);
    assert!(error.contains("has no column `goood` for score-chosen") && hint.contains("`good`"), "{error} {hint}");
    let renamed = ImportOptions { model: Some("x".to_owned()), ..options };
    let (error, hint) = refusal(ImportFormat::Table, &path, &renamed);
    assert!(error.contains("2 models") && hint.contains("a, b"), "{error} {hint}");
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let no_language = write(dir.path(), "a.jsonl", "{\"score_chosen\": 1, \"score_rejected\": 0}\n");
    let (error, hint) = refusal(ImportFormat::Table, &no_language, &ImportOptions::default());
    assert!(error.ends_with("a.jsonl` row 0 (counted from 0): there is no language"), "{error}");
    assert!(hint.contains("--lang"), "{hint}");
    let text = "{\"id\": 1, \"lang\": \"de\", \"result\": 1}\n{\"id\": 2, \"lang\": \"de\", \"result\": 0.3}\n";
    let odd = write(dir.path(), "b.jsonl", text);
    let (error, _) = refusal(ImportFormat::Table, &odd, &ImportOptions::default());
    assert!(error.contains("row 1") && error.contains("neither 1, 0 nor 0.5"), "{error}");
    let text = "{\"id\": 1, \"lang\": \"de\", \"result\": 1}\n{\"id\": 1, \"lang\": \"de\", \"result\": 0}\n";
    let twice = write(dir.path(), "c.jsonl", text);
    let (error, hint) = refusal(ImportFormat::Table, &twice, &ImportOptions::default());
    assert!(error.contains("item `1` (deu_Latn)") && hint.contains("`model`"), "{error} {hint}");
}

#[test]
fn items_are_joined_by_id_and_stand_beside_scored_runs() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &str| json!({"id": id, "source_id": format!("s-{id}"), "language": "fr", "prompt": "p", "chosen": "oui, bien", "rejected": "non", "subset": "x", "category": "C"});
    let items = write(dir.path(), "bench.jsonl", &format!("{}\n{}\n", row("1"), row("2")));
    let scores = write(
        dir.path(),
        "s.jsonl",
        "{\"id\": 1, \"score_chosen\": [1.0], \"score_rejected\": 0.5}\n{\"id\": 9, \"score_chosen\": 1, \"score_rejected\": 0}\n",
    );
    let options = ImportOptions { items: vec![items], ..ImportOptions::default() };
    let runs = imported(ImportFormat::Table, &[scores], &options);
    let rows = &runs[0].rows;
    assert_eq!((rows.len(), rows[2].reward), (4, None), "item 2 is missing");
    assert_eq!((rows[0].benchmark.as_ref(), rows[0].source_id.as_ref(), rows[0].n_chars), ("bench", "s-1", 9));
    assert_eq!((rows[0].category.as_deref(), rows[0].lang.code()), (Some("C"), "fra_Latn"));
    assert!(rows[0].benchmark_version.starts_with("sha256:"));
    assert!(
        runs[0].notes.iter().any(|n| n.contains("1 name no item of the data (first: `9` of `s.jsonl`)")),
        "{:?}",
        runs[0].notes
    );
}

#[test]
fn samples_of_lm_eval() {
    let dir = tempfile::tempdir().unwrap();
    let sample = |id: i32, target: &str| json!({"doc_id": id, "doc": {}, "target": target, "filtered_resps": [[-1.0, true], [-2.0, false]], "acc": 0.0});
    let text = format!("{}\n{}\n", sample(0, "0"), sample(1, "1"));
    let path = write(dir.path(), "org__lm/samples_pick_one_2025-01-01T00-00-00.jsonl", &text);
    let runs = imported(ImportFormat::LmEval, &[path], &ImportOptions::default());
    assert_eq!((runs[0].info.name.as_str(), runs[0].rows[0].subset.as_ref()), ("org/lm", "pick_one"));
    let found = findings(dir.path(), &runs, &quick());
    assert_eq!(find(&found, 0, "accuracy", &Scope::Overall, &super::english()).estimate.unwrap().point, 0.5);
}

/// 18 real metrics on 3,910 pairs: counts as polars has them (`tests/reference/wmt23_accuracy.py`).
#[test]
fn the_metrics_of_wmt23_are_18_models() {
    let Some(runs) = wmt23() else { return };
    assert_eq!(runs.len(), 18);
    assert!(runs.iter().all(|run| run.n_items == 3910 && run.rows.iter().all(|row| row.n_chars > 0)));
    let scratch = tempfile::tempdir().unwrap();
    let found = findings(scratch.path(), &runs, &quick());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wmt23_accuracy.csv");
    let rows: Vec<BTreeMap<String, String>> =
        csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 18 * 6);
    for row in rows {
        let run = found.runs.iter().position(|run| run.name == row["model"]).unwrap();
        let lang = match &row["subset"][10..15] {
            "en-de" => "deu_Latn",
            "he-en" => "heb_Hebr",
            _ => "zho_Hans",
        };
        let lang = Languages::One(Lang::from_code(lang).unwrap());
        let finding = find(&found, run, "accuracy", &Scope::Subset(row["subset"].clone()), &lang);
        let estimate = finding.estimate.unwrap();
        let right = estimate.point * estimate.n as f64;
        assert_eq!(estimate.n.to_string(), row["n"]);
        assert!((right - row["right"].parse::<f64>().unwrap()).abs() < 1e-6, "{row:?}: {right}");
        assert_eq!(finding.n_ties.to_string(), row["ties"], "{row:?}");
    }
}

/// Four pairs of graded responses. Gold prefers first, second, neither, first; a judge's grades prefer first, first,
/// neither, neither, so two pairs are right. Gold 5 3 2 4 3 3 5 1, judged 5 4 4 2 3 3 4 4: F1 of 1 is 0, of 2 is 0,
/// of 3 is 2·2/(3 + 2), of 4 is 0 of 1 + 4, of 5 is 2·1/(2 + 1); scikit-learn's macro-F1 of these is 0.29333….
#[test]
fn graded_responses() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [(5, 3, 5.0, 4.0), (2, 4, 4.0, 2.0), (3, 3, 3.0, 3.0), (5, 1, 4.0, 4.0)];
    let text: String = rows
        .iter()
        .enumerate()
        .map(|(i, (a, b, x, y))| {
            format!(
                "{}\n",
                json!({"id": i, "lang": "sw", "subset": "tone", "grade_a": a, "grade_b": b, "score_a": x, "score_b": y})
            )
        })
        .collect();
    let path = write(dir.path(), "judge.jsonl", &text);
    let map = [
        ("score-chosen", "score_a"),
        ("score-rejected", "score_b"),
        ("chosen-grade", "grade_a"),
        ("rejected-grade", "grade_b"),
    ];
    let options =
        ImportOptions { benchmark: Some("menlo".to_owned()), columns: columns(&map), ..ImportOptions::default() };
    let runs = imported(ImportFormat::Table, &[path], &options);
    assert_eq!(runs[0].rows[0].variant.as_deref(), Some("grade 5"));
    let found = findings(dir.path(), &runs, &quick());
    let swahili = Languages::One(Lang::from_code("swh_Latn").unwrap());
    let point = |metric: &str| find(&found, 0, metric, &Scope::Subset("tone".into()), &swahili).estimate.unwrap().point;
    assert_eq!(point("accuracy"), 0.5);
    assert!((point("grade-macro-f") - (0.8 + 2.0 / 3.0) / 5.0).abs() < 1e-12, "{}", point("grade-macro-f"));
    assert!((point("grade-exact") - 3.0 / 8.0).abs() < 1e-12);
    // Distances 0 1 2 2 0 0 1 3 sum to 9, by chance to 10.25; squares to 19, by chance to 20.5.
    assert!((point("grade-kappa-linear") - (1.0 - 9.0 / 10.25)).abs() < 1e-12);
    assert!((point("grade-kappa-quadratic") - (1.0 - 19.0 / 20.5)).abs() < 1e-12);
}

/// The reader of data gives grades to the score table, and pairs with equal grades stay.
#[test]
fn graded_data_are_read_with_a_column_map() {
    use rmbench::benchmark::catalog;
    use rmbench::benchmark::reader::{ReadOptions, read_all};
    let dir = tempfile::tempdir().unwrap();
    let row = |a: i32, b: i32| json!({"language": "sw", "prompt": "p", "response_a": "x", "response_b": "y", "grade_a": a, "grade_b": b, "dimension": "tone"});
    let path = write(dir.path(), "menlo.jsonl", &format!("{}\n{}\n", row(4, 4), row(1, 5)));
    let columns = catalog::find("menlo").unwrap().data.columns;
    let (items, counts) = read_all(&path, &ReadOptions { columns: columns.clone(), ..ReadOptions::default() }).unwrap();
    assert_eq!((items.len(), counts.ties), (2, 0));
    let grades: Vec<_> =
        items.iter().flat_map(|item| item.responses()).map(|r| r.variant.as_deref().unwrap()).collect();
    assert_eq!(grades, ["grade 4", "grade 4", "grade 1", "grade 5"]);
    let odd = write(dir.path(), "odd.jsonl", &format!("{}\n", row(4, 0)));
    let error = read_all(&odd, &ReadOptions { columns, ..ReadOptions::default() }).unwrap_err().to_string();
    assert!(error.contains("column `grade_b`: expected a grade from 1 to 9"), "{error}");
}
