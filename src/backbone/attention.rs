//! Attention over the trees of a flat token stream.
//!
//! Linear layers never see where one comparison ends and the next begins; attention does, tree by
//! tree. A causal tree is evaluated either in one call with a tree mask (a token sees the prefix and
//! its own branch, up to itself) or, where that wastes too much on long branches, in one call for the
//! prefix and one per branch. Both are the same arithmetic as separate sequences.

pub mod cached;
mod kernel;

use std::collections::HashMap;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::recording::may_leave_libtorch;
use super::soft_cap::{self, Seen};
use crate::text::batch::{TokenBatch, TokenTree};
pub use cached::Attend;

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

/// One scaled-dot-product call: which tokens of a tree ask, which answer, and which may see which.
struct Call {
    queries: Range<usize>,
    /// Adjacent pieces of the tree, in order.
    keys: Vec<Range<usize>>,
    /// [q, k] with 0 where seen and −∞ where not; `None`: everything, or plain causal.
    mask: Option<Tensor>,
    causal: bool,
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

/// Above this ratio of mask area to useful area, a tree is evaluated piece by piece.
const MAX_WASTE: f64 = 1.5;
/// Trees up to this many tokens are one call whatever the waste: calls cost more than the area.
const SMALL_TREE: usize = 256;

/// Fewest queries of a block where attention is local: smaller calls cost more than the keys they spare.
const NEAR_QUERIES: usize = 64;

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
                let q = heads_first(&pick(&queries[tree], std::slice::from_ref(&call.queries)));
                let k = heads_first(&pick(&keys[tree], &call.keys));
                let v = heads_first(&pick(&values[tree], &call.keys));
                let out = kernel(call, &q, &k, &v);
                outputs.push(out.squeeze_dim(0).transpose(0, 1).reshape([-1, heads * width]));
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

fn calls(tree: &TokenTree, positions: &[i64], sight: Sight, kind: Kind, device: Device) -> Vec<Call> {
    let base = tree.tokens().start;
    let local = |r: &Range<usize>| r.start - base..r.end - base;
    let prefix = local(&tree.prefix);
    let branches: Vec<Range<usize>> = tree.branches.iter().map(local).filter(|b| !b.is_empty()).collect();
    let all = 0..tree.tokens().len();
    let positions = &positions[tree.tokens()];
    let whole = |mask, causal| vec![Call { queries: all.clone(), keys: vec![all.clone()], mask, causal }];
    match sight {
        // Encoders get one sequence per tree.
        Sight::Both => whole(None, false),
        Sight::Near { reach } if all.len() as i64 <= reach + 1 => whole(None, false),
        Sight::Near { reach } => near(all.len(), reach.max(0) as usize, kind, device),
        Sight::Causal { window } => {
            let reaches = window.is_some_and(|w| positions.iter().any(|&p| p >= w));
            let window = window.filter(|_| reaches);
            if branches.len() < 2 && window.is_none() {
                return whole(None, true);
            }
            let area = (all.len() * all.len()) as f64;
            let useful: usize = branches.iter().map(|b| b.len() * (prefix.len() + b.len())).sum();
            let useful = (useful + prefix.len() * prefix.len()) as f64;
            if all.len() <= SMALL_TREE || area <= MAX_WASTE * useful {
                let asking: Vec<usize> = (0..all.len()).collect();
                let seen = seen_in_tree(&asking, &branches, positions, window, device);
                return whole(Some(additive(&seen, kind)), false);
            }
            let mut calls = Vec::with_capacity(branches.len() + 1);
            if !prefix.is_empty() {
                let mask =
                    window.map(|_| mask(&prefix, std::slice::from_ref(&prefix), positions, window, kind, device));
                let causal = mask.is_none();
                calls.push(Call { queries: prefix.clone(), keys: vec![prefix.clone()], mask, causal });
            }
            for branch in branches {
                let keys: Vec<_> = [prefix.clone(), branch.clone()].into_iter().filter(|r| !r.is_empty()).collect();
                let mask = mask(&branch, &keys, positions, window, kind, device);
                calls.push(Call { queries: branch, keys, mask: Some(mask), causal: false });
            }
            calls
        }
    }
}

/// Blocks of queries, each with the keys that some query of it sees: the cost of a long sequence grows with
/// its length, not with the square of it.
fn near(n: usize, reach: usize, kind: Kind, device: Device) -> Vec<Call> {
    let block = (2 * reach).max(NEAR_QUERIES);
    // All blocks but those at the ends look alike.
    let mut masks: HashMap<(usize, usize, usize), Tensor> = HashMap::new();
    let call = |start: usize| {
        let queries = start..(start + block).min(n);
        let keys = start.saturating_sub(reach)..(queries.end + reach).min(n);
        let shape = (start - keys.start, queries.len(), keys.len());
        let asking: Vec<usize> = queries.clone().collect();
        let mask = masks.entry(shape).or_insert_with(|| near_mask(&asking, &keys, reach, kind, device));
        Call { queries, keys: vec![keys], mask: Some(mask.shallow_clone()), causal: false }
    };
    (0..n).step_by(block).map(call).collect()
}

/// Mask [q, k] that leaves keys at most `reach` away.
fn near_mask(queries: &[usize], keys: &Range<usize>, reach: usize, kind: Kind, device: Device) -> Tensor {
    let queries: Vec<i64> = queries.iter().map(|&q| q as i64).collect();
    let q = Tensor::from_slice(&queries).to_device(device).unsqueeze(1);
    let k = Tensor::arange_start(keys.start as i64, keys.end as i64, (Kind::Int64, device)).unsqueeze(0);
    additive(&(q - k).abs().le(reach as i64), kind)
}

/// A few rows of a tree, against all of it.
fn row_call(tree: &TokenTree, rows: &[usize], positions: &[i64], sight: Sight, kind: Kind, device: Device) -> Call {
    let all = tree.tokens();
    let rows: Vec<usize> = rows.iter().map(|&row| row - all.start).collect();
    let (mask, keys) = match sight {
        Sight::Both => (None, 0..all.len()),
        Sight::Near { reach } => {
            let reach = reach.max(0) as usize;
            let (first, last) = (rows.first().copied().unwrap_or(0), rows.last().copied().unwrap_or(0));
            let keys = first.saturating_sub(reach)..(last + reach + 1).min(all.len());
            (Some(near_mask(&rows, &keys, reach, kind, device)), keys)
        }
        Sight::Causal { window } => {
            let local = |r: &Range<usize>| r.start - all.start..r.end - all.start;
            let branches: Vec<Range<usize>> = tree.branches.iter().map(local).collect();
            let seen = seen_in_tree(&rows, &branches, &positions[all.clone()], window, device);
            (Some(additive(&seen, kind)), 0..all.len())
        }
    };
    Call { queries: 0..rows.len(), keys: vec![keys], mask, causal: false }
}

/// Rows of a sequence that holds padding, against all of it, by one dense mask: nobody sees padding but
/// itself (which keeps its softmax from dividing by zero). Knows nothing of prefixes and branches.
fn padded_call(tree: &TokenTree, rows: &[usize], batch: &TokenBatch, sight: Sight, kind: Kind, device: Device) -> Call {
    let all = tree.tokens();
    let of_keys = |values: &[i64]| Tensor::from_slice(values).to_device(device).unsqueeze(0);
    let of_rows = |values: Vec<i64>| Tensor::from_slice(&values).to_device(device).unsqueeze(1);
    let own = of_rows(rows.iter().map(|&row| row as i64).collect());
    let own = own.eq_tensor(&of_keys(&all.clone().map(|at| at as i64).collect::<Vec<_>>()));
    let padding: Vec<i64> = batch.padding[all.clone()].iter().map(|&padding| i64::from(padding)).collect();
    let real = of_keys(&padding).eq(0);
    let visible = match sight {
        Sight::Both => real,
        Sight::Near { reach } => {
            let positions = of_rows(rows.iter().map(|&row| batch.positions[row]).collect());
            let away = positions - of_keys(&batch.positions[all.clone()]);
            real.logical_and(&away.abs().le(reach))
        }
        Sight::Causal { window } => {
            let positions = of_rows(rows.iter().map(|&row| batch.positions[row]).collect());
            real.logical_and(&seen(&positions, &of_keys(&batch.positions[all.clone()]), window))
        }
    };
    let mask = Some(additive(&visible.logical_or(&own), kind));
    let keys = 0..all.len();
    Call { queries: 0..rows.len(), keys: vec![keys], mask, causal: false }
}

/// Mask [q, k]: a query sees keys at its own or an earlier position, within the window.
fn mask(
    queries: &Range<usize>,
    keys: &[Range<usize>],
    positions: &[i64],
    window: Option<i64>,
    kind: Kind,
    device: Device,
) -> Tensor {
    let q = Tensor::from_slice(&positions[queries.clone()]).to_device(device).unsqueeze(1);
    let k: Vec<i64> = keys.iter().flat_map(|r| positions[r.clone()].iter().copied()).collect();
    let k = Tensor::from_slice(&k).to_device(device).unsqueeze(0);
    additive(&seen(&q, &k, window), kind)
}

/// Whom the asking tokens of a tree see [q, n]: as in [`mask`], and never into another branch.
fn seen_in_tree(
    asking: &[usize],
    branches: &[Range<usize>],
    positions: &[i64],
    window: Option<i64>,
    device: Device,
) -> Tensor {
    // 0 is the prefix, which everybody may see.
    let mut owners = vec![0i64; positions.len()];
    for (number, branch) in branches.iter().enumerate() {
        owners[branch.clone()].fill(number as i64 + 1);
    }
    let of_keys = |values: &[i64]| Tensor::from_slice(values).to_device(device).unsqueeze(0);
    let of_queries = |values: &[i64]| {
        let values: Vec<i64> = asking.iter().map(|&at| values[at]).collect();
        Tensor::from_slice(&values).to_device(device).unsqueeze(1)
    };
    let (q_owners, k_owners) = (of_queries(&owners), of_keys(&owners));
    let reachable = q_owners.eq_tensor(&k_owners).logical_or(&k_owners.eq(0));
    reachable.logical_and(&seen(&of_queries(positions), &of_keys(positions), window))
}

fn seen(q_positions: &Tensor, k_positions: &Tensor, window: Option<i64>) -> Tensor {
    let back = q_positions - k_positions;
    let causal = back.ge(0);
    match window {
        Some(window) => causal.logical_and(&back.lt(window)),
        None => causal,
    }
}

fn additive(seen: &Tensor, kind: Kind) -> Tensor {
    let zero = Tensor::zeros(seen.size(), (kind, seen.device()));
    zero.masked_fill(&seen.logical_not(), f64::NEG_INFINITY)
}
