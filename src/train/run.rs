//! A training run from pairs to a model directory.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::checkpoint::{Best, Checkpoints};
use super::data::{Data, data};
use super::directory::{Opening, PAIRS_FILE, RUN_FILE};
use super::engine::Engine;
use super::error::TrainError;
use super::evaluation::Evaluation;
use super::mixture::Mixture;
use super::overlap::digest;
use super::prepare::LengthCounts;
use super::settings::{FinalModel, TrainSettings};
use super::trainable::Trainable;
use crate::files;
use crate::lang::Lang;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;

/// What to train, on what, and where to put it.
pub struct TrainJob<'a> {
    pub settings: &'a TrainSettings,
    pub train: &'a [Comparison],
    /// How many of them are from each data file, in order; empty: all from one.
    pub parts: &'a [usize],
    /// May be empty.
    pub eval: &'a [Comparison],
    pub out: &'a Path,
    pub resume: bool,
    /// Name, model, kind, device, dtype and digests of model and files; the rest is filled in.
    pub run: RunInfo,
}

/// What came of it.
#[derive(Debug)]
pub struct TrainSummary {
    /// Optimiser steps done.
    pub steps: u64,
    /// The step whose parameters the finished model has.
    pub final_step: u64,
    pub best: Option<Best>,
    /// The last evaluation of this process; absent where there was none.
    pub evaluation: Option<Evaluation>,
    /// What happened to training pairs, by language.
    pub lengths: BTreeMap<Lang, LengthCounts>,
    pub run: RunInfo,
}

/// How a run ended.
#[derive(Debug)]
pub enum TrainOutcome {
    Trained(Box<TrainSummary>),
    /// `resume` found the run finished; nothing was done.
    AlreadyComplete,
}

/// Trains `model` in place and writes its directory. Afterwards the model has the finished parameters.
pub fn run<M: Trainable>(model: &M, job: TrainJob, progress: &mut dyn Progress) -> Result<TrainOutcome, TrainError> {
    let TrainJob { settings, out, .. } = job;
    settings.validate()?;
    let Some(opening) = Opening::of(settings, out, job.resume, described(&job), progress)? else {
        return Ok(TrainOutcome::AlreadyComplete);
    };
    let Data { train, eval, files } = data(model, &job, progress)?;
    opening.write(out, progress)?;
    write_json(&out.join(PAIRS_FILE), &json!({"training": train.counts, "evaluation": eval.counts}))?;
    let Opening { state, resumes, run } = opening;
    let mixture = Mixture::new(&train.pairs, &files, &settings.sampling, settings.seed);
    if !settings.sampling.is_plain() {
        progress.line(&mixture.summary());
    }
    let mut engine = Engine::new(model, settings, (&train, mixture), &eval, out, state, resumes)?;
    engine.train(progress)?;
    let final_step = match (settings.final_model, engine.state().best) {
        (FinalModel::Best, Some(best)) => best.step,
        _ => engine.state().step,
    };
    engine.settle(final_step)?;
    model.save(out)?;
    Checkpoints::of(out).finish(final_step, out)?;
    write_json(&out.join(RUN_FILE), &run)?;
    // Only now is nothing left to resume.
    Checkpoints::of(out).rotate(settings.keep_checkpoints, None)?;
    Ok(TrainOutcome::Trained(Box::new(TrainSummary {
        steps: engine.state().step,
        final_step,
        best: engine.state().best,
        evaluation: engine.last_evaluation().cloned(),
        lengths: train.counts,
        run,
    })))
}

/// The caller's description with what the pairs are.
fn described(job: &TrainJob) -> RunInfo {
    let mut run = job.run.clone();
    run.digests.insert("content/train".into(), digest(job.train));
    if !job.eval.is_empty() {
        run.digests.insert("content/eval".into(), digest(job.eval));
    }
    run
}

/// Readable, with a newline at the end.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| TrainError::Checkpoint { path: path.to_owned(), problem: e.to_string() })?;
    text.push('\n');
    Ok(files::write_bytes(path, text.as_bytes())?)
}
