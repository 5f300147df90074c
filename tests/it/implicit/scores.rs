//! `rmbench score` with implicit models: flags and `rmbench.toml`, views of one table, resume, refusals.

use std::fs;

use rmbench::table::implicit::{Normalisation, View};
use rmbench::table::read::ScoreFile;
use rmbench::table::score::ScoreRow;
use serde_json::json;

use super::*;
use crate::command::run;

fn write_pairs(dir: &Path, n: usize) {
    let steps = json("steps.json");
    let pairs = steps["pairs"].as_array().unwrap();
    let mut lines = String::new();
    for i in 0..n {
        let pair = &pairs[i % pairs.len()];
        let row = json!({"id": format!("i{i}"), "prompt": pair[0], "chosen": pair[1], "rejected": pair[2],
                         "language": "eng_Latn", "subset": "s"});
        lines.push_str(&format!("{row}\n"));
    }
    fs::write(dir.join("pairs.jsonl"), lines).unwrap();
}

/// The command in `dir`: exit code and what it said.
fn rmbench(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(dir, args);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn score(dir: &Path, out: &str, more: &[&str]) -> (Option<i32>, String) {
    let policy = fixtures().join("policy").to_string_lossy().into_owned();
    let fixed = ["score", "--model", &policy, "--pairs", "pairs.jsonl", "--out", out];
    rmbench(dir, &[&fixed[..], more].concat())
}

fn reference() -> String {
    fixtures().join("reference").to_string_lossy().into_owned()
}

fn rows(dir: &Path, run: &str) -> Vec<ScoreRow> {
    ScoreFile::open(&dir.join(run).join("scores.parquet")).unwrap().rows().unwrap()
}

fn rewards(dir: &Path, run: &str) -> Vec<f32> {
    rows(dir, run).iter().map(|row| row.reward.unwrap()).collect()
}

#[test]
fn one_table_has_every_view() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, 12);
    let (code, said) = score(dir, "sum", &["--reference", &reference()]);
    assert_eq!(code, Some(0), "{said}");
    let file = ScoreFile::open(&dir.join("sum/scores.parquet")).unwrap();
    assert_eq!(file.info().kind, "implicit");
    assert!(file.info().digests.keys().any(|name| name.starts_with("reference/model/")), "{:?}", file.info().digests);
    let table = rows(dir, "sum");
    for row in &table {
        let of = row.log_probs.unwrap();
        assert!(of.policy < 0.0 && of.reference.unwrap() < 0.0 && of.squares.unwrap() > 0.0);
        assert!(of.tokens.unwrap() > 0 && of.tokens.unwrap() < row.n_tokens && of.bytes.unwrap() > 0);
        assert_eq!(row.reward, Some((of.policy - of.reference.unwrap()) as f32));
    }
    for normalisation in Normalisation::ALL {
        let how = normalisation.as_str();
        let set = format!("implicit.normalisation={how}");
        let reference = reference();
        let reference = if normalisation == Normalisation::L2Norm { "none" } else { &reference };
        let (computed, viewed) = (format!("run-{how}"), format!("view-{how}"));
        assert_eq!(score(dir, &computed, &["--reference", reference, "--set", &set]).0, Some(0));
        // The same from the table, without a model.
        let mut args = vec!["score", "--table", "sum", "--out", &viewed, "--set", &set];
        if reference == "none" {
            args.extend(["--reference", "none"]);
        }
        let (code, said) = rmbench(dir, &args);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(rewards(dir, &computed), rewards(dir, &viewed), "{how}");
        let view = View { normalisation, with_reference: reference != "none", ..View::default() };
        for row in rows(dir, &viewed) {
            assert_eq!(row.reward, view.reward(&row.log_probs.unwrap()).map(|reward| reward as f32));
        }
        let info = ScoreFile::open(&dir.join(&viewed).join("scores.parquet")).unwrap().info().clone();
        assert_eq!(info.name, format!("policy, {how}"));
        assert!(info.settings.contains(&format!("normalisation = \"{how}\"")), "{}", info.settings);
    }
    // A view is a run like any other.
    let (code, said) = rmbench(dir, &["report", "sum", "view-mean", "--out", "report", "--format", "json"]);
    assert!(matches!(code, Some(0 | 1)), "{said}");
}

