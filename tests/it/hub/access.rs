//! Tokens, terms, things that are not there, and work without a network.

use std::error::Error;
use std::fs;

use rmbench::hub::{HubError, HubSettings};

use super::server::{Access, FakeHub, Fault, Host, TOKEN};
use super::{model, rmbench, settings, weights, with_token};

fn hub() -> FakeHub {
    FakeHub::with_model(
        "org/rm",
        &[("config.json", b"{}"), ("tokenizer.json", b"{}"), ("*model.safetensors", &weights(1000))],
    )
}

#[test]
fn refusals_say_what_to_do() {
    let cases = [
        (Access::Private, None, "org/rm", "no repository `hf:org/rm`", "set HF_TOKEN to a token that may read it"),
        (Access::Public, None, "org/other", "no repository `hf:org/other`", "check the name"),
        (Access::Public, Some(TOKEN), "org/other", "no repository `hf:org/other`", "the account of the token"),
        (Access::Public, Some("hf_wrong"), "org/rm", "the hub refuses the token", "make a new one"),
        (
            Access::Gated,
            None,
            "org/rm",
            "does not give out `hf:org/rm`",
            "https://huggingface.co/org/rm, then set HF_TOKEN",
        ),
        (Access::Refused, Some(TOKEN), "org/rm", "not in the authorized list", "with the account of the token"),
        (Access::Public, None, "org/rm@v9", "`hf:org/rm` has no revision `v9`", "branch, tag or commit"),
    ];
    for (access, token, name, text, hint) in cases {
        let hub = hub();
        hub.change("models/org/rm", |repo| repo.access = access);
        let cache = tempfile::tempdir().unwrap();
        let mut with = settings(&hub.endpoint(), cache.path());
        if let Some(token) = token {
            with = with_token(with, token);
        }
        let error = model(with, name).0.unwrap_err();
        assert!(error.to_string().contains(text), "{access:?} {name}: {error}");
        assert!(error.hint().unwrap().contains(hint), "{access:?} {name}: {:?}", error.hint());
        assert!(!error.to_string().contains("hf_wrong"), "the server repeats the token, we do not: {error}");
        let n = hub.requests().len();
        assert!(n <= 1 + 2 * 2, "a refusal is not asked for again: {n}");
    }
    for access in [Access::Private, Access::Gated] {
        let hub = hub();
        hub.change("models/org/rm", |repo| repo.access = access);
        let cache = tempfile::tempdir().unwrap();
        model(with_token(settings(&hub.endpoint(), cache.path()), TOKEN), "org/rm").0.unwrap();
        assert!(hub.gets_of(&weights(1000)).iter().all(|request| request.header("authorization").is_none()));
    }
}

#[test]
fn the_token_follows_no_redirect_to_another_port() {
    let (hub, other) = (hub(), FakeHub::start());
    hub.fail(
        Host::Hub,
        "/api/models",
        usize::MAX,
        Fault::Redirect(format!("{}/api/models/org/rm/revision/main", other.endpoint())),
    );
    let cache = tempfile::tempdir().unwrap();
    model(with_token(settings(&hub.endpoint(), cache.path()), TOKEN), "org/rm").0.unwrap_err();
    assert_eq!(other.requests()[0].header("authorization"), None);
    assert!(hub.requests()[0].header("authorization").is_some());

    let circle = self::hub();
    circle.fail(Host::Hub, "/api/models", usize::MAX, Fault::Redirect("/api/models/org/rm/revision/main".into()));
    let error = model(settings(&circle.endpoint(), cache.path()), "org/rm").0.unwrap_err();
    assert!(error.to_string().contains("more than 8 redirects"), "{error}");
}

#[test]
fn what_is_no_hub_is_recognised() {
    let hub = hub();
    let cache = tempfile::tempdir().unwrap();
    for body in ["<html>login</html>", "{\"sha\": \"main\"}", "{\"sha\": 1}"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _some = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let error = model(settings(&format!("http://{address}"), cache.path()), "org/rm").0.unwrap_err();
        assert!(matches!(error, HubError::Answer { .. }), "{error}");
        assert!(error.hint().unwrap().contains("HF_ENDPOINT"));
    }
    // Names that would leave the snapshot.
    hub.change("models/org/rm", |repo| {
        let file = repo.files.remove("tokenizer.json").unwrap();
        repo.files.insert("../../../x".into(), file)
    });
    let error = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap_err();
    assert!(error.to_string().contains("no path below the repository"), "{error}");
}

