//! How many multiplications and additions a pair costs (spec: forward 2 per weight and token; backward as many for
//! the inputs' gradients and for those of weights that are trained).
//!
//! Counted is what has to be computed: matrix products and attention scores, shared prefixes once, of the last
//! layer the rows that are read. A second forward pass for checkpointing is a price, not part of it. Norms, rotary
//! positions and activations are left out, so that the bound is one.

use crate::backbone::config::Family;
use crate::reward::network::Network;
use crate::train::PairSize;

/// The coefficients of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arithmetic {
    /// Per computed token.
    token: f64,
    /// Per sequence: the last layer's queries, output and MLP.
    sequence: f64,
    /// Per token and token it attends to.
    attended: f64,
    causal: bool,
}

/// Beginnings of names of what the last layer computes for every token.
const KEYS_AND_VALUES: [&str; 8] = ["k_proj", "v_proj", "key", "value", "qkv", "query_key_value", "Wqkv", "wqkv"];

impl Arithmetic {
    /// Of a model whose parameters ask for gradients as they will be trained; `None` of mixtures of experts, where
    /// a token's way is not known before.
    pub fn of(network: &Network) -> Option<Self> {
        if network.params().keys().any(|name| name.contains(".experts.")) {
            return None;
        }
        let matrices = || {
            let all = network.params().iter().filter(|(_, tensor)| tensor.dim() == 2);
            all.filter_map(|(name, tensor)| Some((layer(name)?, name, tensor)))
        };
        let last = matrices().map(|(layer, ..)| layer).max()?;
        let (mut token, mut sequence) = (0.0, 0.0);
        for (layer, name, tensor) in matrices() {
            let passes = if tensor.requires_grad() { 3.0 } else { 2.0 };
            let cost = 2.0 * passes * tensor.numel() as f64;
            let all_tokens = layer < last || name.split('.').any(|part| KEYS_AND_VALUES.contains(&part));
            *(if all_tokens { &mut token } else { &mut sequence }) += cost;
        }
        let width = match &network.config.family {
            Family::Decoder(decoder) => decoder.heads * decoder.head_dim,
            _ => network.config.hidden,
        };
        // Scores and weighted values, once forward and twice backward; the last layer asks for hardly any row.
        let attended = 2.0 * 2.0 * 3.0 * width as f64 * last as f64;
        Some(Self { token, sequence, attended, causal: network.shares_prefixes() })
    }

    /// Of sequences of these lengths that cost `size`.
    pub fn pair(&self, lengths: impl Iterator<Item = usize> + Clone, size: PairSize) -> f64 {
        let n = lengths.clone().count();
        let shared = (size.sequences.saturating_sub(size.computed) / n.saturating_sub(1).max(1)) as f64;
        let attended: f64 = lengths
            .map(|length| length as f64)
            .map(|length| match self.causal {
                true => (length - shared) * shared + (length - shared).powi(2) / 2.0,
                false => length.powi(2),
            })
            .sum();
        let attended = attended + shared.powi(2) / 2.0;
        self.token * size.computed as f64 + self.sequence * n as f64 + self.attended * attended
    }
}

/// The number of the layer that a tensor is in.
fn layer(name: &str) -> Option<usize> {
    let mut parts = name.split('.');
    parts.find(|part| ["layer", "layers", "h"].contains(part)).and_then(|_| parts.next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_prefix_counts_once() {
        let arithmetic = Arithmetic { token: 100.0, sequence: 7.0, attended: 2.0, causal: true };
        // A prefix of 10 tokens, branches of 4 and 6: 20 computed, 30 in sequences.
        let size = PairSize { computed: 20, sequences: 30, ..PairSize::default() };
        let attended = 50.0 + (4.0 * 10.0 + 8.0) + (6.0 * 10.0 + 18.0);
        assert_eq!(arithmetic.pair([14, 16].into_iter(), size), 2000.0 + 14.0 + 2.0 * attended);
        let apart = PairSize { computed: 30, ..size };
        let encoder = Arithmetic { causal: false, ..arithmetic };
        assert_eq!(encoder.pair([14, 16].into_iter(), apart), 3000.0 + 14.0 + 2.0 * (196.0 + 256.0));
    }

    #[test]
    fn layers_are_found_by_their_number() {
        assert_eq!(layer("model.layers.12.mlp.up_proj.weight"), Some(12));
        assert_eq!(layer("bert.encoder.layer.3.attention.self.query.weight"), Some(3));
        assert_eq!(layer("model.embed_tokens.weight"), None);
    }
}
