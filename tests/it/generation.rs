//! Replies equal to transformers' `generate`, token for token, alone and in company; a cache equal to full passes; draws that
//! depend on (seed, task, place) only.
//!
//! Fixture: `tests/fixtures/generation.json` by `tests/reference/generation.py`, over the backbones in `arch/`.

use std::path::{Path, PathBuf};

use rmbench::backbone::lora::AdapterUse;
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::generation::ends::Ends;
use rmbench::generation::{Capacity, Finish, Sampling, Task, Writer};
use rmbench::reward::artifact::{self, RewardCard};
use rmbench::reward::network::{Loading, MissingHead, Network};
use rmbench::reward::parts::ModelParts;
use rmbench::reward::scalar::ScalarModel;
use rmbench::text::batch::{TokenBatch, TokenTree};
use rmbench::text::response_tokens::ResponseTokens;
use rmbench::text::settings::TextOverrides;
use serde_json::Value;
use tch::{Device, Kind};

fn fixture() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generation.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn all_ids(value: &Value) -> Vec<Vec<u32>> {
    value.as_array().unwrap().iter().map(ids).collect()
}

/// The backbone of `arch/name` as a language model's directory: its output layer is the embeddings, or these with their
/// rows moved on.
pub fn language_model(name: &str, tied: bool, shift: i64, dir: &Path) {
    let arch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch").join(name);
    let mut tensors = Checkpoint::open_files(&[arch.join("model.safetensors")]).unwrap().take_all().unwrap();
    tensors.retain(|name, _| !name.starts_with("score.") && !name.starts_with("v_head."));
    if !tied {
        let embeddings = ["model.embed_tokens.weight", "model.tok_embeddings.weight"];
        let (at, embeddings) = embeddings.iter().find_map(|at| Some((*at, tensors.get(*at)?))).unwrap();
        let moved = embeddings.roll([shift], [0]);
        let output = if at.contains("tok_") { "output.weight" } else { "lm_head.weight" };
        tensors.insert(output.to_owned(), moved);
    }
    std::fs::create_dir_all(dir).unwrap();
    weights::write(&dir.join("model.safetensors"), tensors.iter().map(|(name, x)| (name.as_str(), x))).unwrap();
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(arch.join("config.json")).unwrap()).unwrap();
    config["tie_word_embeddings"] = tied.into();
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    for entry in std::fs::read_dir(&arch).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("tokenizer") || name.starts_with("chat_template") {
            std::fs::copy(&path, dir.join(name)).unwrap();
        }
    }
}

/// A directory as a language model.
pub fn load(dir: &Path, kind: Kind) -> Result<ScalarModel, String> {
    let parts = ModelParts { checkpoint: dir.to_owned(), adapter: None };
    let loading = Loading { device: Device::Cpu, weights: kind, compute: kind, missing: MissingHead::Refuse };
    artifact::load_parts(&parts, AdapterUse::Merged, loading, &TextOverrides::default(), &artifact::as_policy())
        .map_err(|e| e.to_string())
}

fn writer(dir: &Path, kind: Kind, ends: Vec<u32>) -> Writer {
    Writer { model: load(dir, kind).unwrap(), ends: Ends(ends), capacity: Capacity::default() }
}

struct Case {
    name: String,
    writer: Writer,
    prompts: Vec<Vec<u32>>,
    json: Value,
    _dir: tempfile::TempDir,
}

fn cases() -> Vec<Case> {
    let fixture = fixture();
    let shift = fixture["shift"].as_i64().unwrap();
    let load = |case: &Value| {
        let dir = tempfile::tempdir().unwrap();
        let name = case["name"].as_str().unwrap();
        language_model(name, case["tied"].as_bool().unwrap(), shift, dir.path());
        let writer = writer(dir.path(), Kind::Float, ids(&case["ends"]));
        Case { name: name.to_owned(), writer, prompts: all_ids(&case["prompts"]), json: case.clone(), _dir: dir }
    };
    let cases: Vec<Case> = fixture["cases"].as_array().unwrap().iter().map(load).collect();
    assert_eq!(cases.len(), 16);
    cases
}

