//! Intervals of findings that noise makes larger ([`crate::metric::magnitude`]): calibration errors and spreads over languages.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::metric::Interval;
use crate::metric::Metric;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::calibration::ExpectedError;
use crate::metric::columns::ColumnId;
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
