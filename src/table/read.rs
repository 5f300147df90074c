//! Reading score tables: by column for analysis, by row for small tables.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    UInt16Array, UInt32Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{Float32Type, Float64Type, Int32Type, UInt16Type, UInt32Type};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::TableError;
use super::footer::{self, Opened};
use super::implicit::LogProbs;
use super::score::{SCHEMA_VERSION, ScoreRow, Side, VERSION_KEY};
use super::store::{COLUMNS, column_type};
use crate::lang::Lang;
use crate::provenance::RunInfo;

/// Rows decoded at once; divides the writer's row groups, so that a batch has one dictionary.
const ROWS_PER_BATCH: usize = 32_768;

/// An opened score table: its footer and provenance are read and checked, its rows are not.
pub struct ScoreFile {
    path: PathBuf,
    info: RunInfo,
    n_rows: u64,
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl ScoreFile {
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let Opened { builder, info, n_rows } = footer::open(path, VERSION_KEY, SCHEMA_VERSION)?;
        Ok(Self { path: path.to_owned(), info, n_rows, builder })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The rows in file order, some thousands at a time, by column.
    pub fn batches(self) -> Result<ScoreBatches, TableError> {
        let reader =
            self.builder.with_batch_size(ROWS_PER_BATCH).build().map_err(|e| TableError::parquet(&self.path, e))?;
        Ok(ScoreBatches { reader, path: self.path, next_row: 0 })
    }

    /// All rows at once: for shards and tests; use [`ScoreFile::batches`] for whole runs.
    pub fn rows(self) -> Result<Vec<ScoreRow>, TableError> {
        let mut rows = Vec::with_capacity(self.n_rows as usize);
        for batch in self.batches()? {
            let batch = batch?;
            let names = RowNames::new(&batch)?;
            for row in 0..batch.len() {
                rows.push(names.row(&batch, row));
            }
        }
        Ok(rows)
    }
}

/// A column of strings as indices into its distinct values.
#[derive(Debug, Clone)]
pub struct Names {
    pub keys: Int32Array,
    values: ArrayRef,
}

impl Names {
    pub fn values(&self) -> &StringArray {
        self.values.as_string()
    }

    pub fn get(&self, row: usize) -> Option<&str> {
        self.keys.is_valid(row).then(|| self.values().value(self.keys.value(row) as usize))
    }

    /// True where both columns index the very same list of values, as batches of one row group do.
    pub fn shares_values(&self, other: &Names) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }
}

/// Some rows of a score table, by column; required columns have no nulls.
#[derive(Debug, Clone)]
pub struct ScoreBatch {
    /// Row number of the first row within the file.
    pub first_row: u64,
    pub path: Arc<Path>,
    pub benchmark: Names,
    pub benchmark_version: Names,
    pub subset: Names,
    pub category: Names,
    pub lang: Names,
    pub item_id: Names,
    pub source_id: Names,
    pub role: Names,
    pub response_index: UInt16Array,
    pub variant: Names,
    pub n_chars: UInt32Array,
    pub n_tokens: UInt32Array,
    pub truncated: BooleanArray,
    pub reward: Float32Array,
    pub logp_policy: Float64Array,
    pub logp_reference: Float64Array,
    pub logp_squares: Float64Array,
    pub n_scored: UInt32Array,
    pub n_bytes: UInt32Array,
}

impl ScoreBatch {
    pub fn len(&self) -> usize {
        self.response_index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What an implicit model said of the response in row `row`.
    pub fn log_probs(&self, row: usize) -> Option<LogProbs> {
        let number = |column: &Float64Array| column.is_valid(row).then(|| column.value(row));
        let count = |column: &UInt32Array| column.is_valid(row).then(|| column.value(row));
        Some(LogProbs {
            policy: number(&self.logp_policy)?,
            reference: number(&self.logp_reference),
            squares: number(&self.logp_squares),
            tokens: count(&self.n_scored),
            bytes: count(&self.n_bytes),
        })
    }

    /// The error for a value of row `row` of this batch that cannot be.
    pub fn bad_value(&self, row: usize, column: &'static str, problem: String) -> TableError {
        TableError::Value { path: self.path.to_path_buf(), row: self.first_row + row as u64, column, problem }
    }

    /// Which language each distinct value of the language column names.
    pub fn langs(&self) -> Result<Vec<Lang>, TableError> {
        let parse = |name: Option<&str>| {
            let name = name.unwrap_or_default();
            Lang::from_code(name).ok_or_else(|| {
                let row = (0..self.len()).find(|&row| self.lang.get(row) == Some(name)).unwrap_or(0);
                self.bad_value(row, "lang", format!("`{name}` is not a FLORES-200 code such as `arb_Arab`"))
            })
        };
        self.lang.values().iter().map(parse).collect()
    }

    /// Which side each distinct value of the role column names.
    pub fn sides(&self) -> Result<Vec<Side>, TableError> {
        let parse = |name: Option<&str>| match name.unwrap_or_default() {
            "chosen" => Ok(Side::Chosen),
            "rejected" => Ok(Side::Rejected),
            other => {
                let row = (0..self.len()).find(|&row| self.role.get(row) == Some(other)).unwrap_or(0);
                Err(self.bad_value(row, "role", format!("`{other}` is neither `chosen` nor `rejected`")))
            }
        };
        self.role.values().iter().map(parse).collect()
    }
}

/// Iterator over the batches of one table.
pub struct ScoreBatches {
    reader: ParquetRecordBatchReader,
    path: PathBuf,
    next_row: u64,
}

impl Iterator for ScoreBatches {
    type Item = Result<ScoreBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(source) => return Some(Err(TableError::arrow(&self.path, source))),
        };
        let first_row = self.next_row;
        self.next_row += batch.num_rows() as u64;
        Some(Decoder { path: &self.path, batch, first_row }.decode())
    }
}

