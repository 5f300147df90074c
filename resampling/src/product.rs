//! Weighted sums of columns: the matrix product, for a block of replicates that stays in registers while a
//! column streams by.
//!
//! One plain loop, compiled once more for each set of vector instructions. It multiplies and adds
//! separately and always in the order of the entries, so the same bits come out on every processor and
//! with any number of threads. Columns stand in order of their clusters, so that the weights of a stratum
//! are read from the first-level cache by all columns of it, and several blocks of weights take turns, so that entries are
//! not read from memory for each.

use std::collections::HashMap;
use std::ops::Range;

use crate::columns::{ColumnId, Columns};
use crate::{Block, LANES};

/// Entries that are multiplied with one block of weights before the next block's turn: they stay in the second-level cache.
const AT_ONCE: usize = 8_192;

/// Some columns, ready to be multiplied.
#[derive(Debug, Default)]
pub struct Matrix {
    starts: Vec<u32>,
    clusters: Vec<u32>,
    values: Vec<f32>,
    /// To which of the caller's sums each column adds.
    places: Vec<u32>,
    /// Whether all of a column's entries are 1, as counts of items are.
    ones: Vec<bool>,
    /// Where a column's own sum is kept for its complements, or [`NONE`].
    kept_at: Vec<u32>,
    /// Where to find the sum that a column's entries are missing from, or [`NONE`] where they are the column itself.
    missing_from: Vec<u32>,
    n_sums: usize,
    n_kept: usize,
}

const NONE: u32 = u32::MAX;

/// What a matrix gives for one block of weights.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// A column's sum is f32 and the same whatever stands beside it; sums of columns are f64, in which the order of adding
    /// leaves no trace.
    pub sums: Vec<[f64; LANES]>,
    kept: Block,
}

impl Matrix {
    /// `sums[k]` is the sum to which `chosen[k]` adds, of `n_sums`. `shares` are pairs of places in `chosen`, credits of items
    /// and the items: where most items have full credit, what is missing is multiplied instead.
    pub fn new(columns: &Columns, chosen: &[ColumnId], sums: &[u32], n_sums: usize, shares: &[[u32; 2]]) -> Self {
        let column = |at: u32| columns.column(chosen[at as usize]);
        let mut kept_at = vec![NONE; chosen.len()];
        let mut n_kept = 0;
        // By column: its items, and what their credits lack.
        let mut complements: HashMap<u32, (u32, Vec<(u32, f32)>)> = HashMap::new();
        for [credit, items] in shares {
            // Where all items have full credit, the columns are one.
            let taken = complements.contains_key(credit) || complements.contains_key(items);
            if credit == items || taken || kept_at[*credit as usize] != NONE {
                continue;
            }
            if let Some(missing) = missing(column(*credit), column(*items)) {
                complements.insert(*credit, (*items, missing));
                if kept_at[*items as usize] == NONE {
                    kept_at[*items as usize] = n_kept as u32;
                    n_kept += 1;
                }
            }
        }
        // A complement stands after what it is missing from, which begins no later.
        let first = |at: &u32| {
            let items = complements.get(at);
            (column(items.map_or(*at, |(items, _)| *items)).0.first().copied().unwrap_or(0), items.is_some())
        };
        let mut order: Vec<u32> = (0..chosen.len() as u32).collect();
        order.sort_by_key(first);
        let mut matrix = Matrix { starts: vec![0], n_sums, n_kept, ..Matrix::default() };
        for at in &order {
            let begin = matrix.values.len();
            if let Some((items, missing)) = complements.get(at) {
                matrix.clusters.extend(missing.iter().map(|(cluster, _)| *cluster));
                matrix.values.extend(missing.iter().map(|(_, value)| *value));
                matrix.missing_from.push(kept_at[*items as usize]);
            } else {
                let (clusters, values) = column(*at);
                matrix.clusters.extend_from_slice(clusters);
                matrix.values.extend_from_slice(values);
                matrix.missing_from.push(NONE);
            }
            matrix.kept_at.push(kept_at[*at as usize]);
            matrix.starts.push(matrix.clusters.len() as u32);
            matrix.ones.push(matrix.values[begin..].iter().all(|value| *value == 1.0));
            matrix.places.push(sums[*at as usize]);
        }
        matrix
    }

    /// `out.sums[sum][lane] = Σ weights[cluster][lane] · value`, for several blocks of weights: entries are read from memory
    /// once for all of them.
    pub fn multiply(&self, weights: &[Block], out: &mut [Sums]) {
        for out in out.iter_mut() {
            out.sums.clear();
            out.sums.resize(self.n_sums, [0.0; LANES]);
            out.kept.resize(self.n_kept, [0.0; LANES]);
        }
        let mut first = 0;
        while first < self.places.len() {
            let end = self.starts[first] as usize + AT_ONCE;
            let next = self.starts[first + 1..].partition_point(|start| (*start as usize) < end) + first + 1;
            let next = next.min(self.places.len());
            for (weights, out) in weights.iter().zip(out.iter_mut()) {
                self.multiply_some(first..next, weights, out);
            }
            first = next;
        }
    }

