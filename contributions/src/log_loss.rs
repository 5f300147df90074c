//! Mean −ln σ(margin): the loss of Bradley–Terry, in nats (what training minimises, measured on a benchmark).

use crate::calibration::{each_margin, ln_sigmoid};
use crate::rule::Protocol;
use crate::{Group, Metric};

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
            let (mut loss, mut n) = (0.0, 0.0);
            let found = each_margin(&item, |margin, _| {
                loss -= ln_sigmoid(margin);
                n += 1.0;
            });
            if found && loss.is_finite() {
                sums[0] += loss / n;
                sums[1] += 1.0;
                any = true;
            }
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}
