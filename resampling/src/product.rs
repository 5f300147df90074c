//! Weighted sums of columns: the matrix product, for a block of replicates that stays in registers while a
//! column streams by.
//!
//! Plain loops, compiled once more for each set of vector instructions. They multiply and add separately and always in the
//! order of the entries, so the same bits come out on every processor and with any number of threads. Several blocks of weights
//! take turns, so that entries are not read from memory for each. Where all entries are 1, draws are counted in bytes.

use std::ops::Range;

use crate::LANES;
use crate::draws::Weights;
use crate::matrix::{Matrix, Sums};

/// Entries that are multiplied with one block of weights before the next block's turn: they stay in the second-level cache.
const AT_ONCE: usize = 8_192;

/// Entries of pieces of ones cut where one draw of a cluster weighs something else.
#[derive(Debug, Default)]
pub struct Segments {
    /// By piece, where its segments begin; one more at the end. Others have none, nor those that are cut too often.
    starts: Vec<u32>,
    /// Last entry (excluded), and what a draw weighs.
    ends: Vec<(u32, f32)>,
}

/// Entries that a segment has at least on average: with fewer, weights are added as they are.
const WORTHWHILE: usize = 4;

impl Matrix {
    /// Where draws can be counted, which weigh `worth` each.
    pub fn segments(&self, worth: &[f32]) -> Segments {
        let mut segments = Segments { starts: vec![0], ends: Vec::new() };
        for (piece, ones) in self.ones.iter().enumerate() {
            let range = self.starts[piece] as usize..self.starts[piece + 1] as usize;
            let before = segments.ends.len();
            if *ones && !range.is_empty() {
                let clusters = &self.clusters[range.clone()];
                let mut end = range.start;
                for part in clusters.chunk_by(|a, b| worth[*a as usize] == worth[*b as usize]) {
                    end += part.len();
                    segments.ends.push((end as u32, worth[part[0] as usize]));
                }
                if (segments.ends.len() - before) * WORTHWHILE > range.len() {
                    segments.ends.truncate(before);
                }
            }
            segments.starts.push(segments.ends.len() as u32);
        }
        segments
    }

    /// `out.sums[sum][lane] = Σ weights[cluster][lane] · value`, for several blocks of weights: entries are read from memory
    /// once for all of them.
    pub(crate) fn multiply(&self, weights: &[Weights], segments: &Segments, out: &mut [Sums]) {
        out.iter_mut().for_each(|out| self.begin(out));
        let mut first = 0;
        while first < self.n_pieces() {
            let end = self.starts[first] as usize + AT_ONCE;
            let next = self.starts[first + 1..].partition_point(|start| (*start as usize) < end) + first + 1;
            let next = next.min(self.n_pieces());
            for (weights, out) in weights.iter().zip(out.iter_mut()) {
                self.multiply_some(first..next, weights, segments, out);
            }
            first = next;
        }
    }

