//! `rmbench selfcheck`: models that pass, a rule that depends on padding and fails, what is written.

use std::path::Path;

use rmbench::backbone::Pass;
use rmbench::reward::artifact;
use rmbench::reward::network::{MissingHead, Network};
use rmbench::selfcheck::padded::{self, Side};
use rmbench::selfcheck::ways::Sequence;
use rmbench::text::batch::Pooled;
use rmbench::text::pooling::Pooling;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::command::{run, transcript};
use crate::heads::{assemble, assembled, fixtures};

fn certificate(dir: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = run(dir, &[&["selfcheck", "--device", "cpu", "--out", "check"], args].concat());
    let text = std::fs::read_to_string(dir.join("check/selfcheck.json"));
    let json = text.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(std::fs::read_to_string(dir.join("check/selfcheck.txt")).unwrap().as_bytes(), output.stdout);
    (output.status.code(), serde_json::from_str(&json).unwrap())
}

fn verdicts(certificate: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = certificate["checks"].as_array().unwrap();
    checks.iter().map(|check| (text(&check["name"]), text(&check["verdict"]))).collect()
}

/// The table without what rounding decides, differences and exact ties, and without the machine's threads.
fn without_noise(text: &str) -> String {
    let is_tie =
        |cell: &str| cell.split_once(" / ").is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok());
    let word = |word: &str| match word.trim_end_matches(':') {
        number if number.contains("e-") && number.parse::<f64>().is_ok() => "~".to_owned(),
        _ => word.to_owned(),
    };
    let cell = |cell: &str| match cell.trim() {
        cell if is_tie(cell) => "~ / ~".to_owned(),
        // No difference at all is a matter of rounding, too.
        "0" => "~".to_owned(),
        cell => cell.split(' ').map(word).collect::<Vec<_>>().join(" "),
    };
    // Columns are as wide as their numbers.
    let line = |line: &str| line.split("  ").filter(|part| !part.is_empty()).map(cell).collect::<Vec<_>>().join("  ");
    // As many threads as the machine has, whatever other tests set in this process.
    let text = match text.split_once(" on cpu, ").and_then(|(before, after)| Some((before, after.split_once(' ')?.1))) {
        Some((before, after)) => format!("{before} on cpu, N {after}"),
        None => text.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn a_model_that_was_drawn_passes_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let model = crate::artifact::tiny(dir.path());
    artifact::save(&dir.path().join("model"), &model, dir.path(), None, None).unwrap();
    let (code, found) = certificate(dir.path(), &["--model", "model"]);
    let ok = |name: &str| (name.to_owned(), "ok".to_owned());
    let mut expected =
        ["alone or batched", "shared or separate", "order", "right padding", "left padding"].map(ok).to_vec();
    expected.push(("f32 or bf16".to_owned(), "measured".to_owned()));
    assert_eq!((code, verdicts(&found)), (Some(0), expected), "{found:#}");
    assert!(found["shared"].as_f64().unwrap() > 0.2, "{found:#}");
    assert!(found["run"]["digests"]["model/model.safetensors"].is_string());
    for check in found["checks"].as_array().unwrap() {
        let difference = &check["difference"];
        assert_eq!((difference["n-responses"].as_u64(), difference["n-pairs"].as_u64()), (Some(76), Some(43)));
    }
}

#[test]
fn every_fixture_and_every_head_passes() {
    let arch = std::fs::read_dir(fixtures().join("arch")).unwrap().map(|entry| entry.unwrap().path());
    for model in arch {
        let dir = tempfile::tempdir().unwrap();
        let model = model.to_string_lossy().into_owned();
        let cut = ["--model", &model, "--set", "text.truncation=right", "--limit", "12", "--set", "batch-tokens=700"];
        let (code, found) = certificate(dir.path(), &cut);
        assert_eq!(code, Some(0), "{model}: {found:#}");
        assert!(verdicts(&found).iter().all(|(_, verdict)| verdict != "fails"));
        assert!(verdicts(&found).iter().filter(|(_, verdict)| verdict == "ok").count() >= 4, "{model}: {found:#}");
    }
    // The end of the prompt has to be there for a gate: nothing is cut from the left.
    for name in ["armorm", "qrm_other", "internlm2", "inf_orm", "beaver_cost", "llama_factory"] {
        let (_, model) = assembled(name);
        let pairs = model.path().join("pairs.jsonl");
        std::fs::write(&pairs, [("Hi?", "Yes, about ten.", "no"), ("数?", "三", "二")].map(row).join("\n")).unwrap();
        let (code, found) = certificate(model.path(), &["--model", ".", "--pairs", "pairs.jsonl"]);
        assert_eq!(code, Some(0), "{name}: {found:#}");
        assert_eq!(verdicts(&found).iter().filter(|(_, verdict)| verdict == "ok").count(), 5, "{name}: {found:#}");
    }
}

fn row((prompt, chosen, rejected): (&str, &str, &str)) -> String {
    json!({"prompt": prompt, "chosen": chosen, "rejected": rejected}).to_string()
}

