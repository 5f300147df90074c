//! Queries, keys and values, however a checkpoint stores their matrices.

use tch::Tensor;

use super::block::by_hand::PlainProjection;
use super::config::names::Projections;
use super::config::{DecoderConfig, QkNorm};
use super::layers::Linear;
use super::norm::Norm;
use super::params::{ParamError, ParamSource};
use super::rope::Turns;
use super::row_kernels::{self, Rms};
use super::rows::LastLayer;

pub struct Projection {
    layers: Layers,
    norms: Option<[Norm; 2]>,
    heads: i64,
    groups: i64,
    width: i64,
}

enum Layers {
    Separate { q: Linear, k: Linear, v: Linear },
    Joined(Linear),
    Grouped(Linear),
}

impl Projection {
    /// Names stand after `prefix`; `inp` is the model's width.
    pub fn new(
        source: &mut ParamSource,
        prefix: &str,
        config: &DecoderConfig,
        inp: i64,
        std: f64,
    ) -> Result<Self, ParamError> {
        let (heads, groups, width) = (config.heads, config.kv_heads, config.head_dim);
        let mut linear = |name: &str, heads: i64| {
            Linear::new(source, &format!("{prefix}{name}"), heads * width, inp, config.qkv_bias, std)
        };
        let layers = match config.names.attention.projections {
            Projections::Separate { q, k, v } => {
                Layers::Separate { q: linear(q, heads)?, k: linear(k, groups)?, v: linear(v, groups)? }
            }
            Projections::Joined(name) => Layers::Joined(linear(name, heads + 2 * groups)?),
            Projections::Grouped(name) => Layers::Grouped(linear(name, heads + 2 * groups)?),
        };
        let mut norm = |name: &str, heads: i64| {
            let shape = match config.qk_norm {
                None => return Ok(None),
                Some(QkNorm::Head) => vec![width],
                Some(QkNorm::OwnHead) => vec![heads, width],
                Some(QkNorm::Width) => vec![heads * width],
            };
            Norm::new(source, &format!("{prefix}{name}"), &shape, config.norm_eps, config.norm).map(Some)
        };
        let [q_name, k_name] = super::config::names::QK_NORMS;
        let norms = match (norm(q_name, heads)?, norm(k_name, groups)?) {
            (Some(q), Some(k)) => Some([q, k]),
            _ => None,
        };
        Ok(Self { layers, norms, heads, groups, width })
    }

    /// Its matrices and norms, where they are separate and the norms run over single heads.
    pub fn plain(&self) -> Option<PlainProjection<'_>> {
        let Layers::Separate { q, k, v } = &self.layers else { return None };
        let norms = self.norms.as_ref().map_or([None, None], |norms| norms.each_ref().map(Some));
        let fits = |norm: &Norm| norm.is_rms() && norm.width() == self.width;
        if !norms.iter().flatten().all(|norm| fits(norm)) {
            return None;
        }
        let (q, k, v) = (q.plain()?, k.plain()?, v.plain()?);
        Some(PlainProjection { q, k, v, norms, heads: self.heads, groups: self.groups, width: self.width })
    }

    /// Queries [n, h, k] of the rows that a last layer finishes (else of all), keys and values [t, g, k]; queries
    /// and keys normed and turned where the layer does that.
    pub fn forward<P>(&self, x_td: &Tensor, turns: Option<&Turns>, last: Option<&LastLayer<P>>) -> [Tensor; 3] {
        let [q_thk, k_tgk, v_tgk] = self.heads_of(x_td, last);
        let [q_norm, k_norm] = self.norms.as_ref().map_or([None, None], |norms| norms.each_ref().map(Some));
        let of_rows = turns.zip(last).map(|(turns, last)| turns.of(last));
        [self.finished(q_thk, q_norm, of_rows.as_ref().or(turns)), self.finished(k_tgk, k_norm, turns), v_tgk]
    }

    fn finished(&self, x_thk: Tensor, norm: Option<&Norm>, turns: Option<&Turns>) -> Tensor {
        let rms = norm.filter(|norm| norm.width() == self.width).and_then(|norm| norm.rms(&x_thk));
        let tables = turns.and_then(Turns::for_kernels);
        // One pass for both, or for the one there is, where kernels have it.
        if rms.is_some() == norm.is_some() && tables.is_some() == turns.is_some() && (norm.is_some() || turns.is_some())
        {
            let rms = rms.as_ref().map(|(weight, eps)| Rms { weight, eps: *eps });
            if let Some(done) = row_kernels::heads(&x_thk, rms, tables) {
                return done;
            }
        }
        let x_thk = match norm {
            Some(norm) => self.normed(norm, x_thk),
            None => x_thk,
        };
        turns.map_or_else(|| x_thk.shallow_clone(), |turns| turns.apply(&x_thk))
    }

    fn heads_of<P>(&self, x_td: &Tensor, last: Option<&LastLayer<P>>) -> [Tensor; 3] {
        let (heads, groups, width) = (self.heads, self.groups, self.width);
        let split = |x: Tensor, heads: i64| x.view([-1, heads, width]);
        let per_group = heads / groups;
        // One split per product: its backward is one concatenation.
        match (&self.layers, last) {
            (Layers::Separate { q, k, v }, last) => {
                let q_thk = last.map_or_else(|| q.forward(x_td), |last| q.forward(&last.of(x_td)));
                [split(q_thk, heads), split(k.forward(x_td), groups), split(v.forward(x_td), groups)]
            }
            (Layers::Joined(all), None) => {
                let parts = split(all.forward(x_td), heads + 2 * groups).split_with_sizes([heads, groups, groups], 1);
                [0, 1, 2].map(|part| parts[part].shallow_clone())
            }
            (Layers::Joined(all), Some(last)) => {
                let q = all.rows(|w| w.narrow(0, 0, heads * width));
                let kv = all.rows(|w| w.narrow(0, heads * width, 2 * groups * width));
                let parts = split(kv.forward(x_td), 2 * groups).split(groups, 1);
                [split(q.forward(&last.of(x_td)), heads), parts[0].shallow_clone(), parts[1].shallow_clone()]
            }
            (Layers::Grouped(all), None) => {
                let all_tgak = all.forward(x_td).unflatten(-1, [groups, per_group + 2, width]);
                let parts = all_tgak.split_with_sizes([per_group, 1, 1], 2);
                [0, 1, 2].map(|part| parts[part].flatten(1, 2))
            }
            (Layers::Grouped(all), Some(last)) => {
                let part = |at: i64, n: i64| {
                    all.rows(|w| w.unflatten(0, [groups, per_group + 2, width]).narrow(1, at, n).flatten(0, 2))
                };
                let parts = part(per_group, 2).forward(x_td).unflatten(-1, [groups, 2, width]).split(1, 2);
                let q_thk = split(part(0, per_group).forward(&last.of(x_td)), heads);
                [q_thk, parts[0].flatten(1, 2), parts[1].flatten(1, 2)]
            }
        }
    }

    /// A norm over each head, or over all of them where its weight is as long.
    fn normed(&self, norm: &Norm, x_thk: Tensor) -> Tensor {
        if norm.width() == self.width {
            return norm.forward(&x_thk);
        }
        norm.forward(&x_thk.flatten(1, 2)).view_as(&x_thk)
    }
}