#[test]
fn a_run_that_was_interrupted_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, 40);
    let reference = reference();
    let args = ["--reference", reference.as_str(), "--set", "shard-size=8"];
    assert_eq!(score(dir, "whole", &args).0, Some(0));
    assert_eq!(score(dir, "again", &args).0, Some(0));
    // As if it had been killed before its table was written.
    let bytes = |run: &str| fs::read(dir.join(run).join("scores.parquet")).unwrap();
    let whole = bytes("whole");
    assert_eq!(whole, bytes("again"));
    fs::remove_file(dir.join("again/scores.parquet")).unwrap();
    let (code, said) = score(dir, "again", &[&args[..], &["--resume"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bytes("again"), whole);
    // Another reference is another run.
    fs::remove_file(dir.join("again/scores.parquet")).unwrap();
    let (code, said) = score(dir, "again", &["--reference", "none", "--set", "shard-size=8", "--resume"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn rmbench_toml_says_how_a_model_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, 6);
    let model = dir.join("model");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(fixtures().join("policy")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let card = |text: &str| fs::write(model.join("rmbench.toml"), format!("schema = 1\n[reward]\n{text}")).unwrap();
    let run = |out: &str, more: &[&str]| {
        let fixed = ["score", "--model", "model", "--pairs", "pairs.jsonl", "--out", out];
        rmbench(dir, &[&fixed[..], more].concat())
    };
    card("kind = 'implicit'\n[reward.implicit]\nnormalisation = 'mean'\nbeta = 2.0\n");
    let (code, said) = run("simpo", &[]);
    assert_eq!(code, Some(0), "{said}");
    for row in rows(dir, "simpo") {
        let of = row.log_probs.unwrap();
        assert_eq!(row.reward, Some((2.0 * (of.policy / f64::from(of.tokens.unwrap()))) as f32));
    }
    card(&format!("kind = 'implicit'\n[reward.implicit]\nbeta = 0.1\nreference = '{}'\n", reference()));
    assert_eq!(run("dpo", &[]).0, Some(0));
    assert!(rows(dir, "dpo").iter().all(|row| row.log_probs.unwrap().reference.is_some()));
    // A reference that is no longer there is asked for.
    card("kind = 'implicit'\n[reward.implicit]\nreference = 'gone'\n");
    let (code, said) = run("gone", &[]);
    assert!(code == Some(2) && said.contains("`gone`") && said.contains("--reference"), "{said}");
    assert_eq!(run("given", &["--reference", &reference()]).0, Some(0));
    card("kind = 'generative'\n");
    let (code, said) = run("unknown", &[]);
    assert!(code == Some(2) && said.contains("generative"), "{said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, 3);
    for (args, part) in [
        (&["--kind", "implicit"][..], "the reference model of the policy is missing"),
        (&["--kind", "scalar", "--reference", "none"], "`kind`"),
        (&["--reference", "base"], "the reference model of the policy is missing"),
        (&["--reference", "nowhere"], "`nowhere`"),
        (&["--reference", "none", "--set", "implicit.beta=0"], "implicit.beta"),
        (&["--compat", "other", "--reference", "none"], "other"),
        (&["--kind", "implied"], "implied"),
    ] {
        let (code, said) = score(dir, "out", args);
        assert!(code == Some(2) && said.contains(part), "{args:?}: {said}");
    }
    let (code, said) = rmbench(dir, &["score", "--model", "mock:length", "--pairs", "pairs.jsonl", "--out", "mock"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) =
        rmbench(dir, &["score", "--table", "mock", "--out", "view", "--set", "implicit.normalisation=mean"]);
    assert!(code == Some(2) && said.contains("no log-probabilities"), "{said}");
}

/// RewardBench's arithmetic through the command line: header tokens count, so there are more tokens, and no β.
#[test]
fn compat_counts_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, 4);
    assert_eq!(score(dir, "own", &["--reference", &reference()]).0, Some(0));
    let (code, said) = score(dir, "theirs", &["--reference", &reference(), "--compat", "rewardbench"]);
    assert_eq!(code, Some(0), "{said}");
    for (own, theirs) in rows(dir, "own").iter().zip(rows(dir, "theirs")) {
        let tokens = |row: &ScoreRow| row.log_probs.unwrap().tokens.unwrap();
        assert!(tokens(&theirs) > tokens(own) + 2, "{} {}", tokens(&theirs), tokens(own));
    }
}
