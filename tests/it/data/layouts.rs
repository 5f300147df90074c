//! Every layout the reader recognises, on files of a few rows.

use std::path::PathBuf;

use rmbench::benchmark::columns::{ColumnMap, Part};
use rmbench::benchmark::reader::{self, Layout, ReadCounts, ReadError, ReadOptions, Shape};
use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Role};
use serde_json::{Value, json};

/// A file in a directory that goes away with it.
pub struct Written {
    _dir: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn written(name: &str, content: impl AsRef<[u8]>) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    Written { _dir: dir, path }
}

pub fn jsonl(rows: &[Value]) -> Written {
    written("pairs.jsonl", rows.iter().map(|row| format!("{row}\n")).collect::<String>())
}

fn english() -> ReadOptions {
    ReadOptions { lang: Some(Lang::ENGLISH), ..ReadOptions::default() }
}

struct Read {
    items: Vec<Comparison>,
    counts: ReadCounts,
    layout: Layout,
}

fn read(file: &Written, options: &ReadOptions) -> Result<Read, ReadError> {
    let (items, counts) = reader::read_all(&file.path, options)?;
    Ok(Read { items, counts, layout: reader::layout(&file.path, options)? })
}

fn one(row: Value) -> (Comparison, Layout) {
    let mut read = read(&jsonl(&[row]), &english()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(read.items.len(), 1);
    (read.items.remove(0), read.layout)
}

fn texts(item: &Comparison) -> (String, Vec<&str>, Vec<&str>) {
    let side = |responses: &'static str| {
        let list = if responses == "chosen" { &item.chosen } else { &item.rejected };
        list.iter().map(|response| response.text.as_str()).collect()
    };
    (item.prompt.plain_text(), side("chosen"), side("rejected"))
}

fn user(content: &str) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: &str) -> Value {
    json!({"role": "assistant", "content": content})
}

#[test]
fn canonical_pairs() {
    let (item, layout) = one(json!({
        "id": "a", "source_id": "s", "language": "deu_Latn", "prompt": "P", "chosen": "C", "rejected": "R",
        "subset": "sub", "category": "cat", "source": "where it came from", "chosen_model": "m1", "rejected_model": null,
        "margin": [0.5], "label": 1.0
    }));
    assert_eq!((item.id.as_str(), item.source.as_str(), item.lang.code()), ("a", "s", "deu_Latn"));
    assert_eq!((item.subset.as_str(), item.category.as_deref(), item.margin), ("sub", Some("cat"), Some(0.5)));
    assert_eq!(item.chosen[0].model.as_deref(), Some("m1"));
    assert_eq!(item.rejected[0].model, None);
    assert_eq!(texts(&item), ("P".to_owned(), vec!["C"], vec!["R"]));
    assert_eq!((layout.shape, layout.unused), (Shape::Pairs, vec!["source".to_owned()]));
}

#[test]
fn a_context_of_messages_is_a_prompt_and_one_of_text_is_not() {
    let (item, layout) = one(json!({
        "context": [{"role": "system", "content": ""}, user("a"), assistant("b"), user("c")], "chosen": "C", "rejected": "R"
    }));
    let roles: Vec<Role> = item.prompt.0.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    assert_eq!((item.id.as_str(), item.subset.as_str()), ("row-0", "all"));
    assert!(layout.to_string().contains("named by their position"));

    let (item, layout) = one(json!({"prompt": "P", "context": "a passage", "chosen": "C", "rejected": "R"}));
    assert_eq!(item.prompt.plain_text(), "P");
    assert_eq!(layout.unused, ["context"]);
}

