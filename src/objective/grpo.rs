//! Group-relative policy optimisation of sampled replies (arXiv 2402.03300).
//!
//! Per token ℓ = −min(ρÂ, clip(ρ, 1 − ε₁, 1 + ε₂)Â) + β(e^k − k − 1), ρ = π/π_old, k = log π_ref − log π, Â the advantage
//! of its reply. A reply's loss is the mean over its tokens. With one update per sample π_old is π, and ρ = 1 carries the
//! gradient Â·∇log π.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grpo {
    /// How far ρ counts below and above 1.
    pub clip: [f64; 2],
    /// β, the weight of the distance from the reference; 0: there is none.
    pub kl: f64,
}

impl Default for Grpo {
    fn default() -> Self {
        Self { clip: [0.2, 0.2], kl: 0.04 }
    }
}

/// log p of tokens [n].
pub struct TokenLogProbs<'a> {
    /// On the graph.
    pub policy: &'a Tensor,
    pub old: &'a Tensor,
    /// `None` where the distance has no weight.
    pub reference: Option<&'a Tensor>,
}

impl Grpo {
    /// Losses [n], one per token, on the graph of the policy; `advantages` [n] repeats each reply's for its tokens.
    pub fn losses(&self, log_probs: &TokenLogProbs, advantages_n: &Tensor) -> Tensor {
        let ratio_n = (log_probs.policy - log_probs.old.detach()).exp();
        let clipped_n = ratio_n.clamp(1.0 - self.clip[0], 1.0 + self.clip[1]);
        let losses_n = -(ratio_n * advantages_n).minimum(&(clipped_n * advantages_n));
        match log_probs.reference.filter(|_| self.kl > 0.0) {
            Some(reference) => losses_n + distances(log_probs.policy, reference) * self.kl,
            None => losses_n,
        }
    }
}

/// e^k − k − 1 [n]: an estimate of KL(π ‖ π_ref) per token that is never below 0 (Schulman's k₃).
pub fn distances(policy_n: &Tensor, reference_n: &Tensor) -> Tensor {
    let k_n = reference_n.detach() - policy_n;
    // expm1 − k keeps its digits where the two models agree.
    k_n.expm1() - k_n
}

/// The mean of each reply's tokens [r] from numbers [n] in the order of replies of these lengths.
pub fn means(values_n: &Tensor, lengths: &[usize]) -> Tensor {
    let lengths: Vec<i64> = lengths.iter().map(|length| *length as i64).collect();
    let parts = values_n.split_with_sizes(&lengths, 0);
    let mean = |part: &Tensor| {
        if part.numel() == 0 { Tensor::zeros([], (part.kind(), part.device())) } else { part.mean(part.kind()) }
    };
    let means: Vec<Tensor> = parts.iter().map(mean).collect();
    if means.is_empty() { Tensor::zeros([0], (Kind::Float, values_n.device())) } else { Tensor::stack(&means, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: &Tensor) -> Vec<f64> {
        Vec::<f64>::try_from(x.to_kind(Kind::Double)).unwrap()
    }

    /// ρ = 1.5, 1, 0.5 with Â = 1, 1, −1 and clips at 0.8 and 1.2: −1.2, −1, 0.8 (the clipped side is the smaller).
    #[test]
    fn losses_by_hand() {
        let old = Tensor::from_slice(&[-1.0f64, -2.0, -3.0]);
        let policy = &old + Tensor::from_slice(&[1.5f64.ln(), 0.0, 0.5f64.ln()]);
        let advantages = Tensor::from_slice(&[1.0f64, 1.0, -1.0]);
        let without = Grpo { kl: 0.0, ..Grpo::default() };
        let log_probs = TokenLogProbs { policy: &policy, old: &old, reference: None };
        let found = values(&without.losses(&log_probs, &advantages));
        for (found, expected) in found.iter().zip([-1.2, -1.0, 0.8]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        // k = ln 2: 2 − ln 2 − 1.
        let reference = &policy + 2f64.ln();
        let distance = values(&distances(&policy, &reference))[0];
        assert!((distance - (1.0 - 2f64.ln())).abs() < 1e-12);
        let with = Grpo { kl: 0.5, ..Grpo::default() };
        let log_probs = TokenLogProbs { policy: &policy, old: &old, reference: Some(&reference) };
        assert!((values(&with.losses(&log_probs, &advantages))[1] - (-1.0 + 0.5 * distance)).abs() < 1e-12);
        assert_eq!(values(&means(&Tensor::from_slice(&[1.0f64, 3.0, 5.0]), &[2, 1])), [2.0, 5.0]);
    }

    /// On the policy that sampled, the gradient is −Â per token and β·(1 − e^k).
    #[test]
    fn gradients_on_policy() {
        let policy = Tensor::from_slice(&[-1.0f64, -0.5]).set_requires_grad(true);
        let reference = Tensor::from_slice(&[-1.3f64, -0.5]);
        let log_probs = TokenLogProbs { policy: &policy, old: &policy, reference: Some(&reference) };
        let grpo = Grpo { kl: 0.1, ..Grpo::default() };
        grpo.losses(&log_probs, &Tensor::from_slice(&[2.0f64, -1.0])).sum(Kind::Double).backward();
        let found = values(&policy.grad());
        let expected = [-2.0 + 0.1 * (1.0 - (-0.3f64).exp()), 1.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }
}
