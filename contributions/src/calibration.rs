//! Calibration as metrics of items: Brier score and ECE. What they measure stands in [`rmbench_estimators::calibration`].

pub use rmbench_estimators::calibration::{
    BINS, Binned, Brier, ELO, Pair, SUMS, bin, bin_terms, fit_terms, ln_sigmoid, sigmoid, slope, slope_terms,
    transfer_terms,
};

use crate::item::{Item, View};
use crate::outcome::{Evidence, is_complete};
use crate::rule::Protocol;
use crate::unit::Unit;
use crate::{Group, Metric};

/// Margins of a complete item: every chosen against every rejected response; they share the item's weight.
pub fn margins(item: &Item<'_>) -> Vec<f64> {
    let mut margins = Vec::new();
    each_margin(item, |margin, _| margins.push(margin));
    margins
}

/// Adds (cluster, margin, weight) of every pair of responses of complete items; returns how many items these are.
pub fn weighted_margins(view: &View<'_>, units: &[Unit], pairs: &mut Vec<Pair>) -> usize {
    let mut n = 0;
    for unit in units {
        for place in unit.places() {
            let item = view.item(place);
            n += usize::from(each_margin(&item, |margin, weight| pairs.push((unit.cluster, margin, weight))));
        }
    }
    n
}

/// Each of an item's margins with its share of the item's weight; whether there is any.
pub(super) fn each_margin(item: &Item<'_>, mut take: impl FnMut(f64, f64)) -> bool {
    let of = |chosen: usize, rejected: usize| {
        Some(Evidence::Rewards.chosen(item, chosen)? - Evidence::Rewards.rejected(item, rejected)?)
    };
    let (k, m) = (item.chosen.len(), item.rejected.len());
    if !is_complete(item) || k * m == 0 {
        return false;
    }
    // Complete: all of them are there.
    let weight = 1.0 / (k * m) as f64;
    for chosen in 0..k {
        for rejected in 0..m {
            if let Some(margin) = of(chosen, rejected) {
                take(margin, weight);
            }
        }
    }
    true
}

/// Mean (1 − p)², p = σ(margin): sums and items.
pub struct BrierScore;

impl Metric for BrierScore {
    fn id(&self) -> &'static str {
        "brier"
    }

    fn about(&self) -> &'static str {
        "Mean squared distance of σ(margin) from the preference: 0 is perfect, 0.25 is what a coin gets."
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let found = each_margin(&item, |margin, weight| sums[0] += weight * sigmoid(-margin).powi(2));
            sums[1] += f64::from(u8::from(found));
            any |= found;
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

/// ECE with [`BINS`] bins. Only Σ(p − y) of a bin enters, so one sum per bin will do. Asked in both orders, what is added to a
/// bin is taken from the one opposite: half of the bins say it all, and N last.
pub struct ExpectedError;

impl Metric for ExpectedError {
    fn id(&self) -> &'static str {
        "ece"
    }

    fn about(&self) -> &'static str {
        "Expected calibration error of σ(margin), 10 equal bins, both orders: how far probabilities are from shares."
    }

    fn width(&self) -> usize {
        OPPOSITE + 1
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            // 1 − σ(m) = σ(−m). Without a margin both orders are in one bin and cancel.
            let found = each_margin(&item, |margin, weight| {
                if margin != 0.0 {
                    // The probability of the likelier side lies in an upper bin, of which 0 is the lowest.
                    let at = bin(sigmoid(margin.abs()), BINS).saturating_sub(OPPOSITE);
                    sums[at] -= margin.signum() * weight * sigmoid(-margin);
                }
            });
            sums[OPPOSITE] += f64::from(u8::from(found));
            any |= found;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[OPPOSITE] > 0.0).then(|| sums[..OPPOSITE].iter().map(|gap| gap.abs()).sum::<f64>() / sums[OPPOSITE])
    }
}

/// Bins above a half, each with one opposite.
const OPPOSITE: usize = BINS / 2;
