//! Is the probability that a margin stands for the share of right preferences?
//!
//! p = σ(a · margin), the Bradley–Terry probability that the chosen response is preferred; a = 1/T, 1 as
//! trained. Every pair counts in both orders: (p, 1) and (1 − p, 0), so that an answer's side says nothing.
//!
//! | measure | formula over B equal bins of p, right edges closed | source |
//! |---|---|---|
//! | ECE | Σ_b \|Σp − Σy\| / N | spec 4.1, MORE |
//! | ACE | mean over bins that hold pairs of \|p̄ − ȳ\| | |
//! | MCE | the largest \|p̄ − ȳ\| | |
//! | debiased RMS | √max(0, Σ_b n_b/N [(p̄ − ȳ)² − ȳ(1 − ȳ)/(n_b − 1)]) | Kumar, Liang and Ma 2019 |
//! | Brier | mean (p − y)² = reliability − resolution + uncertainty + within bins | Murphy 1973, Stephenson et al. 2008 |
//!
//! ECE, ACE and MCE are positive even for a calibrated model, the more so the fewer the items; the debiased
//! error is not.

/// Bins of ECE where nothing else is asked for.
pub const BINS: usize = 10;

/// Sums that a bin is known by, in [`Binned::from_sums`].
pub const SUMS: usize = 3;

pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// Where p falls among bins of equal width with closed right edges; 0 is in the first.
pub fn bin(p: f64, bins: usize) -> usize {
    ((p * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

/// Sums over a bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    n: f64,
    p: f64,
    y: f64,
    pp: f64,
    py: f64,
}

/// Binned predictions in both orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Binned {
    bins: Vec<Bin>,
}

/// Parts of the Brier score: reliability − resolution + uncertainty + within = the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brier {
    pub score: f64,
    /// Σ n_b/N (p̄ − ȳ)²: what miscalibration costs.
    pub reliability: f64,
    /// Σ n_b/N (ȳ − ȳ_all)²: what telling pairs apart gains.
    pub resolution: f64,
    /// ȳ_all(1 − ȳ_all): ¼ in both orders.
    pub uncertainty: f64,
    /// Variance of p less twice its covariance with y inside bins.
    pub within: f64,
}

impl Binned {
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![Bin::default(); bins] }
    }

    /// A pair whose chosen response has probability `p`, in both orders.
    pub fn add(&mut self, p: f64, weight: f64) {
        for (p, y) in [(p, 1.0), (1.0 - p, 0.0)] {
            let at = bin(p, self.bins.len());
            let bin = &mut self.bins[at];
            bin.n += weight;
            bin.p += weight * p;
            bin.y += weight * y;
            bin.pp += weight * p * p;
            bin.py += weight * p * y;
        }
    }

    /// From [`SUMS`] sums per bin: n, Σ p, Σ y. The parts of the Brier score that look inside bins are then 0.
    pub fn from_sums(sums: &[f64]) -> Self {
        let bin = |own: &[f64]| Bin { n: own[0], p: own[1], y: own[2], ..Bin::default() };
        Self { bins: sums.chunks_exact(SUMS).map(bin).collect() }
    }

    /// The same with every `k` neighbouring bins as one: edges are closed on the right, so those of fewer bins are among
    /// those of more.
    pub fn coarser(&self, k: usize) -> Self {
        let joined = |own: &[Bin]| {
            own.iter().fold(Bin::default(), |sum, bin| Bin {
                n: sum.n + bin.n,
                p: sum.p + bin.p,
                y: sum.y + bin.y,
                pp: sum.pp + bin.pp,
                py: sum.py + bin.py,
            })
        };
        Self { bins: self.bins.chunks(k.max(1)).map(joined).collect() }
    }

    fn n(&self) -> f64 {
        self.bins.iter().map(|bin| bin.n).sum()
    }

    fn filled(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().filter(|bin| bin.n > 0.0)
    }

    pub fn ece(&self) -> Option<f64> {
        let n = self.n();
        (n > 0.0).then(|| self.bins.iter().map(|bin| (bin.p - bin.y).abs()).sum::<f64>() / n)
    }

    pub fn ace(&self) -> Option<f64> {
        let gaps: Vec<f64> = self.filled().map(|bin| ((bin.p - bin.y) / bin.n).abs()).collect();
        (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64)
    }

    pub fn mce(&self) -> Option<f64> {
        self.filled().map(|bin| ((bin.p - bin.y) / bin.n).abs()).reduce(f64::max)
    }

    pub fn debiased(&self) -> Option<f64> {
        let n = self.n();
        let squares = self.filled().map(|bin| {
            let (p, y) = (bin.p / bin.n, bin.y / bin.n);
            let noise = if bin.n > 1.0 { y * (1.0 - y) / (bin.n - 1.0) } else { 0.0 };
            bin.n / n * ((p - y).powi(2) - noise)
        });
        (n > 0.0).then(|| squares.sum::<f64>().max(0.0).sqrt())
    }

    pub fn brier(&self) -> Option<Brier> {
        let n = self.n();
        if n <= 0.0 {
            return None;
        }
        let all = self.bins.iter().map(|bin| bin.y).sum::<f64>() / n;
        let mut parts =
            Brier { score: 0.0, reliability: 0.0, resolution: 0.0, uncertainty: all * (1.0 - all), within: 0.0 };
        for bin in self.filled() {
            let (p, y) = (bin.p / bin.n, bin.y / bin.n);
            // y² = y.
            parts.score += (bin.pp - 2.0 * bin.py + bin.y) / n;
            parts.reliability += bin.n / n * (p - y).powi(2);
            parts.resolution += bin.n / n * (y - all).powi(2);
            let variance = bin.pp / bin.n - p * p;
            let covariance = bin.py / bin.n - p * y;
            parts.within += bin.n / n * (variance - 2.0 * covariance);
        }
        Some(parts)
    }

    /// (n, mean p, share of y) of a bin that holds pairs.
    pub fn point(&self, at: usize) -> Option<(f64, f64, f64)> {
        let bin = self.bins.get(at).filter(|bin| bin.n > 0.0)?;
        Some((bin.n, bin.p / bin.n, bin.y / bin.n))
    }
}

