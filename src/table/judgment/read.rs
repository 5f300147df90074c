//! Reading judgment tables, row by row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, UInt8Type, UInt16Type, UInt32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::{GRADES, JudgmentRow, ROWS_PER_BATCH, SCHEMA_VERSION, VERSION_KEY, columns};
use crate::judge::{Judgment, Outcome};
use crate::lang::Lang;
use crate::provenance::RunInfo;
use crate::table::TableError;
use crate::table::footer::{self, Opened};

/// An opened judgment table: its footer is read and checked, its rows are not.
pub struct JudgmentFile {
    path: PathBuf,
    info: RunInfo,
    n_rows: u64,
    reader: ParquetRecordBatchReader,
}

impl JudgmentFile {
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let Opened { builder, info, n_rows } = footer::open(path, VERSION_KEY, SCHEMA_VERSION)?;
        let reader = builder.with_batch_size(ROWS_PER_BATCH).build().map_err(|e| TableError::parquet(path, e))?;
        Ok(Self { path: path.to_owned(), info, n_rows, reader })
    }

    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Calls `take` with every row in file order.
    pub fn each(self, mut take: impl FnMut(JudgmentRow) -> Result<(), TableError>) -> Result<(), TableError> {
        let mut first_row = 0;
        for batch in self.reader {
            let batch = batch.map_err(|source| TableError::arrow(&self.path, source))?;
            let n_rows = batch.num_rows();
            let decoder = Decoder::new(&self.path, &batch, first_row)?;
            (0..n_rows).try_for_each(|row| take(decoder.row(row)?))?;
            first_row += n_rows as u64;
        }
        Ok(())
    }

    /// All rows at once: for shards and tests.
    pub fn rows(self) -> Result<Vec<JudgmentRow>, TableError> {
        let mut rows = Vec::new();
        self.each(|row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }
}

/// One batch on its way to rows.
struct Decoder<'a> {
    path: &'a Path,
    first_row: u64,
    /// In the order of [`columns`].
    arrays: Vec<(&'static str, ArrayRef)>,
}

impl<'a> Decoder<'a> {
    fn new(path: &'a Path, batch: &RecordBatch, first_row: u64) -> Result<Self, TableError> {
        let mut arrays = Vec::new();
        for (name, kind, nullable) in columns() {
            let array = batch.column_by_name(name);
            if array.is_none() && name == GRADES {
                arrays.push((name, new_null_array(&kind, batch.num_rows())));
                continue;
            }
            let array = array.ok_or_else(|| TableError::NoColumn { path: path.to_owned(), column: name })?;
            // Texts are read as plain strings, whatever they are stored as.
            let kind = if matches!(kind, DataType::Dictionary(..)) { DataType::Utf8 } else { kind };
            let array = cast(array, &kind).map_err(|_| TableError::ColumnType {
                path: path.to_owned(),
                column: name,
                expected: kind.to_string(),
                found: array.data_type().to_string(),
            })?;
            if !nullable && array.null_count() > 0 {
                let row = (0..array.len()).find(|row| array.is_null(*row)).unwrap_or(0);
                let problem = "is null".to_owned();
                return Err(TableError::Value {
                    path: path.to_owned(),
                    row: first_row + row as u64,
                    column: name,
                    problem,
                });
            }
            arrays.push((name, array));
        }
        Ok(Self { path, first_row, arrays })
    }

    fn array(&self, name: &str) -> Option<&ArrayRef> {
        self.arrays.iter().find(|(known, _)| *known == name).map(|(_, array)| array)
    }

    fn text(&self, name: &str, row: usize) -> Option<&str> {
        let array = self.array(name)?;
        array.is_valid(row).then(|| array.as_string::<i32>().value(row))
    }

    fn shared(&self, name: &str, row: usize) -> Arc<str> {
        self.text(name, row).unwrap_or_default().into()
    }

    fn small(&self, name: &str, row: usize) -> Option<u16> {
        let array = self.array(name)?;
        array.is_valid(row).then(|| array.as_primitive::<UInt16Type>().value(row))
    }

    fn count(&self, name: &str, row: usize) -> Option<u32> {
        let array = self.array(name)?;
        array.is_valid(row).then(|| array.as_primitive::<UInt32Type>().value(row))
    }

    fn real(&self, name: &str, row: usize) -> Option<f64> {
        let array = self.array(name)?;
        array.is_valid(row).then(|| array.as_primitive::<Float64Type>().value(row))
    }

    fn list(&self, name: &str, row: usize) -> Option<ArrayRef> {
        let array = self.array(name)?;
        array.is_valid(row).then(|| array.as_list::<i32>().value(row))
    }

    fn row(&self, row: usize) -> Result<JudgmentRow, TableError> {
        let wrong = |column: &'static str, problem: String| TableError::Value {
            path: self.path.to_owned(),
            row: self.first_row + row as u64,
            column,
            problem,
        };
        let owned = |name: &str| self.text(name, row).map(str::to_owned);
        let code = self.text("lang", row).unwrap_or_default();
        let lang = Lang::from_code(code).ok_or_else(|| wrong("lang", format!("`{code}` is not a FLORES-200 code")))?;
        let outcome = self.text("outcome", row).unwrap_or_default();
        let outcome = Outcome::parse(outcome).ok_or_else(|| wrong("outcome", format!("`{outcome}` is no outcome")))?;
        let shown: Vec<u16> =
            self.list("shown", row).map(|list| list.as_primitive::<UInt16Type>().values().to_vec()).unwrap_or_default();
        let picked = self.small("picked", row);
        if picked.is_some_and(|place| usize::from(place) >= shown.len()) {
            return Err(wrong("picked", format!("only {} responses were shown", shown.len())));
        }
        let (n_chosen, n_rejected) =
            (self.small("n_chosen", row).unwrap_or_default(), self.small("n_rejected", row).unwrap_or_default());
        if let Some(place) =
            shown.iter().find(|place| u32::from(**place) >= u32::from(n_chosen) + u32::from(n_rejected))
        {
            return Err(wrong("shown", format!("the item has no response {place}")));
        }
        let strength = self.array("strength").filter(|array| array.is_valid(row));
        let numbers = |name| self.list(name, row).map(|list| list.as_primitive::<Float64Type>().values().to_vec());
        let grades = numbers(GRADES);
        if grades.as_ref().is_some_and(|grades| grades.len() != shown.len()) {
            return Err(wrong(GRADES, format!("{} responses were shown", shown.len())));
        }
        Ok(JudgmentRow {
            benchmark: self.shared("benchmark", row),
            benchmark_version: self.shared("benchmark_version", row),
            subset: self.shared("subset", row),
            lang,
            item_id: self.shared("item_id", row),
            source_id: self.shared("source_id", row),
            n_chosen,
            n_rejected,
            judgment: Judgment {
                judge: self.shared("judge", row),
                shown,
                sample: self.small("sample", row).unwrap_or_default(),
                outcome,
                picked,
                strength: strength.map(|array| array.as_primitive::<UInt8Type>().value(row)),
                rating: self.real("rating", row),
                grades,
                probabilities: numbers("probabilities"),
                reply: owned("reply"),
                reasoning: owned("reasoning"),
                why: owned("why"),
                finish: owned("finish"),
                asks: self.small("asks", row).unwrap_or_default(),
                prompt_tokens: self.count("prompt_tokens", row),
                reply_tokens: self.count("reply_tokens", row),
                cost: self.real("cost", row),
            },
        })
    }
}
