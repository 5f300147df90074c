//! Weighted sums of columns: the matrix product, for a block of replicates that stays in registers while a
//! column streams by.
//!
//! One plain loop, compiled once more for each set of vector instructions. It multiplies and adds
//! separately and always in the order of the entries, so the same bits come out on every processor and
//! with any number of threads. Columns stand in order of their clusters, so that the weights of a stratum
//! are read from the first-level cache by all columns of it.

use crate::LANES;
use crate::columns::{ColumnId, Columns};

/// Some columns, ready to be multiplied.
#[derive(Debug, Default)]
pub struct Matrix {
    starts: Vec<u32>,
    clusters: Vec<u32>,
    values: Vec<f32>,
    /// Which of the caller's columns each is.
    places: Vec<u32>,
    /// Whether all of a column's entries are 1, as counts of items are.
    ones: Vec<bool>,
}

impl Matrix {
    pub fn new(columns: &Columns, chosen: &[ColumnId]) -> Self {
        let first = |at: &u32| columns.column(chosen[*at as usize]).0.first().copied().unwrap_or(0);
        let mut places: Vec<u32> = (0..chosen.len() as u32).collect();
        places.sort_by_key(first);
        let mut matrix = Matrix { starts: vec![0], ..Matrix::default() };
        for place in &places {
            let (clusters, values) = columns.column(chosen[*place as usize]);
            matrix.clusters.extend_from_slice(clusters);
            matrix.values.extend_from_slice(values);
            matrix.starts.push(matrix.clusters.len() as u32);
            matrix.ones.push(values.iter().all(|value| *value == 1.0));
        }
        matrix.places = places;
        matrix
    }

    /// `out[place][lane] = Σ weights[cluster][lane] · value`.
    pub fn multiply(&self, weights: &[[f32; LANES]], out: &mut Vec<[f32; LANES]>) {
        out.clear();
        out.resize(self.places.len(), [0.0; LANES]);
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx512(weights, out) };
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx2(weights, out) };
            }
        }
        self.multiply_here(weights, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn multiply_avx512(&self, weights: &[[f32; LANES]], out: &mut [[f32; LANES]]) {
        self.multiply_here(weights, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn multiply_avx2(&self, weights: &[[f32; LANES]], out: &mut [[f32; LANES]]) {
        self.multiply_here(weights, out);
    }

    #[inline(always)]
    fn multiply_here(&self, weights: &[[f32; LANES]], out: &mut [[f32; LANES]]) {
        for (column, place) in self.places.iter().enumerate() {
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
            out[*place as usize] = sums;
        }
    }
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
        let matrix = Matrix::new(&columns, &[b, a, c]);
        let mut out = Vec::new();
        matrix.multiply(&weights, &mut out);
        assert_eq!([out[1][1], out[0][1]], [4.0, 17.0]);
        let mut plain = vec![[0.0; LANES]; 3];
        matrix.multiply_here(&weights, &mut plain);
        assert_eq!(out, plain);
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2") {
            let mut avx2 = vec![[0.0; LANES]; 3];
            // SAFETY: asked above.
            unsafe { matrix.multiply_avx2(&weights, &mut avx2) };
            assert_eq!(out, avx2);
        }
    }
}