fn task(prompt: &[u32], most: usize) -> Task {
    Task { prompt: prompt.to_vec(), most, ..Task::default() }
}

#[test]
fn greedy_replies_are_transformers_token_for_token_alone_and_batched() {
    for case in cases() {
        let expected = all_ids(&case.json["replies"]);
        let tasks: Vec<Task> = case.prompts.iter().map(|prompt| task(prompt, 40)).collect();
        let batched: Vec<Vec<u32>> = case.writer.write(&tasks).unwrap().iter().map(|w| w.ids()).collect();
        assert_eq!(batched, expected, "{}", case.name);
        for (task, expected) in tasks.iter().zip(&expected) {
            let alone = &case.writer.write(std::slice::from_ref(task)).unwrap()[0];
            assert_eq!(&alone.ids(), expected, "{}", case.name);
            let ended = case.writer.ends.holds(*expected.last().unwrap());
            assert_eq!(alone.finish, if ended { Finish::End } else { Finish::Length }, "{}", case.name);
        }
        assert!(expected.iter().any(|reply| reply.len() < 40) && expected.iter().any(|reply| reply.len() > 11));
    }
}

/// Few sequences at a time, so that they come and go while others are written; repeated, so that they share.
#[test]
fn replies_do_not_depend_on_capacity_or_company() {
    for mut case in cases() {
        let expected = all_ids(&case.json["replies"]);
        case.writer.capacity = Capacity { sequences: 2, tokens: 16 };
        let n = case.prompts.len();
        let tasks: Vec<Task> = (0..2 * n).map(|i| task(&case.prompts[i % n], if i < n { 40 } else { 7 })).collect();
        let written = case.writer.write(&tasks).unwrap();
        for (i, written) in written.iter().enumerate() {
            let whole = &expected[i % n];
            let cut = if i < n { whole.len() } else { whole.len().min(7) };
            assert_eq!(written.ids(), whole[..cut], "{} {i}", case.name);
        }
    }
}

/// Logits by a full pass over prompt and reply, against log p as the reply was written.
#[test]
fn a_cache_computes_what_full_passes_compute() {
    let mut all = cases();
    let dir = tempfile::tempdir().unwrap();
    language_model("internlm2", false, 7, dir.path());
    let prompts = all[0].prompts.clone();
    let json = Value::Null;
    all.push(Case {
        name: "internlm2".into(),
        writer: writer(dir.path(), Kind::Float, vec![]),
        prompts,
        json,
        _dir: dir,
    });
    for case in all {
        let lengths_matter = ["llama_dynamic", "phi3", "internlm2"].contains(&case.name.as_str());
        let tasks: Vec<Task> = case.prompts.iter().map(|prompt| task(prompt, 24)).collect();
        for (prompt, written) in case.prompts.iter().zip(case.writer.write(&tasks).unwrap()) {
            let reply = written.ids();
            let mut worst: f64 = 0.0;
            for n in 0..reply.len() {
                // The last token of each prefix where frequencies depend on the length, else all from one pass.
                let fed = if lengths_matter { prompt.len() + n } else { prompt.len() + reply.len() - 1 };
                let whole = [prompt.as_slice(), &reply].concat();
                let log_probs = full_pass(&case.writer.model.network, &whole[..fed], prompt.len() - 1 + n, reply[n]);
                worst = worst.max((log_probs - written.tokens[n].log_prob).abs());
            }
            assert!(worst < 2e-5, "{}: {worst}", case.name);
        }
    }
}

fn full_pass(network: &Network, ids: &[u32], at: usize, next: u32) -> f64 {
    let n = ids.len();
    let batch = TokenBatch {
        ids: ids.iter().map(|id| i64::from(*id)).collect(),
        positions: (0..n as i64).collect(),
        trees: vec![TokenTree { prefix: 0..0, branches: vec![0..n] }],
        owners: vec![(0, 0)],
        ..TokenBatch::default()
    };
    let tokens = ResponseTokens { rows: vec![at], ids: vec![i64::from(next)], of: vec![vec![0]] };
    network.log_probs(&batch, &tokens).unwrap().double_value(&[0])
}

