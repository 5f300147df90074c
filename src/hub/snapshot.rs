//! Snapshots: which files a repository has at a commit, and bringing some of them into the cache.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::cache::RepositoryCache;
use super::client::{About, Client, Method, quoted};
use super::download::{Download, Event, is_whole, left};
use super::error::HubError;
use super::name::{Repository, is_commit};
use super::patience::Patience;
use super::reply::{self, FileFacts, plain_etag};
use super::settings::HubSettings;
use crate::progress::Progress;

/// The hub, or what the cache has of it.
pub struct Hub {
    client: Client,
}

/// A repository at one commit, as the hub lists it.
#[derive(Debug, Clone)]
pub struct Listing {
    pub commit: String,
    files: BTreeMap<String, Option<FileFacts>>,
    /// As its card states it, `odc-by`; `None`: it states none.
    pub licence: Option<String>,
    /// Its terms must be accepted first.
    pub gated: bool,
}

/// What there is to choose from.
#[derive(Debug)]
pub enum View {
    Online(Listing),
    /// The hub was not asked, or did not answer; the files are those in the cache.
    Cached {
        commit: String,
        files: Vec<String>,
        because: Option<Arc<HubError>>,
    },
}

impl View {
    pub fn commit(&self) -> &str {
        match self {
            View::Online(listing) => &listing.commit,
            View::Cached { commit, .. } => commit,
        }
    }

    /// Paths of the files, sorted.
    pub fn files(&self) -> Vec<&str> {
        match self {
            View::Online(listing) => listing.files.keys().map(String::as_str).collect(),
            View::Cached { files, .. } => files.iter().map(String::as_str).collect(),
        }
    }

    /// Bytes of some files together, where the hub says.
    pub fn size(&self, files: &[String]) -> Option<u64> {
        let View::Online(listing) = self else { return None };
        files.iter().map(|file| Some(listing.files.get(file)?.as_ref()?.size)).sum()
    }
}

