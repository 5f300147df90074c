//! Real servers with a tiny random chat model, judged end to end by the documented commands: `transformers serve`, and
//! llama.cpp's, which gives log-probabilities.

use std::io::BufRead;
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

/// A port that nobody listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The documented script starts a server, says when it answers, and takes it down with itself.
#[test]
fn the_start_script_serves_a_judge() {
    let Some(transformers) = std::env::var_os(TRANSFORMERS) else {
        return crate::say_skipped(TRANSFORMERS);
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (dir, transformers) = (tempfile::tempdir().unwrap(), Path::new(&transformers));
    let model = dir.path().join("model");
    let written = Command::new(transformers.with_file_name("python"))
        .arg(root.join("tests/reference/chat_model.py"))
        .arg(&model)
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let port = free_port().to_string();
    let path = format!("{}:{}", transformers.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut server = Command::new("sh")
        .arg(root.join("tools/serve_judge.sh"))
        .args(["transformers", model.to_str().unwrap(), port.as_str()])
        .envs([
            ("PATH", path.as_str()),
            ("MORE", "--device cpu"),
            ("HF_HUB_OFFLINE", "1"),
            ("CUDA_VISIBLE_DEVICES", ""),
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let answers = lines.find(|line| line.contains("answers"));
    assert!(
        answers.is_some_and(|line| line.contains(&format!("endpoint:http://127.0.0.1:{port}/v1"))),
        "it never answered"
    );
    // Whatever it says from now on has to go somewhere.
    std::thread::spawn(move || lines.count());
    let pair =
        r#"{"id": "a", "language": "eng_Latn", "prompt": "Why?", "chosen": "a careful answer", "rejected": "no"}"#;
    std::fs::write(dir.path().join("pairs.jsonl"), pair).unwrap();
    let spec = format!("endpoint:http://127.0.0.1:{port}/v1#{}", model.display());
    let args = ["score", "--model", &spec, "--judge", "pairwise", "--pairs", "pairs.jsonl", "--out", "run"];
    let more = ["--set", "judge.max-tokens=12", "--set", "endpoint.cache=off"];
    let output = crate::command::rmbench(dir.path(), &[&args[..], &more].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    let rows = JudgmentFile::open(&dir.path().join("run/judgments.parquet")).unwrap().rows().unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.judgment.reply_tokens.is_some()), "{rows:?}");
    server.wait().unwrap();
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).is_err()
    });
    assert!(gone, "the server outlives its script");
    let unknown = Command::new("sh").arg(root.join("tools/serve_judge.sh")).args(["nothing", "x"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("tools/serve_judge.sh vllm"), "it says how it is used");
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
