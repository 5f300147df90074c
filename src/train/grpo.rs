//! Judges that learn from their own judgments: group-relative policy optimisation with worths that follow from the data
//! (HelpSteer3's and Nemotron's generative reward models, arXiv 2505.11475; arXiv 2402.03300).
//!
//! A step asks some questions, writes a group of replies to each, and moves the policy towards those that are worth more
//! than their group's mean, held by its distance from the model that training began with. Each sample is used once. What
//! is drawn is a function of (seed, step, question, place in the group), so that a resumed run goes on as it would have.

pub mod begin;
pub mod evaluation;
pub mod model;
pub mod questions;
pub mod settings;
mod step;

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::advance;
use super::average::Average;
use super::checkpoint::{Checkpoints, Contents};
use super::companion::Companion;
use super::directory::{Opening, RUN_FILE};
use super::error::TrainError;
use super::journal::{Journal, Kind};
use super::optimizer::AdamW;
use super::phase::Phases;
use super::run::write_json;
use super::sampler::Sampler;
use super::settings::{Groups, TrainSettings};
use crate::progress::Progress;
use crate::provenance::RunInfo;
use model::JudgeModel;
use questions::Asked;
pub use settings::JudgeTraining;
use step::Step;

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeSummary {
    pub steps: u64,
    /// Of the evaluation questions after the last step.
    pub evaluation: Option<evaluation::Share>,
}

/// What to train, on what, and where to put it.
pub struct JudgeJob<'a> {
    pub settings: &'a TrainSettings,
    pub judge: &'a JudgeTraining,
    pub train: &'a [Asked],
    pub eval: &'a [Asked],
    pub out: &'a Path,
    pub resume: bool,
    pub run: RunInfo,
}

/// Trains the policy in place and writes its directory; `None` where `resume` found the run finished.
pub fn run(model: &JudgeModel, job: JudgeJob, progress: &mut dyn Progress) -> Result<Option<JudgeSummary>, TrainError> {
    let JudgeJob { settings, judge, out, .. } = job;
    let Some(opening) = Opening::of(settings, out, job.resume, job.run.clone(), progress)? else { return Ok(None) };
    opening.write(out, progress)?;
    let Opening { mut state, resumes, run: info } = opening;
    let costs = job.train.iter().map(|asked| asked.question.ids.len()).collect();
    let mut sampler = Sampler::new(costs, settings.batch_size, settings.length_window, settings.seed);
    let phases = Phases::of(settings, sampler.steps_per_epoch());
    settings.validate_length(phases.total(), !job.eval.is_empty())?;
    let params = model.policy().params().iter().map(|(name, tensor)| (name.as_str(), tensor));
    let groups = Groups::of(&settings.groups);
    let mut optimizer = AdamW::new(params, |name| groups.group(name, None), settings.optimizer())?;
    let checkpoints = Checkpoints::of(out);
    if resumes {
        checkpoints.load_tensors(state.step, model, &mut optimizer, None::<&mut Average>, &mut Companion::None)?;
    }
    let mut journal = Journal::open(out, state.logs, settings.tensorboard)?;
    let total = phases.total();
    progress.begin("training", total, "steps");
    progress.advance(state.step);
    let mut last = None;
    while !state.finished {
        let began = Instant::now();
        let t = state.step;
        let batch: Vec<&Asked> = sampler.batch(t).1.iter().map(|&index| &job.train[index]).collect();
        let report = Step { model, settings, judge, t }.run(&batch)?;
        let names = || batch.iter().take(4).map(|asked| asked.id.clone()).collect::<Vec<_>>().join(", ");
        let (grad_norm, lr) = advance::apply(&mut optimizer, settings, &phases, (t, state.plateau.rate), names)?;
        state.step = t + 1;
        journal.write(Kind::Step, state.step, &report.to_json(state.step, grad_norm, lr))?;
        let seconds = began.elapsed().as_secs_f64();
        let rate = report.tokens as f64 / seconds;
        let line = json!({"step": state.step, "seconds": seconds, "new_tokens_per_second": rate});
        journal.write(Kind::Timing, state.step, &line)?;
        progress.advance(1);
        progress.note(&report.note());
        let is_last = state.step == total;
        let (step, per_epoch) = (state.step, sampler.steps_per_epoch());
        let due = |every: Option<u64>| is_last || advance::is_due(step, every, per_epoch);
        if !job.eval.is_empty() && due(settings.eval_every) {
            let found = evaluation::evaluate(model, job.eval, judge)?;
            journal.write(Kind::Evaluation, state.step, &found.to_json(state.step))?;
            progress.line(&format!("step {}: held-out {}", state.step, found.summary()));
            state.evaluations += 1;
            last = Some(found.overall);
        }
        state.finished = is_last;
        if due(settings.save_every) {
            state.logs = journal.sync()?;
            let contents = Contents { model, optimizer: &optimizer, average: None, companion: &Companion::None };
            checkpoints.save(&contents, &state)?;
            checkpoints.rotate(settings.keep_checkpoints.max(1), None)?;
        }
    }
    progress.finish();
    model.save(out)?;
    write_json(&out.join(RUN_FILE), &info)?;
    checkpoints.rotate(settings.keep_checkpoints, None)?;
    Ok(Some(JudgeSummary { steps: state.step, evaluation: last }))
}
