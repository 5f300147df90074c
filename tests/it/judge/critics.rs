//! Judges that write before they judge, judges that grade, and all kinds of reward models in one report; on the same synthetic
//! task as the other lifts.

use std::fs;
use std::path::Path;

use rmbench::judge::Outcome;
use rmbench::table::item::ItemTable;
use rmbench::table::judgment::JudgmentFile;
use serde_json::Value;

use super::lifts::{Found, does, is_lifted, judge, place, train};
use super::server::ChatServer;

const CRITIQUE: &str = r#"
name = "tiny-critique"
title = "Tiny"
about = "A few words on one short answer."
papers = ["ours"]
shows = 1

[ask]
max-tokens = 12

[[message]]
role = "user"
text = "{{ responses[0] }} Good?"

[verdict]
place = "head"
meaning = "reward"
"#;

const GRADES: &str = r#"
name = "tiny-grades"
title = "Tiny"
about = "Two short answers, two grades."
papers = ["ours"]
shows = 2

[ask]
max-tokens = 12

[[message]]
role = "user"
text = "A: {{ responses[0] }} B: {{ responses[1] }} Better?"

[verdict]
place = { delimited = { open = "[[", close = "]]" } }
meaning = { grades = { min = 1, max = 2 } }
"#;

/// How often a run's rewards prefer the chosen answer, and how many of its judgments have a verdict.
fn by_rewards(dir: &Path, out: &str) -> Found {
    let table = ItemTable::load(&[dir.join(out)]).unwrap();
    let right = (0..table.items.len()).filter(|at| {
        let item = table.item(0, *at);
        item.chosen[0] > item.rejected[0]
    });
    let right = right.count() as f64 / table.items.len() as f64;
    let judgments = dir.join(out).join("judgments.parquet");
    let parsed = if judgments.is_file() {
        let rows = JudgmentFile::open(&judgments).unwrap().rows().unwrap();
        rows.iter().filter(|row| row.judgment.outcome == Outcome::Verdict).count() as f64 / rows.len() as f64
    } else {
        1.0
    };
    Found::of(out, right, parsed)
}

fn score(dir: &Path, model: &str, out: &str, more: &[&str]) -> Found {
    let args = ["score", "--model", model, "--pairs", "held-out.jsonl", "--out", out, "--set", "device=cpu"];
    does(dir, &[&args[..], &["--set", "endpoint.cache=off"], more].concat());
    by_rewards(dir, out)
}

/// No better than chance.
fn knows_nothing(found: &Found) {
    assert!(found.low < 0.5 && found.high < 0.6, "{} [{}, {}]", found.right, found.low, found.high);
}

fn findings(dir: &Path, runs: &[&str], out: &str) -> Value {
    does(dir, &[&["report"][..], runs, &["--out", out, "--format", "html,md,json"]].concat());
    serde_json::from_str(&fs::read_to_string(dir.join(out).join("findings.json")).unwrap()).unwrap()
}

fn kinds(findings: &Value) -> Vec<&str> {
    findings["runs"].as_array().unwrap().iter().map(|run| run["kind"].as_str().unwrap()).collect()
}

/// Accuracy of every run with its interval and n.
fn accuracies(findings: &Value) -> Vec<(f64, [f64; 2], u64)> {
    let of_run = |run: usize| {
        let mut all = findings["findings"].as_array().unwrap().iter();
        let wanted = |f: &&Value| f["metric"] == "accuracy" && f["run"] == run && f["scope"]["of"] == "overall";
        let estimate = &all.find(wanted).unwrap()["estimate"];
        let interval = ["low", "high"].map(|end| estimate["interval"][end].as_f64().unwrap());
        (estimate["point"].as_f64().unwrap(), interval, estimate["n"].as_u64().unwrap())
    };
    (0..findings["runs"].as_array().unwrap().len()).map(of_run).collect()
}

