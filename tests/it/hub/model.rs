//! Which files of a model arrive, and how they lie in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use super::server::{FakeHub, Host, Repo, TOKEN, git_id, sha256};
use super::{model, settings, weights, with_token};

/// Paths below a directory; links with their targets.
pub fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            match fs::read_link(&path) {
                Ok(target) => found.push(format!("{name} -> {}", target.display())),
                Err(_) if path.is_dir() => open.push(path),
                Err(_) => found.push(name),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_model_arrives_in_the_layout_of_the_cache() {
    let bytes = weights(300_000);
    let files: [(&str, &[u8]); 7] = [
        ("README.md", b"# A model\n"),
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"a\": 1}"),
        ("additional_chat_templates/rag.jinja", b"{{ x }}"),
        ("modeling_rm.py", b"import os\n"),
        ("*pytorch_model.bin", b"pickle"),
        ("*model.safetensors", &bytes),
    ];
    let hub = FakeHub::with_model("org/rm", &files);
    let cache = tempfile::tempdir().unwrap();
    let with = || with_token(settings(&hub.endpoint(), cache.path()), TOKEN);
    let (dir, said) = model(with(), "org/rm");
    let dir = dir.unwrap();
    assert_eq!(said.lines, [""; 0]);
    let total = bytes.len() as u64;
    assert_eq!(said.step, (total, total), "the last step is the weights");

    let commit = hub.change("models/org/rm", |repo| repo.commit.clone());
    assert_eq!(dir, cache.path().join("models--org--rm/snapshots").join(&commit));
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), bytes);
    assert_eq!(fs::read(cache.path().join("models--org--rm/refs/main")).unwrap(), commit.as_bytes(), "no line end");
    let (config, tokenizer) = (git_id(b"{}"), git_id(b"{\"a\": 1}"));
    let (template, large) = (git_id(b"{{ x }}"), sha256(&bytes));
    let mut expected = vec!["CACHEDIR.TAG".to_owned(), "models--org--rm/refs/main".to_owned()];
    for etag in [&config, &tokenizer, &template, &large] {
        expected.push(format!(".locks/models--org--rm/{etag}.lock"));
        expected.push(format!("models--org--rm/blobs/{etag}"));
    }
    let link =
        |path: &str, up: &str, etag: &str| format!("models--org--rm/snapshots/{commit}/{path} -> {up}blobs/{etag}");
    expected.push(link("config.json", "../../", &config));
    expected.push(link("tokenizer.json", "../../", &tokenizer));
    expected.push(link("model.safetensors", "../../", &large));
    expected.push(link("additional_chat_templates/rag.jinja", "../../../", &template));
    expected.sort();
    assert_eq!(tree(cache.path()), expected);

    let requests = hub.requests();
    let (at_hub, at_cdn): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.host == Host::Hub);
    let bearer = format!("Bearer {TOKEN}");
    assert!(at_hub.iter().all(|request| request.header("authorization") == Some(&*bearer)), "{at_hub:?}");
    assert_eq!(at_cdn.len(), 1);
    assert_eq!(at_cdn[0].header("authorization"), None, "the token stays on the hub's own host");
    for request in &requests {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert!(request.header("user-agent").unwrap().starts_with("rmbench/"));
        assert_eq!(request.method, "GET", "the listing says what HEAD would");
    }

    hub.forget_requests();
    assert_eq!(model(with(), "org/rm").0.unwrap(), dir);
    let asked: Vec<String> = hub.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(asked, ["/api/models/org/rm/revision/main?blobs=true"], "nothing is fetched twice");
    hub.forget_requests();
    assert_eq!(model(with(), &format!("org/rm@{commit}")).0.unwrap(), dir);
    assert!(hub.requests().is_empty(), "a commit does not change");
}

