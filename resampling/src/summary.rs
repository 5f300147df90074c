//! What replicates of one number say.

use std::borrow::Cow;

use crate::clusters::Clusters;

/// Share of replicates that may be undefined before they say nothing.
pub const MAX_UNDEFINED: f64 = 0.05;

/// a − b, replicate by replicate; 0 where it is no more than both are rounded by.
pub fn differences(a: &[f32], b: &[f32]) -> Vec<f32> {
    let difference = |a: f32, b: f32| {
        let found = a - b;
        if found.abs() <= f32::EPSILON * a.abs() { 0.0 } else { found }
    };
    a.iter().zip(b).map(|(a, b)| difference(*a, *b)).collect()
}

/// Partial sums that do not wait for each other; their number is part of the result's last bits.
const APART: usize = 16;
/// Fewer values than this are searched as a whole for an order statistic.
const MANY: usize = 2_000;
/// Otherwise one in so many tells where to search.
const SAMPLED: usize = 16;

/// Σ term(x), the same on every processor.
#[inline]
fn sum(values: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0f64; APART];
    let (chunks, rest) = values.as_chunks::<APART>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += term(f64::from(*x));
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += term(f64::from(*x));
    }
    sums.iter().sum()
}

/// Σ x and Σ x².
#[inline]
fn moments(values: &[f32]) -> (f64, f64) {
    let (mut sums, mut squares) = ([0.0f64; APART], [0.0f64; APART]);
    let (chunks, rest) = values.as_chunks::<APART>();
    for chunk in chunks {
        for lane in 0..APART {
            let x = f64::from(chunk[lane]);
            sums[lane] += x;
            squares[lane] += x * x;
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        let x = f64::from(*x);
        sums[lane] += x;
        squares[lane] += x * x;
    }
    (sums.iter().sum(), squares.iter().sum())
}

/// How many values are as asked.
#[inline]
fn count(values: &[f32], asked: impl Fn(f32) -> bool) -> usize {
    // Short sums of narrow numbers fill vector registers.
    values.chunks(4_096).map(|chunk| chunk.iter().map(|x| u32::from(asked(*x))).sum::<u32>() as usize).sum()
}

/// Replicates of one number, those that are defined, as deviations from it.
#[derive(Debug, Clone)]
pub struct Summary<'a> {
    deviations: Cow<'a, [f32]>,
    /// Standard deviation (n − 1) around their mean.
    pub sd: f64,
}

impl<'a> Summary<'a> {
    /// `None` where too many replicates are undefined, or where all agree: then resampling says nothing.
    pub fn new(deviations: &'a [f32]) -> Option<Self> {
        let undefined = if moments(deviations).0.is_nan() { count(deviations, f32::is_nan) } else { 0 };
        let n = deviations.len() - undefined;
        if n < 2 || undefined as f64 > MAX_UNDEFINED * deviations.len() as f64 {
            return None;
        }
        let deviations = match undefined {
            0 => Cow::Borrowed(deviations),
            _ => deviations.iter().copied().filter(|x| !x.is_nan()).collect(),
        };
        // Deviations lie around 0: squares need no second pass around their mean.
        let (total, squares) = moments(&deviations);
        let sd = ((squares - total * total / n as f64).max(0.0) / (n as f64 - 1.0)).sqrt();
        (sd > 1e-9).then_some(Self { deviations, sd })
    }

    /// Share below the number itself, half of those that equal it included.
    pub fn below(&self) -> f64 {
        // Sums are f32: a replicate that equals the number may miss it by rounding.
        let same = (1e-5 * self.sd) as f32;
        let below = count(&self.deviations, |x| x < -same);
        let equal = count(&self.deviations, |x| x.abs() <= same);
        (below as f64 + 0.5 * equal as f64) / self.deviations.len() as f64
    }

    /// q-quantiles of the deviations, in the order asked, by linear interpolation (Hyndman and Fan's type 7).
    pub fn quantiles<const K: usize>(&self, levels: [f64; K]) -> [f64; K] {
        levels.map(|level| self.quantile(level))
    }

    fn quantile(&self, level: f64) -> f64 {
        let last = self.deviations.len() - 1;
        let at = level.clamp(0.0, 1.0) * last as f64;
        let low = (at.floor() as usize).min(last);
        let (value, next) = self.neighbours(low);
        if next.is_finite() { value + (next - value) * (at - low as f64) } else { value }
    }

