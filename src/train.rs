//! From preference pairs to a model directory.
//!
//! [`run::run`] is the way in. Everything that could make a result depend on when a run was interrupted
//! is a function of settings, data and step: the order of pairs ([`sampler`]), dropout masks
//! (`DropoutKey`), rates ([`schedule`]). What is left, parameters, moments, averages and a few counters,
//! is in the [`checkpoint`], so that `--resume` goes on to the same bytes.

mod advance;
mod arithmetic;
pub mod average;
pub mod begin;
pub mod begin_policy;
pub mod checkpoint;
pub mod companion;
mod data;
pub mod directory;
pub mod donors;
pub mod embedded;
pub mod engine;
pub mod error;
pub mod evaluation;
pub mod fraction;
pub mod frozen;
pub mod goals;
pub mod grpo;
pub mod heads;
pub mod journal;
mod kept;
pub mod mixture;
pub mod moments;
pub mod optimizer;
pub mod overlap;
mod passes;
pub mod personal;
pub mod phase;
pub mod policy;
pub mod prepare;
mod record;
pub mod reference;
pub mod run;
pub mod sampler;
pub mod scalar;
pub mod schedule;
pub mod settings;
mod speed;
mod stand_ins;
mod step_report;
mod tensorboard;
pub mod trainable;
mod update;
mod values;
mod views;
mod weighting;

pub use error::TrainError;
pub use run::{TrainJob, TrainOutcome, TrainSummary, run};
pub use settings::TrainSettings;
pub use trainable::{Ask, Forward, PairSize, Trainable};