/// The slope a that maximises Σ w ln σ(a · margin) over (margin, w): Newton's method on a concave function. The
/// temperature is 1/a; 400/ln 10 · a is the Elo difference that a unit of reward stands for.
///
/// `None` where no finite a is best: every margin is on one side.
pub fn slope(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut right, mut wrong, mut squares, mut n) = (0.0, 0.0, 0.0, 0.0);
    for (margin, weight) in pairs {
        right += weight * f64::from(u8::from(*margin > 0.0));
        wrong += weight * f64::from(u8::from(*margin < 0.0));
        squares += weight * margin * margin;
        n += weight;
    }
    if right <= 0.0 || wrong <= 0.0 {
        return None;
    }
    // In units of the margins' own size, so that steps and their end mean the same whatever the scale.
    let size = (squares / n).sqrt();
    let likelihood = |a: f64| pairs.iter().map(|(margin, w)| w * ln_sigmoid(a * margin / size)).sum::<f64>();
    let mut a = 0.0;
    let mut best = likelihood(a);
    for _ in 0..60 {
        let (mut gradient, mut curvature) = (0.0, 0.0);
        for (margin, weight) in pairs {
            let [g, c] = slope_terms(a, margin / size);
            gradient += weight * g;
            curvature += weight * c;
        }
        let mut step = gradient / curvature.max(1e-300);
        let mut next = likelihood(a + step);
        // Near the top the likelihood is flat to its last digits, and the gradient still knows the way.
        let worse = |next: f64| next < best - 1e-12 * best.abs();
        while worse(next) && step.abs() > 1e-14 {
            step /= 2.0;
            next = likelihood(a + step);
        }
        if worse(next) {
            break;
        }
        a += step;
        best = next;
        if step.abs() <= 1e-10 * (1.0 + a.abs()) {
            break;
        }
    }
    a.is_finite().then(|| a / size)
}

/// What one margin adds at slope a to the likelihood's gradient and to its curvature (with the sign turned):
/// (1 − p) m and p (1 − p) m². The sum of the first is 0 at the best slope; over resampled items, a plus the quotient
/// of the sums is one step of Newton's method towards their slope, as in [`logistic::one_step`](crate::logistic::one_step).
pub fn slope_terms(a: f64, margin: f64) -> [f64; 2] {
    let p = sigmoid(a * margin);
    [(1.0 - p) * margin, p * (1.0 - p) * margin * margin]
}

/// (cluster, margin, weight) of a pair of responses.
pub type Pair = (u32, f64, f64);

/// What clusters add to one sum.
pub type Terms = Vec<(u32, f64)>;

/// Where both orders of a pair fall at slope a: (p, 1) and (1 − p, 0).
fn orders(a: f64, margin: f64) -> [(f64, f64); 2] {
    [(sigmoid(a * margin), 1.0), (sigmoid(-a * margin), 0.0)]
}

/// The sums of [`Binned::from_sums`] at slope 1.
pub fn bin_terms(pairs: &[Pair], bins: usize) -> Vec<Terms> {
    let mut sums = vec![Vec::new(); bins * SUMS];
    for (cluster, margin, weight) in pairs {
        for (p, y) in orders(1.0, *margin) {
            let own = &mut sums[bin(p, bins) * SUMS..][..SUMS];
            own.iter_mut().zip([1.0, p, y]).for_each(|(sum, value)| sum.push((*cluster, weight * value)));
        }
    }
    sums
}

