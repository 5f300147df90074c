//! Rows of a file, whatever its format.

use std::path::Path;

use super::cell::{Advance, Cell, Column};
use super::columnar;
use super::delimited::DelimitedRows;
use super::error::ReadError;
use super::format::Format;
use super::json::JsonRows;

/// A stream of rows. Only the current row's values can be looked at, and each once: `take` may move
/// owned text out.
pub(super) trait Rows: Send {
    fn columns(&self) -> &[Column];
    /// Only these columns will be asked for. Called at most once, before the first row.
    fn select(&mut self, used: &[usize]) -> Result<(), ReadError>;
    fn advance(&mut self) -> Result<Advance, ReadError>;
    fn take(&mut self, column: usize) -> Cell<'_>;
    /// What a list of 32-bit numbers, or a list of such lists, holds, where the file has it as it stands: a cell per number would
    /// take most of the time of training on vectors. `None`: it has to be taken.
    fn vectors(&self, _column: usize) -> Option<Vec<&[f32]>> {
        None
    }
    /// How many rows there are, where the file says so up front.
    fn total(&self) -> Option<u64>;
}

pub(super) fn open(path: &Path, format: Format) -> Result<Box<dyn Rows>, ReadError> {
    Ok(match format {
        Format::Parquet => Box::new(columnar::parquet(path)?),
        Format::ArrowFile | Format::ArrowStream => Box::new(columnar::arrow(path, format)?),
        Format::JsonLines | Format::JsonArray => Box::new(JsonRows::open(path, format)?),
        Format::Csv | Format::Tsv => Box::new(DelimitedRows::open(path, format)?),
    })
}
