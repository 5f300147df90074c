//! Learning-rate schedules with the formulas of transformers (`optimization.py`).
//!
//! The rate of optimiser step t + 1 is a pure function of t = 0, 1, …; with warm-up the first step
//! therefore has rate 0. `w` is the warm-up, `T` the total number of steps, η the base rate and
//! `p = (t − w)/max(1, T − w)`. Only [`Schedule::ReduceOnPlateau`] has a state ([`Plateau`]).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A schedule by name, with its own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// η, without warm-up.
    Constant {},
    /// η.
    ConstantWithWarmup {},
    /// `η·max(0, (T−t)/max(1, T−w))`.
    Linear {},
    /// `η·max(0, ½(1 + cos(2π·c·p)))`.
    Cosine {
        /// c; ½ ends at 0.
        #[serde(default = "half")]
        num_cycles: f64,
    },
    /// `η·max(0, ½(1 + cos(π·((c·p) mod 1))))`, and 0 once p ≥ 1.
    CosineWithRestarts {
        /// c, the number of hard restarts.
        #[serde(default = "one")]
        num_cycles: f64,
    },
    /// `η·[ρ + (1−ρ)·½(1 + cos(2π·c·p))]`.
    CosineWithMinLr {
        /// ρ, the share of η that is left at the end.
        #[serde(default = "tenth")]
        min_lr_rate: f64,
        #[serde(default = "half")]
        num_cycles: f64,
    },
    /// As [`Schedule::CosineWithMinLr`], one step earlier: warm-up `η(t+1)/max(1, w)`, or from ω·η, then
    /// `p = (t−w+1)/max(1, T−w)`.
    CosineWarmupWithMinLr {
        #[serde(default = "tenth")]
        min_lr_rate: f64,
        #[serde(default = "half")]
        num_cycles: f64,
        /// ω, the share of η that warm-up begins with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warmup_lr_rate: Option<f64>,
    },
    /// `(η − end)·(1 − p)^power + end`; `end` after T.
    Polynomial {
        #[serde(default = "tiny")]
        lr_end: f64,
        #[serde(default = "one")]
        power: f64,
    },
    /// `η/√((t+τ−w)/τ)`.
    InverseSqrt {
        /// τ; absent: w, or 10,000 without warm-up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timescale: Option<u64>,
    },
    /// Warm-up, a plateau at η, then a decay to `min_lr_ratio·η`.
    WarmupStableDecay {
        num_decay_steps: u64,
        /// Absent: what warm-up and decay leave of T.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        num_stable_steps: Option<u64>,
        #[serde(default)]
        min_lr_ratio: f64,
        #[serde(default)]
        warmup_type: Ramp,
        #[serde(default = "cosine")]
        decay_type: Ramp,
    },
    /// Multiplies the rate by `factor` when an evaluation has not improved `patience` times in a row
    /// (PyTorch's `ReduceLROnPlateau`). No warm-up.
    ReduceOnPlateau {
        #[serde(default = "tenth")]
        factor: f64,
        #[serde(default = "ten")]
        patience: u64,
        /// Relative change that counts as an improvement.
        #[serde(default = "threshold")]
        threshold: f64,
        #[serde(default)]
        cooldown: u64,
        #[serde(default)]
        min_lr: f64,
    },
}

/// The form of a rise or fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Ramp {
    #[default]
    #[serde(rename = "linear")]
    Linear,
    #[serde(rename = "cosine")]
    Cosine,
    /// Falling 1 − √x, rising 1 − √(1−x).
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

impl Ramp {
    /// From 0 at x = 0 to 1 at x = 1.
    fn rise(self, x: f64) -> f64 {
        match self {
            Ramp::Linear => x,
            Ramp::Cosine => 0.5 * (1.0 - (PI * x).cos()),
            Ramp::OneMinusSqrt => 1.0 - (1.0 - x).sqrt(),
        }
    }

    /// From 1 at x = 0 to 0 at x = 1.
    fn fall(self, x: f64) -> f64 {
        match self {
            Ramp::Linear => 1.0 - x,
            Ramp::Cosine => 0.5 * (1.0 + (PI * x).cos()),
            Ramp::OneMinusSqrt => 1.0 - x.sqrt(),
        }
    }
}

fn half() -> f64 {
    0.5
}
fn one() -> f64 {
    1.0
}
fn tenth() -> f64 {
    0.1
}
fn tiny() -> f64 {
    1e-7
}
fn threshold() -> f64 {
    1e-4
}
fn ten() -> u64 {
    10
}
fn cosine() -> Ramp {
    Ramp::Cosine
}

