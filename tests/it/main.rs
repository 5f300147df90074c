//! All integration tests in one binary: one link step.

// Token trees hold lists of ranges, often of one.
#![allow(clippy::single_range_in_vec_init)]

#[cfg(feature = "torch")]
mod adapter_runs;
#[cfg(feature = "torch")]
mod adapters;
mod architecture;
#[cfg(feature = "torch")]
mod artifact;
#[cfg(feature = "torch")]
mod broken;
#[cfg(feature = "torch")]
mod by_hand;
#[cfg(feature = "torch")]
mod checkpointing;
mod cli;
mod command;
mod data;
mod demo;
#[cfg(feature = "torch")]
mod encoders;
mod exchange;
#[cfg(feature = "torch")]
mod features;
#[cfg(feature = "torch")]
mod generation;
#[cfg(feature = "torch")]
mod heads;
mod hub;
#[cfg(feature = "torch")]
mod implicit;
mod judge;
#[cfg(feature = "torch")]
mod kernels;
#[cfg(feature = "torch")]
mod merge;
#[cfg(feature = "torch")]
mod methods;
mod metrics;
#[cfg(feature = "torch")]
mod minilm;
#[cfg(feature = "torch")]
mod objectives;
#[cfg(feature = "torch")]
mod optim;
#[cfg(feature = "torch")]
mod padding;
#[cfg(feature = "torch")]
mod parity;
#[cfg(feature = "torch")]
mod pickles;
#[cfg(feature = "torch")]
mod pruning;
mod report;
#[cfg(feature = "torch")]
mod rewardbench;
mod score;
#[cfg(feature = "torch")]
mod segments;
#[cfg(feature = "torch")]
mod selfcheck;
#[cfg(feature = "torch")]
mod sharing;
#[cfg(feature = "torch")]
mod side_by_side;
#[cfg(feature = "torch")]
mod studies;
#[cfg(feature = "torch")]
mod switches;
mod table;
mod text;
#[cfg(feature = "torch")]
mod train;
#[cfg(feature = "torch")]
mod training_logs;
#[cfg(feature = "torch")]
mod weights;

/// Says that a test did nothing, past the test runner's capture of what passing tests print.
fn say_skipped(variable: &str) {
    use std::io::Write;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {variable} is not set");
}
