//! Intervals of calibration errors over bins: sums and largest ones of absolute gaps, which noise makes larger
//! ([`crate::metric::magnitude`]). A bin and its mirror hold the same pairs in the other order, so they are one part of a sum.

use crate::metric::Interval;
use crate::metric::calibration::SUMS;
use crate::metric::columns::ColumnId;
use crate::metric::magnitude::Size;
use crate::metric::resample::{Answers, Number, Numbers};

/// A bin with fewer items has noise of its own that resampling does not see: the mean and the largest gap over bins, where
/// each counts alike, then have no interval.
const MIN_IN_BIN: f64 = 10.0;

pub const SPARSE: &str = "no interval: a bin holds fewer than 10 items";
pub const SAME: &str = "no interval: the same in every resample, or undefined in too many";

/// What an interval is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Error {
    Ece,
    Ace,
    Mce,
    /// Root mean square, less noise.
    Debiased,
    Reliability,
    Resolution,
}

/// The parts of a group's errors.
pub struct Errors {
    /// Gaps of a bin and its mirror over all pairs.
    shares: Vec<Number>,
    /// Mean gaps by bin, where every bin has items enough.
    gaps: Vec<Number>,
    /// √share times the mean gap, and times how far the share of right ones is from ½.
    lengths: Vec<Number>,
    distances: Vec<Number>,
    n_filled: f64,
}

/// Numbers of bins that hold pairs: each with its mirror, those that are their own once.
fn mirrored<T: Copy>(bins: &[T]) -> impl Iterator<Item = (T, Option<T>)> {
    let n = bins.len();
    (0..n.div_ceil(2)).map(move |at| (bins[at], (n - 1 - at != at).then(|| bins[n - 1 - at])))
}

impl Errors {
    /// `bins`: n, Σ p and Σ y of each, as [`bin_terms`](crate::metric::calibration::bin_terms) has them; `k` neighbours are one.
    pub fn new(numbers: &mut Numbers<'_>, columns: &[ColumnId], k: usize) -> Self {
        let bins: Vec<&[ColumnId]> = columns.chunks_exact(SUMS * k).collect();
        let all: Vec<ColumnId> = columns.iter().step_by(SUMS).copied().collect();
        let n_of = |numbers: &Numbers<'_>, bin: &[ColumnId]| {
            bin.iter().step_by(SUMS).map(|column| numbers.total(*column)).sum::<f64>()
        };
        let filled: Vec<&[ColumnId]> = bins.iter().copied().filter(|bin| n_of(numbers, bin) > 0.0).collect();
        let enough = filled.iter().all(|bin| n_of(numbers, bin) >= MIN_IN_BIN);
        let shares = mirrored(&bins)
            .map(|(bin, mirror)| {
                let own = [bin, mirror.unwrap_or(&[]), &all].concat();
                let (width, both) = (SUMS * k, SUMS * k * (1 + usize::from(mirror.is_some())));
                numbers.function(own, move |sums| {
                    let ([_, p, y], [_, q, z]) = (joined(&sums[..width]), joined(&sums[width..both]));
                    let n: f64 = sums[both..].iter().sum();
                    (n > 0.0).then(|| ((p - y) - (q - z)) / n)
                })
            })
            .collect();
        let gap = |bin: &&[ColumnId]| {
            numbers.function(bin.to_vec(), |sums| {
                let [n, p, y] = joined(sums);
                (n > 0.0).then(|| (p - y) / n)
            })
        };
        let gaps = if enough { filled.iter().map(gap).collect() } else { Vec::new() };
        let mut rooted = |of: fn([f64; SUMS]) -> f64| -> Vec<Number> {
            let each = filled.iter().map(|bin| {
                let width = bin.len();
                numbers.function([bin, all.as_slice()].concat(), move |sums| {
                    let own = joined(&sums[..width]);
                    let n: f64 = sums[width..].iter().sum();
                    (n > 0.0).then(|| if own[0] > 0.0 { of(own) / (own[0] * n).sqrt() } else { 0.0 })
                })
            });
            each.collect()
        };
        let (lengths, distances) = (rooted(|[_, p, y]| p - y), rooted(|[n, _, y]| y - n / 2.0));
        Self { shares, gaps, lengths, distances, n_filled: filled.len() as f64 }
    }

    /// Numbers whose replicates are needed.
    pub fn kept(&self) -> impl Iterator<Item = Number> + '_ {
        [&self.shares, &self.gaps, &self.lengths, &self.distances].into_iter().flatten().copied()
    }

    /// The interval of an error that was found to be `point`, or why there is none.
    pub fn interval(&self, error: Error, point: f64, answers: &Answers) -> Result<Interval, &'static str> {
        let square = |own: Interval| Interval { low: own.low.powi(2), high: own.high.powi(2), ..own };
        let found = match error {
            Error::Ece => answers.size(Size::Sum, &self.shares, 1.0),
            Error::Ace | Error::Mce if self.gaps.is_empty() => return Err(SPARSE),
            Error::Ace => answers.size(Size::Sum, &self.gaps, 1.0 / self.n_filled),
            Error::Mce => answers.size(Size::Largest, &self.gaps, 1.0),
            Error::Debiased => answers.size(Size::Length, &self.lengths, 1.0),
            Error::Reliability => answers.size(Size::Length, &self.lengths, 1.0).map(square),
            Error::Resolution => answers.size(Size::Length, &self.distances, 1.0).map(square),
        };
        found.map(|interval| interval.holding(point)).ok_or(SAME)
    }
}

/// Sums of neighbouring bins together.
fn joined(sums: &[f64]) -> [f64; SUMS] {
    let mut all = [0.0; SUMS];
    sums.iter().enumerate().for_each(|(at, sum)| all[at % SUMS] += sum);
    all
}

/// Parts of an error whose gaps are the first `bins` of many sums, however these make them; `gap` gives a bin's.
pub fn parts(
    numbers: &mut Numbers<'_>,
    columns: &[ColumnId],
    bins: usize,
    gap: impl Fn(&[f64], usize) -> Option<f64> + Send + Sync + Clone + 'static,
) -> Vec<Number> {
    let places: Vec<usize> = (0..bins).collect();
    let pairs: Vec<(usize, Option<usize>)> = mirrored(&places).collect();
    let part = |(bin, mirror): (usize, Option<usize>)| {
        let gap = gap.clone();
        numbers.function(columns.to_vec(), move |sums| {
            let other = mirror.map_or(Some(0.0), |mirror| gap(sums, mirror))?;
            Some(gap(sums, bin)? - other)
        })
    };
    pairs.into_iter().map(part).collect()
}
