//! A server that answers 429, 500, garbage, half a reply, nothing for a while: no verdict is lost, none counted
//! twice, and what comes out are the bytes of a run without trouble.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{ChatServer, Fault};
use crate::command::rmbench;

/// Pairs in three languages; in every fourth the rejected answer is called good, in every fifth both.
pub fn write_pairs(path: &Path, n: usize) {
    let mut text = String::new();
    for i in 0..n {
        for lang in ["eng_Latn", "arb_Arab", "zho_Hans"] {
            let (chosen, rejected) = match i {
                i if i % 5 == 4 => ("a good answer", "another good answer"),
                i if i % 4 == 3 => ("a poor answer", "a good answer"),
                _ => ("a good answer", "a poor answer"),
            };
            let row = json!({"id": format!("item-{i}"), "language": lang, "prompt": format!("Question {i} in {lang}?"),
                "chosen": chosen, "rejected": rejected, "subset": if i % 2 == 0 { "even" } else { "odd" }});
            text.push_str(&format!("{row}\n"));
        }
    }
    fs::write(path, text).unwrap();
}

/// A command that judges `pairs.jsonl` of a directory, with a cache of its own and short waits.
pub fn judge(dir: &Path, server: &ChatServer, cache: &str, out: &str, more: &[&str]) -> Command {
    let spec = server.spec();
    let cache = format!("endpoint.cache={cache}");
    let mut args =
        vec!["score", "--model", spec.as_str(), "--judge", "pairwise", "--pairs", "pairs.jsonl", "--out", out];
    args.extend(["--set", cache.as_str(), "--set", "endpoint.first-wait=0.02", "--set", "shard-size=10"]);
    args.extend(more);
    let mut command = rmbench(dir, &args);
    command
        .env_remove("RMBENCH_ENDPOINT_KEY")
        .env_remove("OPENAI_API_KEY")
        .env("XDG_CACHE_HOME", dir.join("user-cache"));
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

fn tables(dir: &Path, out: &str) -> [Vec<u8>; 2] {
    ["scores.parquet", "judgments.parquet"].map(|name| fs::read(dir.join(out).join(name)).unwrap())
}

const N: usize = 15;
/// Three languages, two orders.
const QUESTIONS: usize = N * 3 * 2;

#[test]
fn trouble_changes_no_byte_and_loses_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), N);
    let server = ChatServer::start();
    succeeds(&mut judge(dir.path(), &server, "calm-cache", "calm", &[]));
    assert_eq!(server.answered(), (QUESTIONS, QUESTIONS));
    let calm = tables(dir.path(), "calm");

    server.forget();
    let faults = [
        Fault::Status(429, Some(0.05)),
        Fault::Status(500, None),
        Fault::Garbage,
        Fault::Half,
        Fault::Silence(Duration::from_millis(1500)),
        Fault::Empty,
        Fault::Status(503, Some(0.1)),
        Fault::Close,
        Fault::Status(429, None),
    ];
    server.fail(&faults, 3);
    let said = succeeds(&mut judge(dir.path(), &server, "storm-cache", "storm", &["--set", "endpoint.timeout=1.0"]));
    assert!(tables(dir.path(), "storm") == calm, "trouble changed the result");
    assert_eq!(server.answered(), (QUESTIONS, QUESTIONS), "every question has one whole answer");
    // Requests number 0, 1, 2, 0, 1, 2, … fail so many times.
    assert_eq!(server.attempts(), QUESTIONS * 2);
    assert!(said.contains(&format!("{QUESTIONS} replies, 0 more from the cache, {QUESTIONS} tried again")), "{said}");
}

#[test]
fn a_second_run_costs_nothing_and_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), N);
    let server = ChatServer::start();
    succeeds(&mut judge(dir.path(), &server, "cache", "first", &[]));
    server.forget();
    let said = succeeds(&mut judge(dir.path(), &server, "cache", "second", &[]));
    assert_eq!(server.attempts(), 0);
    assert!(said.contains(&format!("0 replies, {QUESTIONS} more from the cache")), "{said}");
    assert!(tables(dir.path(), "second") == tables(dir.path(), "first"));
    // Without a cache the questions are asked again, with the same result.
    succeeds(&mut judge(dir.path(), &server, "off", "third", &[]));
    assert_eq!(server.answered().1, QUESTIONS);
    assert!(tables(dir.path(), "third") == tables(dir.path(), "first"));
    assert!(!dir.path().join("off").exists());
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), N);
    let server = ChatServer::start();
    succeeds(&mut judge(dir.path(), &server, "calm-cache", "calm", &[]));
    server.forget();
    server.delay(Duration::from_millis(15));
    server.fail(&[Fault::Half, Fault::Status(500, None)], 3);
    let mut more: Vec<&str> = vec!["--set", "endpoint.concurrency=3"];
    for wanted in [12, 40] {
        let mut child = judge(dir.path(), &server, "cut-cache", "cut", &more).spawn().unwrap();
        let begun = Instant::now();
        while server.answered().1 < wanted && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the run was over before it could be killed");
        if !more.contains(&"--resume") {
            more.push("--resume");
        }
    }
    succeeds(&mut judge(dir.path(), &server, "cut-cache", "cut", &more));
    assert!(tables(dir.path(), "cut") == tables(dir.path(), "calm"), "a kill changed the result");
    let (questions, answers) = server.answered();
    assert_eq!(questions, QUESTIONS);
    // Only what was under way at a kill is asked again: three requests each time.
    assert!(answers <= QUESTIONS + 6, "{answers} answers to {QUESTIONS} questions");
}

