//! All integration tests in one binary: one link step.

mod architecture;
mod demo;
#[cfg(feature = "torch")]
mod parity;
mod text;
