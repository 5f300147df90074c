//! From preference pairs to a model directory.

pub mod average;
pub mod optimizer;
pub mod schedule;
