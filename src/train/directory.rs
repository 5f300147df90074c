//! The output directory of a run: what it may hold at the start, and whether a run may be continued.
//!
//! `OUT/` holds the finished model's or adapter's files, `steps.jsonl`, `eval.jsonl`, `timing.jsonl`, `tensorboard/`,
//! `pairs.json`, `settings.toml`, `checkpoints/` and, written last, `run.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoints, TrainerState};
use super::error::TrainError;
use super::settings::TrainSettings;
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::provenance::RunInfo;

pub const RUN_FILE: &str = "run.json";
/// What became of the pairs of each language.
pub const PAIRS_FILE: &str = "pairs.json";
pub const SETTINGS_FILE: &str = "settings.toml";
/// Files that say a directory is in use by a run or a model.
const MARKS: [&str; 7] =
    [RUN_FILE, SETTINGS_FILE, "steps.jsonl", "checkpoints", "config.json", "model.safetensors", "adapter_config.json"];

/// Where a tokenizer trained for this run lies, below the output directory.
pub const TOKENIZER_DIR: &str = "tokenizer";

/// A directory that no other process trains in. The system takes the lock back when this process ends, however it
/// ends.
#[derive(Debug)]
pub struct Claim {
    _locked: File,
}

/// Takes `out` for this process, before anything is written there, and clears away what kills left of files that
/// were being written.
pub fn claim(out: &Path) -> Result<Claim, TrainError> {
    files::create_dir(out)?;
    let dir = File::open(out).map_err(|e| FileError::new("open", out, e))?;
    match dir.try_lock() {
        Ok(()) => [out, &out.join(TOKENIZER_DIR)].into_iter().try_for_each(files::sweep)?,
        Err(TryLockError::WouldBlock) => return Err(TrainError::Busy { out: out.to_owned() }),
        // A file system without locks: the run goes on as it would have, and sweeps nothing that may be in use.
        Err(TryLockError::Error(_)) => {}
    }
    Ok(Claim { _locked: dir })
}

/// Where a run begins.
#[derive(Debug)]
enum Start {
    Fresh,
    Checkpoint(Box<TrainerState>),
    /// The run in this directory is finished.
    Complete,
}

/// Where a run's steps begin, and what is to be said of it.
pub struct Opening {
    pub state: TrainerState,
    /// The state is a checkpoint's: so are the tensors.
    pub resumes: bool,
    pub run: RunInfo,
}

impl Opening {
    /// Completes the caller's description of the run and looks at its directory; `None` where the run is finished.
    pub fn of(
        settings: &TrainSettings,
        out: &Path,
        resume: bool,
        mut run: RunInfo,
        progress: &mut dyn Progress,
    ) -> Result<Option<Self>, TrainError> {
        run.settings = settings.to_toml()?;
        run.seed = settings.seed;
        run.threads = tch::get_num_threads().max(1) as usize;
        let (state, resumes) = match start(out, resume, &run, progress)? {
            Start::Complete => {
                Checkpoints::of(out).rotate(settings.keep_checkpoints, None)?;
                return Ok(None);
            }
            Start::Fresh => (TrainerState::new(settings.lr, &run), false),
            Start::Checkpoint(state) => (*state, true),
        };
        Ok(Some(Self { state, resumes, run }))
    }

    /// The first files of the run, once nothing stands in its way.
    pub fn write(&self, out: &Path, progress: &mut dyn Progress) -> Result<(), TrainError> {
        files::create_dir(out)?;
        files::write_bytes(&out.join(SETTINGS_FILE), self.run.settings.as_bytes())?;
        if self.resumes {
            progress.line(&format!("resuming after step {}", self.state.step));
        }
        Ok(())
    }
}

/// Refuses a directory that already holds a run or a model.
pub fn refuse_occupied(out: &Path) -> Result<(), TrainError> {
    match MARKS.iter().find(|mark| out.join(mark).exists()) {
        Some(found) => Err(TrainError::Occupied { out: out.to_owned(), found: (*found).to_owned() }),
        None => Ok(()),
    }
}

/// Looks at `out`. Without `resume` it must not hold a run; with it, what is there must have been made
/// from the same data, settings and model as `run`.
fn start(out: &Path, resume: bool, run: &RunInfo, progress: &mut dyn Progress) -> Result<Start, TrainError> {
    if !resume {
        return refuse_occupied(out).map(|()| Start::Fresh);
    }
    let (finished, checkpoints) = (out.join(RUN_FILE), Checkpoints::of(out));
    if finished.is_file() {
        let text = files::read_text(&finished)?;
        let before: RunInfo = serde_json::from_str(&text)
            .map_err(|e| TrainError::Checkpoint { path: finished.clone(), problem: e.to_string() })?;
        refuse_differences(out, &before, run)?;
        // Checkpoints may have been on their way out.
        checkpoints.sweep()?;
        return Ok(Start::Complete);
    }
    checkpoints.sweep()?;
    let Some(&newest) = checkpoints.steps()?.last() else {
        // Killed before the first checkpoint: the settings are all there is to compare.
        let settings = out.join(SETTINGS_FILE);
        if settings.is_file() {
            let before = RunInfo { settings: files::read_text(&settings)?, ..run.clone() };
            refuse_differences(out, &before, run)?;
        }
        progress.line("no checkpoint to resume from: training starts at the beginning");
        return Ok(Start::Fresh);
    };
    let state = checkpoints.load_state(newest)?;
    refuse_differences(out, &state.run, run)?;
    for (what, before, now) in [
        ("version", state.run.version.clone(), run.version.clone()),
        ("commit", state.run.commit.clone(), run.commit.clone()),
        ("libtorch", format!("{:?}", state.run.libtorch), format!("{:?}", run.libtorch)),
        ("threads", state.run.threads.to_string(), run.threads.to_string()),
    ] {
        if before != now {
            progress.warn(&format!("{what} was {before} and is {now}: the result may differ in its last bits"));
        }
    }
    Ok(Start::Checkpoint(Box::new(state)))
}

