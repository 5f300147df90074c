//! The command line itself: help, settings, errors, pipes.

use std::io::Read;
use std::process::Stdio;

use clap::CommandFactory;
use rmbench::cli::args::Args;

use crate::command::{rmbench, run, transcript};

/// Snapshots of the command line lie together in `tests/snapshots`.
fn frozen(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn every_flag_is_documented_and_consistent() {
    // clap's own checks, among them help_expected: a flag without help panics here.
    Args::command().debug_assert();
}

#[test]
fn help_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    frozen("help", &transcript(dir.path(), &["--help"]));
    let root = Args::command();
    for verb in root.get_subcommands() {
        let name = verb.get_name();
        frozen(&format!("help-{name}"), &transcript(dir.path(), &[name, "--help"]));
        for inner in verb.get_subcommands() {
            let inner = inner.get_name();
            frozen(&format!("help-{name}-{inner}"), &transcript(dir.path(), &[name, inner, "--help"]));
        }
    }
}

#[test]
fn version_has_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(transcript(dir.path(), &["--version"]), @r"
    $ rmbench --version
    exit code 0
    --- stdout
    rmbench VERSION (COMMIT)
    --- stderr
    ");
}

#[test]
fn default_settings_are_printed_with_explanations() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["score", "selfcheck", "report"] {
        frozen(&format!("config-{verb}"), &transcript(dir.path(), &[verb, "--print-config"]));
    }
}

#[cfg(feature = "torch")]
#[test]
fn objectives_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    frozen("objectives", &transcript(dir.path(), &["train", "--list-objectives"]));
}

/// Before anything is computed: neither model nor tokenizer is looked at.
#[cfg(feature = "torch")]
#[test]
fn what_an_objective_lacks_is_said_by_file_row_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let row = |strength: &str| {
        format!(
            "{{\"language\": \"deu_Latn\", \"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\", \
             \"strength\": {strength}}}\n"
        )
    };
    std::fs::write(dir.path().join("pairs.jsonl"), row("2") + &row("3") + &row("null")).unwrap();
    let train = |objective: &str| {
        let set = format!("objective.name={objective}");
        transcript(dir.path(), &["train", "--data", "pairs.jsonl", "--model", "none", "--out", "out", "--set", &set])
    };
    frozen("objective-lacks", &[train("bt-margin"), train("bt-votes"), train("bt-marign")].join("\n"));
}

#[test]
fn errors_say_what_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.toml"), "shard-size = 5\n[text]\nmax-lenght = 3\n").unwrap();
    std::fs::write(dir.path().join("broken.toml"), "langs = \n").unwrap();
    let cases: &[&[&str]] = &[
        &["score"],
        &["score", "--out", "run"],
        &["score", "--out", "run", "--model", "mock"],
        &["score", "--out", "run", "--model", "nothing-there", "--pairs", "absent.parquet"],
        &["score", "--out", "run", "--model", "mock", "--pairs", "absent.parquet"],
        &["score", "--out", "run", "--model", "mock", "--pairs", "absent.parquet", "--langs", "swahlii"],
        &["score", "--out", "run", "--config", "c.toml"],
        &["score", "--out", "run", "--config", "broken.toml"],
        &["score", "--out", "run", "--config", "absent.toml"],
        &["score", "--out", "run", "--set", "shard-size"],
        &["score", "--out", "run", "--set", "shard-size=many"],
        &["score", "--out", "run", "--set", "sharp-size=3"],
        &["score", "--out", "run", "--model", "mock", "--pairs", "absent.parquet", "--set", "shard-size=0"],
        &["score", "--out", "run", "--model", "mock", "--benchmarks", "m-rewardbnech"],
        &["score", "--out", "run", "--model", "mock", "--benchmarks", "rm-bench", "--data", "nowhere"],
        &["score", "--pairs", "a.parquet", "--benchmarks", "b"],
        &["report"],
        &["report", "--out", "report"],
        &["report", "absent", "--out", "report"],
        &["report", "absent", "--out", "report", "--format", "pdf"],
        &["report", "absent", "--out", "report", "--set", "replicats=10"],
        &["data", "check", "absent.parquet"],
        &["data", "stats", "c.toml"],
        &["data", "stats", "absent.parquet", "--column", "chosen"],
        &["data", "convert", "a.csv", "b.csv", "--out", "c.parquet"],
        &["scor"],
    ];
    let text: Vec<String> = cases.iter().map(|args| transcript(dir.path(), args)).collect();
    frozen("errors", &text.join("\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        rmbench(dir.path(), &["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The pipe is closed before anything is read, as by `| head -0`.
    drop(child.stdout.take());
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!((child.wait().unwrap().code(), talk.as_str()), (Some(0), ""));
}

#[test]
fn doctor_names_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for word in ["rmbench ", "system ", "cores ", "libtorch ", "hub cache "] {
        assert!(text.contains(word), "{word:?} is missing from\n{text}");
    }
}

#[test]
fn completions_exist_for_the_usual_shells() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(dir.path(), &["completions", shell]);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("fail-under"), "{shell}");
    }
}

#[test]
fn data_verbs_read_convert_and_complain() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = "prompt,better,worse\nHow many?,Three of them.,Four\nHow much?,Plenty,Plenty\n";
    std::fs::write(dir.path().join("pairs.csv"), pairs).unwrap();
    let map = ["--column", "chosen=better", "--column", "rejected=worse", "--lang", "en"];
    let with =
        |before: &[&'static str], after: &[&'static str]| transcript(dir.path(), &[before, &map[..], after].concat());
    let text = [
        with(&["data", "convert", "pairs.csv"], &["--out", "pairs.parquet"]),
        transcript(dir.path(), &["data", "stats", "pairs.parquet"]),
        transcript(dir.path(), &["data", "check", "pairs.parquet"]),
        transcript(dir.path(), &["data", "check", "pairs.parquet", "--against", "pairs.parquet", "--langs", "ar"]),
    ];
    insta::assert_snapshot!(text.join("\n"));
}
