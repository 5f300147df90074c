//! One layer of a decoder.
//!
//! x += after₁(O(attention(before₁ x))); x += after₂(MLP(before₂ x)), with the norms that an architecture
//! has. In parallel blocks the MLP reads what attention reads: x += O(attention(n)) + MLP(n), n = before₁ x.

pub mod by_hand;

use tch::Tensor;

use super::Pass;
use super::attention::{Attend, Sight};
use super::config::names::LAYERS;
use super::config::{BackboneConfig, DecoderConfig};
use super::layers::{Linear, drop_hidden};
use super::mlp::{Mlp, MlpShape};
use super::norm::Norm;
use super::params::{ParamError, ParamSource};
use super::projection::Projection;
use super::rope::Turns;
use super::rows::LastLayer;

pub struct Block {
    before_attention: Option<Norm>,
    projection: Projection,
    out: Linear,
    after_attention: Option<Norm>,
    before_mlp: Option<Norm>,
    mlp: Mlp,
    after_mlp: Option<Norm>,
    parallel: bool,
    scale: f64,
    soft_cap: Option<f64>,
    pub sight: Sight,
    /// Which of the decoder's kinds of positions it has.
    pub rope: Option<usize>,
}

impl Block {
    pub fn new(
        index: usize,
        shape: &BackboneConfig,
        config: &DecoderConfig,
        source: &mut ParamSource,
    ) -> Result<Self, ParamError> {
        let prefix = format!("{LAYERS}.{index}.");
        let (width, std, names) = (shape.hidden, shape.initializer_range, config.names);
        let layer = config.layers[index];
        let norm = |name: Option<&str>, source: &mut ParamSource| {
            name.map(|name| Norm::new(source, &format!("{prefix}{name}"), &[width], config.norm_eps, config.norm))
                .transpose()
        };
        let mlp = MlpShape { width, inner: shape.intermediate, bias: config.mlp_bias, std };
        let q_width = config.heads * config.head_dim;
        Ok(Self {
            before_attention: norm(names.norms.before_attention, source)?,
            projection: Projection::new(source, &prefix, config, width, std)?,
            out: Linear::new(source, &format!("{prefix}{}", names.attention.out), width, q_width, config.o_bias, std)?,
            after_attention: norm(names.norms.after_attention, source)?,
            before_mlp: norm(names.norms.before_mlp, source)?,
            mlp: Mlp::new(source, &prefix, config, mlp)?,
            after_mlp: norm(names.norms.after_mlp, source)?,
            parallel: config.parallel,
            scale: config.attention_scale,
            soft_cap: config.soft_cap,
            sight: Sight::Causal { window: layer.window },
            rope: layer.rope,
        })
    }

    /// [t, d] → [t, d]; of a last layer that is told its rows, those rows.
    pub fn forward<P: Attend>(
        &self,
        x_td: &Tensor,
        turns: Option<&Turns>,
        plan: &P,
        last: Option<&LastLayer<P>>,
        pass: Pass,
    ) -> Tensor {
        let asking = |x: &Tensor| last.map_or_else(|| x.shallow_clone(), |last| last.of(x));
        let n_td = normed(&self.before_attention, x_td);
        let a_td = drop_hidden(normed(&self.after_attention, &self.attention(&n_td, turns, plan, last)), pass);
        let (x_td, read_td) = match &self.before_mlp {
            Some(norm) if !self.parallel => norm.forward_sum(&asking(x_td), &a_td),
            _ => {
                let x_td = asking(x_td) + a_td;
                let read_td = if self.parallel { asking(&n_td) } else { x_td.shallow_clone() };
                (x_td, read_td)
            }
        };
        x_td + drop_hidden(normed(&self.after_mlp, &self.mlp.forward(&read_td)), pass)
    }

    fn attention<P: Attend>(
        &self,
        n_td: &Tensor,
        turns: Option<&Turns>,
        plan: &P,
        last: Option<&LastLayer<P>>,
    ) -> Tensor {
        let [q_thk, k_tgk, v_tgk] = self.projection.forward(n_td, turns, last);
        let plan = last.map_or(plan, |last| &last.plan);
        self.out.forward(&plan.answer(&q_thk, &k_tgk, &v_tgk, self.scale, self.soft_cap))
    }
}

/// The norm's output, or its input where there is none.
fn normed(norm: &Option<Norm>, x_td: &Tensor) -> Tensor {
    norm.as_ref().map_or_else(|| x_td.shallow_clone(), |norm| norm.forward(x_td))
}