/// pad = EOS, and the rule that reads before the first of them: on the left that is another token than on
/// the right, so that rewards depend on how other code pads.
#[test]
fn a_rule_that_depends_on_padding_fails() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("model")).unwrap();
    let card = "pooling = \"hf-legacy-first-pad\"";
    assemble(&dir.path().join("model"), "llama", &json!({"pad_token_id": 382}), None, None, card);
    let args = ["--model", "model", "--limit", "8", "--set", "text.max-length=120", "--set", "text.truncation=right"];
    let (code, found) = certificate(dir.path(), &args);
    assert_eq!(code, Some(1));
    let failing: Vec<String> =
        verdicts(&found).into_iter().filter(|(_, verdict)| verdict == "fails").map(|(name, _)| name).collect();
    assert_eq!(failing, ["left padding"], "{found:#}");
    let text = transcript(dir.path(), &[&["selfcheck", "--device", "cpu", "--set", "seed=0"], &args[..]].concat());
    insta::assert_snapshot!(without_noise(&text));
}

#[test]
fn in_bf16_nothing_fails_and_everything_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let model = fixtures().join("arch/qwen3").to_string_lossy().into_owned();
    let (code, found) = certificate(dir.path(), &["--model", &model, "--dtype", "bf16", "--limit", "6"]);
    assert_eq!(code, Some(0));
    assert!(verdicts(&found).iter().all(|(_, verdict)| verdict == "measured"), "{found:#}");
    assert_eq!(found["run"]["dtype"], "bf16");
    let last = &found["checks"].as_array().unwrap().last().unwrap()["difference"];
    assert!(last["absolute"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.jsonl"), "").unwrap();
    let model = fixtures().join("arch/llama").to_string_lossy().into_owned();
    let mut text: Vec<String> = [
        &[][..],
        &["--model", "nothing-there"],
        &["--model", ".", "--dtype", "f8"],
        &["--model", ".", "--set", "rows=0"],
        &["--model", "."],
        &["--model", ".", "--pairs", "absent.jsonl"],
    ]
    .iter()
    .map(|args| transcript(dir.path(), &[&["selfcheck", "--device", "cpu"], *args].concat()))
    .collect();
    text.push(transcript(dir.path(), &["selfcheck", "--device", "gpu", "--model", &model]).replace(&model, "MODEL"));
    insta::assert_snapshot!(text.join("\n"));
}

/// Real tokens of a padded row have the hidden states that they have without padding, in every architecture.
#[test]
fn padding_on_either_side_changes_no_hidden_state() {
    let _guard = tch::no_grad_guard();
    for dir in crate::parity::fixture_dirs() {
        let network = Network::load(&dir, Device::Cpu, Kind::Double, Kind::Double, MissingHead::Refuse).unwrap();
        let pad = network.config.pad_id.unwrap() as u32;
        let inputs: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("inputs.json")).unwrap()).unwrap();
        let ids = |pair: &Value, key: &str| -> Vec<u32> {
            pair[key].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
        };
        let pairs = inputs["pairs"].as_array().unwrap();
        let sequences: Vec<Sequence> = pairs
            .iter()
            .flat_map(|pair| ["chosen_ids", "rejected_ids"].map(|key| ids(pair, key)))
            .map(|ids| Sequence { owner: (0, 0), ids, segments: None, prompt_tokens: None })
            .collect();
        let pass = Pass::evaluation(Kind::Double);
        let hidden = |batch: &_| network.backbone().hidden(batch, pass);
        let alone: Vec<Tensor> = sequences
            .iter()
            .map(|one| {
                let mut batch =
                    padded::batch(std::slice::from_ref(one), Side::Right, &Pooling::MaskLast.into(), pad).unwrap();
                batch.padding.clear();
                hidden(&batch)
            })
            .collect();
        let width = sequences.iter().map(|one| one.ids.len()).max().unwrap() as i64;
        for side in [Side::Right, Side::Left] {
            let batch = padded::batch(&sequences, side, &Pooling::MaskLast.into(), pad).unwrap();
            let states = hidden(&batch);
            for (number, alone) in alone.iter().enumerate() {
                let n = alone.size()[0];
                let first = number as i64 * width + if side == Side::Left { width - n } else { 0 };
                let difference = (states.narrow(0, first, n) - alone).abs().max().double_value(&[]);
                let scale = alone.abs().max().double_value(&[]);
                assert!(difference <= 1e-12 * scale, "{} {side:?} row {number}: {difference:.1e}", dir.display());
            }
            // The last layer, pruned to the rows that are read, sees the same.
            let read: Vec<usize> = batch
                .pooled
                .iter()
                .map(|pooled| match pooled {
                    Pooled::Token(position) => *position,
                    _ => unreachable!(),
                })
                .collect();
            let pruned = network.backbone().hidden_at(&batch, &read, pass);
            let read: Vec<i64> = read.into_iter().map(|position| position as i64).collect();
            let whole = states.index_select(0, &Tensor::from_slice(&read));
            let difference = (pruned - &whole).abs().max().double_value(&[]);
            assert!(difference <= 1e-12 * whole.abs().max().double_value(&[]), "{} {side:?}", dir.display());
        }
    }
}
