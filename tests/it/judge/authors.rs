//! Whether a judge prefers what it wrote itself, in the report.

use std::fs;

use serde_json::{Value, json};

use crate::command::run;

/// Of 80 items with an answer by the judge on one side, which is the longer one, half deserve it; the judge takes the longer
/// one always: preferred 1, deserved ½. Scripted judges that draw prefer neither and have no answers of their own.
#[test]
fn self_preference_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let row = |i: usize| {
        let own = (format!("a long answer number {i}"), "mock length");
        let other = (format!("short {i}"), "other");
        let (chosen, rejected) = if i.is_multiple_of(2) { (own, other) } else { (other, own) };
        json!({"id": i, "language": "eng_Latn", "prompt": "q", "chosen": chosen.0, "rejected": rejected.0,
            "chosen_model": chosen.1, "rejected_model": rejected.1})
        .to_string()
    };
    fs::write(dir.path().join("pairs.jsonl"), (0..80).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    for (model, out) in [("mock:length", "own"), ("mock:random", "drawn")] {
        let output = run(
            dir.path(),
            &["score", "--model", model, "--judge", "pairwise", "--pairs", "pairs.jsonl", "--out", out],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let args =
        ["report", "own", "drawn", "--out", "report", "--format", "json,md,html", "--annotations", "pairs.jsonl"];
    let output = run(dir.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let findings: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("report/findings.json")).unwrap()).unwrap();
    let of = |run: usize, measure: &str, author: Option<&str>| {
        let mut all = findings["details"].as_array().unwrap().iter();
        let wanted = |d: &&Value| {
            let same = author.is_none_or(|author| d["of"][0]["name"] == author);
            d["analysis"] == "authors" && d["run"] == run && d["measure"] == measure && same
        };
        all.find(wanted).unwrap().clone()
    };
    for (measure, expected) in [("preferred", 1.0), ("deserved", 0.5), ("excess", 0.5), ("self-preference", 0.5)] {
        let estimate = &of(0, measure, Some("mock length"))["estimate"];
        assert_eq!((estimate["point"].as_f64(), estimate["n"].as_u64()), (Some(expected), Some(80)), "{measure}");
    }
    let interval = &of(0, "self-preference", None)["estimate"]["interval"];
    let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
    assert!(0.3 < low && low < 0.5 && 0.5 < high && high < 0.7, "[{low}, {high}]");
    // The other's answers are the same items seen from the other side.
    assert_eq!(of(0, "excess", Some("other"))["estimate"]["point"].as_f64(), Some(-0.5));
    let drawn = of(1, "preferred", Some("mock length"))["estimate"]["point"].as_f64().unwrap();
    let beyond = of(0, "beyond-other-runs", None)["estimate"]["point"].as_f64().unwrap();
    assert!((beyond - (1.0 - drawn)).abs() < 1e-12 && (0.3..0.7).contains(&drawn), "{beyond} {drawn}");
    let why = of(1, "self-preference", None)["why"].as_str().unwrap().to_owned();
    assert!(why.contains("none of 2 authors is called as the run"), "{why}");
    let page = fs::read_to_string(dir.path().join("report/report.md")).unwrap();
    for text in ["Whose answers are preferred", "prefers the answers of its own author", "not enough data: none of 2"] {
        assert!(page.contains(text), "{text}");
    }
    // Without knowing who wrote what, that is said.
    assert!(run(dir.path(), &["report", "own", "--out", "plain", "--format", "md"]).status.success());
    let page = fs::read_to_string(dir.path().join("plain/report.md")).unwrap();
    assert!(page.contains("Not enough data for:") && page.contains("self-preference"), "{page}");
}
