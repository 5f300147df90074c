//! A run on disk: `run.json`, `settings.toml` and the user's manifests first, `shards/` while it lasts,
//! `scores.parquet` at the end. Every file appears whole or not at all, so a kill at any moment leaves a run that `--resume`
//! completes to the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use super::ScoreError;
use crate::files::{self, FileError};
use crate::provenance::RunInfo;
use crate::table::score::FILE_NAME;
use crate::table::{features, judgment};

pub const RUN_FILE: &str = "run.json";
pub const SETTINGS_FILE: &str = "settings.toml";
/// Copies of the user's own manifests, which the report needs to make sense of the scores.
pub const MANIFESTS: &str = "manifests";
const SHARDS: &str = "shards";
/// Leftovers of a killed atomic write; see [`files::write_with`].
const PART: &str = ".part";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing there.
    Fresh,
    /// Begun and not finished.
    Begun,
    /// The score table is complete.
    Finished,
}

#[derive(Debug, Clone)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn table(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }

    /// Shard `shard` of file `file` of benchmark `source`, all counted from 0.
    pub fn shard(&self, source: usize, file: usize, shard: usize) -> PathBuf {
        self.root.join(SHARDS).join(format!("{source:03}-{file:03}-{shard:06}.parquet"))
    }

    /// Where judgments are in the end, and those of one shard.
    pub fn judgments(&self) -> PathBuf {
        self.root.join(judgment::FILE_NAME)
    }

    /// The judgments that belong to a shard of scores.
    pub fn judgment_shard(&self, shard: &Path) -> PathBuf {
        shard.with_extension("judgments.parquet")
    }

    /// Where hidden states are in the end, and those of one shard.
    pub fn features(&self) -> PathBuf {
        self.root.join(features::FILE_NAME)
    }

    pub fn feature_shard(&self, shard: &Path) -> PathBuf {
        shard.with_extension("features.parquet")
    }

    /// What is there, and whether a run with this provenance may begin or go on; changes nothing.
    pub fn examine(&self, info: &RunInfo, resume: bool) -> Result<State, ScoreError> {
        let entries = entries(&self.root)?;
        let finished = self.table().is_file();
        if entries.iter().all(|name| name.ends_with(PART)) {
            return Ok(State::Fresh);
        }
        if !resume {
            return Err(ScoreError::NotEmpty { out: self.root.clone(), finished });
        }
        let path = self.root.join(RUN_FILE);
        if !path.is_file() {
            return Err(ScoreError::NotARun { out: self.root.clone() });
        }
        let saved: RunInfo = serde_json::from_str(&files::read_text(&path)?)
            .map_err(|source| ScoreError::Provenance { path: path.clone(), source })?;
        let differences = saved.differences(info);
        if !differences.is_empty() {
            return Err(ScoreError::Differs { out: self.root.clone(), differences });
        }
        Ok(if finished { State::Finished } else { State::Begun })
    }

    /// Makes the directory ready for shards and says how far an earlier run came. `manifests`: name and
    /// text of those that are the user's own.
    pub fn begin(&self, info: &RunInfo, manifests: &[(&str, &str)], resume: bool) -> Result<State, ScoreError> {
        let state = self.examine(info, resume)?;
        files::create_dir(&self.root)?;
        remove_parts(&self.root)?;
        // The provenance comes first: without it nothing here could be continued.
        let path = self.root.join(RUN_FILE);
        let json = serde_json::to_string_pretty(info)
            .map_err(|source| ScoreError::Provenance { path: path.clone(), source })?;
        files::write_bytes(&path, format!("{json}\n").as_bytes())?;
        files::write_bytes(&self.root.join(SETTINGS_FILE), info.settings.as_bytes())?;
        for (name, text) in manifests {
            files::write_bytes(&self.root.join(MANIFESTS).join(format!("{name}.toml")), text.as_bytes())?;
        }
        if state == State::Finished {
            self.remove_shards()?;
        } else {
            let shards = self.root.join(SHARDS);
            files::create_dir(&shards)?;
            remove_parts(&shards)?;
        }
        Ok(state)
    }

    /// The table holds everything now.
    pub fn remove_shards(&self) -> Result<(), ScoreError> {
        let shards = self.root.join(SHARDS);
        if shards.is_dir() {
            fs::remove_dir_all(&shards).map_err(|e| FileError::new("remove", &shards, e))?;
        }
        Ok(())
    }

    /// Whether files can be written there, found out by writing one; creates no directory.
    pub fn check_writable(&self) -> Result<(), ScoreError> {
        let nearest = self.root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(nearest).map_err(|e| FileError::new("write into", nearest, e))?;
        Ok(())
    }
}

/// Names in a directory; of one that is not there, none.
fn entries(dir: &Path) -> Result<Vec<String>, ScoreError> {
    let failed = |e| FileError::new("list", dir, e);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn remove_parts(dir: &Path) -> Result<(), ScoreError> {
    for name in entries(dir)?.into_iter().filter(|name| name.starts_with('.') && name.ends_with(PART)) {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(|e| FileError::new("remove", &path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_continued_only_by_the_run_that_began_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(&dir.path().join("run"));
        let info = RunInfo::of_this_binary("m", "mock", "mock");
        assert_eq!(run.examine(&info, false).unwrap(), State::Fresh);
        assert_eq!(run.begin(&info, &[], true).unwrap(), State::Fresh, "--resume may also begin");
        assert!(matches!(run.examine(&info, false), Err(ScoreError::NotEmpty { finished: false, .. })));
        assert_eq!(run.begin(&info, &[], true).unwrap(), State::Begun);

        let mut other = info.clone();
        other.seed = 7;
        other.digests.insert("data/x".into(), "abc".into());
        let error = run.examine(&other, true).unwrap_err().to_string();
        assert!(error.contains("seed: 0, now 7"), "{error}");
        assert!(error.contains("digests.data/x: absent, now abc"), "{error}");

        fs::write(run.table(), "").unwrap();
        assert_eq!(run.begin(&info, &[], true).unwrap(), State::Finished);
        assert!(!run.root().join(SHARDS).exists());
        assert!(matches!(run.examine(&info, false), Err(ScoreError::NotEmpty { finished: true, .. })));
    }

    #[test]
    fn other_directories_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let info = RunInfo::of_this_binary("m", "mock", "mock");
        let run = RunDirectory::new(dir.path());
        fs::write(dir.path().join(".rmbench-abc.part"), "half").unwrap();
        assert_eq!(run.examine(&info, false).unwrap(), State::Fresh, "a kill before the first file leaves this");
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        assert!(matches!(run.examine(&info, true), Err(ScoreError::NotARun { .. })));
        assert!(run.begin(&info, &[], true).is_err());
        assert!(dir.path().join(".rmbench-abc.part").exists(), "nothing was touched");
    }
}
