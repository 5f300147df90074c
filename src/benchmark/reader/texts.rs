//! Further columns of a data file as texts, by row: what preference data do not need and a judge may want.

use std::path::{Path, PathBuf};

use super::cell::{Advance, Cell};
use super::error::ReadError;
use super::format::Format;
use super::rows::{self, Rows};
use crate::lang::suggest::nearest;

/// Reads forward only; rows may be skipped and not repeated.
pub struct TextColumns {
    path: PathBuf,
    rows: Box<dyn Rows>,
    columns: Vec<(String, usize)>,
    /// Rows passed.
    n: u64,
}

impl TextColumns {
    /// # Errors
    /// A column that the file lacks.
    pub fn open(path: &Path, names: &[&str]) -> Result<Self, ReadError> {
        let mut rows = rows::open(path, Format::of_file(path)?)?;
        let known: Vec<String> = rows.columns().iter().map(|column| column.name.clone()).collect();
        let mut columns = Vec::new();
        for name in names {
            let Some(index) = known.iter().position(|column| column == name) else {
                return Err(ReadError::UnknownColumn {
                    path: path.to_owned(),
                    part: "judge",
                    column: (*name).to_owned(),
                    suggestions: nearest(name, known.iter().map(String::as_str), 3)
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                    columns: known,
                });
            };
            columns.push(((*name).to_owned(), index));
        }
        rows.select(&columns.iter().map(|(_, index)| *index).collect::<Vec<_>>())?;
        Ok(Self { path: path.to_owned(), rows, columns, n: 0 })
    }

    /// The texts of a row, by column; an empty or absent value is `None`, a list one point per line.
    ///
    /// # Errors
    /// The file has no such row, or a value that is no text.
    pub fn row(&mut self, row: u64) -> Result<Vec<Option<String>>, ReadError> {
        while self.n <= row {
            if let Advance::End = self.rows.advance()? {
                break;
            }
            self.n += 1;
        }
        let mut texts = Vec::with_capacity(self.columns.len());
        for (name, index) in &self.columns {
            let cell = self.rows.take(*index);
            texts.push(text(cell).map_err(|problem| ReadError::row(&self.path, row, name, problem))?);
        }
        Ok(texts)
    }
}

fn text(cell: Cell<'_>) -> Result<Option<String>, super::error::RowProblem> {
    Ok(match cell {
        Cell::Null => None,
        Cell::Text(text) if text.trim().is_empty() => None,
        Cell::Text(text) => Some(text.into_owned()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Number(number) => Some(number.to_string()),
        Cell::List(items) => {
            let mut lines = Vec::new();
            for item in items {
                lines.extend(text(item)?.map(|line| format!("- {line}")));
            }
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        other => return Err(other.mismatch("text or a list of texts")),
    })
}
