//! Logistic regression: by Newton's method (without or with a ridge), and with an L1 penalty by coordinate
//! descent.

use crate::calibration::{ln_sigmoid, sigmoid};

/// Rows of features with their outcome in 0..=1 and weight.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    width: usize,
    features: Vec<f64>,
    outcomes: Vec<f64>,
}

impl Rows {
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// # Panics
    /// Never: a row of another width is cut or filled with 0.
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

    pub fn row(&self, at: usize) -> &[f64] {
        &self.features[at * self.width..][..self.width]
    }

    fn linear(&self, at: usize, coefficients: &[f64]) -> f64 {
        self.row(at).iter().zip(coefficients).map(|(x, b)| x * b).sum()
    }

    /// Coefficients that maximise Σ w [y ln σ(βx) + (1 − y) ln σ(−βx)] − ridge/2 Σ β². A constant is a
    /// feature of 1. `None` where no finite maximum exists (outcomes are separable) or features repeat.
    pub fn fit(&self, weight: &dyn Fn(usize) -> f64, ridge: f64) -> Option<Vec<f64>> {
        let k = self.width;
        let objective = |b: &[f64]| {
            let rows = (0..self.len()).map(|at| {
                let (z, y) = (self.linear(at, b), self.outcomes[at]);
                // Most outcomes are 0 or 1, and half of the logarithms count nothing.
                let right = if y > 0.0 { y * ln_sigmoid(z) } else { 0.0 };
                let wrong = if y < 1.0 { (1.0 - y) * ln_sigmoid(-z) } else { 0.0 };
                weight(at) * (right + wrong)
            });
            rows.sum::<f64>() - ridge / 2.0 * b.iter().map(|b| b * b).sum::<f64>()
        };
        let mut b = vec![0.0; k];
        let mut best = objective(&b);
        for _ in 0..50 {
            let mut gradient: Vec<f64> = b.iter().map(|b| -ridge * b).collect();
            let mut hessian = vec![0.0; k * k];
            for i in 0..k {
                hessian[i * k + i] = ridge;
            }
            for at in 0..self.len() {
                let (x, w) = (self.row(at), weight(at));
                let p = sigmoid(self.linear(at, &b));
                for i in 0..k {
                    gradient[i] += w * (self.outcomes[at] - p) * x[i];
                    let scaled = w * p * (1.0 - p) * x[i];
                    for (cell, x) in hessian[i * k..][..=i].iter_mut().zip(x) {
                        *cell += scaled * x;
                    }
                }
            }
            let mut step = solve(&mut hessian, &mut gradient, k)?;
            let moved = |step: &[f64]| b.iter().zip(step).map(|(b, s)| b + s).collect::<Vec<f64>>();
            let mut next = moved(&step);
            let mut reached = objective(&next);
            while reached < best - 1e-12 * best.abs() {
                step.iter_mut().for_each(|s| *s /= 2.0);
                if step.iter().all(|s| s.abs() < 1e-14) {
                    break;
                }
                next = moved(&step);
                reached = objective(&next);
            }
            let largest = step.iter().map(|s| s.abs()).fold(0.0, f64::max);
            b = next;
            best = reached;
            if b.iter().any(|b| !b.is_finite() || b.abs() > 1e3) {
                return None;
            }
            if largest < 1e-10 {
                return Some(b);
            }
        }
        None
    }

    /// What each row adds, at coefficients b, to the gradient and to the Hessian (with the sign turned, row by row of its lower
    /// half): a vector of rows per sum, k + k(k + 1)/2 of them. See [`one_step`].
    pub fn terms(&self, b: &[f64]) -> Vec<Vec<f64>> {
        let k = self.width;
        let mut terms = vec![Vec::with_capacity(self.len()); k + k * (k + 1) / 2];
        for at in 0..self.len() {
            let x = self.row(at);
            let p = sigmoid(self.linear(at, b));
            let mut all = terms.iter_mut();
            for (x, term) in x.iter().zip(&mut all) {
                term.push((self.outcomes[at] - p) * x);
            }
            for (i, xi) in x.iter().enumerate() {
                for (xj, term) in x[..=i].iter().zip(&mut all) {
                    term.push(p * (1.0 - p) * xi * xj);
                }
            }
        }
        terms
    }

    /// Coefficients that minimise Σ −ln likelihood + penalty Σ |β| (a Laplace prior of scale 1/penalty), by
    /// coordinate descent on quadratic bounds (Böhning and Lindsay 1988: σ' ≤ ¼).
    pub fn lasso(&self, penalty: f64) -> Vec<f64> {
        let k = self.width;
        let bound: Vec<f64> =
            (0..k).map(|i| (0..self.len()).map(|at| self.row(at)[i].powi(2)).sum::<f64>() / 4.0).collect();
        let mut b = vec![0.0; k];
        let mut z = vec![0.0; self.len()];
        for _ in 0..20_000 {
            let mut largest: f64 = 0.0;
            for i in (0..k).filter(|i| bound[*i] > 0.0) {
                let gradient: f64 =
                    (0..self.len()).map(|at| (self.outcomes[at] - sigmoid(z[at])) * self.row(at)[i]).sum();
                let wanted = b[i] + gradient / bound[i];
                let shrunk = wanted.signum() * (wanted.abs() - penalty / bound[i]).max(0.0);
                let step = shrunk - b[i];
                if step != 0.0 {
                    b[i] = shrunk;
                    for (at, z) in z.iter_mut().enumerate() {
                        *z += step * self.row(at)[i];
                    }
                    largest = largest.max(step.abs());
                }
            }
            if largest < 1e-10 {
                break;
            }
        }
        b
    }
}

