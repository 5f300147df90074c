//! The feature table, schema v1: what the reward head read of every response, one row each.
//!
//! | column | type | |
//! |---|---|---|
//! | benchmark, subset, lang, item_id, role | dictionary\<utf8\> | keys, as in the score table |
//! | response_index | u16 | position within its role |
//! | features | list\<f32\> | the pooled hidden state; all rows have one width |
//!
//! The file lies beside the run's score table, with the same provenance and under its own version key. It is written
//! where `features = true` asks for it: at 4 bytes a number it is far larger than the scores.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Builder, ListBuilder, RecordBatch, StringDictionaryBuilder, UInt16Builder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema, UInt16Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::TableError;
use super::footer::{self, Opened};
use super::score::{ScoreRow, Side};
use crate::files;
use crate::lang::Lang;
use crate::provenance::RunInfo;

pub const VERSION_KEY: &str = "rmbench.feature_table";
pub const SCHEMA_VERSION: &str = "1";
/// The table's file name in a run directory.
pub const FILE_NAME: &str = "features.parquet";

/// Rows are wide: few at once.
const ROWS_PER_BATCH: usize = 512;
const ROWS_PER_GROUP: usize = 8_192;

const TEXTS: [&str; 5] = ["benchmark", "subset", "lang", "item_id", "role"];

/// One response and what was read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    pub benchmark: Arc<str>,
    pub subset: Arc<str>,
    pub lang: Lang,
    pub item_id: Arc<str>,
    pub side: Side,
    pub response_index: u16,
    pub features: Vec<f32>,
}

impl FeatureRow {
    /// What was read of a scored response.
    pub fn of(row: &ScoreRow, features: Vec<f32>) -> Self {
        Self {
            benchmark: row.benchmark.clone(),
            subset: row.subset.clone(),
            lang: row.lang,
            item_id: row.item_id.clone(),
            side: row.side,
            response_index: row.response_index,
            features,
        }
    }
}

fn schema() -> Arc<Schema> {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)));
    let mut fields: Vec<Field> = TEXTS.map(|name| Field::new(name, text.clone(), false)).into();
    fields.push(Field::new("response_index", DataType::UInt16, false));
    fields.push(Field::new("features", list, false));
    Arc::new(Schema::new(fields))
}

/// Where a run's features are: beside its score table, which may be given as a directory or as the file.
pub fn beside(run: &Path) -> Option<PathBuf> {
    let is_run = run.file_name().is_some_and(|name| name == super::score::FILE_NAME);
    let directory = if run.is_dir() { run } else { run.parent().filter(|_| is_run)? };
    let path = directory.join(FILE_NAME);
    path.is_file().then_some(path)
}

/// Streams rows into one table. Equal rows and equal provenance give equal bytes.
pub struct FeatureWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    path: PathBuf,
    waiting: Vec<FeatureRow>,
}

impl<W: Write + Send> FeatureWriter<W> {
    pub fn new(sink: W, path: &Path, info: &RunInfo) -> Result<Self, TableError> {
        let properties = footer::properties(path, info, VERSION_KEY, SCHEMA_VERSION, ROWS_PER_GROUP)?.build();
        let writer =
            ArrowWriter::try_new(sink, schema(), Some(properties)).map_err(|e| TableError::parquet(path, e))?;
        Ok(Self { writer, path: path.to_owned(), waiting: Vec::new() })
    }

