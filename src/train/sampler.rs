//! Which pairs an optimiser step sees: a function of (seed, epoch, step within the epoch) alone, so that
//! resuming needs no saved state. Every pair comes once per epoch, or as often as the [`Mixture`] says; the last
//! batch may be smaller.

use super::mixture::Mixture;
use super::settings::Order;
use crate::random;

/// Batches of pair indices.
pub struct Sampler {
    /// Tokens per pair, for the length window.
    costs: Vec<usize>,
    batch_size: usize,
    length_window: usize,
    seed: u64,
    mixture: Option<Mixture>,
    order: Order,
    /// How clear each pair's preference is, for orders by it.
    clarity: Vec<f64>,
    epoch: Option<(u64, Vec<Vec<usize>>)>,
}

impl Sampler {
    /// `costs` has one entry per pair. With a `length_window` of k > 1, batches hold pairs of similar
    /// length, sorted within k shuffled batches at a time; with 1 they are plainly shuffled.
    pub fn new(costs: Vec<usize>, batch_size: usize, length_window: usize, seed: u64) -> Self {
        Self {
            costs,
            batch_size: batch_size.max(1),
            length_window: length_window.max(1),
            seed,
            mixture: None,
            order: Order::Shuffled,
            clarity: Vec::new(),
            epoch: None,
        }
    }

    /// With epochs made up by `mixture`.
    pub fn mixed(self, mixture: Mixture) -> Self {
        Self { mixture: Some(mixture), ..self }
    }

    /// With epochs in this order; `clarity` has one entry per pair.
    pub fn ordered(self, order: Order, clarity: Vec<f64>) -> Self {
        Self { order, clarity, ..self }
    }

    fn pairs_per_epoch(&self) -> usize {
        self.mixture.as_ref().map_or(self.costs.len(), Mixture::pairs_per_epoch)
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.pairs_per_epoch().div_ceil(self.batch_size) as u64
    }

    /// The pairs of step `step` (from 0), and its epoch (from 0).
    pub fn batch(&mut self, step: u64) -> (u64, &[usize]) {
        let per_epoch = self.steps_per_epoch().max(1);
        let epoch = step / per_epoch;
        if self.epoch.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            self.epoch = Some((epoch, self.epoch_batches(epoch)));
        }
        let batches = self.epoch.as_ref().map_or(&[] as &[Vec<usize>], |(_, batches)| batches);
        (epoch, batches.get((step % per_epoch) as usize).map_or(&[], Vec::as_slice))
    }

    fn epoch_order(&self, epoch: u64) -> Vec<usize> {
        let mut pairs: Vec<usize> = match &self.mixture {
            Some(mixture) => mixture.epoch(epoch),
            None => (0..self.costs.len()).collect(),
        };
        if self.order == Order::AsGiven {
            pairs.sort_unstable();
            return pairs;
        }
        let shuffled = random::permutation(pairs.len(), self.seed, "shuffle", epoch.to_le_bytes());
        let mut order: Vec<usize> = shuffled.into_iter().map(|place| pairs[place]).collect();
        // Stable: equally clear pairs stay in shuffled order.
        let clarity = |pair: &usize| self.clarity.get(*pair).copied().unwrap_or(0.0);
        match self.order {
            Order::EasyFirst => order.sort_by(|a, b| clarity(b).total_cmp(&clarity(a))),
            Order::HardFirst => order.sort_by(|a, b| clarity(a).total_cmp(&clarity(b))),
            Order::Shuffled | Order::AsGiven => {}
        }
        order
    }

    fn epoch_batches(&self, epoch: u64) -> Vec<Vec<usize>> {
        let order = self.epoch_order(epoch);
        if self.length_window == 1 {
            return order.chunks(self.batch_size).map(<[usize]>::to_vec).collect();
        }
        let mut batches = Vec::with_capacity(order.len().div_ceil(self.batch_size));
        for (number, window) in order.chunks(self.batch_size * self.length_window).enumerate() {
            let mut window = window.to_vec();
            // Stable: equal lengths stay in shuffled order.
            window.sort_by_key(|&pair| self.costs[pair]);
            let sorted: Vec<&[usize]> = window.chunks(self.batch_size).collect();
            // Without this, lengths would rise through every window. A short batch stays last.
            let full = sorted.iter().filter(|batch| batch.len() == self.batch_size).count();
            let key = [epoch.to_le_bytes(), (number as u64).to_le_bytes()].concat();
            let shuffled = random::permutation(full, self.seed, "window", key);
            batches.extend(shuffled.into_iter().chain(full..sorted.len()).map(|index| sorted[index].to_vec()));
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pair_comes_once_per_epoch(n in 1usize..200, batch in 1usize..40, window in 1usize..6, seed: u64) {
            let costs: Vec<usize> = (0..n).map(|i| i * 7919 % 101).collect();
            let mut sampler = Sampler::new(costs, batch, window, seed);
            let steps = sampler.steps_per_epoch();
            for epoch in 0..2 {
                let mut seen = Vec::new();
                for step in 0..steps {
                    let (found, pairs) = sampler.batch(epoch * steps + step);
                    prop_assert_eq!(found, epoch);
                    prop_assert!(pairs.len() == batch || step + 1 == steps);
                    seen.extend_from_slice(pairs);
                }
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_batch_does_not_depend_on_what_was_asked_before(step in 0u64..60, window in 1usize..4) {
            let costs: Vec<usize> = (0..103).map(|i| i % 17).collect();
            let mut all = Sampler::new(costs.clone(), 10, window, 5);
            let mut one = Sampler::new(costs, 10, window, 5);
            for earlier in 0..step {
                all.batch(earlier);
            }
            prop_assert_eq!(all.batch(step), one.batch(step));
        }
    }

    #[test]
    fn orders_are_of_an_epoch_and_batches_follow_them() {
        let clarity: Vec<f64> = (0..60).map(|pair| f64::from(pair % 3)).collect();
        let ordered = |order| Sampler::new(vec![1; 60], 20, 1, 4).ordered(order, clarity.clone());
        let as_given: Vec<usize> = (0..3).flat_map(|step| ordered(Order::AsGiven).batch(step).1.to_vec()).collect();
        assert_eq!(as_given, (0..60).collect::<Vec<_>>());
        for (order, sizes) in [(Order::EasyFirst, [2, 1, 0]), (Order::HardFirst, [0, 1, 2])] {
            let mut sampler = ordered(order);
            for (step, size) in sizes.into_iter().enumerate() {
                assert!(sampler.batch(step as u64).1.iter().all(|pair| pair % 3 == size));
            }
            assert_ne!(sampler.batch(0).1.to_vec(), sampler.batch(3).1.to_vec());
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let batch = |seed, step| Sampler::new(vec![1; 100], 100, 1, seed).batch(step).1.to_vec();
        assert_ne!(batch(1, 0), batch(1, 1));
        assert_ne!(batch(1, 0), batch(2, 0));
    }

    #[test]
    fn a_window_narrows_the_lengths_of_a_batch() {
        let costs: Vec<usize> = (0..640).map(|i| i * 7919 % 640).collect();
        let spread = |window| {
            let mut sampler = Sampler::new(costs.clone(), 16, window, 1);
            let range = |pairs: &[usize]| {
                let lengths: Vec<usize> = pairs.iter().map(|&p| costs[p]).collect();
                lengths.iter().max().unwrap() - lengths.iter().min().unwrap()
            };
            (0..40).map(|step| range(sampler.batch(step).1)).sum::<usize>() / 40
        };
        assert!(spread(10) * 5 < spread(1), "{} {}", spread(10), spread(1));
    }
}