#[test]
fn explicit_prompts_with_messages() {
    // TRL: the sides hold the assistant turns alone.
    let (item, _) = one(json!({"prompt": [user("Q")], "chosen": [assistant("C")], "rejected": [assistant("R")]}));
    assert_eq!(texts(&item), ("Q".to_owned(), vec!["C"], vec!["R"]));
    // The prompt as text, the sides with the whole conversation.
    let (item, layout) =
        one(json!({"prompt": "Q", "chosen": [user("Q"), assistant("C")], "rejected": [user("Q"), assistant("R")]}));
    assert_eq!(texts(&item), ("Q".to_owned(), vec!["C"], vec!["R"]));
    assert_eq!(layout.shape, Shape::Pairs);
    // The same behind a system turn that the prompt column leaves out.
    let system = json!({"role": "system", "content": "S"});
    let (item, _) = one(json!({
        "prompt": "Q", "chosen": [system, user("Q"), assistant("C")], "rejected": [system, user("Q"), assistant("R")]
    }));
    assert_eq!(texts(&item), ("S\nQ".to_owned(), vec!["C"], vec!["R"]));
    // ShareGPT's names, a record per side, content in parts.
    let (item, _) = one(json!({
        "conversations": [{"from": "human", "value": "Q"}],
        "chosen": {"from": "gpt", "value": "C"},
        "rejected": {"role": "assistant", "content": [{"type": "text", "text": "R"}]}
    }));
    assert_eq!(texts(&item), ("Q".to_owned(), vec!["C"], vec!["R"]));
    // Turns as a plain list alternate.
    let (item, _) = one(json!({"prompt": ["a", "b", "c"], "chosen": "C", "rejected": "R"}));
    assert_eq!(item.prompt.0[1].role, Role::Assistant);
}

#[test]
fn implicit_prompts() {
    let (item, layout) = one(json!({
        "chosen": [user("Q"), assistant("hm"), user("go on"), assistant("C")],
        "rejected": [user("Q"), assistant("hm"), user("go on"), assistant("R")]
    }));
    assert_eq!(texts(&item), ("Q\nhm\ngo on".to_owned(), vec!["C"], vec!["R"]));
    assert_eq!((layout.shape, layout.name), (Shape::CompletePairs, Some("TRL, implicit prompt")));
    let (item, _) = one(json!({
        "chosen": "\n\nHuman: Q\n\nAssistant: same C", "rejected": "\n\nHuman: Q\n\nAssistant: same R"
    }));
    assert_eq!(texts(&item), ("Q".to_owned(), vec!["same C"], vec!["same R"]));
    let (item, _) = one(json!({"chosen": "Q?\nYes, of course", "rejected": "Q?\nYesterday"}));
    assert_eq!(texts(&item), ("Q?\n".to_owned(), vec!["Yes, of course"], vec!["Yesterday"]));
}

#[test]
fn m_rewardbench_current_and_older_exports() {
    let current = json!({
        "id": 30, "language": "arb_Arab", "prompt": "P", "chosen": "C", "rejected": "R", "chosen_model": "m",
        "rejected_model": "n", "source": "alpacaeval-easy", "category": "Chat"
    });
    let (item, layout) = one(current);
    assert_eq!((item.id.as_str(), item.source.as_str(), item.subset.as_str()), ("30", "30", "alpacaeval-easy"));
    assert_eq!(layout.name, Some("M-RewardBench"));
    let older = json!({
        "id": 30, "language": "eng_Latn", "prompt": "P", "chosen": "C", "rejected": "R", "chosen_model": "m",
        "rejected_model": "n", "subset": "hep-cpp"
    });
    assert_eq!(one(older).0.subset.as_str(), "hep-cpp");
}

#[test]
fn rewardbench_has_no_language_and_says_so() {
    let row = json!({
        "id": 1, "prompt": "P", "chosen": "C", "rejected": "R", "chosen_model": "m", "rejected_model": "n", "subset": "s"
    });
    let file = jsonl(&[row]);
    let error = reader::open(&file.path, &ReadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("no language column"), "{error}");
    assert!(error.hint().unwrap().contains("which language"));
    let read = read(&file, &english()).unwrap();
    assert_eq!((read.items[0].lang, read.layout.name), (Lang::ENGLISH, Some("RewardBench")));
}

#[test]
fn rewardbench_2_has_several_responses() {
    let row = |correct: u32| {
        json!({
            "id": "tied:1", "prompt": "P", "chosen": ["A", "B"], "rejected": ["C", "D", "E"], "num_correct": correct,
            "num_incorrect": 3, "total_completions": 5, "models": ["a", "b", "c", "d", "e"], "subset": "Ties"
        })
    };
    let (item, layout) = one(row(2));
    assert_eq!(texts(&item), ("P".to_owned(), vec!["A", "B"], vec!["C", "D", "E"]));
    assert_eq!(layout.name, Some("RewardBench 2"));
    let error = read(&jsonl(&[row(1)]), &english()).err().unwrap();
    assert!(error.to_string().contains("expected 1 responses, found 2"), "{error}");
}

