//! Keys and values of tokens that were computed, so that later tokens can see them without computing them again.
//!
//! A cache is rows; which row holds which token is the caller's business ([`Feed`]). One row can serve any number
//! of sequences that begin alike. Rows are handed out in runs by [`Runs`], and the cache grows as they do.

use std::collections::BTreeMap;
use std::ops::Range;

use rmbench_kernels::attention::Tree;
use tch::{Device, Kind, Tensor};

use super::config::DecoderConfig;

/// New tokens for a decoder: what they are, where they stand, where their keys and values go, and what they see.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    pub ids: Vec<i64>,
    /// Within its own sequence, of each token.
    pub positions: Vec<i64>,
    /// The cache's row of each token, each once.
    pub rows: Vec<i64>,
    /// Pieces are rows of the cache, those of this feed among them; queries are places in `ids`.
    pub trees: Vec<Tree>,
}

impl Feed {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Pieces of the stream with the length of their sequence so far.
    pub fn lengths(&self) -> Vec<(Range<usize>, i64)> {
        let spans = self.trees.iter().flat_map(|tree| &tree.spans);
        spans.map(|span| (span.queries.clone(), (span.position + span.queries.len()) as i64)).collect()
    }
}

/// Keys and values of one layer, each [r, g, k].
pub struct LayerCache {
    pub keys_rgk: Tensor,
    pub values_rgk: Tensor,
}

impl LayerCache {
    /// Puts the first rows of keys and values [t, g, k] into these rows; rows beyond belong to no token.
    pub fn put(&self, rows_t: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor) {
        let n = rows_t.size()[0];
        for (to, from) in [(&self.keys_rgk, k_tgk), (&self.values_rgk, v_tgk)] {
            let _ = to.shallow_clone().index_copy_(0, rows_t, &from.narrow(0, 0, n));
        }
    }
}

/// The keys and values of all layers.
pub struct Cache {
    pub(super) layers: Vec<LayerCache>,
    capacity: usize,
}

impl Cache {
    /// An empty cache, of keys and values in `kind`.
    pub fn new(config: &DecoderConfig, kind: Kind, device: Device) -> Self {
        let empty = || Tensor::zeros([0, config.kv_heads, config.head_dim], (kind, device));
        let layer = |_| LayerCache { keys_rgk: empty(), values_rgk: empty() };
        Self { layers: config.layers.iter().map(layer).collect(), capacity: 0 }
    }

    /// Makes room for rows below `rows`. What is there stays.
    pub fn reserve(&mut self, rows: usize) {
        if rows <= self.capacity {
            return;
        }
        // Half as much again, so that growing costs no more than filling.
        let more = (rows - self.capacity).max(self.capacity / 2);
        for layer in &mut self.layers {
            for x in [&mut layer.keys_rgk, &mut layer.values_rgk] {
                *x = x.constant_pad_nd([0, 0, 0, 0, 0, more as i64]);
            }
        }
        self.capacity += more;
    }
}

/// Which rows are free.
#[derive(Debug, Default)]
pub struct Runs {
    /// Free runs by their first row; no two are adjacent.
    free: BTreeMap<usize, usize>,
    /// Rows from here on were never used.
    end: usize,
}

impl Runs {
    /// `n` adjacent rows, the lowest there are.
    pub fn take(&mut self, n: usize) -> Range<usize> {
        let found = self.free.iter().find(|(_, length)| **length >= n).map(|(start, length)| (*start, *length));
        let Some((start, length)) = found else {
            let start = self.end;
            self.end += n;
            return start..self.end;
        };
        self.free.remove(&start);
        if length > n {
            self.free.insert(start + n, length - n);
        }
        start..start + n
    }

    pub fn give_back(&mut self, run: Range<usize>) {
        if run.is_empty() {
            return;
        }
        let (mut start, mut end) = (run.start, run.end);
        if let Some(length) = self.free.remove(&end) {
            end += length;
        }
        let before = self.free.range(..start).next_back().map(|(start, length)| (*start, *length));
        if let Some((first, length)) = before.filter(|(first, length)| first + length == start) {
            self.free.remove(&first);
            start = first;
            debug_assert!(length > 0);
        }
        if end == self.end {
            self.end = start;
        } else {
            self.free.insert(start, end - start);
        }
    }

    /// One more than the highest row in use.
    pub fn end(&self) -> usize {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_taken_lowest_first_and_grow_together_again() {
        let mut runs = Runs::default();
        let (a, b, c) = (runs.take(4), runs.take(3), runs.take(5));
        assert_eq!((a.clone(), b.clone(), c.clone()), (0..4, 4..7, 7..12));
        runs.give_back(a);
        assert_eq!(runs.take(2), 0..2);
        assert_eq!((runs.take(3), runs.end()), (12..15, 15), "two free rows are not three");
        runs.give_back(b);
        assert_eq!(runs.take(5), 2..7, "what lies side by side is one run");
        runs.give_back(12..15);
        runs.give_back(c);
        assert_eq!((runs.end(), runs.free.len()), (7, 0));
        runs.give_back(0..2);
        runs.give_back(2..7);
        assert_eq!((runs.end(), runs.free.len(), runs.take(1)), (0, 0, 0..1));
    }

    #[test]
    fn a_cache_keeps_what_it_has_when_it_grows() {
        let layer = |n| LayerCache {
            keys_rgk: Tensor::zeros([n, 2, 3], (Kind::Float, Device::Cpu)),
            values_rgk: Tensor::zeros([n, 2, 3], (Kind::Float, Device::Cpu)),
        };
        let mut cache = Cache { layers: vec![layer(0)], capacity: 0 };
        cache.reserve(4);
        let x = Tensor::randn([3, 2, 3], (Kind::Float, Device::Cpu));
        cache.layers[0].put(&Tensor::from_slice(&[3i64, 1]), &x, &x);
        cache.reserve(5);
        assert_eq!((cache.capacity, cache.layers[0].keys_rgk.size()), (6, vec![6, 2, 3]));
        assert_eq!(cache.layers[0].keys_rgk.get(3), x.get(0));
        assert_eq!(cache.layers[0].values_rgk.get(1), x.get(1));
    }
}
