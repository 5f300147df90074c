//! Attention over the trees of a flat token stream.
//!
//! Linear layers never see where one comparison ends and the next begins; attention does, tree by
//! tree. A causal tree is evaluated in one call with a tree mask (a token sees the prefix and its own branch, up to
//! itself), in one call for the prefix and one per branch, or in a plain causal call per sequence, whichever computes
//! fewest scores. All are the same arithmetic as separate sequences.

pub mod cached;
mod calls;
mod kernel;

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::recording::may_leave_libtorch;
use super::soft_cap::{self, Seen};
use crate::text::batch::{TokenBatch, TokenTree};
pub use cached::Attend;
use calls::{Call, calls, padded_call, row_call};

/// How far a query looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// Every token of its sequence.
    Both,
    /// Tokens at most so many positions away, on either side.
    Near { reach: i64 },
    /// Earlier tokens and itself; with a window, only so many of them.
    Causal { window: Option<i64> },
}

/// What attention does for each tree of a batch; built once per batch and sight, used by every layer.
pub struct Plan {
    /// Of each tree: how many tokens ask, how many answer. The last entry is of the rows after the last
    /// tree that belong to none ([`filler`]).
    queries: Vec<i64>,
    keys: Vec<i64>,
    trees: Vec<Vec<Call>>,
    /// Kind of scores and masks.
    kind: Kind,
    /// In place of all calls, where no gradients are recorded on a CPU.
    kernel: Option<kernel::Trees>,
}

impl Plan {
    /// `compute` is the kind of queries. The stream that attention will see has [`filler`] rows more than
    /// the batch has tokens.
    pub fn new(batch: &TokenBatch, sight: Sight, compute: Kind, device: Device) -> Self {
        let kind = kind_of_scores(compute, device);
        if batch.padding.is_empty() && may_leave_libtorch(device, compute) {
            let kernel = Some(kernel::Trees::new(batch, None, sight));
            return Self { queries: Vec::new(), keys: Vec::new(), trees: Vec::new(), kind, kernel };
        }
        let of_tree = |tree: &TokenTree| match batch.padding.is_empty() {
            true => calls(tree, &batch.positions, sight, kind, device),
            false => {
                let asking: Vec<usize> = tree.tokens().collect();
                vec![padded_call(tree, &asking, batch, sight, kind, device)]
            }
        };
        let trees = batch.trees.iter().map(of_tree).collect();
        let sizes = sizes(batch, filler(batch, compute, device));
        Self { queries: sizes.clone(), keys: sizes, trees, kind, kernel: None }
    }

    /// Of calls as they are, for each tree of so many rows; the last entry of `rows` is of none.
    #[cfg(test)]
    fn of_calls(trees: Vec<Vec<Call>>, rows: Vec<i64>, kind: Kind) -> Self {
        Self { queries: rows.clone(), keys: rows, trees, kind, kernel: None }
    }

    /// As [`Plan::new`] where only the given positions of the stream ask (ascending, each once): the
    /// queries that [`Plan::attend`] takes are theirs alone.
    pub fn of_rows(batch: &TokenBatch, rows: &[usize], sight: Sight, compute: Kind, device: Device) -> Self {
        let kind = kind_of_scores(compute, device);
        let keys = sizes(batch, filler(batch, compute, device));
        let mut plan = Self { queries: Vec::new(), keys, trees: Vec::new(), kind, kernel: None };
        if batch.padding.is_empty() && may_leave_libtorch(device, compute) {
            plan.kernel = Some(kernel::Trees::new(batch, Some(rows), sight));
            return plan;
        }
        for tree in &batch.trees {
            let all = tree.tokens();
            let asking = &rows[rows.partition_point(|&r| r < all.start)..rows.partition_point(|&r| r < all.end)];
            plan.queries.push(asking.len() as i64);
            plan.trees.push(match asking {
                [] => Vec::new(),
                _ if batch.padding.is_empty() => vec![row_call(tree, asking, &batch.positions, sight, kind, device)],
                _ => vec![padded_call(tree, asking, batch, sight, kind, device)],
            });
        }
        plan.queries.push(0);
        plan
    }

    /// Attention output [t, h·k]. Queries are [t, h, k]; keys and values [t, g, k] with g dividing h
    /// (query head j uses key head j·g/h). In a plan of rows, queries and output have those rows only.
    pub fn attend(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64) -> Tensor {
        if let Some(trees) = &self.kernel {
            return trees.attend(q_thk, k_tgk, v_tgk, scale, None);
        }
        let gqa = q_thk.size()[1] != k_tgk.size()[1];
        self.attend_by(q_thk, k_tgk, v_tgk, |call, q, k, v| {
            Tensor::scaled_dot_product_attention(q, k, v, call.mask.as_ref(), 0.0, call.causal, scale, gqa)
        })
    }

