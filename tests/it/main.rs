//! All integration tests in one binary: one link step.

mod architecture;
#[cfg(feature = "torch")]
mod optim;
#[cfg(feature = "torch")]
mod parity;
#[cfg(feature = "torch")]
mod train;
