//! Permutation tests: how often shuffled labels give a statistic as large as the real ones (Fisher 1935).
//!
//! Where all arrangements of the labels are few, every one is looked at and p is exact; otherwise p =
//! (1 + #{as large})/(1 + draws) over seeded draws (Davison and Hinkley 1997, ch. 4), which is valid.

use rmbench_resampling::random::Stream;

/// Arrangements up to which the test is exact, and draws otherwise.
const EXACT: usize = 20_000;
const DRAWS: usize = 9_999;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValue {
    pub p: f64,
    /// All arrangements were looked at.
    pub exact: bool,
    pub arrangements: usize,
}

/// One-sided: large values of `statistic` speak against chance. `labels` are numbers from 0; `key` is what is drawn by.
pub fn label_test(labels: &[usize], key: [u64; 4], statistic: &dyn Fn(&[usize]) -> f64) -> PValue {
    let found = statistic(labels);
    // Rounding must not tell arrangements apart that give the same value.
    let slack = 1e-10 * found.abs().max(1e-300);
    let reaches = |arrangement: &[usize]| statistic(arrangement) >= found - slack;
    if let Some(n) = arrangements(labels).filter(|n| *n <= EXACT) {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        let mut as_large = 0;
        loop {
            as_large += usize::from(reaches(&sorted));
            if !next(&mut sorted) {
                break;
            }
        }
        return PValue { p: as_large as f64 / n as f64, exact: true, arrangements: n };
    }
    let mut arrangement = labels.to_vec();
    let mut as_large = 0;
    for draw in 0..DRAWS as u64 {
        // Fisher and Yates, from wherever the last draw left the labels.
        let mut stream = Stream::new(key, draw);
        for last in (1..arrangement.len()).rev() {
            arrangement.swap(last, stream.below(last as u32 + 1) as usize);
        }
        as_large += usize::from(reaches(&arrangement));
    }
    PValue { p: (1 + as_large) as f64 / (1 + DRAWS) as f64, exact: false, arrangements: DRAWS }
}

/// n! / Π n_label!; `None` where it is beyond counting.
fn arrangements(labels: &[usize]) -> Option<usize> {
    let most = labels.iter().max().map_or(0, |label| label + 1);
    let mut total: usize = 1;
    let mut placed = 0usize;
    for label in 0..most {
        // Multiplying by C(placed + count, count), step by step: every partial product is a whole number.
        for i in 1..=labels.iter().filter(|l| **l == label).count() {
            placed += 1;
            total = total.checked_mul(placed)? / i;
        }
    }
    Some(total)
}

/// The next arrangement in lexical order; false after the last.
fn next(labels: &mut [usize]) -> bool {
    let Some(pivot) = (1..labels.len()).rev().find(|i| labels[i - 1] < labels[*i]).map(|i| i - 1) else {
        return false;
    };
    let Some(swap) = (pivot + 1..labels.len()).rev().find(|i| labels[*i] > labels[pivot]) else { return false };
    labels.swap(pivot, swap);
    labels[pivot + 1..].reverse();
    true
}

/// η² = between-group sum of squares / total sum of squares of values by group: the share of the variance
/// that groups explain. `None` where values do not vary.
pub fn eta_squared(values: &[f64], groups: &[usize]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let most = groups.iter().max().map_or(0, |group| group + 1);
    let mut sums = vec![(0.0, 0.0); most];
    for (value, group) in values.iter().zip(groups) {
        sums[*group].0 += value - mean;
        sums[*group].1 += 1.0;
    }
    let between: f64 = sums.iter().filter(|(_, n)| *n > 0.0).map(|(sum, n)| sum * sum / n).sum();
    (total > 0.0).then(|| between / total)
}

/// Mean of pairs (a, b, value) whose members have one label less the mean of the others; not finite where there are none of
/// either.
pub fn within_minus_between(pairs: &[(usize, usize, f64)], labels: &[usize]) -> f64 {
    let (mut within, mut n, mut all) = (0.0, 0.0, 0.0);
    for (a, b, value) in pairs {
        let same = f64::from(u8::from(labels[*a] == labels[*b]));
        within += same * value;
        n += same;
        all += value;
    }
    within / n - (all - within) / (pairs.len() as f64 - n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_arrangements_once() {
        let mut labels = vec![0, 0, 1, 2];
        let mut seen = std::collections::BTreeSet::new();
        loop {
            assert!(seen.insert(labels.clone()));
            if !next(&mut labels) {
                break;
            }
        }
        assert_eq!((seen.len(), arrangements(&[2, 0, 1, 0])), (12, Some(12)));
        assert_eq!(arrangements(&(0..60).collect::<Vec<_>>()), None);
    }

    /// 1, 2, 3 against 4, 5, 6: of 20 arrangements, this one and its mirror separate the groups most.
    #[test]
    fn an_exact_p_by_hand() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let test = label_test(&[0, 0, 0, 1, 1, 1], [1; 4], &|groups| eta_squared(&values, groups).unwrap_or(0.0));
        assert_eq!(test, PValue { p: 0.1, exact: true, arrangements: 20 });
    }

    /// (1 + 3)/2 − 5.
    #[test]
    fn pairs_within_and_between_by_hand() {
        let pairs = [(0, 1, 1.0), (1, 2, 5.0), (2, 3, 3.0)];
        assert_eq!(within_minus_between(&pairs, &[0, 0, 1, 1]), -3.0);
        assert!(!within_minus_between(&pairs, &[0, 0, 0, 0]).is_finite());
    }

    #[test]
    fn drawn_p_values_are_valid_and_repeatable() {
        let values: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 30)).collect();
        let labels: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let test = |seed| label_test(&labels, [seed; 4], &|groups| eta_squared(&values, groups).unwrap_or(0.0));
        assert!(!test(1).exact && test(1).p > 0.0 && test(1) == test(1));
    }
}
