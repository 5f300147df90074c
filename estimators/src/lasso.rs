//! Logistic regression with an L1 penalty: Σ w [−y ln σ(βx) − (1 − y) ln σ(−βx)] + penalty Σ |β|, which is the
//! most probable β under a Laplace prior of scale 1/penalty.
//!
//! Proximal Newton steps (Lee, Sun and Saunders 2014): the loss is replaced by its quadratic, that problem is
//! solved coordinate by coordinate on the k × k matrix, and the step is halved until the objective falls. A row is
//! read a few times only, so that fits can be repeated for resampled weights.

use crate::calibration::{ln_sigmoid, sigmoid};

/// Rows of features with their outcome in 0..=1.
#[derive(Debug, Clone)]
pub struct Lasso {
    width: usize,
    features: Vec<f64>,
    outcomes: Vec<f64>,
    pub penalty: f64,
}

const MOST_STEPS: usize = 200;

impl Lasso {
    /// # Panics
    /// `width` must be above 0.
    pub fn new(width: usize, penalty: f64) -> Self {
        assert!(width > 0, "a fit needs features");
        Self { width, features: Vec::new(), outcomes: Vec::new(), penalty }
    }

    /// A row; one of another width is cut or filled with 0.
    pub fn add(&mut self, features: &[f64], outcome: f64) {
        self.features.extend((0..self.width).map(|at| features.get(at).copied().unwrap_or(0.0)));
        self.outcomes.push(outcome);
    }

    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.features.chunks_exact(self.width).zip(self.outcomes.iter().copied())
    }

    fn objective(&self, b: &[f64], weights: &[f64]) -> f64 {
        let loss = self.rows().zip(weights).filter(|(_, w)| **w > 0.0).map(|((x, y), w)| {
            let z = dot(x, b);
            let right = if y > 0.0 { y * ln_sigmoid(z) } else { 0.0 };
            let wrong = if y < 1.0 { (1.0 - y) * ln_sigmoid(-z) } else { 0.0 };
            -w * (right + wrong)
        });
        loss.sum::<f64>() + self.penalty * b.iter().map(|b| b.abs()).sum::<f64>()
    }

    /// Gradient and matrix of second derivatives of the loss.
    fn derivatives(&self, b: &[f64], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let k = self.width;
        let (mut gradient, mut matrix) = (vec![0.0; k], vec![0.0; k * k]);
        for ((x, y), w) in self.rows().zip(weights).filter(|(_, w)| **w > 0.0) {
            let p = sigmoid(dot(x, b));
            let curvature = w * p * (1.0 - p);
            for (i, xi) in x.iter().enumerate() {
                gradient[i] += w * (p - y) * xi;
                let along = curvature * xi;
                matrix[i * k..=i * k + i].iter_mut().zip(x).for_each(|(m, xj)| *m += along * xj);
            }
        }
        for i in 0..k {
            for j in 0..i {
                matrix[j * k + i] = matrix[i * k + j];
            }
        }
        (gradient, matrix)
    }

    /// The coefficients, from `start`; `weights` by row. `None` where the steps do not settle.
    pub fn fit(&self, weights: &[f64], start: &[f64]) -> Option<Vec<f64>> {
        let mut b: Vec<f64> = (0..self.width).map(|at| start.get(at).copied().unwrap_or(0.0)).collect();
        let mut best = self.objective(&b, weights);
        for _ in 0..MOST_STEPS {
            let (gradient, matrix) = self.derivatives(&b, weights);
            let step = self.step(&b, &gradient, &matrix);
            let size = step.iter().map(|s| s.abs()).fold(0.0, f64::max);
            let scale = 1.0 + b.iter().map(|b| b.abs()).fold(0.0, f64::max);
            if size <= 1e-10 * scale {
                return Some(b);
            }
            let mut length = 1.0;
            let (next, reached) = loop {
                let next: Vec<f64> = b.iter().zip(&step).map(|(b, s)| b + length * s).collect();
                let reached = self.objective(&next, weights);
                if reached <= best + 1e-12 * best.abs() || length < 1e-10 {
                    break (next, reached);
                }
                length /= 2.0;
            };
            if !reached.is_finite() {
                return None;
            }
            (b, best) = (next, reached.min(best));
        }
        None
    }

    /// The step to the minimum of the quadratic with the penalty, by coordinate descent.
    fn step(&self, b: &[f64], gradient: &[f64], matrix: &[f64]) -> Vec<f64> {
        let k = self.width;
        let largest = (0..k).map(|i| matrix[i * k + i]).fold(0.0, f64::max);
        let mut step = vec![0.0; k];
        for _ in 0..10_000 {
            let mut moved: f64 = 0.0;
            for i in 0..k {
                // A trace of curvature keeps columns that repeat, and columns of zeros, from dividing by 0.
                let curvature = matrix[i * k + i] + 1e-12 * largest.max(1e-300);
                let slope = gradient[i] + dot(&matrix[i * k..][..k], &step) - matrix[i * k + i] * step[i];
                let wanted = b[i] - slope / curvature;
                let shrunk = wanted.signum() * (wanted.abs() - self.penalty / curvature).max(0.0);
                let own = shrunk - b[i];
                moved = moved.max((own - step[i]).abs());
                step[i] = own;
            }
            if moved <= 1e-13 * (1.0 + b.iter().map(|b| b.abs()).fold(0.0, f64::max)) {
                break;
            }
        }
        step
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One feature of 1, outcome 1 in 30 of 40 rows, penalty 4: the gradient 40σ(β) − 30 + 4 is 0 where σ(β) = 26/40.
    #[test]
    fn one_coefficient_by_hand() {
        let mut rows = Lasso::new(1, 4.0);
        (0..40).for_each(|i| rows.add(&[1.0], f64::from(u8::from(i < 30))));
        let ones = vec![1.0; 40];
        let b = rows.fit(&ones, &[]).unwrap();
        assert!((b[0] - (26.0f64 / 14.0).ln()).abs() < 1e-9);
        // Weights are repetitions, and where one starts does not matter.
        let halves: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 2.0 } else { 0.0 }).collect();
        let again = rows.fit(&halves, &[5.0]).unwrap();
        assert!((again[0] - b[0]).abs() < 1e-8, "{again:?} {b:?}");
        // A penalty beyond the gradient at 0 (10) leaves nothing.
        rows.penalty = 10.5;
        assert_eq!(rows.fit(&ones, &b).unwrap(), [0.0]);
    }

    #[test]
    fn a_feature_that_is_never_there_has_no_weight() {
        let mut rows = Lasso::new(3, 1.0);
        (0..30).for_each(|i| {
            let x = f64::from(i % 5) - 1.0;
            rows.add(&[x, 0.0, x], f64::from(u8::from(i % 3 > 0)));
        });
        let b = rows.fit(&vec![1.0; 30], &[]).unwrap();
        assert_eq!(b[1], 0.0);
        assert!(b[0].is_finite() && b[2].is_finite());
    }
}
