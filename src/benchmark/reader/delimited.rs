//! Rows of CSV and TSV files. Lists and messages are JSON text in their cells.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use serde_json::Value;

use super::cell::{Advance, Cell, Column, Kind};
use super::error::{ReadError, RowProblem};
use super::format::Format;
use super::rows::Rows;

/// Records looked at to tell columns of JSON messages from columns of text.
const PEEKED: usize = 20;

pub(super) struct DelimitedRows {
    path: PathBuf,
    format: Format,
    reader: Reader<File>,
    columns: Vec<Column>,
    record: StringRecord,
}

impl DelimitedRows {
    pub fn open(path: &Path, format: Format) -> Result<Self, ReadError> {
        let mut peek = reader(path, format)?;
        let header = peek.headers().map_err(|e| ReadError::broken(path, format, e))?.clone();
        let mut columns: Vec<Column> = header
            .iter()
            .map(|name| Column { name: name.trim_start_matches('\u{feff}').to_owned(), kind: Kind::Text })
            .collect();
        let sample: Vec<StringRecord> = peek.records().take(PEEKED).flatten().collect();
        for (index, column) in columns.iter_mut().enumerate() {
            let mut cells = sample.iter().filter_map(|record| record.get(index)).filter(|cell| !cell.is_empty());
            column.kind = match column.name.as_str() {
                // Names that this project's own CSV export gives to columns of JSON.
                "chosen_list" | "rejected_list" | "styles" => Kind::TextList,
                "context" if cells.all(is_messages) => Kind::Messages,
                _ if cells.clone().next().is_some() && cells.all(is_messages) => Kind::Messages,
                _ => Kind::Text,
            };
        }
        let reader = reader(path, format)?;
        Ok(Self { path: path.to_owned(), format, reader, columns, record: StringRecord::new() })
    }
}

fn reader(path: &Path, format: Format) -> Result<Reader<File>, ReadError> {
    let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
    ReaderBuilder::new().delimiter(delimiter).from_path(path).map_err(|e| ReadError::broken(path, format, e))
}

/// Whether a cell is a JSON list of chat messages.
fn is_messages(cell: &str) -> bool {
    cell.trim_start().starts_with('[')
        && matches!(serde_json::from_str(cell), Ok(Value::Array(items)) if !items.is_empty() && items.iter().all(|item| {
            item.as_object().is_some_and(|m| (m.contains_key("role") || m.contains_key("from"))
                && (m.contains_key("content") || m.contains_key("value")))
        }))
}

impl Rows for DelimitedRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, _: &[usize]) -> Result<(), ReadError> {
        Ok(())
    }

    fn advance(&mut self) -> Result<Advance, ReadError> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Advance::Row),
            Ok(false) => Ok(Advance::End),
            // The reader stands behind the record and can go on.
            Err(e) if matches!(e.kind(), ErrorKind::UnequalLengths { .. } | ErrorKind::Utf8 { .. }) => {
                Ok(Advance::Bad(RowProblem::Malformed { message: e.to_string() }))
            }
            Err(e) => Err(ReadError::broken(&self.path, self.format, e)),
        }
    }

    fn take(&mut self, column: usize) -> Cell<'_> {
        let kind = self.columns.get(column).map_or(Kind::Text, |column| column.kind);
        match self.record.get(column) {
            None | Some("") => Cell::Null,
            Some(text) if kind.is_list() => match serde_json::from_str::<Value>(text) {
                Ok(value) => Cell::from(value),
                Err(_) => Cell::Other("text that is not JSON".to_owned()),
            },
            Some(text) => Cell::Text(Cow::Borrowed(text)),
        }
    }

    fn total(&self) -> Option<u64> {
        None
    }
}
