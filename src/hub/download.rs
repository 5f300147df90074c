//! One file's bytes from the hub to its blob: what an earlier attempt left is continued, and nothing gets
//! its name before its checksum is right.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use super::cache::RepositoryCache;
use super::checksum::Checksum;
use super::client::{About, Client, Method};
use super::error::HubError;
use super::lock::Lock;
use super::name::Repository;
use super::patience::{Failure, Patience};
use super::reply::{self, FileFacts};
use crate::files::{self, FileError};

const BUFFER: usize = 256 << 10;
/// Looks at a lock before a word about it; files of one content wait for each other for a moment.
const WAITS_IN_SILENCE: u32 = 15;

/// What a download tells the thread that shows it.
pub(super) enum Event {
    /// So many more bytes are there.
    Bytes(u64),
    /// A line that stays.
    Warn(String),
    /// The same, where nothing is wrong.
    Line(String),
}

/// A file on its way into the cache.
pub(super) struct Download<'a> {
    pub client: &'a Client,
    pub cache: &'a RepositoryCache,
    pub repository: &'a Repository,
    pub file: &'a str,
    pub url: &'a str,
    pub facts: &'a FileFacts,
    pub events: Sender<Event>,
    /// Set where another file has failed for good.
    pub stop: &'a AtomicBool,
}

/// The beginning of a blob on disk, and its checksum so far.
struct Partial {
    file: File,
    path: PathBuf,
    len: u64,
    sum: Checksum,
}

/// A transfer that began.
enum Transfer {
    /// From the place that was asked for.
    Continued(Box<dyn Read>),
    /// From the beginning, whatever was asked for.
    Whole(Box<dyn Read>),
    /// There is no such place in the file: what is on disk is not its beginning.
    OutOfRange,
}

