//! JudgeBench's rule of two orders (arXiv 2410.12784): every verdict that is right adds 1, every wrong one
//! takes 1 away, a tie and a missing verdict count nothing; the pair is right where the sum is positive. So
//! right and tie is right, right and wrong is not. With one verdict per pair it is strict accuracy.
//!
//! Chosen and rejected response i stand for the i-th order. A pair whose every verdict is missing counts as
//! wrong as long as it was judged, as in the reference; how many those are is the share without a verdict.
//!
//! In single-game mode the reference turns a reward model's tie into "B>A", so that ties win where the label
//! says so; here a tie is a tie. Importing a tool's decisions instead of its scores reproduces it.

use crate::item::Item;
use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::{Group, Metric};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Score,
    First,
    Inconsistent,
    Silent,
}

pub struct TwoOrders {
    part: Part,
    evidence: Evidence,
}

const fn of_rewards(part: Part) -> TwoOrders {
    TwoOrders { part, evidence: Evidence::Rewards }
}

pub static TWO_ORDERS: TwoOrders = of_rewards(Part::Score);
pub static FIRST: TwoOrders = of_rewards(Part::First);
pub static INCONSISTENT: TwoOrders = of_rewards(Part::Inconsistent);
pub static SILENT: TwoOrders = of_rewards(Part::Silent);
pub static LONGEST_WINS: TwoOrders = TwoOrders { part: Part::Score, evidence: Evidence::Characters };

// Where each sum stands.
const RIGHT: usize = 0;
const N: usize = 1;
const FIRST_RIGHT: usize = 2;
const DIFFER: usize = 3;
const TWICE: usize = 4;
const WITHOUT: usize = 5;

impl TwoOrders {
    /// Of the sums whose ratio it is.
    fn places(&self) -> (usize, usize) {
        match self.part {
            Part::Score => (RIGHT, N),
            Part::First => (FIRST_RIGHT, N),
            Part::Silent => (WITHOUT, N),
            Part::Inconsistent => (DIFFER, TWICE),
        }
    }
}

/// The verdict of one order: 1 right, −1 wrong, 0 tie; `None`: there is none.
fn verdict(evidence: Evidence, item: &Item<'_>, order: usize) -> Option<i8> {
    let (chosen, rejected) = (evidence.chosen(item, order)?, evidence.rejected(item, order)?);
    Some(i8::from(chosen > rejected) - i8::from(chosen < rejected))
}

impl Metric for TwoOrders {
    fn id(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "two-orders-longest-wins",
            (_, Part::Score) => "two-orders",
            (_, Part::First) => "two-orders-first",
            (_, Part::Inconsistent) => "two-orders-inconsistent",
            (_, Part::Silent) => "two-orders-silent",
        }
    }

    fn about(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "The rule of two orders for always preferring the longer response.",
            (_, Part::Score) => "Share of pairs with more right than wrong verdicts in the two orders.",
            (_, Part::First) => "Share of pairs that the verdict in the first order gets right.",
            (_, Part::Inconsistent) => "Share of pairs whose verdicts in the two orders differ.",
            (_, Part::Silent) => "Share of pairs of which a judgment gave no verdict.",
        }
    }

    fn width(&self) -> usize {
        6
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let orders = item.chosen.len();
            let lengths_known = self.evidence == Evidence::Rewards || self.evidence.extremes(&item).is_some();
            if !item.seen || orders == 0 || orders != item.rejected.len() || !lengths_known {
                continue;
            }
            let verdict = |order: usize| verdict(self.evidence, &item, order);
            let sum: i32 = (0..orders).filter_map(verdict).map(i32::from).sum();
            let add = |sum: &mut f64, condition: bool| *sum += f64::from(u8::from(condition));
            add(&mut sums[RIGHT], sum > 0);
            add(&mut sums[FIRST_RIGHT], verdict(0) == Some(1));
            add(&mut sums[WITHOUT], (0..orders).any(|order| verdict(order).is_none()));
            if orders > 1 {
                add(&mut sums[DIFFER], (1..orders).any(|order| verdict(order) != verdict(0)));
                sums[TWICE] += 1.0;
            }
            sums[N] += 1.0;
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let (part, of) = self.places();
        (sums[of] > 0.0).then(|| sums[part] / sums[of])
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some(self.places())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::TiePolicy;

    /// Right right, right tie, right wrong, tie tie, none right, none none, wrong tie: the sums are 2, 1, 0, 0, 1,
    /// 0, −1, so three of seven pairs are right.
    #[test]
    fn every_pair_of_verdicts_by_hand() {
        let (right, wrong, tie, none) =
            ((Some(1.0), Some(0.0)), (Some(0.0), Some(1.0)), (Some(0.5), Some(0.5)), (None, None));
        let pairs =
            [(right, right), (right, tie), (right, wrong), (tie, tie), (none, right), (none, none), (wrong, tie)];
        let mut sums = [0.0; 6];
        let protocol = Protocol { ties: TiePolicy::Loss };
        for (first, second) in pairs {
            let (chosen, rejected) = ([first.0, second.0], [first.1, second.1]);
            let chars = [1, 1];
            let item = Item {
                chosen: &chosen,
                rejected: &rejected,
                chosen_chars: &chars,
                rejected_chars: &chars,
                chosen_tokens: &chars,
                rejected_tokens: &chars,
                chosen_grades: &[],
                rejected_grades: &[],
                pairs: None,
                seen: true,
                judged: None,
            };
            assert!(TWO_ORDERS.contribute(&Group::One(item), &protocol, &mut sums));
        }
        let of = |metric: &TwoOrders| metric.finish(&sums).unwrap();
        assert_eq!(of(&TWO_ORDERS), 3.0 / 7.0);
        assert_eq!(of(&FIRST), 3.0 / 7.0);
        assert_eq!(of(&INCONSISTENT), 4.0 / 7.0);
        assert_eq!(of(&SILENT), 2.0 / 7.0);
    }
}
