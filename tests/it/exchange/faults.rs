//! Values that are none: what is said of them, with the file and the row.

use rmbench::lang::Lang;
use rmbench::table::import::{ImportFormat, ImportOptions, Imported};
use serde_json::{Value, json};

use super::{imported, refusal, write};
use crate::command::transcript;

fn english() -> ImportOptions {
    ImportOptions { lang: Some(Lang::ENGLISH), ..ImportOptions::default() }
}

fn rewards(run: &Imported) -> Vec<Option<f32>> {
    run.rows.iter().map(|row| row.reward).collect()
}

/// What Python and pandas write for "there is none", in every format that they write.
#[test]
fn not_a_number_is_a_missing_score() {
    let dir = tempfile::tempdir().unwrap();
    let csv = write(dir.path(), "a.csv", "id,score_chosen,score_rejected\n1,NaN,0.5\n2,1,\n3,1,0\n");
    let lines = "{\"id\": 1, \"score_chosen\": NaN, \"score_rejected\": 0.5}\n{\"id\": 2, \"score_chosen\": 1, \"score_rejected\": null}\n{\"id\": \"NaN\", \"score_chosen\": 1, \"score_rejected\": 0}\n";
    let jsonl = write(dir.path(), "a.jsonl", lines);
    for path in [csv, jsonl] {
        let run = imported(ImportFormat::Table, &[path], &english()).remove(0);
        assert_eq!(rewards(&run), [None, Some(0.5), Some(1.0), None, Some(1.0), Some(0.0)]);
        assert!(run.notes.contains(&"2 of 3 items lack a score: they are missing".to_owned()), "{:?}", run.notes);
    }
    let v1 = "{\"model\": \"m\", \"id\": [1, 2], \"subset\": [\"hep-go\", \"hep-go\"], \"scores_chosen\": [NaN, 2], \"scores_rejected\": [0, 1]}";
    let path = write(dir.path(), "m.json", v1);
    let run = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default()).remove(0);
    assert_eq!(rewards(&run), [None, Some(0.0), Some(2.0), Some(1.0)]);
    let pair = "{\"pair_id\": 1, \"source\": \"s\", \"label\": \"A>B\", \"judgments\": [{\"judgment\": {\"scores\": [NaN, 1.0]}, \"decision\": null}]}";
    let path = write(dir.path(), "judge_model=j.jsonl", pair);
    let run = imported(ImportFormat::Judgebench, &[path], &ImportOptions::default()).remove(0);
    assert_eq!(rewards(&run), [None, None]);
    for text in ["Infinity", "-Infinity"] {
        let path =
            write(dir.path(), "b.jsonl", &format!("{{\"id\": 1, \"score_chosen\": {text}, \"score_rejected\": 0}}\n"));
        let (error, _) = refusal(ImportFormat::Table, &path, &english());
        assert!(error.contains("row 0") && error.contains("`Infinity` is no number"), "{error}");
    }
}

/// A result that says something is not thrown away because scores are missing; a score that is none is an error.
#[test]
fn results_stand_in_for_missing_scores() {
    let dir = tempfile::tempdir().unwrap();
    let read = |file: &Value| {
        let path = write(dir.path(), "m.json", &file.to_string());
        imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default()).remove(0)
    };
    let mut v1 = json!({"model": "m", "id": [1, 2, 3], "subset": ["hep-go", "hep-go", "hep-go"], "scores_chosen": [null, null, 3.0], "scores_rejected": [null, 1.0, 1.0], "results": [1, null, 1]});
    let run = read(&v1);
    assert_eq!(rewards(&run), [Some(1.0), Some(0.0), None, Some(1.0), Some(3.0), Some(1.0)]);
    assert!(run.notes.iter().any(|n| n.starts_with("1 items have a result and not all scores")), "{:?}", run.notes);
    assert!(run.notes.iter().any(|n| n == "1 of 3 items lack a score: they are missing"), "{:?}", run.notes);
    v1["scores_chosen"][1] = json!("x");
    let path = write(dir.path(), "m.json", &v1.to_string());
    let (error, hint) = refusal(ImportFormat::Rewardbench, &path, &ImportOptions::default());
    assert!(
        error.contains("m.json` row 1 (counted from 0): \"x\" is no score") && hint.contains("null"),
        "{error} {hint}"
    );
    // Without `num_correct`: best of four has one right response, Ties may have any number.
    let v2 = json!({"model": "m", "id": ["1", "2", "3"], "subset": ["Math", "Math", "Ties"], "scores": [[1, 0, 0, 0], [1, null, 0, 0], [3, 2, 1]], "results": [1, 0.5, 1]});
    let run = read(&v2);
    assert_eq!(run.n_items, 2);
    assert_eq!(rewards(&run)[4..], [Some(1.0), Some(1.0), Some(0.0), Some(0.0)], "shared with one other");
    assert!(run.notes.iter().any(|n| n.starts_with("1 items of Ties do not say how many")), "{:?}", run.notes);
}

