//! How scores find the items of the benchmark's data: by id, by text, by position, and what is said of it.

use std::collections::BTreeSet;
use std::path::Path;

use rmbench::benchmark::columns::ColumnMap;
use rmbench::report::findings::Scope;
use rmbench::table::import::{ImportFormat, ImportOptions, Imported};
use rmbench::table::item::ItemTable;
use rmbench::table::store::write_table;
use serde_json::{Value, json};

use super::{english, find, findings, imported, quick, refusal, wmt23, write};
use crate::command::run;

/// Pairs of `hep-go` with ids from 10 on; what was said differs from pair to pair.
fn data(dir: &Path, n: usize) -> ImportOptions {
    let row = |i: usize| json!({"id": 10 + i, "prompt": format!("question {i}"), "chosen": format!("good {i}"), "rejected": format!("bad {i}"), "subset": "hep-go", "chosen_model": "x", "rejected_model": "y"});
    let text: String = (0..n).map(|i| format!("{}\n", row(i))).collect();
    ImportOptions { items: vec![write(dir, "data.jsonl", &text)], ..ImportOptions::default() }
}

/// A v1 file of these ids; the score of the pair with id 10 + i is i.
fn v1(ids: &[i64]) -> Value {
    let n = ids.len();
    json!({
        "model": "org/rm", "model_type": "Seq. Classifier", "id": ids, "subset": vec!["hep-go"; n],
        "scores_chosen": ids.iter().map(|id| (id - 10) as f64).collect::<Vec<_>>(), "scores_rejected": vec![-1.0; n],
        "results": vec![1; n],
    })
}

fn read(dir: &Path, file: &Value, options: &ImportOptions) -> Imported {
    let path = write(dir, "rm.json", &file.to_string());
    imported(ImportFormat::Rewardbench, &[path], options).remove(0)
}

/// Item id and reward of the chosen responses.
fn chosen(run: &Imported) -> Vec<(String, Option<f32>)> {
    let rows = run.rows.iter().filter(|row| row.side.as_str() == "chosen");
    rows.map(|row| (row.item_id.to_string(), row.reward)).collect()
}

fn says(run: &Imported, note: &str) {
    assert!(run.notes.iter().any(|own| own.contains(note)), "{note}: {:?}", run.notes);
}

#[test]
fn ids_say_which_item_it_is_not_positions() {
    let dir = tempfile::tempdir().unwrap();
    let options = data(dir.path(), 5);
    // Item 11 has no score: the later ones keep theirs, and 11 is missing.
    let run = read(dir.path(), &v1(&[10, 12, 13, 14]), &options);
    let expected = [("10", Some(0.0)), ("12", Some(2.0)), ("13", Some(3.0)), ("14", Some(4.0)), ("11", None)];
    assert_eq!(chosen(&run), expected.map(|(id, reward)| (id.to_owned(), reward)));
    assert_eq!((run.n_items, run.n_responses), (4, 8));
    says(&run, "4 items joined with --items by id");
    says(
        &run,
        "1 of the data's 5 items in the subsets and languages that were scored have no scores: they are missing",
    );
    let found = findings(dir.path(), &[run], &quick());
    let accuracy = find(&found, 0, "accuracy", &Scope::Subset("hep-go".into()), &english()).estimate.unwrap();
    assert_eq!((accuracy.n, accuracy.n_missing), (4, 1));
    // Scores of no item are left out and named; nothing but such is an error.
    let run = read(dir.path(), &v1(&[14, 13, 12, 11, 10, 15, 16]), &options);
    assert_eq!(chosen(&run)[0], ("14".to_owned(), Some(4.0)));
    says(
        &run,
        "5 items joined with --items by id; 2 name no item of the data (first: `15` of `rm.json`) and were left out",
    );
    let path = write(dir.path(), "rm.json", &v1(&[20, 21, 22, 23, 24]).to_string());
    let (error, hint) = refusal(ImportFormat::Rewardbench, &path, &options);
    assert!(
        error.contains("0 items joined with --items; 5 name no item") && hint.contains("items.id"),
        "{error} {hint}"
    );
}

