//! What a comparison's rewards say, before any policy.

use crate::item::Item;

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
    /// `None` where a value is missing, or all of a side.
    #[inline]
    pub fn of(
        mut chosen: impl Iterator<Item = Option<f64>>,
        mut rejected: impl Iterator<Item = Option<f64>>,
    ) -> Option<Self> {
        let (first, other) = (chosen.next()??, rejected.next()??);
        let mut found = Self { worst_chosen: first, best_chosen: first, best_rejected: other, n_best_rejected: 1 };
        for value in chosen {
            let value = value?;
            found.worst_chosen = found.worst_chosen.min(value);
            found.best_chosen = found.best_chosen.max(value);
        }
        for value in rejected {
            let value = value?;
            if value > found.best_rejected {
                found.best_rejected = value;
                found.n_best_rejected = 1;
            } else if value == found.best_rejected {
                found.n_best_rejected += 1;
            }
        }
        Some(found)
    }

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

/// The votes of an item's pairs, where a judge compared all of them and each is decided.
pub fn pairs<'a>(item: &Item<'a>) -> Option<&'a [f32]> {
    item.pairs.filter(|pairs| !pairs.is_empty() && pairs.iter().all(|vote| !vote.is_nan()))
}

/// Whether there is an outcome: of rewards, or of pairs.
pub fn is_decided(item: &Item<'_>) -> bool {
    is_complete(item) || pairs(item).is_some()
}

/// The extremes of pairs: the worst of them decides.
fn of_pairs(pairs: &[f32]) -> Extremes {
    let lowest = pairs.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = pairs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let n_best_rejected = pairs.iter().filter(|vote| **vote == lowest).count();
    Extremes { worst_chosen: f64::from(lowest), best_chosen: f64::from(highest), best_rejected: 0.0, n_best_rejected }
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
            match (self, pairs(item)) {
                (_, None) => return None,
                (Evidence::Rewards, Some(pairs)) => return Some(of_pairs(pairs)),
                (Evidence::Characters, Some(_)) => {}
            }
        }
        let chosen = (0..item.chosen.len()).map(|index| self.chosen(item, index));
        Extremes::of(chosen, (0..item.rejected.len()).map(|index| self.rejected(item, index)))
    }
}

/// Whether some chosen and some rejected response have exactly the same reward, or a pair of them is a tie.
pub fn has_tie(item: &Item<'_>) -> bool {
    let of_pairs = pairs(item).is_some_and(|pairs| pairs.contains(&0.0));
    of_pairs || item.chosen.iter().any(|chosen| chosen.is_some() && item.rejected.contains(chosen))
}