#[test]
fn rm_bench_has_styles() {
    let row = |rejected: Value| json!({"id": "r", "prompt": "P", "chosen": ["a", "b", "c"], "rejected": rejected, "domain": "chat"});
    let text = json!([row(json!(["d", "e", "f"])), row(json!(["d", "e"]))]).to_string();
    let file = written("total_dataset.json", text);
    let options = ReadOptions { skip_bad_rows: true, ..english() };
    let read = read(&file, &options).unwrap();
    let variants: Vec<_> = read.items[0].responses().filter_map(|r| r.variant.as_deref()).collect();
    assert_eq!(variants, ["concise", "detailed", "markdown", "concise", "detailed", "markdown"]);
    assert_eq!(read.items[0].subset.as_str(), "chat");
    assert_eq!(read.counts.skipped.get("wrong number of responses"), Some(&1));
    // A subset given by the caller leaves the domain to be the category.
    let options = ReadOptions { subset: Some("rm-bench".to_owned()), limit: Some(1), ..english() };
    let (items, _) = reader::read_all(&file.path, &options).unwrap();
    assert_eq!((items[0].subset.as_str(), items[0].category.as_deref()), ("rm-bench", Some("chat")));
}

#[test]
fn helpsteer_preferences_are_signed() {
    let row = |preference: i32, domain: &str, language: &str| {
        json!({
            "domain": domain, "language": language, "context": [user("Q")], "response1": "one", "response2": "two",
            "overall_preference": preference, "individual_preference": [{"score": preference, "reasoning": "…"}]
        })
    };
    let rows = [
        row(-3, "general", "english"),
        row(2, "multilingual", "german"),
        row(0, "stem", "english"),
        row(1, "code", "python"),
    ];
    let read = read(&jsonl(&rows), &ReadOptions::default()).unwrap();
    let found: Vec<_> =
        read.items.iter().map(|i| (texts(i).1[0], i.lang.code(), i.margin, i.subset.as_str())).collect();
    assert_eq!(
        found,
        [
            ("one", "eng_Latn", Some(3.0), "general"),
            ("two", "deu_Latn", Some(2.0), "multilingual"),
            ("two", "eng_Latn", Some(1.0), "code"),
        ]
    );
    assert_eq!((read.counts.rows, read.counts.ties), (4, 1));
}

#[test]
fn verdicts_in_words() {
    let row = |label: &str| {
        json!({
            "pair_id": "p", "original_id": "o", "source": "mmlu-pro-law", "question": "Q", "response_model": "m",
            "response_A": "a", "response_B": "b", "label": label
        })
    };
    let read = read(&jsonl(&[row("A>B"), row("B>A"), row("A=B")]), &english()).unwrap();
    let chosen: Vec<_> = read.items.iter().map(|item| texts(item).1[0]).collect();
    assert_eq!((chosen, read.counts.ties), (vec!["a", "b"], 1));
    assert_eq!((read.items[0].id.as_str(), read.items[0].subset.as_str()), ("p", "mmlu-pro-law"));
    assert_eq!(read.layout.name, Some("JudgeBench"));

    // Numbers in a column of open meaning are not guessed at.
    let numeric = json!({"prompt": "P", "response_a": "a", "response_b": "b", "preference": 1});
    let error = reader::open(&jsonl(&[numeric]).path, &english()).err().unwrap();
    assert!(error.hint().unwrap().contains("overall_preference"), "{error}");
}

#[test]
fn soft_labels_that_prefer_neither_are_ties() {
    let row = |label: f64| json!({"prompt": "P", "chosen": "C", "rejected": "R", "label": label});
    let options = ReadOptions { skip_bad_rows: true, ..english() };
    let read = read(&jsonl(&[row(0.9), row(0.5), row(0.1)]), &options).unwrap();
    assert_eq!((read.items.len(), read.counts.ties), (1, 1));
    assert_eq!(read.counts.skipped.get("unknown label"), Some(&1));
}

