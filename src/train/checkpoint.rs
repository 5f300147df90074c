//! Checkpoints: everything a run needs to go on to the same bytes.
//!
//! `checkpoints/step-NNNNNNNN/` is a model or adapter directory (parameters as they stand, not averaged) and
//! `optimizer.safetensors`, `average.safetensors` where an average is kept, `objective.safetensors` where the objective
//! keeps something, and `trainer.toml`, which is written last. A directory appears under its name only when it is complete and on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::average::Average;
use super::companion::{Companion, users};
use super::error::TrainError;
use super::journal::LogLengths;
use super::optimizer::AdamW;
use super::schedule::Plateau;
use super::trainable::Saved;
use crate::backbone::weights::{self, Checkpoint};
use crate::files::{self, FileError};
use crate::provenance::RunInfo;

const STATE_FILE: &str = "trainer.toml";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const AVERAGE_FILE: &str = "average.safetensors";
const OBJECTIVE_FILE: &str = "objective.safetensors";
const PART: &str = ".part-";

/// Where a run stands, next to the tensors. TOML: its numbers come back bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    pub format: u32,
    /// Optimiser steps done.
    pub step: u64,
    /// Training is over: all steps are done, or it was stopped early.
    pub finished: bool,
    pub evaluations: u64,
    /// Evaluations since the best one.
    pub without_improvement: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    pub plateau: Plateau,
    pub logs: LogLengths,
    /// What the run was started with.
    pub run: RunInfo,
}

pub const FORMAT: u32 = 1;

impl TrainerState {
    /// Before the first step.
    pub fn new(lr: f64, run: &RunInfo) -> Self {
        Self {
            format: FORMAT,
            step: 0,
            finished: false,
            evaluations: 0,
            without_improvement: 0,
            best: None,
            plateau: Plateau::new(lr),
            logs: LogLengths::default(),
            run: run.clone(),
        }
    }
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    pub step: u64,
    pub value: f64,
}

/// What a checkpoint holds beside where the run stands.
pub struct Contents<'a, M> {
    pub model: &'a M,
    pub optimizer: &'a AdamW,
    /// Where one is kept.
    pub average: Option<&'a Average>,
    pub companion: &'a Companion,
}

impl<M: Saved> Contents<'_, M> {
    fn write(&self, dir: &Path) -> Result<(), TrainError> {
        self.model.write(dir)?;
        let moments = self.optimizer.state();
        weights::write(&dir.join(OPTIMIZER_FILE), moments.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        if let Some(average) = self.average {
            let tensors = average.tensors().iter().map(|(name, tensor)| (name.as_str(), tensor));
            weights::write(&dir.join(AVERAGE_FILE), tensors)?;
        }
        let kept = self.companion.tensors();
        if !kept.is_empty() {
            let tensors = kept.iter().map(|(name, tensor)| (name.as_str(), tensor));
            weights::write(&dir.join(OBJECTIVE_FILE), tensors)?;
        }
        Ok(())
    }
}

/// The `checkpoints` directory of a run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    dir: PathBuf,
}

impl Checkpoints {
    pub fn of(out: &Path) -> Self {
        Self { dir: out.join("checkpoints") }
    }

    fn path(&self, step: u64) -> PathBuf {
        self.dir.join(format!("step-{step:08}"))
    }