#[test]
fn a_server_that_stays_away_stops_the_run_and_resume_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), N);
    let server = ChatServer::start();
    succeeds(&mut judge(dir.path(), &server, "calm-cache", "calm", &[]));
    server.forget();
    // The second of every two distinct requests fails nine times.
    server.fail(&[Fault::Status(500, None)], 10);
    let few = ["--set", "endpoint.attempts=3"];
    let output = judge(dir.path(), &server, "c", "run", &few).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("500: invented trouble (3 attempts)") && said.contains("--resume goes on"), "{said}");
    // Recorded instead: such questions are errors, kept apart, and the run is incomplete.
    let record = [&few[..], &["--set", "endpoint.on-failure=record"]].concat();
    let output = judge(dir.path(), &server, "other", "recorded", &record).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code().is_some_and(|code| code < 2) && said.contains("without a reply"), "{said}");
    server.fail(&[], 0);
    succeeds(&mut judge(dir.path(), &server, "c", "run", &["--resume"]));
    assert!(tables(dir.path(), "run") == tables(dir.path(), "calm"));
}

#[test]
fn a_budget_is_kept_and_a_larger_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), N);
    let server = ChatServer::start();
    let small =
        ["--set", "judge.max-tokens=50", "--set", "endpoint.budget-tokens=6000", "--set", "judge.prices.*=[1.0, 2.0]"];
    let output = judge(dir.path(), &server, "c", "run", &small).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("the budget is used up"), "{}", stderr(&output));
    let spent = server.tokens();
    assert!(spent > 1000 && spent <= 6000, "{spent}");
    let priced = [
        "--set",
        "judge.max-tokens=50",
        "--set",
        "judge.prices.*=[1.0, 2.0]",
        "--resume",
        "--set",
        "endpoint.budget-money=9",
    ];
    succeeds(&mut judge(dir.path(), &server, "c", "run", &priced));
    assert_eq!(server.answered(), (QUESTIONS, QUESTIONS), "nothing is bought twice");
}

#[test]
fn no_more_requests_at_a_time_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 6);
    let server = ChatServer::start();
    server.delay(Duration::from_millis(10));
    succeeds(&mut judge(dir.path(), &server, "c", "run", &["--set", "endpoint.concurrency=4"]));
    assert!((2..=4).contains(&server.busiest()), "{}", server.busiest());
}

#[test]
fn keys_go_to_the_server_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    let server = ChatServer::start();
    const KEY: &str = "sk-invented-0123456789";
    succeeds(judge(dir.path(), &server, "c", "run", &[]).env("RMBENCH_ENDPOINT_KEY", KEY));
    let bearer = format!("Bearer {KEY}");
    assert!(server.authorizations().iter().all(|sent| sent.as_deref() == Some(&bearer)));
    let mut open = vec![dir.path().to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", path.display());
        }
    }
    // OpenAI's own key is for OpenAI.
    server.forget();
    succeeds(judge(dir.path(), &server, "d", "other", &[]).env("OPENAI_API_KEY", KEY));
    assert!(server.authorizations().iter().all(Option::is_none));
    // A server that repeats the key in its complaint.
    server.only(Some((401, json!({"error": {"message": format!("wrong key {KEY}")}}))));
    let output = judge(dir.path(), &server, "e", "refused", &[]).env("RMBENCH_ENDPOINT_KEY", KEY).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("wrong key [key]") && said.contains("RMBENCH_ENDPOINT_KEY") && !said.contains(KEY), "{said}");
}

#[test]
fn questions_that_no_server_takes_stop_the_run() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 6);
    let server = ChatServer::start();
    server.only(Some((400, json!({"error": {"message": "unknown field `seed`"}}))));
    let output = judge(dir.path(), &server, "c", "run", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("were all rejected") && said.contains("unknown field `seed`") && said.contains("judge.omit"),
        "{said}"
    );
}
