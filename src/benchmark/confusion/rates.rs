//! The three rates of completions, and their intervals.
//!
//! A rate of a cell is a mean over its completions, a mean over languages is one of those means, so that every completion
//! adds weight · (x − rate of its cell) / n of its cell. Completions of one prompt depend on each other; what they add is one
//! observation. A share of a single cell with a prompt each has Wilson's interval, everything else Student's t around the
//! square root of G/(G − 1) Σ_prompts (what it adds)².

use std::collections::{BTreeMap, BTreeSet};

use rmbench_estimators::normal::normal_quantile;
use rmbench_estimators::student::from_normal;
use rmbench_estimators::wilson::wilson;

use crate::lang::confusion::Judged;

const LEVEL: f64 = 0.95;

/// A completion that has a line long enough, and the prompt it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub prompt: u32,
    pub judged: Judged,
}

/// What a rate is the mean of; `None`: the completion was not asked.
pub type Rate = fn(&Judged) -> Option<f64>;

/// Line pass rate, line accuracy, word pass rate.
pub const RATES: [Rate; 3] = [
    |judged| Some(f64::from(u8::from(judged.right == judged.lines))),
    |judged| Some(judged.right as f64 / judged.lines as f64),
    |judged| judged.english_word.map(|english| f64::from(u8::from(!english))),
];
/// The one that is no share of completions.
const LINES: usize = 1;

/// A rate and its bounds, where something varies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    pub rate: f64,
    pub bounds: Option<(f64, f64)>,
}

/// Rate `which` of cells with their weights, which add up to 1; `None` where a cell has none.
pub fn estimated(which: usize, cells: &[(f64, &[Seen])]) -> Option<Estimated> {
    let mut rate = 0.0;
    let mut by_prompt: BTreeMap<u32, f64> = BTreeMap::new();
    let mut n = 0;
    for (weight, seen) in cells {
        let values: Vec<(u32, f64)> = seen.iter().filter_map(|s| Some((s.prompt, RATES[which](&s.judged)?))).collect();
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().map(|(_, x)| x).sum::<f64>() / count;
        rate += weight * mean;
        n += values.len();
        for (prompt, x) in values {
            *by_prompt.entry(prompt).or_default() += weight * (x - mean) / count;
        }
    }
    let groups = by_prompt.len() as f64;
    if which != LINES && cells.len() == 1 && by_prompt.len() == n {
        return Some(Estimated { rate, bounds: wilson(rate, groups, LEVEL) });
    }
    let variance = groups / (groups - 1.0) * by_prompt.values().map(|added| added * added).sum::<f64>();
    let bounds = (by_prompt.len() > 1 && variance > 0.0).then(|| {
        let half = from_normal(normal_quantile(0.5 + LEVEL / 2.0), groups - 1.0) * variance.sqrt();
        ((rate - half).max(0.0), (rate + half).min(1.0))
    });
    Some(Estimated { rate, bounds })
}

/// Mean over languages of the mean over sources; cells and languages without the rate drop out.
pub fn mean<L: Ord + Copy>(which: usize, cells: &[(L, &[Seen])]) -> Option<Estimated> {
    let has = |seen: &[Seen]| seen.iter().any(|s| RATES[which](&s.judged).is_some());
    let known: Vec<(L, &[Seen])> = cells.iter().filter(|(_, seen)| has(seen)).copied().collect();
    let langs: BTreeSet<L> = known.iter().map(|(lang, _)| *lang).collect();
    let sources = |lang: L| known.iter().filter(|(l, _)| *l == lang).count();
    let weighted: Vec<(f64, &[Seen])> =
        known.iter().map(|(lang, seen)| (1.0 / (langs.len() * sources(*lang)) as f64, *seen)).collect();
    (!weighted.is_empty()).then(|| estimated(which, &weighted)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(prompt: u32, right: usize) -> Seen {
        Seen { prompt, judged: Judged { lines: 2, right, english_word: None } }
    }

    /// Two languages of four prompts each, line accuracies 1 ½ 1 ½ and ½ 0 ½ 0: rates ¾ and ¼, mean ½. Every completion
    /// adds ½ · (± ¼)/4 = ± 1/32. Of prompts of their own: √(8/7 · 8/32²) = 0.0945; of the same four prompts, which move
    /// together: √(4/3 · 4/16²) = 0.1443.
    #[test]
    fn completions_of_one_prompt_are_one_observation() {
        let first: Vec<Seen> = (0..4).map(|i| seen(i, 2 - (i % 2) as usize)).collect();
        let of_language = |from: u32| (0..4).map(|i| seen(from + i, 1 - (i % 2) as usize)).collect::<Vec<Seen>>();
        let half = |second: &[Seen]| {
            let found = mean(LINES, &[("a", first.as_slice()), ("b", second)]).unwrap();
            let (low, high) = found.bounds.unwrap();
            assert!((found.rate - 0.5).abs() < 1e-12 && (found.rate - low - (high - found.rate)).abs() < 1e-12);
            high - found.rate
        };
        let t = |freedom: f64| from_normal(normal_quantile(0.975), freedom);
        assert!((half(&of_language(4)) - t(7.0) * (8.0f64 / 7.0 * 8.0 / 1024.0).sqrt()).abs() < 1e-12);
        assert!((half(&of_language(0)) - t(3.0) * (4.0f64 / 3.0 * 4.0 / 256.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_share_of_one_cell_has_wilsons_interval() {
        let cell: Vec<Seen> = (0..10).map(|i| seen(i, if i < 9 { 2 } else { 1 })).collect();
        let found = estimated(0, &[(1.0, cell.as_slice())]).unwrap();
        assert_eq!((found.rate, found.bounds), (0.9, wilson(0.9, 10.0, 0.95)));
        assert_eq!(estimated(2, &[(1.0, cell.as_slice())]), None, "no word pass rate in this language");
    }
}