/// One step of Newton's method from the coefficients b of all rows towards those of a resample, whose sums of
/// [`Rows::terms`] are given. From the fit of all rows, one step is as good as the resample's own fit to the order that a
/// bootstrap interval is good (Davidson and MacKinnon 1999; Andrews 2002). `None` where the resample has no fit.
pub fn one_step(b: &[f64], sums: &[f64]) -> Option<Vec<f64>> {
    let k = b.len();
    let (gradient, lower) = sums.split_at_checked(k)?;
    let mut hessian = vec![0.0; k * k];
    let mut lower = lower.iter();
    for i in 0..k {
        for j in 0..=i {
            let value = *lower.next()?;
            (hessian[i * k + j], hessian[j * k + i]) = (value, value);
        }
    }
    let step = solve(&mut hessian, &mut gradient.to_vec(), k)?;
    Some(b.iter().zip(step).map(|(b, step)| b + step).collect())
}

/// Solves a symmetric positive definite system, whose lower half is read, by Cholesky's factorisation; `None` where it is not.
pub fn solve(matrix: &mut [f64], right: &mut [f64], k: usize) -> Option<Vec<f64>> {
    for j in 0..k {
        for i in j..k {
            let sum: f64 = (0..j).map(|m| matrix[i * k + m] * matrix[j * k + m]).sum();
            let value = matrix[i * k + j] - sum;
            if i == j {
                // Also catches NaN.
                if value.is_nan() || value <= 1e-12 * matrix[j * k + j].abs().max(1e-300) {
                    return None;
                }
                matrix[j * k + j] = value.sqrt();
            } else {
                matrix[i * k + j] = value / matrix[j * k + j];
            }
        }
    }
    for i in 0..k {
        let sum: f64 = (0..i).map(|m| matrix[i * k + m] * right[m]).sum();
        right[i] = (right[i] - sum) / matrix[i * k + i];
    }
    for i in (0..k).rev() {
        let sum: f64 = (i + 1..k).map(|m| matrix[m * k + i] * right[m]).sum();
        right[i] = (right[i] - sum) / matrix[i * k + i];
    }
    Some(right.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_alone_gives_its_logit() {
        let mut rows = Rows::new(1);
        for i in 0..10 {
            rows.add(&[1.0], f64::from(u8::from(i < 7)));
        }
        let b = rows.fit(&|_| 1.0, 0.0).unwrap();
        assert!((b[0] - (0.7f64 / 0.3).ln()).abs() < 1e-10);
        // Weights are repetitions.
        let twice = rows.fit(&|at| if at < 7 { 2.0 } else { 1.0 }, 0.0).unwrap();
        assert!((twice[0] - (14.0f64 / 3.0).ln()).abs() < 1e-10);
    }

    #[test]
    fn one_step_goes_most_of_the_way_to_a_resamples_fit() {
        let mut rows = Rows::new(2);
        for i in 0..400 {
            let x = f64::from(i * 37 % 101) / 50.0 - 1.0;
            rows.add(&[1.0, x], f64::from(u8::from((i * 53 % 97) as f64 / 97.0 < sigmoid(0.4 + 0.8 * x))));
        }
        let b = rows.fit(&|_| 1.0, 0.0).unwrap();
        let weight = |at: usize| f64::from((at * 29 % 7) as u32 % 3);
        let sums: Vec<f64> =
            rows.terms(&b).iter().map(|t| t.iter().enumerate().map(|(at, v)| weight(at) * v).sum()).collect();
        let (step, fit) = (one_step(&b, &sums).unwrap(), rows.fit(&weight, 0.0).unwrap());
        for i in 0..2 {
            assert!((step[i] - fit[i]).abs() < 0.05 * (fit[i] - b[i]).abs(), "{b:?} {step:?} {fit:?}");
        }
        let all: Vec<f64> = rows.terms(&b).iter().map(|t| t.iter().sum()).collect();
        assert!(one_step(&b, &all).unwrap().iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-9));
        assert_eq!(one_step(&b, &[0.0; 5]), None);
    }

    #[test]
    fn separable_outcomes_have_no_maximum() {
        let mut rows = Rows::new(2);
        for i in 0..8 {
            rows.add(&[1.0, f64::from(i) - 3.5], f64::from(u8::from(i > 3)));
        }
        assert_eq!(rows.fit(&|_| 1.0, 0.0), None);
        assert!(rows.fit(&|_| 1.0, 1.0).is_some());
        // A penalty beyond every gradient leaves nothing.
        assert_eq!(rows.lasso(100.0), [0.0, 0.0]);
    }
}
