//! Line-by-line logs that a resumed run continues byte for byte.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TrainError;
use super::tensorboard;
use crate::files::{self, FileError};

/// How much of each log belongs to a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLengths {
    pub steps: u64,
    pub eval: u64,
    pub timing: u64,
    #[serde(default)]
    pub tensorboard: u64,
}

/// Which log a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Step,
    Evaluation,
    Timing,
}

/// `steps.jsonl` and `eval.jsonl` hold what is determined by settings, data and model; wall-clock figures
/// stand apart in `timing.jsonl`.
pub struct Journal {
    pub steps: Log,
    pub eval: Log,
    pub timing: Log,
    /// Event file with the numbers of all three, where it is wanted.
    tensorboard: Option<Log>,
}

impl Journal {
    /// Opens the logs in `dir`, cut back to `lengths`: what was written after the checkpoint is
    /// written again.
    pub fn open(dir: &Path, lengths: LogLengths, events_too: bool) -> Result<Self, TrainError> {
        let events = dir.join(tensorboard::DIRECTORY);
        if events_too {
            files::create_dir(&events)?;
        }
        let open_events = || Log::open(events.join(tensorboard::FILE), lengths.tensorboard);
        let mut log_of_events = events_too.then(open_events).transpose()?;
        if let Some(log) = log_of_events.as_mut().filter(|log| log.length == 0) {
            log.append(&tensorboard::beginning(now()))?;
        }
        let journal = Self {
            tensorboard: log_of_events,
            steps: Log::open(dir.join("steps.jsonl"), lengths.steps)?,
            eval: Log::open(dir.join("eval.jsonl"), lengths.eval)?,
            timing: Log::open(dir.join("timing.jsonl"), lengths.timing)?,
        };
        // A checkpoint relies on files that a power cut must not make nameless.
        files::sync_directory(dir)?;
        if events_too {
            files::sync_directory(&events)?;
        }
        Ok(journal)
    }

    /// Adds a line to a log, and its numbers to the event file under the log's name.
    pub fn write(&mut self, kind: Kind, step: u64, line: &Value) -> Result<(), TrainError> {
        let (log, prefix) = match kind {
            Kind::Step => (&mut self.steps, "train"),
            Kind::Evaluation => (&mut self.eval, "eval"),
            Kind::Timing => (&mut self.timing, "speed"),
        };
        log.write(line)?;
        match &mut self.tensorboard {
            Some(events) => events.append(&tensorboard::scalars(prefix, line, step, now())),
            None => Ok(()),
        }
    }

    /// Makes everything written durable; returns the lengths.
    pub fn sync(&self) -> Result<LogLengths, TrainError> {
        for log in [&self.steps, &self.eval, &self.timing].into_iter().chain(&self.tensorboard) {
            log.file.sync_all().map_err(|e| FileError::new("flush", &log.path, e))?;
        }
        let tensorboard = self.tensorboard.as_ref().map_or(0, |log| log.length);
        Ok(LogLengths { steps: self.steps.length, eval: self.eval.length, timing: self.timing.length, tensorboard })
    }
}

/// One file of JSON lines.
pub struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    fn open(path: PathBuf, length: u64) -> Result<Self, TrainError> {
        let file_error = |action: &'static str, e: std::io::Error| FileError::new(action, &path, e);
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(|e| file_error("open", e))?;
        let found = file.metadata().map_err(|e| file_error("inspect", e))?.len();
        if found < length {
            let problem = format!("it has {found} bytes; the checkpoint was written when it had {length}");
            return Err(TrainError::Checkpoint { path, problem });
        }
        file.set_len(length).map_err(|e| file_error("cut back", e))?;
        file.seek(SeekFrom::End(0)).map_err(|e| file_error("write", e))?;
        Ok(Self { path, file, length })
    }

    /// Appends a line, unbuffered, so that others can follow the run.
    pub fn write(&mut self, line: &Value) -> Result<(), TrainError> {
        self.append(format!("{line}\n").as_bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        self.file.write_all(bytes).map_err(|e| FileError::new("write", &self.path, e))?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Seconds since 1970, as TensorBoard wants them.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_after_the_checkpoint_are_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), LogLengths::default(), true).unwrap();
        journal.steps.write(&json!({"step": 1})).unwrap();
        let lengths = journal.sync().unwrap();
        journal.steps.write(&json!({"step": 2, "half": true})).unwrap();
        let mut journal = Journal::open(dir.path(), lengths, true).unwrap();
        journal.steps.write(&json!({"step": 2})).unwrap();
        let text = std::fs::read_to_string(dir.path().join("steps.jsonl")).unwrap();
        assert_eq!(text, "{\"step\":1}\n{\"step\":2}\n");
        std::fs::write(dir.path().join("steps.jsonl"), "").unwrap();
        assert!(matches!(Journal::open(dir.path(), lengths, true), Err(TrainError::Checkpoint { .. })));
    }
}
