//! Norms, turns and gates against their definitions in f64, on every level this machine has.

use rmbench_kernels::bf16::Element;
use rmbench_kernels::rows::{Gate, RmsNorm, RowOperand, Rows, Turn};
use rmbench_kernels::{Bf16, Level};

/// Numbers that look random, the same every time: in −2..2.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * 2.0
    };
    (0..n).map(|_| next()).collect()
}

fn matrix<T: Element>(rows: usize, stride: usize, seed: u32) -> Vec<T> {
    numbers(rows * stride, seed).into_iter().map(T::of).collect()
}

fn wide<T: Element>(x: T) -> f64 {
    f64::from(x.to_f32())
}

/// Half a unit in the last place of bf16, or a few of f32, of the number and of what went into it.
fn assert_close<T: Element>(found: &[T], expected: &[f64], what: &str) {
    let relative = if T::IS_BF16 { 0.5 / 128.0 } else { 1e-6 };
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = wide(*found);
        assert!(
            (found - expected).abs() <= relative * expected.abs() + 2e-6,
            "{what}: {found} not {expected} at {index}"
        );
    }
}

/// Σx²/n to the power −½.
fn factor(x: &[f64], eps: f32) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + f64::from(eps)).powf(-0.5)
}

fn norms<T: RowOperand>() {
    for (rows, width) in [(1, 1), (3, 5), (7, 16), (2, 100), (5, 512), (3, 1030)] {
        let stride = width + 3;
        let (x, b) = (matrix::<T>(rows, stride, 1), matrix::<T>(rows, stride, 2));
        let of = |data| Rows { data, rows, width, stride };
        let weight = numbers(width, 3);
        let norm = RmsNorm { weight: &weight, eps: 1e-5 };
        let normed = |x: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            let row = |row: usize| {
                let numbers: Vec<f64> = (0..width).map(|column| x(row, column)).collect();
                let factor = factor(&numbers, norm.eps);
                numbers.iter().zip(&weight).map(|(x, w)| x * factor * f64::from(*w)).collect::<Vec<_>>()
            };
            (0..rows).flat_map(row).collect()
        };
        for level in Level::available() {
            let what = format!("{rows}x{width} {level:?}");
            let mut out = vec![T::default(); rows * width];
            T::rms_norm(level, of(&x), None, norm, &mut out);
            assert_close(&out, &normed(&|r, c| wide(x[r * stride + c])), &what);

            let mut sum = vec![T::default(); rows * width];
            T::rms_norm(level, of(&x), Some((of(&b), &mut sum)), norm, &mut out);
            let added = |r: usize, c: usize| wide(x[r * stride + c]) + wide(b[r * stride + c]);
            let expected: Vec<f64> = (0..rows * width).map(|i| added(i / width, i % width)).collect();
            assert_close(&sum, &expected, &what);
            // What is normed is the sum as it was stored.
            assert_close(&out, &normed(&|r, c| wide(sum[r * width + c])), &what);
        }
    }
}

fn heads<T: RowOperand>() {
    // Heads, width of one, numbers that turn.
    for (n_heads, head, n) in [(2, 16, 16), (3, 64, 64), (1, 6, 4), (2, 40, 20), (4, 128, 96), (2, 10, 0)] {
        let (rows, width) = (5, n_heads * head);
        let stride = width + 7;
        let x = matrix::<T>(rows, stride, 4);
        let (cos, sin) = (numbers(rows * n, 5), numbers(rows * n, 6));
        for weights in [0, head, width] {
            let weight = numbers(weights, 7);
            let norm = (weights > 0).then_some(RmsNorm { weight: &weight, eps: 1e-6 });
            let turn = (n > 0).then_some(Turn { cos: &cos, sin: &sin, n });
            let mut expected = Vec::new();
            for row in 0..rows {
                for number in 0..n_heads {
                    let mut y: Vec<f64> = (0..head).map(|i| wide(x[row * stride + number * head + i])).collect();
                    if weights > 0 {
                        let factor = factor(&y, 1e-6);
                        let first = if weights == head { 0 } else { number * head };
                        y.iter_mut().enumerate().for_each(|(i, y)| *y *= factor * f64::from(weight[first + i]));
                    }
                    let before = y.clone();
                    for (i, y) in y.iter_mut().enumerate().take(n) {
                        let turned = if i < n / 2 { -before[i + n / 2] } else { before[i - n / 2] };
                        *y = before[i] * f64::from(cos[row * n + i]) + turned * f64::from(sin[row * n + i]);
                    }
                    expected.extend(y);
                }
            }
            for level in Level::available() {
                let mut out = vec![T::default(); rows * width];
                T::heads(level, Rows { data: &x, rows, width, stride }, head, norm, turn, &mut out);
                assert_close(&out, &expected, &format!("{n_heads}x{head}, {n} turn, {weights} weights, {level:?}"));
            }
        }
    }
}