impl Schedule {
    /// The rate used by optimiser step t + 1. [`Schedule::ReduceOnPlateau`] gives its starting rate.
    pub fn rate(&self, base: f64, warmup: u64, total: u64, t: u64) -> f64 {
        let (w, all, now) = (warmup as f64, total as f64, t as f64);
        let left = (all - w).max(1.0);
        let p = (now - w) / left;
        if t < warmup && self.warms_up_linearly() {
            return base * now / w.max(1.0);
        }
        match *self {
            Schedule::Constant {} | Schedule::ConstantWithWarmup {} | Schedule::ReduceOnPlateau { .. } => base,
            Schedule::Linear {} => base * ((all - now) / left).max(0.0),
            Schedule::Cosine { num_cycles } => base * cosine_wave(num_cycles, p).max(0.0),
            Schedule::CosineWithRestarts { .. } if p >= 1.0 => 0.0,
            Schedule::CosineWithRestarts { num_cycles } => {
                base * (0.5 * (1.0 + (PI * ((num_cycles * p) % 1.0)).cos())).max(0.0)
            }
            Schedule::CosineWithMinLr { min_lr_rate, num_cycles } => {
                base * (min_lr_rate + (1.0 - min_lr_rate) * cosine_wave(num_cycles, p)).max(0.0)
            }
            Schedule::CosineWarmupWithMinLr { warmup_lr_rate, .. } if t < warmup => match warmup_lr_rate {
                None => base * (now + 1.0) / w.max(1.0),
                Some(from) => base * (from + (1.0 - from) * now / (w - 1.0).max(1.0)),
            },
            Schedule::CosineWarmupWithMinLr { min_lr_rate, num_cycles, .. } => {
                let p = (now - w + 1.0) / left;
                base * (min_lr_rate + (1.0 - min_lr_rate) * cosine_wave(num_cycles, p)).max(0.0)
            }
            Schedule::Polynomial { lr_end, .. } if t > total => lr_end,
            Schedule::Polynomial { lr_end, power } => (base - lr_end) * (1.0 - p).powf(power) + lr_end,
            Schedule::InverseSqrt { timescale } => {
                let tau = timescale.unwrap_or(if warmup == 0 { 10_000 } else { warmup }) as f64;
                base / ((now + tau - w) / tau).sqrt()
            }
            Schedule::WarmupStableDecay {
                num_decay_steps,
                num_stable_steps,
                min_lr_ratio,
                warmup_type,
                decay_type,
            } => {
                let stable = num_stable_steps.unwrap_or(total.saturating_sub(warmup + num_decay_steps));
                let shape = if t < warmup {
                    warmup_type.rise(now / w.max(1.0))
                } else if t < warmup + stable {
                    return base;
                } else if t < warmup + stable + num_decay_steps {
                    decay_type.fall((t - warmup - stable) as f64 / (num_decay_steps as f64).max(1.0))
                } else {
                    0.0
                };
                base * (min_lr_ratio + (1.0 - min_lr_ratio) * shape).max(0.0)
            }
        }
    }

    fn warms_up_linearly(&self) -> bool {
        !matches!(
            self,
            Schedule::Constant {}
                | Schedule::ReduceOnPlateau { .. }
                | Schedule::CosineWarmupWithMinLr { .. }
                | Schedule::WarmupStableDecay { .. }
        )
    }

    /// Whether warm-up steps have any effect.
    pub fn has_warmup(&self) -> bool {
        !matches!(self, Schedule::Constant {} | Schedule::ReduceOnPlateau { .. })
    }