#[test]
fn given_texts_have_transformers_log_probabilities() {
    for case in cases() {
        let given = all_ids(&case.json["given"]);
        let score = |prompt: &Vec<u32>, most| Task { continuations: given.clone(), ..task(prompt, most) };
        let tasks: Vec<Task> = case.prompts.iter().map(|prompt| score(prompt, 0)).collect();
        let beside: Vec<Task> = case.prompts.iter().map(|prompt| score(prompt, 6)).collect();
        let replies = all_ids(&case.json["replies"]);
        let (alone, beside) = (case.writer.write(&tasks).unwrap(), case.writer.write(&beside).unwrap());
        for (i, expected) in case.json["log_probs"].as_array().unwrap().iter().enumerate() {
            for (text, expected) in expected.as_array().unwrap().iter().enumerate() {
                let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
                for found in [&alone[i], &beside[i]] {
                    let found = &found.continuations[text];
                    assert_eq!(found.len(), expected.len());
                    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(worst < 2e-5, "{} {i} {text}: {worst}", case.name);
                }
            }
            assert!(alone[i].tokens.is_empty());
            let cut = replies[i].len().min(6);
            assert_eq!(beside[i].ids(), replies[i][..cut], "{}: scoring leaves the reply as it is", case.name);
        }
    }
}

