//! What DeBERTa adds to the BERT family: disentangled attention, and the convolution of v2-xlarge.
//!
//! The score of query i and key j is (Qᵢ·Kⱼ + Qᵢ·K′ᵣ + Kⱼ·Q′ᵣ) / √(head width · terms), where K′ and Q′ are
//! key and query of the relative embedding in row r = clamp(bucket(i − j) + span, 0, 2·span − 1)
//! (arXiv 2006.03654; buckets: 2111.09543). The reference looks the last term up with keys as rows, turns
//! its sign and transposes; buckets are odd, so that is the same row.

use std::collections::HashMap;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::Pass;
use super::attention::{filler, kind_of_scores};
use super::config::{ConvolutionConfig, RelativeConfig};
use super::layers::{LayerNorm, activate, drop_hidden, in_kind};
use super::params::{Init, ParamError, ParamSource};
use crate::text::batch::{TokenBatch, TokenTree};

/// Embeddings of distances, which all layers project to keys and queries of their own.
pub struct RelativeEmbeddings {
    /// [2·span, d]
    table: Tensor,
    norm: Option<LayerNorm>,
    config: RelativeConfig,
}

impl RelativeEmbeddings {
    pub fn new(
        source: &mut ParamSource,
        encoder: &str,
        width: i64,
        config: &RelativeConfig,
        std: f64,
        eps: f64,
    ) -> Result<Self, ParamError> {
        let name = format!("{encoder}rel_embeddings.weight");
        Ok(Self {
            table: source.take(&name, &[2 * config.span, width], Init::Normal(std))?,
            norm: match config.norm {
                true => Some(LayerNorm::new(source, &format!("{encoder}LayerNorm"), width, eps)?),
                false => None,
            },
            config: config.clone(),
        })
    }

    /// What attention needs to know of a batch.
    pub fn distances(&self, batch: &TokenBatch, compute: Kind, device: Device) -> Distances {
        let lengths: Vec<i64> = batch.trees.iter().map(|tree| tree.tokens().len() as i64).collect();
        let longest = lengths.iter().copied().max().unwrap_or(1).max(1);
        let rows = rows_by_distance(&self.config, longest);
        let range = |rows: &[i64]| {
            let (low, high) = rows.iter().fold((i64::MAX, i64::MIN), |(low, high), &r| (low.min(r), high.max(r)));
            (low, high + 1 - low)
        };
        let (base, n_rows) = range(&rows);
        let mut by_length = HashMap::new();
        for &n in lengths.iter().filter(|&&n| n > 0) {
            by_length.entry(n).or_insert_with(|| {
                let rows = &rows[(longest - n) as usize..(longest + n - 1) as usize];
                let (first, n_rows) = range(rows);
                let lookup: Vec<i64> = rows.iter().map(|row| row - first).collect();
                Rows { first: first - base, n_rows, lookup: Tensor::from_slice(&lookup).to_device(device) }
            });
        }
        let table_rd = in_kind(&self.table.narrow(0, base, n_rows), compute);
        let states_rd = self.norm.as_ref().map_or_else(|| table_rd.shallow_clone(), |norm| norm.forward(&table_rd));
        let kind = kind_of_scores(compute, device);
        let filler = filler(batch, compute, device);
        let reversed: Vec<i64> = (batch.trees.iter())
            .flat_map(|tree| tree.tokens().rev())
            .chain(batch.n_tokens()..batch.n_tokens() + filler as usize)
            .map(|row| row as i64)
            .collect();
        Distances {
            states_rd,
            reversed_t: Tensor::from_slice(&reversed).to_device(device),
            lengths,
            filler,
            asking: None,
            padding: Rc::new(padding(batch, kind, device)),
            by_length: Rc::new(by_length),
            kind,
        }
    }
}

/// What is added to the scores of each sequence's keys, in reverse order: −∞ for padding [n]. Empty where
/// the batch has none.
fn padding(batch: &TokenBatch, kind: Kind, device: Device) -> Vec<Tensor> {
    let of_tree = |tree: &TokenTree| {
        let hidden: Vec<bool> = batch.padding[tree.tokens()].iter().rev().copied().collect();
        let hidden_n = Tensor::from_slice(&hidden).to_device(device);
        Tensor::zeros(hidden_n.size(), (kind, device)).masked_fill(&hidden_n, f64::NEG_INFINITY)
    };
    if batch.padding.is_empty() { Vec::new() } else { batch.trees.iter().map(of_tree).collect() }
}

