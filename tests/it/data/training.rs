//! What only training reads: votes, soft labels, ties, rankings, ratings, single responses, prompts of one side.

use rmbench::benchmark::reader::{self, ReadCounts, ReadError, ReadOptions, Shape};
use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Role};
use serde_json::{Value, json};

use super::layouts::{jsonl, written};

fn options() -> ReadOptions {
    ReadOptions { lang: Some(Lang::ENGLISH), evidence: true, keep_ties: true, ..ReadOptions::default() }
}

fn read(rows: &[Value]) -> Result<(Vec<Comparison>, ReadCounts), ReadError> {
    reader::read_all(&jsonl(rows).path, &options())
}

fn one(row: Value) -> Comparison {
    let (mut items, _) = read(&[row]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn texts(item: &Comparison) -> (Vec<&str>, Vec<&str>) {
    let side = |responses: &'static str| -> Vec<&str> {
        let list = if responses == "chosen" { &item.chosen } else { &item.rejected };
        list.iter().map(|response| response.text.as_str()).collect()
    };
    (side("chosen"), side("rejected"))
}

#[test]
fn probabilities_votes_ties_reasons_and_users() {
    let pair = |label: Value| json!({"prompt": "p", "chosen": "a", "rejected": "b", "label": label});
    let (items, counts) = read(&[pair(json!(0.5)), pair(json!(0.8)), pair(json!(1.0)), pair(Value::Null)]).unwrap();
    let of: Vec<Option<f64>> = items.iter().map(|item| item.evidence.probability).collect();
    assert_eq!(of, [Some(0.5), Some(0.8), Some(1.0), None]);
    assert_eq!((items[0].evidence.is_tie(), items[1].evidence.is_tie(), counts.ties), (true, false, 0));
    // Not for training, ties are counted and the rest is not read.
    let file = jsonl(&[pair(json!(0.5)), pair(json!(0.8))]);
    let plain = ReadOptions { lang: Some(Lang::ENGLISH), ..ReadOptions::default() };
    let (items, counts) = reader::read_all(&file.path, &plain).unwrap();
    assert_eq!((items.len(), items[0].evidence.probability, counts.ties), (1, Some(0.8), 1));

    let row = json!({"prompt": "p", "chosen": "a", "rejected": "b", "n_votes_a": 3, "n_votes_b": 1,
                     "rationale": "clearer", "user_id": 17});
    let evidence = one(row).evidence;
    assert_eq!((evidence.votes, evidence.vote_share()), (Some([3.0, 1.0]), Some(0.75)));
    assert_eq!((evidence.rationale.as_deref(), evidence.user.as_deref()), (Some("clearer"), Some("17")));
}

/// HelpSteer3: the second response is better by 2, two of three annotators say so.
#[test]
fn verdicts_bring_strength_and_votes_in_the_order_of_the_sides() {
    let judged =
        json!([{"score": 3, "reasoning": "r"}, {"score": -1, "reasoning": "r"}, {"score": 2, "reasoning": "r"}]);
    let row = |preference: i64| {
        json!({"domain": "general", "language": "english", "context": [{"role": "user", "content": "p"}],
               "response1": "a", "response2": "b", "overall_preference": preference,
               "individual_preference": judged})
    };
    let item = one(row(2));
    assert_eq!(texts(&item), (vec!["b"], vec!["a"]));
    assert_eq!((item.margin, item.evidence.votes), (Some(2.0), Some([2.0, 1.0])));
    let tie = one(row(0));
    assert_eq!((texts(&tie), tie.margin, tie.evidence.is_tie()), ((vec!["a"], vec!["b"]), Some(0.0), true));
}

#[test]
fn rankings_become_best_against_the_rest() {
    let item = one(json!({"prompt": "p", "responses": ["x", "y", "z", "w"], "scores": [1.5, 3.0, 3.0, 0.0]}));
    assert_eq!(texts(&item), (vec!["y", "z"], vec!["x", "w"]));
    assert_eq!(item.evidence.ranks, [0, 0, 1, 2]);
    assert_eq!(item.evidence.ratings, [3.0, 3.0, 1.5, 0.0].map(Some));
    let item = one(json!({"prompt": "p", "responses": ["x", "y", "z"], "ranks": [2, 3, 1]}));
    assert_eq!((texts(&item), item.evidence.ranks.clone()), ((vec!["z"], vec!["x", "y"]), vec![0, 1, 2]));
    let (items, counts) = read(&[
        json!({"prompt": "p", "responses": ["x", "y"], "ranks": [1, 1]}),
        json!({"prompt": "p", "responses": ["x", "y"], "ranks": [2, 1]}),
    ])
    .unwrap();
    assert_eq!((items.len(), counts.ties), (1, 1));
    for (scores, column) in [(json!([1, 2, 3]), "scores"), (json!([1, null]), "scores"), (json!("x"), "scores")] {
        let error = read(&[json!({"prompt": "p", "responses": ["x", "y"], "scores": scores})]).unwrap_err();
        assert!(matches!(&error, ReadError::Row { row: 0, column: c, .. } if c == column), "{error}");
    }
}

#[test]
fn single_responses_with_one_rating_several_or_none() {
    let ratings = |row: Value| {
        let item = one(row);
        assert_eq!((texts(&item), item.is_pair()), ((vec!["a"], vec![]), false));
        item.evidence.ratings
    };
    assert_eq!(ratings(json!({"prompt": "p", "response": "a", "label": true})), [Some(1.0)]);
    assert_eq!(ratings(json!({"prompt": "p", "response": "a", "label": 0})), [Some(0.0)]);
    assert_eq!(ratings(json!({"prompt": "p", "response": "a", "score": 2.5})), [Some(2.5)]);
    let several = ratings(json!({"prompt": "p", "response": "a", "scores": [1, null, 3.5]}));
    assert_eq!(several, [Some(1.0), None, Some(3.5)]);
    assert!(ratings(json!({"prompt": "p", "response": "a"})).is_empty());
    // Elsewhere such a file is none of pairs.
    let file = jsonl(&[json!({"prompt": "p", "response": "a", "score": 2.5})]);
    let plain = ReadOptions { lang: Some(Lang::ENGLISH), ..ReadOptions::default() };
    assert!(matches!(reader::read_all(&file.path, &plain), Err(ReadError::Columns { .. })));
    assert_eq!(reader::layout(&file.path, &options()).unwrap().shape, Shape::Points);
}

#[test]
fn sides_may_have_prompts_of_their_own() {
    let item = one(json!({"prompt_chosen": "p", "chosen": "a", "prompt_rejected": "q", "rejected": "b"}));
    assert_eq!(item.prompt.plain_text(), "p");
    assert_eq!(item.prompt_of(&item.chosen[0]).plain_text(), "p");
    assert_eq!(item.prompt_of(&item.rejected[0]).plain_text(), "q");
}

#[test]
fn criteria_go_into_the_system_turn() {
    let mut options = options();
    options.columns.criteria = Some("criteria_x".into());
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let file = jsonl(&[
        json!({"prompt": [turn("user", "p")], "chosen": "a", "rejected": "b", "criteria_x": "be brief"}),
        json!({"prompt": [turn("system", "s"), turn("user", "p")], "chosen": "a", "rejected": "b", "criteria_x": "c"}),
    ]);
    let (items, _) = reader::read_all(&file.path, &options).unwrap();
    let first = |i: usize| (items[i].prompt.0[0].role, items[i].prompt.0[0].content.clone());
    assert_eq!(first(0), (Role::System, "be brief".to_owned()));
    assert_eq!(first(1), (Role::System, "s\n\nc".to_owned()));
}

#[test]
fn rows_that_contradict_themselves_are_refused() {
    for (row, column) in [
        (json!({"prompt": "p", "chosen": "a", "rejected": "b", "n_votes_a": 1, "n_votes_b": null}), "n_votes_b"),
        (json!({"prompt": "p", "chosen": "a", "rejected": "b", "n_votes_a": -1, "n_votes_b": 0}), "n_votes_a"),
        (json!({"prompt": "p", "chosen": "a", "rejected": "b", "label": 0.2}), "label"),
    ] {
        let good = json!({"prompt": "p", "chosen": "a", "rejected": "b", "n_votes_a": 2, "n_votes_b": 1, "label": 0.7});
        let error = read(&[good, row]).unwrap_err();
        assert!(matches!(&error, ReadError::Row { row: 1, column: c, .. } if c == column), "{error}");
    }
}

/// A column of the usual name that holds something else is left alone, unless it is asked for.
#[test]
fn columns_that_only_sound_right_are_not_read() {
    let row = json!({"prompt": "p", "chosen": "a", "rejected": "b", "rationale": {"x": 1}, "user_id": [1, 2]});
    let item = one(row.clone());
    assert_eq!((item.evidence.rationale, item.evidence.user), (None, None));
    let mut options = options();
    options.columns.rationale = Some("rationale".into());
    assert!(matches!(reader::read_all(&jsonl(&[row]).path, &options), Err(ReadError::Row { .. })));
}

/// The same from columns of numbers, as CSV and as Parquet hold them.
#[test]
fn other_formats_hold_the_same() {
    let file = written("votes.csv", "prompt,chosen,rejected,n_votes_a,n_votes_b\np,a,b,4,1\n");
    let (items, _) = reader::read_all(&file.path, &options()).unwrap();
    assert_eq!(items[0].evidence.votes, Some([4.0, 1.0]));
}
