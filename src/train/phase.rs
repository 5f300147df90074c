//! Which phase a step belongs to, and its learning rate.

use super::schedule::Schedule;
use super::settings::TrainSettings;

/// A run is pre-training (maybe of no steps), then preference learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Pretraining,
    Preferences,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pretraining => "pretraining",
            Phase::Preferences => "preferences",
        }
    }
}

/// The steps of a run by phase.
#[derive(Debug, Clone, Copy)]
pub struct Phases {
    pub pretraining: u64,
    pub preferences: u64,
}

impl Phases {
    pub fn of(settings: &TrainSettings, steps_per_epoch: u64) -> Self {
        Self {
            pretraining: settings.pretraining_steps(steps_per_epoch),
            preferences: settings.total_steps(steps_per_epoch),
        }
    }

    pub fn total(&self) -> u64 {
        self.pretraining + self.preferences
    }

    /// The phase of step `t` (from 0).
    pub fn at(&self, t: u64) -> Phase {
        if t < self.pretraining { Phase::Pretraining } else { Phase::Preferences }
    }

    /// The learning rate of step `t`: each phase runs through the schedule once. `plateau` is the rate
    /// of a schedule that follows the evaluations.
    pub fn rate(&self, settings: &TrainSettings, t: u64, plateau: f64) -> f64 {
        let (base, total, t) = match self.at(t) {
            Phase::Pretraining => (settings.pretraining.lr.unwrap_or(settings.lr), self.pretraining, t),
            Phase::Preferences => (settings.lr, self.preferences, t - self.pretraining),
        };
        match &settings.schedule {
            Schedule::ReduceOnPlateau { .. } if self.pretraining > 0 && total == self.pretraining => base,
            Schedule::ReduceOnPlateau { .. } => plateau,
            schedule => schedule.rate(base, settings.warmup(total), total, t),
        }
    }

    /// (weight of the next-token loss, share of mismatched pairs) in step `t`.
    pub fn auxiliary(&self, settings: &TrainSettings, t: u64) -> (f64, f64) {
        match self.at(t) {
            Phase::Pretraining => (settings.pretraining.lm_weight, 1.0),
            Phase::Preferences => {
                let lm_weight = settings.auxiliary.lm_weight + settings.objective.lm_weight();
                (lm_weight, settings.auxiliary.mismatched_share)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_a_schedule_of_its_own() {
        let mut settings = TrainSettings { lr: 1.0, warmup_steps: Some(2), epochs: 1.0, ..TrainSettings::default() };
        settings.pretraining.epochs = 0.5;
        settings.pretraining.lr = Some(4.0);
        let phases = Phases::of(&settings, 12);
        assert_eq!((phases.pretraining, phases.preferences, phases.total()), (6, 12, 18));
        let rates: Vec<f64> = (0..9).map(|t| phases.rate(&settings, t, 0.0)).collect();
        assert_eq!(rates, [0.0, 2.0, 4.0, 3.0, 2.0, 1.0, 0.0, 0.5, 1.0]);
        assert_eq!(phases.auxiliary(&settings, 5), (1.0, 1.0));
        assert_eq!(phases.auxiliary(&settings, 6), (0.0, 0.0));
    }
}
