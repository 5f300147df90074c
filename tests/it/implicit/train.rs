//! Training policies: every objective of the table on tiny models, what is saved and how it is read, reference
//! log-probabilities on disk, resume.

use std::fs;

use rmbench::objective::{Objective, SPECS};
use rmbench::preference::Evidence;
use rmbench::progress::Silent;
use rmbench::random;
use rmbench::reward::artifact::read_card;
use rmbench::reward::implicit::ImplicitModel;
use rmbench::table::implicit::View;
use rmbench::train::begin_policy::begin_policy;
use rmbench::train::{TrainError, TrainJob, TrainOutcome, TrainSettings};

use super::*;
use crate::command::run;

/// Invented pairs: the fixture's texts with evidence of the kind that the objective needs.
pub fn given(name: &str) -> Vec<Comparison> {
    let steps = json("steps.json");
    let pairs = steps["pairs"].as_array().unwrap();
    let mut all = Vec::new();
    for (i, pair) in pairs.iter().enumerate() {
        let mut item = comparison(&format!("i{i}"), text(&pair[0]), &[text(&pair[1])], &[text(&pair[2])]);
        let draw = random::uniform(5, "evidence", item.id.as_str());
        let evidence = &mut item.evidence;
        match name {
            "selfie" => evidence.probability = Some(0.5 + 0.5 * draw),
            "bpo-ref" => evidence.behaviour = vec![-40.0 * draw - 1.0, -30.0],
            "rationale-dpo" => evidence.rationale = Some("It is right.".into()),
            "tpo" => {
                evidence.ranks = vec![0, 1, 2];
                item.rejected.push(Response::new("no"));
            }
            "ampo" => {
                evidence.ratings = vec![Some(3.0), Some(1.0), Some(draw)];
                item.rejected.push(Response::new("no"));
            }
            "kto" | "bco" | "apo-zero" | "ulma" | "pmpo" if i % 2 == 0 => {
                item.rejected.clear();
                *evidence = Evidence { ratings: vec![Some(f64::from(draw > 0.5))], ..Evidence::default() };
            }
            _ => {}
        }
        all.push(item);
    }
    all
}

pub fn settings(objective: &str, more: &str) -> TrainSettings {
    let text = format!(
        "batch-size = 8\ntoken-budget = 100000\nlr = 0.003\nmax-steps = 6\nover-length = 'truncate'\nsave-every = 2\n\
         eval-overlap = 'keep'\nkeep-checkpoints = 9\nfinal-model = 'last'\n{more}\n[text]\nmax-length = 400\n\
         [objective]\nname = '{objective}'"
    );
    let mut settings: TrainSettings = toml::from_str(&text).unwrap();
    settings.source.model = Some(fixtures().join("policy").to_string_lossy().into_owned());
    settings
}

pub fn train(
    settings: &TrainSettings,
    data: &[Comparison],
    eval: &[Comparison],
    out: &Path,
    resume: bool,
) -> Result<TrainOutcome, TrainError> {
    settings.validate()?;
    let needs = settings.objective.policy().unwrap();
    let beginning = begin_policy(settings, needs, data.len(), Vec::new(), out, &mut Silent)?;
    let job = TrainJob { settings, train: data, parts: &[], eval, out, resume, run: beginning.run };
    rmbench::train::run(&beginning.trainable, job, &mut Silent)
}

