//! Correlations of paired values: Pearson's r, Spearman's ρ, Kendall's τ-b. `None` for fewer than two
//! pairs, or where one side does not vary.

/// Σ w and the means of x and y of pairs (x, y, w); `None` for fewer than two.
pub(super) fn means(pairs: impl Iterator<Item = (f64, f64, f64)>) -> Option<(f64, f64, f64)> {
    let (mut n, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (x, y, w) in pairs {
        n += w;
        x_sum += w * x;
        y_sum += w * y;
    }
    if n < 2.0 {
        return None;
    }
    Some((n, x_sum / n, y_sum / n))
}

/// Pearson's r of pairs with weights; weights count pairs, so they need not sum to 1.
pub fn weighted_pearson(pairs: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Option<f64> {
    let (n, mean_x, mean_y) = means(pairs.clone())?;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y, w) in pairs {
        xx += w * (x - mean_x) * (x - mean_x);
        yy += w * (y - mean_y) * (y - mean_y);
        xy += w * (x - mean_x) * (y - mean_y);
    }
    // Rounding leaves a trace of variance in constant values that are far from zero.
    let floor = |mean: f64| n * (1e-14 * mean).powi(2);
    (xx > floor(mean_x) && yy > floor(mean_y)).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    weighted_pearson(x.iter().zip(y).map(|(x, y)| (*x, *y, 1.0)))
}

/// Pearson's r of the ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
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

/// Values in order, so that ranks for other weights need one pass.
pub struct Ranked {
    /// Places of equal values, from the lowest.
    groups: Vec<Vec<usize>>,
    n: usize,
}

impl Ranked {
    pub fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let groups = order.chunk_by(|a, b| values[*a] == values[*b]).map(<[usize]>::to_vec).collect();
        Self { groups, n: values.len() }
    }

    /// The rank that each value has where it occurs `weight` times.
    pub fn ranks(&self, weight: &dyn Fn(usize) -> f64) -> Vec<f64> {
        let mut ranks = vec![0.0; self.n];
        let mut before = 0.0;
        for group in &self.groups {
            let count: f64 = group.iter().map(|at| weight(*at)).sum();
            group.iter().for_each(|at| ranks[*at] = before + (count + 1.0) / 2.0);
            before += count;
        }
        ranks
    }
}

/// Spearman's ρ of pairs that occur `weight` times.
pub fn weighted_spearman(x: &Ranked, y: &Ranked, weight: &dyn Fn(usize) -> f64) -> Option<f64> {
    let (x, y) = (x.ranks(weight), y.ranks(weight));
    weighted_pearson(x.iter().zip(&y).enumerate().map(|(at, (x, y))| (*x, *y, weight(at))))
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
