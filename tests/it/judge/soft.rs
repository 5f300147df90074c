//! Verdicts from log-probabilities over HTTP, of both APIs.

use std::path::Path;

use rmbench::judge::Outcome;
use rmbench::table::item::ItemTable;
use rmbench::table::judgment::{JudgmentFile, JudgmentRow};

use super::faults::{judge, succeeds, write_pairs};
use super::one_letter;
use super::server::ChatServer;
use crate::command::rmbench;

const SOFT: [&str; 2] = ["--set", "judge.verdicts=soft"];

fn rows(dir: &Path, out: &str) -> Vec<JudgmentRow> {
    JudgmentFile::open(&dir.join(out).join("judgments.parquet")).unwrap().rows().unwrap()
}

/// Rewards of both responses of an Arabic item.
fn rewards(dir: &Path, out: &str, id: &str) -> [f32; 2] {
    let table = ItemTable::load(&[dir.join(out)]).unwrap();
    let is_it =
        |key: &&rmbench::table::item::ItemKey| table.symbols.name(key.item) == id && key.lang.code() == "arb_Arab";
    let at = table.items.iter().position(|key| is_it(&key)).unwrap();
    let item = table.item(0, at);
    [item.chosen[0].unwrap(), item.rejected[0].unwrap()]
}

fn near(found: [f32; 2], expected: f64) {
    let expected = [expected, 1.0 - expected];
    assert!(found.iter().zip(expected).all(|(f, e)| (f64::from(*f) - e).abs() < 1e-6), "{found:?}, {expected:?}");
}

/// Of 7 : 2 (a third letter is none of the two) the vote is 7/9 for the letter, in both orders; of 4 : 4 it is none, where the
/// verdict itself is the first one each time.
#[test]
fn letters_are_weighed_over_chat() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 15);
    let server = ChatServer::start();
    succeeds(&mut judge(dir.path(), &server, "c", "soft", &SOFT));
    let found = rows(dir.path(), "soft");
    assert_eq!(found.len(), 90);
    assert!(found.iter().all(|row| row.judgment.probabilities.as_ref().is_some_and(|p| p.len() == 2)));
    near(rewards(dir.path(), "soft", "item-0"), 7.0 / 9.0);
    near(rewards(dir.path(), "soft", "item-3"), 2.0 / 9.0);
    near(rewards(dir.path(), "soft", "item-4"), 0.5);
    // The same requests, so nothing is asked again; now every verdict counts whole.
    succeeds(&mut judge(dir.path(), &server, "c", "hard", &["--set", "judge.log-probs=true"]));
    assert_eq!(server.attempts(), 90);
    near(rewards(dir.path(), "hard", "item-0"), 1.0);
}

/// The same over completions, whose log-probabilities have another form.
#[test]
fn letters_are_weighed_over_completions() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 5);
    let server = ChatServer::start();
    let more = [&SOFT[..], &["--set", "judge.api=completions"]].concat();
    succeeds(&mut judge(dir.path(), &server, "c", "soft", &more));
    near(rewards(dir.path(), "soft", "item-0"), 7.0 / 9.0);
    near(rewards(dir.path(), "soft", "item-3"), 2.0 / 9.0);
    near(rewards(dir.path(), "soft", "item-4"), 0.5);
}

/// Yes and no of 8 : 1, by either API; with words alone it is 1 or 0, and that is said.
#[test]
fn yes_and_no_are_weighed_over_both() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 5);
    let server = ChatServer::start();
    let spec = server.spec();
    let of = |out: &str, more: &[&str]| {
        let args = ["score", "--model", spec.as_str(), "--judge", "yes-no", "--pairs", "pairs.jsonl", "--out", out];
        succeeds(&mut rmbench(dir.path(), &[&args[..], &["--set", "endpoint.cache=off"], more].concat()))
    };
    for (out, api) in [("chat", "judge.api=chat"), ("completions", "judge.api=completions")] {
        let said = of(out, &["--set", api]);
        assert!(!said.contains("no probabilities"), "{said}");
        let found = rows(dir.path(), out);
        assert!(
            found.iter().all(|row| row.judgment.outcome == Outcome::Verdict && row.judgment.probabilities.is_some())
        );
        let [chosen, rejected] = rewards(dir.path(), out, "item-0");
        assert!((chosen - 8.0 / 9.0).abs() < 1e-6 && (rejected - 1.0 / 9.0).abs() < 1e-6, "{chosen} {rejected}");
    }
    server.keep_log_probs();
    let said = of("words", &[]);
    assert!(said.contains("probabilities"), "{said}");
    assert_eq!(rewards(dir.path(), "words", "item-0"), [1.0, 0.0]);
    assert!(rows(dir.path(), "words").iter().all(|row| row.judgment.probabilities.is_none()));
}

/// What a reply begins with is a bias of token ids behind a server, for replies of one token; without ids it is refused.
#[test]
fn first_tokens_are_a_bias_where_they_are_known() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    std::fs::write(dir.path().join("first.toml"), one_letter(r#"first = ["A", "B"]"#)).unwrap();
    let server = ChatServer::start();
    server.say(r#""logit_bias":{"32":100,"362":100,"33":100}"#, "B");
    let spec = server.spec();
    let run = |out: &str, more: &[&str]| {
        let args = ["score", "--model", spec.as_str(), "--judge", "first.toml", "--pairs", "pairs.jsonl", "--out", out];
        let output =
            rmbench(dir.path(), &[&args[..], &["--set", "endpoint.cache=off"], more].concat()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let known = ["--set", "judge.first-tokens.A=[32, 362]", "--set", "judge.first-tokens.B=[33]"];
    let (code, said) = run("known", &known);
    assert_eq!(code, Some(0), "{said}");
    assert!(rows(dir.path(), "known").iter().all(|row| row.judgment.picked == Some(1)));
    let (code, said) = run("unknown", &["--set", "judge.first-tokens.A=[32]"]);
    assert!(code == Some(2) && said.contains("lacks the token ids of `B`"), "{said}");
    let (code, said) = run("long", &[&known[..], &["--set", "judge.max-tokens=5"]].concat());
    assert!(code == Some(2) && said.contains("holds for the whole reply"), "{said}");
    let (code, said) = run("grades", &[&known[..], &["--set", "judge.verdicts=grades"]].concat());
    assert!(code == Some(2) && said.contains("asks for none"), "{said}");
}
