//! A layer there and back, written out.
//!
//! libtorch records what happens between matrix products operation by operation: a norm is seven, and twenty more on the way
//! back, each with a pass over memory. Here the forward pass is that of scoring, and every gradient is computed in one pass by
//! [`gradients`]; gradients of matrices are added up by the product that computes them. Attention alone is left to autograd.
//! Written out is the layer that most decoders have: two RMS norms, separate projections, a gated MLP, all of it trained, in
//! f32 on a CPU. [`Block::by_hand`] says whether a layer is one.

use rmbench_kernels::rows::Gate;
use tch::{Kind, Tensor};

use super::Block;
use crate::backbone::attention::{Attend, Plan};
use crate::backbone::layers::Linear;
use crate::backbone::mlp::Mlp;
use crate::backbone::norm::Norm;
use crate::backbone::projection::Projection;
use crate::backbone::row_kernels::{self, Rms, gradients};

/// Cosines and sines of rotary positions, [t, n] each.
pub type Tables = Option<[Tensor; 2]>;

/// A layer whose gradients are written out.
pub struct ByHand<'a> {
    block: &'a Block,
    before_attention: &'a Norm,
    before_mlp: &'a Norm,
    projection: PlainProjection<'a>,
    out: Plain<'a>,
    gate: Plain<'a>,
    up: Plain<'a>,
    down: Plain<'a>,
    act: Gate,
}

/// A matrix and perhaps a bias, and nothing beside them.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    pub weight: &'a Tensor,
    pub bias: Option<&'a Tensor>,
}

/// Separate queries, keys and values, with a norm over each head or none.
pub struct PlainProjection<'a> {
    pub q: Plain<'a>,
    pub k: Plain<'a>,
    pub v: Plain<'a>,
    pub norms: [Option<&'a Norm>; 2],
    pub heads: i64,
    pub groups: i64,
    pub width: i64,
}

/// What the way back needs of the way there.
pub struct Kept {
    x_td: Tensor,
    n_td: Tensor,
    /// Before norm and turn.
    q_thk: Tensor,
    k_tgk: Tensor,
    /// Queries, keys and values that attention read: leaves of a graph that ends in `attended_td`.
    asked: [Tensor; 3],
    attended_td: Tensor,
    /// Between attention and MLP.
    middle_td: Tensor,
    m_td: Tensor,
    gate_tf: Tensor,
    up_tf: Tensor,
}

impl Block {
    /// The layer by hand, where it is one of those.
    pub fn by_hand(&self) -> Option<ByHand<'_>> {
        let norm = |norm: &'_ Option<Norm>| norm.as_ref().is_some_and(Norm::is_rms);
        let others = self.after_attention.is_some() || self.after_mlp.is_some() || self.parallel;
        if others || !norm(&self.before_attention) || !norm(&self.before_mlp) {
            return None;
        }
        let Mlp::Gated(mlp) = &self.mlp else { return None };
        let ([gate, up, down], act) = mlp.plain()?;
        let hand = ByHand {
            block: self,
            before_attention: self.before_attention.as_ref()?,
            before_mlp: self.before_mlp.as_ref()?,
            projection: Projection::plain(&self.projection)?,
            out: Linear::plain(&self.out)?,
            gate,
            up,
            down,
            act: row_kernels::gate_of(act)?,
        };
        let is_trained = hand.parameters().all(|p| p.requires_grad() && p.kind() == Kind::Float);
        is_trained.then_some(hand)
    }
}

