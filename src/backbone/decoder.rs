//! Decoders: causal transformers with rotary positions, grouped queries and a gated MLP.
//!
//! Embedding, [blocks](super::block), a last norm. What tells Llama from Gemma or Cohere is switches in
//! [`DecoderConfig`].

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::Pass;
use super::attention::{Plan, Sight, filler};
use super::block::Block;
use super::config::names::LAST_NORM;
use super::config::{BackboneConfig, DecoderConfig};
use super::course::Course;
use super::layers::{Embedding, drop_embedding};
use super::norm::Norm;
use super::params::{ParamError, ParamSource};
use super::rope::{self, Turns};
use super::rows::Rows;
use crate::text::batch::{Sharing, TokenBatch, TokenTree};

pub struct Decoder {
    embed: Embedding,
    blocks: Vec<Block>,
    norm: Norm,
    config: DecoderConfig,
}

impl Decoder {
    pub fn new(shape: &BackboneConfig, config: &DecoderConfig, source: &mut ParamSource) -> Result<Self, ParamError> {
        let (width, std) = (shape.hidden, shape.initializer_range);
        let embed = Embedding::new(source, config.names.embeddings, shape.vocab, width, std)?;
        let blocks =
            (0..config.layers.len()).map(|i| Block::new(i, shape, config, source)).collect::<Result<_, _>>()?;
        let norm = Norm::new(source, LAST_NORM, &[width], config.norm_eps, config.norm)?;
        Ok(Self { embed: embed.scaled(config.embedding_scale), blocks, norm, config: config.clone() })
    }

    /// The way of a batch; the last layer finishes `rows` where they are given.
    pub fn course(&self, batch: &TokenBatch, rows: Option<&Rows>, pass: Pass) -> Course<'_> {
        let device = self.embed.device();
        let filler = filler(batch, pass.compute, device);
        let ids_t = Tensor::from_slice(&batch.ids).to_device(device).constant_pad_nd([0, filler]);
        let turn = |rope| Turns::new(rope, self.config.rotation, batch, filler, pass.compute, device);
        let turns: Vec<Turns> = self.config.ropes.iter().map(turn).collect();
        let plans = self.plans(batch, pass.compute, device);
        let of_last = self.blocks.last().zip(rows);
        let last = of_last.map(|(block, rows)| rows.last_layer(batch, block.sight, pass.compute, device));
        let n_layers = self.blocks.len();
        Course {
            first_td: drop_embedding(self.embed.forward(&ids_t, pass.compute), pass),
            n_layers,
            layer: Box::new(move |index, x_td| {
                let block = &self.blocks[index];
                let turns = block.rope.map(|rope| &turns[rope]);
                let last = last.as_ref().filter(|_| index + 1 == n_layers);
                block.forward(x_td, turns, &plans[&block.sight], last, pass)
            }),
            finish: Box::new(|x_td| self.norm.forward(x_td)),
            beside: None,
            pass,
        }
    }

    /// Which comparisons may share their prefix: those whose sequences have the same rotary frequencies.
    pub fn sharing(&self) -> Sharing {
        let limits = self.config.ropes.iter().filter_map(|rope| rope.uniform_up_to());
        limits.min().map_or(Sharing::Always, |limit| Sharing::UpTo(limit.max(0) as usize))
    }

    /// Whether a tree may be computed as one; see [`Decoder::sharing`].
    pub fn allows(&self, tree: &TokenTree) -> bool {
        self.config.ropes.iter().all(|rope| rope::uniform(rope, tree))
    }

    /// One attention plan per kind of layer.
    fn plans(&self, batch: &TokenBatch, kind: Kind, device: Device) -> HashMap<Sight, Plan> {
        let mut plans = HashMap::new();
        for block in &self.blocks {
            plans.entry(block.sight).or_insert_with(|| Plan::new(batch, block.sight, kind, device));
        }
        plans
    }
}
