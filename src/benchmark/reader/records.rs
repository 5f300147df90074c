//! Any file of named columns, row by row: for importers, whose columns are not those of preference data.

use std::path::{Path, PathBuf};

use super::cell::{Advance, Cell};
use super::error::{ReadError, RowProblem};
use super::format::Format;
use super::rows::{self, Rows};
use super::verdict::{LabelRule, Verdict};

/// Which of two responses a verdict prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preferred {
    First,
    Second,
    Neither,
}

/// A verdict in the words and signs that data sets use (`A>B`, `[[B]]`, `tie`); `None`: it says nothing.
pub fn preferred(text: &str) -> Option<Preferred> {
    verdict(Cell::Text(text.into())).ok()
}

fn verdict(cell: Cell<'_>) -> Result<Preferred, RowProblem> {
    Ok(match LabelRule::Words.read(cell)? {
        Verdict::First { .. } | Verdict::Soft(_) => Preferred::First,
        Verdict::Second { .. } => Preferred::Second,
        Verdict::Tie => Preferred::Neither,
    })
}

/// A stream of rows; a column's value can be asked for once per row.
pub struct Records {
    path: PathBuf,
    rows: Box<dyn Rows>,
    names: Vec<String>,
    /// Rows passed; the current one is `n - 1`.
    n: u64,
}

impl Records {
    /// Opens Parquet, Arrow IPC, JSONL, JSON arrays, CSV or TSV.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let rows = rows::open(path, Format::of_file(path)?)?;
        let names = rows.columns().iter().map(|column| column.name.clone()).collect();
        Ok(Self { path: path.to_owned(), rows, names, n: 0 })
    }

    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// Only these columns will be asked for. Called at most once, before the first row.
    pub fn select(&mut self, used: &[usize]) -> Result<(), ReadError> {
        self.rows.select(used)
    }

    /// Goes to the next row; false at the end. A record that cannot be taken apart is an error.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        let advance = self.rows.advance()?;
        self.n += 1;
        match advance {
            Advance::Row => Ok(true),
            Advance::End => Ok(false),
            Advance::Bad(problem) => Err(ReadError::row(&self.path, self.row(), "whole record", problem)),
        }
    }

    /// The current row, from 0.
    pub fn row(&self) -> u64 {
        self.n.saturating_sub(1)
    }

    fn read<T>(&mut self, column: usize, take: impl FnOnce(Cell<'_>) -> Result<T, RowProblem>) -> Result<T, ReadError> {
        take(self.rows.take(column)).map_err(|problem| {
            let name = self.names.get(column).map_or("?", String::as_str);
            ReadError::row(&self.path, self.n.saturating_sub(1), name, problem)
        })
    }

    /// Text or a whole number; null is `None`.
    pub fn name(&mut self, column: usize) -> Result<Option<String>, ReadError> {
        self.read(
            column,
            |cell| {
                if cell.is_null() { Ok(None) } else { cell.into_name().map(|name| Some(name.into_owned())) }
            },
        )
    }

    /// The same, also of a list that repeats it; lists of several names, and null, are `None`.
    pub fn common_name(&mut self, column: usize) -> Result<Option<String>, ReadError> {
        let one = |cell: Cell<'_>| match cell.is_null() {
            true => Ok(None),
            false => cell.into_name().map(|name| Some(name.into_owned()).filter(|name| !name.is_empty())),
        };
        self.read(column, |cell| match cell {
            Cell::List(items) => {
                let names = items.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
                let same = names.windows(2).all(|pair| pair[0] == pair[1]);
                Ok(names.into_iter().next().flatten().filter(|_| same))
            }
            single => one(single),
        })
    }

    /// A finite number, also as a list of one; null is `None`.
    pub fn number(&mut self, column: usize) -> Result<Option<f64>, ReadError> {
        self.read(column, |cell| cell.into_number())
    }

    /// Numbers: a list of them (each perhaps a list of one), or a single one; null is an empty list.
    pub fn numbers(&mut self, column: usize) -> Result<Vec<Option<f64>>, ReadError> {
        self.read(column, |cell| match cell {
            Cell::Null => Ok(Vec::new()),
            Cell::List(items) => items.into_iter().map(Cell::into_number).collect(),
            one => Ok(vec![one.into_number()?]),
        })
    }

    /// The same with truth values, also in words (CSV), as 1 and 0.
    pub fn amounts(&mut self, column: usize) -> Result<Vec<Option<f64>>, ReadError> {
        let amount = |cell: Cell<'_>| match cell {
            Cell::Bool(truth) => Ok(Some(f64::from(u8::from(truth)))),
            Cell::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Some(1.0)),
            Cell::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Some(0.0)),
            other => other.into_number(),
        };
        self.read(column, |cell| match cell {
            Cell::Null => Ok(Vec::new()),
            Cell::List(items) => items.into_iter().map(amount).collect(),
            one => Ok(vec![amount(one)?]),
        })
    }

    /// A verdict in words or signs; null is `None`.
    pub fn verdict(&mut self, column: usize) -> Result<Option<Preferred>, ReadError> {
        self.read(column, |cell| if cell.is_null() { Ok(None) } else { verdict(cell).map(Some) })
    }

    /// A text, or a list of texts; anything else has none.
    pub fn texts(&mut self, column: usize) -> Vec<String> {
        let text = |cell: Cell<'_>| match cell {
            Cell::Text(text) => Some(text.into_owned()),
            _ => None,
        };
        match self.rows.take(column) {
            Cell::List(items) => items.into_iter().map(text).collect::<Option<_>>().unwrap_or_default(),
            one => text(one).into_iter().collect(),
        }
    }

    /// Lengths in characters of a text or of a list of texts; anything else has none.
    pub fn lengths(&mut self, column: usize) -> Vec<u32> {
        fn length(cell: &Cell<'_>) -> u32 {
            match cell {
                Cell::Text(text) => text.chars().count() as u32,
                _ => 0,
            }
        }
        match self.rows.take(column) {
            Cell::List(items) => items.iter().map(length).collect(),
            one => vec![length(&one)],
        }
    }
}