    fn multiply_some(&self, columns: Range<usize>, weights: &[[f32; LANES]], out: &mut Sums) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx512(columns, weights, out) };
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx2(columns, weights, out) };
            }
        }
        self.multiply_here(columns, weights, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn multiply_avx512(&self, columns: Range<usize>, weights: &[[f32; LANES]], out: &mut Sums) {
        self.multiply_here(columns, weights, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn multiply_avx2(&self, columns: Range<usize>, weights: &[[f32; LANES]], out: &mut Sums) {
        self.multiply_here(columns, weights, out);
    }

    #[inline(always)]
    fn multiply_here(&self, columns: Range<usize>, weights: &[[f32; LANES]], out: &mut Sums) {
        for column in columns {
            let range = self.starts[column] as usize..self.starts[column + 1] as usize;
            let clusters = &self.clusters[range.clone()];
            let mut sums = [0.0f32; LANES];
            if self.ones[column] {
                for cluster in clusters {
                    let weights = &weights[*cluster as usize];
                    for lane in 0..LANES {
                        sums[lane] += weights[lane];
                    }
                }
            } else {
                for (cluster, value) in clusters.iter().zip(&self.values[range]) {
                    let weights = &weights[*cluster as usize];
                    for lane in 0..LANES {
                        sums[lane] += weights[lane] * value;
                    }
                }
            }
            if self.missing_from[column] != NONE {
                let whole = &out.kept[self.missing_from[column] as usize];
                for lane in 0..LANES {
                    sums[lane] = whole[lane] - sums[lane];
                }
            }
            if self.kept_at[column] != NONE {
                out.kept[self.kept_at[column] as usize] = sums;
            }
            let out = &mut out.sums[self.places[column] as usize];
            for lane in 0..LANES {
                out[lane] += f64::from(sums[lane]);
            }
        }
    }
}

/// What the credits of some items lack to one each; `None` where that is no shorter, or where they are no credits of these items:
/// items count once and stand in order, and so do credits.
fn missing(credits: (&[u32], &[f32]), items: (&[u32], &[f32])) -> Option<Vec<(u32, f32)>> {
    let rising = |clusters: &[u32]| clusters.windows(2).all(|pair| pair[0] < pair[1]);
    let full = credits.1.iter().filter(|value| **value == 1.0).count();
    if items.0.len() - full.min(items.0.len()) >= credits.0.len() || items.1.iter().any(|value| *value != 1.0) {
        return None;
    }
    if !rising(credits.0) || !rising(items.0) {
        return None;
    }
    let mut found = Vec::new();
    let mut credit = credits.0.iter().zip(credits.1).peekable();
    for item in items.0 {
        match credit.next_if(|(cluster, _)| *cluster == item) {
            Some((_, value)) if *value == 1.0 => {}
            Some((_, value)) => found.push((*item, 1.0 - value)),
            None => found.push((*item, 1.0)),
        }
    }
    credit.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_the_same_with_every_set_of_instructions() {
        let mut columns = Columns::default();
        let a = columns.insert(&[(0, 1.0), (2, 0.5)]);
        let b = columns.insert(&[(1, 1.0), (2, 1.0), (2, 1.0)]);
        let mut state = 1u32;
        let long: Vec<(u32, f64)> = (0..3)
            .cycle()
            .take(1_000)
            .map(|cluster| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (cluster, f64::from(state) / 1e9)
            })
            .collect();
        let c = columns.insert(&long);
        let mut weights = vec![[0.0; LANES]; 3];
        for (cluster, row) in weights.iter_mut().enumerate() {
            for (lane, weight) in row.iter_mut().enumerate() {
                *weight = (cluster * LANES + lane) as f32 * 1.1;
            }
        }
        weights[0][1] = 2.0;
        weights[1][1] = 9.0;
        weights[2][1] = 4.0;
        let matrix = Matrix::new(&columns, &[b, a, c, a], &[0, 1, 2, 0], 4, &[]);
        let mut outs = [Sums::default(), Sums::default()];
        let doubled = weights.iter().map(|row| row.map(|weight| 2.0 * weight)).collect();
        matrix.multiply(&[weights.clone(), doubled], &mut outs);
        let [out, twice] = outs.map(|out| out.sums);
        assert_eq!([out[1][1], out[0][1], out[3][1]], [4.0, 17.0 + 4.0, 0.0]);
        assert_eq!(twice[2].map(|sum| sum / 2.0), out[2]);
        let empty = Sums { sums: vec![[0.0; LANES]; 4], kept: Vec::new() };
        let mut plain = empty.clone();
        matrix.multiply_here(0..4, &weights, &mut plain);
        assert_eq!(out, plain.sums);
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2") {
            let mut avx2 = empty;
            // SAFETY: asked above.
            unsafe { matrix.multiply_avx2(0..4, &weights, &mut avx2) };
            assert_eq!(out, avx2.sums);
        }
    }

    /// Credits of five items, most of them full; others that are no credits of them stay as they are.
    #[test]
    fn what_is_missing_is_multiplied_where_it_is_shorter() {
        let mut columns = Columns::default();
        let items = columns.insert(&[(1, 1.0), (2, 1.0), (3, 1.0), (5, 1.0), (7, 1.0)]);
        let most = columns.insert(&[(1, 1.0), (2, 1.0), (3, 0.5), (7, 1.0)]);
        let few = columns.insert(&[(3, 1.0)]);
        let others = columns.insert(&[(1, 1.0), (2, 1.0), (4, 1.0), (7, 1.0)]);
        let chosen = [most, few, items, others];
        let sums = [0, 1, 2, 0];
        let shares = [[2, 2], [0, 2], [1, 2], [3, 2]];
        let (short, plain) =
            (Matrix::new(&columns, &chosen, &sums, 3, &shares), Matrix::new(&columns, &chosen, &sums, 3, &[]));
        assert_eq!((short.values.len(), plain.values.len()), (2 + 1 + 5 + 4, 4 + 1 + 5 + 4));
        let weights: Vec<[f32; LANES]> = (0..8).map(|c| std::array::from_fn(|lane| (c * lane) as f32 * 0.5)).collect();
        let (mut a, mut b) = ([Sums::default()], [Sums::default()]);
        short.multiply(std::slice::from_ref(&weights), &mut a);
        plain.multiply(std::slice::from_ref(&weights), &mut b);
        assert_eq!(a[0].sums, b[0].sums);
    }
}
