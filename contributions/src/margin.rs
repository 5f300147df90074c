//! Mean margin = Σ (reward of the lowest chosen − reward of the highest rejected response) / n, in the model's
//! own unit. For pairs it is the mean reward of chosen minus the mean reward of rejected responses, which
//! MM-Eval's language disparity index is made of (arXiv 2410.17578):
//!
//! LDI = mean over languages of the mean margin / largest mean margin of a language.

use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::{Group, Metric};

pub struct MeanMargin;

/// Sums: margins, items.
impl Metric for MeanMargin {
    fn id(&self) -> &'static str {
        "mean-margin"
    }

    fn about(&self) -> &'static str {
        "Mean reward of chosen minus rejected responses, in the model's own unit."
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for extremes in group.items().filter_map(|item| Evidence::Rewards.extremes(&item)) {
            sums[0] += extremes.margin();
            sums[1] += 1.0;
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[1] > 0.0).then(|| sums[0] / sums[1])
    }
}
