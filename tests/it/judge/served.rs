//! Real servers with a tiny random chat model, judged end to end by the documented commands: `transformers serve`, and
//! llama.cpp's, which gives log-probabilities.

use std::path::Path;
use std::process::Command;

use rmbench::table::judgment::{JudgmentFile, JudgmentRow};

/// A `transformers` command whose Python can serve.
const TRANSFORMERS: &str = "RMBENCH_TEST_TRANSFORMERS";
/// A Python with transformers, gguf and xllamacpp.
const LLAMA: &str = "RMBENCH_TEST_LLAMA_PYTHON";

/// `tools/judge_end_to_end.py` builds the model, starts the server, judges, judges again from the cache, reports.
fn end_to_end(python: &Path, server: &[&str], dir: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/judge_end_to_end.py");
    let own = ["--rmbench", env!("CARGO_BIN_EXE_rmbench"), "--out"];
    let output = Command::new(python).arg(script).args(own).arg(dir).args(server).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("0 replies, 48 more from the cache"), "{said}");
    assert!(dir.join("report/report.html").is_file());
    said
}

/// 24 invented pairs in both orders.
fn judgments(dir: &Path, run: &str) -> Vec<JudgmentRow> {
    let rows = JudgmentFile::open(&dir.join(run).join("judgments.parquet")).unwrap().rows().unwrap();
    assert_eq!(rows.len(), 24 * 2);
    assert!(rows.iter().any(|row| row.judgment.outcome.is_decided()));
    assert!(rows.iter().all(|row| row.judgment.prompt_tokens.is_some_and(|n| n > 20)));
    rows
}

#[test]
fn transformers_serve_judges_end_to_end() {
    let Some(transformers) = std::env::var_os(TRANSFORMERS) else {
        return crate::say_skipped(TRANSFORMERS);
    };
    let (dir, transformers) = (tempfile::tempdir().unwrap(), Path::new(&transformers));
    end_to_end(&transformers.with_file_name("python"), &["--transformers", transformers.to_str().unwrap()], dir.path());
    judgments(dir.path(), "run");
}

/// Verdicts weighed by the server's log-probabilities, over chat and over completions.
#[test]
fn llama_cpp_judges_end_to_end() {
    let Some(python) = std::env::var_os(LLAMA) else {
        return crate::say_skipped(LLAMA);
    };
    let dir = tempfile::tempdir().unwrap();
    let said = end_to_end(Path::new(&python), &["--llama-cpp"], dir.path());
    for run in ["run", "completions"] {
        let verdicts = judgments(dir.path(), run).into_iter().filter(|row| row.judgment.picked.is_some());
        let verdicts: Vec<JudgmentRow> = verdicts.collect();
        assert!(!verdicts.is_empty(), "{said}");
        for row in verdicts {
            let (picked, p) = (row.judgment.picked.unwrap(), row.judgment.probabilities.unwrap());
            let sum: f64 = p.iter().sum();
            assert!(p.len() == 2 && (sum - 1.0).abs() < 1e-9, "{p:?}");
            // Greedy replies: the letter written is the more probable one.
            assert!(p[usize::from(picked)] >= 0.5, "{p:?}");
        }
    }
}
