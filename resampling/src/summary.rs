//! What replicates of one number say.

/// Share of replicates that may be undefined before they say nothing.
pub const MAX_UNDEFINED: f64 = 0.05;

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

    /// Two-sided p of "the number is 0", from replicates around it: how often resampling alone moves it as
    /// far as it lies from 0, the number itself counted in (Davison and Hinkley 1997, section 4.4).
    pub fn p_of_zero(&self, point: f64) -> f64 {
        let far = point.abs() - 1e-5 * self.sd;
        let reached = self.deviations.iter().filter(|x| f64::from(x.abs()) >= far).count();
        (1 + reached) as f64 / (1 + self.deviations.len()) as f64
    }
}

/// The acceleration of BCa intervals from jackknife deviations, stratum by stratum (Davison and Hinkley
/// 1997, section 5.3.2): Σ l³/n³ / (6 (Σ l²/n²)^{3/2}) with l = (n − 1)(mean − value). `None` where some are
/// undefined or nothing varies.
pub fn acceleration(deviations: &[f32], strata: &[Vec<u32>]) -> Option<f64> {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for stratum in strata.iter().filter(|stratum| stratum.len() > 1) {
        let n = stratum.len() as f64;
        let mean = stratum.iter().map(|c| f64::from(deviations[*c as usize])).sum::<f64>() / n;
        for cluster in stratum {
            let l = (n - 1.0) * (mean - f64::from(deviations[*cluster as usize])) / n;
            squares += l * l;
            cubes += l * l * l;
        }
    }
    let a = cubes / (6.0 * squares.powf(1.5));
    a.is_finite().then_some(a)
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
        assert_eq!(summary.p_of_zero(2.0), 3.0 / 6.0);
        assert_eq!(summary.p_of_zero(-9.0), 1.0 / 6.0);
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
        let a = acceleration(&[third, third, third, -1.0], &[vec![0, 1, 2, 3]]).unwrap();
        assert!((a - 24.0 / (6.0 * 12f64.powf(1.5))).abs() < 1e-7, "{a}");
        assert_eq!(acceleration(&[0.0; 4], &[vec![0, 1, 2, 3]]), None);
    }
}