    /// The values of a rank and of the one after it (infinity after the last). A sample says beyond which value the nearer
    /// tail reaches far enough, and only the tail is searched.
    fn neighbours(&self, rank: usize) -> (f64, f64) {
        let n = self.deviations.len();
        let from_above = rank > n / 2;
        let needed = if from_above { n - rank } else { (rank + 2).min(n) };
        let mut tail = self.tail(needed, from_above).unwrap_or_else(|| self.deviations.to_vec());
        let rank = if from_above { tail.len() - (n - rank) } else { rank };
        let (_, value, above) = tail.select_nth_unstable_by(rank, f32::total_cmp);
        (f64::from(*value), f64::from(above.iter().copied().fold(f32::INFINITY, f32::min)))
    }

    /// At least `needed` of the smallest or largest values, and all as small or large; `None` where the sample misses them.
    fn tail(&self, needed: usize, from_above: bool) -> Option<Vec<f32>> {
        let n = self.deviations.len();
        let mut sample: Vec<f32> = self.deviations.iter().step_by(SAMPLED).copied().collect();
        let aim = needed * 5 / (4 * SAMPLED) + 8;
        if n < MANY || aim >= sample.len() {
            return None;
        }
        let place = if from_above { sample.len() - 1 - aim } else { aim };
        let bound = *sample.select_nth_unstable_by(place, f32::total_cmp).1;
        let mut tail = vec![0.0; n];
        let mut kept = 0;
        // Written always and counted where it is wanted: a branch would often be guessed wrong.
        for x in self.deviations.iter() {
            tail[kept] = *x;
            kept += usize::from(if from_above { *x >= bound } else { *x <= bound });
        }
        tail.truncate(kept);
        (kept >= needed).then_some(tail)
    }

    /// Two-sided p of a statistic in standard deviations: how often resampling alone moves the number as far,
    /// the number itself counted in (Davison and Hinkley 1997, section 4.4).
    pub fn p_of(&self, statistic: f64) -> f64 {
        let far = ((statistic.abs() - 1e-5) * self.sd) as f32;
        let reached = count(&self.deviations, |x| x.abs() >= far);
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
            let mean = sum(values, |x| x) / n;
            let l = |value: f64| (n - 1.0) * (mean - value) / n;
            let own = sum(values, |x| l(x).powi(2));
            cubes += sum(values, |x| l(x).powi(3));
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
        let summary = Summary::new(&[0.0, 3.0, 1.0, 2.0, -1.0]).unwrap();
        assert_eq!(summary.below(), 0.3);
        assert!((summary.sd - 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(summary.quantiles([0.0, 0.5, 0.625, 1.0]), [-1.0, 1.0, 1.5, 3.0]);
        // |deviation| ≥ 2: two of five, and the number itself.
        assert_eq!(summary.p_of(2.0 / summary.sd), 3.0 / 6.0);
        assert_eq!(summary.p_of(-9.0), 1.0 / 6.0);
    }

    /// Skewed, with many equal values, with undefined ones: what a whole sort gives.
    #[test]
    fn order_statistics_are_those_of_sorted_values() {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let skewed: Vec<f32> = (0..10_000).map(|_| next().powi(8)).collect();
        let coarse: Vec<f32> = (0..10_000).map(|_| (next() * 7.0).floor()).collect();
        let rising: Vec<f32> = (0..3_000).map(|i| i as f32).collect();
        let holes: Vec<f32> = (0..4_000).map(|i| if i % 50 == 0 { f32::NAN } else { next() }).collect();
        // Every sampled value is large, so the sample misses the small ones.
        let unlucky: Vec<f32> = (0..4_000).map(|i| if i % SAMPLED == 0 { 9.0 } else { next() }).collect();
        for values in [skewed, coarse, rising, holes, unlucky] {
            let summary = Summary::new(&values).unwrap();
            let mut sorted: Vec<f32> = values.iter().copied().filter(|x| !x.is_nan()).collect();
            sorted.sort_unstable_by(f32::total_cmp);
            for level in [0.0, 1e-4, 0.003, 0.025, 0.3, 0.5, 0.51, 0.8, 0.975, 0.9999, 1.0] {
                let at = level * (sorted.len() - 1) as f64;
                let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
                let exact = f64::from(low) + (f64::from(high) - f64::from(low)) * at.fract();
                assert!((summary.quantiles([level])[0] - exact).abs() < 1e-12, "{level}");
            }
        }
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