    /// As [`Plan::attend`] with capped scores.
    pub fn attend_capped(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64, cap: f64) -> Tensor {
        if let Some(trees) = &self.kernel {
            return trees.attend(q_thk, k_tgk, v_tgk, scale, Some(cap));
        }
        self.attend_by(q_thk, k_tgk, v_tgk, |call, q, k, v| {
            let seen = match &call.mask {
                Some(mask) => Seen::Mask(mask),
                None if call.causal => Seen::Causal,
                None => Seen::All,
            };
            soft_cap::attend(q, k, v, seen, scale, cap)
        })
    }

    /// `kernel` takes queries [1, h, n, k], keys and values [1, g, m, k] of a call to [1, h, n, k].
    fn attend_by(
        &self,
        q_thk: &Tensor,
        k_tgk: &Tensor,
        v_tgk: &Tensor,
        kernel: impl Fn(&Call, &Tensor, &Tensor, &Tensor) -> Tensor,
    ) -> Tensor {
        let (heads, width) = (q_thk.size()[1], q_thk.size()[2]);
        let compute = q_thk.kind();
        let [q_thk, k_tgk, v_tgk] = [q_thk, k_tgk, v_tgk].map(|x| x.to_kind(self.kind));
        // One split per tensor: its backward is one concatenation, where narrowing would add up as
        // many full-size gradients as there are trees.
        let queries = q_thk.split_with_sizes(&self.queries, 0);
        let keys = k_tgk.split_with_sizes(&self.keys, 0);
        let values = v_tgk.split_with_sizes(&self.keys, 0);
        let mut outputs = Vec::with_capacity(self.trees.len());
        for (tree, calls) in self.trees.iter().enumerate() {
            for call in calls {
                let q = heads_first(&pick(&queries[tree], &call.queries));
                let k = heads_first(&pick(&keys[tree], &call.keys));
                let v = heads_first(&pick(&values[tree], &call.keys));
                let out_hnk = kernel(call, &q, &k, &v).squeeze_dim(0);
                let skipped = call.skipped as i64;
                let kept_hnk = match skipped {
                    0 => out_hnk,
                    _ => out_hnk.narrow(1, skipped, out_hnk.size()[1] - skipped),
                };
                outputs.push(kept_hnk.transpose(0, 1).reshape([-1, heads * width]));
            }
        }
        if let Some(&rows) = self.queries.last().filter(|&&rows| rows > 0) {
            outputs.push(Tensor::zeros([rows, heads * width], (self.kind, q_thk.device())));
        }
        Tensor::cat(&outputs, 0).to_kind(compute)
    }
}

/// Rows of a flat stream come in multiples of this many where kernels are made per shape.
const ROWS: i64 = 256;

/// Rows to put after the stream's tokens, see [`rows_to_fill`].
pub fn filler(batch: &TokenBatch, compute: Kind, device: Device) -> i64 {
    rows_to_fill(batch.n_tokens(), compute, device)
}

/// Rows to put after `n` in front of a linear layer. On CPUs, oneDNN makes its bf16 kernels anew for every
/// shape it meets, which costs more than running them where every batch has another number of rows.
pub fn rows_to_fill(n: usize, compute: Kind, device: Device) -> i64 {
    let made_per_shape = device == Device::Cpu && compute == Kind::BFloat16;
    if made_per_shape { -(n as i64) & (ROWS - 1) } else { 0 }
}

/// On CPUs the attention kernel gains nothing from bf16 (and would make kernels for every length), so
/// scores stay in f32 there.
pub fn kind_of_scores(compute: Kind, device: Device) -> Kind {
    if device == Device::Cpu && compute == Kind::BFloat16 { Kind::Float } else { compute }
}

/// Tokens of each tree, then those of none.
fn sizes(batch: &TokenBatch, filler: i64) -> Vec<i64> {
    batch.trees.iter().map(|tree| tree.tokens().len() as i64).chain([filler]).collect()
}

/// [n, h, k] → [1, h, n, k].
fn heads_first(x_nhk: &Tensor) -> Tensor {
    x_nhk.transpose(0, 1).unsqueeze(0)
}

/// The given rows of a tree's tensor; the whole tensor is returned as it is.
fn pick(x: &Tensor, ranges: &[Range<usize>]) -> Tensor {
    let piece = |r: &Range<usize>| {
        if r.start == 0 && r.end as i64 == x.size()[0] {
            x.shallow_clone()
        } else {
            x.narrow(0, r.start as i64, r.len() as i64)
        }
    };
    match ranges {
        [one] => piece(one),
        many => Tensor::cat(&many.iter().map(piece).collect::<Vec<_>>(), 0),
    }
}
