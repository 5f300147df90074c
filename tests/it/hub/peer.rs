//! The same server, the same repository: what Python's huggingface_hub writes and what is written here is
//! the same tree, and each reads the other's. `RMBENCH_TEST_HF_PYTHON` is a Python that has the package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rmbench::hub::HubSettings;

use super::model::tree;
use super::server::{FakeHub, Repo};
use super::{model, settings, weights};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/hub_cache.py");

fn python(interpreter: &Path, hub: &FakeHub, cache: &Path, args: &[&str]) -> String {
    let output = Command::new(interpreter)
        .arg(SCRIPT)
        .args(args)
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_HUB_CACHE", cache)
        .env("HF_HOME", cache.join("home"))
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The part of the tree that clients share: each may have files of its own beside it.
fn shared(cache: &Path) -> Vec<String> {
    let own = |line: &&String| ["home/", ".locks/", "models--org--rm/trees/"].iter().any(|own| line.starts_with(own));
    tree(cache).into_iter().filter(|line| !own(&line)).collect()
}

#[test]
fn pythons_client_writes_and_reads_the_same_cache() {
    let Some(interpreter) = std::env::var_os("RMBENCH_TEST_HF_PYTHON").map(PathBuf::from) else {
        return crate::say_skipped("RMBENCH_TEST_HF_PYTHON");
    };
    let bytes = weights(200_000);
    let files: [(&str, &[u8]); 4] = [
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"version\": \"1.0\"}"),
        ("additional_chat_templates/rag.jinja", b"{{ x }}"),
        ("*model.safetensors", &bytes),
    ];
    let hub = FakeHub::start();
    hub.put("models/org/rm", Repo::of(&files));
    let [ours, theirs] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];

    let (dir, _) = model(settings(&hub.endpoint(), ours.path()), "org/rm");
    let dir = dir.unwrap();
    let told = python(&interpreter, &hub, theirs.path(), &["download", "org/rm"]);
    let snapshot = PathBuf::from(told.lines().last().unwrap());
    assert_eq!(shared(ours.path()), shared(theirs.path()));
    for (name, _) in &files {
        let name = name.trim_start_matches('*');
        assert_eq!(fs::read(dir.join(name)).unwrap(), fs::read(snapshot.join(name)).unwrap());
    }
    let reference = |cache: &Path| fs::read(cache.join("models--org--rm/refs/main")).unwrap();
    assert_eq!(reference(ours.path()), reference(theirs.path()));

    // Each without the network, in the other's cache.
    hub.forget_requests();
    let told = python(&interpreter, &hub, ours.path(), &["offline", "org/rm"]);
    assert_eq!(told.lines().last().unwrap(), dir.to_str().unwrap());
    let told = python(&interpreter, &hub, ours.path(), &["scan"]);
    assert_eq!(told.trim(), "org/rm model 4 files, 0 warnings");
    let offline = HubSettings { offline: true, ..settings(&hub.endpoint(), theirs.path()) };
    assert_eq!(model(offline, "org/rm").0.unwrap(), theirs.path().join(snapshot.strip_prefix(theirs.path()).unwrap()));
    assert!(hub.requests().is_empty(), "{:?}", hub.requests());
    // Their cache is whole for us online, too: only the listing is asked for.
    model(settings(&hub.endpoint(), theirs.path()), "org/rm").0.unwrap();
    assert_eq!(hub.requests().len(), 1);
}

#[test]
fn both_clients_wait_for_the_same_lock() {
    let Some(interpreter) = std::env::var_os("RMBENCH_TEST_HF_PYTHON").map(PathBuf::from) else {
        return crate::say_skipped("RMBENCH_TEST_HF_PYTHON");
    };
    let bytes = weights(50_000);
    let hub = FakeHub::with_model("org/rm", &[("config.json", b"{}"), ("*model.safetensors", &bytes)]);
    let cache = tempfile::tempdir().unwrap();
    let lock = cache.path().join(".locks/models--org--rm").join(format!("{}.lock", super::server::sha256(&bytes)));
    let mut holder = Command::new(&interpreter)
        .args([SCRIPT, "hold", lock.to_str().unwrap(), "2"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "held\n");
    let begun = std::time::Instant::now();
    model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap();
    assert!(begun.elapsed().as_secs_f64() > 1.0, "it waits while Python holds the lock");
    assert!(holder.wait().unwrap().success());
}
