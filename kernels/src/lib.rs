//! The parts of a transformer's passes on one CPU core that libtorch leaves slow.
//!
//! [`attention`] over token trees is exact softmax attention that computes what is seen and little more,
//! with bf16 products where the processor has them. [`rows`] does what happens to rows between matrix
//! products (norms, rotary positions, gates) in one pass each, [`row_gradients`] the way back.
//!
//! Plain slices in and out, no allocation beyond a scratch buffer, no threads. The package is separate
//! from rmbench so that it is optimised in every profile; nothing that computes is generic at its surface,
//! since generic code is compiled, and so optimised or not, with whoever calls it. What the processor
//! offers is found out once ([`Level::best`]); all levels give the same numbers up to rounding, and the
//! same bits every time.

pub mod attention;
pub mod bf16;
mod dispatch;
mod exp;
mod lanes;
mod level;
pub mod log_sum_exp;
pub mod row_gradients;
pub mod rows;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use bf16::Bf16;
pub use level::Level;
