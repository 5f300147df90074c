//! Where rewards of chosen responses begin to outnumber those of rejected ones (SSPO).
//!
//! Both densities are estimated with Gaussian kernels (scipy's `gaussian_kde`: Scott's rule, h = s·n^{−1/5});
//! the threshold is where they cross between the two means.

/// Sample standard deviation times Scott's factor; `None` where nothing varies.
fn bandwidth(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let width = variance.sqrt() * n.powf(-0.2);
    (width > 0.0 && width.is_finite()).then_some(width)
}

fn density(values: &[f64], width: f64, x: f64) -> f64 {
    let kernel = |v: &f64| (-0.5 * ((x - v) / width).powi(2)).exp();
    let norm = values.len() as f64 * width * (2.0 * std::f64::consts::PI).sqrt();
    values.iter().map(kernel).sum::<f64>() / norm
}

/// The crossing; the middle of the means where the densities do not cross between them, or one of them has no
/// width. `None` without rewards on both sides.
pub fn crossing(chosen: &[f64], rejected: &[f64]) -> Option<f64> {
    if chosen.is_empty() || rejected.is_empty() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mut low, mut high) = (mean(rejected), mean(chosen));
    let middle = 0.5 * (low + high);
    let (Some(of_chosen), Some(of_rejected)) = (bandwidth(chosen), bandwidth(rejected)) else { return Some(middle) };
    let lead = |x: f64| density(chosen, of_chosen, x) - density(rejected, of_rejected, x);
    if low >= high || lead(low) >= 0.0 || lead(high) <= 0.0 {
        return Some(middle);
    }
    for _ in 0..100 {
        let half = 0.5 * (low + high);
        if lead(half) < 0.0 { low = half } else { high = half }
    }
    Some(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/reference/objectives.py`: scipy.stats.gaussian_kde and brentq.
    #[test]
    fn the_crossing_is_scipys() {
        let chosen = [0.9, 1.4, 0.2, 2.1, 1.1, 0.7];
        let rejected = [-0.3, 0.4, -1.2, 0.1, 0.6];
        let found = crossing(&chosen, &rejected).unwrap();
        assert!((found - 0.543_788_270_601_284_2).abs() < 1e-12, "{found}");
    }

    #[test]
    fn without_two_densities_it_is_the_middle() {
        assert_eq!(crossing(&[2.0], &[0.0, 1.0]), Some(1.25));
        assert_eq!(crossing(&[0.0, 0.5], &[1.0, 2.0]), Some(0.875));
        assert_eq!(crossing(&[], &[1.0]), None);
    }
}
