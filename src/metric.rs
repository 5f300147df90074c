//! Pure functions over items: what each item adds to a few sums, and one function of the sums.
//!
//! Breakdown (subset, category, language, overall), weighting and intervals are done once around that
//! form, which makes the bootstrap a matrix product. In order of use: [`design`] cuts a benchmark into
//! cells and clusters, [`observe`] collects what each item adds, [`sheet`] computes everything that is
//! a function of the sums, [`aggregate`] writes scores and averages into a sheet, [`bootstrap`]
//! evaluates the sheet on resampled sums.

pub mod aggregate;
pub mod bootstrap;
pub mod cochran;
pub mod design;
pub mod estimate;
pub mod interval;
pub mod linkage;
pub mod mcnemar;
pub mod multiplicity;
pub mod observe;
pub mod parallel;
pub mod permutation;
pub mod power;
pub mod power_law;
pub mod ranking;
pub mod resample;
pub mod sheet;
pub mod spread;
pub mod stuart_maxwell;
pub mod style;

pub use estimate::{Estimate, Interval};
pub use rmbench_contributions::rule::{Protocol, TiePolicy};
pub use rmbench_contributions::{
    Group, MAX_WIDTH, METRICS, Metric, accuracy, calibration, graded, judgment, length, log_loss, margin, outcome,
    parts_of, score_of, style_matrix, ties, two_orders,
};
pub use rmbench_estimators::{
    agreement, auroc, clustered, comparable, components, correlation, gamma, irt, lasso, least, logistic, magnitude,
    mahalanobis, normal, rank_region, replicates, selective, student,
};
pub use rmbench_resampling::columns;
