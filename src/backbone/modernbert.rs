//! ModernBERT and mmBERT: pre-norm blocks with rotary positions, global and local layers, a gated MLP.
//!
//! x += Wo(attention(norm₁ x)); x += Wo(act(a) ∘ b) with [a, b] = Wi(norm₂ x); final norm. The first layer
//! has no norm₁: the embeddings come out of one (arXiv 2412.13663; mmBERT: 2509.06888).

use tch::Tensor;

use super::Pass;
use super::attention::{Plan, Sight, filler};
use super::config::{BackboneConfig, LayerKind, ModernBertConfig, Pairs, RopeConfig, RopePrecision, Rotation};
use super::course::Course;
use super::layers::{Embedding, LayerNorm, Linear, activate, drop_embedding, drop_hidden};
use super::params::{ParamError, ParamSource};
use super::rope::Turns;
use super::rows::{LastLayer, Rows};
use crate::text::batch::TokenBatch;

pub struct ModernBert {
    embed: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    config: ModernBertConfig,
}

struct Layer {
    kind: LayerKind,
    norm1: Option<LayerNorm>,
    /// Queries of all heads, then keys, then values.
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    /// What is activated, then what it gates.
    inner: Linear,
    outer: Linear,
}

/// What layers of one kind know of a batch.
struct Surroundings {
    sight: Sight,
    plan: Plan,
    turns: Turns,
}

/// The turn is in f32 whatever the kind of states, as in the reference.
const ROTATION: Rotation = Rotation { pairs: Pairs::Halves, precision: RopePrecision::WideTurn };

impl ModernBert {
    pub fn new(
        shape: &BackboneConfig,
        config: &ModernBertConfig,
        source: &mut ParamSource,
    ) -> Result<Self, ParamError> {
        let norm = |source: &mut ParamSource, name: &str| {
            LayerNorm::with_bias(source, name, shape.hidden, config.norm_eps, config.norm_bias)
        };
        let (width, std) = (shape.hidden, shape.initializer_range);
        let kinds = config.layers.iter().enumerate();
        Ok(Self {
            embed: Embedding::new(source, "model.embeddings.tok_embeddings", shape.vocab, width, std)?,
            norm: norm(source, "model.embeddings.norm")?,
            layers: kinds.map(|(i, &kind)| Layer::new(i, kind, shape, config, source)).collect::<Result<_, _>>()?,
            final_norm: norm(source, "model.final_norm")?,
            config: config.clone(),
        })
    }

    /// The way of a batch; the last layer finishes `rows` where they are given.
    pub fn course(&self, batch: &TokenBatch, rows: Option<&Rows>, pass: Pass) -> Course<'_> {
        let device = self.embed.device();
        let filler = filler(batch, pass.compute, device);
        let ids_t = Tensor::from_slice(&batch.ids).to_device(device).constant_pad_nd([0, filler]);
        let surroundings = |sight, rope: &RopeConfig| Surroundings {
            sight,
            plan: Plan::new(batch, sight, pass.compute, device),
            turns: Turns::new(rope, ROTATION, batch, filler, pass.compute, device),
        };
        let global = surroundings(Sight::Both, &self.config.global_rope);
        let local = surroundings(Sight::Near { reach: self.config.reach }, &self.config.local_rope);
        let of_last = self.layers.last().zip(rows);
        let last = of_last.map(|(layer, rows)| {
            let around = if layer.kind == LayerKind::Global { &global } else { &local };
            rows.last_layer(batch, around.sight, pass.compute, device)
        });
        let n_layers = self.layers.len();
        Course {
            first_td: drop_embedding(self.norm.forward(&self.embed.forward(&ids_t, pass.compute)), pass),
            n_layers,
            layer: Box::new(move |index, x_td| {
                let layer = &self.layers[index];
                let last = last.as_ref().filter(|_| index + 1 == n_layers);
                let around = if layer.kind == LayerKind::Global { &global } else { &local };
                layer.forward(x_td, around, last, &self.config, pass)
            }),
            finish: Box::new(|x_td| self.final_norm.forward(x_td)),
            beside: None,
            pass,
        }
    }
}

impl Layer {
    fn new(
        index: usize,
        kind: LayerKind,
        shape: &BackboneConfig,
        config: &ModernBertConfig,
        source: &mut ParamSource,
    ) -> Result<Self, ParamError> {
        let at = |name: &str| format!("model.layers.{index}.{name}");
        let (width, inner, std) = (shape.hidden, shape.intermediate, shape.initializer_range);
        let (attention, mlp) = (config.attention_bias, config.mlp_bias);
        let norm = |source: &mut ParamSource, name: &str| {
            LayerNorm::with_bias(source, &at(name), width, config.norm_eps, config.norm_bias)
        };
        Ok(Self {
            kind,
            norm1: (index > 0).then(|| norm(source, "attn_norm")).transpose()?,
            qkv: Linear::new(source, &at("attn.Wqkv"), 3 * width, width, attention, std)?,
            out: Linear::new(source, &at("attn.Wo"), width, width, attention, std)?,
            norm2: norm(source, "mlp_norm")?,
            inner: Linear::new(source, &at("mlp.Wi"), 2 * inner, width, mlp, std)?,
            outer: Linear::new(source, &at("mlp.Wo"), width, inner, mlp, std)?,
        })
    }

    /// [t, d] → [t, d]; of a last layer that is told its rows, those rows.
    fn forward(
        &self,
        x_td: &Tensor,
        around: &Surroundings,
        last: Option<&LastLayer<Plan>>,
        c: &ModernBertConfig,
        pass: Pass,
    ) -> Tensor {
        let asking = |x: &Tensor| last.map_or_else(|| x.shallow_clone(), |last| last.of(x));
        let plan = last.map_or(&around.plan, |last| &last.plan);
        let (hidden, width) = (x_td.size()[1], x_td.size()[1] / c.heads);
        let n_td = self.norm1.as_ref().map_or_else(|| x_td.shallow_clone(), |norm| norm.forward(x_td));
        let split = |x: Tensor, parts: i64| x.view([-1, parts, c.heads, width]).unbind(1);
        let (q_thk, mut rest) = match last {
            None => {
                let mut qkv = split(self.qkv.forward(&n_td), 3);
                (qkv.remove(0), qkv)
            }
            Some(last) => {
                let q = self.qkv.outputs(0, hidden).forward(&last.of(&n_td));
                (split(q, 1).remove(0), split(self.qkv.outputs(hidden, 2 * hidden).forward(&n_td), 2))
            }
        };
        let (v_thk, k_thk) = (rest.remove(1), rest.remove(0));
        let q_thk = last.map_or_else(|| around.turns.apply(&q_thk), |last| around.turns.of(last).apply(&q_thk));
        let k_thk = around.turns.apply(&k_thk);
        let a_td = plan.attend(&q_thk, &k_thk, &v_thk, (width as f64).powf(-0.5));
        let x_td = asking(x_td) + drop_hidden(self.out.forward(&a_td), pass);
        let halves = self.inner.forward(&self.norm2.forward(&x_td)).chunk(2, -1);
        let m_td = self.outer.forward(&(activate(c.act, &halves[0]) * &halves[1]));
        &x_td + drop_hidden(m_td, pass)
    }
}
