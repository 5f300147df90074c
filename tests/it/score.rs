//! `rmbench score` end to end with scorers that need no model: bytes, resume, kill, refusals.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rmbench::lang::Lang;
use rmbench::table::item::ItemTable;
use rmbench::table::read::ScoreFile;

use crate::command::{rmbench, run, transcript};

/// Invented pairs in three languages; the chosen response of every third item is the shorter one.
fn write_pairs(path: &Path, n: usize) {
    let mut text = String::new();
    for i in 0..n {
        for (lang, word) in [("eng_Latn", "word"), ("arb_Arab", "كلمة"), ("zho_Hans", "词")] {
            let long = vec![word; 3 + i % 5].join(" ");
            let (chosen, rejected) = if i % 3 == 0 { (word, long.as_str()) } else { (long.as_str(), word) };
            let row = serde_json::json!({
                "id": format!("item-{i}"), "language": lang, "prompt": format!("{word}?"), "chosen": chosen,
                "rejected": rejected, "subset": if i % 2 == 0 { "even" } else { "odd" }, "category": "Chat",
            });
            text.push_str(&format!("{row}\n"));
        }
    }
    fs::write(path, text).unwrap();
}

const SCORE: [&str; 5] = ["score", "--model", "mock:length", "--pairs", "pairs.jsonl"];

fn score<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SCORE[..], more].concat()
}

fn table(dir: &Path, run: &str) -> Vec<u8> {
    fs::read(dir.join(run).join("scores.parquet")).unwrap()
}

#[test]
fn rows_are_what_the_scorer_said() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 4);
    insta::assert_snapshot!(transcript(dir.path(), &score(&["--out", "run"])), @r"
    $ rmbench score --model mock:length --pairs pairs.jsonl --out run
    exit code 0
    --- stdout
    --- stderr
    scored 12 items (24 responses): `run/scores.parquet`
    ");
    let mut names: Vec<String> = fs::read_dir(dir.path().join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["run.json", "scores.parquet", "settings.toml"]);

    let file = ScoreFile::open(&dir.path().join("run/scores.parquet")).unwrap();
    let info = file.info().clone();
    assert_eq!((info.name.as_str(), info.kind.as_str()), ("mock:length", "mock"));
    assert_eq!(info.digests.keys().collect::<Vec<_>>(), ["data/pairs/0/pairs.jsonl"]);
    assert!(info.settings.contains("shard-size = 1024"));
    let rows = file.rows().unwrap();
    assert_eq!(rows.len(), 24);
    // Item 0 in English: chosen "word" (4 characters), rejected three words (14).
    assert_eq!((&*rows[0].item_id, rows[0].lang, rows[0].side.as_str()), ("item-0", Lang::ENGLISH, "chosen"));
    assert_eq!((rows[0].reward, rows[0].n_chars, &*rows[0].subset), (Some(4.0), 4, "even"));
    assert_eq!((rows[1].reward, rows[1].side.as_str()), (Some(14.0), "rejected"));
    // Arabic in characters, not bytes.
    assert_eq!((rows[2].reward, rows[2].lang.code()), (Some(4.0), "arb_Arab"));

    let items = ItemTable::load(&[dir.path().join("run")]).unwrap();
    assert_eq!(items.items.len(), 12);
}

