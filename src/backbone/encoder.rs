//! The BERT family: post-norm blocks, learned positions, bidirectional attention.
//!
//! x = norm(x + O(attention(x))); x = norm(x + out(act(inner(x)))).

use tch::Tensor;

use super::Pass;
use super::attention::{Plan, Sight, filler};
use super::config::{BackboneConfig, EncoderConfig};
use super::layers::{Embedding, LayerNorm, Linear, activate, drop_embedding, drop_hidden};
use super::params::{ParamError, ParamSource};
use super::rows::{LastLayer, Rows};
use crate::text::batch::TokenBatch;

pub struct Encoder {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    config: EncoderConfig,
    pad_id: i64,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    attention_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    output_norm: LayerNorm,
}

impl Encoder {
    pub fn new(shape: &BackboneConfig, config: &EncoderConfig, source: &mut ParamSource) -> Result<Self, ParamError> {
        let (width, std) = (shape.hidden, shape.initializer_range);
        let prefix = shape.model_type.prefix();
        let at = |name: &str| format!("{prefix}embeddings.{name}");
        Ok(Self {
            words: Embedding::new(source, &at("word_embeddings"), shape.vocab, width, std)?,
            positions: Embedding::new(source, &at("position_embeddings"), config.max_positions, width, std)?,
            types: Embedding::new(source, &at("token_type_embeddings"), config.type_vocab, width, std)?,
            norm: LayerNorm::new(source, &at("LayerNorm"), width, config.norm_eps)?,
            layers: (0..shape.layers).map(|i| Layer::new(i, shape, config, source)).collect::<Result<_, _>>()?,
            config: config.clone(),
            pad_id: shape.pad_id.unwrap_or(if config.positions_from_padding { 1 } else { 0 }),
        })
    }

    /// [t, d], or only the given rows of it; with `per_layer`, also the stream after each layer.
    pub fn hidden(
        &self,
        batch: &TokenBatch,
        rows: Option<&Rows>,
        pass: Pass,
        mut per_layer: Option<&mut Vec<Tensor>>,
    ) -> Tensor {
        let device = self.words.device();
        let filler = filler(batch, pass.compute, device);
        let ids_t = Tensor::from_slice(&batch.ids).to_device(device).constant_pad_nd([0, filler]);
        let positions_t = Tensor::from_slice(&self.positions_of(batch)).to_device(device).constant_pad_nd([0, filler]);
        let types_t = ids_t.zeros_like();
        let plan = Plan::new(batch, Sight::Both, pass.compute, device);
        let embedded = self.words.forward(&ids_t, pass.compute)
            + self.types.forward(&types_t, pass.compute)
            + self.positions.forward(&positions_t, pass.compute);
        let mut x_td = drop_embedding(self.norm.forward(&embedded), pass);
        for (index, layer) in self.layers.iter().enumerate() {
            let last = rows
                .filter(|_| index + 1 == self.layers.len())
                .map(|rows| rows.last_layer(batch, Sight::Both, pass.compute, device));
            x_td = layer.forward(&x_td, &plan, last.as_ref(), &self.config, pass);
            if let Some(states) = per_layer.as_deref_mut() {
                states.push(x_td.narrow(0, 0, batch.n_tokens() as i64));
            }
        }
        if rows.is_some() { x_td } else { x_td.narrow(0, 0, batch.n_tokens() as i64) }
    }

    fn positions_of(&self, batch: &TokenBatch) -> Vec<i64> {
        if !self.config.positions_from_padding {
            return batch.positions.clone();
        }
        // cumsum(id ≠ pad) · (id ≠ pad) + pad, counted within each sequence.
        let mut positions = Vec::with_capacity(batch.ids.len());
        let mut count = 0;
        for (&id, &position) in batch.ids.iter().zip(&batch.positions) {
            if position == 0 {
                count = 0;
            }
            let real = i64::from(id != self.pad_id);
            count += real;
            positions.push(count * real + self.pad_id);
        }
        positions
    }
}

impl Layer {
    fn new(
        index: i64,
        shape: &BackboneConfig,
        config: &EncoderConfig,
        source: &mut ParamSource,
    ) -> Result<Self, ParamError> {
        let prefix = shape.model_type.prefix();
        let at = |name: &str| format!("{prefix}encoder.layer.{index}.{name}");
        let (width, inner, std, eps) = (shape.hidden, shape.intermediate, shape.initializer_range, config.norm_eps);
        Ok(Self {
            query: Linear::new(source, &at("attention.self.query"), width, width, true, std)?,
            key: Linear::new(source, &at("attention.self.key"), width, width, true, std)?,
            value: Linear::new(source, &at("attention.self.value"), width, width, true, std)?,
            out: Linear::new(source, &at("attention.output.dense"), width, width, true, std)?,
            attention_norm: LayerNorm::new(source, &at("attention.output.LayerNorm"), width, eps)?,
            inner: Linear::new(source, &at("intermediate.dense"), inner, width, true, std)?,
            outer: Linear::new(source, &at("output.dense"), width, inner, true, std)?,
            output_norm: LayerNorm::new(source, &at("output.LayerNorm"), width, eps)?,
        })
    }

    /// [t, d] → [t, d]; of a last layer that is told its rows, those rows.
    fn forward(&self, x_td: &Tensor, plan: &Plan, last: Option<&LastLayer>, c: &EncoderConfig, pass: Pass) -> Tensor {
        let asking_td = last.map_or_else(|| x_td.shallow_clone(), |last| last.of(x_td));
        let plan = last.map_or(plan, |last| &last.plan);
        let width = x_td.size()[1] / c.heads;
        let split = |x: Tensor| x.view([-1, c.heads, width]);
        let (q, k, v) = (self.query.forward(&asking_td), self.key.forward(x_td), self.value.forward(x_td));
        let a_td = plan.attend(&split(q), &split(k), &split(v), (width as f64).powf(-0.5));
        let x_td = self.attention_norm.forward(&(asking_td + drop_hidden(self.out.forward(&a_td), pass)));
        let m_td = self.outer.forward(&activate(c.act, &self.inner.forward(&x_td)));
        self.output_norm.forward(&(&x_td + drop_hidden(m_td, pass)))
    }
}
