//! Judges on this machine: the same protocols, tables and cache as behind a server, verdicts from the model's own numbers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rmbench::generation::ends::Ends;
use rmbench::generation::{Capacity, Task, Writer};
use rmbench::judge::Outcome;
use rmbench::judge::grammar::VerdictWords;
use rmbench::lang::Lang;
use rmbench::preference::{Conversation, Message, Role};
use rmbench::table::judgment::{JudgmentFile, JudgmentRow};
use tch::Kind;

use super::faults::write_pairs;
use super::one_letter;
use crate::command::rmbench;
use crate::generation::{language_model, load};

/// A tiny random model with room for a judge's questions.
fn model(dir: &Path) {
    language_model("llama", false, 7, dir);
    let path = dir.join("config.json");
    let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["max_position_embeddings"] = 4096.into();
    fs::write(path, config.to_string()).unwrap();
}

fn judge(dir: &Path, protocol: &str, cache: &str, out: &str, more: &[&str]) -> Command {
    let cache = format!("endpoint.cache={cache}");
    let mut args = vec!["score", "--model", "judge", "--judge", protocol, "--pairs", "pairs.jsonl", "--out", out];
    args.extend(["--set", "device=cpu", "--set", cache.as_str()]);
    args.extend(more);
    rmbench(dir, &args)
}

fn said(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn rows(dir: &Path, out: &str) -> Vec<JudgmentRow> {
    JudgmentFile::open(&dir.join(out).join("judgments.parquet")).unwrap().rows().unwrap()
}

fn tables(dir: &Path, out: &str) -> [Vec<u8>; 2] {
    ["scores.parquet", "judgments.parquet"].map(|name| fs::read(dir.join(out).join(name)).unwrap())
}

fn writer(dir: &Path) -> Writer {
    let model = load(dir, Kind::Float).unwrap();
    let ends = Ends::of(dir, &model.text).unwrap();
    Writer { model, ends, capacity: Capacity::default() }
}

/// P(yes) / (P(yes) + P(no)) of whole words in the item's language and in English, by hand.
#[test]
fn yes_and_no_are_weighed_by_the_models_own_probabilities() {
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 3);
    let text = said(&mut judge(dir.path(), "yes-no", "c", "run", &["--set", "judge.prompt-language=target"]), 0);
    assert!(text.contains("`judge`: 18 replies, 0 more from the cache"), "{text}");
    let rows = rows(dir.path(), "run");
    assert_eq!(rows.len(), 18, "three items in three languages, two responses");
    assert!(rows.iter().all(|row| row.judgment.outcome == Outcome::Verdict && row.judgment.rating.is_some()));
    let row = rows.iter().find(|row| row.lang.code() == "arb_Arab" && &*row.item_id == "item-0").unwrap();
    let arabic = Lang::from_code("arb_Arab").unwrap();
    let question = "Question:\nQuestion 0 in arb_Arab?\n\nAnswer:\na good answer\n\nIs this a good answer to the question: \
                    correct, helpful and harmless? Reply with one word, \"نعم\" or \"لا\".";
    let writer = writer(&dir.path().join("judge"));
    let content = Message { role: Role::User, content: question.to_owned() };
    let question = writer.model.text.question(&Conversation(vec![content])).unwrap();
    let (arabic, english) = (VerdictWords::of(arabic).unwrap(), VerdictWords::english().unwrap());
    let mut sums = [0.0, 0.0];
    for (side, lists) in [[&arabic.yes, &english.yes], [&arabic.no, &english.no]].iter().enumerate() {
        let capitals = ["Yes", "No"];
        let words: Vec<&str> =
            lists.iter().flat_map(|list| list.iter().map(String::as_str)).chain([capitals[side]]).collect();
        let continuations: Vec<Vec<u32>> =
            words.iter().map(|word| writer.model.text.answer_ids(&question, word).unwrap()).collect();
        // None of these begins another, so that none is counted twice.
        for (i, ids) in continuations.iter().enumerate() {
            assert!(continuations.iter().enumerate().all(|(j, other)| i == j || !other.starts_with(ids)), "{words:?}");
        }
        let task = Task { prompt: question.ids.clone(), continuations, ..Task::default() };
        let found = writer.write(&[task]).unwrap().remove(0).continuations;
        sums[side] = found.iter().map(|log_probs| log_probs.iter().sum::<f64>().exp()).sum();
    }
    let expected = sums[0] / (sums[0] + sums[1]);
    assert_eq!(row.judgment.shown, [0]);
    let found = row.judgment.rating.unwrap();
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    assert!((0.0..1.0).contains(&expected));
    assert_eq!(row.judgment.prompt_tokens, Some(question.ids.len() as u32));
}