#[test]
fn shards_resume_and_repetition_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 50);
    let shards = ["--set", "shard-size=20"];
    for out in ["a", "b"] {
        let output = run(dir.path(), &score(&[&shards[..], &["--out", out]].concat()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(table(dir.path(), "a"), table(dir.path(), "b"));
    // Finished: --resume does nothing, and needs nothing but the directory.
    insta::assert_snapshot!(transcript(dir.path(), &["score", "--out", "a", "--resume"]), @r"
    $ rmbench score --out a --resume
    exit code 0
    --- stdout
    --- stderr
    150 items had been scored before
    scored 150 items (300 responses): `a/scores.parquet`
    ");
    assert_eq!(table(dir.path(), "a"), table(dir.path(), "b"));
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 40);
    let with_out = |out: &'static str| score(&["--set", "shard-size=7", "--out", out]);
    assert!(run(dir.path(), &with_out("whole")).status.success());
    let shards = dir.path().join("cut/shards");
    let n_shards = || fs::read_dir(&shards).map_or(0, |entries| entries.count());
    let mut begun = with_out("cut");
    // Killed three times, each time after some more shards; 18 shards take a second or so.
    for wanted in [2, 5, 11] {
        let mut child = rmbench(dir.path(), &begun).env("RMBENCH_MOCK_DELAY_US", "8000").spawn().unwrap();
        let start = Instant::now();
        while n_shards() < wanted && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the run was over before it could be killed");
        assert!(n_shards() >= wanted && !dir.path().join("cut/scores.parquet").exists());
        begun = [with_out("cut"), vec!["--resume"]].concat();
    }
    let refused = run(dir.path(), &with_out("cut"));
    assert_eq!(refused.status.code(), Some(2), "an unfinished run is not overwritten");
    let resumed = run(dir.path(), &begun);
    let talk = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success() && talk.contains("items had been scored before"), "{talk}");
    assert_eq!(table(dir.path(), "whole"), table(dir.path(), "cut"));
    assert!(!shards.exists());
    assert_eq!(fs::read_dir(dir.path().join("cut")).unwrap().count(), 3, "no leftovers");
}

#[test]
fn resume_refuses_other_data_and_settings_and_names_them() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 4);
    assert!(run(dir.path(), &score(&["--out", "run"])).status.success());
    fs::remove_file(dir.path().join("run/scores.parquet")).unwrap();
    insta::assert_snapshot!(transcript(dir.path(), &score(&["--out", "run", "--resume", "--limit", "2"])), @r"
    $ rmbench score --model mock:length --pairs pairs.jsonl --out run --resume --limit 2
    exit code 2
    --- stdout
    --- stderr
    error: the run in `run` cannot be continued with other inputs: settings.limit: absent, now 2
    hint: repeat the command that began the run, or start anew in another directory
    ");
    write_pairs(&dir.path().join("pairs.jsonl"), 5);
    let text = transcript(dir.path(), &score(&["--out", "run", "--resume"]));
    assert!(text.contains("exit code 2") && text.contains("digests.data/pairs/0/pairs.jsonl: "), "{text}");
}

#[test]
fn languages_together_are_the_union_of_languages_apart() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 10);
    let rows = |langs: &str, out: &str| {
        let output = run(dir.path(), &score(&["--langs", langs, "--out", out]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ScoreFile::open(&dir.path().join(out).join("scores.parquet")).unwrap().rows().unwrap()
    };
    let mut both = rows("ar,zh", "both");
    let mut apart = [rows("ar", "ar"), rows("zh", "zh")].concat();
    assert_eq!(both.len(), 40);
    for rows in [&mut both, &mut apart] {
        rows.sort_by_key(|row| (row.lang, row.item_id.clone(), row.side));
    }
    assert_eq!(both, apart);
}

#[test]
fn the_limit_holds_for_each_language() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 10);
    insta::assert_snapshot!(transcript(dir.path(), &score(&["--limit", "3", "--out", "run"])), @r"
    $ rmbench score --model mock:length --pairs pairs.jsonl --limit 3 --out run
    exit code 0
    --- stdout
    --- stderr
    at most 3 items of each benchmark and language
    scored 9 items (18 responses): `run/scores.parquet`
    ");
}

#[test]
fn a_dry_run_prints_the_plan_and_every_check_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 4);
    insta::assert_snapshot!(transcript(dir.path(), &score(&["--langs", "en,zh", "--out", "run", "--dry-run"])), @r"
    $ rmbench score --model mock:length --pairs pairs.jsonl --langs en,zh --out run --dry-run
    exit code 0
    --- stdout
    benchmark  language  items  responses  in data  in manifest  over-long
    pairs      eng_Latn      4          8        4            -          -
    pairs      zho_Hans      4          8        4            -          -

    8 items to score

    checks
      ok     model: `mock:length` is ready (mock, cpu, f32)
      ok     pairs: data: 12 items in 1 file
      ok     pairs: languages: 2 of 3 are scored
      ok     pairs: keys: every (subset, id, language) occurs once
      ok     output: `run` is free and writable
    --- stderr
    ");
    assert!(!dir.path().join("run").exists());
}

#[test]
fn a_dry_run_finds_everything_wrong_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    let text = fs::read_to_string(dir.path().join("pairs.jsonl")).unwrap();
    fs::write(dir.path().join("pairs.jsonl"), format!("{text}{}", text.lines().next().unwrap())).unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    fs::write(dir.path().join("run/thesis.tex"), "").unwrap();
    let args = [
        "score",
        "--model",
        "mock:lenght",
        "--pairs",
        "pairs.jsonl",
        "absent.jsonl",
        "--langs",
        "en,sw",
        "--out",
        "run",
        "--dry-run",
        "--resume",
    ];
    insta::assert_snapshot!(transcript(dir.path(), &args));
}