/// The row that each distance from −(n − 1) to n − 1 reads.
pub fn rows_by_distance(config: &RelativeConfig, n: i64) -> Vec<i64> {
    let buckets = match config.buckets {
        None => (1 - n..n).collect(),
        Some(buckets) => buckets_by_distance(buckets, config.longest, n),
    };
    buckets.into_iter().map(|bucket| (bucket + config.span).clamp(0, 2 * config.span - 1)).collect()
}

/// Buckets of the distances from −(n − 1) to n − 1: half of them hold one distance each, the others ever
/// more, up to `longest`. Computed by libtorch in f32, operation by operation as in the reference: where a
/// bucket ends is a matter of rounding.
pub fn buckets_by_distance(buckets: i64, longest: i64, n: i64) -> Vec<i64> {
    let middle = buckets / 2;
    let distance = Tensor::arange_start(1 - n, n, (Kind::Int64, Device::Cpu));
    let far = distance.abs().clamp_min(middle - 1).to_kind(Kind::Float);
    let width = Tensor::from((longest - 1) as f64 / middle as f64).to_kind(Kind::Float).log();
    let logarithmic = ((&far / middle as f64).log() / width * (middle - 1) as f64).ceil() + middle as f64;
    let bucket = (logarithmic * distance.sign()).to_kind(Kind::Int64);
    let near = far.le(middle as f64);
    let mut found = vec![0; distance.numel()];
    distance.where_self(&near, &bucket).copy_data(&mut found, distance.numel());
    found
}

/// Which rows sequences of one length read.
struct Rows {
    /// First of them among the batch's, and how many.
    first: i64,
    n_rows: i64,
    /// By distance, counted from `first`: [2n − 1].
    lookup: Tensor,
}

/// Disentangled attention of a batch; built once, used by every layer.
///
/// Keys and values stand in reverse order within each sequence. Which row a query and a key read is then a
/// function of the sum of their positions, and the table of all pairs a view of one short row.
pub struct Distances {
    /// Relative embeddings that some distance of the batch reads: [r, d].
    pub states_rd: Tensor,
    /// The stream's rows with every sequence reversed: [t].
    pub reversed_t: Tensor,
    /// Tokens of each sequence.
    lengths: Vec<i64>,
    /// Rows after the last sequence that belong to none.
    filler: i64,
    /// Which tokens of each sequence ask; `None`: all of them.
    asking: Option<Vec<Vec<i64>>>,
    /// See [`padding`].
    padding: Rc<Vec<Tensor>>,
    by_length: Rc<HashMap<i64, Rows>>,
    kind: Kind,
}

/// Scores computed at a time per thread of a CPU: what stays in a core's cache.
const CPU_SCORES: i64 = 1 << 18;
/// Scores computed at a time on a GPU: what bounds the memory of long sequences.
const GPU_SCORES: i64 = 1 << 26;

impl Distances {
    /// Where only the given positions of the stream ask (ascending, each once): the queries that
    /// [`Distances::attend`] takes are theirs alone.
    pub fn of_rows(&self, batch: &TokenBatch, rows: &[usize]) -> Self {
        let of_tree = |tree: &TokenTree| {
            let all = tree.tokens();
            let asking = &rows[rows.partition_point(|&r| r < all.start)..rows.partition_point(|&r| r < all.end)];
            asking.iter().map(|&row| (row - all.start) as i64).collect()
        };
        Self {
            states_rd: self.states_rd.shallow_clone(),
            reversed_t: self.reversed_t.shallow_clone(),
            lengths: self.lengths.clone(),
            filler: self.filler,
            asking: Some(batch.trees.iter().map(of_tree).collect()),
            padding: Rc::clone(&self.padding),
            by_length: Rc::clone(&self.by_length),
            kind: self.kind,
        }
    }

