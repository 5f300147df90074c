//! All integration tests in one binary: one link step.

mod architecture;
#[cfg(feature = "torch")]
mod parity;
mod table;
mod text;
mod data;
