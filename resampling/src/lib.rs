//! Resampling of many numbers at once: weights [replicates × clusters] times contributions
//! [clusters × sums], then every number as a function of the sums.
//!
//! A package of its own so that these loops are optimised in the development profile, too; nothing generic
//! stands at its surface, because generic code is optimised, or not, with its caller. It knows clusters,
//! columns and programs, and nothing of benchmarks.
//!
//! In order of use: [`columns`] holds what clusters add to sums, [`program`] what is computed from the
//! sums, [`clusters`] says what is drawn, [`draws`] draws it, [`resample`] multiplies (`matrix` lays columns out for `product`;
//! `left_out` is the jackknife) and evaluates, [`summary`] reads replicates, [`stepdown`] tests families of them, [`best`] counts who
//! is first.

pub mod best;
pub mod clusters;
pub mod columns;
pub mod draws;
mod left_out;
mod matrix;
mod product;
pub mod program;
pub mod random;
pub mod resample;
pub mod stepdown;
pub mod summary;

/// Replicates computed together, one per lane of a vector register.
pub const LANES: usize = 32;
