//! Training adapters by the command line: what is trained, what is written, who can read it, and that a kill
//! changes nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rmbench::backbone::lora::{Adapter, AdapterUse};
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::random;
use rmbench::reward::network::{Loading, MissingHead, Network};
use rmbench::reward::options::RewardOptions;
use rmbench::train::directory::claim;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::command::rmbench;
use crate::parity;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name)
}

/// Pairs in three languages whose better answer names what was asked for.
fn write_pairs(path: &Path, n: usize, name: &str) {
    let words = ["lake", "boat", "stone", "bread", "horse"];
    let line = |i: usize| {
        let draw = |what: &str, n: usize| (random::uniform(9, what, format!("{name}{i}")) * n as f64) as usize;
        let (one, other) = (draw("word", 5), (draw("word", 5) + 1 + draw("other", 4)) % 5);
        let lang = ["eng_Latn", "eng_Latn", "eng_Latn", "deu_Latn", "tha_Thai"][draw("lang", 5)];
        let pair = json!({
            "id": format!("{name}{i}"), "source_id": format!("{name}{}", i / 2), "language": lang,
            "prompt": format!("Where is the {}? {name}{i}", words[one]),
            "chosen": format!("The {} is here.", words[one]),
            "rejected": format!("A {} sleeps{}", words[other], ".".repeat(draw("dots", 6))),
        });
        format!("{pair}\n")
    };
    std::fs::write(path, (0..n).map(line).collect::<String>()).unwrap();
}

/// A checkpoint of the fixtures without these tensors: a base as language models are.
fn base_without(dir: &Path, name: &str, lost: &[&str]) -> PathBuf {
    let out = dir.join(format!("base-{name}"));
    std::fs::create_dir_all(&out).unwrap();
    for entry in std::fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("expected.safetensors") {
            std::fs::copy(&path, out.join(path.file_name().unwrap())).unwrap();
        }
    }
    let tensors = Checkpoint::open_dir(&fixture(name)).unwrap().take_all().unwrap();
    let kept = tensors.iter().filter(|(name, _)| !lost.iter().any(|lost| name.starts_with(lost)));
    weights::write(&out.join("model.safetensors"), kept.map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    out
}