impl<'a> ByHand<'a> {
    fn parameters(&self) -> impl Iterator<Item = &'a Tensor> {
        let PlainProjection { q, k, v, norms, .. } = &self.projection;
        let linear = [*q, *k, *v, self.out, self.gate, self.up, self.down];
        let matrices = linear.into_iter().flat_map(|plain| [Some(plain.weight), plain.bias]).flatten();
        let norms = [Some(self.before_attention), Some(self.before_mlp), norms[0], norms[1]];
        matrices.chain(norms.into_iter().flatten().map(Norm::weight))
    }

    /// Gives every parameter a gradient to add to: tch cannot set one, but a backward pass that finds nothing does.
    pub fn begin(&self) {
        for parameter in self.parameters().filter(|parameter| !parameter.grad().defined()) {
            tch::with_grad(|| (parameter.flatten(0, -1).narrow(0, 0, 1) * 0.0).sum(Kind::Float).backward());
        }
    }

    /// [t, d] → [t, d].
    pub fn forward(&self, x_td: &Tensor, tables: &Tables, plan: &Plan) -> (Tensor, Kept) {
        let _no_grad = tch::no_grad_guard();
        let PlainProjection { q, k, v, norms, heads, groups, width } = &self.projection;
        let n_td = self.before_attention.forward(x_td);
        let split = |x: Tensor, heads: i64| x.view([-1, heads, *width]);
        let (q_thk, k_tgk) = (split(q.forward(&n_td), *heads), split(k.forward(&n_td), *groups));
        let finished = |x_thk: &Tensor, norm: Option<&Norm>| {
            let numbers = norm.map(Norm::numbers);
            row_kernels::finished_heads::<f32>(x_thk, rms(&numbers), of(tables)).set_requires_grad(true)
        };
        let v_tgk = split(v.forward(&n_td), *groups).set_requires_grad(true);
        let asked = [finished(&q_thk, norms[0]), finished(&k_tgk, norms[1]), v_tgk];
        let [q, k, v] = &asked;
        let attended_td = tch::with_grad(|| plan.answer(q, k, v, self.block.scale, self.block.soft_cap));
        let (middle_td, m_td) = self.before_mlp.forward_sum(x_td, &self.out.forward(&attended_td));
        let (gate_tf, up_tf) = (self.gate.forward(&m_td), self.up.forward(&m_td));
        let inner_tf = row_kernels::product::<f32>(self.act, &gate_tf, &up_tf);
        let out_td = self.down.forward_onto(&inner_tf, &middle_td);
        let kept = Kept {
            x_td: x_td.shallow_clone(),
            n_td,
            q_thk,
            k_tgk,
            asked,
            attended_td,
            middle_td,
            m_td,
            gate_tf,
            up_tf,
        };
        (out_td, kept)
    }

    /// The gradient of what went in, from that of what came out; those of the parameters are added to theirs.
    pub fn backward(&self, kept: Kept, tables: &Tables, grad_td: &Tensor) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let Kept { x_td, n_td, q_thk, k_tgk, asked, attended_td, middle_td, m_td, gate_tf, up_tf } = kept;
        let PlainProjection { q, k, v, norms, .. } = &self.projection;
        let [by_gate_tf, by_up_tf, inner_tf] = gradients::gated(self.act, &gate_tf, &up_tf, &self.down.back(grad_td));
        self.down.learn(grad_td, &inner_tf);
        self.gate.learn(&by_gate_tf, &m_td);
        self.up.learn(&by_up_tf, &m_td);
        let by_m_td = self.up.back_onto(&by_up_tf, self.gate.back(&by_gate_tf));
        drop((by_gate_tf, by_up_tf, inner_tf, gate_tf, up_tf));
        let by_middle_td = back_through(self.before_mlp, &middle_td, &by_m_td, grad_td);
        self.out.learn(&by_middle_td, &attended_td);
        let by_attended_td = self.out.back(&by_middle_td);
        // Σ a·g: its gradient by a is g.
        tch::with_grad(|| attended_td.flatten(0, -1).dot(&by_attended_td.flatten(0, -1)).backward());
        let [by_q, by_k, by_v_tgk] = asked.each_ref().map(Tensor::grad);
        drop((asked, attended_td, by_attended_td));
        let unfinished = |x_thk: &Tensor, norm: Option<&Norm>, grad_thk: &Tensor| {
            let numbers = norm.map(Norm::numbers);
            let mut weight = norm.map(|norm| norm.weight().grad());
            gradients::heads(x_thk, rms(&numbers), of(tables), grad_thk, weight.as_mut()).flatten(1, 2)
        };
        let by_q_td = unfinished(&q_thk, norms[0], &by_q);
        let by_k_td = unfinished(&k_tgk, norms[1], &by_k);
        let by_v_td = by_v_tgk.flatten(1, 2);
        [(q, &by_q_td), (k, &by_k_td), (v, &by_v_td)].into_iter().for_each(|(plain, grad)| plain.learn(grad, &n_td));
        let by_n_td = v.back_onto(&by_v_td, k.back_onto(&by_k_td, q.back(&by_q_td)));
        back_through(self.before_attention, &x_td, &by_n_td, &by_middle_td)
    }
}

/// Through a norm of x, and on top of it the gradient that x has as the residual stream.
fn back_through(norm: &Norm, x_td: &Tensor, grad_td: &Tensor, residual_td: &Tensor) -> Tensor {
    let (weight, eps) = norm.numbers();
    gradients::rms_norm(x_td, Rms { weight: &weight, eps }, grad_td, residual_td, Some(&mut norm.weight().grad()))
}

fn rms(numbers: &Option<(Tensor, f64)>) -> Option<Rms<'_>> {
    numbers.as_ref().map(|(weight, eps)| Rms { weight, eps: *eps })
}

fn of(tables: &Tables) -> Option<[&Tensor; 2]> {
    tables.as_ref().map(|tables| tables.each_ref())
}

impl Plain<'_> {
    fn forward(&self, x_td: &Tensor) -> Tensor {
        x_td.linear(self.weight, self.bias)
    }

    /// On top of `sum_td`.
    fn forward_onto(&self, x_td: &Tensor, sum_td: &Tensor) -> Tensor {
        let sum_td = self.bias.map_or_else(|| sum_td.shallow_clone(), |bias| sum_td + bias);
        sum_td.addmm(x_td, &self.weight.tr())
    }

    fn back(&self, grad_td: &Tensor) -> Tensor {
        grad_td.mm(self.weight)
    }

    fn back_onto(&self, grad_td: &Tensor, mut sum_td: Tensor) -> Tensor {
        let _ = sum_td.addmm_(grad_td, self.weight);
        sum_td
    }

    fn learn(&self, grad_td: &Tensor, x_td: &Tensor) {
        let _ = self.weight.grad().addmm_(&grad_td.tr(), x_td);
        if let Some(bias) = self.bias {
            let _ = bias.grad().g_add_(&grad_td.sum_dim_intlist(0, false, Kind::Float));
        }
    }
}
