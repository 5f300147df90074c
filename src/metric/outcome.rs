//! What a comparison's rewards say, before any policy.

use crate::table::item::Item;

/// What responses are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The model's rewards.
    Rewards,
    /// Length in characters, over the same items: what a scorer gets that reads nothing.
    Characters,
}

/// Every chosen response against every rejected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every chosen response is above every rejected one.
    ChosenWins,
    /// Some rejected response is above some chosen one.
    RejectedWins,
    /// The lowest chosen and the highest rejected response are equal.
    Tie,
}

/// The responses that decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    pub worst_chosen: f64,
    pub best_chosen: f64,
    pub best_rejected: f64,
    /// Rejected responses that share the highest value among the rejected.
    pub n_best_rejected: usize,
}

impl Extremes {
    pub fn outcome(&self) -> Outcome {
        if self.worst_chosen > self.best_rejected {
            Outcome::ChosenWins
        } else if self.worst_chosen < self.best_rejected {
            Outcome::RejectedWins
        } else {
            Outcome::Tie
        }
    }

    /// Lowest chosen minus highest rejected.
    pub fn margin(&self) -> f64 {
        self.worst_chosen - self.best_rejected
    }
}

/// NaN is no reward.
fn usable(reward: Option<f32>) -> Option<f64> {
    reward.filter(|r| !r.is_nan()).map(f64::from)
}

/// Whether every response has a reward and both sides have responses: only then is there an outcome.
pub fn is_complete(item: &Item<'_>) -> bool {
    let all = |rewards: &[Option<f32>]| !rewards.is_empty() && rewards.iter().all(|r| usable(*r).is_some());
    all(item.chosen) && all(item.rejected)
}

impl Evidence {
    /// The value of a chosen response of a complete item.
    pub fn chosen(self, item: &Item<'_>, index: usize) -> Option<f64> {
        match self {
            Evidence::Rewards => usable(*item.chosen.get(index)?),
            Evidence::Characters => item.chosen_chars.get(index).copied().filter(|n| *n > 0).map(f64::from),
        }
    }

    pub fn rejected(self, item: &Item<'_>, index: usize) -> Option<f64> {
        match self {
            Evidence::Rewards => usable(*item.rejected.get(index)?),
            Evidence::Characters => item.rejected_chars.get(index).copied().filter(|n| *n > 0).map(f64::from),
        }
    }

    /// `None` where the item has no outcome: a reward is missing, or a length where lengths are asked for.
    /// Lengths are looked at on the same items, so that the two can stand side by side.
    pub fn extremes(self, item: &Item<'_>) -> Option<Extremes> {
        if !is_complete(item) {
            return None;
        }
        let first = self.chosen(item, 0)?;
        let mut found =
            Extremes { worst_chosen: first, best_chosen: first, best_rejected: f64::NEG_INFINITY, n_best_rejected: 0 };
        for index in 1..item.chosen.len() {
            let value = self.chosen(item, index)?;
            found.worst_chosen = found.worst_chosen.min(value);
            found.best_chosen = found.best_chosen.max(value);
        }
        for index in 0..item.rejected.len() {
            let value = self.rejected(item, index)?;
            if value > found.best_rejected || found.n_best_rejected == 0 {
                found.best_rejected = value;
                found.n_best_rejected = 1;
            } else if value == found.best_rejected {
                found.n_best_rejected += 1;
            }
        }
        Some(found)
    }
}

/// Whether some chosen and some rejected response have exactly the same reward.
pub fn has_tie(item: &Item<'_>) -> bool {
    item.chosen.iter().any(|chosen| chosen.is_some() && item.rejected.contains(chosen))
}