fn gates<T: RowOperand>() {
    for (rows, width) in [(1, 1), (3, 7), (4, 16), (5, 200)] {
        // Both halves of one matrix, as a joined projection leaves them; some far from zero.
        let stride = 2 * width;
        let both: Vec<T> = numbers(rows * stride, 8).into_iter().map(|x| T::of(x * x * x * 4.0)).collect();
        let of = |first: usize| Rows { data: &both[first..], rows, width, stride };
        for act in [Gate::Silu, Gate::GeluTanh] {
            let expected: Vec<f64> = (0..rows * width)
                .map(|i| {
                    let at = i / width * stride + i % width;
                    let (x, up) = (wide(both[at]), wide(both[at + width]));
                    up * match act {
                        Gate::Silu => x / (1.0 + (-x).exp()),
                        Gate::GeluTanh => {
                            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                            // 1 + tanh would be rounded to nothing where it is small.
                            x / (1.0 + (-2.0 * inner).exp())
                        }
                    }
                })
                .collect();
            for level in Level::available() {
                let mut out = vec![T::default(); rows * width];
                T::gated(level, act, of(0), of(width), &mut out);
                // A power of e is as exact as its exponent, which may be in the hundreds.
                let relative = if T::IS_BF16 { 0.5 / 128.0 } else { 0.0 } + 2e-5;
                for (found, expected) in out.iter().zip(&expected) {
                    let found = wide(*found);
                    let allowed = relative * expected.abs() + 1e-25;
                    assert!((found - expected).abs() <= allowed, "{act:?} {level:?}: {found} not {expected}");
                }
            }
        }
    }
}

#[test]
fn f32_is_the_definition() {
    norms::<f32>();
    heads::<f32>();
    gates::<f32>();
}

#[test]
fn bf16_is_the_definition_rounded_once() {
    norms::<Bf16>();
    heads::<Bf16>();
    gates::<Bf16>();
}

#[test]
fn no_number_stays_no_number() {
    for level in Level::available() {
        let mut x = numbers(64, 1);
        x[3] = f32::NAN;
        let rows = |data| Rows { data, rows: 2, width: 32, stride: 32 };
        let weight = [1.0; 32];
        let mut out = vec![0.0; 64];
        f32::rms_norm(level, rows(&x), None, RmsNorm { weight: &weight, eps: 1e-5 }, &mut out);
        assert!(out[..32].iter().all(|x| x.is_nan()) && out[32..].iter().all(|x| x.is_finite()), "{level:?}");
        for act in [Gate::Silu, Gate::GeluTanh] {
            f32::gated(level, act, rows(&x), rows(&x), &mut out);
            assert!(out[3].is_nan() && out.iter().filter(|x| x.is_nan()).count() == 1, "{level:?} {act:?}");
        }
    }
}

#[test]
#[should_panic(expected = "rows are not there")]
fn rows_beyond_the_tensor_are_refused() {
    let x = numbers(30, 1);
    let rows = Rows { data: &x, rows: 2, width: 16, stride: 16 };
    f32::rms_norm(Level::Portable, rows, None, RmsNorm { weight: &[1.0; 16], eps: 1e-5 }, &mut [0.0; 32]);
}