#[test]
fn texts_say_it_where_ids_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let options = data(dir.path(), 4);
    let order = [2, 0, 3, 1];
    let scores: Vec<f64> = order.iter().map(|i| f64::from(*i)).collect();
    let mut file = v1(&[10, 11, 12, 13]);
    file["scores_chosen"] = json!(scores);
    // Conversations through a template, and the responses alone.
    let rendered = |i: i32, side: &str| format!("<|user|>\nquestion {i}\n<|assistant|>\n{side} {i}<|end|>\n");
    for exact in [false, true] {
        let of = |side: &str| {
            let text = |i: &i32| if exact { format!("{side} {i}\n") } else { rendered(*i, side) };
            order.iter().map(text).collect::<Vec<_>>()
        };
        (file["text_chosen"], file["text_rejected"]) = (json!(of("good")), json!(of("bad")));
        for ids in [json!([10, 11, 12, 13]), json!([7, 7, 7, 7]), Value::Null] {
            file["id"] = ids;
            let run = read(dir.path(), &file, &options);
            let right = chosen(&run).iter().all(|(id, reward)| id.parse::<f32>().unwrap() - 10.0 == reward.unwrap());
            assert!(right && run.n_items == 4, "{:?} {:?}", chosen(&run), run.notes);
            says(&run, "4 items joined with --items by text");
        }
    }
    // Texts that are nobody's do not take the ids away, and are said.
    file["id"] = json!([10, 11, 12, 13]);
    file["text_chosen"] = json!(["a", "b", "c", "d"]);
    let run = read(dir.path(), &file, &options);
    assert_eq!(chosen(&run)[0], ("10".to_owned(), Some(2.0)));
    says(&run, "4 items joined with --items by id; of 4 the texts differ from the data's");
}

#[test]
fn positions_only_where_nothing_else_says_it_and_counts_agree() {
    let dir = tempfile::tempdir().unwrap();
    let options = data(dir.path(), 3);
    let mut file = v1(&[10, 11, 12]);
    file["id"] = json!([5, 5, 5]);
    let run = read(dir.path(), &file, &options);
    assert_eq!(chosen(&run).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["10", "11", "12"]);
    says(&run, "3 items joined with --items by position");
    let mut short = v1(&[10, 11]);
    short["id"] = Value::Null;
    let path = write(dir.path(), "rm.json", &short.to_string());
    let (error, hint) = refusal(ImportFormat::Rewardbench, &path, &options);
    assert!(
        error.contains("2 scores of subset `hep-go` without usable ids, the data of subset `hep-go` 3 items"),
        "{error}"
    );
    assert!(hint.contains("by position"), "{hint}");
    // Any table: its order says nothing.
    let options = ImportOptions { lang: Some(rmbench::lang::Lang::ENGLISH), ..options };
    let table = write(dir.path(), "s.csv", "score_chosen,score_rejected\n1,0\n1,0\n1,0\n");
    let (error, hint) = refusal(ImportFormat::Table, &table, &options);
    assert!(error.contains("row 0") && error.contains("no id to join") && hint.contains("id=NAME"), "{error} {hint}");
    let twice = write(dir.path(), "t.csv", "id,score_chosen,score_rejected\n10,1,0\n11,1,0\n10,0,1\n");
    let (error, hint) = refusal(ImportFormat::Table, &twice, &options);
    assert!(error.contains("row 2 (counted from 0): it is item `10` of the data, as row 0 is"), "{error}");
    assert!(hint.contains("model=NAME"), "{hint}");
    let wide = write(dir.path(), "w.jsonl", "{\"id\": 10, \"score_chosen\": [1], \"score_rejected\": [0, 1, 2]}\n");
    let (error, _) = refusal(ImportFormat::Table, &wide, &options);
    assert!(error.contains("row 0") && error.contains("item `10` has another number of responses"), "{error}");
}

/// Texts that are found elsewhere take positions away, even where some text is two items'.
#[test]
fn positions_that_texts_contradict_are_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let row =
        |i: usize, good: &str| json!({"id": i, "prompt": "p", "chosen": good, "rejected": "bad", "subset": "hep-go"});
    let rows = ["one", "two", "same", "same"].into_iter().enumerate();
    let text: String = rows.map(|(i, good)| format!("{}\n", row(i, good))).collect();
    let options = ImportOptions { items: vec![write(dir.path(), "data.jsonl", &text)], ..ImportOptions::default() };
    let mut file = v1(&[10, 11, 12, 13]);
    file["id"] = Value::Null;
    file["text_rejected"] = json!(["bad", "bad", "bad", "bad"]);
    file["text_chosen"] = json!(["two", "one", "same", "same"]);
    let run = read(dir.path(), &file, &options);
    let expected = [("1", Some(0.0)), ("0", Some(1.0)), ("2", None), ("3", None)];
    assert_eq!(chosen(&run), expected.map(|(id, reward)| (id.to_owned(), reward)));
    says(&run, "2 items joined with --items by text; 2 name no item of the data");
    file["text_chosen"] = json!(["one", "two", "same", "same"]);
    let run = read(dir.path(), &file, &options);
    assert!(chosen(&run).iter().all(|(id, reward)| id.parse::<f32>().ok() == *reward), "{:?}", chosen(&run));
    says(&run, "4 items joined with --items by position");
}

