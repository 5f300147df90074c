//! A real server: `transformers serve` with a tiny random chat model, judged end to end by the documented command.

use std::path::Path;
use std::process::Command;

use rmbench::table::judgment::JudgmentFile;

const VARIABLE: &str = "RMBENCH_TEST_TRANSFORMERS";

/// `tools/judge_end_to_end.py` builds the model, starts the server, judges, judges again from the cache, reports.
#[test]
fn transformers_serve_judges_end_to_end() {
    let Some(transformers) = std::env::var_os(VARIABLE) else {
        return crate::say_skipped(VARIABLE);
    };
    let transformers = Path::new(&transformers);
    let python = transformers.with_file_name("python");
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/judge_end_to_end.py");
    let output = Command::new(python)
        .arg(script)
        .args(["--rmbench", env!("CARGO_BIN_EXE_rmbench"), "--transformers"])
        .arg(transformers)
        .arg("--out")
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let rows = JudgmentFile::open(&dir.path().join("run/judgments.parquet")).unwrap().rows().unwrap();
    assert_eq!(rows.len(), 24 * 2, "24 invented pairs in both orders");
    let decided = rows.iter().filter(|row| row.judgment.outcome.is_decided()).count();
    assert!(decided > 0, "{said}");
    assert!(rows.iter().all(|row| row.judgment.prompt_tokens.is_some_and(|n| n > 20)));
    assert!(said.contains("0 replies, 48 more from the cache"), "{said}");
    assert!(dir.path().join("report/report.html").is_file());
}