#[test]
fn bad_rows_stop_the_run_or_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    let text = fs::read_to_string(dir.path().join("pairs.jsonl")).unwrap();
    let broken = text.lines().next().unwrap().replace("\"word\"", "\"\"");
    fs::write(dir.path().join("pairs.jsonl"), format!("{text}{broken}\n")).unwrap();
    let stopped = transcript(dir.path(), &score(&["--out", "run"]));
    let counted = transcript(dir.path(), &score(&["--out", "run", "--set", "skip-bad-rows=true"]));
    insta::assert_snapshot!(format!("{stopped}\n{counted}"));
}

/// A benchmark of two subsets with three items each per language, two languages.
const MANIFEST: &str = r#"
name = "two-subsets"
title = "Two subsets"
version = "3"
about = "For tests."
rule = "accuracy"
ties = "loss"
langs = ["eng_Latn", "arb_Arab"]
items-per-language = 6
overall = "mean-of-categories"

[data]
files = ["{name}/{lang}.jsonl"]

[[category]]
name = "Chat"

[[category.subset]]
name = "even"
n = 3

[[category.subset]]
name = "odd"
n = 3
"#;

/// The manifest and its data: the English file is complete, the Arabic one lacks an item.
fn write_benchmark(dir: &Path) {
    fs::write(dir.join("two.toml"), MANIFEST).unwrap();
    let pairs = dir.join("all.jsonl");
    write_pairs(&pairs, 6);
    let text = fs::read_to_string(&pairs).unwrap();
    fs::create_dir_all(dir.join("data/two-subsets")).unwrap();
    let of = |lang: &str| text.lines().filter(|line| line.contains(lang)).collect::<Vec<_>>();
    fs::write(dir.join("data/two-subsets/eng_Latn.jsonl"), of("eng_Latn").join("\n")).unwrap();
    fs::write(dir.join("data/two-subsets/arb_Arab.jsonl"), of("arb_Arab")[..5].join("\n")).unwrap();
}

#[test]
fn a_manifest_is_checked_against_its_data() {
    let dir = tempfile::tempdir().unwrap();
    write_benchmark(dir.path());
    let args = ["score", "--model", "mock", "--manifest", "two.toml", "--data", "data"];
    let with = |more: &[&'static str]| transcript(dir.path(), &[&args[..], more].concat());
    let plan = with(&["--out", "run", "--dry-run"]);
    let refused = with(&["--out", "run", "--langs", "ar,zh"]);
    let scored = with(&["--out", "run"]);
    fs::remove_file(dir.path().join("data/two-subsets/arb_Arab.jsonl")).unwrap();
    let partly = with(&["--out", "other", "--dry-run"]);
    let named = with(&["--out", "other", "--langs", "ar"]);
    insta::assert_snapshot!([plan, refused, scored, partly, named].join("\n"));

    let copy = fs::read_to_string(dir.path().join("run/manifests/two-subsets.toml")).unwrap();
    assert_eq!(copy, MANIFEST);
    let file = ScoreFile::open(&dir.path().join("run/scores.parquet")).unwrap();
    assert!(file.info().digests.contains_key("manifest/two-subsets"));
    assert_eq!(&*file.rows().unwrap()[0].benchmark_version, "3");
}

#[test]
fn scores_become_a_report_that_can_be_held_against_a_bar() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 12);
    assert!(run(dir.path(), &score(&["--out", "length"])).status.success());
    let random = ["score", "--model", "mock:random", "--pairs", "pairs.jsonl", "--out", "random"];
    assert!(run(dir.path(), &random).status.success());
    let few = ["--set", "replicates=200"];
    let with = |more: &[&'static str]| transcript(dir.path(), &[&["report"], more, &few[..]].concat());
    // Two of three items have the longer response chosen.
    let fine = with(&["length", "--out", "fine", "--format", "csv,md", "--fail-under", "66"]);
    let missed = with(&["length/scores.parquet", "--out", "missed", "--format", "json", "--fail-under", "67"]);
    let paired = with(&["length", "--out", "paired", "--format", "csv", "--baseline", "random"]);
    let unknown = with(&["length", "--out", "other", "--baseline", "nothing-there"]);
    let not_percent = with(&["length", "--out", "other", "--fail-under", "660"]);
    let unfinished = with(&["unfinished", "--out", "other"]);
    insta::assert_snapshot!([fine, missed, paired, unknown, not_percent, unfinished].join("\n"));

    let findings = fs::read_to_string(dir.path().join("paired/findings.csv")).unwrap();
    assert!(findings.contains("mock:length") && findings.contains("mock:random"));
    let settings = fs::read_to_string(dir.path().join("paired/settings.toml")).unwrap();
    assert!(settings.contains("replicates = 200"));
}