    /// Attention output [t, h·k] of queries [t, h, k] and of keys and values [t, h, k] in reverse order.
    /// `key_rd` and `query_rd` are the projected relative embeddings, where the model has that term.
    pub fn attend(
        &self,
        q_thk: &Tensor,
        k_thk: &Tensor,
        v_thk: &Tensor,
        key_rd: Option<&Tensor>,
        query_rd: Option<&Tensor>,
        scale: f64,
    ) -> Tensor {
        let (heads, width) = (q_thk.size()[1], q_thk.size()[2]);
        let compute = q_thk.kind();
        let heads_first = |x_rd: &Tensor| (x_rd.to_kind(self.kind) * scale).view([-1, heads, width]).transpose(0, 1);
        let (key_hrk, query_hrk) = (key_rd.map(heads_first), query_rd.map(heads_first));
        let [q_thk, k_thk, v_thk] = [q_thk, k_thk, v_thk].map(|x| x.to_kind(self.kind));
        let all: Vec<i64> = self.lengths.iter().copied().chain([self.filler]).collect();
        let asking = self.asking.as_ref().map(|asking| asking.iter().map(|rows| rows.len() as i64).collect());
        let queries = q_thk.split_with_sizes(asking.unwrap_or(all.clone()), 0);
        let (keys, values) = (k_thk.split_with_sizes(&all, 0), v_thk.split_with_sizes(&all, 0));
        let mut outputs = Vec::with_capacity(queries.len());
        for (index, n) in self.lengths.iter().enumerate() {
            let (q_qhk, k_nhk, v_nhk) = (&queries[index], &keys[index], &values[index]);
            let Some(rows) = self.by_length.get(n).filter(|_| q_qhk.size()[0] > 0) else { continue };
            let reach = |x: &Tensor| x.narrow(1, rows.first, rows.n_rows);
            let rows_nn = rows.lookup.unfold(0, *n, 1);
            let sequence = Sequence {
                q_hqk: q_qhk.transpose(0, 1),
                k_hnk: k_nhk.transpose(0, 1),
                v_hnk: v_nhk.transpose(0, 1),
                padding_n: self.padding.get(index),
                key_hrk: key_hrk.as_ref().map(reach),
                query_hrk: query_hrk.as_ref().map(reach),
                rows_qn: match &self.asking {
                    None => rows_nn,
                    Some(asking) => {
                        rows_nn.index_select(0, &Tensor::from_slice(&asking[index]).to_device(rows_nn.device()))
                    }
                },
            };
            outputs.push(sequence.attend(scale).transpose(0, 1).reshape([-1, heads * width]));
        }
        if self.asking.is_none() {
            outputs.push(Tensor::zeros([self.filler, heads * width], (self.kind, q_thk.device())));
        }
        Tensor::cat(&outputs, 0).to_kind(compute)
    }
}

/// One sequence's attention.
struct Sequence<'a> {
    q_hqk: Tensor,
    k_hnk: Tensor,
    v_hnk: Tensor,
    padding_n: Option<&'a Tensor>,
    key_hrk: Option<Tensor>,
    query_hrk: Option<Tensor>,
    /// Which row each query and key read.
    rows_qn: Tensor,
}

impl Sequence<'_> {
    /// [h, q, k], so many heads at a time that their scores stay in cache; of one head too large for that,
    /// so many queries.
    fn attend(&self, scale: f64) -> Tensor {
        let (heads, n_queries, n_keys) = (self.q_hqk.size()[0], self.rows_qn.size()[0], self.rows_qn.size()[1]);
        let at_a_time = match self.q_hqk.device() {
            Device::Cpu => CPU_SCORES * i64::from(tch::get_num_threads().max(1)),
            _ => GPU_SCORES,
        };
        let heads_at_a_time = (at_a_time / (n_queries * n_keys)).clamp(1, heads);
        let queries_at_a_time = (at_a_time / (heads_at_a_time * n_keys)).clamp(1, n_queries);
        let split = |x: &Tensor| x.split(heads_at_a_time, 0);
        let (q, k, v) = (split(&self.q_hqk), split(&self.k_hnk), split(&self.v_hnk));
        let (key, query) = (self.key_hrk.as_ref().map(split), self.query_hrk.as_ref().map(split));
        let rows = self.rows_qn.split(queries_at_a_time, 0);
        let mut by_heads = Vec::with_capacity(q.len());
        for part in 0..q.len() {
            let (k_hnk, v_hnk) = (&k[part], &v[part]);
            let position_to_content_hrn = query.as_ref().map(|query| query[part].bmm(&k_hnk.transpose(1, 2)));
            let by_queries = q[part].split(queries_at_a_time, 1);
            let of_queries = |(q_hqk, rows_qn): (&Tensor, &Tensor)| {
                let rows_hqn = rows_qn.unsqueeze(0).expand([q_hqk.size()[0], -1, -1], false);
                let content_to_position =
                    key.as_ref().map(|key| q_hqk.bmm(&key[part].transpose(1, 2)).gather(2, &rows_hqn, false));
                let position_to_content = position_to_content_hrn.as_ref().map(|x| x.gather(1, &rows_hqn, false));
                let bias_hqn = match (content_to_position, position_to_content) {
                    (Some(mut one), Some(other)) => {
                        one += other;
                        Some(one)
                    }
                    (one, other) => one.or(other),
                };
                let bias_hqn = match (bias_hqn, self.padding_n) {
                    (Some(bias_hqn), Some(padding_n)) => Some(bias_hqn + padding_n),
                    (None, Some(padding_n)) => Some(padding_n.expand(rows_hqn.size(), false)),
                    (bias_hqn, None) => bias_hqn,
                };
                let [q, k, v] = [q_hqk, k_hnk, v_hnk].map(|x| x.unsqueeze(0));
                let bias = bias_hqn.map(|bias| bias.unsqueeze(0));
                Tensor::scaled_dot_product_attention(&q, &k, &v, bias, 0.0, false, scale, false).squeeze_dim(0)
            };
            let parts: Vec<Tensor> = by_queries.iter().zip(&rows).map(of_queries).collect();
            by_heads.push(joined(parts, 1));
        }
        joined(by_heads, 0)
    }
}

