//! The Llama family: pre-norm blocks with rotary positions, grouped queries and a gated MLP.
//!
//! x += O(attention(norm₁ x)); x += down(act(gate(norm₂ x)) ∘ up(norm₂ x)); final norm.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::Pass;
use super::attention::{Plan, Sight, filler};
use super::config::{BackboneConfig, DecoderConfig};
use super::layers::{Embedding, GatedMlp, Linear, RmsNorm, drop_embedding, drop_hidden};
use super::params::{ParamError, ParamSource};
use super::rope::rotate;
use super::rows::{LastLayer, Rows};
use crate::text::batch::TokenBatch;

pub struct Decoder {
    embed: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    config: DecoderConfig,
}

struct Layer {
    norm1: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    norm2: RmsNorm,
    mlp: GatedMlp,
    sight: Sight,
}

impl Decoder {
    pub fn new(shape: &BackboneConfig, config: &DecoderConfig, source: &mut ParamSource) -> Result<Self, ParamError> {
        let (width, std) = (shape.hidden, shape.initializer_range);
        let embed = Embedding::new(source, "model.embed_tokens", shape.vocab, width, std)?;
        let layers = (0..shape.layers).map(|i| Layer::new(i, shape, config, source)).collect::<Result<_, _>>()?;
        let norm = RmsNorm::new(source, "model.norm", width, config.rms_eps)?;
        Ok(Self { embed, layers, norm, config: config.clone() })
    }

    /// [t, d], or only the given rows of it; with `per_layer`, also the stream after each layer.
    pub fn hidden(
        &self,
        batch: &TokenBatch,
        rows: Option<&Rows>,
        pass: Pass,
        mut per_layer: Option<&mut Vec<Tensor>>,
    ) -> Tensor {
        let device = self.embed.device();
        let filler = filler(batch, pass.compute, device);
        let ids_t = Tensor::from_slice(&batch.ids).to_device(device).constant_pad_nd([0, filler]);
        let positions_t = Tensor::from_slice(&batch.positions).to_device(device).constant_pad_nd([0, filler]);
        let (cos_tk, sin_tk) = self.config.rope.tables(&positions_t, pass.compute);
        let plans = self.plans(batch, pass.compute, device);
        let mut x_td = drop_embedding(self.embed.forward(&ids_t, pass.compute), pass);
        for (index, layer) in self.layers.iter().enumerate() {
            let last = rows
                .filter(|_| index + 1 == self.layers.len())
                .map(|rows| rows.last_layer(batch, layer.sight, pass.compute, device));
            x_td = layer.forward(&x_td, &cos_tk, &sin_tk, &plans[&layer.sight], last.as_ref(), &self.config, pass);
            if let Some(states) = per_layer.as_deref_mut() {
                states.push(x_td.narrow(0, 0, batch.n_tokens() as i64));
            }
        }
        let x_td = self.norm.forward(&x_td);
        if rows.is_some() { x_td } else { x_td.narrow(0, 0, batch.n_tokens() as i64) }
    }

    /// One attention plan per kind of layer.
    fn plans(&self, batch: &TokenBatch, kind: Kind, device: Device) -> HashMap<Sight, Plan> {
        let mut plans = HashMap::new();
        for layer in &self.layers {
            plans.entry(layer.sight).or_insert_with(|| Plan::new(batch, layer.sight, kind, device));
        }
        plans
    }
}

impl Layer {
    fn new(
        index: i64,
        shape: &BackboneConfig,
        config: &DecoderConfig,
        source: &mut ParamSource,
    ) -> Result<Self, ParamError> {
        let at = |name: &str| format!("model.layers.{index}.{name}");
        let (width, std, eps) = (shape.hidden, shape.initializer_range, config.rms_eps);
        let q_width = config.heads * config.head_dim;
        let kv_width = config.kv_heads * config.head_dim;
        let head_norm = |source: &mut ParamSource, name: &str| -> Result<Option<RmsNorm>, ParamError> {
            if !config.qk_norm {
                return Ok(None);
            }
            RmsNorm::new(source, &at(name), config.head_dim, eps).map(Some)
        };
        Ok(Self {
            norm1: RmsNorm::new(source, &at("input_layernorm"), width, eps)?,
            q: Linear::new(source, &at("self_attn.q_proj"), q_width, width, config.qkv_bias, std)?,
            k: Linear::new(source, &at("self_attn.k_proj"), kv_width, width, config.qkv_bias, std)?,
            v: Linear::new(source, &at("self_attn.v_proj"), kv_width, width, config.qkv_bias, std)?,
            o: Linear::new(source, &at("self_attn.o_proj"), width, q_width, config.o_bias, std)?,
            q_norm: head_norm(source, "self_attn.q_norm")?,
            k_norm: head_norm(source, "self_attn.k_norm")?,
            norm2: RmsNorm::new(source, &at("post_attention_layernorm"), width, eps)?,
            mlp: GatedMlp::new(source, &at("mlp"), width, shape.intermediate, config.mlp_bias, config.act, std)?,
            sight: Sight::Causal { window: config.windows[index as usize] },
        })
    }

    /// [t, d] → [t, d]; of a last layer that is told its rows, those rows.
    #[allow(clippy::too_many_arguments)]
    fn forward(
        &self,
        x_td: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        plan: &Plan,
        last: Option<&LastLayer>,
        c: &DecoderConfig,
        pass: Pass,
    ) -> Tensor {
        let asking = |x: &Tensor| last.map_or_else(|| x.shallow_clone(), |last| last.of(x));
        let plan = last.map_or(plan, |last| &last.plan);
        let n_td = self.norm1.forward(x_td);
        let split = |x: Tensor, heads: i64| x.view([-1, heads, c.head_dim]);
        let mut q_thk = split(self.q.forward(&asking(&n_td)), c.heads);
        let mut k_tgk = split(self.k.forward(&n_td), c.kv_heads);
        let v_tgk = split(self.v.forward(&n_td), c.kv_heads);
        if let (Some(q_norm), Some(k_norm)) = (&self.q_norm, &self.k_norm) {
            q_thk = q_norm.forward(&q_thk);
            k_tgk = k_norm.forward(&k_tgk);
        }
        let (q_thk, k_tgk) = (rotate(&q_thk, &asking(cos), &asking(sin)), rotate(&k_tgk, cos, sin));
        let scale = (c.head_dim as f64).powf(-0.5);
        let a_td = self.o.forward(&plan.attend(&q_thk, &k_tgk, &v_tgk, scale));
        let x_td = asking(x_td) + drop_hidden(a_td, pass);
        let m_td = self.mlp.forward(&self.norm2.forward(&x_td));
        &x_td + drop_hidden(m_td, pass)
    }
}