impl Download<'_> {
    /// Returns once the blob is whole in the cache, brought by this process or by another.
    pub fn run(&self) -> Result<(), HubError> {
        let mut n_waits = 0;
        let lock = Lock::acquire(&self.cache.lock(&self.facts.etag), || {
            n_waits += 1;
            if n_waits == WAITS_IN_SILENCE {
                self.tell(Event::Line(format!("`{}`: waiting for another process that downloads it", self.file)));
            }
            !self.stopped()
        })?;
        let Some(_lock) = lock else { return Err(HubError::Stopped) };
        if is_whole(&self.cache.blob(&self.facts.etag), self.facts.size) {
            return Ok(());
        }
        let mut partial = Partial::open(&self.cache.incomplete(&self.facts.etag), self.facts)?;
        let mut shown = partial.len;
        // What another program left may be anything; what came from here just now may not.
        let mut may_be_stale = partial.len > 0;
        loop {
            self.fill(&mut partial, &mut shown)?;
            let found = partial.sum.clone().finish();
            match found {
                Some(found) if found != self.facts.etag => {
                    partial.restart(self.facts)?;
                    if !std::mem::take(&mut may_be_stale) {
                        return Err(self.wrong_checksum(&partial.path, found));
                    }
                    self.tell(Event::Warn(format!("`{}`: what was on disk is not its beginning; again", self.file)));
                }
                Some(_) => break,
                None => {
                    let what = "the server gives no checksum; only the length was checked";
                    self.tell(Event::Warn(format!("`{}`: {what}", self.file)));
                    break;
                }
            }
        }
        Ok(partial.finish(&self.cache.blob(&self.facts.etag))?)
    }

    /// Downloads until the file has its length.
    fn fill(&self, partial: &mut Partial, shown: &mut u64) -> Result<(), HubError> {
        let mut patience = Patience::under_way(&self.client.settings);
        while partial.len < self.facts.size || self.facts.size == 0 {
            let before = partial.len;
            let attempt = self.transfer(partial, shown);
            if partial.len > before {
                patience.got_further();
            }
            match attempt {
                Ok(()) if self.facts.size == 0 => break,
                Ok(()) => {}
                Err(failure) => {
                    let mut tell = |line| self.tell(Event::Warn(line));
                    patience.rest(failure, &|| !self.stopped(), &mut tell)?;
                }
            }
        }
        Ok(())
    }

    /// One request, and as many of its bytes as come.
    fn transfer(&self, partial: &mut Partial, shown: &mut u64) -> Result<(), Failure> {
        let mut body = match self.begin(partial.len)? {
            Transfer::Continued(body) => body,
            Transfer::Whole(body) => {
                partial.restart(self.facts).map_err(HubError::from)?;
                body
            }
            Transfer::OutOfRange => {
                partial.restart(self.facts).map_err(HubError::from)?;
                return Ok(());
            }
        };
        let mut buffer = vec![0; BUFFER];
        loop {
            if self.stopped() {
                return Err(HubError::Stopped.into());
            }
            let n = match body.read(&mut buffer) {
                Ok(0) if partial.len == self.facts.size => return Ok(()),
                Ok(0) => return Err(self.broken(partial.len, "the connection is closed")),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.broken(partial.len, &e.to_string())),
            };
            let found = partial.len + n as u64;
            if found > self.facts.size {
                partial.restart(self.facts).map_err(HubError::from)?;
                return Err(self.wrong_length(found).into());
            }
            partial.push(&buffer[..n]).map_err(HubError::from)?;
            if partial.len > *shown {
                self.tell(Event::Bytes(partial.len - *shown));
                *shown = partial.len;
            }
        }
    }

    /// Asks for the bytes from `from` on, at the hub's own address: it answers with a fresh signed one.
    fn begin(&self, from: u64) -> Result<Transfer, Failure> {
        let about = About { repository: self.repository, file: Some(self.file) };
        let reply = self.client.request(Method::Get, self.url, (from > 0).then_some(from), about)?;
        let linked = reply.on_hub.iter().find_map(|headers| reply::header(headers, "X-Linked-Etag"));
        if linked.and_then(reply::plain_etag).is_some_and(|etag| etag != self.facts.etag) {
            let problem = format!("`{}` changed while it was being downloaded", self.file);
            return Err(HubError::Answer { url: reply.url, problem }.into());
        }
        let text = |name: &str| reply::header(&reply.headers, name).unwrap_or_default().to_owned();
        match reply.status {
            200 => match text("Content-Length").parse() {
                Ok(length) if length != self.facts.size => Err(self.wrong_length(length).into()),
                _ => Ok(Transfer::Whole(Box::new(reply.reader()))),
            },
            // `bytes 500-999/1000`; it may be less than what is left, then the rest is asked for next.
            206 if from > 0 && text("Content-Range").starts_with(&format!("bytes {from}-")) => {
                match text("Content-Range").rsplit('/').next().unwrap_or_default().parse() {
                    Ok(total) if total != self.facts.size => Err(self.wrong_length(total).into()),
                    _ => Ok(Transfer::Continued(Box::new(reply.reader()))),
                }
            }
            416 if from > 0 => Ok(Transfer::OutOfRange),
            status => {
                let problem = format!("status {status} to a request from byte {from} on");
                Err(HubError::Answer { url: reply.url, problem }.into())
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The other end may be gone where the whole download has failed.
    fn tell(&self, event: Event) {
        let _unheard = self.events.send(event);
    }

    fn broken(&self, got: u64, problem: &str) -> Failure {
        let (spec, file) = (self.repository.to_string(), self.file.to_owned());
        Failure::passing(HubError::Broken { spec, file, got, size: self.facts.size, problem: problem.to_owned() })
    }

    fn wrong_length(&self, found: u64) -> HubError {
        let (spec, file) = (self.repository.to_string(), self.file.to_owned());
        HubError::Length { spec, file, expected: self.facts.size, found }
    }

    fn wrong_checksum(&self, partial: &Path, found: String) -> HubError {
        // Its content is nothing to go on from.
        let _gone_already = std::fs::remove_file(partial);
        let (spec, file) = (self.repository.to_string(), self.file.to_owned());
        HubError::Checksum { spec, file, expected: self.facts.etag.clone(), found }
    }
}

impl Partial {
    /// What an earlier attempt left, read through for its checksum. Bytes are written at their own place, so
    /// two writers without a working lock between them write the same.
    fn open(path: &Path, facts: &FileFacts) -> Result<Self, FileError> {
        let failed = |e| FileError::new("open", path, e);
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut sum = Checksum::begin(&facts.etag, facts.size);
        let mut len = 0;
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).map_err(|e| FileError::new("read", path, e))? {
                0 => break,
                n => sum.update(&buffer[..n]),
            }
            len = file.stream_position().map_err(|e| FileError::new("read", path, e))?;
        }
        let mut partial = Self { file, path: path.to_owned(), len, sum };
        if len > facts.size {
            partial.restart(facts)?;
        }
        Ok(partial)
    }

    fn restart(&mut self, facts: &FileFacts) -> Result<(), FileError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|e| FileError::new("empty", &self.path, e))?;
        (self.len, self.sum) = (0, Checksum::begin(&facts.etag, facts.size));
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(|e| FileError::new("write", &self.path, e))?;
        self.sum.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name.
    fn finish(self, blob: &Path) -> Result<(), FileError> {
        self.file.sync_all().map_err(|e| FileError::new("flush", &self.path, e))?;
        std::fs::rename(&self.path, blob).map_err(|e| FileError::new("write", blob, e))?;
        blob.parent().map_or(Ok(()), files::sync_directory)
    }
}

/// Bytes of a file that are not in the cache yet.
pub(super) fn left(cache: &RepositoryCache, facts: &FileFacts) -> u64 {
    if is_whole(&cache.blob(&facts.etag), facts.size) {
        return 0;
    }
    let begun = cache.incomplete(&facts.etag).metadata().map_or(0, |found| found.len());
    facts.size.saturating_sub(begun)
}

/// True where a blob is there with the length it should have; a file system that lost power may have less.
pub(super) fn is_whole(blob: &Path, size: u64) -> bool {
    blob.metadata().is_ok_and(|found| found.is_file() && found.len() == size)
}
