//! What stands in for a rejected response: negatives that only reading the prompt tells apart.

use std::collections::HashMap;

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::prepare::TrainPair;
use crate::lang::Lang;
use crate::random;

/// Training pairs by what makes them near to each other.
pub struct Donors {
    /// Same subset and language.
    group: Vec<Vec<usize>>,
    group_of: Vec<usize>,
    /// Same source item, in other languages too.
    source: Vec<Vec<usize>>,
    source_of: Vec<usize>,
    lang: Vec<Lang>,
    seed: u64,
}

/// What stands in for a rejected response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// The chosen response of one of these pairs, the first that can.
    Donor([usize; 2]),
    /// The end of the prompt itself: a model that looks for what belongs to the prompt must not take
    /// repeating it for the best answer.
    Echo,
}

/// Shares of the draws, see [`Donors::draw`].
const OTHER_LANGUAGE: f64 = 0.3;
const ANY: f64 = 0.1;
const ECHO: f64 = 0.1;

impl Donors {
    pub fn new<E>(pairs: &[TrainPair<E>], seed: u64) -> Self {
        let (group, group_of) = classes(pairs.iter().map(|pair| (pair.subset.as_str(), pair.lang)));
        let (source, source_of) = classes(pairs.iter().map(|pair| pair.source.as_str()));
        let lang = pairs.iter().map(|pair| pair.lang).collect();
        Self { group, group_of, source, source_of, lang, seed }
    }

    /// The stand-in of pair `pair` in step `step`; a function of (seed, step, pair).
    ///
    /// Mostly of near pairs, since a model soon tells a response in another language or of another kind:
    /// [`OTHER_LANGUAGE`] of the draws the same source in another language, where there is one, [`ANY`] of
    /// them any pair, [`ECHO`] the prompt, the rest the same subset and language. A random pair is the last
    /// resort of each.
    pub fn draw(&self, step: u64, pair: usize) -> StandIn {
        let mut rng = random::stream(self.seed, "donor", key(step, pair));
        let kind: f64 = rng.random();
        let any = rng.random_range(0..self.lang.len());
        if kind < ANY {
            return StandIn::Donor([any, any]);
        }
        if kind >= 1.0 - ECHO {
            return StandIn::Echo;
        }
        let versions = self.source[self.source_of[pair]].iter().copied();
        let others: Vec<usize> = match kind < ANY + OTHER_LANGUAGE {
            true => versions.filter(|&other| self.lang[other] != self.lang[pair]).collect(),
            false => Vec::new(),
        };
        let near = others.choose(&mut rng).or_else(|| self.group[self.group_of[pair]].choose(&mut rng));
        StandIn::Donor([near.copied().unwrap_or(any), any])
    }

    /// Whether pair `pair` is among the `share` that is mismatched in step `step`.
    pub fn mismatches(&self, step: u64, pair: usize, share: f64) -> bool {
        share > 0.0 && (share >= 1.0 || random::uniform(self.seed, "mismatch", key(step, pair)) < share)
    }
}

fn key(step: u64, pair: usize) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&step.to_le_bytes());
    key[8..].copy_from_slice(&(pair as u64).to_le_bytes());
    key
}

/// Members of each class of equal keys, and the class of each member.
fn classes<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut numbers: HashMap<K, usize> = HashMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut class_of = Vec::new();
    for (index, key) in keys.enumerate() {
        let class = *numbers.entry(key).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[class].push(index);
        class_of.push(class);
    }
    (members, class_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Label;
    use crate::train::PairSize;

    fn pairs() -> Vec<TrainPair<()>> {
        let pair = |i: usize| TrainPair {
            id: format!("i{}", i / 2).into(),
            source: format!("i{}", i / 2).into(),
            subset: if i < 20 { "a".into() } else { "b".into() },
            lang: Lang::from_code(["eng_Latn", "deu_Latn"][i % 2]).unwrap(),
            row: i as u64,
            label: Label::pair(None),
            weight: 1.0,
            size: PairSize::default(),
            encoded: (),
            at: 0,
        };
        (0..40).map(pair).collect()
    }

    #[test]
    fn donors_are_mostly_near_and_always_the_same() {
        let pairs = pairs();
        let donors = Donors::new(&pairs, 5);
        let (mut same_group, mut same_source, mut echoes) = (0, 0, 0);
        for step in 0..300 {
            let drawn = donors.draw(step, 7);
            assert_eq!(donors.draw(step, 7), drawn);
            let StandIn::Donor([near, any]) = drawn else {
                echoes += 1;
                continue;
            };
            assert!(any < pairs.len());
            same_group += usize::from(pairs[near].subset == pairs[7].subset && pairs[near].lang == pairs[7].lang);
            same_source += usize::from(near == 6);
        }
        // 150 draws of the group and a quarter of the 30 random ones; 90 of the source and one of forty.
        assert!((130..185).contains(&same_group), "{same_group}");
        assert!((18..45).contains(&echoes), "{echoes}");
        assert!((65..115).contains(&same_source), "{same_source}");
    }

    #[test]
    fn the_share_is_kept() {
        let donors = Donors::new(&pairs(), 5);
        let hits = (0..2000).filter(|&step| donors.mismatches(step, 3, 0.25)).count();
        assert!((430..570).contains(&hits), "{hits}");
        assert!(donors.mismatches(0, 0, 1.0) && !donors.mismatches(0, 0, 0.0));
    }
}
