//! Judged runs from data to report, with scripted judges and with a server.

use std::fs;
use std::path::Path;

use rmbench::judge::settings::JudgeSettings;
use rmbench::judge::{Extras, Judge, Outcome};
use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::score::settings::{DEFAULTS, ScoreSettings};
use rmbench::table::item::ItemTable;
use rmbench::table::judgment::{JudgmentFile, JudgmentRow};

use super::faults::{judge, succeeds, write_pairs};
use super::server::ChatServer;
use crate::command::{rmbench, run};

fn judgments(dir: &Path, out: &str) -> Vec<JudgmentRow> {
    JudgmentFile::open(&dir.join(out).join("judgments.parquet")).unwrap().rows().unwrap()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Outcomes by hand, of the invented judge that takes the first of two equal answers: with both orders, of 15 items
/// in a language, those with one good answer on the chosen side are right (9: 12 without the fifths less the fourths),
/// those with it on the rejected side are wrong, those with two are contradictory: picked first in both orders.
#[test]
fn outcomes_are_kept_apart_and_become_rewards() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 15);
    let server = ChatServer::start();
    server.say("Question 0 in eng_Latn", "I cannot judge these answers.");
    server.say("Question 1 in eng_Latn", "It depends.");
    let output = judge(dir.path(), &server, "c", "run", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let rows = judgments(dir.path(), "run");
    assert_eq!(rows.len(), 90);
    let count = |outcome| rows.iter().filter(|row| row.judgment.outcome == outcome).count();
    assert_eq!((count(Outcome::Refused), count(Outcome::Unparsed), count(Outcome::Verdict)), (2, 2, 86));
    let unparsed = rows.iter().find(|row| row.judgment.outcome == Outcome::Unparsed).unwrap();
    assert_eq!(unparsed.judgment.reply.as_deref(), Some("It depends."));
    assert!(unparsed.judgment.why.as_deref().unwrap().contains("missing"));
    assert!(rows.iter().all(|row| row.judgment.prompt_tokens.is_some_and(|n| n > 10)));
    for pair in rows.chunks(2) {
        assert_eq!(pair[0].item_id, pair[1].item_id);
        assert_eq!(
            pair[0].judgment.shown.iter().rev().collect::<Vec<_>>(),
            pair[1].judgment.shown.iter().collect::<Vec<_>>()
        );
    }

    let table = ItemTable::load(&[dir.path().join("run")]).unwrap();
    let rewards = |id: &str, lang: &str| {
        let item = table.items.iter().position(|k| table.symbols.name(k.item) == id && k.lang.code() == lang).unwrap();
        let item = table.item(0, item);
        (item.chosen[0], item.rejected[0])
    };
    assert_eq!(rewards("item-0", "arb_Arab"), (Some(1.0), Some(0.0)), "right in both orders");
    assert_eq!(rewards("item-3", "arb_Arab"), (Some(0.0), Some(1.0)), "wrong in both orders");
    assert_eq!(rewards("item-4", "arb_Arab"), (Some(0.5), Some(0.5)), "the first one both times");
    assert_eq!(rewards("item-0", "eng_Latn"), (None, None), "refused");
    assert_eq!(rewards("item-1", "eng_Latn"), (None, None), "not to be read");
}

