//! Ten steps of every objective on real pairs, given what it needs; refusals where that is missing; exact resume
//! of what objectives keep.

use std::path::{Path, PathBuf};

use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::objective::{Objective, SPECS};
use rmbench::preference::{Comparison, Conversation, Evidence, Message, Role};
use rmbench::progress::Silent;
use rmbench::random;
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use rmbench::train::begin::begin;
use rmbench::train::{TrainError, TrainJob, TrainOutcome, TrainSettings, personal};
use serde_json::Value;
use tch::{Device, Kind};

const N: u64 = 80;

/// Real pairs in several languages and subsets.
fn pairs() -> Option<Vec<Comparison>> {
    tch::set_num_threads(1);
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA") else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return None;
    };
    let options = ReadOptions { limit: Some(N), ..ReadOptions::default() };
    Some(reader::read_all(&PathBuf::from(dir).join("train.parquet"), &options).unwrap().0)
}

/// Real texts with invented evidence of the kind that the objective needs.
fn given(name: &str, pairs: &[Comparison]) -> Vec<Comparison> {
    let mut pairs = pairs.to_vec();
    let n = pairs.len();
    for i in 0..n {
        let other = pairs[(i + 1) % n].clone();
        let pair = &mut pairs[i];
        let draw = random::uniform(5, "evidence", pair.id.as_str());
        let evidence = &mut pair.evidence;
        match name {
            "bt-margin" | "bt-scaled" => pair.margin = Some(3.0 * draw),
            "bt-votes" => evidence.votes = Some([3.0, (3.0 * draw).floor()]),
            "bt-soft" => evidence.probability = Some(0.5 + 0.5 * draw),
            "rao-kupper" | "davidson" => evidence.probability = (i % 4 == 0).then_some(0.5),
            "context-bt" => {
                let content = "Prefer the shorter answer.".to_owned();
                pair.prompt.0.insert(0, Message { role: Role::System, content });
            }
            "listmle" | "k-wise" | "multi-pair" | "group-contrast" => {
                pair.rejected.extend(other.chosen);
                evidence.ranks = vec![0, 1, 2];
            }
            "bce" if i % 2 == 0 => {
                pair.rejected.clear();
                evidence.ratings = vec![Some(f64::from(draw > 0.5))];
            }
            "mse" => evidence.ratings = vec![Some(4.0 * draw), None],
            "mapl" if i % 3 == 0 => {
                let prompt = Conversation::from_prompt("Something else.");
                pair.rejected = pair.chosen.clone();
                pair.rejected[0].prompt = Some(prompt.into());
            }
            "sspo" if i % 2 == 0 => pair.rejected.clear(),
            "individual" => evidence.user = Some(["anna", "ben", "cleo"][i % 3].into()),
            "rationale" => evidence.rationale = Some("It answers the question.".into()),
            _ => {}
        }
    }
    pairs
}

fn settings(objective: &str, more: &str) -> TrainSettings {
    let text = format!(
        "batch-size = 8\ntoken-budget = 500\nlr = 0.001\nmax-steps = 10\nover-length = 'truncate'\nsave-every = 4\n\
         keep-checkpoints = 9\nfinal-model = 'last'\n{more}\n[text]\nmax-length = 160\n[objective]\nname = '{objective}'\n\
         {}",
        if objective == "dial" { "source-langs = '@script:Latn'" } else { "" }
    );
    let mut settings: TrainSettings = toml::from_str(&text).unwrap();
    settings.source.model = Some("init:tiny".into());
    settings
}

fn train(settings: &TrainSettings, pairs: &[Comparison], out: &Path, resume: bool) -> Result<TrainOutcome, TrainError> {
    evaluated(settings, pairs, &[], out, resume)
}

fn evaluated(
    settings: &TrainSettings,
    pairs: &[Comparison],
    eval: &[Comparison],
    out: &Path,
    resume: bool,
) -> Result<TrainOutcome, TrainError> {
    let beginning = begin(settings, pairs, Vec::new(), out, &mut Silent)?;
    let job = TrainJob { settings, train: pairs, parts: &[], eval, out, resume, run: beginning.run };
    rmbench::train::run(&beginning.trainable, job, &mut Silent)
}

