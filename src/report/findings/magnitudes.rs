//! Intervals of findings that noise makes larger ([`crate::metric::magnitude`]): calibration errors and spreads over languages.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::metric::Interval;
use crate::metric::Metric;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::calibration::ExpectedError;
use crate::metric::columns::ColumnId;
use crate::metric::least;
use crate::metric::magnitude::{Moved, Size};
use crate::metric::sheet::{Finish, NodeId, Sheet};
use crate::report::findings::draft::{Draft, Method};

/// Tests are inverted at so many replicates: their sizes are computed anew for every size that is tried.
pub const REPLICATES: usize = 1_000;

/// The gaps of every bin whose absolute values are added up to a calibration error.
struct Error {
    node: NodeId,
    point: f64,
    /// Weights and places among the gaps.
    gaps: Vec<(f64, usize)>,
}

/// The calibration errors among drafts: of one language, of pools, and of means of such.
pub struct Errors {
    errors: Vec<Error>,
    /// Gaps as numbers of the sheet.
    gaps: Vec<NodeId>,
}

impl Errors {
    /// Writes their gaps into the sheet.
    pub fn new<T>(sheet: &mut Sheet, drafts: &[Draft<T>]) -> Self {
        let points = sheet.points();
        let mut found = Self { errors: Vec::new(), gaps: Vec::new() };
        let mut known: HashMap<Vec<ColumnId>, Vec<usize>> = HashMap::new();
        let nodes =
            drafts.iter().filter(|draft| matches!(draft.method, Method::Error { .. })).filter_map(|draft| draft.node);
        for node in nodes {
            let (Some(point), Some(leaves)) = (points[node as usize], sheet.leaves(node, ExpectedError.id())) else {
                continue;
            };
            let mut gaps = Vec::new();
            for (weight, columns) in leaves {
                let own = known.entry(columns.clone()).or_insert_with(|| {
                    let first = found.gaps.len();
                    found.gaps.extend(gaps_of(sheet, &columns));
                    (first..found.gaps.len()).collect()
                });
                gaps.extend(own.iter().map(|at| (weight, *at)));
            }
            found.errors.push(Error { node, point, gaps });
        }
        found
    }

    /// Their intervals.
    pub fn intervals(&self, sheet: &Sheet, bootstrap: &Bootstrap) -> HashMap<NodeId, Interval> {
        if self.errors.is_empty() {
            return HashMap::new();
        }
        let replicates = bootstrap.replicates.min(REPLICATES);
        let bootstrap = Bootstrap { replicates, ..bootstrap.clone() };
        let found = bootstrap.replicates(sheet, &self.gaps, &mut |_| {});
        let interval = |error: &Error| {
            let points = error.gaps.iter().map(|(weight, at)| weight * found.points()[*at]).collect();
            let column = |(weight, at): &(f64, usize)| {
                found.of(*at).iter().map(|x| (weight * f64::from(*x)) as f32).collect::<Vec<f32>>()
            };
            let columns: Vec<Vec<f32>> = error.gaps.iter().map(column).collect();
            let moved = Moved::new(points, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            let interval = Interval::new(moved.bounds(Size::Sum, bootstrap.level)?, bootstrap.level);
            Some((error.node, interval.holding(error.point)))
        };
        self.errors.par_iter().filter_map(interval).collect()
    }
}

/// Σ (p − y)/N of every bin, whose absolute values add up to the error.
fn gaps_of(sheet: &mut Sheet, columns: &[ColumnId]) -> Vec<NodeId> {
    let width = ExpectedError.width();
    let bins = width - 1;
    let function = |sums: &[f64]| (sums[1] > 0.0).then(|| sums[0] / sums[1]);
    let finish = Finish::Function { id: "calibration-gap", width: 2, function };
    let gap = |bin: usize| {
        sheet.finish(finish, columns.chunks_exact(width).flat_map(|cell| [cell[bin], cell[bins]]).collect())
    };
    (0..bins).map(gap).collect()
}

/// The interval of the standard deviation of the true members of a spread. `members`: number and replicates of each.
pub fn of_spread(members: &[(f64, &[f32])], level: f64) -> Option<Interval> {
    let first = |own: &&[f32]| own.len().min(REPLICATES);
    let columns: Vec<&[f32]> = members.iter().map(|(_, own)| &own[..first(own)]).collect();
    let moved = Moved::new(members.iter().map(|(point, _)| *point).collect(), &columns)?;
    Some(Interval::new(moved.bounds(Size::Spread, level)?, level))
}

/// The interval of the mean of true numbers over the largest of them: the least of the mean over each, all of which hold at once
/// ([`least::bounds`]). `None` where the largest may not be above 0. Numbers that may not be, but are far from the largest, count in
/// the mean only.
pub fn over_largest(members: &[(f64, &[f32])], level: f64) -> Option<Interval> {
    let n = members.iter().map(|(_, own)| own.len().min(REPLICATES)).min()?;
    let moved = |at: usize| members.iter().map(move |(point, own)| point + f64::from(own[at]));
    let k = members.len() as f64;
    let mean = members.iter().map(|(point, _)| point).sum::<f64>() / k;
    let means: Vec<f64> = (0..n).map(|at| moved(at).sum::<f64>() / k).collect();
    let largest = members.iter().map(|(point, _)| *point).fold(f64::NEG_INFINITY, f64::max);
    let is_above = |(point, own): &&(f64, &[f32])| own[..n].iter().all(|x| point + f64::from(*x) > 0.0);
    let above: Vec<&(f64, &[f32])> = members.iter().filter(is_above).collect();
    if mean <= 0.0 || !above.iter().any(|(point, _)| *point == largest) {
        return None;
    }
    let points: Vec<f64> = above.iter().map(|(point, _)| mean / point).collect();
    let column = |(point, own): &&(f64, &[f32])| -> Vec<f32> {
        let replicates = own.iter().zip(&means).map(|(x, mean)| mean / (point + f64::from(*x)));
        replicates.map(|ratio| (ratio - mean / point) as f32).collect()
    };
    let columns: Vec<Vec<f32>> = above.iter().map(column).collect();
    let bounds = least::bounds(&points, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), level)?;
    Some(Interval::new(bounds, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three equal means that move by themselves: the quotient of the true ones is 1, what is found lies below it, as replicates do.
    #[test]
    fn the_mean_over_the_largest_holds_one_where_all_are_equal() {
        let moves = |seed: u32| -> Vec<f32> {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            };
            (0..800).map(|_| 0.2 * (next() + next() + next())).collect()
        };
        let columns = [moves(1), moves(2), moves(3)];
        let members: Vec<(f64, &[f32])> =
            [0.95, 1.0, 1.05].into_iter().zip(columns.iter().map(Vec::as_slice)).collect();
        let found = over_largest(&members, 0.95).unwrap();
        assert!(found.low < 1.0 / 1.05 && found.high > 1.0, "{found:?}");
        // One far below counts in the mean only; a largest that may be 0 has no quotient.
        let with_low = [members[0], members[1], members[2], (0.01, columns[0].as_slice())];
        let lower = over_largest(&with_low, 0.95).unwrap();
        assert!(lower.low < 0.7525 / 1.05 && lower.high > 0.7525 && lower.high < found.high, "{lower:?}");
        assert_eq!(over_largest(&[(0.1, columns[0].as_slice()), (0.05, columns[1].as_slice())], 0.95), None);
    }
}
