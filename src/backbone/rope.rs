//! Rotary position embeddings: frequencies, cosines and sines per batch, and the turn itself.
//!
//! Frequency i of n dimensions is θ^(−2i/n); position p turns pair i by p times its frequency
//! (arXiv 2104.09864). Scaling changes frequencies, and YaRN and LongRoPE multiply cosines and sines too:
//!
//! * linear: f/factor;
//! * dynamic: θ·(factor·L/L₀ − factor + 1)^(n/(n−2)) in place of θ where the length L exceeds L₀;
//! * llama3: f for short wavelengths, f/factor for long ones, a ramp between;
//! * YaRN: f for fast dimensions, f/factor for slow ones, a ramp between (arXiv 2309.00071);
//! * LongRoPE: f/divisor, with one list of divisors up to L₀ and one beyond (arXiv 2402.13753).
//!
//! Everything is computed in f32 by the operations of transformers in their order: at position 8000 an
//! angle has a unit in the last place of 5e-4, so that frequencies that differ in their last bit would
//! show in rewards.
//!
//! Dynamic and LongRoPE depend on the length of a sequence. Here that is its own length, as when it is
//! scored alone; transformers takes the longest of a batch (and for dynamic the longest seen so far), so
//! that its rewards depend on the company a response keeps.

use std::f64::consts::PI;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::config::{Pairs, RopeConfig, RopePrecision, Rotation, Scaling};
use super::recording::may_leave_libtorch;
use super::rows::LastLayer;
use crate::text::batch::{TokenBatch, TokenTree};

/// Cosines and sines of a batch's positions, each [t, n]: n of a head's dimensions turn.
pub struct Turns {
    cos_tn: Tensor,
    sin_tn: Tensor,
    pairs: Pairs,
    /// The same in f32, for passes that leave libtorch.
    for_kernels: Option<[Tensor; 2]>,
}

/// Where tokens stand: what turns are a function of.
pub struct Places<'a> {
    /// Within its own sequence, of each token of the stream.
    pub positions: &'a [i64],
    /// Pieces of the stream with the length of the sequence that they belong to; asked for where frequencies
    /// depend on it.
    pub lengths: &'a dyn Fn() -> Vec<(Range<usize>, i64)>,
    /// Rows after the stream's tokens; what they turn to is read by nobody.
    pub filler: i64,
}

impl Turns {
    /// Of a batch. In `kind`, or in f32 where `rotation` says so.
    pub fn new(
        rope: &RopeConfig,
        rotation: Rotation,
        batch: &TokenBatch,
        filler: i64,
        kind: Kind,
        device: Device,
    ) -> Self {
        let places = Places { positions: &batch.positions, lengths: &|| lengths_of(batch), filler };
        Self::at(rope, rotation, places, kind, device)
    }

    /// As [`Turns::new`], of any stream.
    pub fn at(rope: &RopeConfig, rotation: Rotation, places: Places, kind: Kind, device: Device) -> Self {
        let filler = places.filler;
        let positions_t1 = Tensor::from_slice(places.positions).to_device(device).to_kind(Kind::Float).unsqueeze(1);
        let angles_tp = positions_t1 * frequencies_at(rope, &places).to_device(device);
        let angles_tn = match rotation.pairs {
            Pairs::Halves => Tensor::cat(&[&angles_tp, &angles_tp], 1),
            Pairs::Neighbours => angles_tp.repeat_interleave_self_int(2, 1, None),
        };
        let rounded = |x: Tensor| {
            let x = if rope.attention_factor == 1.0 { x } else { x * rope.attention_factor };
            let x = x.constant_pad_nd([0, 0, 0, filler]);
            match rotation.precision {
                RopePrecision::Working => x.to_kind(kind),
                RopePrecision::WideTurn => x.to_kind(kind).to_kind(at_least_f32(kind)),
                RopePrecision::Wide => x.to_kind(at_least_f32(kind)),
            }
        };
        let (cos_tn, sin_tn) = (rounded(angles_tn.cos()), rounded(angles_tn.sin()));
        let by_kernels = rotation.pairs == Pairs::Halves && may_leave_libtorch(device, kind);
        let for_kernels = by_kernels.then(|| [&cos_tn, &sin_tn].map(|x| x.to_kind(Kind::Float)));
        Self { cos_tn, sin_tn, pairs: rotation.pairs, for_kernels }
    }

    /// The turns of the rows that a last layer finishes.
    pub fn of<P>(&self, last: &LastLayer<P>) -> Self {
        let for_kernels = self.for_kernels.as_ref().map(|tables| tables.each_ref().map(|table| last.of(table)));
        Self { cos_tn: last.of(&self.cos_tn), sin_tn: last.of(&self.sin_tn), pairs: self.pairs, for_kernels }
    }

    /// Cosines and sines in f32, where pairs are halves and no gradients are recorded on a CPU.
    pub fn for_kernels(&self) -> Option<[&Tensor; 2]> {
        self.for_kernels.as_ref().map(|tables| tables.each_ref())
    }

