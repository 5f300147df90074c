//! Estimators that pass over all items many times, and the distributions that thousands of intervals and tests read.
//!
//! A package of its own, because it is optimised in the development profile, too: nothing at its surface is generic (generic
//! code is optimised, or not, with its caller). Pure functions of numbers; what an item is they do not know.

pub mod agreement;
pub mod auroc;
pub mod calibration;
pub mod clustered;
pub mod comparable;
pub mod components;
pub mod correlation;
pub mod gamma;
pub mod irt;
pub mod lasso;
pub mod least;
pub mod length;
pub mod logistic;
pub mod magnitude;
pub mod mahalanobis;
pub mod normal;
pub mod permutation;
pub mod rank_region;
pub mod replicates;
pub mod selective;
pub mod student;
pub mod wilson;
