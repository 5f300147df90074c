//! What each unit of a cell adds to a metric's sums, for one run.

use crate::metric::design::{Cell, Members};
use crate::metric::outcome::{Evidence, Outcome};
use crate::metric::{MAX_WIDTH, Metric, Protocol};
use crate::table::item::ItemTable;
use rmbench_resampling::columns::{ColumnId, Columns};

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
    pub fn new(table: &ItemTable, run: usize, cell: &Cell, metric: &dyn Metric, protocol: &Protocol) -> Self {
        let width = metric.width();
        let mut observed = Observed {
            width,
            present: Vec::with_capacity(cell.units.len()),
            binary: false,
            values: vec![0.0; cell.units.len() * width],
        };
        for (unit, sums) in cell.units.iter().zip(observed.values.chunks_exact_mut(width.max(1))) {
            observed.present.push(metric.contribute(&unit.group(table, run), protocol, sums));
        }
        observed.binary = observed.values.iter().all(|value| *value == 0.0 || *value == 1.0);
        observed
    }

    /// Whether any unit has an outcome.
    pub fn any(&self) -> bool {
        self.present.contains(&true)
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

    /// Adds one column per sum, of the units that `keep` names.
    pub fn columns(&self, cell: &Cell, columns: &mut Columns, keep: impl Fn(usize) -> bool) -> Vec<ColumnId> {
        let kept = |unit: &usize| self.present[*unit] && keep(*unit);
        (0..self.width)
            .map(|sum| {
                let rows = (0..cell.units.len()).filter(kept);
                columns.add(rows.map(|unit| (cell.units[unit].cluster, self.row(unit)[sum])))
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
pub fn labels(table: &ItemTable, run: usize, cell: &Cell) -> Vec<u8> {
    let label = |members: &Members| match members {
        Members::Ties { .. } => NO_LABEL,
        Members::One(item) => {
            let outcome = Evidence::Rewards.extremes(&table.item(run, *item as usize)).map(|e| e.outcome());
            match outcome {
                Some(Outcome::RejectedWins) => 0,
                Some(Outcome::ChosenWins) => 1,
                Some(Outcome::Tie) => 2,
                None => NO_LABEL,
            }
        }
    };
    cell.units.iter().map(|unit| label(&unit.members)).collect()
}
