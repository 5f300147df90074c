//! What each unit of a cell adds to a metric's sums, for one run.

pub use rmbench_contributions::observe::{NO_LABEL, Observed, cross, paired_labels, shared};
pub use rmbench_contributions::sources::{LOSS, TIE, WIN};

use rayon::prelude::*;

use crate::metric::design::Cell;
use crate::metric::{Metric, Protocol};
use crate::table::item::ItemTable;

/// A metric of one run in one cell.
pub fn observed(table: &ItemTable, run: usize, cell: &Cell, metric: &dyn Metric, protocol: &Protocol) -> Observed {
    Observed::new(&table.view(run), &cell.units, metric, protocol)
}

/// By run: labels of items.
pub fn labels_of_items(table: &ItemTable, items: &[usize]) -> Vec<Vec<u8>> {
    let places: Vec<_> = items.iter().map(|item| table.place(*item)).collect();
    let of_run = |run: usize| rmbench_contributions::observe::labels_at(&table.view(run), &places);
    (0..table.runs.len()).into_par_iter().map(of_run).collect()
}

/// Labels of a run's outcomes, in the order that M-RewardBench's agreement uses: 0 loss, 1 win, 2 tie.
pub fn labels(table: &ItemTable, run: usize, cell: &Cell) -> Vec<u8> {
    rmbench_contributions::observe::labels(&table.view(run), &cell.units)
}