    /// Steps with a complete checkpoint, oldest first.
    pub fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let mut steps: Vec<u64> =
            self.entries()?.iter().filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    fn entries(&self) -> Result<Vec<String>, TrainError> {
        if !self.dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.dir).map_err(|e| FileError::new("list", &self.dir, e))?;
        let names = entries.map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()));
        Ok(names.collect::<Result<_, _>>().map_err(|e| FileError::new("list", &self.dir, e))?)
    }

    /// Removes what a kill left half-written.
    pub fn sweep(&self) -> Result<(), TrainError> {
        for name in self.entries()?.iter().filter(|name| name.starts_with(PART)) {
            remove(&self.dir.join(name))?;
        }
        Ok(())
    }

    /// Writes the checkpoint of `state.step`, atomically and durably. What could not be written to its end, on a
    /// full disk for example, is taken away again.
    pub fn save<M: Saved>(&self, contents: &Contents<'_, M>, state: &TrainerState) -> Result<(), TrainError> {
        let part = self.dir.join(format!("{PART}{:08}", state.step));
        let written = self.write(&part, contents, state);
        if written.is_err() && part.exists() {
            // The error that counts is the first one.
            let _ = fs::remove_dir_all(&part);
        }
        written
    }

    fn write<M: Saved>(&self, part: &Path, contents: &Contents<'_, M>, state: &TrainerState) -> Result<(), TrainError> {
        if part.exists() {
            remove(part)?;
        }
        files::create_dir(part)?;
        contents.write(part)?;
        let path = part.join(STATE_FILE);
        let text = toml::to_string(state)
            .map_err(|e| TrainError::Checkpoint { path: path.clone(), problem: e.to_string() })?;
        files::write_bytes(&path, text.as_bytes())?;
        files::sync_directory(part)?;
        let finished = self.path(state.step);
        if finished.exists() {
            remove(&finished)?;
        }
        fs::rename(part, &finished).map_err(|e| FileError::new("write", &finished, e))?;
        files::sync_directory(&self.dir)?;
        // The directory of checkpoints has to be found again, too.
        Ok(self.dir.parent().map_or(Ok(()), files::sync_directory)?)
    }

    pub fn load_state(&self, step: u64) -> Result<TrainerState, TrainError> {
        let path = self.path(step).join(STATE_FILE);
        let text = files::read_text(&path)?;
        let broken = |problem: String| TrainError::Checkpoint { path: path.clone(), problem };
        let state: TrainerState = toml::from_str(&text).map_err(|e| broken(e.to_string()))?;
        match state.format == FORMAT && state.step == step {
            true => Ok(state),
            false => Err(broken(format!("it is of format {} and step {}", state.format, state.step))),
        }
    }

    /// Puts parameters, moments and averages back.
    pub fn load_tensors<M: Saved>(
        &self,
        step: u64,
        model: &M,
        optimizer: &mut AdamW,
        average: Option<&mut Average>,
        companion: &mut Companion,
    ) -> Result<(), TrainError> {
        let dir = self.path(step);
        let kept = dir.join(OBJECTIVE_FILE);
        companion.load(if kept.is_file() { tensors(&kept)? } else { BTreeMap::new() })?;
        load_params(model, model.written(&dir)?, &dir)?;
        optimizer.load_state(tensors(&dir.join(OPTIMIZER_FILE))?)?;
        if let Some(average) = average {
            average.load(tensors(&dir.join(AVERAGE_FILE))?)?;
        }
        Ok(())
    }

    /// Gives the model the parameters it would be used with at `step`: averaged ones where an average is
    /// kept.
    pub fn load_final<M: Saved>(&self, step: u64, model: &M, averaged: bool) -> Result<(), TrainError> {
        let dir = self.path(step);
        let mut params = model.written(&dir)?;
        if averaged {
            params.extend(tensors(&dir.join(AVERAGE_FILE))?);
        }
        load_params(model, params, &dir)
    }

    /// Writes what a finished model of `step` keeps of its objective into `out`, where that is something.
    pub fn finish(&self, step: u64, out: &Path) -> Result<(), TrainError> {
        let kept = self.path(step).join(OBJECTIVE_FILE);
        let kept = if kept.is_file() { users::finished(tensors(&kept)?) } else { BTreeMap::new() };
        if kept.is_empty() {
            return Ok(());
        }
        Ok(weights::write(&out.join(users::FILE), kept.iter().map(|(name, tensor)| (name.as_str(), tensor)))?)
    }

    /// Removes all but the newest `keep` and the one of step `best`.
    pub fn rotate(&self, keep: usize, best: Option<u64>) -> Result<(), TrainError> {
        let steps = self.steps()?;
        for &step in &steps[..steps.len().saturating_sub(keep)] {
            if Some(step) != best {
                remove(&self.path(step))?;
            }
        }
        if self.entries()?.is_empty() && self.dir.is_dir() {
            remove(&self.dir)?;
        }
        Ok(())
    }
}

/// A directory that is being removed must not look complete: it is renamed first.
fn remove(path: &Path) -> Result<(), TrainError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let doomed =
        if name.starts_with(PART) { path.to_owned() } else { path.with_file_name(format!("{PART}old-{name}")) };
    if doomed != path {
        fs::rename(path, &doomed).map_err(|e| FileError::new("rename", path, e))?;
    }
    Ok(fs::remove_dir_all(&doomed).map_err(|e| FileError::new("remove", &doomed, e))?)
}

fn tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, TrainError> {
    Ok(Checkpoint::open_files(&[path.to_owned()])?.take_all()?)
}

fn load_params<M: Saved>(model: &M, mut saved: BTreeMap<String, Tensor>, dir: &Path) -> Result<(), TrainError> {
    let _no_grad = tch::no_grad_guard();
    let broken = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    for (name, param) in model.parameters()? {
        let found = saved.remove(name).ok_or_else(|| broken(format!("it has no tensor `{name}`")))?;
        if (found.size(), found.kind()) != (param.size(), param.kind()) {
            let problem = format!(
                "tensor `{name}` is {:?} {:?}, the model has {:?} {:?}",
                found.kind(),
                found.size(),
                param.kind(),
                param.size()
            );
            return Err(broken(problem));
        }
        param.shallow_clone().copy_(&found);
    }
    match saved.is_empty() {
        true => Ok(()),
        false => Err(broken(format!("the model has no tensors {:?}", saved.into_keys().collect::<Vec<_>>()))),
    }
}
