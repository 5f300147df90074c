//! Weights over several reward models that depend on the prompt: score Σ_k w_k(x)·z_k, w(x) = softmax(G x + b)
//! (Preference Orchestrator: Prompt-Aware Multi-Objective Alignment for Large Language Models).
//!
//! z_k is model k's reward, z-scored over all responses (ddof 0). G and b minimise the mean of
//! −Σ_k t_k·ln w_k(x), t = softmax(z) at the preferred response, + ridge/2·‖G‖²: who rates the preferred response
//! highest, for prompts like this. It is convex; minimised by gradient steps on a quadratic bound.

/// What is known of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Vote {
    /// What the prompt is like: [d].
    pub prompt: Vec<f64>,
    /// z-scored rewards of the preferred and of the other response, by model: [k].
    pub chosen: Vec<f64>,
    pub rejected: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Orchestrator {
    /// [k][d].
    pub weights: Vec<Vec<f64>>,
    /// [k].
    pub bias: Vec<f64>,
}

/// e^x_k / Σ e^x.
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

impl Orchestrator {
    pub fn equal(models: usize, width: usize) -> Self {
        Self { weights: vec![vec![0.0; width]; models], bias: vec![0.0; models] }
    }

    /// w(x): [k].
    pub fn shares(&self, prompt: &[f64]) -> Vec<f64> {
        let dot = |w: &Vec<f64>| w.iter().zip(prompt).map(|(w, x)| w * x).sum::<f64>();
        softmax(&self.weights.iter().zip(&self.bias).map(|(w, b)| dot(w) + b).collect::<Vec<_>>())
    }

    /// Σ_k w_k(x)·(z_k(chosen) − z_k(rejected)).
    pub fn margin(&self, vote: &Vote) -> f64 {
        let shares = self.shares(&vote.prompt);
        shares.iter().zip(vote.chosen.iter().zip(&vote.rejected)).map(|(w, (c, r))| w * (c - r)).sum()
    }

    /// The mean cross-entropy of w(x) against softmax(z) of preferred responses.
    pub fn loss(&self, votes: &[Vote]) -> f64 {
        let one = |vote: &Vote| {
            let shares = self.shares(&vote.prompt);
            -softmax(&vote.chosen).iter().zip(shares).map(|(t, w)| t * w.ln()).sum::<f64>()
        };
        votes.iter().map(one).sum::<f64>() / votes.len() as f64
    }

    /// The minimum. `ridge` at least 0 on G.
    pub fn fit(votes: &[Vote], ridge: f64) -> Self {
        let (models, width) = votes.first().map_or((0, 0), |vote| (vote.chosen.len(), vote.prompt.len()));
        let mut found = Self::equal(models, width);
        let n = votes.len() as f64;
        // The Hessian of a softmax is at most ½ (Böhning 1992), so steps of 1/bound never overshoot.
        let square = |vote: &Vote| 1.0 + vote.prompt.iter().map(|x| x * x).sum::<f64>();
        let bound = 0.5 * votes.iter().map(square).fold(1.0, f64::max) + ridge;
        let targets: Vec<Vec<f64>> = votes.iter().map(|vote| softmax(&vote.chosen)).collect();
        // Nesterov's momentum.
        let (mut ahead, mut before, mut t) = (found.clone(), found.clone(), 1.0f64);
        for _ in 0..5000 {
            let mut slope = Self::equal(models, width);
            for (vote, target) in votes.iter().zip(&targets) {
                let shares = ahead.shares(&vote.prompt);
                for k in 0..models {
                    let wrong = (shares[k] - target[k]) / n;
                    slope.bias[k] += wrong;
                    slope.weights[k].iter_mut().zip(&vote.prompt).for_each(|(s, x)| *s += wrong * x);
                }
            }
            let mut largest: f64 = 0.0;
            for k in 0..models {
                found.bias[k] = ahead.bias[k] - slope.bias[k] / bound;
                largest = largest.max(slope.bias[k].abs());
                for d in 0..width {
                    let whole = slope.weights[k][d] + ridge * ahead.weights[k][d];
                    found.weights[k][d] = ahead.weights[k][d] - whole / bound;
                    largest = largest.max(whole.abs());
                }
            }
            if largest < 1e-9 {
                break;
            }
            let next = (1.0 + (1.0 + 4.0 * t * t).sqrt()) / 2.0;
            let push = (t - 1.0) / next;
            for k in 0..models {
                ahead.bias[k] = found.bias[k] + push * (found.bias[k] - before.bias[k]);
                for d in 0..width {
                    ahead.weights[k][d] = found.weights[k][d] + push * (found.weights[k][d] - before.weights[k][d]);
                }
            }
            (before, t) = (found.clone(), next);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn by_hand() {
        // Two models, no prompt: w = (½, ½); t = softmax(2, 0) = (0.880797…, 0.119203…); loss = ln 2 whatever t.
        let vote = Vote { prompt: Vec::new(), chosen: vec![2.0, 0.0], rejected: vec![0.0, 1.0] };
        let equal = Orchestrator::equal(2, 0);
        assert!((equal.loss(std::slice::from_ref(&vote)) - 2f64.ln()).abs() < 1e-15);
        assert!((equal.margin(&vote) - 0.5).abs() < 1e-15);
        // The best w is t itself; its loss the entropy of t.
        let fitted = Orchestrator::fit(std::slice::from_ref(&vote), 0.0);
        let t = softmax(&[2.0, 0.0]);
        assert!(fitted.shares(&[]).iter().zip(&t).all(|(w, t)| (w - t).abs() < 1e-8));
        assert!((fitted.loss(&[vote]) + t.iter().map(|t| t * t.ln()).sum::<f64>()).abs() < 1e-8);
    }

    #[test]
    fn the_right_judge_is_found_for_each_kind_of_prompt() {
        // Model 0 knows prompts of kind 0, model 1 those of kind 1; elsewhere each says noise.
        let vote = |i: u64| {
            let kind = (i % 2) as usize;
            let noise = |what: &str| 4.0 * random::uniform(2, what, i.to_le_bytes()) - 2.0;
            let mut prompt = vec![0.0; 2];
            prompt[kind] = 1.0;
            let side = |who: usize, good: f64, what: &str| if who == kind { good } else { noise(what) };
            Vote {
                prompt,
                chosen: vec![side(0, 1.0, "a"), side(1, 1.0, "b")],
                rejected: vec![side(0, -1.0, "c"), side(1, -1.0, "d")],
            }
        };
        let (train, test): (Vec<Vote>, Vec<Vote>) = ((0..2000).map(vote).collect(), (2000..4000).map(vote).collect());
        let fitted = Orchestrator::fit(&train, 1e-4);
        assert!(fitted.shares(&[1.0, 0.0])[0] > 0.6 && fitted.shares(&[0.0, 1.0])[1] > 0.6);
        let right = |o: &Orchestrator| test.iter().filter(|vote| o.margin(vote) > 0.0).count() as f64 / 2000.0;
        let (orchestrated, equal) = (right(&fitted), right(&Orchestrator::equal(2, 2)));
        assert!(orchestrated > equal + 0.05, "{orchestrated} and {equal}");
    }
}
