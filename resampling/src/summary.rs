//! What replicates of one number say.

use crate::clusters::Clusters;

/// Share of replicates that may be undefined before they say nothing.
pub const MAX_UNDEFINED: f64 = 0.05;

/// a − b, replicate by replicate.
pub fn differences(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Replicates of one number, those that are defined, as deviations from it.
#[derive(Debug, Clone)]
pub struct Summary {
    deviations: Vec<f32>,
    /// Standard deviation (n − 1) around their mean.
    pub sd: f64,
    /// Share below the number itself, half of those that equal it included.
    pub below: f64,
}

impl Summary {
    /// `None` where too many replicates are undefined, or where all agree: then resampling says nothing.
    pub fn new(deviations: &[f32]) -> Option<Self> {
        let defined: Vec<f32> = deviations.iter().copied().filter(|x| !x.is_nan()).collect();
        let undefined = (deviations.len() - defined.len()) as f64;
        if defined.len() < 2 || undefined > MAX_UNDEFINED * deviations.len() as f64 {
            return None;
        }
        let n = defined.len() as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for x in &defined {
            sum += f64::from(*x);
        }
        let mean = sum / n;
        for x in &defined {
            squares += (f64::from(*x) - mean).powi(2);
        }
        let sd = (squares / (n - 1.0)).sqrt();
        // Sums are f32: a replicate that equals the number may miss it by rounding.
        let same = (1e-5 * sd) as f32;
        if sd.is_nan() || sd <= 1e-9 {
            return None;
        }
        let (mut below, mut equal) = (0usize, 0usize);
        for x in &defined {
            below += usize::from(*x < -same);
            equal += usize::from(x.abs() <= same);
        }
        Some(Self { sd, below: (below as f64 + 0.5 * equal as f64) / n, deviations: defined })
    }

    /// q-quantiles of the deviations, in the order asked, by linear interpolation (Hyndman and Fan's type 7).
    pub fn quantiles<const K: usize>(&mut self, levels: [f64; K]) -> [f64; K] {
        levels.map(|level| self.quantile(level))
    }

    fn quantile(&mut self, level: f64) -> f64 {
        let last = self.deviations.len() - 1;
        let at = level.clamp(0.0, 1.0) * last as f64;
        let low = (at.floor() as usize).min(last);
        let (_, value, above) = self.deviations.select_nth_unstable_by(low, f32::total_cmp);
        let value = f64::from(*value);
        let next = above.iter().copied().fold(f32::INFINITY, f32::min);
        if next.is_finite() { value + (f64::from(next) - value) * (at - low as f64) } else { value }
    }

    /// Two-sided p of a statistic in standard deviations: how often resampling alone moves the number as far,
    /// the number itself counted in (Davison and Hinkley 1997, section 4.4).
    pub fn p_of(&self, statistic: f64) -> f64 {
        let far = ((statistic.abs() - 1e-5) * self.sd) as f32;
        let reached = self.deviations.iter().filter(|x| x.abs() >= far).count();
        (1 + reached) as f64 / (1 + self.deviations.len()) as f64
    }
}

/// What leaving clusters out says of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jackknife {
    /// Skewness term of BCa intervals (Davison and Hinkley 1997, section 5.3.2):
    /// Σ l³/n³ / (6 (Σ l²/n²)^{3/2}), l = (n − 1)(mean − value), n by stratum.
    pub acceleration: f64,
    /// Degrees of freedom of its variance: (Σ v)² / Σ v²/(n − 1), v the share of each stratum
    /// (Satterthwaite 1946). Few where a small stratum carries most of the weight.
    pub freedom: f64,
}

impl Jackknife {
    /// From the jackknife's deviations; `None` where some are undefined or nothing varies.
    pub fn new(deviations: &[f32], clusters: &Clusters) -> Option<Self> {
        let (mut cubes, mut squares, mut shares) = (0.0, 0.0, 0.0);
        for (n_clusters, range) in clusters.groups_by_stratum().filter(|(_, range)| range.len() > 1) {
            let values = &deviations[range];
            let n = values.len() as f64;
            let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
            let mut own = 0.0;
            for value in values {
                let l = (n - 1.0) * (mean - f64::from(*value)) / n;
                own += l * l;
                cubes += l * l * l;
            }
            squares += own;
            shares += own * own / (n_clusters as f64 - 1.0);
        }
        let found = Self { acceleration: cubes / (6.0 * squares.powf(1.5)), freedom: squares * squares / shares };
        (found.acceleration.is_finite() && found.freedom.is_finite()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut summary = Summary::new(&[0.0, 3.0, 1.0, 2.0, -1.0]).unwrap();
        assert_eq!(summary.below, 0.3);
        assert!((summary.sd - 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(summary.quantiles([0.0, 0.5, 0.625, 1.0]), [-1.0, 1.0, 1.5, 3.0]);
        // |deviation| ≥ 2: two of five, and the number itself.
        assert_eq!(summary.p_of(2.0 / summary.sd), 3.0 / 6.0);
        assert_eq!(summary.p_of(-9.0), 1.0 / 6.0);
    }

    #[test]
    fn undefined_and_constant_replicates_say_nothing() {
        assert!(Summary::new(&[f32::NAN, 1.0, 2.0]).is_none());
        assert!(Summary::new(&[0.0; 40]).is_none());
        assert!(Summary::new(&[]).is_none());
    }

    /// The mean of 0, 0, 0, 4: leaving one out moves it by +1/3, +1/3, +1/3, −1, so l = −1, −1, −1, 3 and
    /// a = 24 / (6 · 12^1.5), as for the mean in Efron and Tibshirani (1993, eq. 14.15).
    #[test]
    fn acceleration_of_a_mean() {
        let third = 1.0 / 3.0;
        let clusters = Clusters::new(4, vec![vec![0, 1, 2, 3]]);
        let found = Jackknife::new(&[third, third, third, -1.0], &clusters).unwrap();
        assert!((found.acceleration - 24.0 / (6.0 * 12f64.powf(1.5))).abs() < 1e-7, "{found:?}");
        assert!((found.freedom - 3.0).abs() < 1e-9);
        assert_eq!(Jackknife::new(&[0.0; 4], &clusters), None);
    }

    /// Two strata with equal shares of the variance, 2 and 4 clusters: (1 + 1)² / (1/1 + 1/3) = 3.
    #[test]
    fn freedom_of_two_strata() {
        let clusters = Clusters::new(6, vec![vec![0, 1], vec![2, 3, 4, 5]]);
        // Σ l² = ((n−1)/n)² Σ(x − mean)²: 2 a²/4 and 4 b² 9/16.
        let (a, b) = (3.0, 3.0 * (0.5f32 / 2.25).sqrt());
        let found = Jackknife::new(&[a, -a, b, -b, b, -b], &clusters).unwrap();
        assert!((found.freedom - 3.0).abs() < 1e-6, "{found:?}");
    }
}
