//! `rmbench-kernels` against libtorch on random shapes: attention over trees against one dense call per sequence,
//! norms, rotary positions and gates against libtorch's operations one by one.
//!
//! "Off" is the largest difference to libtorch in f64. In bf16 libtorch's own bf16 is what ours is held against.

use rmbench_kernels::attention::{Heads, Operand, Piece, Reach, Shape, Span, Tree, attend};
use rmbench_kernels::bf16::Element;
use rmbench_kernels::rows::{Gate, RmsNorm, RowOperand, Rows, Turn};
use rmbench_kernels::{Bf16, Level};
use tch::{Device, Kind, Tensor};

const F32: f64 = 3e-6;
/// Of libtorch's own bf16: sums in another order.
const BF16_TO_LIBTORCH: f64 = 1.5;

/// A small generator of shapes, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Numbers of a tensor in the kernels' kind.
fn numbers<T: Element>(x: &Tensor) -> Vec<T> {
    let wide = Vec::<f32>::try_from(x.to_kind(Kind::Float).contiguous().flatten(0, -1)).unwrap();
    wide.into_iter().map(T::of).collect()
}

fn tensor<T: Element>(x: &[T], size: &[i64]) -> Tensor {
    let wide: Vec<f32> = x.iter().map(|x| x.to_f32()).collect();
    Tensor::from_slice(&wide).view(size)
}