#[test]
fn a_report_has_judged_runs_beside_scalar_ones() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 40);
    let server = ChatServer::start();
    server.say("Question 1 in eng_Latn", "It depends.");
    let priced = ["--set", "judge.prices.*=[1.0, 2.0]"];
    let output = judge(dir.path(), &server, "c", "judged", &priced).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    succeeds(&mut rmbench(
        dir.path(),
        &["score", "--model", "mock:length", "--pairs", "pairs.jsonl", "--out", "scalar"],
    ));
    succeeds(&mut rmbench(
        dir.path(),
        &["report", "judged", "scalar", "--out", "report", "--format", "html,md,csv,json"],
    ));
    let findings: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("report/findings.json")).unwrap()).unwrap();
    let of = |metric: &str, lang: &str| {
        let list = findings["findings"].as_array().unwrap().iter();
        let found: Vec<_> = list
            .filter(|f| {
                f["metric"] == metric
                    && f["run"] == 0
                    && f["languages"]["name"] == lang
                    && f["scope"]["of"] == "overall"
            })
            .collect();
        assert_eq!(found.len(), 1, "{metric} {lang}");
        found[0]["estimate"].clone()
    };
    // 40 items: 8 with two good answers (ties, which count as wrong), 8 of the others wrong (3, 7, 11, 15, 23, 27, 31, 35), 24 right.
    let accuracy = of("accuracy", "arb_Arab");
    assert_eq!((accuracy["point"].as_f64(), accuracy["n"].as_u64()), (Some(0.6), Some(40)));
    // In English item 1 has no verdict: 23 of 39 right; 23 of 40 at worst, 24 of 40 at best.
    assert_eq!(
        (of("accuracy", "eng_Latn")["point"].as_f64(), of("accuracy", "eng_Latn")["n"].as_u64()),
        (Some(23.0 / 39.0), Some(39))
    );
    assert_eq!(of("accuracy-lowest", "eng_Latn")["point"].as_f64(), Some(23.0 / 40.0));
    assert_eq!(of("accuracy-highest", "eng_Latn")["point"].as_f64(), Some(24.0 / 40.0));
    assert_eq!(of("unparsed", "eng_Latn")["point"].as_f64(), Some(2.0 / 80.0));
    assert_eq!(of("unparsed", "arb_Arab")["point"].as_f64(), Some(0.0));
    // 32 of 40 items have the same answer in both orders; of 80 verdicts 32 + 16 pick the first.
    let consistency = of("order-consistency", "arb_Arab");
    assert_eq!(consistency["point"].as_f64(), Some(0.8));
    let interval = &consistency["interval"];
    assert!(interval["low"].as_f64().unwrap() < 0.8 && interval["high"].as_f64().unwrap() > 0.8, "{interval}");
    assert_eq!(of("picks-first", "arb_Arab")["point"].as_f64(), Some(0.6));
    let bias = of("position-bias", "arb_Arab");
    assert!((bias["point"].as_f64().unwrap() - 0.1).abs() < 1e-12, "{bias}");
    assert!(
        bias["interval"]["low"].as_f64().unwrap() > 0.0,
        "16 of 80 are decided by the place, all of them for the first"
    );
    let totals = &findings["judges"][0];
    assert_eq!((totals["judgments"].as_u64(), totals["unparsed"].as_u64()), (Some(240), Some(2)));
    let money = totals["money"].as_f64().unwrap();
    let (tokens_in, tokens_out) = (totals["prompt_tokens"].as_f64().unwrap(), totals["reply_tokens"].as_f64().unwrap());
    assert!((money - (tokens_in + 2.0 * tokens_out) / 1e6).abs() < 1e-12);
    let page = fs::read_to_string(dir.path().join("report/report.md")).unwrap();
    for text in [
        "Judges",
        "Picks the first",
        "Same in every order",
        "mock:length",
        "invented-judge, pairwise",
        ": position bias +",
        "established towards the first response in 3 of 3 languages",
        "Left out, since no judgment is of the kind: Ties, Refused, Errors.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let html = fs::read_to_string(dir.path().join("report/report.html")).unwrap();
    assert!(html.contains("position-bias-1") && html.contains("no bias is established"), "the figure");
    assert!(fs::read_to_string(dir.path().join("report/report.html")).unwrap().contains("Same in every order"));
    // RewardBench's policy: what has no verdict counts one half, with ties at one half.
    let policy = ["--set", "unresolved=tie", "--set", "ties=half"];
    succeeds(&mut rmbench(
        dir.path(),
        &[&["report", "judged", "--out", "half", "--format", "json"], &policy[..]].concat(),
    ));
    let half = fs::read_to_string(dir.path().join("half/findings.json")).unwrap();
    let half: serde_json::Value = serde_json::from_str(&half).unwrap();
    let accuracy =
        half["findings"].as_array().unwrap().iter().find(|f| {
            f["metric"] == "accuracy" && f["languages"]["name"] == "eng_Latn" && f["scope"]["of"] == "overall"
        });
    assert_eq!(accuracy.unwrap()["estimate"]["point"].as_f64(), Some((23.0 + 4.0 + 0.5) / 40.0));
}

