//! Preference data from files: Parquet, Arrow IPC, JSONL, JSON arrays, CSV, as a stream of comparisons.
//!
//! Recognised without being told: the canonical schema (`prompt` as text or `context` as messages), TRL's
//! explicit- and implicit-prompt layouts, the exports of M-RewardBench, RewardBench 1 and 2, RM-Bench,
//! JudgeBench and HelpSteer3, and any table of two responses with a verdict. A [`ColumnMap`] names the
//! columns of anything else. What was recognised can be asked ([`layout`]), nothing is guessed silently:
//! bad rows are errors with file, row and column unless the caller wants them skipped, then they are
//! counted by reason; ties are always counted.

mod cell;
mod columnar;
mod delimited;
mod error;
mod format;
mod json;
mod layout;
mod messages;
mod pairs;
pub mod python;
mod rated;
pub mod records;
mod rows;
mod texts;
mod vectors;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::benchmark::columns::{ColumnMap, Part};
use crate::lang::{Lang, LangSet};
use crate::preference::Comparison;

pub use error::{ReadError, RowProblem};
pub use format::Format;
pub use layout::{Layout, Shape};
pub use texts::TextColumns;

use cell::Advance;
use pairs::{Builder, Built, is_unlisted};
use rows::Rows;

/// How to read a file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    pub columns: ColumnMap,
    /// Leave bad rows out and count them, instead of stopping at the first.
    pub skip_bad_rows: bool,
    /// The language of a file without a language column; a column wins.
    pub lang: Option<Lang>,
    /// Read these languages only.
    pub langs: Option<LangSet>,
    /// Stop after this many comparisons.
    pub limit: Option<u64>,
    /// The subset of a file without a `subset` column; without it, `source` or `domain` name the
    /// subset, and failing these it is `all`.
    pub subset: Option<String>,
    /// Also what only training uses: [`Evidence`](crate::preference::Evidence), rankings, single responses.
    pub evidence: bool,
    /// Also the responses' vectors; a file of nothing else is then preference data, too.
    pub embeddings: bool,
    /// Ties as comparisons whose [`Evidence`](crate::preference::Evidence) says so.
    pub keep_ties: bool,
}

/// What a reader has met so far. rows = comparisons + ties + all skipped + filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReadCounts {
    pub rows: u64,
    pub comparisons: u64,
    /// Rows that prefer neither response.
    pub ties: u64,
    /// Bad rows by reason ([`RowProblem::reason`]).
    pub skipped: BTreeMap<&'static str, u64>,
    /// Rows in languages that were not asked for.
    pub filtered: u64,
    /// Comparisons in languages that the language table lacks.
    pub unlisted: BTreeMap<Lang, u64>,
}

