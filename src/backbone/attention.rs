//! Attention over the trees of a flat token stream.
//!
//! Linear layers never see where one comparison ends and the next begins; attention does, tree by
//! tree. A causal tree is evaluated either in one call with a tree mask (a token sees the prefix and
//! its own branch, up to itself) or, where that wastes too much on long branches, in one call for the
//! prefix and one per branch. Both are the same arithmetic as separate sequences.

use std::collections::HashMap;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::text::batch::{TokenBatch, TokenTree};

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
    /// Tokens of each tree, then the rows after the last tree that belong to none ([`filler`]).
    sizes: Vec<i64>,
    trees: Vec<Vec<Call>>,
    /// Kind of scores and masks.
    kind: Kind,
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
        let mut sizes: Vec<i64> = batch.trees.iter().map(|tree| tree.tokens().len() as i64).collect();
        sizes.push(filler(batch, compute, device));
        let trees = batch.trees.iter().map(|tree| calls(tree, &batch.positions, sight, kind, device)).collect();
        Self { sizes, trees, kind }
    }

    /// Attention output [t, h·k]. Queries are [t, h, k]; keys and values [t, g, k] with g dividing h
    /// (query head j uses key head j·g/h).
    pub fn attend(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64) -> Tensor {
        let (heads, groups, width) = (q_thk.size()[1], k_tgk.size()[1], q_thk.size()[2]);
        let compute = q_thk.kind();
        let [q_thk, k_tgk, v_tgk] = [q_thk, k_tgk, v_tgk].map(|x| x.to_kind(self.kind));
        // One split per tensor: its backward is one concatenation, where narrowing would add up as
        // many full-size gradients as there are trees.
        let queries = q_thk.split_with_sizes(&self.sizes, 0);
        let keys = k_tgk.split_with_sizes(&self.sizes, 0);
        let values = v_tgk.split_with_sizes(&self.sizes, 0);
        let mut outputs = Vec::with_capacity(self.trees.len());
        for (tree, calls) in self.trees.iter().enumerate() {
            for call in calls {
                let q = heads_first(&pick(&queries[tree], std::slice::from_ref(&call.queries)));
                let k = heads_first(&pick(&keys[tree], &call.keys));
                let v = heads_first(&pick(&values[tree], &call.keys));
                let gqa = heads != groups;
                let out =
                    Tensor::scaled_dot_product_attention(&q, &k, &v, call.mask.as_ref(), 0.0, call.causal, scale, gqa);
                outputs.push(out.squeeze_dim(0).transpose(0, 1).reshape([-1, heads * width]));
            }
        }
        if let Some(&rows) = self.sizes.last().filter(|&&rows| rows > 0) {
            outputs.push(Tensor::zeros([rows, heads * width], (self.kind, q_thk.device())));
        }
        Tensor::cat(&outputs, 0).to_kind(compute)
    }
}

/// Rows of a flat stream come in multiples of this many where kernels are made per shape.
const ROWS: i64 = 256;

/// Rows to put after the stream's tokens. On CPUs, oneDNN makes its bf16 kernels anew for every shape it
/// meets, which costs more than running them where every batch has another number of tokens.
pub fn filler(batch: &TokenBatch, compute: Kind, device: Device) -> i64 {
    let made_per_shape = device == Device::Cpu && compute == Kind::BFloat16;
    if made_per_shape { -(batch.n_tokens() as i64) & (ROWS - 1) } else { 0 }
}

/// On CPUs the attention kernel gains nothing from bf16 (and would make kernels for every length), so
/// scores stay in f32 there.
pub fn kind_of_scores(compute: Kind, device: Device) -> Kind {
    if device == Device::Cpu && compute == Kind::BFloat16 { Kind::Float } else { compute }
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
                return whole(Some(tree_mask(&prefix, &branches, positions, window, kind, device)), false);
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
        let before = start - keys.start;
        let mask = masks.entry((before, queries.len(), keys.len())).or_insert_with(|| {
            let q = Tensor::arange(queries.len() as i64, (Kind::Int64, device)).unsqueeze(1) + before as i64;
            let k = Tensor::arange(keys.len() as i64, (Kind::Int64, device)).unsqueeze(0);
            additive(&(q - k).abs().le(reach as i64), kind)
        });
        Call { queries, keys: vec![keys], mask: Some(mask.shallow_clone()), causal: false }
    };
    (0..n).step_by(block).map(call).collect()
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

/// Mask [n, n] of a whole tree: as [`mask`], and never into another branch.
fn tree_mask(
    prefix: &Range<usize>,
    branches: &[Range<usize>],
    positions: &[i64],
    window: Option<i64>,
    kind: Kind,
    device: Device,
) -> Tensor {
    let mut owner = vec![0i64; positions.len()];
    for (number, branch) in branches.iter().enumerate() {
        owner[branch.clone()].fill(number as i64 + 1);
    }
    debug_assert!(owner[prefix.clone()].iter().all(|&o| o == 0));
    let owner = Tensor::from_slice(&owner).to_device(device);
    let positions = Tensor::from_slice(positions).to_device(device);
    let same = owner.unsqueeze(1).eq_tensor(&owner.unsqueeze(0));
    let reachable = same.logical_or(&owner.eq(0).unsqueeze(0));
    let seen = seen(&positions.unsqueeze(1), &positions.unsqueeze(0), window);
    additive(&reachable.logical_and(&seen), kind)
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