#[test]
fn scripted_judges_speak_every_protocol() {
    let score: ScoreSettings = toml::from_str(DEFAULTS).unwrap();
    let items: Vec<Comparison> = (0..8)
        .map(|i| {
            let mut item = comparison(&format!("item-{i}"), ["a longer answer", "answer"]);
            item.lang = Lang::from_code(["eng_Latn", "arb_Arab", "zho_Hans"][i % 3]).unwrap();
            item
        })
        .collect();
    let none = Extras::default();
    let with_extras: Vec<(&Comparison, &Extras)> = items.iter().map(|item| (item, &none)).collect();
    for name in rmbench::judge::protocol::names() {
        for spec in ["mock:length", "mock:random"] {
            let settings = JudgeSettings { protocol: Some(name.to_owned()), ..score.judge.clone() };
            let judge = Judge::open(&[spec], &settings, &score.endpoint, 7).unwrap();
            let mut done = 0;
            let judged = judge.judge(&with_extras, &mut |n| done += n);
            if name == "rewardbench-2-ranking" {
                let error = judged.unwrap_err().to_string();
                assert!(error.ends_with("it has 2 responses, and the protocol shows 4"), "{error}");
                continue;
            }
            let judged = judged.unwrap();
            assert_eq!((done, judged.len()), (8, 8), "{name}");
            let n = if name == "mrb-original" { 1 } else { 2 };
            for (item, judgments) in items.iter().zip(&judged) {
                assert_eq!((judgments.len(), judge.n_judgments(item).unwrap()), (n, n), "{name}");
                assert!(judgments.iter().all(|judgment| judgment.outcome.is_decided()), "{name}: {judgments:?}");
            }
        }
    }
}

fn comparison(id: &str, texts: [&str; 2]) -> Comparison {
    Comparison {
        id: id.into(),
        source: id.into(),
        lang: Lang::ENGLISH,
        subset: "s".into(),
        category: None,
        prompt: Conversation::from_prompt("q"),
        chosen: vec![Response::new(texts[0])],
        rejected: vec![Response::new(texts[1])],
        margin: None,
        evidence: Default::default(),
        row: 0,
    }
}

#[test]
fn panels_and_what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 4);
    let panel = ["score", "--model", "mock:length", "--judge", "pairwise", "--pairs", "pairs.jsonl", "--out", "panel"];
    let both = [&panel[..], &["--set", "judge.panel=[\"mock:random\"]"]].concat();
    assert!(run(dir.path(), &both).status.success());
    assert_eq!(judgments(dir.path(), "panel").len(), 48);
    let pairs = ["--pairs", "pairs.jsonl", "--out", "x"];
    for (args, expected) in [
        (vec!["--model", "mock:length", "--judge", "pairwsie"], "did you mean `pairwise`"),
        (vec!["--model", "endpoint:http://127.0.0.1:9/v1"], "give --judge a protocol"),
        (
            vec!["--model", "mock:length", "--judge", "rewardbench-2-ranking"],
            "12 items cannot be judged by this protocol",
        ),
        (vec!["--model", "models/none", "--judge", "pairwise"], "`models/none`"),
    ] {
        let output = run(dir.path(), &[&["score"], &args[..], &pairs].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

/// A judge that picks the first response every time: resampling sees no spread, and the bias has an interval all the same.
#[test]
fn a_bias_without_exception_has_an_interval() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 20);
    let server = ChatServer::start();
    server.say("Question", "[[A]]");
    succeeds(&mut judge(dir.path(), &server, "c", "judged", &[]));
    succeeds(&mut rmbench(dir.path(), &["report", "judged", "--out", "report", "--format", "md,json"]));
    let text = fs::read_to_string(dir.path().join("report/findings.json")).unwrap();
    let findings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |metric: &str| {
        let mut list = findings["findings"].as_array().unwrap().iter();
        let is_it = |f: &&serde_json::Value| f["metric"] == metric && f["languages"]["name"] == "arb_Arab";
        list.find(is_it).unwrap()["estimate"].clone()
    };
    let (share, bias) = (of("picks-first"), of("position-bias"));
    assert_eq!((share["point"].as_f64(), bias["point"].as_f64()), (Some(1.0), Some(0.5)));
    for end in ["low", "high"] {
        let [share, bias] = [&share, &bias].map(|estimate| estimate["interval"][end].as_f64().unwrap());
        assert!((share - 0.5 - bias).abs() < 1e-12, "{share} {bias}");
    }
    assert!(bias["interval"]["low"].as_f64().unwrap() > 0.2, "{bias}");
}