/// An address on which nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn without_a_network_the_cache_has_to_do() {
    let hub = hub();
    let cache = tempfile::tempdir().unwrap();
    let offline = || HubSettings { offline: true, ..settings(&hub.endpoint(), cache.path()) };

    let error = model(settings(&nowhere(), cache.path()), "org/rm").0.unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }) && error.hint().unwrap().contains("HTTPS_PROXY"), "{error}");
    let error = model(offline(), "org/rm").0.unwrap_err();
    assert!(error.to_string().starts_with("`hf:org/rm` is not in the cache"), "{error}");
    assert!(error.hint().unwrap().starts_with("HF_HUB_OFFLINE is set"));

    let dir = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap();
    hub.forget_requests();
    assert_eq!(model(offline(), "org/rm").0.unwrap(), dir);
    assert!(hub.requests().is_empty());
    let (found, said) = model(settings(&nowhere(), cache.path()), "org/rm");
    assert_eq!(found.unwrap(), dir);
    let line = "using commit 0123456789abcdef0123456789abcdef01234567 of `hf:org/rm` from the cache";
    assert!(said.lines.len() == 1 && said.lines[0].ends_with(line), "{:?}", said.lines);
    // The hub's troubles are no reason to stop either; a new commit that cannot be had whole is.
    hub.fail(Host::Hub, "/api/models", 1, Fault::Status(500, vec![]));
    assert_eq!(model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap(), dir);

    // What is missing is named, with the reason why it cannot be brought.
    fs::remove_file(dir.join("model.safetensors")).unwrap();
    let error = model(offline(), "org/rm").0.unwrap_err();
    assert!(error.hint().unwrap().ends_with("unset it to download `model.safetensors`"), "{:?}", error.hint());
    let error = model(settings(&nowhere(), cache.path()), "org/rm").0.unwrap_err();
    assert!(error.to_string().starts_with("`hf:org/rm` is not whole in the cache"), "{error}");
    assert!(error.source().unwrap().to_string().contains("is not reached"));
}

#[test]
fn a_read_only_cache_serves() {
    use std::os::unix::fs::PermissionsExt;
    let hub = hub();
    let cache = tempfile::tempdir().unwrap();
    let dir = model(settings(&hub.endpoint(), cache.path()), "org/rm").0.unwrap();
    let folders = ["", "models--org--rm", "models--org--rm/refs", "models--org--rm/blobs", ".locks/models--org--rm"];
    let mode = |mode| {
        for folder in folders {
            fs::set_permissions(cache.path().join(folder), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o555);
    let found = model(settings(&hub.endpoint(), cache.path()), "org/rm").0;
    mode(0o755);
    assert_eq!(found.unwrap(), dir);
}

#[test]
fn no_token_in_anything_that_is_said_or_written() {
    let wrong = "hf_wrongButSecret";
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pairs.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n").unwrap();
    let mut told = String::new();
    for (access, token) in [
        (Access::Private, TOKEN),
        (Access::Gated, TOKEN),
        (Access::Refused, TOKEN),
        (Access::Public, wrong),
        (Access::Public, "hf_with blank"),
    ] {
        let hub = hub();
        hub.change("models/org/rm", |repo| repo.access = access);
        let echo = vec![("X-Error-Message", format!("Bearer {token} is not welcome"))];
        hub.fail(Host::Hub, "org/other", usize::MAX, Fault::Status(403, echo));
        for name in ["hf:org/rm", "hf:org/other"] {
            let out = format!("run-{access:?}-{}", name.len());
            let args = ["score", "--model", name, "--pairs", "pairs.jsonl", "--out", &out];
            for args in [&args[..], &["doctor"]] {
                let output = rmbench(&hub, dir.path(), args).env("HF_TOKEN", token).output().unwrap();
                told.push_str(&String::from_utf8_lossy(&output.stdout));
                told.push_str(&String::from_utf8_lossy(&output.stderr));
            }
        }
    }
    assert!(told.contains("is not welcome") || cfg!(not(feature = "torch")), "{told}");
    for line in super::model::tree(dir.path()) {
        let path = dir.path().join(line.split(" -> ").next().unwrap());
        told.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
    }
    for secret in [TOKEN, wrong, "hf_with blank", "secret-signature"] {
        assert!(!told.contains(secret), "{secret} in\n{told}");
    }
}

#[test]
fn the_usual_variables_lead_to_mirrors_and_proxies() {
    let hub = hub();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pairs.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n").unwrap();
    hub.put(
        "datasets/org/pairs",
        super::server::Repo::of(&[("pairs.jsonl", b"{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n")]),
    );
    let args = ["data", "stats", "hf-data:org/pairs", "--lang", "en"];
    let output = rmbench(&hub, dir.path(), &args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!hub.requests().is_empty());
    assert!(dir.path().join("hf/hub/datasets--org--pairs/refs/main").is_file());

    // A tunnel: CONNECT host:port, then bytes both ways.
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            std::thread::spawn(move || tunnel(stream));
        }
    });
    let other = tempfile::tempdir().unwrap();
    let mut command = rmbench(&hub, other.path(), &args);
    // A name that only the proxy can resolve.
    let port = hub.endpoint().rsplit(':').next().unwrap().to_owned();
    command.env("HF_ENDPOINT", format!("http://hub.invalid:{port}")).env("HTTP_PROXY", format!("http://{address}"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn tunnel(mut client: std::net::TcpStream) {
    use std::io::{Read, Write};
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split_whitespace().next().unwrap();
    let server = std::net::TcpStream::connect(target.replace("hub.invalid", "127.0.0.1")).unwrap();
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let mut from_server = server;
    let _closed = std::io::copy(&mut from_server, &mut client);
}