/// One Arrow batch on its way to a [`ScoreBatch`]; tables by other writers may hold plain strings or
/// lack the optional columns.
struct Decoder<'a> {
    path: &'a Path,
    batch: RecordBatch,
    first_row: u64,
}

impl Decoder<'_> {
    fn decode(self) -> Result<ScoreBatch, TableError> {
        Ok(ScoreBatch {
            first_row: self.first_row,
            path: self.path.into(),
            benchmark: self.names("benchmark")?,
            benchmark_version: self.names("benchmark_version")?,
            subset: self.names("subset")?,
            category: self.names("category")?,
            lang: self.names("lang")?,
            item_id: self.names("item_id")?,
            source_id: self.names("source_id")?,
            role: self.names("role")?,
            response_index: self.column("response_index")?.as_primitive::<UInt16Type>().clone(),
            variant: self.names("variant")?,
            n_chars: self.column("n_chars")?.as_primitive::<UInt32Type>().clone(),
            n_tokens: self.column("n_tokens")?.as_primitive::<UInt32Type>().clone(),
            truncated: self.column("truncated")?.as_boolean().clone(),
            reward: self.column("reward")?.as_primitive::<Float32Type>().clone(),
            logp_policy: self.column("logp_policy")?.as_primitive::<Float64Type>().clone(),
            logp_reference: self.column("logp_reference")?.as_primitive::<Float64Type>().clone(),
            logp_squares: self.column("logp_squares")?.as_primitive::<Float64Type>().clone(),
            n_scored: self.column("n_scored")?.as_primitive::<UInt32Type>().clone(),
            n_bytes: self.column("n_bytes")?.as_primitive::<UInt32Type>().clone(),
        })
    }

    fn names(&self, name: &'static str) -> Result<Names, TableError> {
        let column = self.column(name)?;
        let dictionary = column.as_dictionary::<Int32Type>();
        Ok(Names { keys: dictionary.keys().clone(), values: dictionary.values().clone() })
    }

    /// The column in the type of schema v1, without nulls where it must have none.
    fn column(&self, name: &'static str) -> Result<ArrayRef, TableError> {
        let nullable = COLUMNS.iter().any(|&(column, nullable)| column == name && nullable);
        let expected = column_type(name);
        let Some(column) = self.batch.column_by_name(name) else {
            if nullable {
                return Ok(new_null_array(&expected, self.batch.num_rows()));
            }
            return Err(TableError::NoColumn { path: self.path.to_owned(), column: name });
        };
        let column = if *column.data_type() == expected {
            column.clone()
        } else {
            cast(column, &expected).map_err(|_| TableError::ColumnType {
                path: self.path.to_owned(),
                column: name,
                expected: expected.to_string(),
                found: column.data_type().to_string(),
            })?
        };
        if !nullable && let Some(row) = (0..column.len()).find(|&row| column.is_null(row)) {
            let row = self.first_row + row as u64;
            return Err(TableError::Value {
                path: self.path.to_owned(),
                row,
                column: name,
                problem: "is null".to_owned(),
            });
        }
        Ok(column)
    }
}

/// Shared strings of one batch, so that rows of it do not copy them.
struct RowNames {
    columns: [Vec<Arc<str>>; 7],
    langs: Vec<Lang>,
    sides: Vec<Side>,
}

impl RowNames {
    fn new(batch: &ScoreBatch) -> Result<Self, TableError> {
        let shared = |names: &Names| names.values().iter().map(|name| name.unwrap_or_default().into()).collect();
        let columns = [
            shared(&batch.benchmark),
            shared(&batch.benchmark_version),
            shared(&batch.subset),
            shared(&batch.category),
            shared(&batch.item_id),
            shared(&batch.source_id),
            shared(&batch.variant),
        ];
        Ok(Self { columns, langs: batch.langs()?, sides: batch.sides()? })
    }

    fn row(&self, batch: &ScoreBatch, row: usize) -> ScoreRow {
        let at = |names: &Names| names.keys.value(row) as usize;
        let optional = |names: &Names, shared: &[Arc<str>]| names.keys.is_valid(row).then(|| shared[at(names)].clone());
        let [benchmark, version, subset, category, item, source, variant] = &self.columns;
        ScoreRow {
            benchmark: benchmark[at(&batch.benchmark)].clone(),
            benchmark_version: version[at(&batch.benchmark_version)].clone(),
            subset: subset[at(&batch.subset)].clone(),
            category: optional(&batch.category, category),
            lang: self.langs[at(&batch.lang)],
            item_id: item[at(&batch.item_id)].clone(),
            source_id: source[at(&batch.source_id)].clone(),
            side: self.sides[at(&batch.role)],
            response_index: batch.response_index.value(row),
            variant: optional(&batch.variant, variant),
            n_chars: batch.n_chars.value(row),
            n_tokens: batch.n_tokens.value(row),
            truncated: batch.truncated.value(row),
            reward: batch.reward.is_valid(row).then(|| batch.reward.value(row)),
            log_probs: batch.log_probs(row),
        }
    }
}