pub fn steps(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("steps.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The trained directory as an implicit model, read as its card says.
fn trained(out: &Path) -> ImplicitModel {
    let card = read_card(out).unwrap().unwrap().reward.implicit.unwrap();
    let reference = card.reference.as_deref().map(|dir| policy_in(Path::new(dir), Kind::Float).network);
    let view = View { with_reference: reference.is_some(), ..card.view() };
    let mut policy = policy_in(out, Kind::Float);
    let text = TextOverrides { max_length: Some(400), ..TextOverrides::default() };
    let parts = ModelParts::of(out, None, &mut Silent).unwrap();
    policy.text = artifact::load_parts(&parts, AdapterUse::Merged, loading(Kind::Float), &text, &artifact::as_policy())
        .unwrap()
        .text;
    ImplicitModel { policy, reference, view, span: card.span }
}

/// Every objective of a policy learns, and what it saves is scored with the margins that training saw.
#[test]
fn every_objective_trains_a_policy_that_scores_as_it_was_trained() {
    tch::set_num_threads(1);
    let eval = given("dpo");
    for spec in SPECS.iter().filter(|spec| spec.objective().policy().is_some()) {
        let (name, data) = (spec.name, given(spec.name));
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let lists = ["tpo", "ampo"].contains(&name);
        let outcome = train(&settings(name, ""), &data, &eval, out, false).unwrap_or_else(|e| panic!("{name}: {e}"));
        let TrainOutcome::Trained(summary) = outcome else { panic!("{name}") };
        let steps = steps(out);
        assert_eq!(steps.len(), 6, "{name}");
        for step in &steps {
            assert!(step["loss"].as_f64().is_some_and(f64::is_finite), "{name}: {step}");
            // Of a hinge nothing is left once every gap is wide enough.
            assert!(step["grad_norm"].as_f64().is_some_and(|norm| norm > 0.0 || name == "dpo-hinge"), "{name}: {step}");
        }
        assert!(steps[0]["grad_norm"].as_f64().unwrap() > 0.0, "{name}");
        if ["kto", "bco", "mpo"].contains(&name) {
            assert!(steps[5]["objective"]["shift"].is_f64(), "{}", steps[5]);
        }
        let card = fs::read_to_string(out.join("rmbench.toml")).unwrap();
        let label = if name == "mpo" { "dpo:0.8,bco:0.2,sft:1.0" } else { name };
        assert!(card.contains("kind = \"implicit\"") && card.contains(&format!("objective = \"{label}\"")), "{card}");
        // Behaviour log-probabilities are of the training data; SFT trains without the reference that its rewards are read
        // against.
        if ["bpo-ref", "sft"].contains(&name) || lists {
            continue;
        }
        let model = trained(out);
        let scores = model.score(&eval, &mut |_| ()).unwrap();
        let margins = scores.iter().map(|s| f64::from(s[0].reward.unwrap()) - f64::from(s[1].reward.unwrap()));
        let mean = margins.sum::<f64>() / eval.len() as f64;
        let expected = summary.evaluation.unwrap().overall.mean_margin().unwrap();
        assert!((mean - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{name}: {mean} not {expected}");
    }
}

/// More steps on a pair make its chosen response likelier against the rejected one.
#[test]
fn preferences_are_learnt() {
    tch::set_num_threads(1);
    let data = given("dpo");
    for name in ["dpo", "simpo", "orpo", "kto"] {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(name, "epochs = 12.0");
        settings.max_steps = None;
        train(&settings, &data, &[], dir.path(), false).unwrap();
        let steps = steps(dir.path());
        let accuracy = |step: &Value| step["accuracy"].as_f64().unwrap();
        let late = steps.iter().rev().take(2).map(accuracy).sum::<f64>() / 2.0;
        assert!(late > 0.9, "{name}: {late}");
    }
}

/// Asked for a good response the chosen one is better, asked for a bad one the rejected one is; scored with the first goal.
#[test]
fn goals_are_learnt_both_ways() {
    tch::set_num_threads(1);
    let (dir, data) = (tempfile::tempdir().unwrap(), given("dpo"));
    let mut settings = settings("dpo", "epochs = 30.0\n[auxiliary]\ngoals = true");
    settings.max_steps = None;
    train(&settings, &data, &data, dir.path(), false).unwrap();
    let steps = steps(dir.path());
    // Twice the pairs in an epoch.
    assert_eq!(steps.len(), 30 * 2 * data.len() / 8);
    let late = steps.iter().rev().take(4).map(|step| step["accuracy"].as_f64().unwrap()).sum::<f64>() / 4.0;
    assert!(late > 0.9, "{late}");
    let model = trained(dir.path());
    let encoded = model.policy.text.encode(&data[0]).unwrap();
    let said: String = encoded.sequences[0].iter().map(|id| model.policy.text.token_of(*id).unwrap()).collect();
    assert!(said.replace('Ġ', " ").contains(rmbench::train::goals::GOOD), "{said}");
    let scores = model.score(&data, &mut |_| ()).unwrap();
    let right = scores.iter().filter(|scores| scores[0].reward > scores[1].reward).count();
    assert!(right as f64 > 0.9 * data.len() as f64, "{right} of {}", data.len());
}

#[test]
fn a_step_does_not_depend_on_its_pieces() {
    tch::set_num_threads(1);
    for name in ["dpo", "kto", "bco", "orpo", "mpo", "sft"] {
        let data = given(name);
        let of = |budget: usize| {
            let dir = tempfile::tempdir().unwrap();
            let mut settings = settings(name, "");
            settings.token_budget = budget;
            train(&settings, &data, &[], dir.path(), false).unwrap();
            steps(dir.path())
        };
        let (cut, whole) = (of(300), of(1_000_000));
        assert_eq!(whole[0]["micro_batches"], 1);
        for (a, b) in cut.iter().zip(&whole) {
            assert!(a["micro_batches"].as_u64().unwrap() > 1);
            for key in ["loss", "grad_norm"] {
                let [a, b] = [a, b].map(|step| step[key].as_f64().unwrap());
                assert!((a - b).abs() <= 2e-3 * b.abs().max(1e-3), "{name}, {key}: {a} and {b}");
            }
        }
    }
    // Objectives that compare all pairs of a step say what they need.
    let dir = tempfile::tempdir().unwrap();
    let mut small = settings("aot", "");
    small.token_budget = 300;
    let error = train(&small, &given("aot"), &[], dir.path(), false).unwrap_err().to_string();
    assert!(error.contains("all pairs of a step") && error.contains("token-budget"), "{error}");
}

#[test]
fn reference_log_probabilities_are_kept_and_stale_ones_refused() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (data, settings) = (given("dpo"), settings("dpo", ""));
    train(&settings, &data, &[], &out, false).unwrap();
    let kept = out.join("reference/000000.parquet");
    let bytes = fs::read(&kept).unwrap();
    let whole = fs::read(out.join("model.safetensors")).unwrap();
    // Continued from a checkpoint with what is on disk: the same bytes, and nothing is computed again.
    for file in ["run.json", "model.safetensors"] {
        fs::remove_file(out.join(file)).unwrap();
    }
    fs::remove_dir_all(out.join("checkpoints/step-00000006")).unwrap();
    train(&settings, &data, &[], &out, true).unwrap();
    assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), whole);
    assert_eq!((fs::read(&kept).unwrap(), fs::read_dir(out.join("reference")).unwrap().count()), (bytes, 1));
    // By another model they are refused.
    let other = dir.path().join("other");
    fs::create_dir_all(other.join("reference")).unwrap();
    fs::copy(&kept, other.join("reference/000000.parquet")).unwrap();
    let mut against = settings.clone();
    against.source.reference = Some(fixtures().join("reference").to_string_lossy().into_owned());
    let error = train(&against, &data, &[], &other, false).unwrap_err().to_string();
    assert!(error.contains("is by the model") && error.contains("remove"), "{error}");
    // Of another reference the losses differ from the first step on.
    let third = dir.path().join("third");
    train(&against, &data, &[], &third, false).unwrap();
    let first = |out: &Path| steps(out)[0]["loss"].as_f64().unwrap();
    assert!((first(&out) - std::f64::consts::LN_2).abs() < 1e-6 && (first(&third) - first(&out)).abs() > 1e-3);
}

#[test]
fn what_objectives_keep_is_resumed() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path();
    let (data, settings) = (given("bco"), settings("bco", ""));
    train(&settings, &data, &[], out, false).unwrap();
    let whole = fs::read(out.join("model.safetensors")).unwrap();
    for file in ["run.json", "model.safetensors"] {
        fs::remove_file(out.join(file)).unwrap();
    }
    for step in ["checkpoints/step-00000006", "checkpoints/step-00000004"] {
        fs::remove_dir_all(out.join(step)).unwrap();
    }
    train(&settings, &data, &[], out, true).unwrap();
    assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), whole);
}

