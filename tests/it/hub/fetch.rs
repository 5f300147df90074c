//! `rmbench data fetch`, and data sets of the hub wherever a data file is asked for.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
use rmbench::benchmark::catalog;
use rmbench::lang::Lang;
use serde_json::json;

use super::rmbench;
use super::server::{FakeHub, Repo};

/// Parquet with a row for every item that a manifest promises in a language; texts are invented.
fn items(name: &str, lang: Lang, subset_column: &str, k_rejected: usize) -> Vec<u8> {
    let manifest = catalog::find(name).unwrap();
    let counted = manifest.subsets().filter_map(|(_, subset)| Some((subset, manifest.expected(&subset.name, lang)?)));
    let rows: Vec<(String, String)> =
        counted.flat_map(|(subset, n)| (0..n).map(|i| (format!("{}-{i}", subset.name), subset.name.clone()))).collect();
    let strings =
        |of: &dyn Fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..rows.len()).map(of))) };
    let lists = |word: &str, k: usize| -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for i in 0..rows.len() {
            (0..k).for_each(|j| lists.values().append_value(format!("{word} {i} {j}")));
            lists.append(true);
        }
        Arc::new(lists.finish())
    };
    let of = |word: &'static str| strings(&move |i| format!("{word} {i}"));
    let responses = |word: &'static str, k| if k_rejected == 1 { of(word) } else { lists(word, k) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", strings(&|i| rows[i].0.clone())),
        ("prompt", of("Why?")),
        ("chosen", responses("since", 1)),
        ("rejected", responses("no", k_rejected)),
        ("chosen_model", of("a")),
        ("rejected_model", of("b")),
        (subset_column, strings(&|i| rows[i].1.clone())),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn run(hub: &FakeHub, dir: &Path, args: &[&str]) -> Output {
    rmbench(hub, dir, args).output().unwrap()
}

