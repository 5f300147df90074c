//! AdamW's arithmetic on tensors, cut so that it stays in the cache and uses the cores without
//! libtorch's thread barriers (nine of them per tensor, and ruinous on a busy machine).

use tch::Tensor;

use super::optimizer::AdamWSettings;

/// The numbers of one parameter's update, worked out in f64 as PyTorch does.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    beta1: f64,
    beta2: f64,
    eps: f64,
    /// 1 − ηλ.
    keep: f64,
    /// η/(1−β₁ᵗ).
    step_size: f64,
    /// √(1−β₂ᵗ).
    root_correction: f64,
}

impl Update {
    /// Of the `step`th update, counted from 1.
    pub fn new(settings: &AdamWSettings, lr: f64, decay: f64, step: u64) -> Self {
        let [beta1, beta2] = settings.betas;
        // powf, as Python's ** on floats.
        let t = step as f64;
        Self {
            beta1,
            beta2,
            eps: settings.eps,
            keep: 1.0 - lr * decay,
            step_size: lr / (1.0 - beta1.powf(t)),
            root_correction: (1.0 - beta2.powf(t)).sqrt(),
        }
    }

    /// What becomes of a parameter whose moments and gradient are zero.
    pub fn decay(&self, param: &mut Tensor) {
        if self.keep != 1.0 {
            let _no_grad = tch::no_grad_guard();
            let _ = param.g_mul_scalar_(self.keep);
        }
    }

    /// The same operations in the same order as PyTorch's loop over single tensors.
    fn apply(&self, [param, grad, exp_avg, exp_avg_sq]: &mut Operands) {
        if self.keep != 1.0 {
            let _ = param.g_mul_scalar_(self.keep);
        }
        let _ = exp_avg.lerp_(grad, 1.0 - self.beta1);
        let scaled = &*grad * (1.0 - self.beta2);
        let _ = exp_avg_sq.g_mul_scalar_(self.beta2).addcmul_(&scaled, grad);
        let mut root = exp_avg_sq.sqrt_out(&scaled);
        let denominator = root.g_div_scalar_(self.root_correction).g_add_scalar_(self.eps);
        let _ = param.addcdiv_(&(&*exp_avg * -self.step_size), &denominator);
    }
}

/// Parameter, gradient, first and second moment, of one shape.
pub type Operands = [Tensor; 4];

/// Elements updated at a time: just under the size from which libtorch starts threads of its own, and a
/// multiple of its vectors.
const PIECE: i64 = 32_704;

/// Applies updates in place. Elementwise, so neither pieces nor threads change a bit of the result.
pub fn apply_all(work: Vec<(Update, Operands)>) {
    let (mut flat, whole): (Vec<_>, Vec<_>) = work
        .into_iter()
        .partition(|(_, operands)| operands.iter().all(|tensor| tensor.is_contiguous() && !tensor.device().is_cuda()));
    let _no_grad = tch::no_grad_guard();
    for (update, mut operands) in whole {
        update.apply(&mut operands);
    }
    for (_, operands) in &mut flat {
        *operands = operands.each_ref().map(|tensor| tensor.view([-1]));
    }
    let total: i64 = flat.iter().map(|(_, operands)| numel(operands)).sum();
    let workers = i64::from(tch::get_num_threads()).clamp(1, total / PIECE + 1);
    let shares = split(flat, (total / workers + 1).max(1));
    std::thread::scope(|scope| {
        let mut shares = shares.into_iter();
        let own = shares.next();
        for share in shares {
            scope.spawn(move || apply_pieces(share));
        }
        own.into_iter().for_each(apply_pieces);
    });
}

fn numel([param, ..]: &Operands) -> i64 {
    param.numel() as i64
}

fn range(operands: &Operands, start: i64, len: i64) -> Operands {
    operands.each_ref().map(|tensor| tensor.narrow(0, start, len))
}

/// Work in shares of `size` elements; a tensor may be cut between two.
fn split(flat: Vec<(Update, Operands)>, size: i64) -> Vec<Vec<(Update, Operands)>> {
    let mut shares = vec![Vec::new()];
    let mut room = size;
    for (update, operands) in flat {
        let (mut start, len) = (0, numel(&operands));
        while start < len {
            if room == 0 {
                shares.push(Vec::new());
                room = size;
            }
            let part = room.min(len - start);
            if let Some(share) = shares.last_mut() {
                share.push((update, range(&operands, start, part)));
            }
            start += part;
            room -= part;
        }
    }
    shares
}

fn apply_pieces(share: Vec<(Update, Operands)>) {
    let _no_grad = tch::no_grad_guard();
    for (update, operands) in share {
        let len = numel(&operands);
        for start in (0..len).step_by(PIECE as usize) {
            update.apply(&mut range(&operands, start, PIECE.min(len - start)));
        }
    }
}
