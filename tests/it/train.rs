//! The training loop on a model small enough to train in milliseconds: accumulation, resume to the same
//! bytes, early stopping, best checkpoint, guards.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rmbench::backbone::params::Params;
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::backbone::{Dropout, DropoutKey};
use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::progress::{Progress, Silent};
use rmbench::provenance::RunInfo;
use rmbench::random;
use rmbench::reward::RewardError;
use rmbench::train::directory::claim;
use rmbench::train::settings::{EvalOverlap, FinalModel, OverLength};
use rmbench::train::{PairSize, TrainError, TrainJob, TrainOutcome, TrainSettings, TrainSummary, Trainable};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// Mean of byte embeddings, tanh, one linear layer.
struct Toy {
    params: Params,
    limit: usize,
    /// Fails at this training call, as a kill would end the process there.
    dies_at: Cell<Option<u64>>,
    dies_at_the_end: Cell<bool>,
    calls: Cell<u64>,
}

impl Toy {
    fn new() -> Self {
        tch::manual_seed(11);
        let tensor = |shape: &[i64]| (Tensor::randn(shape, (Kind::Float, Device::Cpu)) * 0.1).set_requires_grad(true);
        let params =
            [("embed.weight", tensor(&[128, 8])), ("norm.bias", tensor(&[8])), ("score.weight", tensor(&[1, 8]))];
        let params = params.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Self { params, limit: 64, dies_at: Cell::new(None), dies_at_the_end: Cell::new(false), calls: Cell::new(0) }
    }

    fn dying_at(call: u64) -> Self {
        let toy = Self::new();
        toy.dies_at.set(Some(call));
        toy
    }

    fn bytes(&self) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        self.save(dir.path()).unwrap();
        std::fs::read(dir.path().join("model.safetensors")).unwrap()
    }
}

impl Trainable for Toy {
    type Encoded = ([Vec<i64>; 2], bool);

    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Self::Encoded>, RewardError> {
        let one = |comparison: &Comparison| {
            let full: Vec<Vec<i64>> = comparison
                .responses()
                .map(|r| format!("{}{}", comparison.prompt.plain_text(), r.text).bytes().map(i64::from).collect())
                .collect();
            let cut = full.iter().any(|ids| ids.len() > self.limit);
            let ids = full.into_iter().map(|ids| ids[ids.len().saturating_sub(self.limit)..].to_vec());
            (ids.collect::<Vec<_>>().try_into().unwrap(), cut)
        };
        Ok(comparisons.iter().map(one).collect())
    }