#[test]
fn shards_come_by_their_index() {
    let (a, b) = (weights(5000), weights(7000));
    let index = br#"{"metadata": {}, "weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}"#;
    let files: [(&str, &[u8]); 6] = [
        ("config.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("*model-00001-of-00002.safetensors", &a),
        ("*model-00002-of-00002.safetensors", &b),
        ("*consolidated.safetensors", b"the same once more"),
        ("*original/consolidated.00.pth", b"and again"),
    ];
    let hub = FakeHub::with_model("org/rm", &files);
    let cache = tempfile::tempdir().unwrap();
    let (dir, _) = model(settings(&hub.endpoint(), cache.path()), "org/rm@refs/pr/1");
    let dir = dir.unwrap();
    let names = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let names: Vec<_> = names.into_iter().chain(["model.safetensors.index.json"]).collect();
    let mut found: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names);
    assert!(cache.path().join("models--org--rm/refs/refs/pr/1").is_file());

    // A shard that the repository lacks is named.
    hub.change("models/org/rm", |repo| {
        repo.files.remove("model-00002-of-00002.safetensors");
        repo.commit = "f".repeat(40);
    });
    let error = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap_err();
    assert_eq!(error.to_string(), "`hf:org/rm` has no file `model-00002-of-00002.safetensors`");
}

#[test]
fn mirrors_whose_listings_say_less_are_asked_file_by_file() {
    let bytes = weights(5000);
    let files: [(&str, &[u8]); 3] = [("config.json", b"{}"), ("tokenizer.json", b""), ("*model.safetensors", &bytes)];
    let hub = FakeHub::with_model("org/rm", &files);
    hub.change("models/org/rm", |repo| repo.detailed = false);
    let cache = tempfile::tempdir().unwrap();
    let (dir, _) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
    assert_eq!(fs::read(dir.unwrap().join("model.safetensors")).unwrap(), bytes);
    let heads = hub.requests().iter().filter(|request| request.method == "HEAD" && request.host == Host::Hub).count();
    assert_eq!(heads, 5, "one for the weights, two for each small file and where it is redirected to");
    assert!(hub.requests().iter().all(|request| request.method == "GET" || request.host == Host::Hub));
    let blob = cache.path().join("models--org--rm/blobs").join(git_id(b""));
    assert_eq!(fs::read(blob).unwrap(), b"", "an empty file is a file");
}

#[test]
fn two_paths_of_one_content_are_one_blob() {
    let bytes = weights(800_000);
    let files: [(&str, &[u8]); 5] = [
        ("config.json", b"{}"),
        ("tokenizer_config.json", b"{}"),
        ("special_tokens_map.json", b"{}"),
        ("*model.safetensors", &bytes),
        ("*value_head.safetensors", &bytes),
    ];
    let hub = FakeHub::with_model("org/rm", &files);
    let cache = tempfile::tempdir().unwrap();
    let dir = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap();
    assert_eq!(tree(&dir).len(), 5);
    assert_eq!(hub.gets_of(&bytes).len(), 1);
    assert_eq!(fs::read_dir(cache.path().join("models--org--rm/blobs")).unwrap().count(), 2);
}

#[test]
fn adapters_need_no_configuration_of_a_model() {
    let files: [(&str, &[u8]); 3] =
        [("adapter_config.json", b"{}"), ("*adapter_model.safetensors", b"lora"), ("*optimizer.pt", b"no")];
    let hub = FakeHub::with_model("org/lora", &files);
    let cache = tempfile::tempdir().unwrap();
    let dir = model(settings(&hub.endpoint(), cache.path()), "org/lora").0.unwrap();
    assert_eq!(tree(&dir).len(), 2);
}

#[test]
fn pickled_weights_come_only_where_there_are_no_others() {
    let files: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("*pytorch_model.bin", b"pickle")];
    let hub = FakeHub::with_model("org/old", &files);
    let cache = tempfile::tempdir().unwrap();
    let (dir, said) = model(settings(&hub.endpoint(), cache.path()), "org/old");
    assert!(dir.unwrap().join("pytorch_model.bin").is_file());
    assert_eq!(said.lines, ["`hf:org/old` has no safetensors, only pickled weights"]);

    hub.put("models/org/none", Repo::of(&[("config.json", b"{}"), ("model.gguf", b"")]));
    let error = model(settings(&hub.endpoint(), cache.path()), "org/none").0.unwrap_err();
    assert_eq!(error.to_string(), "`hf:org/none` has no weights that rmbench reads: `config.json`, `model.gguf`");
}
