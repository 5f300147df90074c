//! The pairs of a step as they are trained on: some with a stand-in for the rejected response.

use tch::Tensor;

use super::donors::{Donors, StandIn};
use super::prepare::TrainPair;
use super::trainable::Trainable;
use crate::objective::{Label, Objective, ObjectiveError, Rewards};

/// The pairs of a step, and which of them have a stand-in.
pub struct Step<'a, E> {
    pub pairs: Vec<&'a TrainPair<E>>,
    changed: Vec<Option<E>>,
    /// Stand-ins are third sequences, beside the rejected responses.
    beside: bool,
}

/// What an objective compares in a micro-batch: one row per comparison, and per stand-in beside one.
pub struct Compared {
    /// Places of a row's sequences in the rewards of the micro-batch.
    places: Vec<Vec<i64>>,
    /// The pair, by its place in the step.
    pub pair: Vec<usize>,
    /// Whether the row's last sequence is a stand-in, and whether that is beside a rejected response.
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
            let own = self.pairs[pair].label.n_sequences() as i64;
            match (self.changed[pair].is_some(), self.beside) {
                (false, _) => compared.push(pair, first..first + own, None, false),
                (true, false) => compared.push(pair, first..first + 1, Some(first + 1), false),
                (true, true) => {
                    compared.push(pair, first..first + own, None, false);
                    compared.push(pair, first..first + 1, Some(first + own), true);
                }
            }
            first += self.n_sequences(pair) as i64;
        }
        compared
    }

    /// How many sequences of the step belong to pairs that `is` holds for, and how many do not.
    pub fn sides(&self, is: impl Fn(&TrainPair<E>) -> bool) -> [usize; 2] {
        let mut sides = [0, 0];
        (0..self.pairs.len()).for_each(|pair| sides[usize::from(!is(self.pairs[pair]))] += self.n_sequences(pair));
        sides
    }

    /// Of every sequence of a micro-batch what `of` says of its pair.
    pub fn marks<T: Clone>(&self, piece: &[usize], of: impl Fn(&TrainPair<E>) -> T) -> Vec<T> {
        piece.iter().flat_map(|&pair| vec![of(self.pairs[pair]); self.n_sequences(pair)]).collect()
    }

    /// Sequences of a pair as it is computed.
    pub fn n_sequences(&self, pair: usize) -> usize {
        let own = self.pairs[pair].label.n_sequences();
        match (self.changed[pair].is_some(), self.beside) {
            (false, _) => own,
            (true, false) => 2,
            (true, true) => own + 1,
        }
    }
}

impl Compared {
    fn push(&mut self, pair: usize, own: std::ops::Range<i64>, stand_in: Option<i64>, extra: bool) {
        self.places.push(own.chain(stand_in).collect());
        self.pair.push(pair);
        self.stand_in.push(stand_in.is_some());
        self.extra.push(extra);
    }

    pub fn is_stand_in(&self, row: usize) -> bool {
        self.stand_in[row]
    }

    /// What the data say of each row; of a stand-in they say nothing.
    pub fn labels<E>(&self, step: &Step<E>, threshold: Option<f64>) -> Vec<Label> {
        let label = |(&pair, &stand_in): (&usize, &bool)| match stand_in {
            true => Label::pair(None),
            false => Label { threshold, ..step.pairs[pair].label.clone() },
        };
        self.pair.iter().zip(&self.stand_in).map(label).collect()
    }

    /// A stand-in is nobody's preference: it has no accidents to even out, and no part in the objective.
    pub fn weights<E>(&self, step: &Step<E>, factors: &[f64]) -> Vec<f64> {
        let weight = |(&pair, &stand_in): (&usize, &bool)| match stand_in {
            true => 1.0,
            false => step.pairs[pair].weight * factors[pair],
        };
        self.pair.iter().zip(&self.stand_in).map(weight).collect()
    }

    /// The micro-batch's rewards [s] by row, one row after the other.
    pub fn rewards(&self, rewards_s: &Tensor) -> Tensor {
        pick(rewards_s, self.places.iter().flatten().copied())
    }

