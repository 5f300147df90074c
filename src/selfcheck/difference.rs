//! Two ways to the same rewards, compared.

use serde::Serialize;

use super::ways::Rewards;
use crate::preference::Comparison;

/// How far two ways are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    pub n_responses: usize,
    /// Largest |a − b|; infinite where one way gave no number.
    #[serde(serialize_with = "finite")]
    pub absolute: f64,
    /// The same in units of the largest |reward| of the first way.
    #[serde(serialize_with = "finite")]
    pub relative: f64,
    /// Pairs of a chosen and a rejected response whose winner is another.
    pub flips: usize,
    /// The largest margin, in either way, among those.
    pub flipped_margin: f64,
    /// Pairs with exactly equal rewards, in each way.
    pub ties: [usize; 2],
    pub n_pairs: usize,
}

/// JSON has no infinity: absent.
fn finite<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}

impl Difference {
    pub fn between(comparisons: &[Comparison], one: &Rewards, other: &Rewards) -> Self {
        let mut found = Self {
            n_responses: 0,
            absolute: 0.0,
            relative: 0.0,
            flips: 0,
            flipped_margin: 0.0,
            ties: [0, 0],
            n_pairs: 0,
        };
        let mut scale: f64 = 0.0;
        for ((comparison, one), other) in comparisons.iter().zip(one).zip(other) {
            for (&a, &b) in one.iter().zip(other) {
                let apart = f64::from(a) - f64::from(b);
                found.n_responses += 1;
                found.absolute = found.absolute.max(if apart.is_nan() { f64::INFINITY } else { apart.abs() });
                scale = scale.max(f64::from(a).abs());
            }
            let n_chosen = comparison.chosen.len();
            for (chosen, rejected) in pairs(n_chosen, one.len().min(other.len())) {
                let margin = |rewards: &[f32]| f64::from(rewards[chosen]) - f64::from(rewards[rejected]);
                let margins = [margin(one), margin(other)];
                found.n_pairs += 1;
                for (ties, margin) in found.ties.iter_mut().zip(margins) {
                    *ties += usize::from(margin == 0.0);
                }
                if margins[0] * margins[1] < 0.0 {
                    found.flips += 1;
                    found.flipped_margin = found.flipped_margin.max(margins[0].abs()).max(margins[1].abs());
                }
            }
        }
        found.relative = if scale > 0.0 { found.absolute / scale } else { found.absolute };
        found
    }
}

/// Every chosen with every rejected response, by index.
fn pairs(n_chosen: usize, n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_chosen.min(n)).flat_map(move |chosen| (n_chosen..n).map(move |rejected| (chosen, rejected)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::preference::{Conversation, Response};

    fn comparison(chosen: usize, rejected: usize) -> Comparison {
        Comparison {
            id: "i".into(),
            source: "i".into(),
            lang: Lang::ENGLISH,
            subset: "s".into(),
            category: None,
            prompt: Conversation::default(),
            chosen: vec![Response::default(); chosen],
            rejected: vec![Response::default(); rejected],
            margin: None,
            evidence: Default::default(),
            row: 0,
        }
    }

    #[test]
    fn flips_and_ties_by_hand() {
        let comparisons = [comparison(1, 1), comparison(1, 3), comparison(2, 1)];
        let one = vec![vec![1.0, 2.0], vec![0.5, 0.5, 0.25, 4.0], vec![1.0, 1.0, 1.0]];
        let other = vec![vec![1.0, 2.0], vec![0.5, 0.25, 1.0, 4.0], vec![1.0, 2.0, 1.0]];
        let found = Difference::between(&comparisons, &one, &other);
        assert_eq!((found.n_responses, found.n_pairs), (9, 6));
        // 0.5 beat 0.25, then lost to 1.0; margins 0.25 and 0.5.
        assert_eq!((found.flips, found.flipped_margin), (1, 0.5));
        assert_eq!(found.ties, [3, 1]);
        assert_eq!((found.absolute, found.relative), (1.0, 0.25));
        let same = Difference::between(&comparisons, &one, &one);
        assert_eq!((same.absolute, same.flips, same.ties), (0.0, 0, [3, 3]));
    }

    #[test]
    fn no_reward_is_infinitely_far() {
        let found = Difference::between(&[comparison(1, 1)], &vec![vec![1.0, f32::NAN]], &vec![vec![1.0, 1.0]]);
        assert!(found.absolute.is_infinite());
        assert!(serde_json::to_string(&found).unwrap().contains("\"absolute\":null"));
    }
}
