//! Transformers on libtorch, configured by a checkpoint's own `config.json`.
//!
//! Three shapes of one thing: [`decoder`] (causal, shared-prefix token trees), [`encoder`] (bidirectional,
//! post-norm: BERT to DeBERTa) and [`modernbert`] (bidirectional, pre-norm). All run on the flat token stream of a [`TokenBatch`](crate::text::batch::TokenBatch);
//! what differs between model families is a set of switches in [`config`]. A further architecture is
//! one arm there and a parity fixture.
//!
//! Shape suffixes: t token of the flat stream, d model width, h head, k head width, f MLP width.

pub mod attention;
mod block;
pub mod cache;
pub mod config;
mod course;
pub mod deberta;
pub mod decoder;
pub mod encoder;
mod experts;
pub mod layers;
pub mod lora;
mod mlp;
pub mod modernbert;
mod norm;
pub mod params;
mod projection;
mod recording;
pub mod rope;
mod row_kernels;
mod rows;
mod soft_cap;
pub mod vocabulary;
pub mod weights;

use tch::{Kind, Tensor};

use crate::text::batch::{Sharing, TokenBatch, TokenTree};
use config::{BackboneConfig, Family};
use course::Course;
pub use course::Rest;
use params::{ParamError, ParamSource};
use rows::{Rows, Wanted};

/// Which dropout masks a forward pass draws: a function of these numbers alone, so that a resumed or
/// repeated step draws the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    pub seed: u64,
    pub step: u64,
    pub micro: u64,
}

/// Dropout rates of a training pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Whole tokens: their embedding is zero, so that no single word can be relied on.
    pub token: f64,
    /// On the embedding output.
    pub embedding: f64,
    /// On what attention and MLP add to the residual stream.
    pub hidden: f64,
}

impl Dropout {
    /// Nothing is dropped but what layers drop by themselves (adapters).
    pub fn none() -> Self {
        Self { token: 0.0, embedding: 0.0, hidden: 0.0 }
    }
}

/// How a forward pass computes.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Kind of activations; weights are cast to it where they differ.
    pub compute: Kind,
    /// `None` at evaluation.
    pub dropout: Option<Dropout>,
    /// The masks of each layer are a function of this and its number.
    pub seed: u64,
}

impl Pass {
    pub fn evaluation(compute: Kind) -> Self {
        Self { compute, dropout: None, seed: 0 }
    }

    /// Before what comes in front of the layers.
    pub fn begin(&self) {
        self.draw_from(0);
    }

    /// Before layer `index`: its masks are the same when it is computed again.
    pub fn begin_layer(&self, index: usize) {
        self.draw_from(index as u64 + 1);
    }

    fn draw_from(&self, stream: u64) {
        if self.dropout.is_some() {
            // libtorch's generators begin from one number; an odd factor keeps the streams of a seed apart.
            tch::manual_seed(self.seed.wrapping_add(stream.wrapping_mul(0x9E37_79B9_7F4A_7C15)) as i64);
        }
    }
}

/// Positions that are asked for, where not all of them are.
struct Asked {
    rows: Option<Rows>,
    n_tokens: usize,
}

impl Asked {
    fn of(batch: &TokenBatch, positions: Option<&[usize]>) -> Self {
        Self { rows: positions.map(Rows::new), n_tokens: batch.n_tokens() }
    }

    /// What a last layer need finish; `None`: everything.
    fn some(&self) -> Option<&Rows> {
        self.rows.as_ref().filter(|rows| rows.len() > 0 && rows.len() < self.n_tokens)
    }

    /// Of what the last layer gave: the states in the order asked.
    fn states(&self, x_td: Tensor, batch: &TokenBatch) -> Tensor {
        let states = self.some().map_or_else(Wanted::default, Wanted::rows).finish(x_td, batch);
        match (&self.rows, self.some()) {
            (Some(rows), Some(_)) => rows.in_order_asked(states),
            (Some(rows), None) => rows.in_order_of_stream(&states),
            (None, _) => states,
        }
    }
}

/// The transformer that gives hidden states.
pub enum Backbone {
    Decoder(decoder::Decoder),
    Encoder(Box<encoder::Encoder>),
    ModernBert(modernbert::ModernBert),
}