fn off(found: &Tensor, expected: &Tensor) -> f64 {
    (found.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// Random numbers that are exact in `kind`.
fn random(size: &[i64], kind: Kind) -> Tensor {
    Tensor::randn(size, (Kind::Float, Device::Cpu)).to_kind(kind)
}

fn kind_of<T: Element>() -> Kind {
    if T::IS_BF16 { Kind::BFloat16 } else { Kind::Float }
}

/// Ours may be off by f32's tolerance, in bf16 by a little more than libtorch is.
fn assert_near<T: Element>(ours: &Tensor, libtorch: &Tensor, exact: &Tensor, what: &str) {
    let size = exact.abs().max().double_value(&[]).max(1.0);
    let found = off(ours, exact);
    let allowed = if T::IS_BF16 { BF16_TO_LIBTORCH * off(libtorch, exact) + 1e-3 * size } else { F32 * size };
    assert!(found <= allowed, "{what}: off by {found:.2e}, libtorch by {:.2e}", off(libtorch, exact));
}

fn a_tree<T: Operand>(dice: &mut Dice, level: Level) {
    let groups = 1 + dice.below(3);
    let heads = groups * (1 + dice.below(3));
    let width = dice.of(&[8, 24, 40, 64, 96, 128]);
    let prefix = dice.of(&[0, 1, 37, 130, 300]);
    let branches: Vec<usize> = (0..1 + dice.below(3)).map(|_| 1 + dice.below(90)).collect();
    let (window, near) = (dice.of(&[None, None, Some(20)]), dice.of(&[None, Some(15)]));
    // An encoder's sequence, or a decoder's tree.
    let bidirectional = branches.len() == 1 && prefix == 0 && dice.below(2) == 0;
    let reach = match (bidirectional, near, window) {
        (true, None, _) => Reach::ALL,
        (true, Some(reach), _) => Reach { back: reach, forward: reach },
        (false, _, None) => Reach { back: usize::MAX, forward: 0 },
        (false, _, Some(window)) => Reach { back: window - 1, forward: 0 },
    };
    let n = prefix + branches.iter().sum::<usize>();
    let kind = kind_of::<T>();
    let scale = (width as f64).powf(-0.5);
    let sizes = [heads, groups, groups].map(|heads| [n as i64, heads as i64, width as i64]);
    let [q, k, v] = sizes.each_ref().map(|size| random(size, kind));

    let mut pieces = vec![Piece { keys: 0..prefix, position: 0 }];
    let mut spans = vec![Span { queries: 0..prefix, position: 0, sees: vec![0] }];
    let mut at = prefix;
    for (number, &n) in branches.iter().enumerate() {
        pieces.push(Piece { keys: at..at + n, position: prefix });
        spans.push(Span { queries: at..at + n, position: prefix, sees: vec![0, number + 1] });
        at += n;
    }
    let data = [&q, &k, &v].map(numbers::<T>);
    let mut out = vec![T::default(); n * heads * width];
    let tensors = [0, 1, 2].map(|i| Heads { data: &data[i], stride: if i == 0 { heads } else { groups } * width });
    let shape = Shape { heads, groups, width, scale: scale as f32, cap: None, reach };
    attend(level, tensors, &[Tree { pieces, spans }], shape, &mut out);
    let ours = tensor(&out, &[n as i64, heads as i64, width as i64]);

    let mut at = prefix;
    for (number, &length) in branches.iter().enumerate() {
        let rows: Vec<i64> = (0..prefix).chain(at..at + length).map(|row| row as i64).collect();
        at += length;
        let positions = Tensor::arange(rows.len() as i64, (Kind::Int64, Device::Cpu));
        let back = positions.unsqueeze(1) - positions.unsqueeze(0);
        let limit = |bound: usize| bound.min(1 << 40) as i64;
        let seen = back.le(limit(reach.back)).logical_and(&back.ge(-limit(reach.forward)));
        let rows = Tensor::from_slice(&rows);
        let dense = |kind: Kind| {
            let [q, k, v] = [&q, &k, &v].map(|x| x.index_select(0, &rows).to_kind(kind).transpose(0, 1).unsqueeze(0));
            let mask =
                Tensor::zeros(seen.size(), (kind, Device::Cpu)).masked_fill(&seen.logical_not(), f64::NEG_INFINITY);
            let out = Tensor::scaled_dot_product_attention(&q, &k, &v, Some(&mask), 0.0, false, scale, heads != groups);
            out.squeeze_dim(0).transpose(0, 1).contiguous()
        };
        let what = format!(
            "{level:?} {kind:?}: {heads}/{groups} heads of {width}, {prefix} + {branches:?}, branch {number}, {reach:?}"
        );
        assert_near::<T>(&ours.index_select(0, &rows), &dense(kind), &dense(Kind::Double), &what);
    }
}

fn some_rows<T: RowOperand>(dice: &mut Dice, level: Level) {
    let kind = kind_of::<T>();
    let (rows, n_heads, head) = (1 + dice.below(20), 1 + dice.below(5), 2 * (1 + dice.below(70)));
    let width = n_heads * head;
    let size = [rows as i64, width as i64];
    let what = format!("{level:?} {kind:?}: {rows} rows of {n_heads} heads of {head}");
    let [x, y] = [(); 2].map(|()| random(&size, kind));
    let (x_data, y_data) = (numbers::<T>(&x), numbers::<T>(&y));
    let [x_rows, y_rows] = [&x_data, &y_data].map(|data| Rows { data: &data[..], rows, width, stride: width });
    let weight = random(&[width as i64], Kind::Float);
    let weights = numbers::<f32>(&weight);

    let rms = |x: &Tensor, weight: &Tensor, eps: f64| {
        let wide = if x.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let working = x.kind();
        let x = x.to_kind(wide);
        let quotient = &x * (x.square().mean_dim(-1, true, wide) + eps).rsqrt();
        quotient.to_kind(working) * weight.to_kind(working)
    };
    let mut out = vec![T::default(); rows * width];
    T::rms_norm(level, x_rows, None, RmsNorm { weight: &weights, eps: 1e-5 }, &mut out);
    let found = tensor(&out, &size);
    // The weight is f32 here and rounded there.
    let exact = rms(&x.to_kind(Kind::Double), &weight, 1e-5);
    assert_near::<T>(&found, &rms(&x, &weight, 1e-5), &exact, &format!("norm, {what}"));

    let mut sum = vec![T::default(); rows * width];
    T::rms_norm(level, x_rows, Some((y_rows, &mut sum)), RmsNorm { weight: &weights, eps: 1e-5 }, &mut out);
    assert_eq!(off(&tensor(&sum, &size), &(&x + &y)), 0.0, "sum, {what}");
    let exact = rms(&(&x + &y).to_kind(Kind::Double), &weight, 1e-5);
    assert_near::<T>(&tensor(&out, &size), &rms(&(&x + &y), &weight, 1e-5), &exact, &format!("sum and norm, {what}"));

    let angles = Tensor::rand([rows as i64, head as i64 / 2], (Kind::Float, Device::Cpu)) * 100.0;
    let angles = Tensor::cat(&[&angles, &angles], 1);
    let (cos, sin) = (angles.cos().to_kind(kind), angles.sin().to_kind(kind));
    let tables = [&cos, &sin].map(numbers::<f32>);
    let turn = Turn { cos: &tables[0], sin: &tables[1], n: head };
    let norm = RmsNorm { weight: &weights[..head], eps: 1e-6 };
    T::heads(level, x_rows, head, Some(norm), Some(turn), &mut out);
    let turned = |kind: Kind| {
        let x = x.to_kind(kind).view([rows as i64, n_heads as i64, head as i64]);
        let x = rms(&x, &weight.narrow(0, 0, head as i64), 1e-6);
        let halves = x.chunk(2, -1);
        let turned = Tensor::cat(&[&halves[1].neg(), &halves[0]], -1);
        let table = |table: &Tensor| table.to_kind(kind).unsqueeze(1);
        (x * table(&cos) + turned * table(&sin)).view(size)
    };
    assert_near::<T>(&tensor(&out, &size), &turned(kind), &turned(Kind::Double), &format!("heads, {what}"));

    for (act, name) in [(Gate::Silu, "silu"), (Gate::GeluTanh, "gelu")] {
        T::gated(level, act, x_rows, y_rows, &mut out);
        let product = |kind: Kind| {
            let x = x.to_kind(kind);
            let acted = if act == Gate::Silu { x.silu() } else { x.gelu("tanh") };
            acted * y.to_kind(kind)
        };
        assert_near::<T>(&tensor(&out, &size), &product(kind), &product(Kind::Double), &format!("{name}, {what}"));
    }
}

#[test]
fn attention_over_trees_is_libtorchs() {
    tch::manual_seed(1);
    let mut dice = Dice(1);
    for level in Level::available() {
        for _ in 0..24 {
            a_tree::<f32>(&mut dice, level);
            a_tree::<Bf16>(&mut dice, level);
        }
    }
}

/// Queries computed alone, over the pieces of a cache as they lie, against one dense computation.
fn queries_alone<T: Operand>(dice: &mut Dice, level: Level) {
    let groups = 1 + dice.below(3);
    let heads = groups * (1 + dice.below(4));
    let width = dice.of(&[8, 20, 40, 64, 128]);
    let kind = kind_of::<T>();
    // Pieces of one sequence that lie apart in the cache, the last with the queries' own keys.
    let lengths: Vec<usize> = (0..1 + dice.below(4)).map(|_| 1 + dice.below(70)).collect();
    let gap = dice.below(9);
    let (mut pieces, mut row, mut position) = (Vec::new(), gap, 0);
    for length in &lengths {
        pieces.push(Piece { keys: row..row + length, position });
        (row, position) = (row + length + gap, position + length);
    }
    let n = lengths[lengths.len() - 1];
    let window = dice.of(&[None, Some(7), Some(40)]);
    let shape = Shape {
        heads,
        groups,
        width,
        scale: (width as f32).powf(-0.5),
        cap: dice.of(&[None, Some(2.0)]),
        reach: Reach { back: window.map_or(usize::MAX, |window: usize| window - 1), forward: 0 },
    };
    let [q, k, v] = [(n, heads), (row, groups), (row, groups)]
        .map(|(rows, heads)| random(&[rows as i64, heads as i64, width as i64], kind));
    let data = [&q, &k, &v].map(numbers::<T>);
    let tensors = || [0, 1, 2].map(|i| Heads { data: &data[i], stride: if i == 0 { heads } else { groups } * width });
    let sees: Vec<usize> = (0..pieces.len()).collect();
    let compute = |spans: Vec<Span>| {
        let mut out = vec![T::default(); n * heads * width];
        attend(level, tensors(), &[Tree { pieces: pieces.clone(), spans }], shape, &mut out);
        tensor(&out, &[n as i64, heads as i64, width as i64])
    };
    let first = position - n;
    let alone = compute((0..n).map(|i| Span { queries: i..i + 1, position: first + i, sees: sees.clone() }).collect());
    let rows: Vec<i64> = pieces.iter().flat_map(|piece| piece.keys.clone()).map(|row| row as i64).collect();
    let back = (Tensor::arange(n as i64, (Kind::Int64, Device::Cpu)) + first as i64).unsqueeze(1)
        - Tensor::arange(position as i64, (Kind::Int64, Device::Cpu)).unsqueeze(0);
    let seen = back.ge(0).logical_and(&back.lt(window.map_or(1 << 40, |window| window as i64)));
    // Softmax of capped scores, in one piece.
    let dense = |kind: Kind| {
        let keys = |x: &Tensor| {
            let x = x.index_select(0, &Tensor::from_slice(&rows)).to_kind(kind).transpose(0, 1);
            x.repeat_interleave_self_int((heads / groups) as i64, 0, None)
        };
        let scores = q.to_kind(kind).transpose(0, 1).matmul(&keys(&k).transpose(1, 2)) * f64::from(shape.scale);
        let scores = match shape.cap {
            Some(cap) => (scores / f64::from(cap)).tanh() * f64::from(cap),
            None => scores,
        };
        let weights = scores.masked_fill(&seen.logical_not(), f64::NEG_INFINITY).softmax(-1, kind);
        weights.matmul(&keys(&v)).transpose(0, 1).contiguous()
    };
    let what =
        format!("{level:?} {kind:?} {heads}/{groups} of {width}, {lengths:?}, {:?}, {:?}", shape.reach, shape.cap);
    assert_near::<T>(&alone, &dense(kind), &dense(Kind::Double), &what);
}

#[test]
fn attention_of_queries_alone_is_libtorchs() {
    tch::manual_seed(3);
    let mut dice = Dice(3);
    for level in Level::available() {
        for _ in 0..24 {
            queries_alone::<f32>(&mut dice, level);
            queries_alone::<Bf16>(&mut dice, level);
        }
    }
}

#[test]
fn norms_turns_and_gates_are_libtorchs() {
    tch::manual_seed(2);
    let mut dice = Dice(2);
    for level in Level::available() {
        for _ in 0..24 {
            some_rows::<f32>(&mut dice, level);
            some_rows::<Bf16>(&mut dice, level);
        }
    }
}
