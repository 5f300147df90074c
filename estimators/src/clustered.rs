//! A straight line through observations that depend on each other in two ways.
//!
//! y = α + β x + e by least squares. Observations of one group may depend on each other: of one language, and of one
//! source item. V = V_first + V_second − V_both, each V_g = c_g Σ_groups (Σ_group (x − x̄) e / Σ (x − x̄)²)² with c_g =
//! G/(G − 1) · (n − 1)/(n − 2) (Cameron, Gelbach and Miller 2011; statsmodels' `cov_type="cluster"` with two groups).

use std::collections::HashMap;
use std::hash::Hash;

/// One observation: x, y, and its two groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    pub x: f64,
    pub y: f64,
    pub groups: [u32; 2],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    pub slope: f64,
    /// `None` where the difference above is not positive, which few groups can bring about.
    pub error: Option<f64>,
    /// Groups of the way that has fewer.
    pub groups: usize,
}

/// `None` for fewer than three observations, or where x does not vary.
pub fn slope(all: &[Observation]) -> Option<Slope> {
    let n = all.len() as f64;
    let mean = |of: fn(&Observation) -> f64| all.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|o| o.x), mean(|o| o.y));
    let (mut xx, mut xy) = (0.0, 0.0);
    for o in all {
        xx += (o.x - mean_x) * (o.x - mean_x);
        xy += (o.x - mean_x) * (o.y - mean_y);
    }
    if n < 3.0 || xx <= n * (1e-9 * mean_x.abs().max(1e-300)).powi(2) {
        return None;
    }
    let slope = xy / xx;
    let added = |o: &Observation| (o.x - mean_x) * (o.y - mean_y - slope * (o.x - mean_x)) / xx;
    let added: Vec<f64> = all.iter().map(added).collect();
    let (first, n_first) = variance(all.iter().map(|o| o.groups[0]), &added);
    let (second, n_second) = variance(all.iter().map(|o| o.groups[1]), &added);
    let (both, _) = variance(all.iter().map(|o| o.groups), &added);
    let variance = first + second - both;
    let error = (n_first.min(n_second) > 1 && variance.is_finite() && variance > 0.0).then(|| variance.sqrt());
    Some(Slope { slope, error, groups: n_first.min(n_second) })
}

/// V of one way of grouping, and how many groups there are.
fn variance<G: Hash + Eq + Copy>(groups: impl Iterator<Item = G>, added: &[f64]) -> (f64, usize) {
    let mut number: HashMap<G, usize> = HashMap::new();
    let mut sums: Vec<f64> = Vec::new();
    for (group, added) in groups.zip(added) {
        let at = *number.entry(group).or_insert_with(|| {
            sums.push(0.0);
            sums.len() - 1
        });
        sums[at] += added;
    }
    let (n, g) = (added.len() as f64, sums.len() as f64);
    let scale = g / (g - 1.0) * (n - 1.0) / (n - 2.0);
    (scale * sums.iter().map(|sum| sum * sum).sum::<f64>(), sums.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_noise_and_one_without_slope() {
        let on = |i: u32, y: f64| Observation { x: f64::from(i % 5), y, groups: [i % 5, i] };
        let line: Vec<Observation> = (0..20).map(|i| on(i, 1.0 + 0.5 * f64::from(i % 5))).collect();
        let found = slope(&line).unwrap();
        assert!((found.slope - 0.5).abs() < 1e-12 && found.groups == 5);
        let flat: Vec<Observation> = line.iter().map(|o| Observation { x: 2.0, ..*o }).collect();
        assert_eq!(slope(&flat), None);
    }
}
