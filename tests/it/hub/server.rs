//! A hub on this machine: what `rmbench` and Python's huggingface_hub ask of the real one, answered in the
//! same shape, with faults where a test wants them. Two listeners: the hub, and the host its large files
//! are on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Hub,
    Cdn,
}

/// What a server saw.
#[derive(Debug, Clone)]
pub struct Request {
    pub host: Host,
    pub method: String,
    /// With the query.
    pub target: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte asked for; 0 for a whole file.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        range.map_or(0, |from| from.parse().unwrap())
    }
}

/// What goes wrong with an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An error, with further headers.
    Status(u16, Vec<(&'static str, String)>),
    /// So many bytes of the body, then the connection closes.
    BreakAfter(usize),
    /// So many bytes of the body, then nothing for so long.
    StallAfter(usize, Duration),
    /// The whole file, whatever was asked for.
    IgnoreRange,
    /// The first byte of the body is another.
    Corrupt,
    /// The body, and its `Content-Length`, are longer or shorter.
    Length(isize),
    /// A redirect elsewhere.
    Redirect(String),
}

pub struct File {
    pub bytes: Vec<u8>,
    /// On the other host, named by its SHA-256.
    pub large: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Not shown to those without the token.
    Private,
    /// Shown; the files need the token.
    Gated,
    /// Shown; the files are for nobody.
    Refused,
}

pub struct Repo {
    pub commit: String,
    pub revisions: Vec<String>,
    pub files: BTreeMap<String, File>,
    pub access: Access,
    pub licence: Option<String>,
    /// Listings say what files contain, as with `blobs=true`.
    pub detailed: bool,
}

impl Repo {
    /// Files by path; `*` before a path makes it a large one.
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        let file = |(path, bytes): &(&str, &[u8])| {
            let (path, large) = path.strip_prefix('*').map_or((*path, false), |path| (path, true));
            (path.to_owned(), File { bytes: bytes.to_vec(), large })
        };
        Self {
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            revisions: vec!["main".to_owned(), "refs/pr/1".to_owned()],
            files: files.iter().map(file).collect(),
            access: Access::Public,
            licence: Some("odc-by".to_owned()),
            detailed: true,
        }
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

pub fn git_id(bytes: &[u8]) -> String {
    let mut sum = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    sum.update(bytes);
    sum.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

impl File {
    pub fn etag(&self) -> String {
        if self.large { sha256(&self.bytes) } else { git_id(&self.bytes) }
    }
}

/// The token that opens private and gated repositories.
pub const TOKEN: &str = "hf_onlyForTests0123456789";

struct FaultFor {
    host: Host,
    target: String,
    times: usize,
    fault: Fault,
}

struct State {
    /// By `models/ORG/NAME` or `datasets/ORG/NAME`.
    repos: Mutex<BTreeMap<String, Repo>>,
    requests: Mutex<Vec<Request>>,
    faults: Mutex<Vec<FaultFor>>,
    hub: SocketAddr,
    cdn: SocketAddr,
}

/// Runs until the test's process ends.
pub struct FakeHub {
    state: Arc<State>,
}

impl FakeHub {
    pub fn start() -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, cdn) = (listen(), listen());
        let state = Arc::new(State {
            repos: Mutex::default(),
            requests: Mutex::default(),
            faults: Mutex::default(),
            hub: hub.local_addr().unwrap(),
            cdn: cdn.local_addr().unwrap(),
        });
        for (host, listener) in [(Host::Hub, hub), (Host::Cdn, cdn)] {
            let state = state.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = state.clone();
                    // A client that goes away is no concern of the next one.
                    std::thread::spawn(move || {
                        let _ended = state.serve(host, &stream);
                    });
                }
            });
        }
        Self { state }
    }

    pub fn with_model(name: &str, files: &[(&str, &[u8])]) -> Self {
        let hub = Self::start();
        hub.put(&format!("models/{name}"), Repo::of(files));
        hub
    }

    pub fn put(&self, name: &str, repo: Repo) {
        self.state.repos.lock().unwrap().insert(name.to_owned(), repo);
    }

    pub fn change<T>(&self, name: &str, change: impl FnOnce(&mut Repo) -> T) -> T {
        change(self.state.repos.lock().unwrap().get_mut(name).unwrap())
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.state.hub)
    }

    /// The next `times` answers to targets that contain a text go wrong.
    pub fn fail(&self, host: Host, target: &str, times: usize, fault: Fault) {
        self.state.faults.lock().unwrap().push(FaultFor { host, target: target.to_owned(), times, fault });
    }

    pub fn forget_requests(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// GET requests for a file's bytes on the other host.
    pub fn gets_of(&self, bytes: &[u8]) -> Vec<Request> {
        let target = format!("/{}", sha256(bytes));
        let is_it = |request: &Request| request.host == Host::Cdn && request.target.starts_with(&target);
        self.requests().into_iter().filter(is_it).collect()
    }
}

/// An answer before faults.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
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
    fn serve(&self, host: Host, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader, host)? {
            self.requests.lock().unwrap().push(request.clone());
            let fault = self.fault(&request);
            let answer = match &fault {
                Some(Fault::Status(status, headers)) => headers
                    .iter()
                    .fold(Answer::new(*status, Vec::new()), |answer, (name, value)| answer.with(name, value.clone())),
                Some(Fault::Redirect(target)) => Answer::new(302, Vec::new()).with("Location", target.clone()),
                _ => self.answer(&request, matches!(fault, Some(Fault::IgnoreRange))),
            };
            if !write_answer(stream, &request, answer, fault.as_ref())? {
                return stream.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    fn fault(&self, request: &Request) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let fits = |fault: &FaultFor| fault.host == request.host && request.target.contains(&fault.target);
        let found = faults.iter_mut().find(|fault| fault.times > 0 && fits(fault))?;
        found.times -= 1;
        Some(found.fault.clone())
    }

    fn answer(&self, request: &Request, ignore_range: bool) -> Answer {
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

fn unquoted(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&part[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

fn read_request(reader: &mut BufReader<&TcpStream>, host: Host) -> std::io::Result<Option<Request>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    Ok(Some(Request { host, method, target, headers }))
}

/// Whether the connection may go on.
fn write_answer(
    mut stream: &TcpStream,
    request: &Request,
    answer: Answer,
    fault: Option<&Fault>,
) -> std::io::Result<bool> {
    let Answer { status, headers, mut body } = answer;
    match fault {
        Some(Fault::Corrupt) if !body.is_empty() => body[0] ^= 1,
        Some(Fault::Length(by)) => body.resize(body.len().saturating_add_signed(*by), b'x'),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(true);
    }
    match fault {
        Some(Fault::BreakAfter(n)) if *n < body.len() => {
            stream.write_all(&body[..*n])?;
            Ok(false)
        }
        Some(Fault::StallAfter(n, pause)) if *n < body.len() => {
            stream.write_all(&body[..*n])?;
            std::thread::sleep(*pause);
            Ok(false)
        }
        _ => stream.write_all(&body).map(|()| true),
    }
}
