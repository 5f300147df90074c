//! Mean −ln σ(margin): the loss of Bradley–Terry, in nats (what training minimises, measured on a benchmark).

use crate::metric::calibration::{ln_sigmoid, margins};
use crate::metric::{Group, Metric, Protocol};

/// Sums: loss, items. Items with an infinite margin have none: one of them would be everything.
pub struct LogLoss;

impl Metric for LogLoss {
    fn id(&self) -> &'static str {
        "log-loss"
    }

    fn about(&self) -> &'static str {
        "Mean −ln σ(margin): 0 is perfect, 0.693 is what a coin gets, and being sure of the wrong side has no limit."
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let margins = margins(&item);
            let loss: f64 = margins.iter().map(|margin| -ln_sigmoid(*margin)).sum();
            if !margins.is_empty() && loss.is_finite() {
                sums[0] += loss / margins.len() as f64;
                sums[1] += 1.0;
                any = true;
            }
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[1] > 0.0).then(|| sums[0] / sums[1])
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}
