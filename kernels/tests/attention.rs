//! Attention against its definition in f64, on every level this machine has.

use rmbench_kernels::attention::{Heads, Operand, Piece, Reach, Shape, Span, Tree, attend};
use rmbench_kernels::{Bf16, Level};

/// Numbers that look random, the same every time: in −1..1.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

struct Case {
    name: &'static str,
    shape: Shape,
    trees: Vec<Tree>,
    /// Rows of queries, rows of keys.
    rows: [usize; 2],
}

fn shape(heads: usize, groups: usize, width: usize, reach: Reach) -> Shape {
    Shape { heads, groups, width, scale: (width as f32).powf(-0.5), cap: None, reach }
}

const CAUSAL: Reach = Reach { back: usize::MAX, forward: 0 };

/// A prefix and branches, all of which ask.
fn tree(start: usize, prefix: usize, branches: &[usize]) -> Tree {
    let rows = start..start + prefix;
    let mut pieces = vec![Piece { keys: rows.clone(), position: 0 }];
    let mut spans = vec![Span { queries: rows, position: 0, sees: vec![0] }];
    let mut at = start + prefix;
    for (number, &n) in branches.iter().enumerate() {
        pieces.push(Piece { keys: at..at + n, position: prefix });
        spans.push(Span { queries: at..at + n, position: prefix, sees: vec![0, number + 1] });
        at += n;
    }
    Tree { pieces, spans }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (heads, groups, width) in [(4, 2, 64), (2, 2, 128), (4, 1, 8), (2, 1, 40), (2, 2, 96), (1, 1, 6)] {
        for (name, reach) in [
            ("causal", CAUSAL),
            ("window", Reach { back: 15, forward: 0 }),
            ("both", Reach::ALL),
            ("local", Reach { back: 20, forward: 20 }),
        ] {
            let trees = vec![tree(0, 70, &[33, 1, 90]), tree(194, 0, &[17]), tree(211, 3, &[3, 4])];
            cases.push(Case { name, shape: shape(heads, groups, width, reach), trees, rows: [221, 221] });
        }
    }
    let mut capped = shape(2, 1, 64, CAUSAL);
    capped.cap = Some(1.5);
    cases.push(Case { name: "capped", shape: capped, trees: vec![tree(0, 70, &[33, 90])], rows: [193, 193] });
    let long = vec![tree(0, 700, &[350])];
    cases.push(Case { name: "long", shape: shape(2, 1, 64, CAUSAL), trees: long, rows: [1050, 1050] });
    // Single rows of a tree ask, as in a last layer; nobody asks in the second tree.
    let whole = tree(0, 70, &[33, 90]);
    let mut rows = whole.clone();
    rows.spans = whole
        .spans
        .iter()
        .enumerate()
        .skip(1)
        .map(|(row, span)| Span {
            queries: row - 1..row,
            position: span.position + span.queries.len() - 1,
            sees: span.sees.clone(),
        })
        .collect();
    let silent = Tree { pieces: vec![Piece { keys: 193..200, position: 0 }], spans: Vec::new() };
    cases.push(Case { name: "rows", shape: shape(4, 2, 32, CAUSAL), trees: vec![rows, silent], rows: [2, 200] });
    cases
}

