//! A hub on this machine: what `rmbench` and Python's huggingface_hub ask of the real one, answered in the
//! same shape, with faults where a test wants them. Two listeners: the hub, and the host its large files
//! are on.

mod answers;
mod wire;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use answers::Answer;
use wire::{read_request, write_answer};

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
    /// Right, but after a while.
    Slow(Duration),
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
    /// Answers under way on the other host: now, and at most.
    busy: Mutex<(usize, usize)>,
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
            busy: Mutex::default(),
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

    /// The most requests that the other host had at a time.
    pub fn busiest(&self) -> usize {
        self.state.busy.lock().unwrap().1
    }

    /// GET requests for a file's bytes on the other host.
    pub fn gets_of(&self, bytes: &[u8]) -> Vec<Request> {
        let target = format!("/{}", sha256(bytes));
        let is_it = |request: &Request| request.host == Host::Cdn && request.target.starts_with(&target);
        self.requests().into_iter().filter(is_it).collect()
    }
}

impl State {
    fn serve(&self, host: Host, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader, host)? {
            self.requests.lock().unwrap().push(request.clone());
            let fault = self.fault(&request);
            if host == Host::Cdn {
                let mut busy = self.busy.lock().unwrap();
                *busy = (busy.0 + 1, busy.1.max(busy.0 + 1));
            }
            if let Some(Fault::Slow(pause)) = &fault {
                std::thread::sleep(*pause);
            }
            if host == Host::Cdn {
                self.busy.lock().unwrap().0 -= 1;
            }
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
}
