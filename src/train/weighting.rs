//! How much each training pair counts in the loss: 1 on average.
//!
//! Two habits of preference data teach what does not hold elsewhere. Within a subset the longer response
//! may be the chosen one more often than not, so that length alone earns reward. And where the responses of
//! one source item differ in the same number or name in every language, its versions are one observation
//! that is repeated as often as there are languages, accidents and all.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use crate::preference::{SourceId, SubsetId};

/// What of a pair decides its weight.
pub struct Features<'a> {
    pub subset: &'a SubsetId,
    pub source: &'a SourceId,
    /// Length of the chosen response against the rejected one's.
    pub length: Ordering,
    /// See [`difference`].
    pub difference: Option<&'a str>,
}

/// What words and numbers two responses do not share: equal for the versions of an item that differ in the
/// same of them. `None` where they share all.
pub fn difference(chosen: &str, rejected: &str) -> Option<String> {
    let mut words: BTreeMap<&str, i64> = BTreeMap::new();
    for (text, sign) in [(chosen, 1), (rejected, -1)] {
        for word in words_of(text) {
            *words.entry(word).or_default() += sign;
        }
    }
    let apart: Vec<String> =
        words.into_iter().filter(|&(_, n)| n != 0).map(|(word, n)| format!("{word}\u{0}{n}")).collect();
    (!apart.is_empty()).then(|| apart.join("\u{0}"))
}

/// Runs of digits and runs of letters: a number next to a word in a script without spaces is one of its own.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let kind = |c: char| (c.is_numeric(), c.is_alphanumeric());
    let starts = text.char_indices().zip(text.chars().skip(1)).filter(move |((_, a), b)| kind(*a) != kind(*b));
    let ends = starts.map(|((at, c), _)| at + c.len_utf8()).chain([text.len()]);
    let runs = ends.scan(0, |from, to| Some(&text[std::mem::replace(from, to)..to]));
    runs.filter(|run| run.starts_with(char::is_alphanumeric))
}

/// Pairs added to each side before shares are taken, so that small subsets are not turned round by a few.
const PRIOR: f64 = 10.0;

/// One weight per pair, of mean 1.
///
/// `length_balance`: within a subset, pairs whose chosen response is the longer one weigh as much in sum
/// as pairs whose chosen response is the shorter one (up to [`PRIOR`]). `repeat_balance`: pairs of one
/// source that differ in the same words weigh as much as one pair in sum.
pub fn weights(pairs: &[Features], length_balance: bool, repeat_balance: bool) -> Vec<f64> {
    let mut sides: HashMap<(&SubsetId, Ordering), f64> = HashMap::new();
    let mut repeats: HashMap<(&SourceId, &str), f64> = HashMap::new();
    for pair in pairs {
        *sides.entry((pair.subset, pair.length)).or_default() += 1.0;
        if let Some(difference) = pair.difference.filter(|_| repeat_balance) {
            *repeats.entry((pair.source, difference)).or_default() += 1.0;
        }
    }
    let weight = |pair: &Features| {
        let n = pair.difference.and_then(|difference| repeats.get(&(pair.source, difference)));
        let mut weight = 1.0 / n.copied().unwrap_or(1.0);
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
                difference: None,
            })
            .collect();
        let plain = weights(&pairs, false, false);
        assert!(plain.iter().all(|&weight| weight == 1.0));
        let balanced = weights(&pairs, true, false);
        assert!((balanced.iter().sum::<f64>() / 1200.0 - 1.0).abs() < 1e-12);
        let longer = sum_where(&pairs, &balanced, |pair| pair.length == Ordering::Greater);
        let shorter = sum_where(&pairs, &balanced, |pair| pair.length == Ordering::Less);
        // The prior leaves a little of the difference.
        assert!((longer / shorter - 1.0).abs() < 0.05, "{longer} against {shorter}");
    }

    #[test]
    fn repeated_pairs_of_a_source_weigh_as_much_as_one() {
        let subset: SubsetId = "a".into();
        let sources: [SourceId; 2] = ["many".into(), "other".into()];
        let pair = |(source, difference): (usize, Option<&'static str>)| Features {
            subset: &subset,
            source: &sources[source],
            length: Ordering::Equal,
            difference,
        };
        let pairs: Vec<Features> =
            [(0, Some("x")), (0, Some("x")), (0, Some("y")), (1, Some("x")), (0, None)].map(pair).into();
        let balanced = weights(&pairs, false, true);
        assert_eq!(balanced.iter().map(|weight| weight / balanced[2]).collect::<Vec<_>>(), [0.5, 0.5, 1.0, 1.0, 1.0]);
        assert_eq!(weights(&pairs, false, false), [1.0; 5]);
    }

    #[test]
    fn the_difference_is_what_words_and_numbers_say() {
        let words: Vec<&str> = words_of("答案是145。 It's 1,234 km").collect();
        assert_eq!(words, ["答案是", "145", "It", "s", "1", "234", "km"]);
        assert_eq!(words_of("").count(), 0);
        // The same number against the same number, whatever the language around it.
        let english = difference("The answer is 145.", "The answer is 132.");
        assert_eq!(english, difference("答案是145。", "答案是132。"));
        assert_ne!(english, difference("The answer is 132.", "The answer is 145."));
        assert_ne!(english, difference("The answer is 145.", "The answer is 131."));
        assert_eq!(difference("a b", "b, a!"), None);
    }
}
