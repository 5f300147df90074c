//! Bootstrap draws: how often each replicate draws each cluster, kept once drawn.
//!
//! A replicate draws n − 1 times with replacement from the n clusters of each stratum, each drawn one weighing n/(n − 1):
//! then the variance over replicates is the unbiased one, also in small strata (Rao and Wu 1988). A stratum of one cluster
//! keeps it and adds no variance. Draws of replicate r are a function of (key, r) alone.

use std::sync::OnceLock;

use crate::LANES;
use crate::clusters::Clusters;
use crate::random::Stream;

/// Bytes of draws that are kept; replicates beyond are drawn anew each time.
const KEPT: usize = 64 << 20;

/// Counts of [`LANES`] replicates: a row of lanes per cluster.
type Counts = Vec<[u8; LANES]>;

/// What [`LANES`] replicates weigh each cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weights {
    pub rows: Vec<[f32; LANES]>,
    /// How often they draw each cluster; empty where that does not fit a byte.
    pub counts: Counts,
    /// The largest of the counts, at least 1.
    pub largest: u8,
}

#[derive(Debug)]
pub struct Draws {
    strata: Vec<Vec<u32>>,
    /// What one draw of a cluster weighs.
    worth: Vec<f32>,
    key: [u64; 4],
    /// By block of replicates; `None` where a count is too large to be kept.
    kept: Vec<OnceLock<Option<Counts>>>,
}

impl Draws {
    /// `replicates` says how many are worth keeping.
    pub fn new(clusters: &Clusters, key: [u64; 4], replicates: usize) -> Self {
        let mut worth = vec![1.0; clusters.len()];
        for stratum in clusters.strata().iter().filter(|stratum| stratum.len() > 1) {
            let n = stratum.len() as f32;
            stratum.iter().for_each(|cluster| worth[*cluster as usize] = n / (n - 1.0));
        }
        let blocks = replicates.div_ceil(LANES).min(KEPT / (clusters.len() * LANES).max(1));
        let kept = (0..blocks).map(|_| OnceLock::new()).collect();
        Self { strata: clusters.strata().to_vec(), worth, key, kept }
    }

    /// How often a replicate draws each cluster.
    pub fn counts(&self, replicate: u64) -> Vec<u32> {
        let mut counts = vec![0; self.worth.len()];
        self.draw(replicate, |cluster| counts[cluster as usize] += 1);
        counts
    }

    /// What a replicate weighs each cluster.
    pub fn weighed(&self, replicate: u64) -> Vec<f32> {
        self.counts(replicate).iter().zip(&self.worth).map(|(count, worth)| *count as f32 * worth).collect()
    }

    /// What one draw of each cluster weighs.
    pub(crate) fn worth(&self) -> &[f32] {
        &self.worth
    }

    /// Weights of replicates `first..first + LANES`, `first` a multiple of [`LANES`], and their counts.
    pub(crate) fn block(&self, first: usize, out: &mut Weights) {
        self.weights(first, &mut out.rows);
        out.counts.clear();
        if let Some(Some(counts)) = self.kept.get(first / LANES).and_then(OnceLock::get) {
            out.counts.extend_from_slice(counts);
        }
        out.largest = out.counts.as_flattened().iter().copied().max().unwrap_or(0).max(1);
    }

    /// Weights of replicates `first..first + LANES`, `first` a multiple of [`LANES`]: a row of lanes per cluster.
    pub fn weights(&self, first: usize, out: &mut Vec<[f32; LANES]>) {
        out.clear();
        let drawn;
        let counts = match self.kept.get(first / LANES) {
            Some(place) => place.get_or_init(|| self.narrow(first)),
            None => {
                drawn = self.narrow(first);
                &drawn
            }
        };
        if let Some(counts) = counts {
            out.extend(counts.iter().zip(&self.worth).map(|(counts, worth)| counts.map(|n| f32::from(n) * worth)));
            return;
        }
        out.resize(self.worth.len(), [0.0; LANES]);
        for lane in 0..LANES {
            let weights = self.weighed((first + lane) as u64);
            out.iter_mut().zip(weights).for_each(|(row, weight)| row[lane] = weight);
        }
    }

    /// Counts in a byte each; `None` where one does not fit.
    fn narrow(&self, first: usize) -> Option<Counts> {
        let mut counts = vec![[0u8; LANES]; self.worth.len()];
        let mut fits = true;
        for (lane, replicate) in (first..first + LANES).enumerate() {
            self.draw(replicate as u64, |cluster| {
                let count = &mut counts[cluster as usize][lane];
                fits &= *count < u8::MAX;
                *count = count.wrapping_add(1);
            });
        }
        fits.then_some(counts)
    }

    /// Calls `drawn` with every cluster that a replicate draws.
    #[inline]
    fn draw(&self, replicate: u64, mut drawn: impl FnMut(u32)) {
        let mut stream = Stream::new(self.key, replicate);
        for stratum in &self.strata {
            let n = stratum.len() as u32;
            if n == 1 {
                drawn(stratum[0]);
                continue;
            }
            for _ in 1..n {
                drawn(stratum[stream.below(n) as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters() -> Clusters {
        Clusters::new(7, vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]])
    }

    #[test]
    fn every_stratum_keeps_its_weight() {
        let draws = Draws::new(&clusters(), [1, 2, 3, 4], 7);
        let mut weights = Vec::new();
        draws.weights(0, &mut weights);
        for lane in 0..LANES {
            let sum = |of: std::ops::Range<usize>| weights[of].iter().map(|row| row[lane]).sum::<f32>();
            assert!((sum(0..3) - 3.0).abs() < 1e-6 && (sum(3..6) - 3.0).abs() < 1e-6 && weights[6][lane] == 1.0);
        }
        assert_eq!(draws.counts(9).iter().sum::<u32>(), 2 + 2 + 1);
    }

    #[test]
    fn draws_are_functions_of_key_and_number() {
        let draws = Draws::new(&clusters(), [1; 4], 64);
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for block in [0, LANES, 5 * LANES] {
            draws.weights(block, &mut first);
            draws.weights(block, &mut again);
            assert_eq!(first, again, "kept or not");
            for lane in 0..LANES {
                let own: Vec<f32> = first.iter().map(|row| row[lane]).collect();
                assert_eq!(own, draws.weighed((block + lane) as u64));
            }
        }
        assert!((0..20).any(|r| draws.counts(r) != draws.counts(3)));
        assert_ne!(Draws::new(&clusters(), [2; 4], 1).counts(3), draws.counts(3));
    }

    /// 299 draws among two of 300 clusters that are one cluster twice over would not fit a byte: such blocks are not kept.
    #[test]
    fn large_counts_are_drawn_anew() {
        let mut draws = Draws::new(&Clusters::new(300, vec![(0..300).collect()]), [5; 4], 64);
        draws.strata = vec![[0, 1].repeat(150)];
        draws.strata[0].extend([0; 400]);
        let mut weights = Vec::new();
        draws.weights(0, &mut weights);
        assert!(draws.kept[0].get().is_some_and(Option::is_none));
        let own: Vec<f32> = weights.iter().map(|row| row[1]).collect();
        assert_eq!(own, draws.weighed(1));
        assert!(own[0] > 255.0);
    }
}
