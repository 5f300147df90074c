//! How many items stand behind each number: outcomes, missing, ties, truncated, by run and cell.
//!
//! One tidy frame of run × item, grouped by Polars.

use polars::prelude::{Column, DataFrame, IntoLazy, PolarsResult, col};
use rayon::prelude::*;

use crate::benchmark::manifest::Rule;
use crate::metric::Protocol;
use crate::metric::accuracy::credit;
use crate::metric::design::{Design, Members};
use crate::metric::outcome::{Evidence, has_tie, is_complete};
use crate::report::findings::options::FindingError;
use crate::table::item::ItemTable;

/// Counts of one cell, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// Items with an outcome.
    pub n: usize,
    /// Items without a reward for every response.
    pub missing: usize,
    /// Items in which a chosen and a rejected response have the same reward.
    pub ties: usize,
    pub truncated: usize,
    /// Σ credit, by the tie policy; 0 for items of other rules than accuracy.
    pub credit: f64,
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Count>>(counts: I) -> Count {
        counts.fold(Count::default(), |a, b| Count {
            n: a.n + b.n,
            missing: a.missing + b.missing,
            ties: a.ties + b.ties,
            truncated: a.truncated + b.truncated,
            credit: a.credit + b.credit,
        })
    }
}

/// One row per item, as one run scored it.
#[derive(Default)]
struct Tidy {
    group: Vec<u32>,
    outcome: Vec<bool>,
    missing: Vec<bool>,
    tie: Vec<bool>,
    truncated: Vec<bool>,
    credit: Vec<f64>,
}

/// Counts by run (outer) and cell (inner) of a design.
pub fn counts(table: &ItemTable, design: &Design, protocol: &Protocol) -> Result<Vec<Vec<Count>>, FindingError> {
    let n_cells = design.cells.len();
    let runs: Vec<Tidy> = (0..table.runs.len()).into_par_iter().map(|run| tidy(table, design, protocol, run)).collect();
    let mut counts = vec![vec![Count::default(); n_cells]; runs.len()];
    for (group, count) in grouped(runs).map_err(|e| FindingError::Counting(Box::new(e)))? {
        if let Some(place) = counts.get_mut(group / n_cells).and_then(|run| run.get_mut(group % n_cells)) {
            *place = count;
        }
    }
    Ok(counts)
}

fn tidy(table: &ItemTable, design: &Design, protocol: &Protocol, run: usize) -> Tidy {
    let mut rows = Tidy::default();
    let truncated = &table.runs[run].truncated;
    for (number, cell) in design.cells.iter().enumerate() {
        let group = (run * design.cells.len() + number) as u32;
        let rule = design.subsets[cell.subset].rule;
        for unit in &cell.units {
            for index in unit.items() {
                let item = table.item(run, index);
                let complete = is_complete(&item);
                let (outcome, credit) = match (rule, unit.members) {
                    (Rule::Accuracy, _) => {
                        let credit = Evidence::Rewards.extremes(&item).and_then(|e| credit(&e, protocol.ties));
                        (credit.is_some(), credit.unwrap_or(0.0))
                    }
                    (Rule::StyleMatrix, _) => (complete && item.chosen.len() == 3 && item.rejected.len() == 3, 0.0),
                    (Rule::Ties, Members::Ties { .. }) => (complete, 0.0),
                    (Rule::Ties, Members::One(_)) => (false, 0.0),
                };
                let begin = item.key.offset as usize;
                rows.group.push(group);
                rows.outcome.push(outcome);
                rows.missing.push(!complete);
                rows.tie.push(complete && has_tie(&item));
                rows.truncated.push(truncated[begin..begin + item.key.n_responses()].contains(&true));
                rows.credit.push(credit);
            }
        }
    }
    rows
}

fn grouped(runs: Vec<Tidy>) -> PolarsResult<Vec<(usize, Count)>> {
    let mut all = Tidy::default();
    for run in runs {
        all.group.extend(run.group);
        all.outcome.extend(run.outcome);
        all.missing.extend(run.missing);
        all.tie.extend(run.tie);
        all.truncated.extend(run.truncated);
        all.credit.extend(run.credit);
    }
    let flags = [("n", all.outcome), ("missing", all.missing), ("ties", all.tie), ("truncated", all.truncated)];
    let mut columns = vec![Column::new("group".into(), all.group), Column::new("credit".into(), all.credit)];
    columns.extend(flags.into_iter().map(|(name, flag)| Column::new(name.into(), flag)));
    let sums: Vec<_> =
        ["n", "missing", "ties", "truncated", "credit"].into_iter().map(|name| col(name).sum()).collect();
    let frame = DataFrame::new_infer_height(columns)?.lazy().group_by([col("group")]).agg(sums).collect()?;
    let group = frame.column("group")?.u32()?;
    let count = |name: &str| frame.column(name).and_then(|column| column.u32().cloned());
    let (n, missing, ties, truncated) = (count("n")?, count("missing")?, count("ties")?, count("truncated")?);
    let credit = frame.column("credit")?.f64()?;
    let rows = (0..frame.height()).filter_map(|row| {
        let at = |column: &polars::prelude::UInt32Chunked| column.get(row).map(|value| value as usize);
        let count = Count {
            n: at(&n)?,
            missing: at(&missing)?,
            ties: at(&ties)?,
            truncated: at(&truncated)?,
            credit: credit.get(row)?,
        };
        Some((at(group)?, count))
    });
    Ok(rows.collect())
}
