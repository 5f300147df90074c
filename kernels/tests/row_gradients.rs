//! Gradients of norms, turns and gates against differences of their definitions in f64, on every level this machine has.

use rmbench_kernels::Level;
use rmbench_kernels::row_gradients;
use rmbench_kernels::rows::{Gate, RmsNorm, Rows, Turn};

const EPS: f32 = 1e-5;

/// Numbers that look random, the same every time: in −2..2.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * 2.0
    };
    (0..n).map(|_| next()).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// d f/dx by central differences.
fn slope(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut x = x.to_vec();
        x[i] += by;
        f(&x)
    };
    (0..x.len()).map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step)).collect()
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() <= 3e-6 * scale, "{what}: {found} not {expected} at {i}");
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn normed(x: &[f64], weight: &[f64]) -> Vec<f64> {
    let factor = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + f64::from(EPS)).powf(-0.5);
    x.iter().zip(weight).map(|(x, w)| x * factor * w).collect()
}

/// The numbers of rows that lie `stride` apart.
fn packed(x: &[f32], rows: usize, width: usize, stride: usize) -> Vec<f64> {
    (0..rows).flat_map(|row| wide(&x[row * stride..][..width])).collect()
}

#[test]
fn norms() {
    for (rows, width) in [(1, 1), (3, 5), (7, 16), (70, 40), (2, 131)] {
        let stride = width + 3;
        let [x, grad, base] = [1, 2, 3].map(|seed| numbers(rows * stride, seed));
        let weight = numbers(width, 4);
        let of = |data| Rows { data, rows, width, stride };
        let [x64, g64, b64] = [&x, &grad, &base].map(|data| packed(data, rows, width, stride));
        let loss = |x: &[f64], weight: &[f64]| {
            let y: Vec<f64> = x.chunks(width).flat_map(|row| normed(row, weight)).collect();
            dot(&y, &g64)
        };
        let by_x = slope(&x64, |x| loss(x, &wide(&weight)));
        let by_weight = slope(&wide(&weight), |weight| loss(&x64, weight));
        for level in Level::available() {
            let what = format!("{rows}x{width} {level:?}");
            let norm = RmsNorm { weight: &weight, eps: EPS };
            let (mut out, mut found) = (vec![0.0; rows * width], vec![1.0; width]);
            row_gradients::rms_norm(level, [of(&x), of(&grad)], None, norm, &mut out, &mut found);
            assert_close(&out, &by_x, &what);
            // What is there is added to.
            assert_close(&found, &by_weight.iter().map(|w| w + 1.0).collect::<Vec<_>>(), &what);
            row_gradients::rms_norm(level, [of(&x), of(&grad)], Some(of(&base)), norm, &mut out, &mut found);
            assert_close(&out, &by_x.iter().zip(&b64).map(|(x, b)| x + b).collect::<Vec<_>>(), &what);
        }
    }
}

#[test]
fn heads() {
    for (n_heads, head, n) in [(2, 16, 16), (1, 6, 4), (2, 40, 20), (2, 10, 0)] {
        let (rows, width) = (66, n_heads * head);
        let stride = width + 7;
        let [x, grad] = [5, 6].map(|seed| numbers(rows * stride, seed));
        let (cos, sin) = (numbers(rows * n, 7), numbers(rows * n, 8));
        let (cos64, sin64) = (wide(&cos), wide(&sin));
        let [x64, g64] = [&x, &grad].map(|data| packed(data, rows, width, stride));
        for weights in [0, head, width] {
            let weight = numbers(weights, 9);
            let of_row = |row: usize, x: &[f64], weight: &[f64]| -> f64 {
                let mut y = Vec::new();
                for (number, head_of) in x.chunks(head).enumerate() {
                    let before = match weights {
                        0 => head_of.to_vec(),
                        _ => normed(head_of, &weight[if weights == head { 0 } else { number * head }..][..head]),
                    };
                    let mut after = before.clone();
                    for i in 0..n {
                        let turned = if i < n / 2 { -before[i + n / 2] } else { before[i - n / 2] };
                        after[i] = before[i] * cos64[row * n + i] + turned * sin64[row * n + i];
                    }
                    y.extend(after);
                }
                dot(&y, &g64[row * width..][..width])
            };
            // A row at a time: a row's gradient is nobody else's.
            let by_x: Vec<f64> = (0..rows)
                .flat_map(|row| slope(&x64[row * width..][..width], |x| of_row(row, x, &wide(&weight))))
                .collect();
            let by_weight = slope(&wide(&weight), |weight| {
                (0..rows).map(|row| of_row(row, &x64[row * width..][..width], weight)).sum()
            });
            for level in Level::available() {
                let of = |data| Rows { data, rows, width, stride };
                let norm = (weights > 0).then_some(RmsNorm { weight: &weight, eps: EPS });
                let turn = (n > 0).then_some(Turn { cos: &cos, sin: &sin, n });
                let (mut out, mut found) = (vec![0.0; rows * width], vec![0.0; weights]);
                row_gradients::heads(level, [of(&x), of(&grad)], head, norm, turn, &mut out, &mut found);
                let what = format!("{n_heads}x{head}, {n} turn, {weights} weights, {level:?}");
                assert_close(&out, &by_x, &what);
                assert_close(&found, &by_weight, &what);
            }
        }
    }
}

#[test]
fn gates() {
    for (rows, width) in [(1, 1), (3, 7), (4, 16), (5, 100)] {
        let stride = 2 * width;
        let both: Vec<f32> = numbers(rows * stride, 10).into_iter().map(|x| x * x * x).collect();
        let grad = numbers(rows * width, 11);
        let of = |data, stride| Rows { data, rows, width, stride };
        let (gate, up) = (of(&both[..], stride), of(&both[width..], stride));
        let [gate64, up64] = [&both[..], &both[width..]].map(|data| packed(data, rows, width, stride));
        for act in [Gate::Silu, Gate::GeluTanh] {
            let value = |x: f64| match act {
                Gate::Silu => x / (1.0 + (-x).exp()),
                Gate::GeluTanh => {
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                    x / (1.0 + (-2.0 * inner).exp())
                }
            };
            let all = |f: &dyn Fn(f64, f64, f64) -> f64| -> Vec<f64> {
                let g = wide(&grad);
                gate64.iter().zip(&up64).zip(&g).map(|((x, up), g)| f(*x, *up, *g)).collect()
            };
            let expected = [
                all(&|x, up, g| g * up * (value(x + 1e-6) - value(x - 1e-6)) / 2e-6),
                all(&|x, _, g| g * value(x)),
                all(&|x, up, _| value(x) * up),
            ];
            for level in Level::available() {
                let mut found = [0, 1, 2].map(|_| vec![0.0; rows * width]);
                let out = found.each_mut().map(|out| out.as_mut_slice());
                row_gradients::gated(level, act, [gate, up, of(&grad, width)], out);
                for (found, expected) in found.iter().zip(&expected) {
                    assert_close(found, expected, &format!("{act:?} {rows}x{width} {level:?}"));
                }
            }
        }
    }
}
