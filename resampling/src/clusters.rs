//! What is drawn: clusters within strata.

use std::ops::Range;

use crate::LANES;

/// The jackknife leaves out clusters one by one up to so many, groups of them beyond: its variance by stratum needs no more.
const MAX_GROUPS: usize = 1024;

/// Clusters by stratum; every cluster is in exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    n: usize,
    strata: Vec<Vec<u32>>,
    /// What the jackknife leaves out at a time: a stratum and places in it, stratum by stratum.
    groups: Vec<(usize, Range<usize>)>,
}

impl Clusters {
    /// # Panics
    /// Where a cluster is in no stratum or in two: then the design is wrong.
    pub fn new(n: usize, strata: Vec<Vec<u32>>) -> Self {
        let mut seen = vec![false; n];
        for cluster in strata.iter().flatten() {
            assert!(!std::mem::replace(&mut seen[*cluster as usize], true), "cluster {cluster} in two strata");
        }
        assert!(!seen.contains(&false), "a cluster is in no stratum");
        Self { n, groups: groups(&strata, MAX_GROUPS), strata }
    }

    /// The same clusters with a jackknife of about so many groups at most: beside few replicates of the bootstrap a long
    /// one would be all the time.
    pub fn grouped(mut self, at_most: usize) -> Self {
        if at_most < self.groups.len() {
            self.groups = groups(&self.strata, at_most);
        }
        self
    }

    /// Replicates of the jackknife.
    pub fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The jackknife's replicates by stratum, with the number of clusters of the stratum.
    pub fn groups_by_stratum(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let mut begin = 0;
        self.groups.chunk_by(|a, b| a.0 == b.0).map(move |groups| {
            let range = begin..begin + groups.len();
            begin = range.end;
            (self.strata[groups[0].0].len(), range)
        })
    }

    pub fn len(&self) -> usize {
        self.n
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    pub fn strata(&self) -> &[Vec<u32>] {
        &self.strata
    }

    /// Weights of the jackknife's replicates `first..first + LANES`, those there are: a row of lanes per cluster. Replicate r
    /// leaves group r out; the others of its stratum take over its weight.
    pub fn jackknife(&self, first: usize, out: &mut Vec<[f32; LANES]>) {
        out.clear();
        out.resize(self.n, [1.0; LANES]);
        for (lane, (stratum, left_out)) in self.groups[first..].iter().take(LANES).enumerate() {
            let stratum = &self.strata[*stratum];
            let share = stratum.len() as f32 / (stratum.len() - left_out.len()) as f32;
            for (place, cluster) in stratum.iter().enumerate() {
                out[*cluster as usize][lane] = if left_out.contains(&place) { 0.0 } else { share };
            }
        }
    }
}

/// Cuts strata into groups, small strata into single clusters first: where a small stratum carries much of a number's
/// variance, it decides the degrees of freedom.
fn groups(strata: &[Vec<u32>], at_most: usize) -> Vec<(usize, Range<usize>)> {
    let mut sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    let (mut left, mut cap) = (at_most, usize::MAX);
    for (at, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - at);
        if *size > share {
            cap = share;
            break;
        }
        left -= size;
    }
    let of_stratum = |(number, stratum): (usize, &Vec<u32>)| {
        let n = stratum.len();
        // At least two groups, or leaving one out leaves nothing.
        let k = n.div_ceil(n.div_ceil(cap.max(2)).max(1)).max(2).min(n);
        (0..k).map(move |at| (number, at * n / k..(at + 1) * n / k)).collect::<Vec<_>>()
    };
    strata.iter().enumerate().flat_map(of_stratum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters() -> Clusters {
        Clusters::new(7, vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]])
    }

    #[test]
    fn every_stratum_keeps_its_weight() {
        let clusters = clusters();
        let mut weights = Vec::new();
        clusters.jackknife(0, &mut weights);
        for lane in 0..6 {
            let sum = |of: std::ops::Range<usize>| weights[of].iter().map(|row| row[lane]).sum::<f32>();
            assert!((sum(0..3) - 3.0).abs() < 1e-6 && (sum(3..6) - 3.0).abs() < 1e-6);
        }
        assert_eq!(weights[4][4], 0.0);
        assert_eq!((weights[3][4], weights[5][4]), (1.5, 1.5));
        assert_eq!(clusters.groups_by_stratum().collect::<Vec<_>>(), [(3, 0..3), (3, 3..6), (1, 6..7)]);
        let many = Clusters::new(10_000, vec![(0..9_999).collect(), vec![9_999]]);
        assert!(many.n_groups() <= MAX_GROUPS && many.groups[0] == (0, 0..9), "{}", many.n_groups());
        let some = Clusters::new(110, vec![(0..10).collect(), (10..110).collect()]).grouped(60);
        let by_stratum: Vec<_> = some.groups_by_stratum().collect();
        assert_eq!(by_stratum, [(10, 0..10), (100, 10..60)], "the small stratum is kept whole");
        assert_eq!(some.clone().grouped(1).n_groups(), 4, "two of each at least");
    }
}
