//! All integration tests in one binary: one link step.

mod architecture;
#[cfg(feature = "torch")]
mod artifact;
#[cfg(feature = "torch")]
mod minilm;
#[cfg(feature = "torch")]
mod optim;
#[cfg(feature = "torch")]
mod parity;
mod table;
mod text;
mod data;
#[cfg(feature = "torch")]
mod train;
mod report;