impl ReadCounts {
    /// Bad rows left out.
    pub fn n_skipped(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// What became of one row; see [`PairReader::next_row`].
#[derive(Debug)]
pub enum ReadRow {
    Comparison(Box<Comparison>),
    /// Neither response is better.
    Tie {
        row: u64,
        lang: Lang,
    },
    /// The row is bad. Its language is given where that much could be read.
    Bad {
        lang: Option<Lang>,
        error: ReadError,
        reason: &'static str,
    },
    /// The row's language was not asked for.
    Filtered,
}

/// A stream of comparisons; memory does not grow with the file.
///
/// As an iterator it yields each comparison, or the first error and then nothing more.
pub struct PairReader {
    path: PathBuf,
    rows: Box<dyn Rows>,
    layout: Layout,
    builder: Builder,
    skip_bad_rows: bool,
    limit: Option<u64>,
    counts: ReadCounts,
    done: bool,
}

/// Opens a file of preference data.
///
/// # Errors
/// No such file, no known format, columns that do not make preference data, a map that names missing
/// columns, no language column and no language given.
pub fn open(path: &Path, options: &ReadOptions) -> Result<PairReader, ReadError> {
    let (mut rows, layout) = recognised(path, options)?;
    if layout.column(Part::Language).is_none() && options.lang.is_none() {
        return Err(ReadError::Columns {
            path: path.to_owned(),
            problem: "has no language column".to_owned(),
            columns: rows.columns().iter().map(|column| column.name.clone()).collect(),
            hint: Some("say which language it is in (`lang`, a setting or an option), or map the column that holds the language".to_owned()),
        });
    }
    let used: Vec<usize> = layout.indices.iter().map(|&(_, index)| index).collect();
    rows.select(&used)?;
    Ok(PairReader {
        path: path.to_owned(),
        rows,
        layout,
        builder: Builder::new(options),
        skip_bad_rows: options.skip_bad_rows,
        limit: options.limit,
        counts: ReadCounts::default(),
        done: false,
    })
}

/// What a file is recognised as, without reading its rows.
///
/// # Errors
/// As [`open`], except that a language is not needed.
pub fn layout(path: &Path, options: &ReadOptions) -> Result<Layout, ReadError> {
    recognised(path, options).map(|(_, layout)| layout)
}

fn recognised(path: &Path, options: &ReadOptions) -> Result<(Box<dyn Rows>, Layout), ReadError> {
    let format = Format::of_file(path)?;
    let rows = rows::open(path, format)?;
    let layout = layout::recognise(path, format, rows.columns(), options)?;
    Ok((rows, layout))
}

/// The whole file in memory.
///
/// # Errors
/// As [`open`], and the first bad row unless bad rows are skipped.
pub fn read_all(path: &Path, options: &ReadOptions) -> Result<(Vec<Comparison>, ReadCounts), ReadError> {
    let mut reader = open(path, options)?;
    let comparisons = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((comparisons, reader.counts))
}

impl fmt::Debug for PairReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairReader").field("path", &self.path).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl PairReader {
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn counts(&self) -> &ReadCounts {
        &self.counts
    }

    /// Rows in the file, where it says so up front (Parquet); for progress bars.
    pub fn total_rows(&self) -> Option<u64> {
        self.rows.total()
    }

    /// The next row, good or bad; `None` at the end of the file or when the limit is reached.
    ///
    /// # Errors
    /// Only where reading cannot go on: bad rows are [`ReadRow::Bad`] whatever `skip_bad_rows` says.
    pub fn next_row(&mut self) -> Option<Result<ReadRow, ReadError>> {
        if self.done || self.limit.is_some_and(|limit| self.counts.comparisons >= limit) {
            return None;
        }
        let advance = self.rows.advance();
        let row = self.counts.rows;
        let built = match advance {
            Ok(Advance::Row) => {
                self.builder.build(&mut *self.rows, &self.layout, row).map_err(|(lang, (part, problem))| {
                    let column = self.layout.column(part).unwrap_or(part.as_str()).to_owned();
                    (lang, column, problem)
                })
            }
            Ok(Advance::Bad(problem)) => Err((None, "whole record".to_owned(), problem)),
            Ok(Advance::End) => {
                self.done = true;
                return None;
            }
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        };
        self.counts.rows += 1;
        Some(Ok(match built {
            Ok(Built::Comparison(comparison)) => {
                self.counts.comparisons += 1;
                if is_unlisted(comparison.lang) {
                    *self.counts.unlisted.entry(comparison.lang).or_default() += 1;
                }
                ReadRow::Comparison(comparison)
            }
            Ok(Built::Tie(lang)) => {
                self.counts.ties += 1;
                ReadRow::Tie { row, lang }
            }
            Ok(Built::Filtered) => {
                self.counts.filtered += 1;
                ReadRow::Filtered
            }
            Err((lang, column, problem)) => {
                let reason = problem.reason();
                *self.counts.skipped.entry(reason).or_default() += 1;
                ReadRow::Bad { lang, error: ReadError::row(&self.path, row, &column, problem), reason }
            }
        }))
    }
}

impl Iterator for PairReader {
    type Item = Result<Comparison, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_row()? {
                Ok(ReadRow::Comparison(comparison)) => return Some(Ok(*comparison)),
                Ok(ReadRow::Bad { error, .. }) if !self.skip_bad_rows => {
                    self.done = true;
                    return Some(Err(error));
                }
                Ok(ReadRow::Tie { .. } | ReadRow::Bad { .. } | ReadRow::Filtered) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