impl Hub {
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        Ok(Self { client: Client::new(settings)? })
    }

    /// The hub of this process's environment.
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(HubSettings::from_env()?)
    }

    pub fn settings(&self) -> &HubSettings {
        &self.client.settings
    }

    pub fn cache(&self, repository: &Repository) -> RepositoryCache {
        RepositoryCache::new(&self.settings().cache, repository)
    }

    /// What the cache has of a repository; `None`: nothing.
    pub fn cached(&self, repository: &Repository) -> Result<Option<View>, HubError> {
        let cache = self.cache(repository);
        let Some(commit) = cache.commit(&repository.revision)? else { return Ok(None) };
        let files = cache.files(&commit)?;
        Ok(Some(View::Cached { commit, files, because: None }))
    }

    /// Asks the hub; where it cannot be asked, the cache has to do, and a line says so.
    ///
    /// # Errors
    /// Those of the hub where the cache has nothing of the repository.
    pub fn look(&self, repository: &Repository, progress: &mut dyn Progress) -> Result<View, HubError> {
        let cached = self.cached(repository)?;
        if self.settings().offline {
            return cached.ok_or_else(|| self.not_cached(repository, Vec::new(), None));
        }
        match (self.list(repository, cached.is_none(), progress), cached) {
            (Ok(listing), _) => Ok(View::Online(listing)),
            (Err(error), Some(View::Cached { commit, files, .. })) if error.leaves_the_cache() => {
                progress.warn(&format!("{error}; using commit {commit} of `{repository}` from the cache"));
                Ok(View::Cached { commit, files, because: Some(Arc::new(error)) })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// `patiently`: tries again what may go better.
    fn list(&self, repository: &Repository, patiently: bool, progress: &mut dyn Progress) -> Result<Listing, HubError> {
        let revision = quoted(&repository.revision, false);
        let path = format!("/api/{}/{}/revision/{revision}?blobs=true", repository.kind.api(), repository.name);
        let about = About { repository, file: None };
        let request = || {
            let answer = self.client.json(&path, about)?;
            Ok(listing(&answer, &self.client.url(&path))?)
        };
        match patiently {
            true => {
                let patience = Patience::new(self.settings());
                patience.persist(&|| true, &mut |line| progress.warn(&line), request)
            }
            false => request().map_err(|failure: super::patience::Failure| failure.into_error()),
        }
    }

    /// Brings files of a view into the cache and returns the snapshot's directory. From then on the cache
    /// knows the revision by this commit.
    ///
    /// # Errors
    /// [`HubError::NotCached`] where the view is the cache's and a file is missing; those of the transfer.
    pub fn bring(
        &self,
        repository: &Repository,
        view: &View,
        files: &[String],
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        let snapshot = self.bring_first(repository, view, files, progress)?;
        if let View::Online(listing) = view {
            self.cache(repository).remember(&repository.revision, &listing.commit)?;
        }
        Ok(snapshot)
    }

    /// [`Hub::bring`] where more files are to follow: until they are there, the revision is what it was.
    pub(super) fn bring_first(
        &self,
        repository: &Repository,
        view: &View,
        files: &[String],
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        let cache = self.cache(repository);
        let snapshot = cache.snapshot(view.commit());
        let is_missing = |file: &&String| !snapshot.join(file).is_file();
        let missing: Vec<String> = files.iter().filter(is_missing).cloned().collect();
        match view {
            _ if missing.is_empty() => {}
            View::Cached { .. } => return Err(self.not_cached(repository, missing, Some(view))),
            View::Online(listing) => self.download(repository, listing, &missing, &cache, progress)?,
        }
        Ok(snapshot)
    }

    pub(super) fn not_cached(&self, repository: &Repository, missing: Vec<String>, view: Option<&View>) -> HubError {
        let because = match view {
            Some(View::Cached { because, .. }) => because.clone(),
            _ => None,
        };
        let (spec, cache) = (repository.to_string(), self.settings().cache.clone());
        HubError::NotCached { spec, cache, missing, because }
    }

    fn download(
        &self,
        repository: &Repository,
        listing: &Listing,
        missing: &[String],
        cache: &RepositoryCache,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        cache.prepare()?;
        let mut known = VecDeque::new();
        for file in missing {
            let no_file = || HubError::NoFile { spec: repository.to_string(), file: file.clone() };
            known.push_back((file.as_str(), listing.files.get(file).ok_or_else(no_file)?.clone()));
        }
        let left = known.iter().map(|(_, facts): &(_, Option<FileFacts>)| Some(left(cache, facts.as_ref()?)));
        let total = left.sum::<Option<u64>>().unwrap_or(0);
        let work = Work {
            client: &self.client,
            cache,
            repository,
            commit: &listing.commit,
            waiting: Mutex::new(known),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
        };
        let what = if missing.len() == 1 { "1 file".to_owned() } else { format!("{} files", missing.len()) };
        progress.begin(&format!("fetching {} ({what})", repository.name), total, "bytes");
        std::thread::scope(|scope| {
            let (events, shown) = channel();
            for _ in 0..self.settings().parallel.clamp(1, missing.len().max(1)) {
                let events = events.clone();
                scope.spawn(|| work.until_done(events));
            }
            drop(events);
            show(shown, progress);
        });
        progress.finish();
        match work.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Shows what the downloading threads say, until the last has ended.
fn show(events: Receiver<Event>, progress: &mut dyn Progress) {
    for event in events {
        match event {
            Event::Bytes(n) => progress.advance(n),
            Event::Line(line) => progress.line(&line),
            Event::Warn(line) => progress.warn(&line),
        }
    }
}

/// Files waiting to be downloaded, shared by the threads that do it.
struct Work<'a> {
    client: &'a Client,
    cache: &'a RepositoryCache,
    repository: &'a Repository,
    commit: &'a str,
    waiting: Mutex<VecDeque<(&'a str, Option<FileFacts>)>>,
    stop: AtomicBool,
    /// The first failure; it stops the others.
    failure: Mutex<Option<HubError>>,
}

impl Work<'_> {
    fn until_done(&self, events: Sender<Event>) {
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((file, facts)) = next else { return };
            if let Err(error) = self.one(file, facts, &events) {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                if !self.stop.swap(true, Ordering::Relaxed) {
                    *failure = Some(error);
                }
                return;
            }
        }
    }

    fn one(&self, file: &str, facts: Option<FileFacts>, events: &Sender<Event>) -> Result<(), HubError> {
        let repository = self.repository;
        // By the commit, so that all files are of one moment.
        let (kind, commit) = (repository.kind.resolve(), self.commit);
        let url = self.client.url(&format!("/{kind}{}/resolve/{commit}/{}", repository.name, quoted(file, true)));
        let facts = match facts {
            Some(facts) => facts,
            None => self.ask(file, &url, events)?,
        };
        if !is_whole(&self.cache.blob(&facts.etag), facts.size) {
            let (client, cache, events) = (self.client, self.cache, events.clone());
            Download { client, cache, repository, file, url: &url, facts: &facts, events, stop: &self.stop }.run()?;
        }
        Ok(self.cache.link(commit, file, &facts.etag)?)
    }

    /// HEAD, where the listing said nothing of a file's content.
    fn ask(&self, file: &str, url: &str, events: &Sender<Event>) -> Result<FileFacts, HubError> {
        let about = About { repository: self.repository, file: Some(file) };
        let mut tell = |line| {
            let _unheard = events.send(Event::Warn(line));
        };
        let go_on = || !self.stop.load(Ordering::Relaxed);
        Patience::new(&self.client.settings).persist(&go_on, &mut tell, || {
            let reply = self.client.request(Method::Head, url, None, about)?;
            Ok(reply::facts(&reply)?)
        })
    }
}

/// `GET /api/models/ORG/NAME/revision/REVISION?blobs=true`.
fn listing(answer: &Value, url: &str) -> Result<Listing, HubError> {
    let wrong = |problem: &str| HubError::Answer { url: url.to_owned(), problem: problem.to_owned() };
    let commit = answer["sha"].as_str().filter(|sha| is_commit(sha)).ok_or_else(|| wrong("it names no commit"))?;
    let siblings = answer["siblings"].as_array().ok_or_else(|| wrong("it lists no files"))?;
    let mut files = BTreeMap::new();
    for sibling in siblings {
        let name = sibling["rfilename"].as_str().ok_or_else(|| wrong("a file has no name"))?;
        // A name that leaves the snapshot is none that a repository can have.
        if !name.split('/').all(|part| !part.is_empty() && part != "." && part != "..") {
            return Err(wrong("the name of a file is no path below the repository"));
        }
        files.insert(name.to_owned(), content(sibling));
    }
    let gated = !matches!(answer["gated"], Value::Null | Value::Bool(false));
    Ok(Listing { commit: commit.to_owned(), files, licence: licence(answer), gated })
}

/// SHA-256 of large files, Git's blob id of others; mirrors may leave them out.
fn content(sibling: &Value) -> Option<FileFacts> {
    let large = &sibling["lfs"];
    let (etag, size) = match large["sha256"].as_str() {
        Some(sha256) => (sha256, large["size"].as_u64().or_else(|| sibling["size"].as_u64())?),
        None => (sibling["blobId"].as_str()?, sibling["size"].as_u64()?),
    };
    Some(FileFacts { etag: plain_etag(etag)?, size })
}

/// From the card's front matter, or the tags that the hub makes of it.
fn licence(answer: &Value) -> Option<String> {
    let card = &answer["cardData"];
    let tag = || answer["tags"].as_array()?.iter().find_map(|tag| tag.as_str()?.strip_prefix("license:"));
    let named = match &card["license"] {
        Value::String(one) => Some(one.clone()),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        _ => tag().map(str::to_owned),
    };
    // `other` has its name beside it.
    let special = || card["license_name"].as_str().map(str::to_owned);
    named
        .map(|named| if named == "other" { special().unwrap_or(named) } else { named })
        .filter(|named| !named.is_empty())
}