    fn size(&self, (sequences, truncated): &Self::Encoded) -> PairSize {
        let shared = sequences[0].iter().zip(&sequences[1]).take_while(|(a, b)| a == b).count();
        let all = sequences[0].len() + sequences[1].len();
        PairSize { computed: all - shared, sequences: all, truncated: *truncated, same: false }
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn rewards(&self, pairs: &[&Self::Encoded], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError> {
        self.calls.set(self.calls.get() + 1);
        if self.dies_at.get().is_some_and(|call| self.calls.get() >= call) {
            return Err(RewardError::Model("killed".into()));
        }
        if let Some((_, key)) = dropout {
            tch::manual_seed((key.seed * 1_000_003 + key.step * 1009 + key.micro) as i64);
        }
        let state = |ids: &Vec<i64>| {
            let embedded = self.params["embed.weight"].index_select(0, &Tensor::from_slice(ids));
            embedded.mean_dim(0, false, Kind::Float)
        };
        let states: Vec<Tensor> = pairs.iter().flat_map(|(sequences, _)| sequences).map(state).collect();
        let mut states = (Tensor::stack(&states, 0) + &self.params["norm.bias"]).tanh();
        if let Some((rates, _)) = dropout {
            states = states.dropout(rates.hidden, true);
        }
        let mut rewards = states.matmul(&self.params["score.weight"].transpose(0, 1)).squeeze_dim(1);
        if let Some(pole) = self.params.get("pole.weight") {
            rewards += pole.sqrt() * states.select(1, 0);
        }
        Ok(rewards)
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        if self.dies_at_the_end.get() && !dir.to_string_lossy().contains("checkpoints") {
            return Err(RewardError::Model("killed".into()));
        }
        let tensors = self.params.iter().map(|(name, tensor)| (name.as_str(), tensor));
        weights::write(&dir.join("model.safetensors"), tensors).map_err(|e| RewardError::Model(e.to_string()))
    }
}

/// Pairs whose chosen response has more of the letter `x`, in three languages.
fn pairs(n: usize, name: &str) -> Vec<Comparison> {
    let pair = |i: usize| {
        let draw = |what: &str, n: usize| (random::uniform(3, what, format!("{name}{i}")) * n as f64) as usize;
        let text = |x: usize| format!("{}{}", "x".repeat(x), "o".repeat(3 + draw("rest", 8)));
        let few = draw("few", 4);
        Comparison {
            id: format!("{name}{i}").into(),
            source: format!("{name}{i}").into(),
            lang: Lang::from_code(["eng_Latn", "deu_Latn", "tha_Thai"][draw("lang", 3)]).unwrap(),
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt(format!("{name} {i} ")),
            chosen: vec![Response::new(text(few + 1 + draw("more", 6)))],
            rejected: vec![Response::new(text(few))],
            margin: None,
            evidence: Default::default(),
            row: i as u64,
        }
    };
    (0..n).map(pair).collect()
}

fn settings(toml: &str) -> TrainSettings {
    let base = "batch-size = 8\ntoken-budget = 120\nlr = 0.02\nepochs = 3.0\neval-every = 4\nsave-every = 3\n";
    let mut table: toml::Table = base.parse().unwrap();
    table.extend(toml.parse::<toml::Table>().unwrap());
    table.try_into().unwrap()
}

struct Run<'a> {
    settings: TrainSettings,
    train: &'a [Comparison],
    eval: &'a [Comparison],
    out: &'a Path,
}

impl Run<'_> {
    fn start(&self, model: &Toy, resume: bool, progress: &mut dyn Progress) -> Result<TrainOutcome, TrainError> {
        let &Self { ref settings, train, eval, out } = self;
        let run = RunInfo::of_this_binary("toy", "toy", "scalar");
        rmbench::train::run(model, TrainJob { settings, train, parts: &[], eval, out, resume, run }, progress)
    }

