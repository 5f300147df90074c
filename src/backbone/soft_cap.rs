//! Attention whose scores are capped: cap·tanh(z/cap) before the mask (Gemma 2). No fused kernel does it.

use tch::{Kind, Tensor};

/// Scores held at a time, in numbers: they are h times as many as those of a mask.
const SCORES: i64 = 1 << 22;

/// Which keys a query sees.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    All,
    /// As many keys as there are queries; each sees those up to its own.
    Causal,
    /// [n, m], added to scores.
    Mask(&'a Tensor),
}

/// Queries [1, h, n, k], keys and values [1, g, m, k] → [1, h, n, k]. Scores and probabilities are in f32.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, seen: Seen, scale: f64, cap: f64) -> Tensor {
    let (heads, groups, keys) = (q.size()[1], k.size()[1], k.size()[2]);
    let block = (SCORES / (heads * keys).max(1)).max(1);
    let mut start = 0;
    let mut outputs = Vec::new();
    // Split once: narrowing would add up as many full-size gradients as there are blocks.
    for q in q.split(block, 2) {
        let n = q.size()[2];
        let end = start + n;
        let visible = if matches!(seen, Seen::Causal) { end } else { keys };
        let (k, v) = (k.narrow(2, 0, visible).squeeze_dim(0), v.narrow(2, 0, visible).squeeze_dim(0));
        // Query heads of a group lie beside each other, so that one product per key head serves them all.
        let q_gak = q.reshape([groups, heads / groups * n, -1]);
        let scores_gam = q_gak.matmul(&k.transpose(1, 2));
        let wide = if q.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let scores = ((scores_gam.to_kind(wide) * (scale / cap)).tanh() * cap).view([groups, -1, n, visible]);
        let scores = match seen {
            Seen::All => scores,
            Seen::Mask(mask) => scores + mask.narrow(0, start, n),
            Seen::Causal => {
                let later = Tensor::ones([n, visible], (Kind::Bool, q.device())).triu(start + 1);
                scores.masked_fill(&later, f64::NEG_INFINITY)
            }
        };
        let probabilities = scores.softmax(-1, wide).to_kind(q.kind()).view([groups, -1, visible]);
        outputs.push(probabilities.matmul(&v).view([1, heads, n, -1]));
        start = end;
    }
    Tensor::cat(&outputs, 2)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn random(shape: [i64; 4]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu))
    }

    /// The formula as it stands, all at once.
    fn plainly(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, cap: f64) -> Tensor {
        let per_group = q.size()[1] / k.size()[1];
        let [k, v] = [k, v].map(|x| x.repeat_interleave_self_int(per_group, 1, None));
        let scores = (q.matmul(&k.transpose(2, 3)) * scale / cap).tanh() * cap;
        let later = Tensor::ones([q.size()[2], k.size()[2]], (Kind::Bool, Device::Cpu)).triu(1);
        scores.masked_fill(&later, f64::NEG_INFINITY).softmax(-1, Kind::Double).matmul(&v)
    }

    #[test]
    fn blocks_give_the_formula() {
        tch::manual_seed(1);
        // 2,100 tokens and 2 heads: more than one block.
        let (q, k, v) = (random([1, 2, 2100, 4]), random([1, 1, 2100, 4]), random([1, 1, 2100, 4]));
        let expected = plainly(&q, &k, &v, 0.7, 1.5);
        let found = attend(&q, &k, &v, Seen::Causal, 0.7, 1.5);
        assert!((&found - &expected).abs().max().double_value(&[]) < 1e-12);
        let mask = Tensor::zeros([2100, 2100], (Kind::Double, Device::Cpu))
            .masked_fill(&Tensor::ones([2100, 2100], (Kind::Bool, Device::Cpu)).triu(1), f64::NEG_INFINITY);
        let found = attend(&q, &k, &v, Seen::Mask(&mask), 0.7, 1.5);
        assert!((&found - &expected).abs().max().double_value(&[]) < 1e-12);
    }
}
