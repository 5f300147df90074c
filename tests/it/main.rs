//! All integration tests in one binary: one link step.

mod architecture;
mod cli;
mod command;
mod data;
#[cfg(feature = "torch")]
mod parity;
mod score;
mod table;
mod text;
