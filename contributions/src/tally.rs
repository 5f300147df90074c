//! What is counted of items, one row per item.

use crate::accuracy::credit;
use crate::graded::is_graded;
use crate::item::View;
use crate::outcome::{Evidence, has_tie, is_complete, is_decided};
use crate::rule::{Protocol, Rule};
use crate::unit::{Members, Unit};

/// Items as one run scored them, column by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Whatever the caller groups by.
    pub group: Vec<u32>,
    pub outcome: Vec<bool>,
    /// There is a reward for every response, or a verdict.
    pub complete: Vec<bool>,
    pub missing: Vec<bool>,
    /// A chosen and a rejected response have the same reward.
    pub tie: Vec<bool>,
    pub truncated: Vec<bool>,
    /// By the tie policy; 0 for items of other rules than accuracy.
    pub credit: Vec<f64>,
}

impl Tally {
    /// Adds the items of one group.
    pub fn add(&mut self, group: u32, units: &[Unit], rule: Rule, view: &View<'_>, protocol: &Protocol) {
        for unit in units {
            for place in unit.places() {
                let item = view.item(place);
                // The rule `ties` compares rewards of two prompts, which pairs do not give.
                let complete = if rule == Rule::Ties { is_complete(&item) } else { is_decided(&item) };
                let (outcome, credit) = match (rule, unit.members) {
                    (Rule::Accuracy, _) => {
                        let credit = Evidence::Rewards.extremes(&item).and_then(|e| credit(&e, protocol.ties));
                        (credit.is_some(), credit.unwrap_or(0.0))
                    }
                    (Rule::StyleMatrix, _) => (complete && item.chosen.len() == 3 && item.rejected.len() == 3, 0.0),
                    (Rule::Ties, Members::Ties { .. }) => (complete, 0.0),
                    (Rule::Ties, Members::One(_)) => (false, 0.0),
                    (Rule::Graded, _) => (complete && is_graded(&item), 0.0),
                    (Rule::TwoOrders, _) => (item.seen && item.chosen.len() == item.rejected.len(), 0.0),
                };
                self.group.push(group);
                self.outcome.push(outcome);
                self.complete.push(complete);
                self.missing.push(!complete && !outcome);
                self.tie.push(complete && has_tie(&item));
                self.truncated.push(view.is_truncated(place));
                self.credit.push(credit);
            }
        }
    }
}

/// Items of some units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// With an outcome, and those of them that are tied.
    pub complete: usize,
    pub tied: usize,
    pub missing: usize,
    /// Tied, with an outcome or without.
    pub any_tie: bool,
}

impl Counted {
    pub fn new(view: &View<'_>, units: &[Unit]) -> Self {
        let mut count = Counted::default();
        for place in units.iter().flat_map(Unit::places) {
            let item = view.item(place);
            let (complete, tied) = (Evidence::Rewards.extremes(&item).is_some(), has_tie(&item));
            count.complete += usize::from(complete);
            count.tied += usize::from(complete && tied);
            count.missing += usize::from(!complete);
            count.any_tie |= tied;
        }
        count
    }
}