#[test]
fn what_lacks_or_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plain = given("dpo");
    let needy = ["selfie", "bpo-ref", "rationale-dpo", "tpo"];
    for spec in SPECS.iter().filter(|spec| spec.objective().policy().is_some()) {
        let objective = spec.objective();
        let lacks = |data: &[Comparison]| data.iter().any(|pair| objective.lack(pair).is_some());
        assert_eq!(lacks(&plain), needy.contains(&spec.name), "{}", spec.name);
        assert!(!lacks(&given(spec.name)), "{}", spec.name);
    }
    for (name, part) in [
        ("selfie", "probability and no votes"),
        ("bpo-ref", "log-probabilities by the policy"),
        ("rationale-dpo", "rationale"),
        ("tpo", "three responses in a strict ranking"),
    ] {
        let error = train(&settings(name, ""), &plain, &[], &dir.path().join(name), false).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
    let stand_ins = settings("dpo", "[auxiliary]\nmismatched-share = 0.2");
    assert!(stand_ins.validate().unwrap_err().to_string().contains("reward heads"));
    let mut scratch = settings("dpo", "");
    scratch.source.model = Some("init:tiny".into());
    let error = train(&scratch, &plain, &[], &dir.path().join("scratch"), false).unwrap_err().to_string();
    assert!(error.contains("knows no language"), "{error}");
    let mut useless = settings("simpo", "");
    useless.source.reference = useless.source.model.clone();
    let error = train(&useless, &plain, &[], &dir.path().join("useless"), false).unwrap_err().to_string();
    assert!(error.contains("no use for a reference"), "{error}");
    assert!(Objective::named("bt").unwrap().policy().is_none());
}

/// The commands of the documentation: train, score, read in another way.
#[test]
fn the_whole_way_by_commands() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = String::new();
    for item in given("dpo") {
        let row = serde_json::json!({"id": item.id.as_str(), "prompt": item.prompt.plain_text(),
            "chosen": item.chosen[0].text, "rejected": item.rejected[0].text, "language": "eng_Latn", "subset": "s"});
        lines.push_str(&format!("{row}\n"));
    }
    fs::write(dir.join("pairs.jsonl"), lines).unwrap();
    let said = |args: &[&str]| {
        let output = run(dir, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        said
    };
    let policy = fixtures().join("policy").to_string_lossy().into_owned();
    let sets = ["--set", "max-steps=2", "--set", "over-length=truncate"];
    for (objective, out) in [("dpo", "dpo"), ("dpo:0.8,bco:0.2,sft:1.0", "mpo"), ("simpo", "simpo")] {
        let fixed = ["train", "--data", "pairs.jsonl", "--model", &policy, "--objective", objective, "--out", out];
        said(&[&fixed[..], &sets].concat());
        said(&["score", "--model", out, "--pairs", "pairs.jsonl", "--out", &format!("run-{out}")]);
    }
    said(&["score", "--table", "run-dpo", "--set", "implicit.normalisation=per-byte", "--out", "per-byte"]);
}