/// RewardBench 2 counts ids anew in every domain.
#[test]
fn an_id_of_one_subset_is_no_item_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: usize, subset: &str| json!({"id": id.to_string(), "prompt": "p", "chosen": ["a"], "rejected": ["b", "c", "d"], "subset": subset});
    let rows = [row(0, "Math"), row(1, "Math"), row(0, "Focus"), row(1, "Focus"), row(2, "Focus")];
    let text = rows.map(|row| format!("{row}\n")).concat();
    let options = ImportOptions { items: vec![write(dir.path(), "rb2.jsonl", &text)], ..ImportOptions::default() };
    let file = json!({"model": "m", "id": ["0", "2"], "subset": ["Math", "Math"], "scores": [[1, 0, 0, 0], [1, 0, 0, 0]], "num_correct": [1, 1]});
    let run = read(dir.path(), &file, &options);
    assert!(run.rows.iter().all(|row| &*row.subset == "Math"), "{:?}", run.rows);
    says(&run, "1 items joined with --items by id; 1 name no item of the data (first: `2` of `rm.json`)");
    says(&run, "1 of the data's 2 items");
}

/// The fault of ids that most v2 files have: mended, and then joined like others.
#[test]
fn the_known_fault_of_version_2_is_joined_by_the_mended_ids() {
    let dir = tempfile::tempdir().unwrap();
    let row = |i: usize| json!({"id": i.to_string(), "prompt": format!("q {i}"), "chosen": ["a"], "rejected": ["b", "c", "d"], "subset": "Factuality"});
    let text: String = (0..41).map(|i| format!("{}\n", row(i))).collect();
    let options = ImportOptions { items: vec![write(dir.path(), "rb2.jsonl", &text)], ..ImportOptions::default() };
    let ids: Vec<String> = (30..40).chain(10..41).map(|n: i32| n.to_string()).collect();
    let scores: Vec<[f64; 4]> = (0..41).map(|i| [f64::from(i), -1.0, -1.0, -1.0]).collect();
    let file = json!({"model": "m", "id": ids, "subset": vec!["Factuality"; 41], "scores": scores, "num_correct": vec![1; 41], "results": vec![1; 41]});
    let run = read(dir.path(), &file, &options);
    assert!(chosen(&run).iter().all(|(id, reward)| id.parse::<f32>().ok() == *reward), "{:?}", chosen(&run));
    says(&run, "the first ten ids of Factuality read 30-39; they are 0-9");
    says(&run, "41 items joined with --items by id");
}

#[test]
fn judgments_and_style_matrices_are_joined_too() {
    let dir = tempfile::tempdir().unwrap();
    let judgment = |decision: &str| json!({"judgment": {"response": "…"}, "decision": decision});
    let pair = |id: i32, judgments: Vec<Value>| json!({"pair_id": id, "source": "livebench-math", "label": "B>A", "response_A": "no", "response_B": "yes, it is", "judgments": judgments});
    let both = pair(5, vec![judgment("B>A"), judgment("A>B")]);
    let item = json!({"pair_id": "5", "source": "livebench-math", "question": "q", "response_A": "no", "response_B": "yes, it is", "label": "B>A"});
    let other = json!({"pair_id": "6", "source": "livebench-math", "question": "r", "response_A": "x", "response_B": "z", "label": "B>A"});
    let items = write(dir.path(), "jb.jsonl", &format!("{item}\n{other}\n"));
    let options = ImportOptions { items: vec![items], ..ImportOptions::default() };
    let path = write(dir.path(), "judge_model=org_judge.jsonl", &both.to_string());
    let run = imported(ImportFormat::Judgebench, &[path], &options).remove(0);
    assert_eq!(run.rows.iter().map(|row| row.n_chars).collect::<Vec<_>>(), [10, 10, 2, 2], "whole-number ids are ids");
    says(&run, "1 items joined with --items by id");
    says(&run, "1 of the data's 2 items");
    let path = write(dir.path(), "judge_model=org_other.jsonl", &pair(5, vec![judgment("A>B"); 3]).to_string());
    let (error, _) = refusal(ImportFormat::Judgebench, &path, &ImportOptions::default());
    assert!(error.contains("row 0") && error.contains("3 judgments"), "{error}");
    let mut nameless = pair(5, vec![judgment("A>B")]);
    nameless["source"] = Value::Null;
    let path = write(dir.path(), "judge_model=org_third.jsonl", &nameless.to_string());
    let (error, _) = refusal(ImportFormat::Judgebench, &path, &ImportOptions::default());
    assert!(error.contains("`source` is missing"), "{error}");

    let item = json!({"id": "m-1", "prompt": "p", "domain": "math", "chosen": ["a", "bb", "ccc"], "rejected": ["a", "b", "dddd"]});
    let items = write(dir.path(), "rmb.json", &json!([item]).to_string());
    let options = ImportOptions { items: vec![items], ..ImportOptions::default() };
    let scores =
        json!([{"id": "m-1", "domain": "math", "score_chosen": [1.0, 2.0, 3.0], "score_rejected": [[0.0], 0.5, 1.0]}]);
    let path = write(dir.path(), "GRM/total_dataset_GRM_REWORD_MODEL_x.json", &scores.to_string());
    let run = imported(ImportFormat::RmBench, &[path], &options).remove(0);
    assert_eq!(run.rows.iter().map(|row| row.n_chars).collect::<Vec<_>>(), [1, 2, 3, 1, 1, 4]);
    says(&run, "1 items joined with --items by id");
    let samples = write(dir.path(), "org__lm/samples_x_2025-01-01.jsonl", "{}");
    let (error, hint) = refusal(ImportFormat::LmEval, &samples, &options);
    assert!(error.contains("--items is not read") && hint.contains("leave --items out"), "{error} {hint}");
}

