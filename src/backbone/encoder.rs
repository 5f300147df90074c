//! The BERT family: post-norm blocks, learned positions, bidirectional attention.
//!
//! x = norm(x + O(attention(x))); x = norm(x + out(act(inner(x)))). DeBERTa's attention and convolution
//! are in [`super::deberta`].

use tch::{Device, Kind, Tensor};

use super::Pass;
use super::attention::{Plan, Sight, filler};
use super::config::{BackboneConfig, EncoderConfig, Positions, Projections, RelativeConfig};
use super::course::{Course, leaf};
use super::deberta::{Convolution, Distances, RelativeEmbeddings};
use super::layers::{Embedding, LayerNorm, Linear, activate, drop_embedding, drop_hidden};
use super::params::{Init, ParamError, ParamSource};
use super::rows::{LastLayer, Rows};
use crate::text::batch::TokenBatch;

pub struct Encoder {
    words: Embedding,
    positions: Option<Embedding>,
    types: Option<Embedding>,
    /// From the embeddings' width to the model's, where they differ.
    widen: Option<Linear>,
    norm: LayerNorm,
    relative: Option<RelativeEmbeddings>,
    convolution: Option<Convolution>,
    layers: Vec<Layer>,
    config: EncoderConfig,
    pad_id: i64,
}

struct Layer {
    tokens: TokenProjections,
    distances: Option<DistanceProjections>,
    out: Linear,
    attention_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    output_norm: LayerNorm,
}

/// Which tokens attend to which, built once per batch.
enum Attention {
    Plain(Plan),
    Disentangled(Distances),
}

impl Attention {
    /// Where only the given positions of the stream ask (ascending, each once).
    fn of_rows(&self, batch: &TokenBatch, rows: &[usize], compute: Kind, device: Device) -> Self {
        match self {
            Attention::Plain(_) => Attention::Plain(Plan::of_rows(batch, rows, Sight::Both, compute, device)),
            Attention::Disentangled(distances) => Attention::Disentangled(distances.of_rows(batch, rows)),
        }
    }
}

impl Encoder {
    pub fn new(shape: &BackboneConfig, config: &EncoderConfig, source: &mut ParamSource) -> Result<Self, ParamError> {
        let (width, std, eps) = (shape.hidden, shape.initializer_range, config.norm_eps);
        let prefix = shape.model_type.prefix();
        let encoder = format!("{prefix}encoder.");
        let at = |name: &str| format!("{prefix}embeddings.{name}");
        let narrow = config.embedding_width;
        let mut embedding = |name: &str, rows| Embedding::new(source, &at(name), rows, narrow, std);
        let words = embedding("word_embeddings", shape.vocab)?;
        let positions = match config.positions {
            Positions::Absent => None,
            Positions::FromZero { rows } | Positions::FromPadding { rows } => {
                Some(embedding("position_embeddings", rows)?)
            }
        };
        let types =
            (config.type_vocab > 0).then(|| embedding("token_type_embeddings", config.type_vocab)).transpose()?;
        let widen = (narrow != width).then(|| Linear::new(source, &at("embed_proj"), width, narrow, false, std));
        let widen = widen.transpose()?;
        let norm = LayerNorm::new(source, &at("LayerNorm"), width, eps)?;
        let relative = config.relative.as_ref();
        let relative = relative.map(|c| RelativeEmbeddings::new(source, &encoder, width, c, std, eps)).transpose()?;
        let convolution = config.convolution.as_ref();
        let convolution = convolution.map(|c| Convolution::new(source, &encoder, width, c, std, eps)).transpose()?;
        Ok(Self {
            words,
            positions,
            types,
            widen,
            norm,
            relative,
            convolution,
            layers: (0..shape.layers).map(|i| Layer::new(i, shape, config, source)).collect::<Result<_, _>>()?,
            config: config.clone(),
            pad_id: shape.pad_id.unwrap_or(match config.positions {
                Positions::FromPadding { .. } => 1,
                _ => 0,
            }),
        })
    }