/// CLoud: critiques of another judge first, then its own; and the same directory scored without critiques, as a scalar model,
/// beside itself as a judge.
#[test]
fn critiques_and_a_head_that_reads_them_lift_a_judge() {
    let place = place();
    let dir = place.path();
    fs::write(dir.join("critique.toml"), CRITIQUE).unwrap();
    let server = ChatServer::start();
    server.say("gold", "It says gold.");
    server.say("lead", "It says lead.");
    let other = server.spec();
    let write = |model: &str, out: &str| {
        let args = ["score", "--model", model, "--judge", "critique.toml", "--pairs", "train.jsonl", "--out", out];
        does(dir, &[&args[..], &["--set", "endpoint.cache=off", "--set", "device=cpu"]].concat());
        let file = format!("{out}.parquet");
        let args =
            ["data", "judgments", "train.jsonl", "--judge", "critique.toml", "--from", out, "--out", file.as_str()];
        let said = does(dir, &args);
        assert!(said.contains("600 items have critiques"), "{said}");
    };
    write(&other, "of-other");
    // Of these items none was judged.
    let elsewhere =
        ["data", "judgments", "held-out.jsonl", "--judge", "critique.toml", "--from", "of-other", "--out", "x.parquet"];
    let output = crate::command::rmbench(dir, &elsewhere).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("none has critiques of a chosen and of a rejected response"), "{said}");
    let cloud = ["--objective", "cloud", "--set", "lr=1e-3"];
    train(
        dir,
        "base",
        "of-other.parquet",
        "drawn",
        &[&cloud[..], &["--set", "max-steps=1", "--set", "lr=1e-9"]].concat(),
    );
    let how = ["--judge", "critique.toml"];
    // A head drawn at random prefers what it happens to prefer.
    knows_nothing(&score(dir, "drawn", "before", &how));
    train(dir, "base", "of-other.parquet", "first", &[&cloud[..], &["--set", "epochs=6"]].concat());
    write("first", "its-own");
    let replies = JudgmentFile::open(&dir.join("its-own/judgments.parquet")).unwrap().rows().unwrap();
    let about_gold = replies.iter().filter(|row| row.judgment.reply.as_deref() == Some("It says gold.")).count();
    assert!(about_gold > 500, "{about_gold} critiques");
    train(dir, "first", "its-own.parquet", "cloud", &[&cloud[..], &["--set", "epochs=2"]].concat());
    is_lifted(&score(dir, "cloud", "as-judge", &how));
    // The mean over sampled critiques, and the same bytes again.
    let several = [&how[..], &["--set", "judge.samples=3", "--set", "judge.temperature=1.0"]].concat();
    is_lifted(&score(dir, "cloud", "sampled", &several));
    score(dir, "cloud", "again", &several);
    let table = |out: &str| fs::read(dir.join(out).join("scores.parquet")).unwrap();
    assert!(table("sampled") == table("again"));
    let card = fs::read_to_string(dir.join("cloud/rmbench.toml")).unwrap();
    assert!(card.contains("kind = \"generative\"") && card.contains("head = \"critique\""), "{card}");

    score(dir, "cloud", "as-scalar", &["--kind", "scalar", "--set", "name=cloud without critiques"]);
    let both = findings(dir, &["as-judge", "as-scalar"], "both");
    assert_eq!(kinds(&both), ["generative", "scalar"]);
    let [of_judge, of_scalar] = accuracies(&both)[..] else { panic!("{both}") };
    assert!(of_judge.0 > 0.8 && of_judge.2 == 150 && of_scalar.2 == 150, "{of_judge:?} {of_scalar:?}");
    assert!(of_judge.1[0] < of_judge.0 || of_judge.0 == 1.0, "{of_judge:?}");
    let page = fs::read_to_string(dir.join("both/report.md")).unwrap();
    for text in
        ["generative: a language model of this machine judges", "`critique.toml`", "scalar: one number per response"]
    {
        assert!(page.contains(text), "{text}");
    }
}

