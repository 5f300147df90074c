//! All integration tests in one binary: one link step.

#[cfg(feature = "torch")]
mod parity;