    /// The way of a batch; the last layer finishes `rows` where they are given. `cut`: it will be gone in segments.
    pub fn course(&self, batch: &TokenBatch, rows: Option<&Rows>, pass: Pass, cut: bool) -> Course<'_> {
        let device = self.words.device();
        let mut attention = self.attention(batch, pass, device);
        let beside = match &mut attention {
            Attention::Disentangled(distances) if cut => {
                let read_rd = leaf(&distances.states_rd);
                Some([std::mem::replace(&mut distances.states_rd, read_rd.shallow_clone()), read_rd])
            }
            _ => None,
        };
        let last = rows.map(|rows| rows.last(|rows| attention.of_rows(batch, rows, pass.compute, device), device));
        let embedded_td = self.embedded(batch, pass);
        // Convolutions look at the batch again; nothing else does.
        let batch = self.convolution.is_some().then(|| batch.clone());
        let n_layers = self.layers.len();
        Course {
            first_td: embedded_td,
            n_layers,
            layer: Box::new(move |index, x_td| {
                let last = last.as_ref().filter(|_| index + 1 == n_layers);
                let out_td = self.layers[index].forward(x_td, &attention, last, &self.config, pass);
                match (&self.convolution, &batch) {
                    (Some(convolution), Some(batch)) if index == 0 => {
                        // The first layer's input is the embeddings.
                        let mixed_td = convolution.forward(x_td, batch, pass);
                        let mixed_td = last.map_or(mixed_td.shallow_clone(), |last| last.of(&mixed_td));
                        convolution.added(&out_td, &mixed_td)
                    }
                    _ => out_td,
                }
            }),
            finish: Box::new(|x_td| x_td.shallow_clone()),
            beside,
            pass,
        }
    }

    fn attention(&self, batch: &TokenBatch, pass: Pass, device: Device) -> Attention {
        match &self.relative {
            None => Attention::Plain(Plan::new(batch, Sight::Both, pass.compute, device)),
            Some(relative) => Attention::Disentangled(relative.distances(batch, pass.compute, device)),
        }
    }

    /// What the first layer sees: [t, d], with filler rows.
    fn embedded(&self, batch: &TokenBatch, pass: Pass) -> Tensor {
        let device = self.words.device();
        let rows = filler(batch, pass.compute, device);
        let ids_t = Tensor::from_slice(&batch.ids).to_device(device).constant_pad_nd([0, rows]);
        let mut sum_te = self.words.forward(&ids_t, pass.compute);
        if let Some(types) = &self.types {
            let segments_t = match batch.segments.is_empty() {
                true => ids_t.zeros_like(),
                false => Tensor::from_slice(&batch.segments).to_device(device).constant_pad_nd([0, rows]),
            };
            sum_te += types.forward(&segments_t, pass.compute);
        }
        if let Some(positions) = &self.positions {
            let positions_t = Tensor::from_slice(&self.positions_of(batch)).to_device(device);
            sum_te += positions.forward(&positions_t.constant_pad_nd([0, rows]), pass.compute);
        }
        let sum_td = self.widen.as_ref().map_or_else(|| sum_te.shallow_clone(), |widen| widen.forward(&sum_te));
        drop_embedding(self.norm.forward(&sum_td), pass)
    }

    fn positions_of(&self, batch: &TokenBatch) -> Vec<i64> {
        if !matches!(self.config.positions, Positions::FromPadding { .. }) {
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
        let attention = at("attention.self.");
        let distances = config.relative.as_ref();
        let distances = distances.map(|c| DistanceProjections::new(source, &attention, c, config, width, std));
        Ok(Self {
            tokens: TokenProjections::new(source, &attention, config, width, std)?,
            distances: distances.transpose()?,
            out: Linear::new(source, &at("attention.output.dense"), width, width, true, std)?,
            attention_norm: LayerNorm::new(source, &at("attention.output.LayerNorm"), width, eps)?,
            inner: Linear::new(source, &at("intermediate.dense"), inner, width, true, std)?,
            outer: Linear::new(source, &at("output.dense"), width, inner, true, std)?,
            output_norm: LayerNorm::new(source, &at("output.LayerNorm"), width, eps)?,
        })
    }

    /// [t, d] → [t, d]; of a last layer that is told its rows, those rows.
    fn forward(
        &self,
        x_td: &Tensor,
        attention: &Attention,
        last: Option<&LastLayer<Attention>>,
        c: &EncoderConfig,
        pass: Pass,
    ) -> Tensor {
        let asking_td = last.map_or_else(|| x_td.shallow_clone(), |last| last.of(x_td));
        let a_td = self.attend(&asking_td, x_td, last.map_or(attention, |last| &last.plan), c);
        let x_td = self.attention_norm.forward(&(asking_td + drop_hidden(self.out.forward(&a_td), pass)));
        let m_td = self.outer.forward(&activate(c.act, &self.inner.forward(&x_td)));
        self.output_norm.forward(&(&x_td + drop_hidden(m_td, pass)))
    }

    /// What the asking rows [q, d] read from the whole stream [t, d]: [q, d].
    fn attend(&self, asking_qd: &Tensor, x_td: &Tensor, attention: &Attention, c: &EncoderConfig) -> Tensor {
        let width = x_td.size()[1] / c.heads;
        let scale = ((width * c.score_terms) as f64).powf(-0.5);
        let split = |x: Tensor| x.view([-1, c.heads, width]);
        let [query, key, value] = self.tokens.each();
        match attention {
            Attention::Plain(plan) => {
                let (q, k, v) = (query.forward(asking_qd), key.forward(x_td), value.forward(x_td));
                plan.attend(&split(q), &split(k), &split(v), scale)
            }
            Attention::Disentangled(distances) => {
                let reversed_td = x_td.index_select(0, &distances.reversed_t);
                let (q, k, v) = (query.forward(asking_qd), key.forward(&reversed_td), value.forward(&reversed_td));
                let of_distances = self.distances.as_ref();
                let [key_rd, query_rd] =
                    of_distances.map_or([None, None], |p| p.forward(&distances.states_rd, &key, &query));
                distances.attend(&split(q), &split(k), &split(v), key_rd.as_ref(), query_rd.as_ref(), scale)
            }
        }
    }
}

