//! What each unit of a cell adds to a metric's sums, for one run.

use rmbench_resampling::columns::{ColumnId, Columns};

use crate::item::{Place, View};
use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::sources::label;
use crate::unit::{Members, Unit};
use crate::{MAX_WIDTH, Metric};

/// Contributions of one cell: dense, one row per unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    pub width: usize,
    /// Whether the unit has an outcome.
    pub present: Vec<bool>,
    /// Every unit adds 0 or 1 to each sum: shares of independent units are binomial.
    pub binary: bool,
    /// units × width, row by row.
    values: Vec<f64>,
}

impl Observed {
    pub fn new(view: &View<'_>, units: &[Unit], metric: &dyn Metric, protocol: &Protocol) -> Self {
        let width = metric.width();
        let mut observed = Observed {
            width,
            present: Vec::with_capacity(units.len()),
            binary: false,
            values: vec![0.0; units.len() * width],
        };
        for (unit, sums) in units.iter().zip(observed.values.chunks_exact_mut(width.max(1))) {
            observed.present.push(metric.contribute(&unit.group(view), protocol, sums));
        }
        observed.binary = observed.values.iter().all(|value| *value == 0.0 || *value == 1.0);
        observed
    }

    /// Whether any unit has an outcome.
    pub fn any(&self) -> bool {
        self.present.contains(&true)
    }

    /// Units with an outcome, of those that `keep` names.
    pub fn n_present(&self, keep: Option<&[bool]>) -> usize {
        match keep {
            None => self.present.iter().filter(|present| **present).count(),
            Some(keep) => self.present.iter().zip(keep).filter(|(present, keep)| **present && **keep).count(),
        }
    }

    pub fn row(&self, unit: usize) -> &[f64] {
        &self.values[unit * self.width..][..self.width]
    }

    /// The sums over all units.
    pub fn totals(&self) -> [f64; MAX_WIDTH] {
        let mut totals = [0.0; MAX_WIDTH];
        for row in self.values.chunks_exact(self.width.max(1)) {
            for (total, value) in totals.iter_mut().zip(row) {
                *total += value;
            }
        }
        totals
    }

    /// Adds one column per sum, of the units that `keep` names, or of all.
    pub fn columns(&self, units: &[Unit], columns: &mut Columns, keep: Option<&[bool]>) -> Vec<ColumnId> {
        let kept = |unit: &usize| self.present[*unit] && keep.is_none_or(|keep| keep[*unit]);
        let kept: Vec<usize> = (0..units.len()).filter(kept).collect();
        let mut entries: Vec<(u32, f64)> = Vec::with_capacity(kept.len());
        (0..self.width)
            .map(|sum| {
                entries.clear();
                entries.extend(kept.iter().map(|unit| (units[*unit].cluster, self.row(*unit)[sum])));
                columns.insert(&entries)
            })
            .collect()
    }
}

/// Units that have an outcome in both, cell by cell aligned.
pub fn shared(a: &Observed, b: &Observed) -> Vec<bool> {
    a.present.iter().zip(&b.present).map(|(a, b)| *a && *b).collect()
}

/// Label of a unit without an outcome.
pub const NO_LABEL: u8 = u8::MAX;

/// Labels of a run's outcomes, in the order that M-RewardBench's agreement uses: 0 loss, 1 win, 2 tie.
pub fn labels(view: &View<'_>, units: &[Unit]) -> Vec<u8> {
    let of = |unit: &Unit| match unit.members {
        Members::Ties { .. } => NO_LABEL,
        Members::One(place) => label_at(view, place),
    };
    units.iter().map(of).collect()
}

/// The same by item.
pub fn labels_at(view: &View<'_>, places: &[Place]) -> Vec<u8> {
    places.iter().map(|place| label_at(view, *place)).collect()
}

fn label_at(view: &View<'_>, place: Place) -> u8 {
    Evidence::Rewards.extremes(&view.item(place)).map_or(NO_LABEL, |extremes| label(extremes.outcome()))
}

/// Adds to a 3 × 3 table, row by row, the units that both have a label of.
pub fn cross(rows: &[u8], columns: &[u8], table: &mut [f64; 9]) {
    for (row, column) in rows.iter().zip(columns) {
        if *row != NO_LABEL && *column != NO_LABEL {
            table[usize::from(3 * row + column)] += 1.0;
        }
    }
}

/// (cluster, 3 · label here + label there) of clusters with exactly one labelled unit on both sides.
pub fn paired_labels(
    here: &[Unit],
    labels_here: &[u8],
    there: &[Unit],
    labels_there: &[u8],
    n_clusters: usize,
) -> Vec<(u32, u8)> {
    const SEVERAL: u8 = NO_LABEL - 1;
    let by_cluster = |units: &[Unit], labels: &[u8]| {
        let mut found = vec![NO_LABEL; n_clusters];
        for (unit, label) in units.iter().zip(labels).filter(|(_, label)| **label != NO_LABEL) {
            let place = &mut found[unit.cluster as usize];
            *place = if *place == NO_LABEL { *label } else { SEVERAL };
        }
        found
    };
    let (here, there) = (by_cluster(here, labels_here), by_cluster(there, labels_there));
    let pairs = here.into_iter().zip(there).enumerate();
    pairs
        .filter(|(_, (a, b))| *a < SEVERAL && *b < SEVERAL)
        .map(|(cluster, (a, b))| (cluster as u32, 3 * a + b))
        .collect()
}
