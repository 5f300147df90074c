//! In which order responses are shown: a function of (seed, item), never of chance.

use serde::{Deserialize, Serialize};

use crate::preference::Comparison;
use crate::random;

/// How often a set of responses is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orders {
    /// A drawn order and its reverse: what position does is seen and cancels.
    #[default]
    Both,
    /// A drawn order only: half the cost, and position is noise (RewardBench, seeded here).
    One,
    /// A drawn order and all its rotations: every response stands in every place once.
    All,
}

/// The orders of one item's responses, first the drawn one. A single response has one order.
pub fn orders(policy: Orders, comparison: &Comparison, places: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let key = format!("{}\u{0}{}\u{0}{}\u{0}{places:?}", comparison.subset, comparison.id, comparison.lang);
    let drawn: Vec<usize> =
        random::permutation(places.len(), seed, "judge-order", key).into_iter().map(|i| places[i]).collect();
    if places.len() < 2 {
        return vec![drawn];
    }
    match policy {
        Orders::One => vec![drawn],
        Orders::Both => {
            let reversed = drawn.iter().rev().copied().collect();
            vec![drawn, reversed]
        }
        Orders::All => (0..drawn.len())
            .map(|turn| {
                let mut rotated = drawn.clone();
                rotated.rotate_left(turn);
                rotated
            })
            .collect(),
    }
}

/// More pairs than this of one item are not judged two at a time: 3 × 3 are nine, with both orders eighteen.
const MOST_PAIRS: usize = 16;

/// The sets of responses that are shown together. `n_shown` of one: every response; of two: every chosen response
/// against each rejected one; otherwise all.
///
/// # Errors
/// What keeps a comparison from being judged this way.
pub fn sets(comparison: &Comparison, n_shown: usize) -> Result<Vec<Vec<usize>>, String> {
    let (chosen, rejected) = (comparison.chosen.len(), comparison.rejected.len());
    let all = chosen + rejected;
    match n_shown {
        1 => Ok((0..all).map(|place| vec![place]).collect()),
        2 if chosen == 1 || chosen * rejected <= MOST_PAIRS => {
            Ok((0..chosen).flat_map(|c| (chosen..all).map(move |r| vec![c, r])).collect())
        }
        2 => Err(format!(
            "it has {chosen} × {rejected} pairs of responses, more than {MOST_PAIRS}; use a protocol that rates each response"
        )),
        _ if chosen != 1 => Err(format!(
            "it has {chosen} chosen responses, and the protocol looks for one best among {n_shown}; use one that rates each response"
        )),
        n if n == all => Ok(vec![(0..all).collect()]),
        n => Err(format!("it has {all} responses, and the protocol shows {n}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::preference::{Conversation, Response};

    fn comparison(id: &str, chosen: usize, rejected: usize) -> Comparison {
        Comparison {
            id: id.into(),
            source: id.into(),
            lang: Lang::ENGLISH,
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt("q"),
            chosen: vec![Response::new("c"); chosen],
            rejected: vec![Response::new("r"); rejected],
            margin: None,
            evidence: Default::default(),
            row: 0,
        }
    }

    #[test]
    fn orders_depend_on_seed_and_item_and_are_balanced() {
        let first = |seed, id: &str| orders(Orders::One, &comparison(id, 1, 1), &[0, 1], seed)[0][0];
        assert_eq!(first(0, "a"), first(0, "a"));
        let firsts: usize = (0..400).map(|i| first(0, &format!("item-{i}"))).sum();
        // Within four standard deviations (10) of one half.
        assert!((160..240).contains(&firsts), "{firsts}");
        let both = orders(Orders::Both, &comparison("a", 1, 1), &[0, 1], 3);
        assert_eq!(both[0].iter().rev().collect::<Vec<_>>(), both[1].iter().collect::<Vec<_>>());
        let all = orders(Orders::All, &comparison("a", 1, 3), &[0, 1, 2, 3], 3);
        for place in 0..4 {
            let mut seen: Vec<usize> = all.iter().map(|order| order[place]).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn sets_of_responses() {
        assert_eq!(sets(&comparison("a", 1, 1), 2).unwrap(), [[0, 1]]);
        assert_eq!(sets(&comparison("a", 1, 3), 2).unwrap(), [[0, 1], [0, 2], [0, 3]]);
        assert_eq!(sets(&comparison("a", 1, 3), 4).unwrap(), [[0, 1, 2, 3]]);
        assert_eq!(sets(&comparison("a", 2, 3), 1).unwrap().len(), 5);
        let matrix = sets(&comparison("a", 2, 2), 2).unwrap();
        assert_eq!(matrix, [[0, 2], [0, 3], [1, 2], [1, 3]]);
        assert_eq!(sets(&comparison("a", 3, 3), 2).unwrap().len(), 9);
        assert!(sets(&comparison("a", 5, 4), 2).is_err());
        assert!(sets(&comparison("a", 2, 3), 5).is_err());
        assert!(sets(&comparison("a", 1, 1), 4).is_err());
    }
}
