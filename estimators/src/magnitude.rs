//! Intervals for what noise makes larger: sums of absolute values, largest ones, spreads, ranges, extremes.
//!
//! Such a number T̂ lies above the true one, and its replicates lie above T̂ by as much again, so their percentiles hold
//! neither. Instead a test is inverted: a true size τ is kept where T̂ is not among the extreme (1 − level)/2 of the sizes
//! that numbers of size τ show when they are moved as resampling moves them (Carpenter 1999, test-inversion bootstrap).
//! Where T̂ lies below what no size at all would show, the upper bound is that of the usual noise (power-constrained limits,
//! Cowan et al. 2011), so that no interval is empty.
//!
//! Numbers of one size may have many shapes, and noise adds more to some than to others. Bounds are the outer ones of
//! three shapes: the numbers as they are, the shape that noise makes largest (lower bound) and the one that it makes least
//! larger (upper bound). So intervals cover at least as often as they say; where shapes matter (ranges, sums) more often.

use crate::replicates::{quantile, variance};

/// Numbers, and by how much each replicate moves them.
pub struct Moved {
    points: Vec<f64>,
    /// Replicate after replicate.
    moves: Vec<f64>,
    /// Standard deviations of the moves less their mean over numbers, and of the moves themselves.
    apart: Vec<f64>,
    errors: Vec<f64>,
}

/// A size of several numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Σ |x|.
    Sum,
    /// The largest |x|.
    Largest,
    /// √Σ x².
    Length,
    /// Sample standard deviation (n − 1).
    Spread,
    /// Largest less smallest.
    Range,
}

/// A place among several numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Mean of the lowest so many.
    Lowest(usize),
    /// The q-quantile (Hyndman and Fan's type 7).
    Quantile(f64),
}

/// A number less its bias, and the bounds of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrected {
    pub point: f64,
    pub bounds: [f64; 2],
}

/// True sizes that are tried, in units of the size found; between them, squares of quantiles are linear in squares of sizes.
const TRIED: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0];

/// Share of replicates that may be undefined.
const MAX_UNDEFINED: f64 = 0.05;

impl Size {
    fn of(self, values: &[f64]) -> f64 {
        let ends = || values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        match self {
            Size::Sum => values.iter().map(|x| x.abs()).sum(),
            Size::Largest => values.iter().fold(0.0, |most, x| most.max(x.abs())),
            Size::Length => values.iter().map(|x| x * x).sum::<f64>().sqrt(),
            Size::Spread => variance(values).sqrt(),
            Size::Range => ends().1 - ends().0,
        }
    }

    /// Shapes that noise makes most, and least, larger; `None` where the shape matters little.
    fn shapes(self, moved: &Moved) -> Option<[Vec<f64>; 2]> {
        let points = &moved.points;
        let alone = |by: &dyn Fn(usize) -> f64| {
            let most = (0..points.len()).max_by(|a, b| by(*a).total_cmp(&by(*b)));
            (0..points.len()).map(|at| if Some(at) == most { points[at] } else { 0.0 }).collect::<Vec<f64>>()
        };
        let evidence = |at: usize| if moved.errors[at] > 0.0 { points[at].abs() / moved.errors[at] } else { 0.0 };
        match self {
            // Of a number near 0 noise shows as a size of its own; a large one it moves up as often as down.
            Size::Sum => {
                let even = points.iter().zip(&moved.errors).map(|(x, error)| error.copysign(*x)).collect();
                Some([alone(&evidence), even])
            }
            // The largest of many equal ones is larger than they are.
            Size::Largest => {
                let one = |(x, error): (&f64, &f64)| if *error > 0.0 { 1f64.copysign(*x) } else { 0.0 };
                let equal = points.iter().zip(&moved.errors).map(one).collect();
                Some([equal, alone(&|at| points[at].abs())])
            }
            Size::Range => Some(moved.crowded_and_alone()),
            Size::Length | Size::Spread => None,
        }
    }
}

impl Place {
    fn of(self, values: &mut [f64]) -> f64 {
        values.sort_unstable_by(f64::total_cmp);
        match self {
            Place::Lowest(k) => values.iter().take(k).sum::<f64>() / k as f64,
            Place::Quantile(q) => quantile(values, q).unwrap_or(f64::NAN),
        }
    }
}