fn joined(mut parts: Vec<Tensor>, dim: i64) -> Tensor {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, dim) }
}

/// LayerNorm(states after the first layer + act(conv(embeddings))), within each sequence.
pub struct Convolution {
    weight: Tensor,
    bias: Tensor,
    norm: LayerNorm,
    config: ConvolutionConfig,
}

impl Convolution {
    pub fn new(
        source: &mut ParamSource,
        encoder: &str,
        width: i64,
        config: &ConvolutionConfig,
        std: f64,
        eps: f64,
    ) -> Result<Self, ParamError> {
        let shape = [width, width / config.groups, config.kernel];
        Ok(Self {
            weight: source.take(&format!("{encoder}conv.conv.weight"), &shape, Init::Normal(std))?,
            bias: source.take(&format!("{encoder}conv.conv.bias"), &[width], Init::Zeros)?,
            norm: LayerNorm::new(source, &format!("{encoder}conv.LayerNorm"), width, eps)?,
            config: config.clone(),
        })
    }

    /// States after the first layer, with what [`Convolution::forward`] made of the embeddings.
    pub fn added(&self, states_td: &Tensor, mixed_td: &Tensor) -> Tensor {
        self.norm.forward(&(states_td + mixed_td))
    }

    /// Embeddings [t, d], mixed with their neighbours' → [t, d].
    pub fn forward(&self, embedded_td: &Tensor, batch: &TokenBatch, pass: Pass) -> Tensor {
        let reach = (self.config.kernel - 1) / 2;
        let (rows, device) = (embedded_td.size()[0], embedded_td.device());
        // One pass over the stream, with so many zero rows after each sequence that none sees the next. Padding
        // is zero, too.
        let (mut source, mut place) = (Vec::new(), Vec::new());
        for tree in &batch.trees {
            let tokens = tree.tokens();
            place.extend((0..tokens.len()).map(|i| (source.len() + i) as i64));
            let is_padding = |row: usize| batch.padding.get(row).is_some_and(|padding| *padding);
            source.extend(tokens.map(|row| if is_padding(row) { rows } else { row as i64 }));
            source.extend((0..reach).map(|_| rows));
        }
        place.resize(rows as usize, 0);
        let kind = kind_of_scores(embedded_td.kind(), device);
        let zero = Tensor::zeros([1, embedded_td.size()[1]], (kind, device));
        let spaced_sd = Tensor::cat(&[&embedded_td.to_kind(kind), &zero], 0)
            .index_select(0, &Tensor::from_slice(&source).to_device(device));
        let weight = in_kind(&self.weight, kind);
        let mixed_sd = spaced_sd
            .transpose(0, 1)
            .unsqueeze(0)
            .conv1d(&weight, Some(in_kind(&self.bias, kind)), 1, reach, 1, self.config.groups)
            .squeeze_dim(0)
            .transpose(0, 1);
        let mixed_td = mixed_sd.index_select(0, &Tensor::from_slice(&place).to_device(device));
        activate(self.config.act, &drop_hidden(mixed_td.to_kind(embedded_td.kind()), pass))
    }
}