/// The best slope and the terms of its gradient and curvature, [`slope_terms`].
pub fn fit_terms(pairs: &[Pair]) -> Option<(f64, [Terms; 2])> {
    let weighted: Vec<(f64, f64)> = pairs.iter().map(|(_, margin, weight)| (*margin, *weight)).collect();
    let a = slope(&weighted)?;
    let mut terms = [Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len())];
    for (cluster, margin, weight) in pairs {
        let own = slope_terms(a, *margin);
        terms.iter_mut().zip(own).for_each(|(terms, term)| terms.push((*cluster, weight * term)));
    }
    Some((a, terms))
}

/// Σ (p − y) of each bin at slope a, then its derivative by the slope, Σ p (1 − p) m for (p, 1) and the opposite for
/// (1 − p, 0), then Σ 2 · weight. Pairs stay in the bins of slope a.
pub fn transfer_terms(a: f64, pairs: &[Pair]) -> Vec<Terms> {
    let mut sums = vec![Vec::new(); 2 * BINS + 1];
    for (cluster, margin, weight) in pairs {
        for (p, y) in orders(a, *margin) {
            let at = bin(p, BINS);
            sums[at].push((*cluster, weight * (p - y)));
            sums[BINS + at].push((*cluster, weight * p * (1.0 - p) * margin * (2.0 * y - 1.0)));
        }
        sums[2 * BINS].push((*cluster, 2.0 * weight));
    }
    sums
}

/// ln σ(x) without overflow.
pub fn ln_sigmoid(x: f64) -> f64 {
    if x >= 0.0 { -(-x).exp().ln_1p() } else { x - x.exp().ln_1p() }
}

/// The Elo difference of one unit of reward at slope 1.
pub const ELO: f64 = 400.0 / std::f64::consts::LN_10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_edges_are_closed() {
        let of = |p| bin(p, 10);
        assert_eq!((of(0.0), of(0.1), of(0.100001), of(0.5), of(1.0)), (0, 0, 1, 4, 9));
    }

    #[test]
    fn the_parts_of_the_brier_score_add_up() {
        let mut binned = Binned::new(10);
        for i in 0..97 {
            binned.add(sigmoid(f64::from(i * 37 % 97) / 20.0 - 1.7), 1.0 + f64::from(i % 3));
        }
        let parts = binned.brier().unwrap();
        let sum = parts.reliability - parts.resolution + parts.uncertainty + parts.within;
        assert!((parts.score - sum).abs() < 1e-12, "{parts:?}");
        assert!((parts.uncertainty - 0.25).abs() < 1e-12);
    }

    #[test]
    fn sums_make_the_same_bins() {
        let mut binned = Binned::new(10);
        let mut sums = [0.0; 10 * SUMS];
        for i in 0..50 {
            let p = sigmoid(f64::from(i * 31 % 50) / 9.0 - 2.0);
            binned.add(p, 1.0);
            for (p, y) in [(p, 1.0), (1.0 - p, 0.0)] {
                let own = &mut sums[bin(p, 10) * SUMS..][..SUMS];
                own.iter_mut().zip([1.0, p, y]).for_each(|(sum, value)| *sum += value);
            }
        }
        let found = Binned::from_sums(&sums);
        assert_eq!((found.ece(), found.ace(), found.debiased()), (binned.ece(), binned.ace(), binned.debiased()));
    }

    #[test]
    fn fewer_bins_are_made_of_more() {
        let [mut five, mut ten, mut twenty] = [5, 10, 20].map(Binned::new);
        for i in 0..=40 {
            // Edges included.
            for binned in [&mut five, &mut ten, &mut twenty] {
                binned.add(f64::from(i) / 40.0, 1.0 + f64::from(i % 2));
            }
        }
        for (fewer, k) in [(&five, 4), (&ten, 2), (&twenty, 1)] {
            let made = twenty.coarser(k);
            for (a, b) in [(fewer.ece(), made.ece()), (fewer.ace(), made.ace()), (fewer.mce(), made.mce())] {
                assert!((a.unwrap() - b.unwrap()).abs() < 1e-12, "{k}");
            }
        }
    }

    #[test]
    fn a_slope_knows_the_unit() {
        let margins = [2.0, -1.0, 0.5, 3.0, -0.2, 1.0];
        let of = |unit: f64| slope(&margins.map(|m| (m * unit, 1.0))).unwrap();
        assert!((of(1.0) - 1000.0 * of(1000.0)).abs() < 1e-8);
        assert_eq!(slope(&[(1.0, 1.0), (2.0, 1.0)]), None);
    }
}