/// Settings that say where files lie. What is in them is compared by content, so that a run can be
/// resumed after its data or the model it began with moved.
const PLACES: [&str; 5] = ["source.data", "source.eval", "source.features", "source.model", "source.reference"];
/// Digests by file name; `content/…` says the same whatever the files are called.
const BY_NAME: &str = "data/";

/// What decides the result has to be the same; every difference is named.
fn refuse_differences(out: &Path, before: &RunInfo, now: &RunInfo) -> Result<(), TrainError> {
    let mut differences = Vec::new();
    for (what, before, now) in [
        ("kind", &before.kind, &now.kind),
        ("device", &before.device, &now.device),
        ("dtype", &before.dtype, &now.dtype),
    ] {
        if before != now {
            differences.push(format!("{what} was `{before}` and is `{now}`"));
        }
    }
    differences.extend(differing(&leaves(&before.settings, out)?, &leaves(&now.settings, out)?, "setting"));
    let digest = |digests: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let by_content = digests.iter().filter(|(role, _)| !role.starts_with(BY_NAME));
        by_content.map(|(role, digest)| (role.clone(), digest.chars().take(12).collect())).collect()
    };
    differences.extend(differing(&digest(&before.digests), &digest(&now.digests), "content of"));
    match differences.is_empty() {
        true => Ok(()),
        false => Err(TrainError::Mismatch { out: out.to_owned(), differences }),
    }
}

fn differing(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>, what: &str) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("absent".to_owned(), |v| format!("`{v}`"));
    keys.into_iter()
        .filter(|key| before.get(*key) != now.get(*key))
        .map(|key| format!("{what} `{key}` was {} and is {}", shown(before.get(key)), shown(now.get(key))))
        .collect()
}

/// Settings as `section.key` with their values.
fn leaves(settings: &str, out: &Path) -> Result<BTreeMap<String, String>, TrainError> {
    fn walk(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => walk(&format!("{prefix}{key}."), inner, into),
                other => {
                    into.insert(format!("{prefix}{key}"), other.to_string());
                }
            }
        }
    }
    let path = || -> PathBuf { out.join(SETTINGS_FILE) };
    let table: toml::Table = settings
        .parse()
        .map_err(|e: toml::de::Error| TrainError::Checkpoint { path: path(), problem: e.to_string() })?;
    let mut into = BTreeMap::new();
    walk("", &table, &mut into);
    // A preset is no place: nothing but its name says what the run began with.
    into.retain(|key, value| !PLACES.contains(&key.as_str()) || value.starts_with("\"init:"));
    Ok(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(settings: &str, data: &str) -> RunInfo {
        let mut run = RunInfo::of_this_binary("r", "m", "scalar");
        run.settings = settings.to_owned();
        run.digests.insert("content/train".into(), data.to_owned());
        run
    }

    #[test]
    fn every_difference_is_named() {
        let before = info("lr = 0.1\nseed = 1\n[schedule]\nname = 'linear'", "aaaa");
        let now = info("lr = 0.1\nseed = 2\npatience = 3\n[schedule]\nname = 'cosine'", "bbbb");
        let error = refuse_differences(Path::new("out"), &before, &now).unwrap_err().to_string();
        assert_eq!(
            error,
            "`out` cannot be resumed: setting `patience` was absent and is `3`; setting `schedule.name` was \
             `\"linear\"` and is `\"cosine\"`; setting `seed` was `1` and is `2`; content of `content/train` was \
             `aaaa` and is `bbbb`"
        );
        refuse_differences(Path::new("out"), &before, &before).unwrap();
    }

    #[test]
    fn a_directory_is_one_process_s_and_cleared_of_what_is_half_written() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        std::fs::create_dir_all(out.join(TOKENIZER_DIR)).unwrap();
        let halves = [out.join(".rmbench-x.part"), out.join(TOKENIZER_DIR).join(".rmbench-y.part")];
        halves.iter().for_each(|path| std::fs::write(path, b"half").unwrap());
        let mine = claim(&out).unwrap();
        assert!(halves.iter().all(|path| !path.exists()));
        let error = claim(&out).unwrap_err();
        assert!(matches!(error, TrainError::Busy { .. }) && error.hint().is_some(), "{error}");
        drop(mine);
        claim(&out).unwrap();
    }

    #[test]
    fn files_may_move_but_presets_may_not_change() {
        let with = |model: &str, data: &str| {
            let mut run = info(&format!("[source]\nmodel = '{model}'\ndata = ['{data}']"), "aaaa");
            run.digests.insert(format!("data/{data}"), "cccc".into());
            run
        };
        let out = Path::new("out");
        refuse_differences(out, &with("here/model", "a.parquet"), &with("there/model", "b.parquet")).unwrap();
        let error = refuse_differences(out, &with("init:tiny", "a"), &with("init:small", "a")).unwrap_err();
        assert!(error.to_string().contains("`source.model` was `\"init:tiny\"` and is `\"init:small\"`"), "{error}");
    }
}
