//! The contributions matrix [clusters × sums], by column, zeros left out.
//!
//! Values are f32: counts, halves and their resampled sums are exact below 2^24, other values (1/k, tanh)
//! are good to 1e-7, far finer than a resampled percentile. Totals are kept in f64, so points are exact.
//! Equal columns are stored once: all runs that scored everything share their item counts.

use std::collections::HashMap;

pub type ColumnId = u32;

#[derive(Debug, Clone)]
pub struct Columns {
    /// Where each column begins; one more at the end.
    starts: Vec<usize>,
    clusters: Vec<u32>,
    values: Vec<f32>,
    totals: Vec<f64>,
    squares: Vec<f64>,
    /// Fingerprints of entries.
    contents: Vec<u64>,
    by_content: HashMap<u64, Vec<ColumnId>>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            starts: vec![0],
            clusters: Vec::new(),
            values: Vec::new(),
            totals: Vec::new(),
            squares: Vec::new(),
            contents: Vec::new(),
            by_content: HashMap::new(),
        }
    }
}

impl Columns {
    /// Adds a column of (cluster, value), or finds the equal one that is there. A cluster may repeat: its
    /// values add up.
    pub fn add(&mut self, entries: impl Iterator<Item = (u32, f64)>) -> ColumnId {
        let entries: Vec<(u32, f64)> = entries.collect();
        self.insert(&entries)
    }

    /// The same, from a slice.
    pub fn insert(&mut self, entries: &[(u32, f64)]) -> ColumnId {
        let begin = self.clusters.len();
        let (mut total, mut squares, mut content) = (0.0, 0.0, 0xcbf2_9ce4_8422_2325u64);
        for &(cluster, value) in entries {
            total += value;
            squares += value * value;
            if value != 0.0 {
                let value = value as f32;
                self.clusters.push(cluster);
                self.values.push(value);
                content ^= u64::from(cluster) << 32 | u64::from(value.to_bits());
                content = content.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            }
        }
        self.close(begin, total, squares, content)
    }

    /// Adds all columns of others, which were written elsewhere; by column of theirs: where it stands here.
    pub fn append(&mut self, others: &Columns) -> Vec<ColumnId> {
        (0..others.len())
            .map(|id| {
                let begin = self.clusters.len();
                let (clusters, values) = others.column(id as ColumnId);
                self.clusters.extend_from_slice(clusters);
                self.values.extend_from_slice(values);
                self.close(begin, others.totals[id], others.squares[id], others.contents[id])
            })
            .collect()
    }

    /// Makes the entries from `begin` on a column, or takes them back where there is an equal one.
    fn close(&mut self, begin: usize, total: f64, squares: f64, content: u64) -> ColumnId {
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
        self.squares.push(squares);
        self.contents.push(content);
        self.by_content.entry(content).or_default().push(id);
        id
    }

    /// The same where clusters come in any order and several times; `sums` is 0 for every cluster, before and after.
    pub fn insert_summed(&mut self, entries: &[(u32, f64)], sums: &mut [f64]) -> ColumnId {
        if entries.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return self.insert(entries);
        }
        let mut touched = Vec::new();
        for &(cluster, value) in entries {
            let sum = &mut sums[cluster as usize];
            if *sum == 0.0 {
                touched.push(cluster);
            }
            *sum += value;
        }
        touched.sort_unstable();
        let taken: Vec<(u32, f64)> =
            touched.into_iter().map(|cluster| (cluster, std::mem::take(&mut sums[cluster as usize]))).collect();
        self.insert(&taken)
    }

    pub fn len(&self) -> usize {
        self.totals.len()
    }

    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// Entries that are stored: the multiplications of one replicate.
    pub fn n_entries(&self) -> usize {
        self.clusters.len()
    }

    /// Sums over all clusters, one per column.
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// Sums of squared entries, one per column.
    pub fn squares(&self) -> &[f64] {
        &self.squares
    }

    /// Clusters and values of a column.
    pub(crate) fn column(&self, id: ColumnId) -> (&[u32], &[f32]) {
        let range = self.starts[id as usize]..self.starts[id as usize + 1];
        (&self.clusters[range.clone()], &self.values[range])
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
        assert_eq!(columns.squares(), [1.25, 3.25]);
        assert_eq!(columns.n_entries(), 4);
        let mut sums = vec![0.0; 3];
        assert_eq!(columns.insert_summed(&[(2, 1.0), (0, 1.0), (2, 0.5)], &mut sums), c);
        let mut others = Columns::default();
        let d = others.insert(&[(3, 1.0)]);
        assert_eq!([d, others.insert(&[(0, 1.0), (2, 1.5)]), others.insert(&[(0, 1.0), (2, 0.5)])], [0, 1, 2]);
        assert_eq!(columns.append(&others), [2, c, a]);
        assert_eq!((columns.column(2), columns.totals()[2]), ((&[3][..], &[1.0][..]), 1.0));
        assert_eq!(sums, [0.0; 3]);
    }
}