#[test]
fn a_map_wins_over_names() {
    let row = json!({"key": 7, "q": "P", "good": "C", "bad": "R", "tongue": "Swahili", "prompt": "no", "group": "g"});
    let columns = ColumnMap {
        id: Some("key".into()),
        prompt: Some("q".into()),
        chosen: Some("good".into()),
        rejected: Some("bad".into()),
        language: Some("tongue".into()),
        subset: Some("group".into()),
        // One column may play two parts.
        category: Some("group".into()),
        ..ColumnMap::default()
    };
    let options = ReadOptions { columns, ..ReadOptions::default() };
    let file = jsonl(&[row]);
    let read = read(&file, &options).unwrap();
    let item = &read.items[0];
    assert_eq!(texts(item), ("P".to_owned(), vec!["C"], vec!["R"]));
    assert_eq!((item.id.as_str(), item.lang.code(), item.subset.as_str()), ("7", "swh_Latn", "g"));
    assert_eq!(item.category.as_deref(), Some("g"));
    assert_eq!(read.layout.column(Part::Chosen), Some("good"));

    let columns = ColumnMap { chosen: Some("goood".into()), ..options.columns };
    let error = reader::open(&file.path, &ReadOptions { columns, ..ReadOptions::default() }).err().unwrap();
    assert!(error.to_string().contains("no column `goood` for chosen (columns: key, q, good"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("did you mean `good`?"));
}

#[test]
fn columns_that_make_no_data_are_refused_with_a_hint() {
    for (row, problem, hint) in [
        (json!({"text": "x"}), "no columns for chosen and rejected", "map the columns"),
        (json!({"prompt": "P", "response_a": "a", "response_b": "b"}), "no column for the verdict", "map the column"),
        (json!({"chosen_ids": [1], "rejected_ids": [2]}), "token ids", "text version"),
        (
            json!({"instruction": "I", "input": "in", "chosen": "C", "rejected": "R"}),
            "several columns that could be the prompt: instruction, input",
            "whole prompt",
        ),
    ] {
        let error = reader::open(&jsonl(&[row]).path, &english()).err().unwrap();
        assert!(error.to_string().contains(problem), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error}");
    }
}

#[test]
fn bad_rows_are_refused_with_their_place_or_counted() {
    let good = json!({"id": 1, "language": "fr", "prompt": "P", "chosen": "C", "rejected": "R"});
    let with = |key: &str, value: Value| {
        let mut row = good.clone();
        row[key] = value;
        row
    };
    let bad = [
        (with("chosen", json!(null)), "chosen", "null"),
        (with("rejected", json!("  \n")), "rejected", "empty"),
        (with("prompt", json!(3)), "prompt", "wrong type"),
        (with("language", json!("Frnch")), "language", "unknown language"),
        (with("id", json!(null)), "id", "null"),
        (with("prompt", json!([user("Q"), assistant("A")])), "prompt", "unusable messages"),
        (with("chosen", json!([{"role": "owl", "content": "hu"}])), "chosen", "unusable messages"),
        (with("chosen", json!([assistant("A")])), "rejected", "unusable messages"),
        (with("chosen", json!([])), "chosen", "empty"),
    ];
    for (row, column, reason) in &bad {
        let error = read(&jsonl(&[good.clone(), row.clone()]), &ReadOptions::default()).err().unwrap();
        let ReadError::Row { row: 1, column: found, problem, hint, .. } = &error else { panic!("{error}") };
        assert_eq!((found.as_str(), problem.reason()), (*column, *reason), "{error}");
        assert!(hint.is_some());
        assert!(error.to_string().contains("row 1 (counted from 0)"), "{error}");
    }
    let rows: Vec<Value> = std::iter::once(good.clone()).chain(bad.iter().map(|(row, _, _)| row.clone())).collect();
    let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
    let read = read(&jsonl(&rows), &options).unwrap();
    assert_eq!((read.items.len(), read.counts.rows, read.counts.n_skipped()), (1, 10, 9));
    assert_eq!(read.counts.skipped.get("unusable messages"), Some(&3));
}

#[test]
fn languages_beyond_the_table_are_read_and_counted() {
    let row = |language: &str| json!({"language": language, "prompt": "P", "chosen": "C", "rejected": "R"});
    let read = read(&jsonl(&[row("gsw_Latn"), row("hin_Latn"), row("sr-Latn")]), &ReadOptions::default()).unwrap();
    let codes: Vec<_> = read.items.iter().map(|item| item.lang.to_string()).collect();
    assert_eq!(codes, ["gsw_Latn", "hin_Latn", "srp_Latn"]);
    assert_eq!(read.counts.unlisted.len(), 2);
    let typo = jsonl(&[row("deu_Lant")]);
    let error = reader::read_all(&typo.path, &ReadOptions::default()).unwrap_err();
    assert!(error.hint().unwrap().contains("deu_Latn"), "{error}");
}
