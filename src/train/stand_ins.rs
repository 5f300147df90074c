//! The pairs of a step as they are trained on: some with a stand-in for the rejected response.

use tch::Tensor;

use super::donors::{Donors, StandIn};
use super::prepare::TrainPair;
use super::trainable::Trainable;
use crate::objective::Label;

/// The pairs of a step, and which of them have a stand-in.
pub struct Step<'a, E> {
    pub pairs: Vec<&'a TrainPair<E>>,
    changed: Vec<Option<E>>,
    /// Stand-ins are third sequences, beside the rejected responses.
    beside: bool,
}

/// What an objective compares in a micro-batch: one row per two responses.
pub struct Compared {
    /// Places of the two in the rewards of the micro-batch.
    places: Vec<i64>,
    /// The pair, by its place in the step.
    pub pair: Vec<usize>,
    /// Whether the second is a stand-in, and whether that is beside a rejected response.
    stand_in: Vec<bool>,
    pub extra: Vec<bool>,
}

impl<'a, E> Step<'a, E> {
    /// Draws the stand-ins of step `t` for the pairs `batch`; `share` of them have one.
    pub fn draw<M: Trainable<Encoded = E>>(
        model: &M,
        donors: &Donors,
        train: &'a [TrainPair<E>],
        (t, batch): (u64, &[usize]),
        share: f64,
        beside: bool,
    ) -> Self {
        let changed = |&index: &usize| {
            if !donors.mismatches(t, index, share) {
                return None;
            }
            let own = &train[index].encoded;
            let with = |donor: Option<&E>| model.mismatched(own, donor, beside);
            match donors.draw(t, index) {
                StandIn::Echo => with(None),
                StandIn::Donor(donors) => donors.iter().find_map(|&donor| with(Some(&train[donor].encoded))),
            }
        };
        let pairs = batch.iter().map(|&index| &train[index]).collect();
        Self { pairs, changed: batch.iter().map(changed).collect(), beside }
    }

    /// The pairs as they are computed.
    pub fn encoded(&self) -> Vec<&E> {
        let own = self.pairs.iter().map(|pair| &pair.encoded);
        own.zip(&self.changed).map(|(own, changed)| changed.as_ref().unwrap_or(own)).collect()
    }

    pub fn n_stand_ins(&self) -> usize {
        self.changed.iter().flatten().count()
    }

    /// What is compared in the micro-batch of these pairs.
    pub fn compared(&self, piece: &[usize]) -> Compared {
        let mut compared = Compared { places: Vec::new(), pair: Vec::new(), stand_in: Vec::new(), extra: Vec::new() };
        let mut first = 0;
        for &pair in piece {
            let changed = self.changed[pair].is_some();
            let beside = changed && self.beside;
            for extra in 0..1 + i64::from(beside) {
                compared.places.extend([first, first + 1 + extra]);
                compared.pair.push(pair);
                compared.stand_in.push(if beside { extra == 1 } else { changed });
                compared.extra.push(extra == 1);
            }
            first += 2 + i64::from(beside);
        }
        compared
    }
}

impl Compared {
    /// Rewards [2 × rows] of rewards [s], on their graph.
    pub fn pick(&self, rewards_s: &Tensor) -> Tensor {
        if !self.extra.contains(&true) {
            return rewards_s.shallow_clone();
        }
        rewards_s.index_select(0, &Tensor::from_slice(&self.places).to_device(rewards_s.device()))
    }

    pub fn labels<E>(&self, step: &Step<E>) -> Vec<Label> {
        self.pair.iter().map(|&pair| step.pairs[pair].label).collect()
    }

    /// A stand-in is nobody's preference: it has no accidents to even out.
    pub fn weights<E>(&self, step: &Step<E>) -> Vec<f64> {
        let weight = |(&pair, &stand_in): (&usize, &bool)| if stand_in { 1.0 } else { step.pairs[pair].weight };
        self.pair.iter().zip(&self.stand_in).map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::train::PairSize;

    fn pair(weight: f64) -> TrainPair<()> {
        TrainPair {
            id: "i".into(),
            source: "i".into(),
            subset: "a".into(),
            lang: Lang::from_code("eng_Latn").unwrap(),
            row: 0,
            label: Label::pair(None),
            weight,
            size: PairSize::default(),
            encoded: (),
        }
    }

    #[test]
    fn a_stand_in_beside_is_compared_with_the_chosen_response_and_not_weighed() {
        let pairs = [pair(0.5), pair(0.7), pair(0.9)];
        let step = |beside| Step { pairs: pairs.iter().collect(), changed: vec![None, Some(()), None], beside };
        // Sequences: 0 1 of pair 2; 2 3 and the stand-in 4 of pair 1; 5 6 of pair 0.
        let compared = step(true).compared(&[2, 1, 0]);
        assert_eq!(compared.places, [0, 1, 2, 3, 2, 4, 5, 6]);
        assert_eq!(compared.pair, [2, 1, 1, 0]);
        assert_eq!(compared.extra, [false, false, true, false]);
        assert_eq!(compared.weights(&step(true)), [0.9, 0.7, 1.0, 0.5]);
        let rewards = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let picked = Vec::<f32>::try_from(compared.pick(&rewards)).unwrap();
        assert_eq!(picked, [0.0, 1.0, 2.0, 3.0, 2.0, 4.0, 5.0, 6.0]);
        // In its place there are two sequences, and no accident to even out.
        let compared = step(false).compared(&[2, 1, 0]);
        assert_eq!(compared.places, [0, 1, 2, 3, 4, 5]);
        assert_eq!(compared.extra, [false; 3]);
        assert_eq!(compared.weights(&step(false)), [0.9, 1.0, 0.5]);
    }
}