/// Cache or none, a second run, a run that was killed: the same bytes.
#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 60);
    let more = ["--set", "shard-size=8", "--set", "judge.max-tokens=24", "--set", "judge.temperature=1.0"];
    let more = [&more[..], &["--set", "judge.log-probs=true"]].concat();
    said(&mut judge(dir.path(), "ratings", "c1", "calm", &more), 1);
    let calm = tables(dir.path(), "calm");
    let text = said(&mut judge(dir.path(), "ratings", "c1", "again", &more), 1);
    assert!(text.contains("0 replies, 360 more from the cache"), "{text}");
    assert!(tables(dir.path(), "again") == calm, "replayed");
    said(&mut judge(dir.path(), "ratings", "off", "uncached", &more), 1);
    assert!(tables(dir.path(), "uncached") == calm, "without a cache");

    let mut child =
        judge(dir.path(), "ratings", "c2", "cut", &more).stderr(std::process::Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let shards = dir.path().join("cut/shards");
    while fs::read_dir(&shards).map_or(0, Iterator::count) < 6 {
        assert!(began.elapsed() < Duration::from_secs(120), "no shard appears");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run was over before it could be killed");
    let text = said(&mut judge(dir.path(), "ratings", "c2", "cut", &[&more[..], &["--resume"]].concat()), 1);
    assert!(text.contains("had been scored before"), "{text}");
    assert!(tables(dir.path(), "cut") == calm, "a kill changed the result");
}

/// Draws depend on the seed; probabilities of a letter come from its token; what is no verdict is none.
#[test]
fn other_protocols_work_as_behind_a_server() {
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 4);
    said(&mut judge(dir.path(), "pairwise", "c", "pairwise", &["--set", "judge.max-tokens=16"]), 1);
    let found = rows(dir.path(), "pairwise");
    assert!(found.len() == 24 && found.iter().all(|row| row.judgment.outcome == Outcome::Unparsed));
    assert!(found.iter().all(|row| row.judgment.finish.is_some() && row.judgment.reply_tokens.is_some_and(|n| n > 0)));
    let sampled = ["--set", "judge.max-tokens=8", "--set", "judge.temperature=1.5", "--set", "judge.samples=2"];
    said(&mut judge(dir.path(), "pairwise", "c", "one", &sampled), 1);
    said(&mut judge(dir.path(), "pairwise", "c", "two", &[&sampled[..], &["--set", "seed=1"]].concat()), 1);
    let replies = |out: &str| rows(dir.path(), out).into_iter().map(|row| row.judgment.reply).collect::<Vec<_>>();
    let (one, two) = (replies("one"), replies("two"));
    assert!(one[0] != one[1] && one != two, "samples and seeds have draws of their own");
    let text = said(&mut judge(dir.path(), "genrm", "c", "panel", &["--set", "judge.panel=['mock:length']"]), 0);
    assert!(text.contains("`judge`: 24 replies"), "{text}");
    assert_eq!(rows(dir.path(), "panel").len(), 48);
    let run: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("panel/run.json")).unwrap()).unwrap();
    assert_eq!((run["kind"].as_str(), run["dtype"].as_str()), (Some("generative"), Some("f32")));
    assert!(run["digests"].as_object().unwrap().keys().any(|name| name.contains("model.safetensors")), "{run}");
}

#[test]
fn what_a_local_judge_cannot_do_is_said() {
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    let text = said(&mut judge(dir.path(), "yes-no", "c", "a", &["--set", "judge.extra.guided_json=1"]), 2);
    assert!(text.contains("judge.extra") && text.contains("guided_json"), "{text}");
    let arch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama");
    let args =
        ["score", "--model", arch.to_str().unwrap(), "--judge", "yes-no", "--pairs", "pairs.jsonl", "--out", "d"];
    let text = said(&mut rmbench(dir.path(), &args), 2);
    assert!(text.contains("lm_head.weight"), "{text}");
    // A question that is too long for the model is the question's fault, not the run's end.
    let path = dir.path().join("judge/config.json");
    let config = fs::read_to_string(&path).unwrap().replace("4096", "80");
    fs::write(&path, config).unwrap();
    let text = said(&mut judge(dir.path(), "yes-no", "c", "e", &[]), 2);
    assert!(text.contains("it takes no question") && text.contains("the model takes from 1 to 79"), "{text}");
}