    /// Cosines and sines in f32 where pairs are halves, whoever turns by them.
    pub fn tables(&self) -> Option<[Tensor; 2]> {
        let is_f32 = self.cos_tn.kind() == Kind::Float;
        (self.pairs == Pairs::Halves && is_f32).then(|| [&self.cos_tn, &self.sin_tn].map(Tensor::shallow_clone))
    }

    /// Turns queries or keys [t, h, k]: x·cos + turned(x)·sin, where a pair (a, b) is turned to (−b, a).
    pub fn apply(&self, x_thk: &Tensor) -> Tensor {
        let (width, head) = (self.cos_tn.size()[1], x_thk.size()[2]);
        if width < head {
            let pieces = x_thk.split_with_sizes([width, head - width], -1);
            return Tensor::cat(&[&self.apply(&pieces[0]), &pieces[1]], -1);
        }
        let turned = match self.pairs {
            Pairs::Halves => {
                let halves = x_thk.chunk(2, -1);
                Tensor::cat(&[&halves[1].neg(), &halves[0]], -1)
            }
            Pairs::Neighbours => {
                let pairs = x_thk.unflatten(-1, [width / 2, 2]);
                let (first, second) = (pairs.select(-1, 0), pairs.select(-1, 1));
                Tensor::stack(&[&second.neg(), &first], -1).flatten(-2, -1)
            }
        };
        let out = x_thk * self.cos_tn.unsqueeze(1) + turned * self.sin_tn.unsqueeze(1);
        out.to_kind(x_thk.kind())
    }
}

fn at_least_f32(kind: Kind) -> Kind {
    if kind == Kind::Double { kind } else { Kind::Float }
}

/// One row for all tokens [1, n/2], or one row per token [t, n/2] where lengths matter.
fn frequencies_at(rope: &RopeConfig, places: &Places) -> Tensor {
    if rope.uniform_up_to().is_none() {
        return frequencies(rope, 0).unsqueeze(0);
    }
    let mut lengths = Vec::new();
    let mut row_of_token = vec![0i64; places.positions.len()];
    for (tokens, length) in (places.lengths)() {
        let row = lengths.iter().position(|&known| known == length).unwrap_or_else(|| {
            lengths.push(length);
            lengths.len() - 1
        });
        row_of_token[tokens].fill(row as i64);
    }
    let rows: Vec<Tensor> = lengths.iter().map(|&length| frequencies(rope, length)).collect();
    Tensor::stack(&rows, 0).index_select(0, &Tensor::from_slice(&row_of_token))
}

/// Every tree with the length of its sequences, padding left out.
fn lengths_of(batch: &TokenBatch) -> Vec<(Range<usize>, i64)> {
    let length = |tree: &TokenTree| match batch.padding.get(tree.tokens()) {
        Some(padding) if !padding.is_empty() => padding.iter().filter(|padding| !**padding).count() as i64,
        _ => tree_length(tree),
    };
    batch.trees.iter().map(|tree| (tree.tokens(), length(tree))).collect()
}

/// Whether sequences of both lengths have the same frequencies, so that keys of the one serve the other.
pub fn agree(rope: &RopeConfig, one: i64, other: i64) -> bool {
    match rope.scaling {
        Scaling::Dynamic { original, .. } => one == other || one.max(other) <= original,
        Scaling::Longrope { original, .. } => (one > original) == (other > original),
        _ => true,
    }
}

/// Tokens of a tree's longest sequence.
fn tree_length(tree: &TokenTree) -> i64 {
    let longest = tree.branches.iter().map(|branch| branch.len()).max().unwrap_or(0);
    (tree.prefix.len() + longest) as i64
}

/// Whether all sequences of a tree have the same frequencies, so that they may share their prefix.
pub fn uniform(rope: &RopeConfig, tree: &TokenTree) -> bool {
    let within = |limit: i64| tree_length(tree) <= limit;
    tree.branches.len() < 2 || rope.uniform_up_to().is_none_or(within)
}

