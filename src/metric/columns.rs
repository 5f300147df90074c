//! The contributions matrix [clusters × sums], by column, zeros left out.
//!
//! Values are f32: counts, halves and their resampled sums are exact below 2^24, other values (1/k, tanh)
//! are good to 1e-7, far finer than a resampled percentile. Totals are kept in f64, so points are exact.
//! Equal columns are stored once: all runs that scored everything share their item counts.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

pub type ColumnId = u32;

#[derive(Debug, Clone)]
pub struct Columns {
    /// Where each column begins; one more at the end.
    starts: Vec<usize>,
    clusters: Vec<u32>,
    values: Vec<f32>,
    totals: Vec<f64>,
    by_content: HashMap<u64, Vec<ColumnId>>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            starts: vec![0],
            clusters: Vec::new(),
            values: Vec::new(),
            totals: Vec::new(),
            by_content: HashMap::new(),
        }
    }
}

impl Columns {
    /// Adds a column of (cluster, value), or finds the equal one that is there. A cluster may repeat: its
    /// values add up.
    pub fn add(&mut self, entries: impl Iterator<Item = (u32, f64)>) -> ColumnId {
        let begin = self.clusters.len();
        let mut total = 0.0;
        for (cluster, value) in entries {
            total += value;
            if value != 0.0 {
                self.clusters.push(cluster);
                self.values.push(value as f32);
            }
        }
        let mut hasher = DefaultHasher::new();
        for (cluster, value) in self.clusters[begin..].iter().zip(&self.values[begin..]) {
            hasher.write_u64(u64::from(*cluster) << 32 | u64::from(value.to_bits()));
        }
        let content = hasher.finish();
        let same = |id: &ColumnId| {
            let (clusters, values) = self.column(*id);
            clusters == &self.clusters[begin..]
                && values == &self.values[begin..]
                && self.totals[*id as usize].to_bits() == total.to_bits()
        };
        if let Some(known) = self.by_content.get(&content).and_then(|ids| ids.iter().copied().find(same)) {
            self.clusters.truncate(begin);
            self.values.truncate(begin);
            return known;
        }
        let id = self.totals.len() as ColumnId;
        self.starts.push(self.clusters.len());
        self.totals.push(total);
        self.by_content.entry(content).or_default().push(id);
        id
    }

    pub fn len(&self) -> usize {
        self.totals.len()
    }

    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// Sums over all clusters, one per column.
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    fn column(&self, id: ColumnId) -> (&[u32], &[f32]) {
        let range = self.starts[id as usize]..self.starts[id as usize + 1];
        (&self.clusters[range.clone()], &self.values[range])
    }

    /// Weighted sums of every column: `out[column][lane] = Σ weights[cluster][lane] · value`.
    ///
    /// One replicate per lane; a block of lanes stays in registers while a column streams by. The order of
    /// additions is fixed, so the result does not depend on how blocks are spread over threads.
    pub fn weighted<const LANES: usize>(&self, weights: &[[f32; LANES]], out: &mut Vec<[f64; LANES]>) {
        out.clear();
        out.reserve(self.len());
        for id in 0..self.len() as ColumnId {
            let (clusters, values) = self.column(id);
            let mut sums = [0.0f32; LANES];
            for (cluster, value) in clusters.iter().zip(values) {
                let weights = &weights[*cluster as usize];
                for lane in 0..LANES {
                    sums[lane] += weights[lane] * value;
                }
            }
            out.push(sums.map(f64::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_columns_are_one() {
        let mut columns = Columns::default();
        let a = columns.add([(0, 1.0), (1, 0.0), (2, 0.5)].into_iter());
        let b = columns.add([(0, 1.0), (2, 0.5)].into_iter());
        let c = columns.add([(0, 1.0), (2, 1.5)].into_iter());
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(columns.totals(), [1.5, 2.5]);
        let mut out = Vec::new();
        columns.weighted(&[[2.0, 0.0], [9.0, 9.0], [1.0, 4.0]], &mut out);
        assert_eq!(out, [[2.5, 2.0], [3.5, 6.0]]);
    }
}