/// MENLO's worth: grades that are right, nearly right, in the right order.
#[test]
fn grades_and_their_order_lift_a_judge() {
    let place = place();
    let dir = place.path();
    fs::write(dir.join("grades.toml"), GRADES).unwrap();
    does(dir, &["data", "judgments", "lot.jsonl", "--judge", "grades.toml", "--out", "lot.parquet"]);
    train(dir, "base", "lot.parquet", "lot", &["--set", "objective.name=sft", "--set", "epochs=4"]);
    knows_nothing(&judge(dir, "lot", "grades.toml", "before"));
    let graded = fs::read_to_string(dir.join("train.jsonl")).unwrap();
    let with_grades = |line: &str| line.trim_end_matches('}').to_owned() + ", \"good\": 2, \"bad\": 1}";
    let lines: Vec<String> = graded.lines().map(with_grades).collect();
    fs::write(dir.join("graded.jsonl"), lines.join("\n")).unwrap();
    let worth = "judge.worth={grades={exact=1.0,near=0.5,order=1.0,format=0.2}}";
    let how = ["--set", "judge.protocol=grades.toml", "--set", worth, "--set", "lr=1e-3", "--set", "epochs=4"];
    let how = [&how[..], &["--set", "judge.loss.kl=0.01"]].concat();
    let columns = ["--set", "columns.chosen-grade=good", "--set", "columns.rejected-grade=bad"];
    train(dir, "lot", "graded.jsonl", "grpo", &[&how[..], &columns].concat());
    is_lifted(&judge(dir, "grpo", "grades.toml", "after"));
    grades_are_in_the_tables(dir, &columns);
    let refused = |data: &str, more: &[&str]| {
        let args = ["train", "--model", "lot", "--data", data, "--out", "x", "--device", "cpu"];
        let output = crate::command::rmbench(dir, &[&args[..], &how, more].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused("train.jsonl", &[]);
    assert!(said.contains("row 0") && said.contains("no rating of both responses"), "{said}");
    let said = refused("graded.jsonl", &[&columns[..], &["--set", "judge.protocol=tiny.toml"]].concat());
    assert!(said.contains("the protocol `tiny` asks for none"), "{said}");
    let said = refused("graded.jsonl", &["--set", "ema-decay=0.9"]);
    assert!(said.contains("do not set `ema-decay`"), "{said}");
}

/// Both grades of every judgment in the table; with `judge.verdicts=grades` their means are the rewards. A judge that gives
/// 2 and 1 where people gave 3 and 1 grades half a point too low.
fn grades_are_in_the_tables(dir: &Path, columns: &[&str]) {
    let rows = JudgmentFile::open(&dir.join("after/judgments.parquet")).unwrap().rows().unwrap();
    for judgment in rows.iter().map(|row| &row.judgment).filter(|judgment| judgment.outcome.is_decided()) {
        let grades = judgment.grades.as_ref().unwrap();
        let better = grades[0].total_cmp(&grades[1]);
        let expected = match judgment.picked {
            Some(0) => std::cmp::Ordering::Greater,
            Some(_) => std::cmp::Ordering::Less,
            None => std::cmp::Ordering::Equal,
        };
        assert!(grades.len() == 2 && better == expected, "{judgment:?}");
    }
    let held_out = fs::read_to_string(dir.join("held-out.jsonl")).unwrap();
    let with_grades = |line: &str| line.trim_end_matches('}').to_owned() + ", \"good\": 3, \"bad\": 1}";
    fs::write(dir.join("held-out.jsonl"), held_out.lines().map(with_grades).collect::<Vec<_>>().join("\n")).unwrap();
    let how = [&["--judge", "grades.toml", "--set", "judge.verdicts=grades"][..], columns].concat();
    is_lifted(&score(dir, "grpo", "by-grades", &how));
    let table = ItemTable::load(&[dir.join("by-grades")]).unwrap();
    let sums = (0..table.items.len()).map(|at| {
        let item = table.item(0, at);
        [item.chosen[0], item.rejected[0]].map(|reward| f64::from(reward.unwrap_or(f32::NAN)))
    });
    let sums: Vec<[f64; 2]> = sums.filter(|pair| pair.iter().all(|reward| reward.is_finite())).collect();
    assert!(sums.len() > 140 && sums.iter().filter(|pair| **pair == [2.0, 1.0]).count() > 120, "{sums:?}");
    let found = findings(dir, &["by-grades"], "graded");
    let all = found["findings"].as_array().unwrap();
    let inflation = all.iter().find(|f| f["metric"] == "grade-inflation" && f["scope"]["of"] == "overall").unwrap();
    let point = inflation["estimate"]["point"].as_f64().unwrap();
    let expected =
        sums.iter().map(|[chosen, rejected]| chosen - 3.0 + rejected - 1.0).sum::<f64>() / 2.0 / sums.len() as f64;
    assert!((point - expected).abs() < 0.02 && point < -0.3, "{point}, {expected}");
}

/// One scalar, one implicit and one generative model of the same task in one report, each called what it is.
#[test]
fn all_kinds_of_reward_models_stand_in_one_report() {
    let place = place();
    let dir = place.path();
    does(dir, &["data", "judgments", "train.jsonl", "--judge", "yes.toml", "--out", "verdicts.parquet"]);
    train(dir, "base", "verdicts.parquet", "judge", &["--set", "objective.name=sft", "--set", "epochs=4"]);
    train(dir, "base", "train.jsonl", "scalar", &["--set", "epochs=3", "--set", "lr=1e-3"]);
    train(dir, "base", "train.jsonl", "implicit", &["--objective", "dpo", "--set", "epochs=3", "--set", "lr=1e-3"]);
    is_lifted(&score(dir, "scalar", "of-scalar", &[]));
    is_lifted(&score(dir, "implicit", "of-implicit", &[]));
    is_lifted(&score(dir, "judge", "of-judge", &["--judge", "yes.toml"]));
    let all = findings(dir, &["of-scalar", "of-implicit", "of-judge"], "report");
    assert_eq!(kinds(&all), ["scalar", "implicit", "generative"]);
    for (point, [low, high], n) in accuracies(&all) {
        assert!(point > 0.8 && n == 150 && low <= point && point <= high, "{point} [{low}, {high}] {n}");
    }
    assert_eq!(all["differences"].as_array().map_or(0, Vec::len).min(3), 3, "every two of them are compared");
    let page = fs::read_to_string(dir.join("report/report.md")).unwrap();
    let each = ["scalar: one number per response", "against a reference model", "by the protocol `yes.toml`"];
    for text in each.into_iter().chain(["Not enough data for:", "self-preference"]) {
        assert!(page.contains(text), "{text}");
    }
}
