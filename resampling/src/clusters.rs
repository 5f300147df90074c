//! What is drawn: clusters within strata.

use std::ops::Range;

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

    /// The jackknife's replicates by cluster: which one leaves it out.
    pub(crate) fn group_of(&self) -> Vec<u32> {
        let mut group_of = vec![0; self.n];
        for (group, (stratum, left_out)) in (0..).zip(&self.groups) {
            for cluster in &self.strata[*stratum][left_out.clone()] {
                group_of[*cluster as usize] = group;
            }
        }
        group_of
    }

    /// By replicate of the jackknife: what the others of its stratum weigh, which take over its weight (1 where there are none).
    pub(crate) fn shares(&self) -> Vec<f64> {
        let share = |(stratum, left_out): &(usize, Range<usize>)| {
            let n = self.strata[*stratum].len();
            n as f64 / (n - left_out.len()).max(1) as f64
        };
        self.groups.iter().map(share).collect()
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
    fn groups_leave_every_cluster_out_once() {
        let clusters = clusters();
        assert_eq!(clusters.group_of(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(clusters.shares()[..6], [1.5; 6]);
        assert_eq!(clusters.groups_by_stratum().collect::<Vec<_>>(), [(3, 0..3), (3, 3..6), (1, 6..7)]);
        let many = Clusters::new(10_000, vec![(0..9_999).collect(), vec![9_999]]);
        assert!(many.n_groups() <= MAX_GROUPS && many.groups[0] == (0, 0..9), "{}", many.n_groups());
        let some = Clusters::new(110, vec![(0..10).collect(), (10..110).collect()]).grouped(60);
        let by_stratum: Vec<_> = some.groups_by_stratum().collect();
        assert_eq!(by_stratum, [(10, 0..10), (100, 10..60)], "the small stratum is kept whole");
        assert_eq!(some.clone().grouped(1).n_groups(), 4, "two of each at least");
    }
}
