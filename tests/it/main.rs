//! All integration tests in one binary: one link step.

mod architecture;
mod metrics;
#[cfg(feature = "torch")]
mod parity;
mod table;