/// Queries, keys and values of tokens.
enum TokenProjections {
    Apart([Linear; 3]),
    /// Per head the rows of its query, key and value; no bias on keys.
    Joined {
        all: Box<Linear>,
        query_bias: Tensor,
        value_bias: Tensor,
        heads: i64,
    },
}

impl TokenProjections {
    fn new(
        source: &mut ParamSource,
        attention: &str,
        config: &EncoderConfig,
        width: i64,
        std: f64,
    ) -> Result<Self, ParamError> {
        let suffix = match config.projections {
            Projections::Plain => "",
            Projections::Suffixed => "_proj",
            Projections::Joined => {
                let name = |name: &str| format!("{attention}{name}");
                return Ok(Self::Joined {
                    all: Box::new(Linear::new(source, &name("in_proj"), 3 * width, width, false, std)?),
                    query_bias: source.take(&name("q_bias"), &[width], Init::Zeros)?,
                    value_bias: source.take(&name("v_bias"), &[width], Init::Zeros)?,
                    heads: config.heads,
                });
            }
        };
        let mut take = |name: &str| Linear::new(source, &format!("{attention}{name}{suffix}"), width, width, true, std);
        Ok(Self::Apart([take("query")?, take("key")?, take("value")?]))
    }

    /// Query, key, value.
    fn each(&self) -> [Linear; 3] {
        match self {
            Self::Apart(each) => each.each_ref().map(Linear::shallow_clone),
            Self::Joined { all, query_bias, value_bias, heads } => {
                let part = |index| all.rows(|rows| rows.unflatten(0, [*heads, 3, -1]).select(1, index).flatten(0, 1));
                [part(0).with_bias(query_bias), part(1), part(2).with_bias(value_bias)]
            }
        }
    }
}

/// Keys and queries of relative embeddings.
enum DistanceProjections {
    /// Those of the tokens.
    Shared {
        key: bool,
        query: bool,
    },
    Own {
        key: Option<Linear>,
        query: Option<Linear>,
    },
}

impl DistanceProjections {
    fn new(
        source: &mut ParamSource,
        attention: &str,
        relative: &RelativeConfig,
        config: &EncoderConfig,
        width: i64,
        std: f64,
    ) -> Result<Self, ParamError> {
        let (key, query) = (relative.content_to_position, relative.position_to_content);
        if relative.shared {
            return Ok(Self::Shared { key, query });
        }
        let joined = config.projections == Projections::Joined;
        let [key_name, query_name] =
            if joined { ["pos_proj", "pos_q_proj"] } else { ["pos_key_proj", "pos_query_proj"] };
        let mut take = |name: &str, bias| Linear::new(source, &format!("{attention}{name}"), width, width, bias, std);
        Ok(Self::Own {
            key: key.then(|| take(key_name, !joined)).transpose()?,
            query: query.then(|| take(query_name, true)).transpose()?,
        })
    }

    /// [r, d] → key and query of each row, where the model has them.
    fn forward(&self, states_rd: &Tensor, token_key: &Linear, token_query: &Linear) -> [Option<Tensor>; 2] {
        match self {
            Self::Shared { key, query } => {
                [key.then(|| token_key.forward(states_rd)), query.then(|| token_query.forward(states_rd))]
            }
            Self::Own { key, query } => [key, query].map(|own| own.as_ref().map(|own| own.forward(states_rd))),
        }
    }
}
