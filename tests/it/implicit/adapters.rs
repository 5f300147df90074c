//! Policies that are an adapter over a frozen base: trained against the base, saved as PEFT has them, scored with the
//! adapter on and off.

use std::fs;
use std::process::Command;

use rmbench::backbone::lora::Adapter;
use rmbench::backbone::weights::Checkpoint;
use rmbench::progress::Silent;
use rmbench::reward::artifact::read_card;
use rmbench::reward::implicit::ImplicitModel;
use rmbench::table::implicit::{Span, View};
use rmbench::table::read::ScoreFile;
use rmbench::table::score::ScoreRow;
use rmbench::train::begin_policy::begin_policy;
use rmbench::train::reference::{Key, References};
use serde_json::json;

use super::train::{given, settings, steps, train};
use super::*;
use crate::command::run;

const LORA: &str = "[adapter]\nmethod = 'lora'\nrank = 3\n";

fn score(dir: &Path, model: &str, out: &str, more: &[&str]) -> Vec<ScoreRow> {
    let fixed = ["score", "--model", model, "--pairs", "pairs.jsonl", "--out", out];
    let output = run(dir, &[&fixed[..], more].concat());
    assert_eq!(output.status.code(), Some(0), "{model}: {}", String::from_utf8_lossy(&output.stderr));
    ScoreFile::open(&dir.join(out).join("scores.parquet")).unwrap().rows().unwrap()
}

fn write_pairs(dir: &Path, pairs: &[Comparison]) {
    let line = |item: &Comparison| {
        let row = json!({"id": item.id.as_str(), "prompt": item.prompt.plain_text(), "language": "eng_Latn",
            "chosen": item.chosen[0].text, "rejected": item.rejected[0].text, "subset": "s"});
        format!("{row}\n")
    };
    fs::write(dir.join("pairs.jsonl"), pairs.iter().map(line).collect::<String>()).unwrap();
}

/// PEFT's adapter and a base: rewards from the directory alone, the base its reference.
#[test]
fn an_adapter_is_a_policy_and_its_reference() {
    let dir = tempfile::tempdir().unwrap();
    let expected = json("log_probs.json")["models"]["adapter"].as_array().unwrap().clone();
    let item = |row: &Value| {
        let responses: Vec<&str> = row["responses"].as_array().unwrap().iter().map(text).collect();
        comparison(text(&row["name"]), text(&row["prompt"]), &responses[..1], &responses[1..])
    };
    write_pairs(dir.path(), &expected.iter().map(item).collect::<Vec<_>>());
    let adapter = fixtures().join("adapter").to_string_lossy().into_owned();
    let rows = score(dir.path(), &adapter, "run", &["--kind", "implicit"]);
    let of = |key: &str| -> Vec<f64> { expected.iter().flat_map(|row| numbers(&row[key])).collect() };
    let (sums, references) = (of("sums"), of("reference"));
    assert_eq!(rows.len(), sums.len());
    for (row, (sum, reference)) in rows.iter().zip(sums.iter().zip(&references)) {
        let found = row.log_probs.unwrap();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs();
        assert!(
            close(found.policy, *sum) && close(found.reference.unwrap(), *reference),
            "{found:?} {sum} {reference}"
        );
        assert_eq!(row.reward, Some((found.policy - found.reference.unwrap()) as f32));
    }
    // The adapter does something.
    assert!(sums.iter().zip(&references).any(|(a, b)| (a - b).abs() > 0.5));
    let alone = score(dir.path(), &adapter, "alone", &["--reference", "none"]);
    assert!(alone.iter().all(|row| row.log_probs.unwrap().reference.is_none()));
}

/// What the reference says is on disk, and it is the base that says it.
#[test]
fn the_base_is_the_reference_of_a_new_adapter() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let data = given("dpo");
    let settings = settings("dpo", LORA);
    let out = dir.path().join("run");
    train(&settings, &data, &[], &out, false).unwrap();
    let needs = settings.objective.policy().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    let trainable = begin_policy(&settings, needs, data.len(), Vec::new(), &elsewhere, &mut Silent).unwrap().trainable;
    let known = References::open(&out, &trainable.reference_digest).unwrap();
    let base = ImplicitModel {
        policy: policy("policy", Kind::Float),
        reference: None,
        view: View::default(),
        span: Span::Response,
    };
    let encoded = trainable.policy.text.encode_all(&data).unwrap();
    let scores = base.score_encoded(&data, &encoded, &mut |_| ()).unwrap();
    for (encoded, scores) in encoded.iter().zip(&scores) {
        for (sequence, score) in scores.iter().enumerate() {
            let key = Key::of(&encoded.sequences[sequence], encoded.prompt_tokens[sequence]);
            let (found, expected) = (known.get(&key).unwrap(), score.log_probs.unwrap().policy);
            assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found} {expected}");
        }
    }
    // The first loss of a new adapter is that of a policy that is its reference.
    let first = steps(&out)[0]["loss"].as_f64().unwrap();
    assert!((first - std::f64::consts::LN_2).abs() < 1e-6, "{first}");
}

