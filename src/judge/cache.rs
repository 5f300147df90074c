//! Replies that were paid for, by request: asked once, replayed ever after.
//!
//! One file of JSON lines per endpoint and model, only ever appended to. A line is written in one piece under a lock,
//! so that several runs may share a cache; what a kill leaves of a line is passed over.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::JudgeError;
use super::wire::Reply;
use crate::files::{self, FileError};

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    reply: Reply,
}

/// The replies of one endpoint and model.
pub struct Cache {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Where each key's line is: offset and length. Replies themselves stay on disk.
    places: HashMap<String, (u64, usize)>,
    end: u64,
}

impl Cache {
    /// Opens the file for an endpoint and model, and reads which keys it holds.
    pub fn open(directory: &Path, url: &str, model: &str) -> Result<Self, JudgeError> {
        files::create_dir(directory)?;
        let name = files::sha256(format!("{url}\n{model}").as_bytes());
        let path = directory.join(format!("{}.jsonl", name.get(..24).unwrap_or(&name)));
        let failed = |e| FileError::new("open", &path, e);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut state = State { file, places: HashMap::new(), end: 0 };
        state.read_on(&path)?;
        Ok(Self { path, state: Mutex::new(state) })
    }

    pub fn get(&self, key: &str) -> Result<Option<Reply>, JudgeError> {
        let mut state = self.lock();
        let Some(&(offset, length)) = state.places.get(key) else { return Ok(None) };
        let mut line = vec![0; length];
        let failed = |e| FileError::new("read", &self.path, e);
        state.file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        state.file.read_exact(&mut line).map_err(failed)?;
        let line: Line =
            serde_json::from_slice(&line).map_err(|_| JudgeError::Cache { path: self.path.clone(), line: offset })?;
        Ok(Some(line.reply))
    }

    /// Keeps a reply and gives it back as it will be read from now on. The first reply to a request stays.
    pub fn put(&self, key: &str, reply: &Reply) -> Result<Reply, JudgeError> {
        let mut text = line(key, reply)?;
        let kept = read(&text, &self.path)?;
        text.push(b'\n');
        let failed = |e| FileError::new("write", &self.path, e);
        {
            let mut state = self.lock();
            state.file.lock().map_err(failed)?;
            let outcome = state.append(&self.path, key, &text);
            state.file.unlock().map_err(failed)?;
            if outcome? {
                return Ok(kept);
            }
        }
        // Another run was faster.
        Ok(self.get(key)?.unwrap_or(kept))
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), JudgeError> {
        self.lock().file.sync_data().map_err(|e| FileError::new("flush", &self.path, e))?;
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.lock().places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done here.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn line(key: &str, reply: &Reply) -> Result<Vec<u8>, JudgeError> {
    let line = Line { key: key.to_owned(), reply: reply.clone() };
    serde_json::to_vec(&line)
        .map_err(|e| JudgeError::Setting { key: "endpoint.cache", problem: format!("a reply cannot be written: {e}") })
}

fn read(line: &[u8], path: &Path) -> Result<Reply, JudgeError> {
    let read: Result<Line, _> = serde_json::from_slice(line);
    read.map(|line| line.reply).map_err(|_| JudgeError::Cache { path: path.to_owned(), line: 0 })
}

/// A reply as [`Cache`] would give it back, for runs without one: numbers come through text the same way.
pub fn as_kept(reply: &Reply) -> Result<Reply, JudgeError> {
    read(&line("", reply)?, Path::new(""))
}

impl State {
    /// Reads the lines from `end` on: those of other runs, or of all earlier ones.
    fn read_on(&mut self, path: &Path) -> Result<(), JudgeError> {
        let failed = |e| FileError::new("read", path, e);
        self.file.seek(SeekFrom::Start(self.end)).map_err(failed)?;
        let mut reader = BufReader::new(&self.file);
        let mut text = Vec::new();
        let mut end = self.end;
        loop {
            text.clear();
            let n = reader.read_until(b'\n', &mut text).map_err(failed)?;
            if n == 0 || text.last() != Some(&b'\n') {
                break;
            }
            // A line without sense is what a kill left, ended by the next run.
            if let Ok(line) = serde_json::from_slice::<Line>(&text) {
                self.places.entry(line.key).or_insert((end, n - 1));
            }
            end += n as u64;
        }
        self.end = end;
        Ok(())
    }

    /// Appends a line unless its key is there by now; false where it is. The file is locked.
    fn append(&mut self, path: &Path, key: &str, text: &[u8]) -> Result<bool, JudgeError> {
        self.read_on(path)?;
        if self.places.contains_key(key) {
            return Ok(false);
        }
        let failed = |e| FileError::new("write", path, e);
        let length = self.file.seek(SeekFrom::End(0)).map_err(failed)?;
        if length > self.end {
            // What a kill left of a line is ended here, so that the next one is whole.
            self.file.write_all(b"\n").map_err(failed)?;
            self.end = length + 1;
        }
        self.file.write_all(text).map_err(failed)?;
        self.places.insert(key.to_owned(), (self.end, text.len() - 1));
        self.end += text.len() as u64;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply { text: text.to_owned(), ..Reply::default() }
    }

    #[test]
    fn replies_stay_through_kills_and_other_runs() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Cache::open(dir.path(), "http://a/v1", "m").unwrap();
        let (one, other) = (open(), open());
        one.put("a", &reply("first\nline")).unwrap();
        assert_eq!(other.put("a", &reply("second")).unwrap(), reply("first\nline"), "the first reply stays");
        other.put("b", &reply("é")).unwrap();
        drop((one, other));
        // A kill in the middle of a line.
        let path = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"key\":\"c\",\"re").unwrap();
        let again = open();
        assert_eq!((again.len(), again.get("c").unwrap()), (2, None));
        again.put("c", &reply("whole")).unwrap();
        let last = open();
        assert_eq!(last.get("c").unwrap(), Some(reply("whole")));
        assert_eq!(last.get("b").unwrap(), Some(reply("é")));
        assert_eq!(last.len(), 3);
    }

    #[test]
    fn numbers_do_not_drift() {
        let token = super::super::wire::Token {
            text: "A".to_owned(),
            bytes: None,
            top: vec![("A".to_owned(), -0.123_456_789_012_345_67)],
        };
        let mut first = reply("A");
        first.tokens.push(token);
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), "u", "m").unwrap();
        let kept = cache.put("k", &first).unwrap();
        assert_eq!(cache.get("k").unwrap(), Some(kept.clone()));
        assert_eq!(as_kept(&first).unwrap(), kept);
    }
}
