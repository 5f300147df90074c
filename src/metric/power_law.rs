//! L = a·N^−b + c: how loss falls with data or size (WorldPM, arXiv 2505.10527, after Hoffmann et al. 2022).
//!
//! a ≥ 0, c ≥ 0 and b make Σ ((a N_i^−b + c)/L_i − 1)² smallest: relative errors, which is what a fit on
//! logarithmic axes minimises where it fits well. For one b this is linear; b is found along a line.

/// Fewer sizes leave three numbers nothing to be wrong about.
pub const MIN_SIZES: usize = 4;
/// Exponents that are looked at.
const EXPONENTS: (f64, f64) = (1e-3, 4.0);
const GRID: usize = 400;
/// Steps that narrow the place of b; each by 0.618.
const STEPS: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    pub a: f64,
    pub b: f64,
    pub c: f64,
}

impl PowerLaw {
    pub fn at(&self, n: f64) -> f64 {
        self.a * n.powf(-self.b) + self.c
    }

    /// Of (N, L), N and L above 0; `None` for fewer than [`MIN_SIZES`] different N, and where no fall is found: the
    /// best exponent then lies at the end of what is looked at, or a is 0.
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let mut sizes: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let sound = |(n, l): &(f64, f64)| *n > 0.0 && *l > 0.0 && n.is_finite() && l.is_finite();
        if sizes.len() < MIN_SIZES || !points.iter().all(sound) {
            return None;
        }
        // In units of the geometric mean: powers of millions would leave nothing of a.
        let unit = (points.iter().map(|(n, _)| n.ln()).sum::<f64>() / points.len() as f64).exp();
        let scaled: Vec<(f64, f64)> = points.iter().map(|(n, l)| (n / unit, *l)).collect();
        let error = |log_b: f64| linear(&scaled, log_b.exp()).2;
        let (low, high) = (EXPONENTS.0.ln(), EXPONENTS.1.ln());
        let at = |i: usize| low + (high - low) * i as f64 / GRID as f64;
        let best = (0..=GRID).min_by(|&i, &j| error(at(i)).total_cmp(&error(at(j))))?;
        if best == 0 || best == GRID {
            return None;
        }
        let b = narrowed(error, at(best - 1), at(best + 1)).exp();
        let (a, c, _) = linear(&scaled, b);
        (a > 0.0).then(|| Self { a: a * unit.powf(b), b, c })
    }
}

/// The best a and c for one b, neither below 0, and their error.
fn linear(points: &[(f64, f64)], b: f64) -> (f64, f64, f64) {
    let (mut xx, mut xy, mut yy, mut x1, mut y1) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, l) in points {
        let (x, y) = (n.powf(-b) / l, 1.0 / l);
        xx += x * x;
        xy += x * y;
        yy += y * y;
        x1 += x;
        y1 += y;
    }
    let error = |a: f64, c: f64| points.iter().map(|(n, l)| ((a * n.powf(-b) + c) / l - 1.0).powi(2)).sum::<f64>();
    let determinant = xx * yy - xy * xy;
    let inside = ((x1 * yy - y1 * xy) / determinant, (y1 * xx - x1 * xy) / determinant);
    let candidates = [inside, (x1 / xx, 0.0), (0.0, y1 / yy)];
    let allowed = candidates.into_iter().filter(|(a, c)| *a >= 0.0 && *c >= 0.0);
    let with_error = allowed.map(|(a, c)| (a, c, error(a, c)));
    with_error.min_by(|one, other| one.2.total_cmp(&other.2)).unwrap_or((0.0, 0.0, f64::INFINITY))
}

/// Golden-section search.
fn narrowed(error: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    for _ in 0..STEPS {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if error(left) <= error(right) { high = right } else { low = left }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_law_is_found() {
        let planted = PowerLaw { a: 12.0, b: 0.35, c: 0.41 };
        let points: Vec<(f64, f64)> = [1e3, 3e3, 1e4, 3e4, 1e5, 1e6].map(|n| (n, planted.at(n))).to_vec();
        let found = PowerLaw::fit(&points).unwrap();
        for (found, planted) in [(found.a, 12.0), (found.b, 0.35), (found.c, 0.41)] {
            assert!((found / planted - 1.0).abs() < 1e-6, "{found} and {planted}");
        }
        // Scale of N does not matter to b and c.
        let larger: Vec<(f64, f64)> = points.iter().map(|(n, l)| (n * 1e6, *l)).collect();
        let other = PowerLaw::fit(&larger).unwrap();
        assert!((other.b - 0.35).abs() < 1e-6 && (other.c - 0.41).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_fall_has_no_law() {
        assert_eq!(PowerLaw::fit(&[(1.0, 0.5), (2.0, 0.5), (4.0, 0.5), (8.0, 0.5)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 0.4), (2.0, 0.5), (4.0, 0.6), (8.0, 0.7)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 0.9), (2.0, 0.7), (4.0, 0.6)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 0.9), (2.0, 0.7), (4.0, 0.6), (4.0, 0.6)]), None);
    }
}
