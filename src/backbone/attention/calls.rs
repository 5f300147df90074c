//! The scaled-dot-product calls of a tree: which tokens ask, which answer, and what hides one from another.

use std::collections::HashMap;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::Sight;
use crate::text::batch::{TokenBatch, TokenTree};

/// One scaled-dot-product call: which tokens of a tree ask, which answer, and which may see which.
pub(super) struct Call {
    /// Pieces of the tree, in order.
    pub queries: Vec<Range<usize>>,
    pub keys: Vec<Range<usize>>,
    /// So many of the first queries are another call's to answer.
    pub skipped: usize,
    /// [q, k] with 0 where seen and −∞ where not; `None`: everything, or plain causal.
    pub mask: Option<Tensor>,
    pub causal: bool,
}

/// What a call costs beside its scores, in scores.
const CALL: usize = 1 << 15;

/// Fewest queries of a block where attention is local: smaller calls cost more than the keys they spare.
const NEAR_QUERIES: usize = 64;

/// Of all tokens of a tree.
pub(super) fn calls(tree: &TokenTree, positions: &[i64], sight: Sight, kind: Kind, device: Device) -> Vec<Call> {
    let base = tree.tokens().start;
    let local = |r: &Range<usize>| r.start - base..r.end - base;
    let prefix = local(&tree.prefix);
    let branches: Vec<Range<usize>> = tree.branches.iter().map(local).filter(|b| !b.is_empty()).collect();
    let all = 0..tree.tokens().len();
    let positions = &positions[tree.tokens()];
    let whole = |mask, causal| vec![Call::of(all.clone(), vec![all.clone()], mask, causal)];
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
            let way = Way::of(prefix.len(), &branches, window);
            by(way, &prefix, &branches, positions, window, (kind, device))
        }
    }
}

/// Of a causal tree: what an evaluation in that way calls.
fn by(
    way: Way,
    prefix: &Range<usize>,
    branches: &[Range<usize>],
    positions: &[i64],
    window: Option<i64>,
    (kind, device): (Kind, Device),
) -> Vec<Call> {
    match way {
        Way::Tree => {
            let all = 0..positions.len();
            let asking: Vec<usize> = all.clone().collect();
            let seen = seen_in_tree(&asking, branches, positions, window, device);
            vec![Call::of(all.clone(), vec![all], Some(additive(&seen, kind)), false)]
        }
        Way::Sequences => sequences(prefix, branches),
        Way::Pieces => {
            let mut calls = Vec::with_capacity(branches.len() + 1);
            if !prefix.is_empty() {
                let mask = window.map(|_| mask(prefix, std::slice::from_ref(prefix), positions, window, kind, device));
                let causal = mask.is_none();
                calls.push(Call::of(prefix.clone(), vec![prefix.clone()], mask, causal));
            }
            for branch in branches {
                let keys: Vec<_> = [prefix.clone(), branch.clone()].into_iter().filter(|r| !r.is_empty()).collect();
                let mask = mask(branch, &keys, positions, window, kind, device);
                calls.push(Call::of(branch.clone(), keys, Some(mask), false));
            }
            calls
        }
    }
}

impl Call {
    /// One piece of queries, all of them answered.
    fn of(queries: Range<usize>, keys: Vec<Range<usize>>, mask: Option<Tensor>, causal: bool) -> Self {
        Self { queries: vec![queries], keys, skipped: 0, mask, causal }
    }
}

/// How a causal tree of several branches is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One call with a mask.
    Tree,
    /// The prefix, then each branch against prefix and itself. A call with a mask computes its whole rectangle.
    Pieces,
    /// Each branch behind the prefix, which is asked again: of a causal call half is computed, and no mask is read.
    Sequences,
}

impl Way {
    /// The one that computes fewest scores; `prefix` tokens.
    fn of(prefix: usize, branches: &[Range<usize>], window: Option<i64>) -> Self {
        let lengths = || branches.iter().map(Range::len);
        let n = branches.len();
        let tree = (prefix + lengths().sum::<usize>()).pow(2) + CALL;
        // With a window, the prefix has a mask, too.
        let of_prefix = if window.is_some() { prefix.pow(2) } else { prefix.pow(2) / 2 };
        let pieces = of_prefix + lengths().map(|own| own * (prefix + own)).sum::<usize>() + (n + 1) * CALL;
        let sequences = lengths().map(|own| (prefix + own).pow(2) / 2).sum::<usize>() + n * CALL;
        match window {
            None if sequences <= tree.min(pieces) => Way::Sequences,
            _ if tree <= pieces => Way::Tree,
            _ => Way::Pieces,
        }
    }
}

