//! A forward pass layer by layer; and the backward pass in segments, which keeps little of it.
//!
//! Gradient checkpointing (arXiv 1604.06174) without hooks into autograd: the layers are cut into segments, and of
//! a segment only what goes into it is kept. With h₀ → h₁ → … → h_S the states at the borders, autograd sees the
//! last segment alone and leaves dL/dh_{S−1} at its border. Each earlier segment is computed again, with
//! recording, and Σ h_s · dL/dh_s (the gradient a constant) is run backwards: its derivatives are those of L.
//! Memory for activations falls from all layers to one segment and the borders; time rises by one forward pass of
//! all segments but the last. The second computation is the first one operation by operation, so the gradients
//! are those of a pass that keeps everything.

use tch::{Kind, Tensor};

use super::Pass;
use super::block::by_hand::{ByHand, Kept, Tables};

/// A layer by its number: [t, d] → [t, d] (of the last one perhaps fewer rows).
type Step<'a> = Box<dyn Fn(usize, &Tensor) -> Tensor + 'a>;

/// One batch's way through a backbone.
pub struct Course<'a> {
    /// What the first layer sees: [t, d].
    pub first_td: Tensor,
    pub n_layers: usize,
    pub layer: Step<'a>,
    /// What follows the last layer.
    pub finish: Box<dyn Fn(&Tensor) -> Tensor + 'a>,
    /// What every layer reads beside its input, as it is computed, and the copy that layers read: a leaf of the
    /// graph, so that each segment adds to its gradient.
    pub beside: Option<[Tensor; 2]>,
    pub pass: Pass,
}

/// A tensor that begins a graph of its own; it asks for a gradient where `of` has one to give: below the first
/// trained layer nothing does.
pub fn leaf(of: &Tensor) -> Tensor {
    of.detach().set_requires_grad(of.requires_grad())
}

impl<'a> Course<'a> {
    /// All layers at once; `kept` sees the stream after each.
    pub fn whole(&self, mut kept: impl FnMut(&Tensor)) -> Tensor {
        let mut x_td = self.first_td.shallow_clone();
        for index in 0..self.n_layers {
            x_td = self.step(index, &x_td);
            kept(&x_td);
        }
        (self.finish)(&x_td)
    }

    fn step(&self, index: usize, x_td: &Tensor) -> Tensor {
        self.pass.begin_layer(index);
        (self.layer)(index, x_td)
    }

    /// Layers in segments of `length`: the result, and what is left to do once its gradient is known.
    pub fn in_segments(self, length: usize) -> (Tensor, Rest<'a>) {
        let length = length.max(1);
        // Counted from the end, so that the segment autograd keeps is a whole one.
        let mut starts: Vec<usize> = (1..=self.n_layers.div_ceil(length).max(1))
            .map(|segment| self.n_layers.saturating_sub(segment * length))
            .collect();
        starts.reverse();
        let mut borders = vec![leaf(&self.first_td)];
        for bounds in starts.windows(2) {
            let last_td = borders[borders.len() - 1].shallow_clone();
            // Recorded and forgotten, not computed without recording: libtorch has other kernels for that.
            let x_td = (bounds[0]..bounds[1]).fold(last_td, |x_td, index| self.step(index, &x_td));
            borders.push(leaf(&x_td));
        }
        let from = starts.last().copied().unwrap_or(0);
        let border = borders[borders.len() - 1].shallow_clone();
        let x_td = (from..self.n_layers).fold(border, |x_td, index| self.step(index, &x_td));
        let out = (self.finish)(&x_td);
        (out, Rest::Again(Segments { course: self, starts, borders }))
    }
}

/// The part of a backward pass that autograd does not see.
pub enum Rest<'a> {
    /// Segments that are computed again.
    Again(Segments<'a>),
    /// Layers whose gradients are written out.
    ByHand(WayBack<'a>),
}

impl Rest<'_> {
    /// After the loss's own backward pass: the gradients of everything before.
    pub fn backward(self) {
        match self {
            Rest::Again(segments) => segments.backward(),
            Rest::ByHand(way) => way.backward(),
        }
    }
}

/// The way back through layers by hand.
pub struct WayBack<'a> {
    /// What the first layer saw.
    pub embedded_td: Tensor,
    /// What the last one gave: a leaf of the graph that autograd has.
    pub border_td: Tensor,
    pub there: Vec<Layer<'a>>,
}

/// A layer by hand, and what it keeps.
pub struct Layer<'a> {
    pub layer: ByHand<'a>,
    pub tables: Tables,
    pub kept: Kept,
}

impl WayBack<'_> {
    fn backward(self) {
        let mut grad_td = self.border_td.grad();
        if !grad_td.defined() {
            return;
        }
        for Layer { layer, tables, kept } in self.there.into_iter().rev() {
            layer.begin();
            grad_td = layer.backward(kept, &tables, &grad_td);
        }
        go_on(&self.embedded_td, &grad_td);
    }
}

/// The segments before the one that autograd has seen.
pub struct Segments<'a> {
    course: Course<'a>,
    /// Number of each segment's first layer.
    starts: Vec<usize>,
    /// What goes into each segment.
    borders: Vec<Tensor>,
}

impl Segments<'_> {
    fn backward(self) {
        let Self { course, starts, mut borders } = self;
        for segment in (0..starts.len().saturating_sub(1)).rev() {
            // Popped: its memory is free before the segment is computed again.
            let Some(gradient) = borders.pop().map(|border| border.grad()).filter(Tensor::defined) else { return };
            let border = borders[segment].shallow_clone();
            let x_td = (starts[segment]..starts[segment + 1]).fold(border, |x_td, index| course.step(index, &x_td));
            go_on(&x_td, &gradient);
        }
        if let Some(gradient) = borders.pop().map(|border| border.grad()).filter(Tensor::defined) {
            go_on(&course.first_td, &gradient);
        }
        if let Some([computed, read]) = &course.beside
            && read.grad().defined()
        {
            go_on(computed, &read.grad());
        }
    }
}

/// Runs a gradient further back: d(Σ x·g)/dx = g.
fn go_on(x: &Tensor, gradient: &Tensor) {
    if x.requires_grad() {
        (x * gradient).sum(Kind::Float).backward();
    }
}
