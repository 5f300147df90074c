//! A mixture of gated MLPs, of which each token uses a few (Mixtral, arXiv 2401.04088).
//!
//! Σₑ wₑ·MLPₑ(x) over the experts with the largest scores; their weights are the softmax over all experts,
//! divided by the sum over those used, in f32.

use tch::{Kind, Tensor};

use super::attention::rows_to_fill;
use super::config::names::ExpertNames;
use super::config::{DecoderConfig, ExpertsConfig};
use super::layers::Linear;
use super::mlp::{GatedMlp, MlpShape};
use super::params::{ParamError, ParamSource};
use super::recording::records_gradients;

pub struct Experts {
    router: Linear,
    each: Vec<GatedMlp>,
    used: i64,
}

impl Experts {
    /// Names stand after `prefix`.
    pub fn new(
        source: &mut ParamSource,
        prefix: &str,
        names: &ExpertNames,
        experts: ExpertsConfig,
        config: &DecoderConfig,
        shape: MlpShape,
    ) -> Result<Self, ParamError> {
        let router = format!("{prefix}{}", names.router);
        let router = Linear::new(source, &router, experts.count, shape.width, false, shape.std)?;
        let mut expert = |number: i64| {
            let prefix = format!("{prefix}{}.{number}.", names.experts);
            GatedMlp::new(source, &prefix, &config.names.mlp, shape, config.act)
        };
        let each = (0..experts.count).map(&mut expert).collect::<Result<_, _>>()?;
        Ok(Self { router, each, used: experts.used })
    }

    /// [t, d] → [t, d].
    pub fn forward(&self, x_td: &Tensor) -> Tensor {
        let (kind, device) = (x_td.kind(), x_td.device());
        let wide = if kind == Kind::Double { Kind::Double } else { Kind::Float };
        let shares_te = self.router.forward(x_td).softmax(-1, wide);
        let (weights_tu, chosen_tu) = shares_te.topk(self.used, -1, true, true);
        let weights_tu = &weights_tu / weights_tu.sum_dim_intlist(-1, true, wide);
        let mut sum_td = x_td.zeros_like();
        for (number, expert) in self.each.iter().enumerate() {
            let places = chosen_tu.eq(number as i64).nonzero();
            let (rows_n, slots_n, n) = (places.select(1, 0), places.select(1, 1), places.size()[0]);
            // To the optimiser an expert that no token chose has a gradient, which is zero.
            if n == 0 && !records_gradients() {
                continue;
            }
            let filler = rows_to_fill(n as usize, kind, device);
            let read_nd = x_td.index_select(0, &rows_n).constant_pad_nd([0, 0, 0, filler]);
            let weights_n1 = weights_tu.index(&[Some(&rows_n), Some(&slots_n)]).unsqueeze(1);
            let given_nd = expert.forward(&read_nd).narrow(0, 0, n) * weights_n1;
            sum_td = sum_td.index_add(0, &rows_n, &given_nd.to_kind(kind));
        }
        sum_td
    }
}