    fn multiply_some(&self, pieces: Range<usize>, weights: &Weights, segments: &Segments, out: &mut Sums) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx512(pieces, weights, segments, out) };
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.multiply_avx2(pieces, weights, segments, out) };
            }
        }
        self.multiply_here(pieces, weights, segments, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn multiply_avx512(&self, pieces: Range<usize>, weights: &Weights, segments: &Segments, out: &mut Sums) {
        self.multiply_here(pieces, weights, segments, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn multiply_avx2(&self, pieces: Range<usize>, weights: &Weights, segments: &Segments, out: &mut Sums) {
        self.multiply_here(pieces, weights, segments, out);
    }

    #[inline(always)]
    fn multiply_here(&self, pieces: Range<usize>, weights: &Weights, segments: &Segments, out: &mut Sums) {
        for piece in pieces {
            let (clusters, values) = self.entries(piece);
            let counted = segments.starts[piece] as usize..segments.starts[piece + 1] as usize;
            // Each in registers of its own.
            let sums = if !counted.is_empty() && !weights.counts.is_empty() {
                counted_sums(&self.clusters, self.starts[piece], &segments.ends[counted], weights)
            } else if self.ones[piece] {
                added(clusters, &weights.rows)
            } else {
                multiplied(clusters, values, &weights.rows)
            };
            self.add(piece, &sums, out);
        }
    }
}

/// Written out as a loop: `map` is not compiled to whole vector registers.
#[inline(always)]
fn wide(sums: &[f32; LANES]) -> [f64; LANES] {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = f64::from(sums[lane]);
    }
    out
}

/// Σ weight.
#[inline(always)]
fn added(clusters: &[u32], rows: &[[f32; LANES]]) -> [f64; LANES] {
    let mut sums = [0.0f32; LANES];
    for cluster in clusters {
        let weights = &rows[*cluster as usize];
        for lane in 0..LANES {
            sums[lane] += weights[lane];
        }
    }
    wide(&sums)
}

/// Σ weight · value.
#[inline(always)]
fn multiplied(clusters: &[u32], values: &[f32], rows: &[[f32; LANES]]) -> [f64; LANES] {
    let mut sums = [0.0f32; LANES];
    for (cluster, value) in clusters.iter().zip(values) {
        let weights = &rows[*cluster as usize];
        for lane in 0..LANES {
            sums[lane] += weights[lane] * value;
        }
    }
    wide(&sums)
}

/// Σ weight, by counting draws: as many counts as surely fit a byte are added up as bytes.
#[inline(always)]
fn counted_sums(clusters: &[u32], begin: u32, segments: &[(u32, f32)], weights: &Weights) -> [f64; LANES] {
    let mut sums = [0.0f64; LANES];
    let mut begin = begin as usize;
    for (end, worth) in segments {
        let mut total = [0u32; LANES];
        for some in clusters[begin..*end as usize].chunks(usize::from(u8::MAX / weights.largest)) {
            let mut counts = [0u8; LANES];
            for cluster in some {
                let drawn = &weights.counts[*cluster as usize];
                for lane in 0..LANES {
                    counts[lane] = counts[lane].wrapping_add(drawn[lane]);
                }
            }
            for lane in 0..LANES {
                total[lane] += u32::from(counts[lane]);
            }
        }
        begin = *end as usize;
        for lane in 0..LANES {
            sums[lane] += f64::from(total[lane]) * f64::from(*worth);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Columns;

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
        let none = matrix.segments(&[1.0; 3]);
        let of_rows = |rows| Weights { rows, ..Weights::default() };
        let weights = of_rows(weights);
        matrix.multiply(&[weights.clone(), of_rows(doubled)], &none, &mut outs);
        let [out, twice] = outs.map(|out| out.sums);
        assert_eq!([out[1][1], out[0][1], out[3][1]], [4.0, 17.0 + 4.0, 0.0]);
        assert_eq!(twice[2].map(|sum| sum / 2.0), out[2]);
        let mut empty = Sums::default();
        matrix.begin(&mut empty);
        let mut plain = empty.clone();
        matrix.multiply_here(0..matrix.n_pieces(), &weights, &none, &mut plain);
        assert_eq!(out, plain.sums);
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2") {
            let mut avx2 = empty;
            // SAFETY: asked above.
            unsafe { matrix.multiply_avx2(0..matrix.n_pieces(), &weights, &none, &mut avx2) };
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
        let weights = [Weights { rows: weights, ..Weights::default() }];
        short.multiply(&weights, &short.segments(&[1.0; 8]), &mut a);
        plain.multiply(&weights, &plain.segments(&[1.0; 8]), &mut b);
        assert_eq!(a[0].sums, b[0].sums);
    }

    /// Clusters of two worths, drawn up to 70 times: three at a time fit a byte. Few are one piece, many are cut.
    #[test]
    fn counted_draws_weigh_what_their_weights_say() {
        for n in [250, 1_300] {
            let mut columns = Columns::default();
            let all: Vec<(u32, f64)> = (0..n).map(|cluster| (cluster, 1.0)).collect();
            let some: Vec<(u32, f64)> = all.iter().copied().filter(|(cluster, _)| cluster % 3 > 0).collect();
            let halves: Vec<(u32, f64)> = all.iter().map(|(cluster, _)| (*cluster, 0.5)).collect();
            let mixed: Vec<(u32, f64)> = [0, 200, 1, 201].map(|cluster| (cluster, 1.0)).to_vec();
            let ids = [all, some, halves, mixed].map(|entries| columns.insert(&entries));
            let matrix = Matrix::new(&columns, &ids, &[0, 1, 2, 3], 4, &[]);
            let worth: Vec<f32> = (0..n).map(|cluster| if cluster < 150 { 1.25 } else { 1.5 }).collect();
            let segments = matrix.segments(&worth);
            if n == 250 {
                assert_eq!((segments.starts.as_slice(), segments.ends.len()), (&[0, 2, 2, 2, 4][..], 4));
            } else {
                assert_eq!(matrix.n_pieces(), 3 * 6 + 1);
            }
            let counts: Vec<[u8; LANES]> = (0..n)
                .map(|cluster| std::array::from_fn(|lane| ((cluster as usize * 7 + lane * 31) % 71) as u8))
                .collect();
            let rows = counts.iter().zip(&worth).map(|(row, worth)| row.map(|n| f32::from(n) * worth)).collect();
            let weights = [Weights { rows, counts, largest: 70 }];
            let (mut counted, mut added) = ([Sums::default()], [Sums::default()]);
            matrix.multiply(&weights, &segments, &mut counted);
            let plain = [Weights { counts: Vec::new(), ..weights[0].clone() }];
            matrix.multiply(&plain, &segments, &mut added);
            assert_eq!(counted[0].sums, added[0].sums, "quarters add up exactly");
            let direct: f32 = weights[0].rows.iter().map(|row| row[3]).sum();
            assert_eq!(counted[0].sums[0][3], f64::from(direct));
        }
    }
}