/// A over B and B over C of one text, and the same id in another language, are one source.
#[test]
fn sources_of_translations_are_their_prompts() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &str, lang: &str, prompt: &str, category: &str| json!({"id": id, "language": lang, "prompt": prompt, "chosen": format!("c {id}"), "rejected": "r", "subset": "s", "category": category, "origin": format!("o-{id}")});
    let rows = [
        row("1", "de", "Translate: A", "Translation"),
        row("2", "de", "Translate: A", "Translation"),
        row("3", "de", "Translate: B", "Translation"),
        row("2", "zh", "翻译: A", "Translation"),
        row("4", "zh", "翻译: A", "Translation"),
        row("5", "de", "Translate: A", "Chat"),
    ];
    let items = write(dir.path(), "wmt.jsonl", &rows.each_ref().map(|row| format!("{row}\n")).concat());
    let scored =
        rows.map(|row| json!({"id": row["id"], "language": row["language"], "score_chosen": 1, "score_rejected": 0}));
    let scores = write(dir.path(), "scores.jsonl", &scored.map(|row| format!("{row}\n")).concat());
    let sources = |options: &ImportOptions| {
        let run = imported(ImportFormat::Table, std::slice::from_ref(&scores), options).remove(0);
        let rows = run.rows.iter().filter(|row| row.side.as_str() == "chosen");
        (rows.map(|row| row.source_id.to_string()).collect::<Vec<_>>(), run)
    };
    let mut options = ImportOptions { items: vec![items], ..ImportOptions::default() };
    let (found, run) = sources(&options);
    assert_eq!(found, ["1", "1", "3", "1", "1", "5"], "a chat of the same words is no translation");
    says(&run, "the data name no source texts: 5 translations are of 2, found by their prompts");
    options.item_columns = ColumnMap::of_pairs([("source-id", "origin")].into_iter()).unwrap();
    let (found, run) = sources(&options);
    assert_eq!(found, ["o-1", "o-2", "o-3", "o-2", "o-4", "o-5"]);
    assert!(!run.notes.iter().any(|note| note.contains("prompts")), "{:?}", run.notes);
}

/// A run that was scored here on data without sources stands beside an import that found them.
#[test]
fn sources_that_one_run_knows_hold_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &str| json!({"id": id, "language": "de", "prompt": "Translate: A", "chosen": format!("c {id}"), "rejected": "r", "subset": "s", "category": "Translation"});
    let items = write(dir.path(), "wmt.jsonl", &["1", "2"].map(|id| format!("{}\n", row(id))).concat());
    let scores = write(dir.path(), "m.csv", "id,language,score_chosen,score_rejected\n1,de,1,0\n2,de,1,0\n");
    let output = run(dir.path(), &["score", "--model", "mock:length", "--pairs", "wmt.jsonl", "--out", "run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let options = ImportOptions { items: vec![items], ..ImportOptions::default() };
    let found = imported(ImportFormat::Table, &[scores], &options).remove(0);
    let path = dir.path().join("imported.parquet");
    write_table(&path, &found.info, &found.rows).unwrap();
    let scored = dir.path().join("run");
    for paths in [[scored.clone(), path.clone()], [path.clone(), scored.clone()]] {
        let table = ItemTable::load(&paths).unwrap();
        let sources: Vec<&str> = table.items.iter().map(|key| table.symbols.name(key.source)).collect();
        assert_eq!((sources, table.runs.len()), (vec!["1", "1"], 2));
    }
}

/// The 3,910 real pairs are of 2,240 source texts.
#[test]
fn sources_of_wmt23() {
    let Some(runs) = wmt23() else { return };
    let sources: BTreeSet<&str> = runs[0].rows.iter().map(|row| &*row.source_id).collect();
    assert_eq!(sources.len(), 2240);
    says(&runs[0], "3910 translations are of 2240, found by their prompts");
    assert!(runs.iter().all(|run| !run.notes.iter().any(|note| note.contains("have no scores"))));
}
