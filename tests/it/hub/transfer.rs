//! Transfers that break, servers that lie, processes that are killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rmbench::benchmark::dataset;
use rmbench::hub::{DataName, Hub, HubError, HubSettings};
use rmbench::progress::Silent;

#[cfg(feature = "torch")]
use super::rmbench;
use super::server::{FakeHub, Fault, Host, Repo, git_id, sha256};
use super::{model, settings, weights};

const CONFIG: &[u8] = b"{\"model_type\": \"x\"}";

/// A hub with one model whose weights are `bytes`.
fn hub_with(bytes: &[u8]) -> FakeHub {
    FakeHub::with_model("org/rm", &[("config.json", CONFIG), ("*model.safetensors", bytes)])
}

fn blob(cache: &Path, etag: &str) -> std::path::PathBuf {
    cache.join("models--org--rm/blobs").join(etag)
}

/// Names in the blobs folder.
fn blobs(cache: &Path) -> Vec<String> {
    let dir = fs::read_dir(cache.join("models--org--rm/blobs")).unwrap();
    let mut names: Vec<String> = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn starts(hub: &FakeHub, bytes: &[u8]) -> Vec<usize> {
    hub.gets_of(bytes).iter().map(|request| request.from()).collect()
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let bytes = weights(2_000_000);
    let hub = hub_with(&bytes);
    hub.fail(Host::Cdn, "", 1, Fault::BreakAfter(700_000));
    hub.fail(Host::Cdn, "", 1, Fault::BreakAfter(500_000));
    let cache = tempfile::tempdir().unwrap();
    let (dir, said) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
    assert_eq!(fs::read(dir.unwrap().join("model.safetensors")).unwrap(), bytes);
    assert_eq!(starts(&hub, &bytes), [0, 700_000, 1_200_000]);
    assert_eq!(said.step, (2_000_000, 2_000_000));
    let line = "`model.safetensors` of `hf:org/rm` breaks off after 700000 of 2000000 bytes";
    assert!(said.lines[0].starts_with(line) && said.lines.len() == 2, "{:?}", said.lines);
    assert_eq!(blobs(cache.path()), {
        let mut e = [git_id(CONFIG), sha256(&bytes)];
        e.sort();
        e
    });
}

#[test]
fn what_an_earlier_process_left_is_continued_if_it_is_the_beginning() {
    let bytes = weights(400_000);
    let etag = sha256(&bytes);
    let longer = [bytes.as_slice(), b"more"].concat();
    let garbage = vec![9; 300_000];
    // What lies there, and from which bytes on is asked.
    let cases: [(&[u8], &[usize]); 5] =
        [(&bytes[..123_456], &[123_456]), (&bytes, &[]), (&longer, &[0]), (&garbage, &[300_000, 0]), (b"", &[0])];
    for (left, asked) in cases {
        let hub = hub_with(&bytes);
        let cache = tempfile::tempdir().unwrap();
        let partial = blob(cache.path(), &format!("{etag}.incomplete"));
        fs::create_dir_all(partial.parent().unwrap()).unwrap();
        fs::write(&partial, left).unwrap();
        let (dir, said) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
        assert_eq!(fs::read(dir.unwrap().join("model.safetensors")).unwrap(), bytes);
        assert_eq!(starts(&hub, &bytes), asked, "{} bytes were there", left.len());
        assert!(!partial.exists());
        let warned = said.lines.iter().any(|line| line.contains("what was on disk is not its beginning"));
        assert_eq!(warned, left == garbage, "{:?}", said.lines);
    }
}

#[test]
fn a_server_without_ranges_begins_again() {
    let bytes = weights(900_000);
    let hub = hub_with(&bytes);
    hub.fail(Host::Cdn, "", 1, Fault::BreakAfter(400_000));
    hub.fail(Host::Cdn, "", 1, Fault::IgnoreRange);
    let cache = tempfile::tempdir().unwrap();
    let (dir, said) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
    assert_eq!(fs::read(dir.unwrap().join("model.safetensors")).unwrap(), bytes);
    assert_eq!(starts(&hub, &bytes), [0, 400_000]);
    assert_eq!(said.step, (900_000, 900_000), "no byte counts twice");
}

#[test]
fn wrong_content_gets_no_name() {
    let bytes = weights(50_000);
    let cases: [(Host, &str, Fault, &str); 5] = [
        (Host::Cdn, "", Fault::Corrupt, "`model.safetensors` of"),
        (Host::Cdn, "", Fault::Length(-1), "should have 50000 bytes, the server sends 49999"),
        (Host::Cdn, "", Fault::Length(7), "should have 50000 bytes, the server sends 50007"),
        (Host::Hub, "resolve-cache", Fault::Corrupt, "`config.json` of"),
        (Host::Hub, "resolve-cache", Fault::Length(2), "should have 19 bytes, the server sends 21"),
    ];
    for (host, target, fault, text) in cases {
        let hub = hub_with(&bytes);
        hub.fail(host, target, usize::MAX, fault.clone());
        let cache = tempfile::tempdir().unwrap();
        let (found, _) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
        let error = found.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let expected = matches!(fault, Fault::Corrupt);
        assert_eq!(matches!(error, HubError::Checksum { .. }), expected, "{error}");
        let wrong = if host == Host::Cdn { sha256(&bytes) } else { git_id(CONFIG) };
        assert!(!blob(cache.path(), &wrong).exists());
        assert!(!cache.path().join("models--org--rm/refs/main").exists());
        // The next attempt, with an honest server, begins afresh.
        hub.fail(host, target, 0, fault);
        let honest = hub_with(&bytes);
        model(settings(&honest.endpoint(), cache.path()), "org/rm").0.unwrap();
        assert!(blob(cache.path(), &wrong).exists());
    }
}

#[test]
fn busy_and_broken_servers_are_asked_again() {
    let bytes = weights(1000);
    let hub = hub_with(&bytes);
    hub.fail(Host::Hub, "/api/models", 1, Fault::Status(429, vec![("Retry-After", "1".into())]));
    hub.fail(Host::Hub, "/resolve/", 1, Fault::Status(500, vec![]));
    hub.fail(Host::Cdn, "", 1, Fault::Status(503, vec![]));
    // A signed address that has run out: the hub is asked for a new one.
    hub.fail(Host::Cdn, "", 1, Fault::Status(403, vec![]));
    let cache = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let (dir, said) = model(settings(&hub.endpoint(), cache.path()), "org/rm");
    assert!(dir.unwrap().join("model.safetensors").is_file());
    assert!(begun.elapsed() >= Duration::from_secs(1), "it waits as long as it was asked to");
    assert_eq!(said.lines.len(), 4, "{:?}", said.lines);
    assert!(said.lines[0].contains("asks to wait 1 s before the next request; next attempt in 1 s"));
    assert!(said.lines.iter().any(|line| line.contains("answers 403")) && !said.lines.concat().contains("Signature"));
    assert_eq!(hub.gets_of(&bytes).len(), 3);

    // Too long a wait, and too many failures.
    for (fault, text, n) in [
        (Fault::Status(429, vec![("Retry-After", "3600".into())]), "asks to wait 3600 s", 1),
        (Fault::Status(502, vec![]), "answers 502", 4),
    ] {
        let hub = hub_with(&bytes);
        hub.fail(Host::Hub, "/api/models", usize::MAX, fault);
        let other = tempfile::tempdir().unwrap();
        let error = model(settings(&hub.endpoint(), other.path()), "org/rm").0.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(hub.requests().len(), n);
    }
}

#[test]
fn a_transfer_that_stands_still_is_begun_again() {
    let bytes = weights(600_000);
    let hub = hub_with(&bytes);
    hub.fail(Host::Cdn, "", 1, Fault::StallAfter(200_000, Duration::from_secs(20)));
    let cache = tempfile::tempdir().unwrap();
    let with = HubSettings { idle_timeout: Duration::from_millis(300), ..settings(&hub.endpoint(), cache.path()) };
    let begun = Instant::now();
    assert!(model(with, "org/rm").0.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(starts(&hub, &bytes), [0, 200_000]);
}

#[test]
fn so_many_files_at_a_time_and_no_more() {
    let shards: Vec<(String, Vec<u8>)> =
        (0..9).map(|i| (format!("*data/test-{i:05}-of-00009.parquet"), weights(1000 + i))).collect();
    let files: Vec<(&str, &[u8])> = shards.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let hub = FakeHub::start();
    hub.put("datasets/org/set", Repo::of(&files));
    hub.fail(Host::Cdn, "", usize::MAX, Fault::Slow(Duration::from_millis(150)));
    let cache = tempfile::tempdir().unwrap();
    let client = Hub::new(HubSettings { parallel: 3, ..settings(&hub.endpoint(), cache.path()) }).unwrap();
    let found = dataset::bring(&client, &DataName::parse("org/set").unwrap(), &mut Silent).unwrap();
    assert_eq!(found.paths.len(), 9);
    assert_eq!(hub.busiest(), 3);
}

#[test]
fn a_link_that_a_kill_prevented_is_made_without_a_download() {
    let bytes = weights(5000);
    let hub = hub_with(&bytes);
    let cache = tempfile::tempdir().unwrap();
    let dir = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap();
    fs::remove_file(dir.join("model.safetensors")).unwrap();
    fs::remove_file(cache.path().join("models--org--rm/refs/main")).unwrap();
    hub.forget_requests();
    assert!(model(settings(&hub.endpoint(), cache.path()), "org/rm").0.is_ok());
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), bytes);
    assert_eq!(hub.requests().len(), 1, "the listing");
    // A blob that lost its end, as after a power cut, is downloaded again.
    fs::write(blob(cache.path(), &sha256(&bytes)), &bytes[..10]).unwrap();
    fs::remove_file(dir.join("model.safetensors")).unwrap();
    assert!(model(settings(&hub.endpoint(), cache.path()), "org/rm").0.is_ok());
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), bytes);
}