/// Two that round to infinity would be a tie, one would be right: neither is a score.
#[test]
fn rewards_beyond_32_bits_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "big.jsonl", "{\"id\": 7, \"score_chosen\": 1e39, \"score_rejected\": 2e39}\n");
    let (error, hint) = refusal(ImportFormat::Table, &path, &english());
    assert!(error.contains("model `big`, item `7`: the reward 1e39 is beyond 32-bit numbers"), "{error}");
    assert!(hint.contains("divide"), "{hint}");
}

#[test]
fn what_the_command_line_says_of_bad_rows() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lang.csv", "id,language,score_chosen,score_rejected\n1,en,1,0\n2,klingon,1,0\n");
    write(dir.path(), "words.csv", "id,score_chosen,score_rejected\n1,high,0\n");
    write(dir.path(), "truth.csv", "id,results\n1,True\n2,False\n");
    let long = format!("id,model,results\n1,a,1\n1,{},0\n", "m".repeat(256));
    write(dir.path(), "long.csv", &long);
    write(
        dir.path(),
        "items.jsonl",
        "{\"id\": 1, \"language\": \"en\", \"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}\n",
    );
    let commands: &[&[&str]] = &[
        &["import", "table", "lang.csv", "--out", "a"],
        &["import", "table", "words.csv", "--lang", "en", "--out", "b"],
        &["import", "table", "truth.csv", "--lang", "en", "--out", "c"],
        &["import", "table", "truth.csv", "--items", "items.jsonl", "--column", "items.sauce=x", "--out", "d"],
        &["import", "table", "truth.csv", "--items", "items.jsonl", "--column", "items.source-id=x", "--out", "d"],
    ];
    let said: Vec<String> = commands.iter().map(|args| transcript(dir.path(), args)).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("exchange-faults", said.join("\n")));
    let said = transcript(dir.path(), &["import", "table", "long.csv", "--lang", "en", "--out", "e"]);
    assert!(
        said.contains("exit code 2") && said.contains("has 256 bytes") && said.contains("nothing was written"),
        "{said}"
    );
    assert!(!dir.path().join("e").exists(), "half an import is none");
}

/// Names of tasks say the language; filters are readings of the same samples.
#[test]
fn languages_and_filters_of_lm_eval() {
    let dir = tempfile::tempdir().unwrap();
    let choice = json!({"doc_id": 0, "target": 1, "filtered_resps": [["-2.0", "False"], ["-1.0", "True"]], "acc": 1.0, "filter": "none"});
    let task =
        |name: &str, text: &str| write(dir.path(), &format!("org__lm/samples_{name}_2025-01-01T00-00-00.jsonl"), text);
    let paths = ["belebele_arb_Arab", "xnli_fr", "piqa"].map(|name| task(name, &format!("{choice}\n")));
    let run = imported(ImportFormat::LmEval, &paths, &ImportOptions::default()).remove(0);
    let langs: Vec<(&str, &str)> = run.rows.iter().step_by(2).map(|row| (&*row.subset, row.lang.code())).collect();
    assert_eq!(langs, [("belebele_arb_Arab", "arb_Arab"), ("xnli_fr", "fra_Latn"), ("piqa", "eng_Latn")]);
    let notes = run.notes.join("\n");
    for part in ["belebele_arb_Arab is arb_Arab, xnli_fr is fra_Latn", "taken as English (--lang says another): piqa"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let given = ImportOptions { lang: Lang::from_code("deu_Latn"), ..ImportOptions::default() };
    let run = imported(ImportFormat::LmEval, &paths, &given).remove(0);
    assert!(run.rows.iter().all(|row| row.lang.code() == "deu_Latn"));

    let sample = |id: i32, filter: &str, right: i32| json!({"doc_id": id, "target": "5", "filtered_resps": ["5"], "filter": filter, "exact_match": right});
    let samples = [
        sample(0, "strict-match", 0),
        sample(0, "flexible-extract", 1),
        sample(1, "strict-match", 1),
        sample(1, "flexible-extract", 1),
    ];
    let path = task("gsm8k", &samples.map(|sample| format!("{sample}\n")).concat());
    let run = imported(ImportFormat::LmEval, &[path], &ImportOptions::default()).remove(0);
    let right = |benchmark: &str| {
        let rows = run.rows.iter().filter(|row| &*row.benchmark == benchmark && row.side.as_str() == "chosen");
        rows.map(|row| row.reward.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((right("gsm8k,strict-match"), right("gsm8k,flexible-extract")), (vec![0.0, 1.0], vec![1.0, 1.0]));
    assert!(
        run.notes.iter().any(|note| note.contains("read through flexible-extract, strict-match")),
        "{:?}",
        run.notes
    );
}
