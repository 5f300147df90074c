//! Attention of new tokens over the keys and values that earlier passes left in a [cache](crate::backbone::cache).

use std::ops::Range;

use rmbench_kernels::attention::{Span, Tree};
use tch::{Device, Kind, Tensor};

use super::calls::{additive, seen};
use super::{Plan, Sight, heads_first, kernel, kind_of_scores, pick};
use crate::backbone::cache::LayerCache;
use crate::backbone::recording::may_leave_libtorch;
use crate::backbone::soft_cap::{self, Seen};

/// What answers the queries of a layer.
pub trait Attend {
    /// See [`Plan::attend`]; with a cap, [`Plan::attend_capped`].
    fn answer(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64, cap: Option<f64>) -> Tensor;
}

impl Attend for Plan {
    fn answer(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64, cap: Option<f64>) -> Tensor {
        match cap {
            None => self.attend(q_thk, k_tgk, v_tgk, scale),
            Some(cap) => self.attend_capped(q_thk, k_tgk, v_tgk, scale, cap),
        }
    }
}

/// Which rows of a cache answer which new tokens; the same for all layers of one sight.
pub struct Asking {
    /// In place of everything else where no gradients are recorded on a CPU.
    kernel: Option<kernel::Trees>,
    trees: Vec<Tree>,
    window: Option<i64>,
    kind: Kind,
}

impl Asking {
    /// `trees`: pieces are rows of the cache, queries rows of the stream.
    pub fn new(trees: Vec<Tree>, sight: Sight, compute: Kind, device: Device) -> Self {
        let Sight::Causal { window } = sight else {
            // Encoders see what comes after them: nothing of theirs can be kept.
            return Self::new(trees, Sight::Causal { window: None }, compute, device);
        };
        let kind = kind_of_scores(compute, device);
        match may_leave_libtorch(device, compute) {
            true => Self { kernel: Some(kernel::Trees::of(trees, sight)), trees: Vec::new(), window, kind },
            false => Self { kernel: None, trees, window, kind },
        }
    }

    fn attend(&self, q_thk: &Tensor, layer: &LayerCache, scale: f64, cap: Option<f64>) -> Tensor {
        if let Some(trees) = &self.kernel {
            return trees.attend(q_thk, &layer.keys_rgk, &layer.values_rgk, scale, cap);
        }
        let (rows, heads, width) = (q_thk.size()[0], q_thk.size()[1], q_thk.size()[2]);
        let out_td = Tensor::zeros([rows, heads * width], (q_thk.kind(), q_thk.device()));
        for tree in &self.trees {
            for span in &tree.spans {
                let n = span.queries.len() as i64;
                let q = heads_first(&q_thk.narrow(0, span.queries.start as i64, n).to_kind(self.kind));
                let found = self.span(tree, span, &q, layer, scale, cap);
                let found_td = found.squeeze_dim(0).transpose(0, 1).reshape([n, heads * width]);
                out_td.narrow(0, span.queries.start as i64, n).copy_(&found_td.to_kind(q_thk.kind()));
            }
        }
        out_td
    }

    /// Queries [1, h, n, k] of one span.
    fn span(&self, tree: &Tree, span: &Span, q: &Tensor, layer: &LayerCache, scale: f64, cap: Option<f64>) -> Tensor {
        let pieces = || span.sees.iter().filter_map(|&piece| tree.pieces.get(piece));
        let rows: Vec<Range<usize>> = pieces().map(|piece| piece.keys.clone()).collect();
        let answers = |x_rgk: &Tensor| heads_first(&pick(x_rgk, &rows).to_kind(self.kind));
        let (k, v) = (answers(&layer.keys_rgk), answers(&layer.values_rgk));
        let device = q.device();
        let asking: Vec<i64> = (0..span.queries.len()).map(|n| (span.position + n) as i64).collect();
        let answering: Vec<i64> =
            pieces().flat_map(|piece| (piece.position..piece.position + piece.keys.len()).map(|p| p as i64)).collect();
        let asking_q1 = Tensor::from_slice(&asking).to_device(device).unsqueeze(1);
        let answering_1k = Tensor::from_slice(&answering).to_device(device).unsqueeze(0);
        let mask = additive(&seen(&asking_q1, &answering_1k, self.window), self.kind);
        match cap {
            Some(cap) => soft_cap::attend(q, &k, &v, Seen::Mask(&mask), scale, cap),
            None => {
                let gqa = q.size()[1] != k.size()[1];
                Tensor::scaled_dot_product_attention(q, &k, &v, Some(&mask), 0.0, false, scale, gqa)
            }
        }
    }
}

/// The trees where only some rows of the stream ask (ascending, each once): queries are numbered by their place
/// among `rows`.
pub fn of_rows(trees: &[Tree], rows: &[usize]) -> Vec<Tree> {
    let of_span = |span: &Span| {
        let place = |end: usize| rows.partition_point(|&row| row < end);
        let (first, last) = (place(span.queries.start), place(span.queries.end));
        let one = |query: usize| {
            let position = span.position + rows[query] - span.queries.start;
            Span { queries: query..query + 1, position, sees: span.sees.clone() }
        };
        (first..last).map(one).collect::<Vec<_>>()
    };
    let of_tree =
        |tree: &Tree| Tree { pieces: tree.pieces.clone(), spans: tree.spans.iter().flat_map(of_span).collect() };
    trees.iter().map(of_tree).collect()
}

/// One layer's attention over its part of a cache. Keys and values of the new tokens are put there first, so that
/// tokens of one pass see each other.
pub struct Cached<'a> {
    pub asking: &'a Asking,
    pub layer: &'a LayerCache,
    /// The cache's row of each new token.
    pub rows_t: &'a Tensor,
}

impl Attend for Cached<'_> {
    fn answer(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64, cap: Option<f64>) -> Tensor {
        self.layer.put(self.rows_t, k_tgk, v_tgk);
        self.asking.attend(q_thk, self.layer, scale, cap)
    }
}