/// A protocol with a follow-up asks once more, and columns of the data reach the prompt.
#[test]
fn follow_ups_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for i in 0..3 {
        let row = serde_json::json!({"id": i, "language": "eng_Latn", "prompt": "q", "chosen": "good", "rejected": "poor",
            "truth": if i == 1 { serde_json::Value::Null } else { format!("reference {i}").into() }});
        text.push_str(&format!("{row}\n"));
    }
    fs::write(dir.path().join("pairs.jsonl"), text).unwrap();
    let server = ChatServer::start();
    server.say("Continue your judgment", "[[A>>B]]");
    let spec = server.spec();
    let args = ["score", "--model", spec.as_str(), "--pairs", "pairs.jsonl", "--set", "endpoint.cache=off"];
    succeeds(&mut rmbench(dir.path(), &[&args[..], &["--judge", "judgebench", "--out", "arena"]].concat()));
    let rows = judgments(dir.path(), "arena");
    // The server's usual verdict is [[A]], which is none of the five.
    assert!(rows.iter().all(|row| row.judgment.asks == 2 && row.judgment.strength == Some(2)), "{rows:?}");
    server.say("reference 2", "[[B]]");
    let column = ["--judge", "reference", "--set", "judge.reference-column=truth", "--out", "reference"];
    succeeds(&mut rmbench(dir.path(), &[&args[..], &column].concat()));
    let picks: Vec<_> = judgments(dir.path(), "reference").iter().map(|row| row.judgment.picked).collect();
    assert_eq!(picks[4..], [Some(1), Some(1)], "the reference was in the prompt");
    let missing = ["--judge", "reference", "--set", "judge.reference-column=trutt", "--out", "x"];
    let output = run(dir.path(), &[&args[..], &missing].concat());
    assert!(said(&output).contains("did you mean `truth`"), "{}", said(&output));
}

/// RM-Bench judged two at a time: nine pairs in both orders. A judge that takes the longer answer fills the matrix as
/// a scorer does whose reward is the length; another one, whose verdicts run in a circle, has no such scorer.
#[test]
fn a_style_matrix_is_judged_pair_by_pair() {
    use rmbench::metric::style_matrix::{EASY, HARD, MATRIX};
    use rmbench::metric::{Group, Metric, Protocol as Rules, TiePolicy};
    let dir = tempfile::tempdir().unwrap();
    let lengths = [([3, 9, 14], [5, 7, 20]), ([30, 8, 4], [4, 16, 2]), ([6, 12, 18], [6, 5, 40])];
    let words = |n: usize| "word ".repeat(n).trim().to_owned();
    let rows = lengths.iter().enumerate().map(|(i, (chosen, rejected))| {
        let [chosen, rejected] = [chosen, rejected].map(|side| side.map(words));
        let row = serde_json::json!({"id": format!("m{i}"), "language": "eng_Latn", "prompt": "q", "chosen": chosen, "rejected": rejected});
        format!("{row}\n")
    });
    fs::write(dir.path().join("matrix.jsonl"), rows.collect::<String>()).unwrap();
    let score = ["score", "--model", "mock:length", "--pairs", "matrix.jsonl", "--out"];
    assert!(run(dir.path(), &[&score[..], &["scored"]].concat()).status.success());
    let output = run(dir.path(), &[&score[..], &["judged", "--judge", "pairwise-tie"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(judgments(dir.path(), "judged").len(), 3 * 9 * 2);

    let paths = ["scored", "judged"].map(|name| dir.path().join(name));
    let mut table = ItemTable::load(&paths).unwrap();
    rmbench::table::judged::attach(&mut table, &paths, None).unwrap();
    let value = |run: usize, metric: &dyn Metric| {
        let mut sums = [0.0; 16];
        for item in 0..table.items.len() {
            metric.contribute(&Group::One(table.item(run, item)), &Rules { ties: TiePolicy::Loss }, &mut sums);
        }
        metric.finish(&sums[..metric.width()])
    };
    for metric in [&MATRIX, &EASY, &HARD] {
        assert!(value(0, metric).is_some());
        assert_eq!(value(0, metric), value(1, metric), "{}", metric.id());
    }
    // By hand, chosen against rejected in order: item 0 wins 0 0 0, 1 1 0, 1 1 0.
    let mut sums = [0.0; 10];
    MATRIX.contribute(&Group::One(table.item(1, 0)), &Rules { ties: TiePolicy::Loss }, &mut sums);
    assert_eq!(sums, [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    // The chosen response of 6 words ties with the rejected one of 6: one half where ties are worth that.
    let mut sums = [0.0; 10];
    MATRIX.contribute(&Group::One(table.item(1, 2)), &Rules { ties: TiePolicy::Half }, &mut sums);
    assert_eq!(sums[..3], [0.5, 1.0, 0.0]);
    assert!(table.item(1, 0).chosen.iter().all(Option::is_none), "no rewards that could contradict the pairs");
    let report = run(dir.path(), &["report", "scored", "judged", "--out", "report", "--format", "json"]);
    assert!(report.status.success(), "{}", said(&report));
}