/// A causal call per branch, with the prefix before it; the first one answers for the prefix.
fn sequences(prefix: &Range<usize>, branches: &[Range<usize>]) -> Vec<Call> {
    let of = |(number, branch): (usize, &Range<usize>)| {
        // The first branch mostly follows the prefix: one range then, and nothing to copy.
        let whole = branch.start - prefix.len()..branch.end;
        let sequence = match prefix.is_empty() || prefix.end == branch.start {
            true => vec![whole],
            false => vec![prefix.clone(), branch.clone()],
        };
        let skipped = if number == 0 { 0 } else { prefix.len() };
        Call { queries: sequence.clone(), keys: sequence, skipped, mask: None, causal: true }
    };
    branches.iter().enumerate().map(of).collect()
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
        Call::of(queries, vec![keys], Some(mask.shallow_clone()), false)
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
pub(super) fn row_call(
    tree: &TokenTree,
    rows: &[usize],
    positions: &[i64],
    sight: Sight,
    kind: Kind,
    device: Device,
) -> Call {
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
    Call::of(0..rows.len(), vec![keys], mask, false)
}

/// Rows of a sequence that holds padding, against all of it, by one dense mask: nobody sees padding but
/// itself (which keeps its softmax from dividing by zero). Knows nothing of prefixes and branches.
pub(super) fn padded_call(
    tree: &TokenTree,
    rows: &[usize],
    batch: &TokenBatch,
    sight: Sight,
    kind: Kind,
    device: Device,
) -> Call {
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
    Call::of(0..rows.len(), vec![keys], mask, false)
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

pub(super) fn seen(q_positions: &Tensor, k_positions: &Tensor, window: Option<i64>) -> Tensor {
    let back = q_positions - k_positions;
    let causal = back.ge(0);
    match window {
        Some(window) => causal.logical_and(&back.lt(window)),
        None => causal,
    }
}

pub(super) fn additive(seen: &Tensor, kind: Kind) -> Tensor {
    let zero = Tensor::zeros(seen.size(), (kind, seen.device()));
    zero.masked_fill(&seen.logical_not(), f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    #[test]
    fn the_way_with_fewest_scores_is_taken() {
        let way = |prefix: usize, lengths: [usize; 2], window| {
            let branches = [prefix..prefix + lengths[0], prefix + lengths[0]..prefix + lengths[0] + lengths[1]];
            Way::of(prefix, &branches, window)
        };
        assert_eq!(way(60, [60, 60], None), Way::Tree);
        // 360,000 scores; 451,250 in pieces, 902,500 in one call.
        assert_eq!(way(250, [350, 350], None), Way::Sequences);
        assert_eq!(way(1000, [300, 300], None), Way::Pieces);
        assert_eq!(way(250, [350, 350], Some(100)), Way::Pieces);
    }

    /// Outputs and gradients, with a prefix and without, branches of several lengths.
    #[test]
    fn all_ways_are_the_same_arithmetic() {
        tch::manual_seed(5);
        for (prefix, lengths) in [(5usize, vec![3usize, 4]), (0, vec![2, 3]), (7, vec![1, 2, 6])] {
            let mut at = prefix;
            let branches: Vec<Range<usize>> = lengths
                .iter()
                .map(|n| {
                    at += n;
                    at - n..at
                })
                .collect();
            let positions: Vec<i64> =
                (0..prefix).chain(lengths.iter().flat_map(|&n| prefix..prefix + n)).map(|p| p as i64).collect();
            let kind = (Kind::Double, Device::Cpu);
            let inputs = [6i64, 2, 2].map(|heads| Tensor::randn([at as i64, heads, 4], kind).set_requires_grad(true));
            let weights = Tensor::randn([at as i64, 24], kind);
            let found = [Way::Tree, Way::Pieces, Way::Sequences].map(|way| {
                let trees = vec![by(way, &(0..prefix), &branches, &positions, None, kind)];
                let plan = Plan::of_calls(trees, vec![at as i64, 0], Kind::Double);
                let out = plan.attend(&inputs[0], &inputs[1], &inputs[2], 0.5);
                let loss = (&out * &weights).sum(Kind::Double);
                let mut all = Tensor::run_backward(&[loss], &inputs.each_ref(), false, false);
                all.push(out);
                all
            });
            for other in &found[1..] {
                for (a, b) in found[0].iter().zip(other) {
                    assert!((a - b).abs().max().double_value(&[]) < 1e-13, "prefix {prefix}, {lengths:?}");
                }
            }
        }
    }
}