impl Backbone {
    /// Takes every tensor the configuration asks for from `source`.
    pub fn new(config: &BackboneConfig, source: &mut ParamSource) -> Result<Self, ParamError> {
        Ok(match &config.family {
            Family::Decoder(c) => Backbone::Decoder(decoder::Decoder::new(config, c, source)?),
            Family::Encoder(c) => Backbone::Encoder(Box::new(encoder::Encoder::new(config, c, source)?)),
            Family::ModernBert(c) => Backbone::ModernBert(modernbert::ModernBert::new(config, c, source)?),
        })
    }

    /// Hidden states after the last layer (and final norm, where there is one): [t, d] in `pass.compute`.
    pub fn hidden(&self, batch: &TokenBatch, pass: Pass) -> Tensor {
        self.states(batch, Wanted::default(), pass)
    }

    /// Hidden states [n, d] at the given positions of the stream, in the order given, as
    /// [`Backbone::hidden`] has them. Of all other tokens the last layer computes keys and values only.
    pub fn hidden_at(&self, batch: &TokenBatch, positions: &[usize], pass: Pass) -> Tensor {
        let rows = Rows::new(positions);
        if rows.len() == 0 || rows.len() == batch.n_tokens() {
            return rows.in_order_of_stream(&self.hidden(batch, pass));
        }
        rows.in_order_asked(self.states(batch, Wanted::rows(&rows), pass))
    }

    /// As [`Backbone::hidden`], and the hidden states after each layer before the last norm.
    pub fn hidden_per_layer(&self, batch: &TokenBatch, pass: Pass) -> (Tensor, Vec<Tensor>) {
        let mut layers = Vec::new();
        let last = self.states(batch, Wanted { rows: None, per_layer: Some(&mut layers) }, pass);
        (last, layers)
    }

    fn states(&self, batch: &TokenBatch, mut wanted: Wanted, pass: Pass) -> Tensor {
        let course = self.course(batch, wanted.rows, pass, false);
        let x_td = course.whole(|x_td| wanted.keep(x_td, batch));
        wanted.finish(x_td, batch)
    }

    fn course(&self, batch: &TokenBatch, rows: Option<&Rows>, pass: Pass, cut: bool) -> Course<'_> {
        pass.begin();
        match self {
            Backbone::Decoder(decoder) => decoder.course(batch, rows, pass),
            Backbone::Encoder(encoder) => encoder.course(batch, rows, pass, cut),
            Backbone::ModernBert(encoder) => encoder.course(batch, rows, pass),
        }
    }

    /// [`Backbone::hidden_at`], or with `None` [`Backbone::hidden`], of which autograd keeps `length` layers; what
    /// is left to do after the loss's backward pass.
    pub fn in_segments(
        &self,
        batch: &TokenBatch,
        positions: Option<&[usize]>,
        pass: Pass,
        length: usize,
    ) -> (Tensor, Rest<'_>) {
        let wanted = Asked::of(batch, positions);
        let (x_td, rest) = self.course(batch, wanted.some(), pass, true).in_segments(length);
        (wanted.states(x_td, batch), rest)
    }

    /// As [`Backbone::in_segments`], with a way back through most layers that is written out; `None` where it is not.
    pub fn by_hand(&self, batch: &TokenBatch, positions: Option<&[usize]>, pass: Pass) -> Option<(Tensor, Rest<'_>)> {
        let Backbone::Decoder(decoder) = self else { return None };
        let wanted = Asked::of(batch, positions);
        let (x_td, rest) = decoder.by_hand(batch, wanted.some(), pass)?;
        Some((wanted.states(x_td, batch), rest))
    }

    /// Whether responses of one comparison may share their prefix (causal attention only).
    pub fn shares_prefixes(&self) -> bool {
        matches!(self, Backbone::Decoder(_))
    }

    /// Which comparisons may share it.
    pub fn sharing(&self) -> Sharing {
        match self {
            Backbone::Decoder(decoder) => decoder.sharing(),
            Backbone::Encoder(_) | Backbone::ModernBert(_) => Sharing::Never,
        }
    }

    /// Whether a tree may be computed as one.
    pub fn allows(&self, tree: &TokenTree) -> bool {
        match self {
            Backbone::Decoder(decoder) => decoder.allows(tree),
            Backbone::Encoder(_) | Backbone::ModernBert(_) => tree.branches.len() < 2,
        }
    }
}