    /// Losses [rows] of the micro-batch's rewards [s]: of stand-ins plain Bradley–Terry, of all else the
    /// objective.
    pub fn losses(
        &self,
        objective: &Objective,
        rewards_s: &Tensor,
        labels: &[Label],
    ) -> Result<Tensor, ObjectiveError> {
        let plain = Objective::default();
        let (mut order, mut parts) = (Vec::new(), Vec::new());
        for (objective, stand_in) in [(objective, false), (&plain, true)] {
            let rows: Vec<usize> = (0..self.pair.len()).filter(|&row| self.stand_in[row] == stand_in).collect();
            if !rows.is_empty() {
                let picked = pick(rewards_s, rows.iter().flat_map(|&row| &self.places[row]).copied());
                let labels: Vec<Label> = rows.iter().map(|&row| labels[row].clone()).collect();
                parts.push(objective.losses(&Rewards { rewards_s: &picked, labels: &labels })?);
                order.extend(rows);
            }
        }
        // From the order of computation back to that of rows.
        let mut back = vec![0i64; order.len()];
        order.iter().enumerate().for_each(|(place, &row)| back[row] = place as i64);
        Ok(pick(&Tensor::cat(&parts, 0), back.into_iter()))
    }
}

/// These elements, on the graph; the tensor itself where they are all of it in order.
fn pick(values: &Tensor, places: impl Iterator<Item = i64>) -> Tensor {
    let places: Vec<i64> = places.collect();
    let n = values.size().first().copied().unwrap_or(0);
    match places.iter().copied().eq(0..n) {
        true => values.shallow_clone(),
        false => values.index_select(0, &Tensor::from_slice(&places).to_device(values.device())),
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
            at: 0,
        }
    }

    #[test]
    fn a_stand_in_beside_is_compared_with_the_chosen_response_and_not_weighed() {
        let pairs = [pair(0.5), pair(0.7), pair(0.9)];
        let step = |beside| Step { pairs: pairs.iter().collect(), changed: vec![None, Some(()), None], beside };
        // Sequences: 0 1 of pair 2; 2 3 and the stand-in 4 of pair 1; 5 6 of pair 0.
        let compared = step(true).compared(&[2, 1, 0]);
        assert_eq!(compared.places, [vec![0, 1], vec![2, 3], vec![2, 4], vec![5, 6]]);
        assert_eq!(compared.pair, [2, 1, 1, 0]);
        assert_eq!(compared.extra, [false, false, true, false]);
        assert_eq!(compared.weights(&step(true), &[1.0, 1.0, 2.0]), [1.8, 0.7, 1.0, 0.5]);
        let rewards = Tensor::from_slice(&[0.0f64, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0]);
        let labels = compared.labels(&step(true), None);
        // The stand-in is compared by Bradley–Terry, the pairs by what is asked for.
        let hinge = Objective::named("hinge").unwrap();
        let losses = compared.losses(&hinge, &rewards, &labels).unwrap();
        assert_eq!(Vec::<f64>::try_from(compared.rewards(&rewards)).unwrap(), [0.0, 1.0, 2.0, 3.0, 2.0, 4.0, 5.0, 7.0]);
        let losses = Vec::<f64>::try_from(losses).unwrap();
        assert_eq!((losses[0], losses[1], losses[3]), (2.0, 2.0, 3.0));
        assert!((losses[2] - crate::objective::bradley_terry::pair_loss(-2.0)).abs() < 1e-12);
        // In its place there are two sequences, and no accident to even out.
        let compared = step(false).compared(&[2, 1, 0]);
        assert_eq!(compared.places, [[0, 1], [2, 3], [4, 5]]);
        assert_eq!(compared.extra, [false; 3]);
        assert_eq!(compared.weights(&step(false), &[1.0; 3]), [0.9, 1.0, 0.5]);
    }

    #[test]
    fn comparisons_may_have_any_number_of_sequences() {
        let mut pairs = [pair(1.0), pair(1.0), pair(1.0)];
        pairs[0].label = Label { n_rejected: 3, ..Label::pair(None) };
        pairs[1].label = Label { n_further: 2, ..Label::pair(None) };
        pairs[2].label = Label { n_rejected: 0, ..Label::pair(None) };
        let step = Step { pairs: pairs.iter().collect(), changed: vec![None, Some(()), None], beside: true };
        let compared = step.compared(&[0, 1, 2]);
        assert_eq!(compared.places, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![4, 8], vec![9]]);
        assert_eq!([0, 1, 2].map(|pair| step.n_sequences(pair)), [4, 5, 1]);
    }
}