#[test]
fn a_benchmark_is_fetched_checked_and_found() {
    let hub = FakeHub::start();
    let data = items("rewardbench-2", Lang::ENGLISH, "subset", 3);
    let train: &[u8] = b"not asked for";
    let files: [(&str, &[u8]); 3] =
        [("README.md", b"# Card"), ("*data/test-00000-of-00001.parquet", &data), ("*data/train-0.parquet", train)];
    hub.put("datasets/allenai/reward-bench-2", Repo::of(&files));
    let dir = tempfile::tempdir().unwrap();
    let output = run(&hub, dir.path(), &["data", "fetch", "rewardbench-2", "--data", "benchmarks"]);
    let (result, talk) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert_eq!(
        result,
        "rewardbench-2: 1,865 items in 1 language, as its manifest says\n  \
         rmbench score --model MODEL --benchmarks rewardbench-2 --data benchmarks --out RUN\n"
    );
    let lines: Vec<&str> = talk.lines().collect();
    assert!(
        lines[0].starts_with("rewardbench-2: `hf-data:allenai/reward-bench-2` at commit 0123456789abcdef"),
        "{talk}"
    );
    assert!(lines[0].contains(", 1 file, "), "{talk}");
    assert_eq!(lines[1], "rewardbench-2: licence odc-by; subsets taken from elsewhere may have others");
    assert_eq!(fs::read(dir.path().join("benchmarks/rewardbench-2.parquet")).unwrap(), data);
    assert!(hub.gets_of(train).is_empty());

    let score =
        ["score", "--model", "mock:length", "--benchmarks", "rewardbench-2", "--data", "benchmarks", "--out", "run"];
    let output = run(&hub, dir.path(), &score);
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    // Once more: nothing to download, nothing to copy; a file of the user's own is not overwritten.
    hub.forget_requests();
    let output = run(&hub, dir.path(), &["data", "fetch", "rewardbench-2", "--data", "benchmarks"]);
    assert_eq!((output.status.code(), hub.requests().len()), (Some(0), 1));
    fs::write(dir.path().join("benchmarks/rewardbench-2.parquet"), "mine").unwrap();
    let output = run(&hub, dir.path(), &["data", "fetch", "rewardbench-2", "--data", "benchmarks"]);
    let (_, talk) = said(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(talk.contains("`benchmarks/rewardbench-2.parquet` is there already, with other content"), "{talk}");
    assert_eq!(fs::read(dir.path().join("benchmarks/rewardbench-2.parquet")).unwrap(), b"mine");
}

#[test]
fn languages_are_files_of_their_own() {
    let hub = FakeHub::start();
    let [arb, tur] =
        ["arb_Arab", "tur_Latn"].map(|code| items("m-rewardbench", Lang::from_code(code).unwrap(), "source", 1));
    let few = items("m-rewardbench-translation", Lang::from_code("deu_Latn").unwrap(), "source", 1);
    let files: [(&str, &[u8]); 3] = [
        ("*arb_Arab/test-00000-of-00001.parquet", &arb),
        ("*tur_Latn/test-00000-of-00001.parquet", &tur),
        ("*translation/test-00000-of-00001.parquet", &few),
    ];
    hub.put("datasets/CohereLabsCommunity/multilingual-reward-bench", Repo::of(&files));
    hub.change("datasets/CohereLabsCommunity/multilingual-reward-bench", |repo| repo.licence = None);
    let dir = tempfile::tempdir().unwrap();
    let output = run(&hub, dir.path(), &["data", "fetch", "m-rewardbench", "--langs", "ar"]);
    let (result, talk) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(result.starts_with("m-rewardbench: 2,869 items in 1 language, as its manifest says\n"), "{result}");
    assert!(talk.contains("its card states no licence"), "{talk}");
    assert!(dir.path().join("data/m-rewardbench/arb_Arab.parquet").is_file());
    assert!(!dir.path().join("data/m-rewardbench/tur_Latn.parquet").exists());
    let output = run(&hub, dir.path(), &["data", "fetch", "m-rewardbench", "--langs", "ar,tr"]);
    assert!(said(&output).0.starts_with("m-rewardbench: 5,738 items in 2 languages"), "{output:?}");

    // What differs from the manifest is said, and the exit code shows it.
    let output = run(&hub, dir.path(), &["data", "fetch", "m-rewardbench-translation"]);
    let (result, talk) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(result.contains("400 items in 1 language, not all as its manifest says"), "{result}");
    assert!(talk.contains("zho_Hans maple-easy-zh-en 0 of 100"), "{talk}");

    // A language that the data set lacks.
    let output = run(&hub, dir.path(), &["data", "fetch", "m-rewardbench", "--langs", "vi"]);
    let (_, talk) = said(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(talk.contains("has no file `vie_Latn/test-*.parquet`"), "{talk}");
    assert!(talk.contains("--pairs hf-data:CohereLabsCommunity/multilingual-reward-bench/arb_Arab/test-"), "{talk}");
    let output = run(&hub, dir.path(), &["data", "fetch", "m-rewardbench", "--langs", "en"]);
    assert!(said(&output).1.contains("has no language `eng_Latn`"));
}

#[test]
fn json_arrives_as_json() {
    let hub = FakeHub::start();
    let item = |i: usize, domain: &str| {
        let three = |word: &str| (0..3).map(|k| format!("{word} {i} {k}")).collect::<Vec<_>>();
        json!({"id": i, "prompt": "Why?", "chosen": three("since"), "rejected": three("no"), "domain": domain})
    };
    let manifest = catalog::find("rm-bench").unwrap();
    let rows: Vec<_> = manifest
        .subsets()
        .flat_map(|(_, subset)| (0..subset.n.unwrap()).map(|i| item(i as usize, &subset.name)).collect::<Vec<_>>())
        .collect();
    let text = serde_json::to_vec(&rows).unwrap();
    hub.put("datasets/THU-KEG/RM-Bench", Repo::of(&[("*total_dataset.json", &text)]));
    let dir = tempfile::tempdir().unwrap();
    let output = run(&hub, dir.path(), &["data", "fetch", "rm-bench"]);
    let (result, talk) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(result.starts_with("rm-bench: 1,327 items in 1 language, as its manifest says\n"), "{result}");
    assert!(dir.path().join("data/rm-bench/total_dataset.json").is_file());
}

#[test]
fn the_list_names_every_benchmark_that_can_be_fetched() {
    let hub = FakeHub::start();
    let dir = tempfile::tempdir().unwrap();
    let (text, _) = said(&run(&hub, dir.path(), &["data", "fetch", "--list"]));
    insta::assert_snapshot!(text);
    assert!(hub.requests().is_empty());
    // How large they are is the hub's to say; what one data set does not tell leaves the others.
    let bytes = vec![7u8; 12_345];
    let files: [(&str, &[u8]); 2] = [("*data/test-00000-of-00001.parquet", &bytes), ("*data/train-0.parquet", &bytes)];
    hub.put("datasets/allenai/reward-bench-2", Repo::of(&files));
    let (text, talk) = said(&run(&hub, dir.path(), &["data", "fetch", "--list", "--sizes"]));
    let row = |name: &str| text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap().to_owned();
    assert!(row("rewardbench-2").contains("12.35 kB  odc-by"), "{text}");
    assert!(row("crbench").split_whitespace().nth(3) == Some("-"), "{text}");
    assert!(talk.contains("rm-bench: the hub has no repository `hf-data:THU-KEG/RM-Bench`"), "{talk}");
    assert!(hub.gets_of(&bytes).is_empty());
    let output = run(&hub, dir.path(), &["data", "fetch", "--sizes"]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&hub, dir.path(), &["data", "fetch", "rewardbnech"]);
    assert!(said(&output).1.contains("did you mean `rewardbench`"), "{output:?}");
    let output = run(&hub, dir.path(), &["data", "fetch", "pairs"]);
    assert!(said(&output).1.contains("does not say where its data are"), "{output:?}");
}

#[test]
fn pairs_come_from_data_sets() {
    let hub = FakeHub::start();
    let row = |i: usize| {
        format!("{{\"id\": \"{i}\", \"prompt\": \"Why {i}?\", \"chosen\": \"since\", \"rejected\": \"no no\"}}\n")
    };
    let [a, b] = [(0..3).map(row).collect::<String>(), (3..5).map(row).collect::<String>()];
    let files: [(&str, &[u8]); 4] = [
        ("data/test-00000-of-00002.jsonl", a.as_bytes()),
        ("data/test-00001-of-00002.jsonl", b.as_bytes()),
        ("data/train-00000-of-00001.jsonl", b"never read"),
        ("dataset_infos.json", b"{}"),
    ];
    hub.put("datasets/org/judged", Repo::of(&files));
    let dir = tempfile::tempdir().unwrap();
    let score = |pairs: &str, more: &[&str]| {
        let args = ["score", "--model", "mock:length", "--set", "lang=eng_Latn", "--out", "run", "--pairs", pairs];
        rmbench(&hub, dir.path(), &[&args, more].concat()).output().unwrap()
    };
    let (_, talk) = said(&score("hf-data:org/judged", &[]));
    assert!(talk.contains("has several data files") && talk.contains("`data/train-00000-of-00001.jsonl`"), "{talk}");
    assert!(!talk.contains("dataset_infos"), "{talk}");
    let output = score("hf-data:org/judged/data/test-*.jsonl", &["--dry-run"]);
    let (result, talk) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(result.contains("judged-test") && result.contains("5 items to score"), "{result}");
    assert_eq!(score("hf-data:org/judged/data/test-*.jsonl", &[]).status.code(), Some(0));
    let info = fs::read_to_string(dir.path().join("run/run.json")).unwrap();
    assert!(info.contains("data/judged-test/1/test-00001-of-00002.jsonl"), "{info}");
    assert!(info.contains("hf-data:org/judged/data/test-*.jsonl"), "the settings keep the name: {info}");

    let offline = rmbench(&hub, dir.path(), &["data", "stats", "hf-data:org/judged/data/test-*.jsonl", "--lang", "en"])
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert_eq!(offline.status.code(), Some(0), "{offline:?}");
    let missing = rmbench(&hub, dir.path(), &["data", "stats", "hf-data:org/judged/data/train-*", "--lang", "en"])
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert!(said(&missing).1.contains("none of its data files is that"), "{missing:?}");
}

/// The whole way: a checkpoint on the hub gives the rewards that the same one in a directory gives.
#[cfg(feature = "torch")]
#[test]
fn a_model_on_the_hub_scores_as_one_in_a_directory() {
    use rmbench::table::read::ScoreFile;
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/qwen3");
    let names = ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors"];
    let files: Vec<(&str, Vec<u8>)> = names.map(|name| (name, fs::read(local.join(name)).unwrap())).to_vec();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let hub = FakeHub::with_model("org/tiny", &files);
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..6)
        .map(|i| {
            format!("{{\"id\": \"{i}\", \"prompt\": \"Why {i}?\", \"chosen\": \"So that\", \"rejected\": \"No\"}}\n")
        })
        .collect();
    fs::write(dir.path().join("pairs.jsonl"), rows).unwrap();
    let rewards = |model: &str, out: &str| {
        let args = ["score", "--model", model, "--pairs", "pairs.jsonl", "--set", "lang=eng_Latn", "--out", out];
        let output = rmbench(&hub, dir.path(), &args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = ScoreFile::open(&dir.path().join(out).join("scores.parquet")).unwrap();
        let info = file.info().clone();
        (file.rows().unwrap().iter().map(|row| row.reward.unwrap()).collect::<Vec<f32>>(), info)
    };
    let (expected, _) = rewards(&local.display().to_string(), "run-local");
    let (found, info) = rewards("hf:org/tiny", "run-hub");
    assert_eq!(found, expected);
    assert_eq!((info.name.as_str(), info.model.as_str()), ("org/tiny", "hf:org/tiny"));
    assert_eq!(info.digests["model/commit"], "0123456789abcdef0123456789abcdef01234567");
}