impl Moved {
    /// `columns`: by number, how far its replicates lie from it. `None` where there are fewer than two numbers or replicates,
    /// or where more than one replicate in twenty is undefined.
    pub fn new(points: Vec<f64>, columns: &[&[f32]]) -> Option<Self> {
        let (k, n) = (points.len(), columns.iter().map(|own| own.len()).min().unwrap_or(0));
        if k < 2 || columns.len() != k || points.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let mut moves = Vec::with_capacity(k * n);
        for replicate in 0..n {
            let from = moves.len();
            moves.extend(columns.iter().map(|own| f64::from(own[replicate])));
            if moves[from..].iter().any(|x| x.is_nan()) {
                moves.truncate(from);
            }
        }
        let defined = moves.len() / k;
        if defined < 2 || ((n - defined) as f64) > MAX_UNDEFINED * n as f64 {
            return None;
        }
        let (mut apart, mut errors) = (vec![0.0; k], vec![0.0; k]);
        for row in moves.chunks_exact(k) {
            let mean = row.iter().sum::<f64>() / k as f64;
            for at in 0..k {
                apart[at] += (row[at] - mean).powi(2);
                errors[at] += row[at].powi(2);
            }
        }
        for sum in apart.iter_mut().chain(&mut errors) {
            *sum = (*sum / defined as f64).sqrt();
        }
        let found = Self { points, moves, apart, errors };
        Some(found)
    }

    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// How each replicate moves them.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.moves.chunks_exact(self.points.len())
    }

    /// Standard deviation of the true numbers: √max(0, s² − the variance that resampling adds).
    pub fn net_spread(&self) -> f64 {
        let k = self.points.len();
        let added = self.moves.chunks_exact(k).map(variance).sum::<f64>() / (self.moves.len() / k) as f64;
        (variance(&self.points) - added).max(0.0).sqrt()
    }

    /// Bounds of a size of the true numbers (and the size found above them); `None` where the numbers have none, or never move.
    pub fn bounds(&self, size: Size, level: f64) -> Option<[f64; 2]> {
        if self.errors.iter().all(|error| *error <= 0.0) {
            return None;
        }
        let mut own = self.of_shape(size, &self.points, level)?;
        if let Some([most, least]) = size.shapes(self) {
            if let Some([low, _]) = self.of_shape(size, &most, level) {
                own[0] = own[0].min(low);
            }
            if let Some([_, high]) = self.of_shape(size, &least, level) {
                own[1] = own[1].max(high);
            }
        }
        Some(own)
    }

    /// A range less what noise adds to one of the estimated true spread.
    pub fn range(&self, level: f64) -> Option<Corrected> {
        let found = Size::Range.of(&self.points);
        let shrunk = self.shrunk(self.net_spread() / Size::Spread.of(&self.points));
        let added = self.mean(&|values| Size::Range.of(values), &shrunk)? - Size::Range.of(&shrunk);
        let [low, high] = self.bounds(Size::Range, level)?;
        Some(Corrected { point: (found - added).clamp(low, high), bounds: [low, high] })
    }

    /// A place among the true numbers: the place found less its bias where the numbers have the estimated true spread. Bounds
    /// are the outer ones of the basic intervals (Davison and Hinkley 1997, section 5.2) over the interval of that spread, of numbers whose smaller
    /// differences are none, and of numbers that noise cannot exchange.
    pub fn place(&self, place: Place, level: f64) -> Option<Corrected> {
        let spread = Size::Spread.of(&self.points);
        let [low, high] = self.bounds(Size::Spread, level)?;
        let net = self.net_spread() / spread;
        let centre = mean(&self.points);
        let clear = |at: usize| (self.points[at] - centre).abs() >= 2.0 * self.apart[at];
        let tied = (0..self.points.len()).map(|at| if clear(at) { self.points[at] } else { centre });
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        order.sort_by(|a, b| self.points[*a].total_cmp(&self.points[*b]));
        let mut far = vec![0.0; order.len()];
        let step = 1e3 * self.errors.iter().fold(0.0, |most: f64, x| most.max(*x));
        order.iter().enumerate().for_each(|(rank, at)| far[*at] = rank as f64 * step);
        let shrunk = |factor: f64| self.shrunk(factor);
        let shapes =
            [shrunk(net), shrunk(low / spread), shrunk((high / spread).min(1.0)), tied.collect::<Vec<f64>>(), far];
        let found = place.of(&mut self.points.clone());
        let mut corrected: Option<Corrected> = None;
        for shape in shapes {
            let truth = place.of(&mut shape.clone());
            let mut moves: Vec<f64> = Vec::with_capacity(self.moves.len() / shape.len());
            self.each(&shape, 1.0, &mut |values| moves.push(place.of(values) - truth));
            let bias = mean(&moves);
            let [below, above] = tails(&mut moves, level);
            let own = Corrected { point: found - bias, bounds: [found - above, found - below] };
            let joined = corrected.get_or_insert(own);
            joined.bounds = [joined.bounds[0].min(own.bounds[0]), joined.bounds[1].max(own.bounds[1])];
        }
        corrected
    }

    fn shrunk(&self, factor: f64) -> Vec<f64> {
        let centre = mean(&self.points);
        let factor = if factor.is_finite() { factor } else { 0.0 };
        self.points.iter().map(|x| centre + factor * (x - centre)).collect()
    }

    /// Calls with numbers of a shape, as each replicate moves them.
    fn each(&self, shape: &[f64], factor: f64, take: &mut dyn FnMut(&mut [f64])) {
        let mut values = vec![0.0; shape.len()];
        for row in self.moves.chunks_exact(shape.len()) {
            values.iter_mut().zip(shape).zip(row).for_each(|((value, x), by)| *value = factor * x + by);
            take(&mut values);
        }
    }

    fn mean(&self, of: &dyn Fn(&[f64]) -> f64, shape: &[f64]) -> Option<f64> {
        let (mut sum, mut n) = (0.0, 0.0);
        self.each(shape, 1.0, &mut |values| {
            sum += of(values);
            n += 1.0;
        });
        (n > 0.0).then(|| sum / n)
    }

    /// Bounds of a size that numbers of this shape have.
    fn of_shape(&self, size: Size, shape: &[f64], level: f64) -> Option<[f64; 2]> {
        let (found, own) = (size.of(&self.points), size.of(shape));
        if found <= 0.0 || own <= 0.0 || !own.is_finite() {
            return None;
        }
        let (mut lows, mut highs, mut of_none) = (TRIED, TRIED, 0.0);
        let mut sizes = Vec::with_capacity(self.moves.len() / shape.len());
        for (at, tried) in TRIED.into_iter().enumerate() {
            sizes.clear();
            self.each(shape, tried * found / own, &mut |values| sizes.push(size.of(values)));
            if at == 0 {
                of_none = mean(&sizes);
            }
            [lows[at], highs[at]] = tails(&mut sizes, level);
        }
        let low = (0..TRIED.len()).find(|at| highs[*at] >= found).map_or(TRIED[TRIED.len() - 1], |at| match at {
            0 => 0.0,
            at => between(at, &highs, found),
        });
        let seen = found.max(of_none);
        let high = (0..TRIED.len()).rev().find(|at| lows[*at] <= seen).map_or(0.0, |at| match at + 1 {
            end if end == TRIED.len() => TRIED[at],
            next => between(next, &lows, seen),
        });
        Some([low * found, high * found])
    }

    /// For ranges: everything that may be an end as one of them, and nothing but the ends near the ends.
    fn crowded_and_alone(&self) -> [Vec<f64>; 2] {
        let (mut low, mut high) = (0, 0);
        for at in 0..self.points.len() {
            low = if self.points[at] < self.points[low] { at } else { low };
            high = if self.points[at] > self.points[high] { at } else { high };
        }
        let (bottom, top) = (self.points[low], self.points[high]);
        let middle = (bottom + top) / 2.0;
        let (mut crowded, mut alone) = (self.points.clone(), self.points.clone());
        for at in (0..self.points.len()).filter(|at| *at != low && *at != high) {
            let x = self.points[at];
            // Two standard errors of a difference.
            let near = 2.0 * std::f64::consts::SQRT_2 * self.apart[at];
            if x > middle {
                crowded[at] = if top - x < near { top } else { x };
                alone[at] = x.min((top - near).max(middle));
            } else {
                crowded[at] = if x - bottom < near { bottom } else { x };
                alone[at] = x.max((bottom + near).min(middle));
            }
        }
        [crowded, alone]
    }
}