    /// What is wrong with the settings, for a run of `total` steps where that is known.
    pub fn problem(&self, base: f64, warmup: u64, total: u64) -> Option<String> {
        let share = |name: &str, x: f64| {
            (!(0.0..=1.0).contains(&x)).then(|| format!("`schedule.{name}` = {x} should be between 0 and 1"))
        };
        match *self {
            Schedule::Polynomial { lr_end, .. } if lr_end.is_nan() || lr_end < 0.0 || lr_end >= base => {
                Some(format!("`schedule.lr-end` = {lr_end} should be at least 0 and below `lr` = {base}"))
            }
            Schedule::CosineWithMinLr { min_lr_rate, .. } => share("min-lr-rate", min_lr_rate),
            Schedule::CosineWarmupWithMinLr { min_lr_rate, warmup_lr_rate, .. } => {
                share("min-lr-rate", min_lr_rate).or_else(|| share("warmup-lr-rate", warmup_lr_rate.unwrap_or(0.0)))
            }
            Schedule::InverseSqrt { timescale: Some(0) } => Some("`schedule.timescale` should be above 0".into()),
            Schedule::WarmupStableDecay { num_decay_steps, num_stable_steps, min_lr_ratio, .. } => {
                let planned = warmup + num_decay_steps + num_stable_steps.unwrap_or(0);
                let long = || {
                    (planned > total).then(|| {
                        format!("warm-up, stable and decay steps add up to {planned}, the run has {total} steps")
                    })
                };
                share("min-lr-ratio", min_lr_ratio).or_else(long)
            }
            Schedule::ReduceOnPlateau { factor, .. } if !(factor > 0.0 && factor < 1.0) => {
                Some(format!("`schedule.factor` = {factor} should be above 0 and below 1"))
            }
            _ => None,
        }
    }
}

fn cosine_wave(num_cycles: f64, p: f64) -> f64 {
    0.5 * (1.0 + (2.0 * PI * num_cycles * p).cos())
}

/// What [`Schedule::ReduceOnPlateau`] remembers between evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    pub rate: f64,
    best: Option<f64>,
    bad: u64,
    cooldown_left: u64,
}

impl Plateau {
    pub fn new(base: f64) -> Self {
        Self { rate: base, best: None, bad: 0, cooldown_left: 0 }
    }

    /// Takes the metric of an evaluation into account; does nothing under any other schedule.
    pub fn observe(&mut self, schedule: &Schedule, metric: f64, larger_is_better: bool) {
        let Schedule::ReduceOnPlateau { factor, patience, threshold, cooldown, min_lr } = *schedule else { return };
        let improved = self.best.is_none_or(|best| {
            if larger_is_better { metric > best * (1.0 + threshold) } else { metric < best * (1.0 - threshold) }
        });
        if improved {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown_left > 0 {
            self.cooldown_left -= 1;
            self.bad = 0;
        }
        if self.bad > patience {
            let reduced = (self.rate * factor).max(min_lr);
            // PyTorch leaves changes below 1e-8 out.
            if self.rate - reduced > 1e-8 {
                self.rate = reduced;
            }
            self.cooldown_left = cooldown;
            self.bad = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_schedule_that_is_a_step_early() {
        // w = 2, T = 6: warm-up (t+1)/2; then p = (t−1)/4 and ½(1 + cos πp) between 1 and ρ = 0.2.
        let schedule = Schedule::CosineWarmupWithMinLr { min_lr_rate: 0.2, num_cycles: 0.5, warmup_lr_rate: None };
        let found: Vec<f64> = (0..6).map(|t| schedule.rate(1.0, 2, 6, t)).collect();
        let root = 0.5f64.sqrt();
        let expected = [0.5, 1.0, 0.6 + 0.4 * root, 0.6, 0.6 - 0.4 * root, 0.2];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found} instead of {expected}");
        }
        // From ω = 0.1: 0.1 + 0.9·t/(w−1).
        let schedule = Schedule::CosineWarmupWithMinLr { min_lr_rate: 0.2, num_cycles: 0.5, warmup_lr_rate: Some(0.1) };
        assert_eq!([0, 1].map(|t| schedule.rate(1.0, 2, 6, t)), [0.1, 1.0]);
    }

    #[test]
    fn plateau_waits_reduces_and_cools_down() {
        let schedule =
            Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: 1e-4, cooldown: 1, min_lr: 0.2 };
        let mut plateau = Plateau::new(1.0);
        // The third 1.0 exceeds the patience; the fourth cools down; the sixth exceeds it again; 0.5 is
        // an improvement (and the second cooling); then two bad ones lead to the floor.
        let rates: Vec<f64> = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
            .into_iter()
            .map(|loss| {
                plateau.observe(&schedule, loss, false);
                plateau.rate
            })
            .collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]);
    }

    #[test]
    fn unknown_settings_of_a_schedule_are_refused() {
        let parse = |text: &str| toml::from_str::<Schedule>(text);
        assert_eq!(parse("name = 'cosine'").unwrap(), Schedule::Cosine { num_cycles: 0.5 });
        assert!(parse("name = 'linear'\nnum-cycles = 1.0").is_err());
        assert!(parse("name = 'cosine'\ncycles = 1.0").is_err());
        assert!(Schedule::Polynomial { lr_end: 1e-3, power: 1.0 }.problem(1e-3, 0, 10).is_some());
    }
}
