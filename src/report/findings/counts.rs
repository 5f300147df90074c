//! How many items stand behind each number: outcomes, missing, ties, truncated, by run and cell.
//!
//! One tidy frame of run × item, grouped by Polars.

use polars::prelude::{Column, DataFrame, IntoLazy, PolarsResult, col};
use rayon::prelude::*;
use rmbench_contributions::tally::Tally;

use crate::metric::Protocol;
use crate::metric::design::Design;
use crate::report::findings::options::FindingError;
use crate::table::item::ItemTable;

/// Counts of one cell, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Count {
    /// Items with an outcome.
    pub n: usize,
    /// Items with a reward for every response: those with an outcome, and ties where they are left out.
    pub complete: usize,
    /// Items without.
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
            complete: a.complete + b.complete,
            missing: a.missing + b.missing,
            ties: a.ties + b.ties,
            truncated: a.truncated + b.truncated,
            credit: a.credit + b.credit,
        })
    }
}

/// Counts by run (outer) and cell (inner) of a design.
pub fn counts(table: &ItemTable, design: &Design, protocol: &Protocol) -> Result<Vec<Vec<Count>>, FindingError> {
    let n_cells = design.cells.len();
    let runs: Vec<Tally> =
        (0..table.runs.len()).into_par_iter().map(|run| tidy(table, design, protocol, run)).collect();
    let mut counts = vec![vec![Count::default(); n_cells]; runs.len()];
    for (group, count) in grouped(runs).map_err(|e| FindingError::Counting(Box::new(e)))? {
        if let Some(place) = counts.get_mut(group / n_cells).and_then(|run| run.get_mut(group % n_cells)) {
            *place = count;
        }
    }
    Ok(counts)
}

fn tidy(table: &ItemTable, design: &Design, protocol: &Protocol, run: usize) -> Tally {
    let mut rows = Tally::default();
    let view = table.view(run);
    for (number, cell) in design.cells.iter().enumerate() {
        let group = (run * design.cells.len() + number) as u32;
        rows.add(group, &cell.units, design.subsets[cell.subset].rule, &view, protocol);
    }
    rows
}

fn grouped(runs: Vec<Tally>) -> PolarsResult<Vec<(usize, Count)>> {
    let mut all = Tally::default();
    for run in runs {
        all.group.extend(run.group);
        all.outcome.extend(run.outcome);
        all.complete.extend(run.complete);
        all.missing.extend(run.missing);
        all.tie.extend(run.tie);
        all.truncated.extend(run.truncated);
        all.credit.extend(run.credit);
    }
    let flags = [
        ("n", all.outcome),
        ("complete", all.complete),
        ("missing", all.missing),
        ("ties", all.tie),
        ("truncated", all.truncated),
    ];
    let mut columns = vec![Column::new("group".into(), all.group), Column::new("credit".into(), all.credit)];
    columns.extend(flags.into_iter().map(|(name, flag)| Column::new(name.into(), flag)));
    let names = ["n", "complete", "missing", "ties", "truncated", "credit"];
    let sums: Vec<_> = names.into_iter().map(|name| col(name).sum()).collect();
    let frame = DataFrame::new_infer_height(columns)?.lazy().group_by([col("group")]).agg(sums).collect()?;
    let group = frame.column("group")?.u32()?;
    let count = |name: &str| frame.column(name).and_then(|column| column.u32().cloned());
    let (n, complete, missing) = (count("n")?, count("complete")?, count("missing")?);
    let (ties, truncated) = (count("ties")?, count("truncated")?);
    let credit = frame.column("credit")?.f64()?;
    let rows = (0..frame.height()).filter_map(|row| {
        let at = |column: &polars::prelude::UInt32Chunked| column.get(row).map(|value| value as usize);
        let count = Count {
            n: at(&n)?,
            complete: at(&complete)?,
            missing: at(&missing)?,
            ties: at(&ties)?,
            truncated: at(&truncated)?,
            credit: credit.get(row)?,
        };
        Some((at(group)?, count))
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::catalog;
    use crate::lang::Lang;
    use crate::metric::accuracy::ACCURACY;
    use crate::metric::observe::observed;
    use crate::metric::{Metric, TiePolicy};
    use crate::provenance::RunInfo;
    use crate::table::item::{ItemKey, RunColumn};

    /// Pairs in two languages and two subsets; every 5th a tie, every 7th without a reward in run 1.
    fn table() -> ItemTable {
        let mut table = ItemTable::default();
        let benchmark = table.symbols.intern("b");
        for run in ["one", "two"] {
            table.runs.push(RunColumn::absent(RunInfo::of_this_binary(run, "mock", "mock"), 0));
        }
        for i in 0..60u32 {
            let id = table.symbols.intern(&format!("i{}", i / 2));
            table.items.push(ItemKey {
                benchmark,
                subset: table.symbols.intern(if i < 30 { "s" } else { "t" }),
                category: None,
                lang: if i % 2 == 0 { Lang::ENGLISH } else { Lang::from_code("deu_Latn").unwrap() },
                item: id,
                source: id,
                n_chosen: 1,
                n_rejected: 1,
                offset: 2 * i,
            });
            table.n_chars.extend([10, 20]);
            for (run, column) in table.runs.iter_mut().enumerate() {
                let chosen = if i % 5 == 0 { 1.0 } else { (i % 3) as f32 + run as f32 };
                let missing = run == 1 && i % 7 == 0;
                column.rewards.extend([Some(chosen), (!missing).then_some(1.0)]);
                column.n_tokens.extend([1, 1]);
                column.truncated.extend([false, i % 9 == 0]);
                column.present.extend([true, !missing]);
            }
        }
        table
    }

    #[test]
    fn polars_and_the_contributions_give_the_same_sums() {
        let table = table();
        let manifest = catalog::find(catalog::PAIRS).unwrap();
        let design = Design::new(&table, table.symbols.get("b").unwrap(), &manifest);
        for ties in [TiePolicy::Loss, TiePolicy::Half, TiePolicy::OneOverK, TiePolicy::Exclude] {
            let protocol = Protocol { ties };
            let counts = counts(&table, &design, &protocol).unwrap();
            for (run, counts) in counts.iter().enumerate() {
                for (cell, count) in design.cells.iter().zip(counts) {
                    let observed = observed(&table, run, cell, &ACCURACY, &protocol);
                    let sums = &observed.totals()[..ACCURACY.width()];
                    assert_eq!((count.credit, count.n as f64), (sums[0], sums[1]), "{ties:?}, run {run}");
                }
            }
            let total: Count = counts[1].iter().copied().sum();
            // Of 60 items, 9 are multiples of 7 (no reward), 7 of 9 (cut); excluded ties have no outcome.
            assert_eq!((total.missing, total.complete, total.truncated), (9, 51, 7));
            assert_eq!(total.n + total.missing + if ties == TiePolicy::Exclude { total.ties } else { 0 }, 60);
            assert!(total.ties > 5);
        }
    }
}