    pub fn push(&mut self, row: FeatureRow) -> Result<(), TableError> {
        self.waiting.push(row);
        if self.waiting.len() == ROWS_PER_BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes the footer.
    pub fn finish(mut self) -> Result<(), TableError> {
        self.flush()?;
        self.writer.close().map_err(|e| TableError::parquet(&self.path, e))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TableError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = batch(&std::mem::take(&mut self.waiting)).map_err(|e| TableError::arrow(&self.path, e))?;
        self.writer.write(&batch).map_err(|e| TableError::parquet(&self.path, e))
    }
}

fn batch(rows: &[FeatureRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let texts: [fn(&FeatureRow) -> &str; TEXTS.len()] =
        [|row| &row.benchmark, |row| &row.subset, |row| row.lang.code(), |row| &row.item_id, |row| row.side.as_str()];
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for value in texts {
        let mut column = StringDictionaryBuilder::<Int32Type>::new();
        for row in rows {
            column.append(value(row))?;
        }
        arrays.push(Arc::new(column.finish()));
    }
    let mut index = UInt16Builder::new();
    let mut features = ListBuilder::new(Float32Builder::new());
    for row in rows {
        index.append_value(row.response_index);
        features.append_value(row.features.iter().map(|x| Some(*x)));
    }
    arrays.push(Arc::new(index.finish()));
    arrays.push(Arc::new(features.finish()));
    RecordBatch::try_new(schema(), arrays)
}

/// Writes a table atomically.
pub fn write_features(path: &Path, info: &RunInfo, rows: Vec<FeatureRow>) -> Result<(), TableError> {
    files::write_with(path, |file| {
        let mut writer = FeatureWriter::new(file, path, info)?;
        rows.into_iter().try_for_each(|row| writer.push(row))?;
        writer.finish()
    })
}

/// An opened feature table: its footer is read and checked, its rows are not.
pub struct FeatureFile {
    path: PathBuf,
    info: RunInfo,
    reader: ParquetRecordBatchReader,
}

impl FeatureFile {
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let Opened { builder, info, .. } = footer::open(path, VERSION_KEY, SCHEMA_VERSION)?;
        let reader = builder.with_batch_size(ROWS_PER_BATCH).build().map_err(|e| TableError::parquet(path, e))?;
        Ok(Self { path: path.to_owned(), info, reader })
    }

    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Calls `take` with every row in file order.
    ///
    /// # Errors
    /// Columns that are missing or of another type, values that mean nothing, rows of different widths.
    pub fn each(self, mut take: impl FnMut(FeatureRow) -> Result<(), TableError>) -> Result<(), TableError> {
        let (mut first_row, mut width) = (0, None);
        for batch in self.reader {
            let batch = batch.map_err(|source| TableError::arrow(&self.path, source))?;
            let wrong = |row: usize, column: &'static str, problem: String| {
                let (path, row) = (self.path.clone(), first_row + row as u64);
                TableError::Value { path, row, column, problem }
            };
            let column = |name: &'static str, kind: DataType| {
                let array = batch.column_by_name(name);
                let array = array.ok_or_else(|| TableError::NoColumn { path: self.path.clone(), column: name })?;
                let (expected, found) = (kind.to_string(), array.data_type().to_string());
                let path = self.path.clone();
                cast(array, &kind).map_err(|_| TableError::ColumnType { path, column: name, expected, found })
            };
            let mut texts = Vec::new();
            for name in TEXTS {
                texts.push(column(name, DataType::Utf8)?);
            }
            let index = column("response_index", DataType::UInt16)?;
            let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)));
            let features = column("features", list)?;
            for row in 0..batch.num_rows() {
                let missing = texts.iter().chain([&index, &features]).any(|array| array.is_null(row));
                if missing {
                    return Err(wrong(row, "features", "a value of the row is null".to_owned()));
                }
                let text = |at: usize| texts[at].as_string::<i32>().value(row);
                let lang = Lang::from_code(text(2))
                    .ok_or_else(|| wrong(row, "lang", format!("`{}` is not a FLORES-200 code", text(2))))?;
                let side = match text(4) {
                    "chosen" => Side::Chosen,
                    "rejected" => Side::Rejected,
                    other => return Err(wrong(row, "role", format!("`{other}` is neither chosen nor rejected"))),
                };
                let values = features.as_list::<i32>().value(row).as_primitive::<Float32Type>().values().to_vec();
                if *width.get_or_insert(values.len()) != values.len() || values.is_empty() {
                    let problem = format!("{} numbers, other rows have {}", values.len(), width.unwrap_or_default());
                    return Err(wrong(row, "features", problem));
                }
                take(FeatureRow {
                    benchmark: text(0).into(),
                    subset: text(1).into(),
                    lang,
                    item_id: text(3).into(),
                    side,
                    response_index: index.as_primitive::<UInt16Type>().value(row),
                    features: values,
                })?;
            }
            first_row += batch.num_rows() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_widths_must_agree() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let info = RunInfo::of_this_binary("m", "mock", "mock");
        let row = |item: &str, features: Vec<f32>| FeatureRow {
            benchmark: "b".into(),
            subset: "s".into(),
            lang: Lang::ENGLISH,
            item_id: item.into(),
            side: Side::Rejected,
            response_index: 2,
            features,
        };
        let rows: Vec<FeatureRow> = (0..1000).map(|i| row(&format!("i{i}"), vec![i as f32, -1.5])).collect();
        write_features(&path, &info, rows.clone()).unwrap();
        let mut found = Vec::new();
        let file = FeatureFile::open(&path).unwrap();
        assert_eq!(file.info(), &info);
        file.each(|row| {
            found.push(row);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, rows);
        assert_eq!(beside(dir.path()), Some(path.clone()));
        write_features(&path, &info, vec![row("a", vec![1.0]), row("b", vec![1.0, 2.0])]).unwrap();
        let error = FeatureFile::open(&path).unwrap().each(|_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("2 numbers, other rows have 1"), "{error}");
    }
}
