//! A further user of individual preference vectors, from a few pairs: r_u = r_0 + u·(W h) with W as it was learnt
//! with others' preferences; only u is fitted (Disentangling Preference Representation and Text Generation for
//! Efficient Individual Preference Alignment).
//!
//! u minimises Σ −ln σ(δ_i + u·e_i) + λ/2·‖u‖², δ the difference of the common rewards and e the difference of W h.
//! That is convex and k numbers wide: Newton's method, milliseconds.

use crate::metric::calibration::{ln_sigmoid, sigmoid};
use crate::metric::logistic::solve;

/// One pair of the user: what the common reward says, and what the shared projection sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// r_0(chosen) − r_0(rejected).
    pub offset: f64,
    /// W h(chosen) − W h(rejected).
    pub seen: Vec<f64>,
}

impl Shot {
    pub fn margin(&self, user: &[f64]) -> f64 {
        self.offset + self.seen.iter().zip(user).map(|(e, u)| e * u).sum::<f64>()
    }
}

/// The user's vector. `ridge` above 0: with few pairs there is always a direction that fits all of them.
pub fn fit(shots: &[Shot], width: usize, ridge: f64) -> Vec<f64> {
    let cost = |u: &[f64]| {
        let fit: f64 = shots.iter().map(|shot| -ln_sigmoid(shot.margin(u))).sum();
        fit + ridge / 2.0 * u.iter().map(|u| u * u).sum::<f64>()
    };
    let mut u = vec![0.0; width];
    let mut reached = cost(&u);
    for _ in 0..100 {
        let mut downhill: Vec<f64> = u.iter().map(|u| -ridge * u).collect();
        let mut hessian = vec![0.0; width * width];
        (0..width).for_each(|i| hessian[i * width + i] = ridge);
        for shot in shots {
            let wrong = sigmoid(-shot.margin(&u));
            for i in 0..width {
                downhill[i] += wrong * shot.seen[i];
                for j in 0..width {
                    hessian[i * width + j] += wrong * (1.0 - wrong) * shot.seen[i] * shot.seen[j];
                }
            }
        }
        let Some(mut step) = solve(&mut hessian, &mut downhill, width) else { break };
        let moved = |step: &[f64]| u.iter().zip(step).map(|(u, s)| u + s).collect::<Vec<f64>>();
        let mut next = moved(&step);
        while cost(&next) > reached && step.iter().any(|s| s.abs() > 1e-14) {
            step.iter_mut().for_each(|s| *s /= 2.0);
            next = moved(&step);
        }
        let largest = step.iter().map(|s| s.abs()).fold(0.0, f64::max);
        reached = cost(&next);
        u = next;
        if largest < 1e-10 {
            break;
        }
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn a_planted_user_is_found_and_more_shots_help() {
        // Pairs drawn at random, preferences by σ(offset + u·e).
        let planted = [1.5, -2.0, 0.5];
        let shot = |i: u64| {
            let draw = |what: &str| 2.0 * random::uniform(5, what, i.to_le_bytes()) - 1.0;
            let mut shot = Shot { offset: draw("offset"), seen: ["a", "b", "c"].map(|k| 3.0 * draw(k)).to_vec() };
            if random::uniform(5, "label", i.to_le_bytes()) > sigmoid(shot.margin(&planted)) {
                shot.offset = -shot.offset;
                shot.seen.iter_mut().for_each(|e| *e = -*e);
            }
            shot
        };
        let shots: Vec<Shot> = (0..4000).map(shot).collect();
        let of = |n: usize| fit(&shots[..n], 3, 1.0);
        let off = |u: &[f64]| u.iter().zip(&planted).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(off(&of(4000)) < 0.15, "{:?}", of(4000));
        assert!(off(&of(4000)) < off(&of(16)) && off(&of(16)) < off(&[0.0; 3]));
        // The optimum: the gradient vanishes.
        let u = of(50);
        for k in 0..3 {
            let gradient: f64 = shots[..50].iter().map(|s| -sigmoid(-s.margin(&u)) * s.seen[k]).sum::<f64>() + u[k];
            assert!(gradient.abs() < 1e-8, "{gradient}");
        }
        assert_eq!(fit(&[], 2, 1.0), [0.0, 0.0]);
    }
}