/// `rmbench score` far enough to bring a model; that the file is no model then ends it.
#[cfg(feature = "torch")]
fn bring(hub: &FakeHub, dir: &Path) -> std::process::Command {
    fs::write(dir.join("pairs.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n").unwrap();
    let mut command = rmbench(hub, dir, &["score", "--model", "hf:org/rm", "--pairs", "pairs.jsonl", "--out", "run"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

#[cfg(feature = "torch")]
fn is_there(path: &Path, len: u64) -> bool {
    path.metadata().is_ok_and(|found| found.len() >= len)
}

#[cfg(feature = "torch")]
#[test]
fn a_killed_process_leaves_a_beginning_for_the_next() {
    let bytes = weights(3_000_000);
    let hub = hub_with(&bytes);
    hub.fail(Host::Cdn, "", 1, Fault::StallAfter(1_000_000, Duration::from_secs(60)));
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("hf/hub");
    let partial = blob(&cache, &format!("{}.incomplete", sha256(&bytes)));
    let mut child = bring(&hub, dir.path()).spawn().unwrap();
    let begun = Instant::now();
    while !is_there(&partial, 1_000_000) && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read(&partial).unwrap(), bytes[..1_000_000]);
    let output = bring(&hub, dir.path()).output().unwrap();
    assert_eq!(fs::read(blob(&cache, &sha256(&bytes))).unwrap(), bytes, "{output:?}");
    assert_eq!(starts(&hub, &bytes), [0, 1_000_000]);
}

#[cfg(feature = "torch")]
#[test]
fn two_processes_download_once() {
    let bytes = weights(2_000_000);
    let hub = hub_with(&bytes);
    // Long enough for the other to come and wait.
    hub.fail(Host::Cdn, "", 1, Fault::StallAfter(1_000_000, Duration::from_secs(4)));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let cache = dirs[0].path().join("hf/hub");
    let children: Vec<_> =
        dirs.iter().map(|dir| bring(&hub, dir.path()).env("HF_HUB_CACHE", &cache).spawn().unwrap()).collect();
    let told = children.into_iter().map(|child| child.wait_with_output().unwrap().stderr).collect::<Vec<_>>().concat();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("`model.safetensors`: waiting for another process that downloads it"), "{told}");
    assert_eq!(fs::read(blob(&cache, &sha256(&bytes))).unwrap(), bytes);
    assert_eq!(starts(&hub, &bytes), [0, 1_000_000], "the one that waited asked for nothing");
}
