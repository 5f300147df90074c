//! Sums of the jackknife: what remains without a group of clusters, its stratum weighed up for it.
//!
//! Nothing is multiplied: of every piece of a column it is enough to know the total, what each stratum and what each group adds.

use std::ops::Range;

use rayon::prelude::*;

use crate::LANES;
use crate::clusters::Clusters;
use crate::matrix::{Matrix, Sums};

/// One piece of a column, its sums by stratum and by group where there are any.
struct Piece {
    total: f64,
    /// Groups of a stratum, and their sum.
    strata: Vec<(Range<usize>, f64)>,
    groups: Vec<(usize, f64)>,
}

/// The pieces of a matrix, ready to leave groups out.
pub struct LeftOut<'a> {
    matrix: &'a Matrix,
    pieces: Vec<Piece>,
    /// By sum.
    totals: Vec<f64>,
    shares: Vec<f64>,
}

impl<'a> LeftOut<'a> {
    pub fn new(matrix: &'a Matrix, clusters: &Clusters) -> Self {
        let group_of = clusters.group_of();
        let strata: Vec<Range<usize>> = clusters.groups_by_stratum().map(|(_, range)| range).collect();
        let fresh = || vec![0.0; clusters.n_groups()];
        let of_piece = |sums: &mut Vec<f64>, number: usize| {
            let (members, values) = matrix.entries(number);
            let (mut first, mut end) = (usize::MAX, 0);
            for (cluster, value) in members.iter().zip(values) {
                let group = group_of[*cluster as usize] as usize;
                sums[group] += f64::from(*value);
                (first, end) = (first.min(group), end.max(group + 1));
            }
            let touched = first.min(end)..end;
            let mut piece = Piece { total: 0.0, strata: Vec::new(), groups: Vec::new() };
            for range in strata.iter().skip(strata.partition_point(|range| range.end <= touched.start)) {
                if range.start >= touched.end {
                    break;
                }
                let own = sums[range.clone()].iter().sum();
                piece.total += own;
                piece.strata.push((range.clone(), own));
            }
            for group in touched {
                if sums[group] != 0.0 {
                    piece.groups.push((group, std::mem::take(&mut sums[group])));
                }
            }
            piece
        };
        let pieces: Vec<Piece> =
            (0..matrix.n_pieces()).into_par_iter().with_min_len(256).map_init(fresh, of_piece).collect();
        let mut totals = Sums::default();
        matrix.begin(&mut totals);
        for (number, piece) in pieces.iter().enumerate() {
            matrix.add(number, &[piece.total; LANES], &mut totals);
        }
        let totals = totals.sums.iter().map(|sum| sum[0]).collect();
        Self { matrix, pieces, totals, shares: clusters.shares() }
    }

    /// Sums of replicates `first..first + LANES`, those there are.
    pub fn sums(&self, first: usize, out: &mut Sums) {
        self.matrix.begin(out);
        // Most groups touch few pieces: totals are the same everywhere.
        out.sums.iter_mut().zip(&self.totals).for_each(|(sum, total)| *sum = [*total; LANES]);
        let here = first..(first + LANES).min(self.shares.len());
        for (number, piece) in self.pieces.iter().enumerate() {
            let strata = piece.strata.iter().filter(|(range, _)| range.start < here.end && range.end > here.start);
            let mut moved = [0.0; LANES];
            let mut any = self.matrix.is_complement(number);
            for (range, own) in strata {
                for group in range.start.max(here.start)..range.end.min(here.end) {
                    moved[group - first] += (self.shares[group] - 1.0) * own;
                }
                any = true;
            }
            if !any {
                continue;
            }
            let from = piece.groups.partition_point(|(group, _)| *group < here.start);
            for (group, own) in piece.groups[from..].iter().take_while(|(group, _)| *group < here.end) {
                moved[group - first] -= self.shares[*group] * own;
            }
            self.matrix.add(number, &moved, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Columns;

    /// Against weights written out: 0 for those left out, the stratum's share for the others of it.
    #[test]
    fn a_group_is_left_out_and_its_stratum_keeps_its_weight() {
        let strata = vec![(0..40).collect::<Vec<u32>>(), vec![40], (41..90).rev().collect()];
        let clusters = Clusters::new(90, strata.clone()).grouped(37);
        let mut columns = Columns::default();
        let value = |cluster: u32| f64::from(cluster * 37 % 11) / 8.0;
        let everywhere = columns.insert(&(0..90).map(|c| (c, value(c))).collect::<Vec<_>>());
        let items = columns.insert(&(0..40).map(|c| (c, 1.0)).collect::<Vec<_>>());
        let credits = columns.insert(&(1..40).map(|c| (c, 1.0)).collect::<Vec<_>>());
        let repeated = columns.insert(&[(41, 1.0), (41, 0.5), (40, 2.0)]);
        let none = columns.insert(&[]);
        let ids = [everywhere, items, credits, repeated, none];
        let matrix = Matrix::new(&columns, &ids, &[0, 1, 2, 3, 4], 5, &[[2, 1]]);
        let left_out = LeftOut::new(&matrix, &clusters);
        let mut checked = 0;
        for first in (0..clusters.n_groups()).step_by(LANES) {
            let mut out = Sums::default();
            left_out.sums(first, &mut out);
            for group in first..(first + LANES).min(clusters.n_groups()) {
                let is_out = |cluster: u32| clusters.group_of()[cluster as usize] as usize == group;
                let stratum = strata.iter().find(|stratum| stratum.iter().any(|c| is_out(*c))).unwrap();
                let n_out = stratum.iter().filter(|cluster| is_out(**cluster)).count();
                let weight = |cluster: u32| match (is_out(cluster), stratum.contains(&cluster)) {
                    (true, _) => 0.0,
                    (false, true) => stratum.len() as f64 / (stratum.len() - n_out) as f64,
                    (false, false) => 1.0,
                };
                for (sum, id) in out.sums.iter().zip(ids) {
                    let (members, values) = columns.column(id);
                    let entries = members.iter().zip(values);
                    let direct: f64 = entries.map(|(cluster, value)| weight(*cluster) * f64::from(*value)).sum();
                    let found = sum[group - first];
                    assert!((found - direct).abs() < 1e-12, "{group}: {found} and {direct}");
                    checked += 1;
                }
            }
        }
        assert_eq!(checked, 5 * clusters.n_groups());
    }
}