fn steps(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("steps.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_objective_takes_ten_steps_on_real_pairs() {
    let Some(pairs) = pairs() else { return };
    // Those of policies need a language model: `implicit::train`.
    for spec in SPECS.iter().filter(|spec| spec.objective().policy().is_none()) {
        let dir = tempfile::tempdir().unwrap();
        let name = spec.name;
        let data = given(name, &pairs);
        train(&settings(name, ""), &data, dir.path(), false).unwrap_or_else(|error| panic!("{name}: {error}"));
        let steps = steps(dir.path());
        assert_eq!(steps.len(), 10, "{name}");
        for step in &steps {
            assert!(step["loss"].as_f64().is_some_and(f64::is_finite), "{name}: {step}");
            assert!(step["grad_norm"].as_f64().is_some_and(|norm| norm > 0.0), "{name}: {step}");
            assert!(step["micro_batches"].as_u64().is_some_and(|n| n > 1), "{name}: {step}");
        }
        let last = &steps[9];
        match name {
            "more" => {
                let weights = last["objective"]["group_weights"].as_object().unwrap();
                let sum: f64 = weights.values().map(|w| w.as_f64().unwrap()).sum();
                assert!(weights.len() > 1 && (sum - 1.0).abs() < 1e-9, "{last}");
            }
            "dial" => assert!(last["objective"]["critic_distance"].is_f64(), "{last}"),
            "individual" => assert_eq!(last["objective"]["users"], 3, "{last}"),
            "sspo" => assert!(last["objective"]["threshold"].is_f64(), "{last}"),
            "lm-beside" | "rationale" | "cloud" => assert!(last["next_token_loss"].is_f64(), "{last}"),
            _ => assert!(last["objective"].is_null() && last["next_token_loss"].is_null(), "{last}"),
        }
        // Among single responses and ties nothing is right or wrong.
        let compares = !["mse"].contains(&name);
        assert!(last["accuracy"].is_f64() || !compares, "{name}: {last}");
        let card = std::fs::read_to_string(dir.path().join("rmbench.toml")).unwrap();
        assert!(card.contains(&format!("objective = \"{name}\"")), "{card}");
    }
}

/// The loss of a step does not depend on how it is cut into micro-batches.
#[test]
fn steps_do_not_depend_on_the_pieces() {
    let Some(pairs) = pairs() else { return };
    for name in ["listmle", "bce", "mapl", "sspo", "more", "dial", "rationale", "cloud"] {
        let data = given(name, &pairs);
        let of = |budget: usize| {
            let dir = tempfile::tempdir().unwrap();
            let mut settings = settings(name, "");
            settings.token_budget = budget;
            train(&settings, &data, dir.path(), false).unwrap();
            steps(dir.path())
        };
        let (cut, whole) = (of(500), of(1_000_000));
        assert_eq!(whole[0]["micro_batches"], 1);
        for (a, b) in cut.iter().zip(&whole) {
            assert!(a["micro_batches"].as_u64().unwrap() > 1);
            for key in ["loss", "grad_norm", "next_token_loss"] {
                let [a, b] = [a, b].map(|step| step[key].as_f64().unwrap_or(0.0));
                assert!((a - b).abs() <= 2e-3 * b.abs().max(1e-3), "{name}, {key}: {a} and {b}");
            }
        }
    }
}

/// Rewards of tokens, and of attributes: what was trained is what is loaded and scored.
#[test]
fn what_is_trained_is_what_is_scored() {
    let Some(pairs) = pairs() else { return };
    let (train, eval) = pairs.split_at(60);
    let token_heads = ["sum", "mean", "max", "min"].map(|a| ("token-head", format!("aggregate = '{a}'")));
    let attributes = ("mse", "attributes = ['helpful', 'brief']\nweights = [1.0, -0.5]".to_owned());
    for (name, more) in token_heads.into_iter().chain([attributes]) {
        let dir = tempfile::tempdir().unwrap();
        let mut data = train.to_vec();
        if name == "mse" {
            let rating = |pair: &Comparison, i: u8| random::uniform(i.into(), "rating", pair.id.as_str());
            for pair in &mut data {
                pair.evidence.ratings = vec![Some(rating(pair, 0)), None, Some(rating(pair, 2)), Some(rating(pair, 3))];
            }
        }
        let mut settings = settings(name, "eval-overlap = 'keep'");
        let mut table: toml::Table = more.parse().unwrap();
        table.insert("name".into(), name.into());
        settings.objective = table.try_into().unwrap();
        let outcome = evaluated(&settings, &data, eval, dir.path(), false).unwrap();
        let TrainOutcome::Trained(summary) = outcome else { panic!("{name}") };
        let trained = summary.evaluation.unwrap().overall;
        let model =
            artifact::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap();
        let scores = model.score(eval, &mut |_| ()).unwrap();
        let margins: Vec<f64> =
            scores.iter().map(|s| f64::from(s[0].reward.unwrap()) - f64::from(s[1].reward.unwrap())).collect();
        let mean = margins.iter().sum::<f64>() / margins.len() as f64;
        let expected = trained.mean_margin().unwrap();
        assert!((mean - expected).abs() < 1e-4 * expected.abs().max(1.0), "{name} {more}: {mean} not {expected}");
        assert!(margins.iter().any(|margin| margin.abs() > 1e-4), "{name} {more}");
    }
}

/// A run that lost its last steps and its model goes on from a checkpoint to the same bytes.
#[test]
fn what_objectives_keep_is_resumed() {
    let Some(pairs) = pairs() else { return };
    for name in ["more", "dial", "sspo", "individual"] {
        let data = given(name, &pairs);
        let settings = settings(name, "ema-decay = 0.9");
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        train(&settings, &data, out, false).unwrap();
        let kept = ["model.safetensors", "steps.jsonl", "checkpoints/step-00000010/objective.safetensors"];
        let bytes = || kept.map(|file| std::fs::read(out.join(file)).unwrap());
        let whole = bytes();
        for file in ["model.safetensors", "run.json"] {
            std::fs::remove_file(out.join(file)).unwrap();
        }
        for step in ["step-00000008", "step-00000010"] {
            std::fs::remove_dir_all(out.join("checkpoints").join(step)).unwrap();
        }
        assert!(matches!(train(&settings, &data, out, true).unwrap(), TrainOutcome::Trained(_)));
        assert!(bytes() == whole, "{name}");
    }
}

#[test]
fn what_is_missing_is_refused_before_the_first_step() {
    let Some(pairs) = pairs() else { return };
    let bare: Vec<Comparison> =
        pairs.iter().map(|pair| Comparison { margin: None, evidence: Evidence::default(), ..pair.clone() }).collect();
    let needy = ["bt-margin", "bt-votes", "bt-scaled", "bt-soft", "context-bt", "mse", "rationale", "individual"];
    for spec in SPECS.iter().filter(|spec| spec.objective().policy().is_none()) {
        let objective = Objective::named(spec.name).unwrap();
        let lacking = bare.iter().position(|pair| objective.lack(pair).is_some());
        assert_eq!(lacking.is_some(), needy.contains(&spec.name), "{}", spec.name);
        if lacking.is_some() {
            let dir = tempfile::tempdir().unwrap();
            let mut data = given(spec.name, &pairs);
            assert!(data.iter().all(|pair| objective.lack(pair).is_none()), "{}", spec.name);
            // One row of many is enough.
            data[37] = bare[37].clone();
            let error = train(&settings(spec.name, ""), &data, dir.path(), false).err().unwrap();
            assert!(matches!(error, TrainError::Lacks { row: 37, .. }), "{}: {error}", spec.name);
            assert!(!dir.path().join("steps.jsonl").exists());
        }
    }
    // One language, no unlabelled responses, one group.
    let one_language: Vec<Comparison> = pairs.iter().filter(|pair| pair.lang == pairs[0].lang).cloned().collect();
    for (name, data) in [("dial", &one_language), ("sspo", &bare), ("more", &vec![pairs[0].clone()])] {
        let dir = tempfile::tempdir().unwrap();
        let error = train(&settings(name, ""), data, dir.path(), false).err().unwrap();
        assert!(matches!(&error, TrainError::Settings(text) if text.contains(name)), "{name}: {error}");
    }
}

/// Every pair as Anna's, and the other way round as Ben's.
pub fn of_two_users(pairs: &[Comparison]) -> Vec<Comparison> {
    let both = |pair: &Comparison| {
        let [anna, mut ben] = ["anna", "ben"].map(|name| {
            let mut own = pair.clone();
            own.id = format!("{}-{name}", pair.id).into();
            own.evidence.user = Some(name.into());
            own
        });
        std::mem::swap(&mut ben.chosen, &mut ben.rejected);
        [anna, ben]
    };
    pairs.iter().flat_map(both).collect()
}

/// Two users who want opposite things of the same pairs: no common reward can serve both, vectors do, and each
/// user's checkpoint has that user's rewards.
#[test]
fn users_with_opposite_preferences_are_told_apart() {
    let Some(pairs) = pairs() else { return };
    let data = of_two_users(&pairs[..24]);
    let accuracy = |name: &str, out: &Path| {
        let mut settings = settings(name, "");
        settings.max_steps = Some(60);
        if name == "individual" {
            settings.objective = toml::from_str("name = 'individual'\nlr = 0.02\nrank = 4").unwrap();
        }
        train(&settings, &data, out, false).unwrap();
        let last: Vec<f64> = steps(out)[50..].iter().map(|step| step["accuracy"].as_f64().unwrap()).collect();
        last.iter().sum::<f64>() / last.len() as f64
    };
    let [common, own] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, each] = [accuracy("bt", common.path()), accuracy("individual", own.path())];
    assert!((0.35..=0.65).contains(&one) && each > 0.9, "{one} and {each}");
    for (user, wants) in [("anna", 1.0), ("ben", -1.0)] {
        let dir = tempfile::tempdir().unwrap();
        personal::write(own.path(), user, dir.path()).unwrap();
        let model =
            artifact::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap();
        let scores = model.score(&pairs[..24], &mut |_| ()).unwrap();
        let right = scores.iter().filter(|s| wants * (s[0].reward.unwrap() - s[1].reward.unwrap()) > 0.0).count();
        assert!(right >= 21, "{user}: {right} of 24");
    }
    let error = personal::write(own.path(), "carl", common.path()).unwrap_err().to_string();
    assert!(error.contains("no user `carl`; it has anna, ben"), "{error}");
}
