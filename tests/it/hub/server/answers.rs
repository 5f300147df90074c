//! What the hub and its host of large files answer, before anything goes wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::wire::unquoted;
use super::{Access, File, Host, Repo, Request, State, TOKEN, git_id, sha256};

/// An answer before faults.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, Vec::new()).with("X-Error-Code", code).with("X-Error-Message", message)
    }

    fn json(value: &Value) -> Self {
        Self::new(200, value.to_string().into_bytes()).with("Content-Type", "application/json")
    }

    /// Bytes of a file, or those from a place on.
    fn file(bytes: &[u8], request: &Request, ignore_range: bool) -> Self {
        let from = if ignore_range { 0 } else { request.from() };
        let total = bytes.len();
        if from > 0 && from >= total {
            return Self::new(416, Vec::new()).with("Content-Range", format!("bytes */{total}"));
        }
        match from {
            0 => Self::new(200, bytes.to_vec()),
            _ => Self::new(206, bytes[from..].to_vec())
                .with("Content-Range", format!("bytes {from}-{}/{total}", total - 1)),
        }
    }
}

impl State {
    pub fn answer(&self, request: &Request, ignore_range: bool) -> Answer {
        let path = request.target.split('?').next().unwrap();
        let repos = self.repos.lock().unwrap();
        if request.host == Host::Cdn {
            let mut files = repos.values().flat_map(|repo| repo.files.values());
            let found = files.find(|file| file.large && path == format!("/{}", sha256(&file.bytes)));
            // Its own etag is none of the hub's.
            return found.map_or(Answer::new(403, Vec::new()), |file| {
                Answer::file(&file.bytes, request, ignore_range).with("ETag", "\"0x8DC0FFEE\"")
            });
        }
        let parts: Vec<String> = path.trim_start_matches('/').split('/').map(unquoted).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", "resolve-cache", kind, org, name, commit, rest @ ..] => {
                let repo = &repos[&format!("{kind}/{org}/{name}")];
                let file = &repo.files[&rest.join("/")];
                Answer::file(&file.bytes, request, ignore_range)
                    .with("ETag", format!("\"{}\"", file.etag()))
                    .with("X-Repo-Commit", *commit)
            }
            ["api", kind, org, name, rest @ ..] => {
                let key = format!("{kind}/{org}/{name}");
                match visible(&repos, &key, request) {
                    Ok(repo) => listing(&key, repo, rest),
                    Err(answer) => answer,
                }
            }
            ["datasets", org, name, "resolve", revision, rest @ ..] => {
                self.resolve(&repos, &format!("datasets/{org}/{name}"), revision, &rest.join("/"), request)
            }
            [org, name, "resolve", revision, rest @ ..] => {
                self.resolve(&repos, &format!("models/{org}/{name}"), revision, &rest.join("/"), request)
            }
            _ => Answer::new(404, Vec::new()),
        }
    }

    /// Large files lead to the other host, others to another address on this one.
    fn resolve(&self, repos: &Repos, key: &str, revision: &str, path: &str, request: &Request) -> Answer {
        let repo = match visible(repos, key, request) {
            Ok(repo) => repo,
            Err(answer) => return answer,
        };
        match (repo.access, has_token(request)) {
            (Access::Gated, false) => return Answer::error(401, "GatedRepo", "Access is restricted. You must log in."),
            (Access::Refused, _) => return Answer::error(403, "GatedRepo", "You are not in the authorized list."),
            _ => {}
        }
        if !knows(repo, revision) {
            return Answer::error(404, "RevisionNotFound", "Invalid rev id");
        }
        let Some(file) = repo.files.get(path) else {
            return Answer::error(404, "EntryNotFound", "Entry not found").with("X-Repo-Commit", &*repo.commit);
        };
        let answer = Answer::new(if file.large { 302 } else { 307 }, b"Redirecting".to_vec());
        let location = match file.large {
            true => format!("http://{}/{}?Signature=secret-signature", self.cdn, file.etag()),
            false => format!("/api/resolve-cache/{key}/{}/{path}", repo.commit),
        };
        let answer = answer.with("Location", location).with("X-Repo-Commit", &*repo.commit);
        match file.large {
            true => answer
                .with("X-Linked-Etag", format!("\"{}\"", file.etag()))
                .with("X-Linked-Size", file.bytes.len().to_string()),
            false => answer,
        }
    }
}

type Repos = BTreeMap<String, Repo>;

fn has_token(request: &Request) -> bool {
    request.header("authorization") == Some(&format!("Bearer {TOKEN}"))
}

/// The hub tells those without a token that a private repository is not there.
fn visible<'a>(repos: &'a Repos, key: &str, request: &Request) -> Result<&'a Repo, Answer> {
    let token = request.header("authorization");
    if let Some(wrong) = token.filter(|_| !has_token(request)) {
        return Err(Answer::new(401, Vec::new())
            .with("X-Error-Message", format!("Invalid credentials in Authorization header: {wrong}")));
    }
    match repos.get(key) {
        Some(repo) if repo.access != Access::Private || token.is_some() => Ok(repo),
        _ if token.is_some() => Err(Answer::error(404, "RepoNotFound", "Repository not found")),
        _ => Err(Answer::error(401, "RepoNotFound", "Invalid username or password.")),
    }
}

fn knows(repo: &Repo, revision: &str) -> bool {
    repo.commit == revision || repo.revisions.iter().any(|known| known == revision)
}

/// `/api/KIND/ORG/NAME[/revision/REVISION]` and `/api/KIND/ORG/NAME/tree/REVISION`.
fn listing(key: &str, repo: &Repo, rest: &[&str]) -> Answer {
    let revision = rest.get(1).copied().unwrap_or("main");
    if !knows(repo, revision) {
        return Answer::error(404, "RevisionNotFound", "Invalid rev id");
    }
    let large = |file: &File| json!({"sha256": file.etag(), "size": file.bytes.len(), "pointerSize": 134});
    if rest.first() == Some(&"tree") {
        let entry = |(path, file): (&String, &File)| {
            let mut entry = json!({"type": "file", "oid": git_id(&file.bytes), "size": file.bytes.len(), "path": path});
            if file.large {
                entry["lfs"] = json!({"oid": file.etag(), "size": file.bytes.len(), "pointerSize": 134});
            }
            entry
        };
        return Answer::json(&Value::Array(repo.files.iter().map(entry).collect()));
    }
    let sibling = |(path, file): (&String, &File)| match (repo.detailed, file.large) {
        (false, _) => json!({"rfilename": path}),
        (true, false) => json!({"rfilename": path, "size": file.bytes.len(), "blobId": file.etag()}),
        // The blob id of a large file is that of its pointer.
        (true, true) => json!({"rfilename": path, "size": file.bytes.len(), "blobId": "00", "lfs": large(file)}),
    };
    let gated = if repo.access == Access::Public { json!(false) } else { json!("auto") };
    let name = key.split_once('/').unwrap().1;
    Answer::json(&json!({
        "_id": "0", "id": name, "modelId": name, "sha": repo.commit, "private": false, "gated": gated, "disabled": false,
        "downloads": 0, "likes": 0, "tags": [], "cardData": {"license": repo.licence},
        "siblings": repo.files.iter().map(sibling).collect::<Vec<_>>(),
    }))
}