/// Every family of objectives: the base keeps its bytes, what is saved scores with the margins that training saw.
#[test]
fn adapters_are_trained_by_every_kind_of_objective() {
    tch::set_num_threads(1);
    let base = fs::read(fixtures().join("policy/model.safetensors")).unwrap();
    for (name, more) in [
        ("dpo", LORA.to_owned()),
        ("dpo", format!("checkpoint-layers = 1\n{LORA}targets = ['q_proj', 'up_proj']\n")),
        ("simpo", "[adapter]\nmethod = 'dora'\nrank = 2\n".to_owned()),
        ("kto", LORA.to_owned()),
        ("orpo", format!("{LORA}rslora = true\n")),
        ("mpo", LORA.to_owned()),
        ("sft", LORA.to_owned()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (dir, data) = (dir.path(), given(name));
        let eval = given("dpo");
        let outcome = train(&settings(name, &more), &data, &eval, &dir.join("out"), false);
        let summary = match outcome.unwrap_or_else(|e| panic!("{name}: {e}")) {
            rmbench::train::TrainOutcome::Trained(summary) => summary,
            rmbench::train::TrainOutcome::AlreadyComplete => panic!("{name}"),
        };
        let out = dir.join("out");
        assert!(!out.join("model.safetensors").exists());
        let saved = Checkpoint::open_files(&[out.join("adapter_model.safetensors")]).unwrap().take_all().unwrap();
        assert!(saved.keys().all(|key| key.contains(".lora_")), "{name}: {:?}", saved.keys());
        let ups = saved.iter().filter(|(key, _)| key.contains("lora_B"));
        assert!(ups.clone().count() > 1 && ups.clone().all(|(_, b)| b.abs().max().double_value(&[]) > 0.0), "{name}");
        assert_eq!(fs::read(fixtures().join("policy/model.safetensors")).unwrap(), base, "the base changed");
        let adapter: Value = serde_json::from_slice(&fs::read(out.join("adapter_config.json")).unwrap()).unwrap();
        assert_eq!((&adapter["task_type"], &adapter["modules_to_save"]), (&json!("CAUSAL_LM"), &Value::Null));
        let card = read_card(&out).unwrap().unwrap().reward.implicit.unwrap();
        let against = (!["simpo", "orpo"].contains(&name)).then(|| "base".to_owned());
        assert_eq!(card.reference, against, "{name}");
        // As it is, and merged into a checkpoint: the same rewards, those of the last evaluation.
        write_pairs(dir, &eval);
        let own = score(dir, "out", "own", &[]);
        let merge = ["model", "merge-adapter", "--model", "out", "--out", "merged"];
        let output = run(dir, &merge);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let merged = score(dir, "merged", "whole", &[]);
        for (a, b) in own.iter().zip(&merged) {
            let (a, b) = (a.reward.unwrap(), b.reward.unwrap());
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{name}: {a} {b}");
        }
        // What training of `sft` sees is log-probabilities alone.
        if name == "sft" {
            continue;
        }
        let margins = own.chunks(2).map(|pair| f64::from(pair[0].reward.unwrap() - pair[1].reward.unwrap()));
        let mean = margins.sum::<f64>() / eval.len() as f64;
        let expected = summary.evaluation.unwrap().overall.mean_margin().unwrap();
        assert!((mean - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{name}: {mean} not {expected}");
    }
}

/// By the command line: what dropout draws is libtorch's own stream, which tests beside this one would share.
#[test]
fn dropout_of_an_adapter_does_not_depend_on_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_pairs(dir, &given("dpo"));
    let policy = fixtures().join("policy").to_string_lossy().into_owned();
    let weights = |out: &str, sets: [&str; 2]| {
        let mut args = vec!["train", "--data", "pairs.jsonl", "--model", &policy, "--objective", "dpo", "--out", out];
        let all = ["adapter.method=lora", "max-steps=3", "over-length=truncate", "lr=0.003", sets[0], sets[1]];
        all.iter().for_each(|set| args.extend(["--set", set]));
        let output = run(dir, &args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let tensors = Checkpoint::open_files(&[dir.join(out).join("adapter_model.safetensors")]).unwrap().take_all();
        tch::Tensor::cat(&tensors.unwrap().values().map(|x| x.flatten(0, -1)).collect::<Vec<_>>(), 0)
    };
    let apart = |a: &tch::Tensor, b: &tch::Tensor| (a - b).abs().max().double_value(&[]);
    let dropped = weights("dropped", ["adapter.dropout=0.3", "checkpoint-layers=0"]);
    let segments = weights("segments", ["adapter.dropout=0.3", "checkpoint-layers=1"]);
    let plain = weights("plain", ["adapter.dropout=0", "checkpoint-layers=0"]);
    assert!(apart(&dropped, &segments) < 1e-5 && apart(&dropped, &plain) > 1e-4);
}

#[test]
fn an_adapter_goes_on_and_is_resumed_to_the_same_bytes() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (data, mut settings) = (given("dpo"), settings("dpo", "[adapter]\nmethod = 'keep'\n"));
    settings.source.model = Some(fixtures().join("adapter").to_string_lossy().into_owned());
    train(&settings, &data, &[], &out, false).unwrap();
    let weights = || fs::read(out.join("adapter_model.safetensors")).unwrap();
    let whole = weights();
    for file in ["run.json", "adapter_model.safetensors"] {
        fs::remove_file(out.join(file)).unwrap();
    }
    for step in ["checkpoints/step-00000006", "checkpoints/step-00000004"] {
        fs::remove_dir_all(out.join(step)).unwrap();
    }
    train(&settings, &data, &[], &out, true).unwrap();
    assert_eq!(weights(), whole);
    // Against itself as it was, or with `base` against the model without it.
    let first = |out: &Path| steps(out)[0]["loss"].as_f64().unwrap();
    assert!((first(&out) - std::f64::consts::LN_2).abs() < 1e-6);
    let against_base = dir.path().join("against-base");
    settings.source.reference = Some("base".into());
    train(&settings, &data, &[], &against_base, false).unwrap();
    assert!((first(&against_base) - std::f64::consts::LN_2).abs() > 1e-3);
    let card = |out: &Path| read_card(out).unwrap().unwrap().reward.implicit.unwrap().reference.unwrap();
    assert!(card(&out).ends_with("adapter") && card(&against_base) == "base");
    // A whole model has no base.
    settings.source.model = Some(fixtures().join("policy").to_string_lossy().into_owned());
    settings.adapter = Default::default();
    let error = train(&settings, &data, &[], &dir.path().join("whole"), false).unwrap_err().to_string();
    assert!(error.contains("is no adapter"), "{error}");
}

/// An adapter that was trained here, in PEFT: log-probabilities on and off.
#[test]
fn peft_reads_what_was_trained_here() {
    let Some(python) = std::env::var_os("RMBENCH_TEST_PYTHON") else {
        return crate::say_skipped("RMBENCH_TEST_PYTHON");
    };
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let data = given("dpo");
    write_pairs(dir, &data);
    for (out, more) in [("lora", LORA), ("dora", "[adapter]\nmethod = 'dora'\nrank = 2\n")] {
        train(&settings("dpo", more), &data, &[], &dir.join(out), false).unwrap();
        let rows = score(dir, out, &format!("run-{out}"), &[]);
        let model = policy("policy", Kind::Float);
        let sequences = data.iter().flat_map(|item| {
            let encoded = model.text.encode(item).unwrap();
            encoded.sequences.into_iter().zip(encoded.prompt_tokens).collect::<Vec<_>>()
        });
        let of_rows = rows.iter().map(|row| row.log_probs.unwrap());
        let scores: Vec<Value> = sequences
            .zip(of_rows)
            .map(|((ids, start), of)| json!({"ids": ids, "start": start, "policy": of.policy, "reference": of.reference}))
            .collect();
        fs::write(dir.join(out).join("scores.json"), Value::from(scores).to_string()).unwrap();
        assert!(Adapter::open(&dir.join(out), AdapterUse::Apart).is_ok());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/loads_in_peft.py");
    let output = Command::new(python).arg(script).args([dir.join("lora"), dir.join("dora")]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.matches("difference").count() == 2, "{said}");
}
