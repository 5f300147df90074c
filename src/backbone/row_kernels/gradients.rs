//! The way back through norms, rotary positions and gates, in f32 on CPUs. Gradients of weights are added to those there are.

use rmbench_kernels::rows::{Gate, RmsNorm, Rows};
use rmbench_kernels::{Level, row_gradients};
use tch::Tensor;

use super::shares::{in_shares, shares, split};
use super::{Rms, floats, like, numbers, numbers_mut, part, rows_of, turn_of, turn_part, with_adjacent_numbers};

/// Of a norm of x [t, d], from the gradient of its result: the gradient of x, on top of `base`, which others gave it; that of
/// the weight [d] is added to `weight`.
pub fn rms_norm(x_td: &Tensor, norm: Rms, grad_td: &Tensor, base_td: &Tensor, weight: Option<&mut Tensor>) -> Tensor {
    let [x, grad, base] = [x_td, grad_td, base_td].map(with_adjacent_numbers);
    let numbers = numbers(norm.weight);
    let norm = RmsNorm { weight: floats(&numbers), eps: norm.eps as f32 };
    let mut out = like(&x);
    let [x, grad, base] = [&x, &grad, &base].map(rows_of::<f32>);
    let shares = shares(x.rows, x.width);
    let outs = split(numbers_mut(&mut out), &shares, x.width);
    let sums = in_shares(shares.iter().zip(outs), |(share, out)| {
        let mut sum = vec![0.0f32; norm.weight.len()];
        let [x, grad, base] = [x, grad, base].map(|rows| part(rows, share));
        row_gradients::rms_norm(Level::best(), [x, grad], Some(base), norm, out, &mut sum);
        sum
    });
    add(weight, sums);
    out
}

/// Of heads [t, h, k] that were normed and turned (see [`super::heads`]), likewise.
pub fn heads(
    x_thk: &Tensor,
    norm: Option<Rms>,
    turn: Option<[&Tensor; 2]>,
    grad_thk: &Tensor,
    weight: Option<&mut Tensor>,
) -> Tensor {
    let head = x_thk.size()[2] as usize;
    let [x, grad] = [x_thk, grad_thk].map(|x| with_adjacent_numbers(&x.flatten(1, 2)));
    let weights = norm.as_ref().map(|norm| numbers(norm.weight));
    let norm = norm.zip(weights.as_ref());
    let norm = norm.map(|(norm, weight)| RmsNorm { weight: floats(weight), eps: norm.eps as f32 });
    let tables = turn.map(|tables| tables.map(numbers));
    let turn = tables.as_ref().map(turn_of);
    let mut out = like(&x);
    let [x, grad] = [&x, &grad].map(rows_of::<f32>);
    let shares = shares(x.rows, x.width);
    let outs = split(numbers_mut(&mut out), &shares, x.width);
    let sums = in_shares(shares.iter().zip(outs), |(share, out)| {
        let mut sum = vec![0.0f32; norm.map_or(0, |norm| norm.weight.len())];
        let turn = turn.map(|turn| turn_part(turn, share));
        row_gradients::heads(Level::best(), [part(x, share), part(grad, share)], head, norm, turn, out, &mut sum);
        sum
    });
    add(weight, sums);
    out.view_as(x_thk)
}

/// Of act(gate)·up [t, f]: the gradients of gate and up, and act(gate)·up itself.
pub fn gated(act: Gate, gate_tf: &Tensor, up_tf: &Tensor, grad_tf: &Tensor) -> [Tensor; 3] {
    let from = [gate_tf, up_tf, grad_tf].map(with_adjacent_numbers);
    let mut out = [0, 1, 2].map(|_| like(&from[0]));
    let [gate, up, grad]: [Rows<f32>; 3] = from.each_ref().map(rows_of);
    let shares = shares(gate.rows, gate.width);
    let [a, b, c] = out.each_mut().map(|out| split(numbers_mut(out), &shares, gate.width));
    in_shares(shares.iter().zip(a.into_iter().zip(b).zip(c)), |(share, ((a, b), c))| {
        let from = [gate, up, grad].map(|rows| part(rows, share));
        row_gradients::gated(Level::best(), act, from, [a, b, c]);
    });
    out
}

/// Sums of shares, in their order, on top of what is there.
fn add(weight: Option<&mut Tensor>, sums: Vec<Vec<f32>>) {
    let Some(weight) = weight else { return };
    for sum in sums.iter().filter(|sum| !sum.is_empty()) {
        let _ = weight.g_add_(&Tensor::from_slice(sum).view_as(weight));
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn threads_share_rows_and_nothing_else() {
        let draw = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        tch::manual_seed(2);
        let (x, grad, base) = (draw(&[700, 4, 64]), draw(&[700, 4, 64]), draw(&[700, 256]));
        let (weight, wide) = (draw(&[64]), draw(&[256]));
        let tables = [draw(&[700, 64]), draw(&[700, 64])];
        let all = |threads: i32| {
            tch::set_num_threads(threads);
            let mut sums =
                [Tensor::zeros([64], (Kind::Float, Device::Cpu)), Tensor::zeros([256], (Kind::Float, Device::Cpu))];
            let [of_head, of_row] = &mut sums;
            let rms = |weight| Rms { weight, eps: 1e-6 };
            let turn = Some(tables.each_ref());
            let by_heads = heads(&x, Some(rms(&weight)), turn, &grad, Some(of_head));
            let [rows, grads] = [&x, &grad].map(|x| x.flatten(1, 2));
            let by_norm = rms_norm(&rows, rms(&wide), &grads, &base, Some(of_row));
            let gates = gated(Gate::Silu, &rows, &grads, &base);
            let forward = super::super::finished_heads::<f32>(&x, Some(rms(&weight)), turn);
            ([by_heads, by_norm, forward].into_iter().chain(gates).collect::<Vec<_>>(), sums)
        };
        let ((one, sums), (three, others)) = (all(1), all(3));
        tch::set_num_threads(1);
        assert!(one.iter().zip(&three).all(|(a, b)| a == b));
        for (a, b) in sums.iter().zip(&others) {
            let apart = (a - b).abs().max().double_value(&[]);
            assert!(apart <= 1e-5 * a.abs().max().double_value(&[]), "{apart:e}");
        }
    }
}