/// By definition, in f64.
fn expected<T: Operand>(case: &Case, [q, k, v]: [Heads<T>; 3]) -> Vec<f64> {
    let Shape { heads, groups, width, scale, cap, reach } = case.shape;
    let mut out = vec![f64::NAN; case.rows[0] * heads * width];
    let number = |x: T| f64::from(x.to_f32());
    for tree in &case.trees {
        for span in &tree.spans {
            for (offset, row) in span.queries.clone().enumerate() {
                let position = span.position + offset;
                for head in 0..heads {
                    let group = head / (heads / groups);
                    let query = &q.data[row * q.stride + head * width..][..width];
                    let mut keys = Vec::new();
                    for piece in span.sees.iter().map(|&number| &tree.pieces[number]) {
                        for (index, key) in piece.keys.clone().enumerate() {
                            let at = piece.position + index;
                            if position.saturating_sub(reach.back) <= at && at <= position.saturating_add(reach.forward)
                            {
                                keys.push(key);
                            }
                        }
                    }
                    let of = |t: Heads<T>, key: usize| t.data[key * t.stride + group * width..][..width].to_vec();
                    let scores: Vec<f64> = keys
                        .iter()
                        .map(|&key| {
                            query.iter().zip(of(k, key)).map(|(a, b)| number(*a) * number(b)).sum::<f64>()
                                * f64::from(scale)
                        })
                        .collect();
                    let scores: Vec<f64> = match cap {
                        Some(cap) => scores.iter().map(|z| f64::from(cap) * (z / f64::from(cap)).tanh()).collect(),
                        None => scores,
                    };
                    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|s| (s - greatest).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    for c in 0..width {
                        let sum: f64 = keys.iter().zip(&weights).map(|(&key, w)| w * number(of(v, key)[c])).sum();
                        out[(row * heads + head) * width + c] = if keys.is_empty() { 0.0 } else { sum / total };
                    }
                }
            }
        }
    }
    out
}

/// Queries, keys and values side by side in one tensor, as a fused projection leaves them.
fn check<T: Operand>(tolerance: f64) {
    for case in cases() {
        let Shape { heads, groups, width, .. } = case.shape;
        let stride = (heads + 2 * groups) * width;
        let n = case.rows[0].max(case.rows[1]);
        let data: Vec<T> = numbers(n * stride, 7).into_iter().map(|x| T::of(2.0 * x)).collect();
        let at = |offset: usize| Heads { data: &data[offset * width..], stride };
        let tensors = [at(0), at(heads), at(heads + groups)];
        let expected = expected(&case, tensors);
        for level in Level::available() {
            let mut out = vec![T::of(f32::NAN); case.rows[0] * heads * width];
            attend(level, tensors, &case.trees, case.shape, &mut out);
            for (index, (found, expected)) in out.iter().zip(&expected).enumerate() {
                let found = f64::from(found.to_f32());
                let same = (found - expected).abs() <= tolerance || (found.is_nan() && expected.is_nan());
                assert!(same, "{} {:?} {level:?}: {found} not {expected} at {index}", case.name, case.shape);
            }
        }
    }
}

#[test]
fn f32_is_the_definition() {
    check::<f32>(3e-6);
}

#[test]
fn bf16_is_the_definition_up_to_its_rounding() {
    // Values reach 2, whose last place is 2⁻⁷; weights are rounded to bf16 before they meet them.
    check::<Bf16>(1.2e-2);
}

#[test]
fn what_is_no_number_stays_visible_and_in_its_branch() {
    let shape = shape(1, 1, 8, CAUSAL);
    for level in Level::available() {
        let mut data = numbers(9 * 8, 1);
        // The third token of the first branch.
        data[5 * 8 + 1] = f32::NAN;
        let tensor = Heads { data: &data, stride: 8 };
        let mut out = vec![0.0; 9 * 8];
        attend(level, [tensor; 3], &[tree(0, 3, &[3, 3])], shape, &mut out);
        assert!(out[5 * 8..6 * 8].iter().all(|x| x.is_nan()), "{level:?}: {out:?}");
        let others = out[..3 * 8].iter().chain(&out[6 * 8..]);
        assert!(others.into_iter().all(|x| x.is_finite()), "{level:?}: prefix and second branch do not see it");
    }
}

#[test]
#[should_panic(expected = "rows are not there")]
fn rows_beyond_the_tensor_are_refused() {
    let data = numbers(16, 1);
    let tensor = Heads { data: &data, stride: 8 };
    attend(Level::Portable, [tensor; 3], &[tree(0, 0, &[3])], shape(1, 1, 8, CAUSAL), &mut [0.0; 24]);
}
