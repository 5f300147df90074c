//! Attention of forward passes on CPUs, by `rmbench-kernels`.
//!
//! libtorch computes whole rectangles of scores, pads blocks of keys to 512 and gains nothing from bf16.
//! These kernels know trees: they compute about what is seen, once, in bf16 where the processor can.

use rmbench_kernels::attention::{Heads, Operand, Piece, Reach, Shape, Span, Tree, attend};
use rmbench_kernels::{Bf16, Level};
use tch::{Device, Kind, Tensor};

use super::Sight;
use crate::text::batch::{TokenBatch, TokenTree};

/// The trees of a batch as the kernels take them.
pub struct Trees {
    trees: Vec<Tree>,
    reach: Reach,
}

impl Trees {
    /// Of all tokens, or of the given rows of the stream only (ascending, each once).
    pub fn new(batch: &TokenBatch, rows: Option<&[usize]>, sight: Sight) -> Self {
        let trees = batch.trees.iter().map(|tree| match rows {
            None => whole(tree, &batch.positions),
            Some(rows) => of_rows(tree, rows, &batch.positions),
        });
        Self::of(trees.collect(), sight)
    }

    /// Of trees as they are.
    pub fn of(trees: Vec<Tree>, sight: Sight) -> Self {
        let reach = match sight {
            Sight::Both => Reach::ALL,
            Sight::Near { reach } => {
                let reach = reach.max(0) as usize;
                Reach { back: reach, forward: reach }
            }
            Sight::Causal { window } => {
                let back = window.map_or(usize::MAX, |window| (window - 1).max(0) as usize);
                Reach { back, forward: 0 }
            }
        };
        Self { trees, reach }
    }

    /// See [`Plan::attend`](super::Plan::attend); with a cap, `Plan::attend_capped`. Rows that belong to no tree are zero.
    pub fn attend(&self, q_thk: &Tensor, k_tgk: &Tensor, v_tgk: &Tensor, scale: f64, cap: Option<f64>) -> Tensor {
        match q_thk.kind() {
            Kind::BFloat16 => self.attend_in::<Bf16>([q_thk, k_tgk, v_tgk], scale, cap),
            _ => self.attend_in::<f32>([q_thk, k_tgk, v_tgk], scale, cap),
        }
    }

    fn attend_in<T: Operand>(&self, tensors: [&Tensor; 3], scale: f64, cap: Option<f64>) -> Tensor {
        let [q_thk, k_tgk, v_tgk] = tensors.map(with_adjacent_heads);
        let (rows, heads, width) = (q_thk.size()[0], q_thk.size()[1], q_thk.size()[2]);
        let out = Tensor::zeros([rows, heads * width], (q_thk.kind(), Device::Cpu));
        let shape = Shape {
            heads: heads as usize,
            groups: k_tgk.size()[1] as usize,
            width: width as usize,
            scale: scale as f32,
            cap: cap.map(|cap| cap as f32),
            reach: self.reach,
        };
        // SAFETY: `out` was just made, is contiguous, and nobody else holds it.
        let numbers = unsafe { std::slice::from_raw_parts_mut(out.data_ptr().cast::<T>(), out.numel()) };
        attend(Level::best(), [&q_thk, &k_tgk, &v_tgk].map(heads_of), &self.trees, shape, numbers);
        out
    }
}

/// The tensor [t, h, k] itself, or a copy, with heads side by side in every row.
fn with_adjacent_heads(x_thk: &Tensor) -> Tensor {
    let (width, strides) = (x_thk.size()[2], x_thk.stride());
    if strides[1..] == [width, 1] && strides[0] >= x_thk.size()[1] * width {
        x_thk.shallow_clone()
    } else {
        x_thk.contiguous()
    }
}

fn heads_of<T: Operand>(x_thk: &Tensor) -> Heads<'_, T> {
    let [rows, heads, width] = [0, 1, 2].map(|axis| x_thk.size()[axis] as usize);
    let stride = x_thk.stride()[0] as usize;
    let n = if rows == 0 { 0 } else { (rows - 1) * stride + heads * width };
    // SAFETY: the first row begins at the tensor's address, rows are `stride` apart, heads and their
    // numbers adjacent; the tensor outlives the slice, and nothing writes to it meanwhile.
    let data = unsafe { std::slice::from_raw_parts(x_thk.data_ptr().cast::<T>().cast_const(), n) };
    Heads { data, stride }
}

/// Prefix and branches; number 0 is the prefix.
fn pieces(tree: &TokenTree, positions: &[i64]) -> Vec<Piece> {
    std::iter::once(&tree.prefix)
        .chain(&tree.branches)
        .map(|keys| {
            let position = positions.get(keys.start).map_or(0, |&position| position as usize);
            Piece { keys: keys.clone(), position }
        })
        .collect()
}

/// What a piece's tokens see: the prefix, and their own branch.
fn sees(piece: usize) -> Vec<usize> {
    if piece == 0 { vec![0] } else { vec![0, piece] }
}

fn whole(tree: &TokenTree, positions: &[i64]) -> Tree {
    let pieces = pieces(tree, positions);
    let span = |(number, piece): (usize, &Piece)| Span {
        queries: piece.keys.clone(),
        position: piece.position,
        sees: sees(number),
    };
    Tree { spans: pieces.iter().enumerate().map(span).collect(), pieces }
}

/// Queries are numbered by their place among `rows`.
fn of_rows(tree: &TokenTree, rows: &[usize], positions: &[i64]) -> Tree {
    let pieces = pieces(tree, positions);
    let mut spans = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let place = |end: usize| rows.partition_point(|&row| row < end);
        let (first, last) = (place(piece.keys.start), place(piece.keys.end));
        for (query, row) in (first..).zip(&rows[first..last]) {
            let position = piece.position + row - piece.keys.start;
            spans.push(Span { queries: query..query + 1, position, sees: sees(number) });
        }
    }
    Tree { pieces, spans }
}
