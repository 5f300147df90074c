//! What every loop of this module does between a step's gradients and its logs.

use super::error::TrainError;
use super::optimizer::{AdamW, clip_grad_norm, non_finite_gradients};
use super::phase::Phases;
use super::settings::TrainSettings;

/// Clips and applies the gradients of step `t` (from 0) and sets them to zero; their norm before that, and the rate.
/// `plateau` is the rate of a schedule that follows the evaluations; `pairs` names some of the step for an error.
pub fn apply(
    optimizer: &mut AdamW,
    settings: &TrainSettings,
    phases: &Phases,
    (t, plateau): (u64, f64),
    pairs: impl FnOnce() -> String,
) -> Result<(f64, f64), TrainError> {
    let limit = Some(settings.clip).filter(|&clip| clip > 0.0);
    let grad_norm = clip_grad_norm(optimizer.params().map(|(_, param)| param), limit);
    if !grad_norm.is_finite() {
        let names = non_finite_gradients(optimizer.params());
        let what = match names.first() {
            None => format!("the gradient norm is {grad_norm}"),
            Some(first) => format!("the gradients of {} parameters, first `{first}`, are not finite", names.len()),
        };
        return Err(TrainError::NonFinite { step: t + 1, what, pairs: pairs() });
    }
    let lr = phases.rate(settings, t, plateau);
    optimizer.step(lr);
    optimizer.zero_grad();
    Ok((grad_norm, lr))
}

/// Whether something that happens every `every` steps, or else at the end of every epoch, is due after step `step`.
pub fn is_due(step: u64, every: Option<u64>, steps_per_epoch: u64) -> bool {
    step.is_multiple_of(every.unwrap_or(steps_per_epoch).max(1))
}