/// Replies begin with one of the words that they may begin with: the only one, or the more probable one.
#[test]
fn a_protocol_says_what_replies_begin_with() {
    let letter_protocol = one_letter(r#"first = ["A", "B"]"#);
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 10);
    fs::write(dir.path().join("letter.toml"), &letter_protocol).unwrap();
    for (place, letter) in ["A", "B"].into_iter().enumerate() {
        let only = letter_protocol.replace("first = [\"A\", \"B\"]", &format!("first = [{letter:?}]"));
        fs::write(dir.path().join("only.toml"), only).unwrap();
        said(&mut judge(dir.path(), "only.toml", "c", letter, &[]), 0);
        assert!(rows(dir.path(), letter).iter().all(|row| row.judgment.picked == Some(place as u16)), "{letter}");
    }
    said(&mut judge(dir.path(), "letter.toml", "c", "held", &[]), 0);
    let held = rows(dir.path(), "held");
    assert!(held.len() == 60 && held.iter().all(|row| row.judgment.outcome == Outcome::Verdict));
    let writer = writer(&dir.path().join("judge"));
    for row in held.iter().take(6) {
        let judgment = &row.judgment;
        let answers = match row.item_id.strip_prefix("item-").unwrap().parse::<usize>().unwrap() {
            i if i % 5 == 4 => ["a good answer", "another good answer"],
            i if i % 4 == 3 => ["a poor answer", "a good answer"],
            _ => ["a good answer", "a poor answer"],
        };
        let shown: Vec<&str> = judgment.shown.iter().map(|slot| answers[usize::from(*slot)]).collect();
        let content = format!("A: {} B: {} Better?", shown[0], shown[1]);
        let turn = Message { role: Role::User, content };
        let question = writer.model.text.question(&Conversation(vec![turn])).unwrap();
        let continuations: Vec<Vec<u32>> =
            ["A", "B"].iter().map(|word| writer.model.text.answer_ids(&question, word).unwrap()).collect();
        let task = Task { prompt: question.ids.clone(), continuations, ..Task::default() };
        let found = writer.write(&[task]).unwrap().remove(0).continuations;
        assert_eq!(judgment.picked, Some(u16::from(found[1][0] > found[0][0])), "{found:?}");
    }
    // Sampled, too.
    let sampled = ["--set", "judge.temperature=3.0", "--set", "judge.samples=3"];
    said(&mut judge(dir.path(), "letter.toml", "c", "sampled", &sampled), 0);
    let picked: std::collections::BTreeSet<_> =
        rows(dir.path(), "sampled").iter().map(|row| row.judgment.picked).collect();
    assert_eq!(picked.len(), 2, "both letters are drawn");
}

/// The system turn of the settings stands before a judge's question as it stands before pairs in training; a protocol's own
/// system turn stays.
#[test]
fn the_settings_system_turn_is_asked_too() {
    let dir = tempfile::tempdir().unwrap();
    model(&dir.path().join("judge"));
    write_pairs(&dir.path().join("pairs.jsonl"), 1);
    let tokens = |protocol: &str, out: &str, more: &[&str]| -> Vec<u32> {
        let most = [&["--set", "judge.max-tokens=1"][..], more].concat();
        let code = if protocol == "yes-no" { 0 } else { 1 };
        said(&mut judge(dir.path(), protocol, "c", out, &most), code);
        rows(dir.path(), out).iter().map(|row| row.judgment.prompt_tokens.unwrap()).collect()
    };
    let system = ["--set", "text.system='Be fair and say little.'"];
    let (plain, with) = (tokens("yes-no", "plain", &[]), tokens("yes-no", "with", &system));
    assert!(plain.iter().zip(&with).all(|(plain, with)| with > plain), "{plain:?} {with:?}");
    assert_eq!(
        tokens("pairwise", "own", &[]),
        tokens("pairwise", "own-with", &system),
        "it has a system turn of its own"
    );
}