fn succeed(dir: &Path, args: &[&str]) -> String {
    let output = rmbench(dir, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

fn tensors(path: &Path) -> BTreeMap<String, Tensor> {
    Checkpoint::open_files(&[path.to_owned()]).unwrap().take_all().unwrap()
}

/// The network of an adapter's directory, kept apart or merged.
fn load(adapter: &Path, base: &Path, usage: AdapterUse) -> Network {
    let missing = MissingHead::Refuse;
    let loading = Loading { device: Device::Cpu, weights: Kind::Float, compute: Kind::Float, missing };
    let adapter = Adapter::open(adapter, usage).unwrap();
    Network::load_with(base, Some(adapter), loading, &RewardOptions::default()).unwrap()
}

fn rewards(network: &Network, of: &str) -> Tensor {
    network.rewards(&parity::separate_pairs(&fixture(of))).unwrap()
}

/// Method, further settings, architecture, what the base lacks, tensors of the adapter that must be there.
type Case = (&'static str, &'static [&'static str], &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn adapters_are_trained_saved_with_their_heads_and_read_by_everyone() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 96, "a");
    let cases: [Case; 4] = [
        ("lora", &["adapter.targets=[\"q_proj\",\"v_proj\"]"], "llama", &["score"], &["score.weight"]),
        ("lora", &["adapter.rslora=true"], "qwen2", &["score"], &["score.weight", "mlp.up_proj.lora_A.weight"]),
        (
            "dora",
            &["adapter.layers=[1]", "adapter.targets=[\"q_proj\",\"up_proj\"]"],
            "llama",
            &["score"],
            &["score.weight", "q_proj.lora_magnitude_vector"],
        ),
        (
            "lora",
            &["adapter.targets=[\"query\",\"dense\"]", "adapter.rank-pattern={\"output.dense\"=2}"],
            "bert",
            &["classifier", "bert.pooler"],
            &["classifier.weight", "classifier.bias", "pooler.dense.weight", "query.lora_B.weight"],
        ),
    ];
    let mut exported = Vec::new();
    for (index, (method, more, arch, lost, expected)) in cases.into_iter().enumerate() {
        let base = base_without(dir.path(), arch, lost);
        let before = std::fs::read(base.join("model.safetensors")).unwrap();
        let out = format!("out-{index}");
        let (method, base_name) = (format!("adapter.method={method}"), base.to_string_lossy().into_owned());
        let mut args = vec!["train", "--model", &base_name, "--data", "pairs.jsonl", "--out", &out];
        let sets = [&[method.as_str(), "adapter.rank=3", "lr=0.01", "epochs=2", "batch-size=16"], more].concat();
        sets.iter().for_each(|set| args.extend(["--set", set]));
        let said = succeed(dir.path(), &args);
        assert!(said.contains("of them trained") && said.contains("drawn at random"), "{said}");
        let out = dir.path().join(&out);
        assert!(!out.join("model.safetensors").exists());
        let saved = tensors(&out.join("adapter_model.safetensors"));
        for name in expected {
            assert!(saved.keys().any(|key| key.ends_with(name)), "{name} is not in {:?}", saved.keys());
        }
        assert!(saved.keys().all(|key| key.starts_with("base_model.model.")));
        // It learnt: B has left zero, and the head where it began.
        let is_zero = |tensor: &Tensor| tensor.abs().max().double_value(&[]) == 0.0;
        assert!(saved.iter().filter(|(name, _)| name.contains("lora_B")).all(|(_, tensor)| !is_zero(tensor)));
        assert_eq!(std::fs::read(base.join("model.safetensors")).unwrap(), before, "the base changed");
        let (apart, merged) = (load(&out, &base, AdapterUse::Apart), load(&out, &base, AdapterUse::Merged));
        let (apart, merged) = (rewards(&apart, arch), rewards(&merged, arch));
        assert!((&apart - &merged).abs().max().double_value(&[]) < 1e-5);
        // As a checkpoint, and as what `score` takes.
        let merged_dir = format!("merged-{index}");
        let out_name = out.to_string_lossy().into_owned();
        succeed(dir.path(), &["model", "merge-adapter", "--model", &out_name, "--out", &merged_dir]);
        let missing = MissingHead::Refuse;
        let whole = Network::load(&dir.path().join(&merged_dir), Device::Cpu, Kind::Float, Kind::Float, missing);
        assert!((rewards(&whole.unwrap(), arch) - &merged).abs().max().double_value(&[]) < 1e-5);
        let score = ["score", "--model", &out_name, "--pairs", "pairs.jsonl", "--out", &format!("scores-{index}")];
        succeed(dir.path(), &score);
        // Goes on from where it is; without the base's path, too, since its configuration leads there.
        let again = format!("again-{index}");
        let mut args = vec!["train", "--model", &out_name, "--data", "pairs.jsonl", "--out", &again];
        ["adapter.method=keep", "max-steps=3", "lr=0.01"].iter().for_each(|set| args.extend(["--set", set]));
        succeed(dir.path(), &args);
        let again = tensors(&dir.path().join(&again).join("adapter_model.safetensors"));
        assert_eq!(again.keys().collect::<Vec<_>>(), saved.keys().collect::<Vec<_>>());
        write_scores(&out, arch, &apart);
        write_scores(&dir.path().join(&merged_dir), arch, &apart);
        exported.extend([out, dir.path().join(&merged_dir)]);
    }
    let Some(python) = std::env::var_os("RMBENCH_TEST_PYTHON") else {
        return crate::say_skipped("RMBENCH_TEST_PYTHON");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/loads_in_peft.py");
    let output = Command::new(python).arg(script).args(&exported).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.matches("difference").count() == exported.len(), "{said}");
}

/// `[{"ids": …, "reward": …}]` for the check with PEFT.
fn write_scores(dir: &Path, arch: &str, rewards: &Tensor) {
    let text = std::fs::read_to_string(fixture(arch).join("inputs.json")).unwrap();
    let inputs: Value = serde_json::from_str(&text).unwrap();
    let pairs = inputs["pairs"].as_array().unwrap();
    let ids = pairs.iter().flat_map(|pair| [&pair["chosen_ids"], &pair["rejected_ids"]]);
    let rewards = Vec::<f32>::try_from(&rewards.view([-1])).unwrap();
    let scores: Vec<Value> = ids.zip(rewards).map(|(ids, reward)| json!({"ids": ids, "reward": reward})).collect();
    std::fs::write(dir.join("scores.json"), Value::from(scores).to_string()).unwrap();
}

#[test]
fn what_cannot_be_trained_is_said() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 16, "a");
    let llama = fixture("llama").to_string_lossy().into_owned();
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lora");
    let adapter = |name: &str| lora.join(name).to_string_lossy().into_owned();
    let cases = [
        (llama.clone(), "adapter.method=keep", "is no adapter"),
        (adapter("llama_lora"), "adapter.method=lora", "is an adapter itself"),
        (adapter("llama_token_rows"), "adapter.method=keep", "replaces rows of the embeddings"),
        ("init:tiny".into(), "adapter.method=lora", "needs a model that was trained"),
        (llama.clone(), "adapter.rank=4", "settings that only a new adapter has"),
    ];
    for (model, set, expected) in cases {
        let args = ["train", "--model", &model, "--data", "pairs.jsonl", "--out", "out", "--set", set];
        let output = rmbench(dir.path(), &args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{set}: {said}");
    }
    let nothing = ["--set", "adapter.method=lora", "--set", "adapter.targets=[\"no_such_layer\"]"];
    let args = [&["train", "--model", &llama, "--data", "pairs.jsonl", "--out", "out"][..], &nothing].concat();
    let said = String::from_utf8_lossy(&rmbench(dir.path(), &args).output().unwrap().stderr).into_owned();
    assert!(said.contains("fit no layer"), "{said}");
}

/// Every file that is promised to be the same bytes.
fn promised(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            let holds_times =
                name == "timing.jsonl" || name.starts_with("tensorboard") || name.ends_with("trainer.toml");
            match path.is_dir() {
                true => open.push(path),
                false if holds_times => {}
                false => {
                    found.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

/// LoRA with a mixture, micro-batches, checkpointing, dropout and an average, killed at random moments: forty steps and
/// two kills, or with `RMBENCH_TEST_KILLS=20` two hundred steps and so many, which is the acceptance test.
#[test]
fn kills_at_random_moments_leave_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("a.jsonl"), 150, "a");
    write_pairs(&dir.path().join("b.jsonl"), 40, "b");
    let base = base_without(dir.path(), "llama", &["score"]).to_string_lossy().into_owned();
    let asked: Option<u64> = std::env::var("RMBENCH_TEST_KILLS").ok().map(|n| n.parse().unwrap());
    let (kills, n_steps) = asked.map_or((2, 40), |kills| (kills, 200));
    let max_steps = format!("max-steps={n_steps}");
    let start = |out: &str, resume: bool| -> Child {
        let mut args = vec!["train", "--model", &base, "--data", "a.jsonl", "--data", "b.jsonl", "--out", out];
        let sets = [
            "adapter.method=lora",
            "adapter.rank=2",
            max_steps.as_str(),
            "batch-size=6",
            "token-budget=150",
            "checkpoint-layers=1",
            "lr=0.003",
            "ema-decay=0.9",
            "dropout.hidden=0.1",
            "adapter.dropout=0.1",
            "sampling.weights=[1, 2]",
            "sampling.temperature=0.5",
            "sampling.eval-share=0.15",
            "eval-every=25",
            "save-every=7",
        ];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        if resume {
            args.push("--resume");
        }
        let mut command = rmbench(dir.path(), &args);
        let said = File::create(dir.path().join(format!("{}.{resume}.stderr", out.replace('/', "-")))).unwrap();
        // Threads that wait for each other take ten times as long beside other tests.
        command.env("OMP_NUM_THREADS", "1").stdout(Stdio::null()).stderr(said).spawn().unwrap()
    };
    let ends = |out: &str, resume: bool| {
        let status = start(out, resume).wait().unwrap();
        let said = std::fs::read_to_string(dir.path().join(format!("{}.{resume}.stderr", out.replace('/', "-"))));
        assert!(status.success(), "{out}, resumed {resume}: {status}: {}", said.unwrap());
    };
    let began = Instant::now();
    // The run's record has the directory's name: it is the same for all.
    ends("whole/run", false);
    let duration = began.elapsed();
    let expected = promised(&dir.path().join("whole/run"));
    assert!(expected.contains_key("adapter_model.safetensors"));
    let steps = String::from_utf8(expected["steps.jsonl"].clone()).unwrap();
    assert!(steps.lines().count() == n_steps && steps.contains("\"micro_batches\":3"));
    let mut while_training = 0;
    for point in 0..kills {
        let out = format!("killed-{point}/run");
        let log = dir.path().join(&out).join("steps.jsonl");
        let n_lines = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
        let mut process = start(&out, false);
        // By the step and not by the clock, which other tests bend; a little later, so that it may be anywhere in a step.
        let draw = random::uniform(4, "kill", point.to_le_bytes());
        let target = 1 + (draw * (n_steps - 3) as f64) as usize;
        while n_lines() < target && process.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(duration.mul_f64(random::uniform(5, "kill", point.to_le_bytes()) / n_steps as f64));
        process.kill().unwrap();
        let died = !process.wait().unwrap().success();
        let steps = n_lines();
        while_training += u64::from(died && (1..n_steps).contains(&steps));
        ends(&out, true);
        if asked.is_some() {
            eprintln!("point {point}: killed at {steps} of {n_steps} steps, resumed to the end");
        }
        let found = promised(&dir.path().join(&out));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "point {point}");
        for (name, bytes) in &expected {
            assert!(found[name] == *bytes, "{name} differs after a kill at {steps} steps");
        }
        std::fs::remove_dir_all(dir.path().join(&out)).unwrap();
    }
    assert!(while_training >= kills / 2, "only {while_training} of {kills} kills fell between the first and last step");
}

/// A disk that is full while a checkpoint is written (a limit on the size of files stands in for it): the run ends
/// with an error that names the file, leaves nothing half-written, and goes on when there is room.
#[test]
fn a_checkpoint_that_cannot_be_written_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("a.jsonl"), 60, "a");
    let base = fixture("llama").to_string_lossy().into_owned();
    let args = |out: &str| -> Vec<String> {
        let sets = ["max-steps=6", "batch-size=6", "save-every=3", "keep-checkpoints=0", "tensorboard=false"];
        let mut args: Vec<String> =
            ["train", "--model", &base, "--data", "a.jsonl", "--out", out].map(str::to_owned).into();
        sets.iter().for_each(|set| args.extend(["--set".to_owned(), (*set).to_owned()]));
        args
    };
    let run = |args: &[String]| rmbench(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>()).output();
    assert!(run(&args("whole/run")).unwrap().status.success());
    // The moments are the largest file of a checkpoint, and the first that does not fit.
    let weights = std::fs::metadata(dir.path().join("whole/run/model.safetensors")).unwrap().len();
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", weights.div_ceil(1024) + 1);
    let limited = Command::new("bash")
        .args(["-c", &limit, "bash", env!("CARGO_BIN_EXE_rmbench")])
        .args(args("full/run"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert!(!limited.status.success() && said.contains("optimizer.safetensors"), "{said}");
    let full = dir.path().join("full/run");
    assert_eq!(std::fs::read_dir(full.join("checkpoints")).unwrap().count(), 0);
    let mut again = args("full/run");
    again.push("--resume".to_owned());
    let resumed = run(&again).unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(promised(&full) == promised(&dir.path().join("whole/run")));
}

/// One directory, two processes: the second is told, and the first one's files are left alone.
#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("a.jsonl"), 60, "a");
    let base = fixture("llama").to_string_lossy().into_owned();
    let _mine = claim(&dir.path().join("out")).unwrap();
    let args = ["train", "--model", &base, "--data", "a.jsonl", "--out", "out", "--set", "max-steps=2"];
    let output = rmbench(dir.path(), &args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("another process is training in `out`"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path().join("out")).unwrap().count(), 0);
}

/// Killed before its first step, then started again on other data: the tokenizer that lies there is not taken.
#[test]
fn a_tokenizer_of_other_data_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("a.jsonl"), 60, "a");
    write_pairs(&dir.path().join("b.jsonl"), 60, "quite other words");
    let train = |data: &str, out: &str| {
        let args = ["train", "--model", "init:tiny", "--data", data, "--out", out, "--set", "max-steps=2"];
        succeed(dir.path(), &[&args[..], &["--set", "pretraining.epochs=0"]].concat());
        std::fs::read(dir.path().join(out).join("tokenizer.json")).unwrap()
    };
    let (of_a, of_b) = (train("a.jsonl", "a"), train("b.jsonl", "b"));
    assert!(of_a != of_b);
    let left = dir.path().join("left/tokenizer");
    std::fs::create_dir_all(&left).unwrap();
    for entry in std::fs::read_dir(dir.path().join("a/tokenizer")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, left.join(path.file_name().unwrap())).unwrap();
    }
    assert!(train("b.jsonl", "left") == of_b);
}
