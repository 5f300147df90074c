//! Decoders: causal transformers with rotary positions, grouped queries and a gated MLP.
//!
//! Embedding, [blocks](super::block), a last norm. What tells Llama from Gemma or Cohere is switches in
//! [`DecoderConfig`].

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::Pass;
use super::attention::cached::{Asking, Cached, of_rows};
use super::attention::{Plan, Sight, filler, rows_to_fill};
use super::block::Block;
use super::block::by_hand::ByHand;
use super::cache::{Cache, Feed};
use super::config::names::LAST_NORM;
use super::config::{BackboneConfig, DecoderConfig};
use super::course::{Course, Layer, Rest, WayBack};
use super::layers::{Embedding, drop_embedding};
use super::norm::Norm;
use super::params::{ParamError, ParamSource};
use super::recording::records_gradients;
use super::rope::{self, Places, Turns};
use super::rows::Rows;
use crate::text::batch::{Sharing, TokenBatch, TokenTree};

/// A pass over fewer new tokens is computed as it is.
const FEW: usize = 128;

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

    /// As [`Decoder::course`] and its way back, of which all layers but the last are written out ([`by_hand`]); `None` where
    /// some layer, its positions or the pass are not of that kind.
    pub fn by_hand(&self, batch: &TokenBatch, rows: Option<&Rows>, pass: Pass) -> Option<(Tensor, Rest<'_>)> {
        let device = self.embed.device();
        let is_plain = device == Device::Cpu && pass.compute == Kind::Float && pass.dropout.is_none();
        let (last, before) = self.blocks.split_last()?;
        if !is_plain || before.is_empty() || !batch.padding.is_empty() || !records_gradients() {
            return None;
        }
        let layers: Vec<ByHand> = before.iter().map(Block::by_hand).collect::<Option<_>>()?;
        let turn = |rope| Turns::new(rope, self.config.rotation, batch, 0, pass.compute, device);
        let turns: Vec<Turns> = self.config.ropes.iter().map(turn).collect();
        let tables = turns.iter().map(Turns::tables).collect::<Option<Vec<_>>>()?;
        let plans = self.plans(batch, pass.compute, device);
        let embedded_td = self.embed.forward(&Tensor::from_slice(&batch.ids).to_device(device), pass.compute);
        let mut x_td = embedded_td.detach();
        let mut there = Vec::with_capacity(layers.len());
        for (block, layer) in before.iter().zip(layers) {
            let tables = block.rope.map(|rope| tables[rope].each_ref().map(Tensor::shallow_clone));
            let (next_td, kept) = layer.forward(&x_td, &tables, &plans[&block.sight]);
            there.push(Layer { layer, tables, kept });
            x_td = next_td;
        }
        let border_td = x_td.set_requires_grad(true);
        let turns = last.rope.map(|rope| &turns[rope]);
        let of_last = rows.map(|rows| rows.last_layer(batch, last.sight, pass.compute, device));
        let out_td = last.forward(&border_td, turns, &plans[&last.sight], of_last.as_ref(), pass);
        Some((self.norm.forward(&out_td), Rest::ByHand(WayBack { embedded_td, border_td, there })))
    }

    /// States of new tokens, whose keys and values go into the cache: of those at the given places of the feed
    /// [n, d] (ascending, each once), or of all. No gradients are recorded.
    pub fn extend(&self, feed: &Feed, cache: &mut Cache, rows: &[usize], compute: Kind) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let device = self.embed.device();
        cache.reserve(feed.rows.iter().max().map_or(0, |row| *row as usize + 1));
        // Steps of generation come in few sizes; the kernels that oneDNN makes for those are used again.
        let filler = if feed.len() < FEW { 0 } else { rows_to_fill(feed.len(), compute, device) };
        let ids_t = Tensor::from_slice(&feed.ids).to_device(device).constant_pad_nd([0, filler]);
        let rows_t = Tensor::from_slice(&feed.rows).to_device(device);
        let turn = |rope| {
            let places = Places { positions: &feed.positions, lengths: &|| feed.lengths(), filler };
            Turns::at(rope, self.config.rotation, places, compute, device)
        };
        let turns: Vec<Turns> = self.config.ropes.iter().map(turn).collect();
        let mut asking: HashMap<Sight, Asking> = HashMap::new();
        for block in &self.blocks {
            asking.entry(block.sight).or_insert_with(|| Asking::new(feed.trees.clone(), block.sight, compute, device));
        }
        let pass = Pass::evaluation(compute);
        let mut x_td = self.embed.forward(&ids_t, compute);
        for (index, (block, layer)) in self.blocks.iter().zip(&cache.layers).enumerate() {
            let turns = block.rope.map(|rope| &turns[rope]);
            let plan = Cached { asking: &asking[&block.sight], layer, rows_t: &rows_t };
            let is_last = index + 1 == self.blocks.len() && rows.len() < feed.len();
            if !is_last {
                x_td = block.forward(&x_td, turns, &plan, None, pass);
                continue;
            }
            let of_rows = Asking::new(of_rows(&feed.trees, rows), block.sight, compute, device);
            let last = Rows::new(rows).last(|_| Cached { asking: &of_rows, layer, rows_t: &rows_t }, device);
            x_td = block.forward(&x_td, turns, &plan, Some(&last), pass);
        }
        let n = rows.len().min(feed.len()) as i64;
        self.norm.forward(&x_td.narrow(0, 0, n))
    }

    /// Whether keys of a sequence of one length serve it at another length.
    pub fn keeps(&self, from: usize, to: usize) -> bool {
        self.config.ropes.iter().all(|rope| rope::agree(rope, from as i64, to as i64))
    }

    pub fn config(&self) -> &DecoderConfig {
        &self.config
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
