//! Correlations of paired values: Pearson's r, Spearman's ρ, Kendall's τ-b. `None` for fewer than two
//! pairs, or where one side does not vary.

/// Sums over pairs (x, y): n, Σ x, Σ y, Σ x², Σ y², Σ xy. Values should be taken from somewhere near their means, or
/// differences of large numbers lose their digits.
pub const MOMENTS: usize = 6;

/// What one pair adds to the sums.
pub fn moments(x: f64, y: f64) -> [f64; MOMENTS] {
    [1.0, x, y, x * x, y * y, x * y]
}

/// n, the means, and the sums of squares and products around them; `None` for fewer than two pairs.
pub(crate) fn centred(sums: &[f64]) -> Option<(f64, [f64; 2], [f64; 3])> {
    let &[n, x, y, xx, yy, xy] = sums else { return None };
    let (mx, my) = (x / n, y / n);
    (n >= 2.0).then_some((n, [mx, my], [xx - n * mx * mx, yy - n * my * my, xy - n * mx * my]))
}

/// Pearson's r from the sums of [`moments`].
pub fn pearson_of_moments(sums: &[f64]) -> Option<f64> {
    let (_, _, [xx, yy, xy]) = centred(sums)?;
    // What subtraction leaves of constant values is a trace of the squares.
    (xx > 1e-12 * sums[3] && yy > 1e-12 * sums[4]).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len()) as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
        xy += (x - mean_x) * (y - mean_y);
    }
    // Rounding leaves a trace of variance in constant values that are far from zero.
    let floor = |mean: f64| n * (1e-14 * mean).powi(2);
    (n >= 2.0 && xx > floor(mean_x) && yy > floor(mean_y)).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Pearson's r of the ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

/// Standard error of Pearson's r whatever the distribution: what a pair adds is (z_x z_y − r (z_x² + z_y²)/2)/n, z in standard
/// deviations from the means (Devlin, Gnanadesikan and Kettenring 1975). `None` where r is undefined.
pub fn pearson_error(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let (mean_x, mean_y) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
    }
    let (sd_x, sd_y) = ((xx / n).sqrt(), (yy / n).sqrt());
    let r = xy / n / (sd_x * sd_y);
    let squares: f64 = pairs
        .iter()
        .map(|(x, y)| {
            let (x, y) = ((x - mean_x) / sd_x, (y - mean_y) / sd_y);
            let added = x * y - r * (x * x + y * y) / 2.0;
            added * added
        })
        .sum();
    let error = (squares / (n * (n - 1.0))).sqrt();
    (error.is_finite() && error > 0.0).then_some(error)
}

/// Bounds around the correlation of `n` pairs by Fisher's transformation, `z` standard errors wide to each side: 1/√(n − 3) on
/// the scale of artanh r, for ranks √((1 + ρ²/2) / (n − 3)) (Bonett and Wright 2000). `None` for fewer than four pairs
/// or a perfect correlation, of which nothing can be said so.
pub fn fisher(r: f64, n: f64, z: f64, of_ranks: bool) -> Option<(f64, f64)> {
    let inflation = if of_ranks { 1.0 + r * r / 2.0 } else { 1.0 };
    let error = (inflation / (n - 3.0)).sqrt();
    let middle = r.atanh();
    (n > 3.0 && middle.is_finite()).then(|| ((middle - z * error).tanh(), (middle + z * error).tanh()))
}

/// Ranks from 1; equals share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0.0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let count = group.len() as f64;
        for index in group {
            ranks[*index] = before + (count + 1.0) / 2.0;
        }
        before += count;
    }
    ranks
}

/// Pearson's r of pairs that occur `weights` times.
pub fn weighted_pearson(x: &[f64], y: &[f64], weights: &[f64]) -> Option<f64> {
    let n: f64 = weights.iter().sum();
    if n < 2.0 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for ((x, y), w) in x.iter().zip(y).zip(weights) {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += w * x * x;
        yy += w * y * y;
        xy += w * x * y;
    }
    let floor = |mean: f64| n * (1e-14 * mean).powi(2);
    (xx > floor(mean_x) && yy > floor(mean_y)).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Values in order, so that ranks for other weights need one pass.
pub struct Ranked {
    /// Places of equal values, from the lowest.
    groups: Vec<Vec<usize>>,
}

impl Ranked {
    pub fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        Self { groups: order.chunk_by(|a, b| values[*a] == values[*b]).map(<[usize]>::to_vec).collect() }
    }

    /// The rank that each value has where it occurs `weights` times.
    pub fn ranks(&self, weights: &[f64]) -> Vec<f64> {
        let mut ranks = vec![0.0; weights.len()];
        let mut before = 0.0;
        for group in &self.groups {
            let count: f64 = group.iter().map(|at| weights[*at]).sum();
            group.iter().for_each(|at| ranks[*at] = before + (count + 1.0) / 2.0);
            before += count;
        }
        ranks
    }
}

/// Spearman's ρ of pairs that occur `weights` times.
pub fn weighted_spearman(x: &Ranked, y: &Ranked, weights: &[f64]) -> Option<f64> {
    weighted_pearson(&x.ranks(weights), &y.ranks(weights), weights)
}

/// τ-b = (concordant − discordant)/√((pairs − ties in x)(pairs − ties in y)).
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    let (mut score, mut in_x, mut in_y) = (0.0, 0.0, 0.0);
    for i in 0..n {
        for j in 0..i {
            let sign = |a: f64, b: f64| {
                if a > b {
                    1.0
                } else if a < b {
                    -1.0
                } else {
                    0.0f64
                }
            };
            let (dx, dy) = (sign(x[i], x[j]), sign(y[i], y[j]));
            score += dx * dy;
            in_x += dx * dx;
            in_y += dy * dy;
        }
    }
    (in_x > 0.0 && in_y > 0.0).then(|| score / (in_x * in_y).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_give_the_correlation_of_the_values() {
        let x = [1.0, 2.0, 4.0, 3.5, -1.0];
        let y = [0.5, 2.5, 3.0, 4.0, 0.0];
        let mut sums = [0.0; MOMENTS];
        for (x, y) in x.iter().zip(y) {
            sums.iter_mut().zip(moments(*x, y)).for_each(|(sum, value)| *sum += value);
        }
        assert!((pearson_of_moments(&sums).unwrap() - pearson(&x, &y).unwrap()).abs() < 1e-14);
        let constant = [3.0, 0.3, 3.0, 0.03, 5.0, 0.3];
        assert_eq!(pearson_of_moments(&constant), None);
        assert_eq!(pearson(&[1.0], &[2.0]), None);
        assert_eq!(pearson(&[0.1; 4], &[1.0, 2.0, 3.0, 4.0]), None);
    }
}