/// Frequencies [n/2] in f32 on the CPU, for a sequence of `length` tokens.
pub fn frequencies(rope: &RopeConfig, length: i64) -> Tensor {
    let steps = Tensor::arange_start_step(0, rope.width, 2, (Kind::Float, Device::Cpu));
    let exponents = steps / rope.width as f64;
    let periods = |theta: f64| Tensor::pow_scalar(theta, &exponents);
    match &rope.scaling {
        Scaling::Default => periods(rope.theta).reciprocal(),
        Scaling::Linear { factor } => periods(rope.theta).reciprocal() / *factor,
        Scaling::Dynamic { factor, original } if length > *original => {
            let n = rope.width as f64;
            let stretch = Tensor::from(length).to_kind(Kind::Float) * *factor / *original as f64 - (factor - 1.0);
            let theta = stretch.pow_tensor_scalar(n / (n - 2.0)) * rope.theta;
            theta.pow(&exponents).reciprocal()
        }
        Scaling::Dynamic { .. } => periods(rope.theta).reciprocal(),
        Scaling::Yarn { factor, original, beta_fast, beta_slow, truncate } => {
            let kept = 1.0 - yarn_ramp(rope, *original, *beta_fast, *beta_slow, *truncate);
            let periods = periods(rope.theta);
            let stretched = (&periods * *factor).reciprocal();
            stretched * (1.0 - &kept) + periods.reciprocal() * kept
        }
        Scaling::Longrope { short, long, original } => {
            let divisors = if length > *original { long } else { short };
            let divisors: Vec<f32> = divisors.iter().map(|&x| x as f32).collect();
            (Tensor::from_slice(&divisors) * periods(rope.theta)).reciprocal()
        }
        Scaling::Llama3 { factor, low, high, original } => {
            let plain = periods(rope.theta).reciprocal();
            let wavelengths = plain.reciprocal() * (2.0 * PI);
            let long = wavelengths.gt(original / low);
            let stretched = (&plain / *factor).where_self(&long, &plain);
            let smooth = (wavelengths.reciprocal() * *original - *low) / (high - low);
            let between: Tensor = (1.0 - &smooth) * &stretched / *factor + smooth * &stretched;
            let medium = wavelengths.lt(original / high).logical_or(&long).logical_not();
            between.where_self(&medium, &stretched)
        }
    }
}

/// 0 for dimensions that turn at least `beta_fast` times within `original` tokens, 1 for those that turn at
/// most `beta_slow` times.
fn yarn_ramp(rope: &RopeConfig, original: f64, beta_fast: f64, beta_slow: f64, truncate: bool) -> Tensor {
    let n = rope.width as f64;
    let dimension = |turns: f64| n * (original / (turns * 2.0 * PI)).ln() / (2.0 * rope.theta.ln());
    let (mut low, mut high) = (dimension(beta_fast), dimension(beta_slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(n - 1.0));
    if low == high {
        high += 0.001;
    }
    let indices = Tensor::arange(rope.width / 2, (Kind::Float, Device::Cpu));
    ((indices - low) / (high - low)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(trees: Vec<TokenTree>, positions: Vec<i64>) -> TokenBatch {
        TokenBatch { ids: vec![0; positions.len()], positions, trees, ..TokenBatch::default() }
    }

    fn dynamic() -> RopeConfig {
        RopeConfig { scaling: Scaling::Dynamic { factor: 2.0, original: 4 }, ..RopeConfig::plain(1e4, 8) }
    }

    fn sequence(range: Range<usize>) -> TokenTree {
        TokenTree { prefix: range.start..range.start, branches: vec![range] }
    }

    #[test]
    fn frequencies_follow_the_length_of_each_sequence() {
        let short_and_long = batch(vec![sequence(0..3), sequence(3..9)], vec![0, 1, 2, 0, 1, 2, 3, 4, 5]);
        let places =
            Places { positions: &short_and_long.positions, lengths: &|| lengths_of(&short_and_long), filler: 0 };
        let found = frequencies_at(&dynamic(), &places);
        let plain = frequencies(&RopeConfig::plain(1e4, 8), 0);
        assert_eq!(found.get(2), plain);
        assert_eq!(found.get(3), frequencies(&dynamic(), 6));
        assert!(found.get(3).double_value(&[3]) < 0.9 * plain.double_value(&[3]));
    }

    #[test]
    fn sequences_share_a_prefix_where_their_frequencies_agree() {
        let tree = |lengths: [usize; 2]| TokenTree {
            prefix: 0..2,
            branches: vec![2..lengths[0], lengths[0]..lengths[0] + lengths[1] - 2],
        };
        assert!(uniform(&dynamic(), &tree([4, 3])));
        assert!(!uniform(&dynamic(), &tree([4, 5])));
        assert!(!uniform(&dynamic(), &tree([6, 5])));
        assert!(uniform(&RopeConfig::plain(1e4, 8), &tree([6, 5])));
    }

    #[test]
    fn both_pairings_turn_by_the_same_angles() {
        let rope = RopeConfig::plain(1e4, 4);
        let one = batch(vec![sequence(0..3)], vec![0, 1, 2]);
        let turn = |pairs: Pairs, x: &Tensor| {
            let rotation = Rotation { pairs, precision: RopePrecision::Working };
            Turns::new(&rope, rotation, &one, 0, Kind::Float, Device::Cpu).apply(x)
        };
        let x = Tensor::randn([3, 2, 4], (Kind::Float, Device::Cpu));
        // Dimensions (0, 1, 2, 3) as halves are (0, 2, 1, 3) as neighbours.
        let order = Tensor::from_slice(&[0i64, 2, 1, 3]);
        let neighbours = turn(Pairs::Neighbours, &x.index_select(2, &order));
        assert!(turn(Pairs::Halves, &x).index_select(2, &order).allclose(&neighbours, 1e-6, 1e-6, false));
    }
}