    fn whole(&self) -> (Toy, TrainSummary) {
        let model = Toy::new();
        match self.start(&model, false, &mut Silent).unwrap() {
            TrainOutcome::Trained(summary) => (model, *summary),
            TrainOutcome::AlreadyComplete => panic!("nothing was there to be complete"),
        }
    }
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every file below `dir` that is promised to be the same bytes.
fn promised(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name != "timing.jsonl" && !name.starts_with("tensorboard") && !name.ends_with("trainer.toml") {
                // trainer.toml holds the lengths of the two, which hold times.
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// 60 pairs in batches of 8 are 8 steps per epoch, the last of 4 pairs.
#[test]
fn a_run_learns_logs_and_leaves_a_model() {
    let (train, eval, dir) = (pairs(60, "t"), pairs(40, "e"), tempfile::tempdir().unwrap());
    let out = dir.path().join("run");
    let run = Run { settings: settings(""), train: &train, eval: &eval, out: &out };
    let (model, summary) = run.whole();
    assert_eq!((summary.steps, summary.lengths.values().map(|c| c.kept).sum::<u64>()), (24, 60));

    let steps = lines(&out.join("steps.jsonl"));
    assert_eq!(steps.len(), 24);
    assert_eq!(steps[7]["pairs"], 4);
    assert_eq!(steps[7]["epoch"], 1.0);
    assert_eq!(steps[0]["lr"], 0.0);
    assert!(steps[0]["micro_batches"].as_u64().unwrap() > 1);
    assert!(steps[0]["tokens_shared"].as_u64().unwrap() > 0);

    let evaluations = lines(&out.join("eval.jsonl"));
    let at: Vec<u64> = evaluations.iter().map(|e| e["step"].as_u64().unwrap()).collect();
    assert_eq!(at, [4, 8, 12, 16, 20, 24]);
    let last = evaluations.last().unwrap();
    assert!(last["accuracy"].as_f64().unwrap() > 0.9, "{last}");
    let by_language: u64 = last["languages"].as_object().unwrap().values().map(|l| l["n"].as_u64().unwrap()).sum();
    assert_eq!(by_language, 40);

    // The model in memory, the file and the best evaluation's checkpoint hold the same parameters.
    assert_eq!(std::fs::read(out.join("model.safetensors")).unwrap(), model.bytes());
    let best = evaluations.iter().map(|e| e["accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
    assert_eq!(summary.best.unwrap().value, best);
    let info: RunInfo = serde_json::from_str(&std::fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(info.settings, std::fs::read_to_string(out.join("settings.toml")).unwrap());
    assert!(info.digests.contains_key("content/train") && info.digests.contains_key("content/eval"));
    let kept = std::fs::read_dir(out.join("checkpoints")).unwrap().count();
    assert_eq!(kept, 2);
    assert_eq!(lines(&out.join("timing.jsonl")).len(), 24 + 6);
}

/// Stopped at every possible call and resumed, also twice, a run ends in the same bytes.
#[test]
fn resuming_ends_in_the_same_bytes() {
    let extras = "ema-decay = 0.9\nclip = 0.5\nweight-decay = 0.1\nlength-window = 3\nover-length = 'truncate'\n\
                  [dropout]\nhidden = 0.2\n[schedule]\nname = 'cosine'";
    let plateau = "patience = 3\nbest-metric = 'loss'\n[schedule]\nname = 'reduce-on-plateau'\npatience = 1";
    let (train, eval) = (pairs(30, "t"), pairs(20, "e"));
    for (extra, points) in [(extras, 3..60), (plateau, 5..40)] {
        let settings = settings(extra);
        let dir = tempfile::tempdir().unwrap();
        let whole = Run { settings: settings.clone(), train: &train, eval: &eval, out: &dir.path().join("whole") };
        let (finished, _) = whole.whole();
        let expected = promised(whole.out);
        assert!(expected.contains_key("model.safetensors") && expected.contains_key("steps.jsonl"));
        let mut interrupted = 0;
        for point in points.step_by(7) {
            let out = dir.path().join(format!("at-{point}"));
            let run = Run { settings: settings.clone(), train: &train, eval: &eval, out: &out };
            if run.start(&Toy::dying_at(point), false, &mut Silent).is_ok() {
                continue;
            }
            interrupted += 1;
            // A second interruption, soon after the first resume.
            let _ = run.start(&Toy::dying_at(4), true, &mut Silent).unwrap_err();
            // What a kill while writing leaves behind.
            std::fs::create_dir_all(out.join("checkpoints/.part-00000099")).unwrap();
            let log = out.join("steps.jsonl");
            let mut text = std::fs::read_to_string(&log).unwrap();
            text.push_str("{\"step\":9");
            std::fs::write(&log, text).unwrap();
            let model = Toy::new();
            assert!(matches!(run.start(&model, true, &mut Silent).unwrap(), TrainOutcome::Trained(_)));
            let found = promised(&out);
            let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "after a stop at call {point}");
            for (name, bytes) in &expected {
                assert!(found[name] == *bytes, "{name} differs after a stop at call {point}");
            }
            assert_eq!(model.bytes(), finished.bytes());
            assert!(matches!(run.start(&Toy::new(), true, &mut Silent).unwrap(), TrainOutcome::AlreadyComplete));
        }
        assert!(interrupted >= 4, "only {interrupted} runs were interrupted");
    }
}

/// Killed after the last step's checkpoint but before the model was written.
#[test]
fn a_run_that_lacks_only_its_model_is_completed() {
    let (train, eval, dir) = (pairs(30, "t"), pairs(20, "e"), tempfile::tempdir().unwrap());
    let run = |name: &str| (settings(""), dir.path().join(name));
    let (whole, out) = run("whole");
    Run { settings: whole, train: &train, eval: &eval, out: &out }.whole();
    let expected = promised(&out);
    let (killed, out) = run("killed");
    let killed = Run { settings: killed, train: &train, eval: &eval, out: &out };
    let model = Toy::new();
    model.dies_at_the_end.set(true);
    let _ = killed.start(&model, false, &mut Silent).unwrap_err();
    // Not one further training step is computed.
    assert!(matches!(killed.start(&Toy::dying_at(1), true, &mut Silent), Ok(TrainOutcome::Trained(_))));
    assert!(promised(&out) == expected);
}

/// Killed after its last file was written, while its checkpoints were taken away.
#[test]
fn a_complete_run_is_cleared_of_what_was_on_its_way_out() {
    let (train, eval, dir) = (pairs(30, "t"), pairs(20, "e"), tempfile::tempdir().unwrap());
    let out = dir.path().join("run");
    let run = Run { settings: settings("keep-checkpoints = 0"), train: &train, eval: &eval, out: &out };
    run.whole();
    let expected = promised(&out);
    std::fs::create_dir_all(out.join("checkpoints/.part-old-step-00000003")).unwrap();
    std::fs::write(out.join("checkpoints/.part-old-step-00000003/optimizer.safetensors"), b"half").unwrap();
    assert!(matches!(run.start(&Toy::new(), true, &mut Silent).unwrap(), TrainOutcome::AlreadyComplete));
    assert!(promised(&out) == expected && !out.join("checkpoints").exists());
}

const CHILD_OUT: &str = "RMBENCH_TEST_CHILD_OUT";

/// The run that [`kill_minus_nine_at_any_moment`] starts in processes of its own and kills.
#[test]
fn child_of_the_kill_test() {
    let Some(out) = std::env::var_os(CHILD_OUT) else { return };
    let (train, eval) = (pairs(30, "t"), pairs(20, "e"));
    let settings = settings("epochs = 6.0\neval-every = 3\nsave-every = 1\nema-decay = 0.9\n[dropout]\nhidden = 0.1");
    let run = Run { settings, train: &train, eval: &eval, out: Path::new(&out) };
    let _mine = claim(run.out).unwrap();
    run.start(&Toy::new(), true, &mut Silent).unwrap();
}

/// A checkpoint at every step, so that most kills fall into the writing of one.
#[test]
fn kill_minus_nine_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let child = |out: &Path| {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["train::child_of_the_kill_test", "--exact", "--test-threads=1"])
            .env(CHILD_OUT, out)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    // Starting up takes longer than training: time counts from the first sign of life in the log.
    let await_training = |process: &mut std::process::Child, out: &Path| {
        let length = || std::fs::metadata(out.join("steps.jsonl")).map_or(0, |m| m.len());
        let before = length();
        while length() == before && process.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    let mut process = child(&whole);
    await_training(&mut process, &whole);
    let began = Instant::now();
    assert!(process.wait().unwrap().success());
    let duration = began.elapsed();
    let expected = promised(&whole);
    assert_eq!(lines(&whole.join("steps.jsonl")).len(), 24);
    let mut kills = 0;
    for attempt in 0..6 {
        let mut process = child(&killed);
        await_training(&mut process, &killed);
        std::thread::sleep(duration.mul_f64(0.3 * random::uniform(1, "kill", [attempt])));
        process.kill().unwrap();
        kills += u32::from(!process.wait().unwrap().success());
    }
    assert!(kills >= 2, "only {kills} processes were killed while they trained");
    assert!(child(&killed).wait().unwrap().success());
    let found = promised(&killed);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs after {kills} kills");
    }
}

#[test]
fn micro_batches_do_not_change_the_result() {
    let (train, dir) = (pairs(60, "t"), tempfile::tempdir().unwrap());
    // Plain means, and means of weighted pairs.
    for (name, extra) in [("plain", ""), ("weighted", "length-balance = true\nrepeat-balance = true")] {
        let losses = |budget: usize| {
            let out = dir.path().join(format!("{name}-{budget}"));
            let settings = TrainSettings { token_budget: budget, ..settings(extra) };
            Run { settings, train: &train, eval: &[], out: &out }.whole();
            let steps = lines(&out.join("steps.jsonl"));
            let numbers = |key: &str| steps.iter().map(|s| s[key].as_f64().unwrap()).collect::<Vec<_>>();
            (numbers("micro_batches"), [numbers("loss"), numbers("grad_norm"), numbers("margin")].concat())
        };
        let ((one, together), (many, apart)) = (losses(1 << 20), losses(1));
        assert!(one.iter().all(|&n| n == 1.0) && many[0] == 8.0);
        for (a, b) in together.iter().zip(apart) {
            assert!((a - b).abs() < 1e-5 * a.abs().max(1e-2), "{name}: {a} {b}");
        }
    }
}

/// Held-out sources, flipped labels and a curriculum are functions of the settings and the data alone.
#[test]
fn what_sampling_holds_out_and_changes_is_counted() {
    let (mut train, dir) = (pairs(200, "t"), tempfile::tempdir().unwrap());
    for (i, pair) in train.iter_mut().enumerate() {
        pair.source = format!("s{}", i / 4).into();
        pair.margin = Some((i % 5) as f64);
    }
    let run = |extra: &str, name: &str, told: &mut Told| {
        let settings = settings(&format!("max-steps = 30\n[sampling]\n{extra}"));
        Run { settings, train: &train, eval: &[], out: &dir.path().join(name) }.start(&Toy::new(), false, told)
    };
    let mut told = Told::default();
    run("eval-share = 0.2", "split", &mut told).unwrap();
    let held_out: usize = lines(&dir.path().join("split/eval.jsonl"))[0]["n"].as_u64().unwrap() as usize;
    assert!(held_out.is_multiple_of(4) && (16..64).contains(&held_out), "whole sources: {held_out}");
    assert_eq!(told.0[0], format!("{} of 50 source items held out for evaluation: {held_out} pairs", held_out / 4));
    let counts: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("split/pairs.json")).unwrap()).unwrap();
    let kept =
        |role: &str| counts[role].as_object().unwrap().values().map(|c| c["kept"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((kept("training"), kept("evaluation")), (200 - held_out as u64, held_out as u64));

    let mut told = Told::default();
    run("label-noise = 0.3", "noise", &mut told).unwrap();
    let said = told.0.iter().find(|line| line.contains("flipped on purpose")).unwrap();
    let n: usize = said.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((40..80).contains(&n), "{said}");
    // Three of ten labels say the opposite: less can be learnt.
    let accuracy = |name: &str| {
        let steps = lines(&dir.path().join(name).join("steps.jsonl"));
        steps[15..].iter().map(|step| step["accuracy"].as_f64().unwrap()).sum::<f64>() / 15.0
    };
    run("", "clean", &mut Told::default()).unwrap();
    assert!(accuracy("noise") < accuracy("clean") - 0.1, "{} {}", accuracy("noise"), accuracy("clean"));

    run("order = 'easy-first'", "easy", &mut Told::default()).unwrap();
    train[7].margin = None;
    let error = Run {
        settings: settings("[sampling]\norder = 'hard-first'"),
        train: &train,
        eval: &[],
        out: &dir.path().join("unsized"),
    }
    .start(&Toy::new(), false, &mut Silent)
    .unwrap_err();
    assert!(error.to_string().contains("item `t7`") && error.to_string().contains("row 7"), "{error}");
}

#[test]
fn the_best_evaluation_is_what_is_saved() {
    let (train, eval, dir) = (pairs(30, "t"), pairs(20, "e"), tempfile::tempdir().unwrap());
    // A rate this large overshoots: the last step is not the best.
    let base = settings("lr = 30.0\nbest-metric = 'loss'\neval-every = 1\nkeep-checkpoints = 100");
    let best = Run { settings: base.clone(), train: &train, eval: &eval, out: &dir.path().join("best") };
    let (model, summary) = best.whole();
    assert!(summary.final_step < summary.steps, "{summary:?}");
    let checkpoint = best.out.join(format!("checkpoints/step-{:08}/model.safetensors", summary.final_step));
    assert_eq!(std::fs::read(checkpoint).unwrap(), model.bytes());
    let losses = lines(&best.out.join("eval.jsonl")).iter().map(|e| e["loss"].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(losses[summary.final_step as usize - 1], losses.iter().copied().fold(f64::INFINITY, f64::min));

    let last = TrainSettings { final_model: FinalModel::Last, keep_checkpoints: 0, ..base.clone() };
    let last = Run { settings: last, train: &train, eval: &eval, out: &dir.path().join("last") };
    let (_, summary) = last.whole();
    assert_eq!(summary.final_step, summary.steps);
    assert!(!last.out.join("checkpoints").exists());

    let patient = TrainSettings { patience: Some(2), ..base };
    let (_, stopped) = Run { settings: patient, train: &train, eval: &eval, out: &dir.path().join("stopped") }.whole();
    assert_eq!(stopped.steps, stopped.final_step + 2);
}

#[test]
fn a_resume_with_other_data_or_settings_is_refused_by_name() {
    let (train, dir) = (pairs(30, "t"), tempfile::tempdir().unwrap());
    let run = Run { settings: settings(""), train: &train, eval: &[], out: dir.path() };
    let _ = run.start(&Toy::dying_at(20), false, &mut Silent).unwrap_err();
    let again = run.start(&Toy::new(), false, &mut Silent).unwrap_err();
    assert!(matches!(again, TrainError::Occupied { .. }) && again.hint().unwrap().contains("--resume"));
    let other = Run { settings: settings("lr = 0.5"), train: &train[1..], ..run };
    let error = other.start(&Toy::new(), true, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("setting `lr` was `0.02` and is `0.5`"), "{error}");
    assert!(error.contains("content of `content/train`"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_stop_the_run_and_name_the_pairs() {
    let (mut train, dir) = (pairs(30, "t"), tempfile::tempdir().unwrap());
    train[17].rejected[0].text.push('~');
    let model = Toy::new();
    let _ = tch::no_grad(|| model.params["embed.weight"].get(i64::from(b'~')).fill_(f64::NAN));
    let run = Run { settings: settings(""), train: &train, eval: &[], out: dir.path() };
    let error = run.start(&model, false, &mut Silent).unwrap_err();
    let TrainError::NonFinite { step: 1..=4, what, pairs } = &error else { panic!("{error}") };
    assert_eq!(what, "1 of 8 pairs have a reward or loss that is not a finite number");
    assert_eq!(*pairs, format!("`t17` ({}, row 17)", train[17].lang));
    assert!(!dir.path().join("run.json").exists());
}

#[test]
fn gradients_that_are_not_finite_stop_the_run_and_name_the_parameter() {
    let (train, dir) = (pairs(30, "t"), tempfile::tempdir().unwrap());
    let mut model = Toy::new();
    // √x at 0: a finite value with an infinite slope.
    let pole = Tensor::zeros([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    model.params.insert("pole.weight".into(), pole);
    let before = model.bytes();
    let run = Run { settings: settings(""), train: &train, eval: &[], out: dir.path() };
    let error = run.start(&model, false, &mut Silent).unwrap_err();
    let TrainError::NonFinite { step: 1, what, pairs } = &error else { panic!("{error}") };
    assert!(what.contains("`pole.weight`") && pairs.contains("(") && error.hint().is_some(), "{what}: {pairs}");
    assert_eq!(model.bytes(), before, "no parameter may change");
}

#[test]
fn equal_rewards_are_ties_not_wins() {
    let (mut train, dir) = (pairs(16, "t"), tempfile::tempdir().unwrap());
    for pair in &mut train {
        pair.rejected = pair.chosen.clone();
    }
    Run { settings: settings("max-steps = 1"), train: &train, eval: &[], out: dir.path() }.whole();
    let step = &lines(&dir.path().join("steps.jsonl"))[0];
    assert_eq!((step["ties"].as_u64(), step["accuracy"].as_f64()), (Some(8), Some(0.0)));
    assert!((step["loss"].as_f64().unwrap() - 2f64.ln()).abs() < 1e-7);
}

/// Keeps what it was told.
#[derive(Default)]
struct Told(Vec<String>);

impl Progress for Told {
    fn begin(&mut self, _: &str, _: u64, _: &str) {}
    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn finish(&mut self) {}
    fn line(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn warn(&mut self, text: &str) {
        self.0.push(format!("warning: {text}"));
    }
}

#[test]
fn long_pairs_are_dropped_cut_or_refused_and_counted() {
    let (mut train, dir) = (pairs(20, "t"), tempfile::tempdir().unwrap());
    train[3].chosen[0].text = "x".repeat(80);
    train[3].lang = Lang::from_code("tha_Thai").unwrap();
    let with = |over_length: OverLength, name: &str, told: &mut Told| {
        let settings = TrainSettings { over_length, ..settings("max-steps = 3") };
        Run { settings, train: &train, eval: &[], out: &dir.path().join(name) }.start(&Toy::new(), false, told)
    };
    let mut told = Told::default();
    with(OverLength::Drop, "drop", &mut told).unwrap();
    assert_eq!(told.0[0], "19 training pairs in 3 languages; 1 dropped as too long (tha_Thai 1)");
    assert_eq!(lines(&dir.path().join("drop/steps.jsonl"))[2]["pairs"], 3);
    let mut told = Told::default();
    with(OverLength::Truncate, "cut", &mut told).unwrap();
    assert_eq!(told.0[0], "20 training pairs in 3 languages; 1 cut as too long (tha_Thai 1)");
    let error = with(OverLength::Refuse, "refuse", &mut Told::default()).unwrap_err();
    assert_eq!(error.to_string(), "training item `t3` (tha_Thai), row 3, is longer than the model's limit");
}

#[test]
fn evaluation_on_training_pairs_is_refused() {
    let (train, dir) = (pairs(20, "t"), tempfile::tempdir().unwrap());
    let eval: Vec<Comparison> = train[..3].iter().cloned().chain(pairs(5, "e")).collect();
    let run = Run { settings: settings("max-steps = 2"), train: &train, eval: &eval, out: dir.path() };
    let error = run.start(&Toy::new(), false, &mut Silent).unwrap_err();
    assert_eq!(
        error.to_string(),
        "3 of 8 evaluation pairs are also training pairs; the first is `t0` (".to_owned() + train[0].lang.code() + ")"
    );
    let dropped = TrainSettings { eval_overlap: EvalOverlap::Drop, ..run.settings };
    let (_, summary) = Run { settings: dropped, ..run }.whole();
    assert_eq!(summary.evaluation.unwrap().overall.n, 5);
}

#[test]
fn data_of_the_wrong_shape_are_refused() {
    let (mut train, dir) = (pairs(20, "t"), tempfile::tempdir().unwrap());
    let needs_margin = settings("[objective]\nname = 'bt'\nmargin = 'subtract'");
    let run = Run { settings: needs_margin, train: &train, eval: &[], out: dir.path() };
    let error = run.start(&Toy::new(), false, &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Lacks { row: 0, what: "margin", .. }), "{error}");
    train[5].rejected.push(Response::new("third"));
    let run = Run { settings: settings(""), train: &train, eval: &[], out: dir.path() };
    let error = run.start(&Toy::new(), false, &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NotAPair { row: 5, rejected: 2, .. }), "{error}");
    let run = Run { settings: settings("patience = 2"), train: &train[..5], eval: &[], out: dir.path() };
    let error = run.start(&Toy::new(), false, &mut Silent).unwrap_err();
    assert_eq!(error.to_string(), "training settings: `patience` needs evaluation pairs");
}

/// A checkpoint is a model directory of its own.
#[test]
fn checkpoints_hold_the_parameters_by_name() {
    let (train, dir) = (pairs(20, "t"), tempfile::tempdir().unwrap());
    let (model, _) = Run { settings: settings(""), train: &train, eval: &[], out: dir.path() }.whole();
    let newest = std::fs::read_dir(dir.path().join("checkpoints")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    let tensors = Checkpoint::open_dir(&newest).unwrap().take_all().unwrap();
    assert!(model.params.iter().all(|(name, param)| tensors[name].equal(&param.detach())));
}