/// Where quantiles of tried sizes pass a value, between a place and the one before it.
fn between(at: usize, quantiles: &[f64; TRIED.len()], value: f64) -> f64 {
    let square = |x: f64| x * x;
    let (from, to) = (square(TRIED[at - 1]), square(TRIED[at]));
    let (below, above) = (square(quantiles[at - 1]), square(quantiles[at]));
    let share = if above > below { ((square(value) - below) / (above - below)).clamp(0.0, 1.0) } else { 1.0 };
    (from + share * (to - from)).sqrt()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The quantiles that the middle `level` lies between; leaves the values in another order.
fn tails(values: &mut [f64], level: f64) -> [f64; 2] {
    let tail = (1.0 - level) / 2.0;
    [tail, 1.0 - tail].map(|q| {
        let at = q * (values.len() - 1) as f64;
        let (_, low, above) = values.select_nth_unstable_by(at.floor() as usize, f64::total_cmp);
        let next = above.iter().copied().fold(f64::INFINITY, f64::min);
        if next.is_finite() { *low + (next - *low) * at.fract() } else { *low }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves of ±1 with every sign, of `k` numbers: exact replicates.
    fn signs(k: usize, by: f32) -> Vec<Vec<f32>> {
        (0..k).map(|at| (0..1 << k).map(|r: usize| if r >> at & 1 == 0 { by } else { -by }).collect()).collect()
    }

    fn moved(points: &[f64], by: f32) -> Moved {
        let columns = signs(points.len(), by);
        Moved::new(points.to_vec(), &columns.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn sizes_by_hand() {
        let values = [3.0, -4.0, 0.0];
        let of = |size: Size| size.of(&values);
        assert_eq!([of(Size::Sum), of(Size::Largest), of(Size::Length), of(Size::Range)], [7.0, 4.0, 5.0, 7.0]);
        assert!((of(Size::Spread) - (37.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Place::Lowest(2).of(&mut [3.0, -4.0, 0.0]), -2.0);
        assert_eq!(Place::Quantile(0.25).of(&mut [3.0, -4.0, 0.0]), -2.0);
    }

    /// Far from 0 and from each other, numbers have the ordinary interval: ± the noise.
    #[test]
    fn large_numbers_have_ordinary_intervals() {
        let far = moved(&[10.0, 30.0, 60.0, 90.0, 120.0], 1.0);
        let [low, high] = far.bounds(Size::Largest, 0.9).unwrap();
        assert!((low - 119.0).abs() < 0.05 && (high - 121.0).abs() < 0.05, "{low} {high}");
        let range = far.range(0.9).unwrap();
        assert!((range.point - 110.0).abs() < 0.1 && (range.bounds[1] - 112.0).abs() < 0.1, "{range:?}");
        let place = far.place(Place::Lowest(1), 0.9).unwrap();
        assert!((place.point - 10.0).abs() < 1e-9 && place.bounds == [9.0, 11.0], "{place:?}");
    }

    /// What is no larger than noise may be nothing at all.
    #[test]
    fn what_noise_explains_may_be_nothing() {
        let none = moved(&[0.9, -1.0, 1.0, -1.0, 0.8, -0.9], 1.0);
        for size in [Size::Sum, Size::Largest, Size::Length, Size::Spread, Size::Range] {
            let [low, high] = none.bounds(size, 0.95).unwrap();
            assert!(low == 0.0 && high > 0.0, "{size:?}: {low} {high}");
        }
        // Below what noise alone shows, the upper bound stays.
        let less = moved(&[0.1, -0.1, 0.1, -0.1, 0.0, 0.0], 1.0).bounds(Size::Spread, 0.95).unwrap();
        assert!(less[0] == 0.0 && less[1] > 0.2, "{less:?}");
        assert!(Moved::new(vec![1.0], &[&[0.0, 1.0]]).is_none());
        assert!(moved(&[0.0, 0.0, 0.0], 0.0).bounds(Size::Sum, 0.95).is_none());
    }
}
