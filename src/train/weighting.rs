//! How much each training pair counts in the loss: 1 on average.
//!
//! Two habits of preference data teach what does not hold elsewhere. Within a subset the longer response
//! may be the chosen one more often than not, so that length alone earns reward. And the versions of one
//! source item in many languages repeat its accidents (a length, a number, a name) as often as there are
//! languages, although they are one observation.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::preference::{SourceId, SubsetId};

/// What of a pair decides its weight.
pub struct Features<'a> {
    pub subset: &'a SubsetId,
    pub source: &'a SourceId,
    /// Length of the chosen response against the rejected one's.
    pub length: Ordering,
}

/// Pairs added to each side before shares are taken, so that small subsets are not turned round by a few.
const PRIOR: f64 = 10.0;

/// One weight per pair, of mean 1.
///
/// `length_balance`: within a subset, pairs whose chosen response is the longer one weigh as much in sum
/// as pairs whose chosen response is the shorter one (up to [`PRIOR`]). `source_power` α: a pair counts
/// n^−α, n the number of pairs with its source.
pub fn weights(pairs: &[Features], length_balance: bool, source_power: f64) -> Vec<f64> {
    let mut sides: HashMap<(&SubsetId, Ordering), f64> = HashMap::new();
    let mut versions: HashMap<&SourceId, f64> = HashMap::new();
    for pair in pairs {
        *sides.entry((pair.subset, pair.length)).or_default() += 1.0;
        *versions.entry(pair.source).or_default() += 1.0;
    }
    let weight = |pair: &Features| {
        let mut weight = versions[pair.source].powf(-source_power);
        if length_balance && pair.length != Ordering::Equal {
            let [same, other] = [pair.length, pair.length.reverse()]
                .map(|length| sides.get(&(pair.subset, length)).copied().unwrap_or(0.0));
            weight *= (0.5 * (same + other) + PRIOR) / (same + PRIOR);
        }
        weight
    };
    let mut weights: Vec<f64> = pairs.iter().map(weight).collect();
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.iter_mut().for_each(|weight| *weight /= mean);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_where(pairs: &[Features], weights: &[f64], keep: impl Fn(&Features) -> bool) -> f64 {
        pairs.iter().zip(weights).filter(|(pair, _)| keep(pair)).map(|(_, weight)| weight).sum()
    }

    #[test]
    fn both_lengths_weigh_alike_within_a_subset() {
        let (subset, other): (SubsetId, SubsetId) = ("a".into(), "b".into());
        let sources: Vec<SourceId> = (0..1200).map(|i| format!("s{i}").into()).collect();
        let pairs: Vec<Features> = (0..1200)
            .map(|i| Features {
                subset: if i < 1000 { &subset } else { &other },
                source: &sources[i],
                // 80 % of `a` are longer, all of `b` are equal.
                length: if i >= 1000 {
                    Ordering::Equal
                } else if i % 5 > 0 {
                    Ordering::Greater
                } else {
                    Ordering::Less
                },
            })
            .collect();
        let plain = weights(&pairs, false, 0.0);
        assert!(plain.iter().all(|&weight| weight == 1.0));
        let balanced = weights(&pairs, true, 0.0);
        assert!((balanced.iter().sum::<f64>() / 1200.0 - 1.0).abs() < 1e-12);
        let longer = sum_where(&pairs, &balanced, |pair| pair.length == Ordering::Greater);
        let shorter = sum_where(&pairs, &balanced, |pair| pair.length == Ordering::Less);
        // The prior leaves a little of the difference.
        assert!((longer / shorter - 1.0).abs() < 0.05, "{longer} against {shorter}");
    }

    #[test]
    fn versions_of_a_source_share_its_weight() {
        let subset: SubsetId = "a".into();
        let sources: [SourceId; 2] = ["many".into(), "one".into()];
        let pair = |i: usize| Features { subset: &subset, source: &sources[i], length: Ordering::Equal };
        let pairs: Vec<Features> = [0, 0, 0, 0, 1].map(pair).into();
        let whole = weights(&pairs, false, 1.0);
        assert!((whole[0] * 4.0 - whole[4]).abs() < 1e-12);
        let root = weights(&pairs, false, 0.5);
        assert!((root[0] * 2.0 - root[4]).abs() < 1e-12);
    }
}