#[test]
fn cut_distributions_are_transformers() {
    let cuts = &fixture()["cuts"];
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    for setting in cuts["settings"].as_array().unwrap() {
        let sampling = Sampling {
            temperature: setting["temperature"].as_f64().unwrap(),
            top_k: setting["top_k"].as_u64().map(|k| k as usize),
            top_p: setting["top_p"].as_f64().unwrap(),
            ..Sampling::default()
        };
        for (row, expected) in
            cuts["logits"].as_array().unwrap().iter().zip(setting["probabilities"].as_array().unwrap())
        {
            let logits: Vec<f32> = numbers(row).iter().map(|x| *x as f32).collect();
            let mut found = vec![0.0; logits.len()];
            sampling.distribution(&logits).into_iter().for_each(|(id, p)| found[id as usize] = p);
            let worst = found.iter().zip(numbers(expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{setting}: {worst}");
        }
    }
}

#[test]
fn draws_depend_on_seed_task_and_place_only() {
    let case = cases().swap_remove(7);
    assert_eq!(case.name, "qwen3");
    let sampling = |seed, key: &str| Sampling {
        temperature: 0.9,
        top_k: Some(50),
        top_p: 0.95,
        seed,
        key: key.into(),
        ..Sampling::default()
    };
    let drawn = |seed, key: &str| Task { sampling: sampling(seed, key), ..task(&case.prompts[1], 12) };
    let write = |tasks: &[Task]| -> Vec<Vec<u32>> {
        case.writer.write(tasks).unwrap().iter().map(|written| written.ids()).collect()
    };
    let together = write(&[drawn(1, "a"), drawn(1, "b"), drawn(2, "a"), drawn(1, "a"), task(&case.prompts[2], 12)]);
    assert_eq!(together[0], together[3]);
    assert!(together[0] != together[1] && together[0] != together[2]);
    assert_eq!(write(&[drawn(1, "b")])[0], together[1]);
}

#[test]
fn the_first_token_may_be_constrained_and_texts_end_replies() {
    let case = cases().swap_remove(0);
    let prompt = &case.prompts[2];
    let free = case.writer.write(&[task(prompt, 20)]).unwrap().remove(0);
    let only = Task { first: vec![17, 40, 93], alternatives: 5, ..task(prompt, 3) };
    let written = case.writer.write(&[only]).unwrap().remove(0);
    let first = &written.tokens[0];
    assert!([17, 40, 93].contains(&first.id) && first.id != free.tokens[0].id);
    let by_full_pass = |id| full_pass(&case.writer.model.network, prompt, prompt.len() - 1, id);
    let best = [17, 40, 93].into_iter().max_by(|a, b| by_full_pass(*a).total_cmp(&by_full_pass(*b))).unwrap();
    assert_eq!(first.id, best);
    // The alternatives are the model's own, best first.
    assert_eq!(first.alternatives[0].0, free.tokens[0].id);
    assert!((first.alternatives[0].1 - free.tokens[0].log_prob).abs() < 1e-5);
    assert!(first.alternatives.is_sorted_by(|a, b| a.1 >= b.1) && first.alternatives.len() == 5);
    let pieces: String = free.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(pieces, free.text);
    // The text from the fourth character on, as far as the sixth.
    let characters: Vec<char> = free.text.chars().collect();
    let stop: String = characters[3..6].iter().collect();
    let at = free.text.find(&stop).unwrap();
    let stopped = case.writer.write(&[Task { stop: vec![stop], ..task(prompt, 20) }]).unwrap().remove(0);
    assert_eq!((stopped.finish, stopped.text.as_str()), (Finish::Stop, &free.text[..at]));
    assert!(stopped.tokens.len() < free.tokens.len());
}

#[test]
fn a_longer_context_in_narrow_kinds_stays_close() {
    let dir = tempfile::tempdir().unwrap();
    language_model("gemma2", true, 7, dir.path());
    let prompts = cases().into_iter().find(|case| case.name == "gemma2").unwrap().prompts;
    let tasks: Vec<Task> = prompts.iter().map(|prompt| task(prompt, 1)).collect();
    let exact = writer(dir.path(), Kind::Float, vec![]).write(&tasks).unwrap();
    // f64 leaves the kernels for libtorch; bf16 takes them with narrow products.
    for (kind, tolerance) in [(Kind::Double, 1e-5), (Kind::BFloat16, 0.15)] {
        let scored: Vec<Task> = tasks
            .iter()
            .zip(&exact)
            .map(|(task, written)| Task { most: 0, continuations: vec![written.ids()], ..task.clone() })
            .collect();
        for (found, exact) in writer(dir.path(), kind, vec![]).write(&scored).unwrap().iter().zip(&exact) {
            let away = (found.continuations[0][0] - exact.tokens[0].log_prob).abs();
            assert!(away < tolerance, "{kind:?}: {away}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    let case = cases().swap_remove(0);
    let fails = |task: Task| case.writer.write(&[task]).unwrap_err().to_string();
    assert!(fails(task(&[], 3)).contains("empty prompt"));
    assert!(fails(task(&[5, 400], 3)).contains("token id 400 is outside the model's vocabulary of 384"));
    let cold = Sampling { temperature: -1.0, ..Sampling::default() };
    assert!(fails(Task { sampling: cold, ..task(&[5], 3) }).contains("temperature -1"));
    assert!(case.writer.write(&[]).unwrap().is_empty());
    let arch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch");
    let fails = |name: &str| load(&arch.join(name), Kind::Float).err().unwrap();
    assert!(fails("llama").contains("lm_head.weight"), "{}", fails("llama"));
    assert!(fails("bert").contains("decoder"), "{}", fails("bert"));
}

/// What is written back loads again and says the same.
#[test]
fn a_saved_language_model_is_the_same_model() {
    let case = cases().swap_remove(10);
    assert_eq!(case.name, "gemma2");
    let dir = tempfile::tempdir().unwrap();
    let card = RewardCard::of_judge("none");
    artifact::save_with(dir.path(), &case.writer.model, case._dir.path(), card, None).unwrap();
    let config: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "Gemma2ForCausalLM");
    assert_eq!(config["tie_word_embeddings"], true);
    let again = load(dir.path(), Kind::Float).unwrap();
    let prompt = &case.prompts[0];
    let says = |network: &Network| full_pass(network, prompt, prompt.len() - 1, 9);
    assert_eq!(says(&again.network), says(&case.writer.model.network));
}