#[test]
fn texts_of_items_come_from_the_data_that_were_scored() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = dir.path().join("pairs.jsonl");
    write_pairs(&pairs, 12);
    assert!(run(dir.path(), &score(&["--out", "length"])).status.success());
    let report = |more: &[&str]| {
        let args = ["report", "length", "--out", "report", "--format", "html", "--set", "replicates=100"];
        let output = run(dir.path(), &[&args[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let page = || fs::read_to_string(dir.path().join("report/report.html")).unwrap();
    assert_eq!(report(&[]).0, Some(0));
    assert!(page().contains("All 36 items. Item texts are not in score tables") && !page().contains("data-texts-0"));
    assert_eq!(report(&["--set", "items=0"]).0, Some(0));
    assert!(!page().contains("id=\"data-keys\""), "no items, no browser");
    assert_eq!(report(&["--items"]).0, Some(0));
    assert!(page().contains("All 36 items. With their texts.") && page().contains("data-texts-0"));
    assert_eq!(report(&["--items", "--set", "text-megabytes=0.0001"]).0, Some(0));
    assert!(page().contains("of them; the data had 36"), "a budget of 100 bytes");

    // Other responses under the same ids are not what was scored.
    let text = fs::read_to_string(&pairs).unwrap();
    let changed = text.replacen("word word word", "words", 1);
    assert_ne!(text, changed);
    fs::write(&pairs, changed).unwrap();
    let (code, said) = report(&["--items"]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("is not the file that was scored") && said.contains("1 items have other responses"),
        "{said}"
    );

    fs::rename(&pairs, dir.path().join("moved.jsonl")).unwrap();
    let (code, said) = report(&["--items"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("pairs.jsonl") && said.contains("hint: name the data with --items=FILE"), "{said}");
    assert_eq!(report(&["--items=moved.jsonl"]).0, Some(0));
    assert!(page().contains("With the texts of 35 of them"));
    fs::write(dir.path().join("none.jsonl"), text.replace("item-", "other-")).unwrap();
    let (code, said) = report(&["--items=none.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("the data have none of the runs' items (36 others)"), "{said}");
}

#[test]
fn a_run_brings_its_own_manifest_to_the_report() {
    let dir = tempfile::tempdir().unwrap();
    write_benchmark(dir.path());
    let args = ["score", "--model", "mock", "--manifest", "two.toml", "--data", "data", "--out", "run"];
    assert_eq!(run(dir.path(), &args).status.code(), Some(1), "an item is missing");
    fs::remove_file(dir.path().join("two.toml")).unwrap();
    let report = ["report", "run", "--out", "report", "--format", "json", "--set", "replicates=200"];
    let output = run(dir.path(), &report);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let findings = fs::read_to_string(dir.path().join("report/findings.json")).unwrap();
    assert!(findings.contains("\"title\": \"Two subsets\""), "{findings}");
}

/// The shares of items in which the longer response is the chosen one, ties half, counted from the files
/// by other means.
#[test]
fn longer_wins_as_often_as_counted_elsewhere() {
    let Ok(data) = std::env::var("RMBENCH_TEST_DATA") else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return;
    };
    for (file, percent) in [("bench", 52.3), ("translation_wmt", 55.2)] {
        let dir = tempfile::tempdir().unwrap();
        let pairs = format!("{data}/{file}.parquet");
        let scored = run(dir.path(), &["score", "--model", "mock:length", "--pairs", &pairs, "--out", "run"]);
        assert!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stderr));
        let settings = ["--set", "ties=half", "--set", "replicates=100", "--format", "json"];
        let report = run(dir.path(), &[&["report", "run", "--out", "report"], &settings[..]].concat());
        assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
        let text = fs::read_to_string(dir.path().join("report/findings.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let findings = json["findings"].as_array().or(json["findings"]["findings"].as_array()).unwrap();
        let is_headline = |f: &&serde_json::Value| {
            f["metric"] == "accuracy" && f["scope"]["of"] == "overall" && f["languages"]["name"] == "micro"
        };
        let point = findings.iter().find(is_headline).unwrap()["estimate"]["point"].as_f64().unwrap();
        assert!((100.0 * point - percent).abs() < 0.05, "{file}: {point}");
    }
}
