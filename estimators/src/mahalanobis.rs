//! How far a vector lies from a cloud of others: (h − μ)ᵀ Σ⁻¹ (h − μ), the out-of-distribution score of Bai et al.
//! 2022 (#37), with Σ shrunk towards a multiple of the identity, since clouds have fewer points than dimensions.

use crate::logistic::solve;

/// A cloud: its mean and Σ = (1 − s)·S + s·(tr S/d)·I, S the covariance with 1/n and s by Ledoit and Wolf 2004.
#[derive(Debug, Clone)]
pub struct Cloud {
    mean: Vec<f64>,
    /// Lower triangle of Σ = L Lᵀ, row by row.
    factor: Vec<f64>,
    pub shrinkage: f64,
    pub n: usize,
}

impl Cloud {
    /// `None` for fewer than two points, or points that do not vary.
    pub fn fit(points: &[Vec<f64>]) -> Option<Self> {
        let d = points.first()?.len();
        let n = points.len() as f64;
        if points.len() < 2 || d == 0 || points.iter().any(|point| point.len() != d) {
            return None;
        }
        let mut mean = vec![0.0; d];
        points.iter().for_each(|point| mean.iter_mut().zip(point).for_each(|(m, x)| *m += x / n));
        let mut covariance = vec![0.0; d * d];
        let mut fourth = 0.0;
        let mut centred = vec![0.0; d];
        for point in points {
            centred.iter_mut().zip(point).zip(&mean).for_each(|((c, x), m)| *c = x - m);
            fourth += centred.iter().map(|c| c * c).sum::<f64>().powi(2);
            for (i, along) in centred.iter().enumerate() {
                let row = &mut covariance[i * d..=i * d + i];
                row.iter_mut().zip(&centred).for_each(|(sum, c)| *sum += along * c / n);
            }
        }
        let diagonal: f64 = (0..d).map(|i| covariance[i * d + i]).sum();
        if diagonal <= 0.0 || diagonal.is_nan() {
            return None;
        }
        // Σ of all squares of S, of which the lower triangle is known.
        let below = |i: usize| covariance[i * d..i * d + i].iter().map(|c| c * c).sum::<f64>();
        let squares: f64 = (0..d).map(|i| 2.0 * below(i) + covariance[i * d + i].powi(2)).sum();
        let width = d as f64;
        let level = diagonal / width;
        let spread = (squares - width * level * level) / width;
        let noise = ((fourth / n - squares) / (width * n)).min(spread);
        let shrinkage = if noise <= 0.0 || spread <= 0.0 { 0.0 } else { noise / spread };
        covariance.iter_mut().for_each(|c| *c *= 1.0 - shrinkage);
        (0..d).for_each(|i| covariance[i * d + i] += shrinkage * level);
        // Only the factor is wanted, which is left in the matrix's lower triangle.
        solve(&mut covariance, &mut vec![0.0; d], d)?;
        Some(Self { mean, factor: covariance, shrinkage, n: points.len() })
    }

    /// The squared distance; `None` for another width.
    pub fn distance(&self, point: &[f64]) -> Option<f64> {
        let d = self.mean.len();
        if point.len() != d {
            return None;
        }
        let mut solved: Vec<f64> = Vec::with_capacity(d);
        for i in 0..d {
            let row = &self.factor[i * d..=i * d + i];
            let before: f64 = row.iter().zip(&solved).map(|(l, y)| l * y).sum();
            solved.push((point[i] - self.mean[i] - before) / row[i]);
        }
        Some(solved.iter().map(|y| y * y).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four corners of a square: S = I, nothing to shrink, distances are squares of lengths.
    #[test]
    fn a_square_by_hand() {
        let corners = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]].map(|point| point.to_vec());
        let cloud = Cloud::fit(&corners).unwrap();
        assert_eq!(cloud.shrinkage, 0.0);
        assert!((cloud.distance(&[3.0, 4.0]).unwrap() - 25.0).abs() < 1e-12);
        assert_eq!(cloud.distance(&[1.0]), None);
        assert!(Cloud::fit(&[vec![1.0, 2.0], vec![1.0, 2.0]]).is_none(), "nothing varies");
    }
}
