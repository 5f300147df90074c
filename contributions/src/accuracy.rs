//! accuracy = Σ credit / n, credit 1 where every chosen response beats every rejected one.
//!
//! Pairs and best-of-N alike; a tie is worth what the policy says. Under 1/k (RewardBench 2) a right
//! response that shares the maximum with k − 1 wrong ones gets 1/k; with several chosen responses the
//! lowest of them is the one that must hold its own. Protocols: RewardBench v1 `run_rm.py` (strict `>`),
//! RewardBench 2 `reroll_and_score_dataset` (1/k).

use crate::item::View;
use crate::outcome::{Evidence, Extremes, Outcome, has_tie, is_decided};
use crate::rule::{Protocol, TiePolicy};
use crate::unit::Unit;
use crate::{Group, Metric};

pub struct Accuracy {
    evidence: Evidence,
}

pub static ACCURACY: Accuracy = Accuracy { evidence: Evidence::Rewards };
pub static LONGEST_WINS: Accuracy = Accuracy { evidence: Evidence::Characters };

/// What an item is worth; `None`: left out.
pub fn credit(extremes: &Extremes, ties: TiePolicy) -> Option<f64> {
    match (extremes.outcome(), ties) {
        (Outcome::ChosenWins, _) => Some(1.0),
        (Outcome::RejectedWins, _) | (Outcome::Tie, TiePolicy::Loss) => Some(0.0),
        (Outcome::Tie, TiePolicy::Half) => Some(0.5),
        (Outcome::Tie, TiePolicy::OneOverK) => Some(1.0 / (1 + extremes.n_best_rejected) as f64),
        (Outcome::Tie, TiePolicy::Exclude) => None,
    }
}

/// Adds (cluster, |margin|, credit) of every item that is worth something.
pub fn confidences(view: &View<'_>, units: &[Unit], protocol: &Protocol, items: &mut Vec<(u32, f64, f64)>) {
    for unit in units {
        for place in unit.places() {
            let Some(extremes) = Evidence::Rewards.extremes(&view.item(place)) else { continue };
            if let Some(credit) = credit(&extremes, protocol.ties) {
                items.push((unit.cluster, extremes.margin().abs(), credit));
            }
        }
    }
}

/// Adds what items are worth to the sums (credit, items); false where none is worth anything.
pub fn add_credits(credits: impl Iterator<Item = Option<f64>>, sums: &mut [f64]) -> bool {
    let mut any = false;
    for credit in credits.flatten() {
        sums[0] += credit;
        sums[1] += 1.0;
        any = true;
    }
    any
}

/// Sums: credit, items.
impl Metric for Accuracy {
    fn id(&self) -> &'static str {
        match self.evidence {
            Evidence::Rewards => "accuracy",
            Evidence::Characters => "longest-wins",
        }
    }

    fn about(&self) -> &'static str {
        match self.evidence {
            Evidence::Rewards => {
                "Share of comparisons in which every chosen response has a higher reward than every rejected one."
            }
            Evidence::Characters => "Accuracy of always preferring the longer response; no model is involved.",
        }
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool {
        let of_item = |item| self.evidence.extremes(&item).and_then(|extremes| credit(&extremes, protocol.ties));
        add_credits(group.items().map(of_item), sums)
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

/// Share of items in which a chosen and a rejected response have exactly the same reward.
pub struct TieRate;

impl Metric for TieRate {
    fn id(&self) -> &'static str {
        "tie-rate"
    }

    fn about(&self) -> &'static str {
        "Share of comparisons in which a chosen and a rejected response have exactly the same reward."
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items().filter(|item| is_decided(item)) {
            sums[0] += f64::from(u8::from(has_tie(&item)));
            sums[1] += 1.0;
            any = true;
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extremes(chosen: &[f64], rejected: &[f64]) -> Extremes {
        let best_rejected = rejected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Extremes {
            worst_chosen: chosen.iter().copied().fold(f64::INFINITY, f64::min),
            best_chosen: chosen.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            best_rejected,
            n_best_rejected: rejected.iter().filter(|r| **r == best_rejected).count(),
        }
    }

    /// The four policies on six items worked by hand:
    ///
    /// | chosen | rejected | loss | half | 1/k | exclude |
    /// |---|---|---|---|---|---|
    /// | 2 | 1 | 1 | 1 | 1 | 1 |
    /// | 1 | 2 | 0 | 0 | 0 | 0 |
    /// | 1 | 1 | 0 | ½ | ½ | out |
    /// | 3 | 3 3 1 | 0 | ½ | ⅓ | out |
    /// | 3 | 3 3 3 | 0 | ½ | ¼ | out |
    /// | 5 2 | 1 1 | 1 | 1 | 1 | 1 |
    #[test]
    fn ties_are_worth_what_the_policy_says() {
        let items = [
            extremes(&[2.0], &[1.0]),
            extremes(&[1.0], &[2.0]),
            extremes(&[1.0], &[1.0]),
            extremes(&[3.0], &[3.0, 3.0, 1.0]),
            extremes(&[3.0], &[3.0, 3.0, 3.0]),
            extremes(&[5.0, 2.0], &[1.0, 1.0]),
        ];
        let credits = |ties| items.iter().map(|e| credit(e, ties)).collect::<Vec<_>>();
        let (one, nil, out) = (Some(1.0), Some(0.0), None);
        assert_eq!(credits(TiePolicy::Loss), [one, nil, nil, nil, nil, one]);
        assert_eq!(credits(TiePolicy::Half), [one, nil, Some(0.5), Some(0.5), Some(0.5), one]);
        assert_eq!(credits(TiePolicy::OneOverK), [one, nil, Some(0.5), Some(1.0 / 3.0), Some(0.25), one]);
        assert_eq!(credits(TiePolicy::Exclude), [one, nil, out, out, out, one]);
    }

    #[test]
    fn a_tie_below_the_maximum_is_no_credit_under_one_over_k() {
        assert_eq!(credit(&extremes(&[1.0], &[1.0, 2.0]), TiePolicy::OneOverK), Some(0.0));
    }
}
