//! The judgment table, schema v1: one row per judged set of responses, order and sample.
//!
//! | column | type | |
//! |---|---|---|
//! | benchmark, benchmark_version, subset, lang, item_id, source_id | dictionary\<utf8\> | keys, as in the score table |
//! | n_chosen, n_rejected | u16 | responses of the item |
//! | judge | dictionary\<utf8\> | who was asked |
//! | shown | list\<u16\> | responses in the order shown, counted chosen first, then rejected |
//! | sample | u16 | which of several judgments of this order |
//! | outcome | dictionary\<utf8\> | `verdict`, `tie`, `unparsed`, `refused` or `error` |
//! | picked | u16, nullable | place in `shown` of the response that was picked |
//! | strength | u8, nullable | how much better, where the form says it; 1 is slightly |
//! | rating | f64, nullable | of a single response |
//! | grades | list\<f64\>, nullable | of each response shown, beside the verdict or as the verdict; tables of earlier versions lack it |
//! | probabilities | list\<f64\>, nullable | of each response shown; of a single one to be called good |
//! | reply, reasoning, why, finish | utf8, nullable | what the judge wrote; why there is no verdict; how the reply ended |
//! | asks | u16 | questions it took |
//! | prompt_tokens, reply_tokens | u32, nullable | over all questions; null: the server does not say |
//! | cost | f64, nullable | money, by the prices of the run's settings |
//!
//! The file lies beside the run's score table, with the same provenance and under its own version key.

mod read;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, ListBuilder, RecordBatch, StringBuilder, StringDictionaryBuilder, UInt8Builder,
    UInt16Builder, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;

use super::TableError;
use super::footer;
use crate::files;
use crate::judge::Judgment;
use crate::lang::Lang;
use crate::provenance::RunInfo;

pub use read::JudgmentFile;

pub const VERSION_KEY: &str = "rmbench.judgment_table";
pub const SCHEMA_VERSION: &str = "1";
/// The table's file name in a run directory.
pub const FILE_NAME: &str = "judgments.parquet";

/// The column that tables of earlier versions lack.
const GRADES: &str = "grades";

/// Rows handed to the Parquet writer at once, and per row group: replies are long.
const ROWS_PER_BATCH: usize = 4_096;
const ROWS_PER_GROUP: usize = 32_768;

/// One judgment with the item it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgmentRow {
    pub benchmark: Arc<str>,
    pub benchmark_version: Arc<str>,
    pub subset: Arc<str>,
    pub lang: Lang,
    pub item_id: Arc<str>,
    pub source_id: Arc<str>,
    pub n_chosen: u16,
    pub n_rejected: u16,
    pub judgment: Judgment,
}

/// The columns in file order: name, type, whether a row may lack it.
fn columns() -> Vec<(&'static str, DataType, bool)> {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    vec![
        ("benchmark", text(), false),
        ("benchmark_version", text(), false),
        ("subset", text(), false),
        ("lang", text(), false),
        ("item_id", text(), false),
        ("source_id", text(), false),
        ("n_chosen", DataType::UInt16, false),
        ("n_rejected", DataType::UInt16, false),
        ("judge", text(), false),
        ("shown", list(DataType::UInt16), false),
        ("sample", DataType::UInt16, false),
        ("outcome", text(), false),
        ("picked", DataType::UInt16, true),
        ("strength", DataType::UInt8, true),
        ("rating", DataType::Float64, true),
        (GRADES, list(DataType::Float64), true),
        ("probabilities", list(DataType::Float64), true),
        ("reply", DataType::Utf8, true),
        ("reasoning", DataType::Utf8, true),
        ("why", DataType::Utf8, true),
        ("finish", DataType::Utf8, true),
        ("asks", DataType::UInt16, false),
        ("prompt_tokens", DataType::UInt32, true),
        ("reply_tokens", DataType::UInt32, true),
        ("cost", DataType::Float64, true),
    ]
}

/// The Arrow schema of a judgment table, version 1.
pub fn arrow_schema() -> Arc<Schema> {
    let fields = columns().into_iter().map(|(name, kind, nullable)| Field::new(name, kind, nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Where a run's judgments are: beside its score table, which may be given as a directory or as the file.
/// `None`: the run was not judged.
pub fn beside(run: &Path) -> Option<PathBuf> {
    let is_run = run.file_name().is_some_and(|name| name == super::score::FILE_NAME);
    let directory = if run.is_dir() { run } else { run.parent().filter(|_| is_run)? };
    let path = directory.join(FILE_NAME);
    path.is_file().then_some(path)
}

/// Streams rows into one table. Equal rows and equal provenance give equal bytes.
pub struct JudgmentWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    path: PathBuf,
    waiting: Vec<JudgmentRow>,
    n_rows: u64,
}

impl<W: Write + Send> JudgmentWriter<W> {
    pub fn new(sink: W, path: &Path, info: &RunInfo) -> Result<Self, TableError> {
        let properties = footer::properties(path, info, VERSION_KEY, SCHEMA_VERSION, ROWS_PER_GROUP)?.build();
        let writer =
            ArrowWriter::try_new(sink, arrow_schema(), Some(properties)).map_err(|e| TableError::parquet(path, e))?;
        Ok(Self { writer, path: path.to_owned(), waiting: Vec::new(), n_rows: 0 })
    }

    pub fn push(&mut self, row: JudgmentRow) -> Result<(), TableError> {
        self.waiting.push(row);
        self.n_rows += 1;
        if self.waiting.len() == ROWS_PER_BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes the footer; returns the number of rows.
    pub fn finish(mut self) -> Result<u64, TableError> {
        self.flush()?;
        self.writer.close().map_err(|e| TableError::parquet(&self.path, e))?;
        Ok(self.n_rows)
    }

    fn flush(&mut self) -> Result<(), TableError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = batch(&std::mem::take(&mut self.waiting)).map_err(|e| TableError::arrow(&self.path, e))?;
        self.writer.write(&batch).map_err(|e| TableError::parquet(&self.path, e))
    }
}

/// Writes a table atomically; returns how many rows.
pub fn write_judgments(path: &Path, info: &RunInfo, rows: Vec<JudgmentRow>) -> Result<u64, TableError> {
    let mut n_rows = 0;
    files::write_with(path, |file| {
        let mut writer = JudgmentWriter::new(file, path, info)?;
        rows.into_iter().try_for_each(|row| writer.push(row))?;
        n_rows = writer.finish()?;
        Ok::<(), TableError>(())
    })?;
    Ok(n_rows)
}

fn batch(rows: &[JudgmentRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |value: fn(&JudgmentRow) -> &str| -> Result<ArrayRef, arrow::error::ArrowError> {
        let mut column = StringDictionaryBuilder::<Int32Type>::new();
        for row in rows {
            column.append(value(row))?;
        }
        Ok(Arc::new(column.finish()))
    };
    let long = |value: fn(&Judgment) -> Option<&str>| -> ArrayRef {
        let mut column = StringBuilder::new();
        rows.iter().for_each(|row| column.append_option(value(&row.judgment)));
        Arc::new(column.finish())
    };
    let small = |value: fn(&JudgmentRow) -> Option<u16>| -> ArrayRef {
        let mut column = UInt16Builder::new();
        rows.iter().for_each(|row| column.append_option(value(row)));
        Arc::new(column.finish())
    };
    let count = |value: fn(&Judgment) -> Option<u32>| -> ArrayRef {
        let mut column = UInt32Builder::new();
        rows.iter().for_each(|row| column.append_option(value(&row.judgment)));
        Arc::new(column.finish())
    };
    let real = |value: fn(&Judgment) -> Option<f64>| -> ArrayRef {
        let mut column = Float64Builder::new();
        rows.iter().for_each(|row| column.append_option(value(&row.judgment)));
        Arc::new(column.finish())
    };
    let mut shown = ListBuilder::new(UInt16Builder::new());
    let numbers = |value: fn(&Judgment) -> Option<&Vec<f64>>| -> ArrayRef {
        let mut column = ListBuilder::new(Float64Builder::new());
        let list =
            |row: &JudgmentRow| value(&row.judgment).map(|list| list.iter().map(|x| Some(*x)).collect::<Vec<_>>());
        rows.iter().for_each(|row| column.append_option(list(row)));
        Arc::new(column.finish())
    };
    let mut strength = UInt8Builder::new();
    for row in rows {
        shown.append_value(row.judgment.shown.iter().map(|place| Some(*place)));
        strength.append_option(row.judgment.strength);
    }
    let arrays: Vec<ArrayRef> = vec![
        text(|row| &row.benchmark)?,
        text(|row| &row.benchmark_version)?,
        text(|row| &row.subset)?,
        text(|row| row.lang.code())?,
        text(|row| &row.item_id)?,
        text(|row| &row.source_id)?,
        small(|row| Some(row.n_chosen)),
        small(|row| Some(row.n_rejected)),
        text(|row| &row.judgment.judge)?,
        Arc::new(shown.finish()),
        small(|row| Some(row.judgment.sample)),
        text(|row| row.judgment.outcome.as_str())?,
        small(|row| row.judgment.picked),
        Arc::new(strength.finish()),
        real(|judgment| judgment.rating),
        numbers(|judgment| judgment.grades.as_ref()),
        numbers(|judgment| judgment.probabilities.as_ref()),
        long(|judgment| judgment.reply.as_deref()),
        long(|judgment| judgment.reasoning.as_deref()),
        long(|judgment| judgment.why.as_deref()),
        long(|judgment| judgment.finish.as_deref()),
        small(|row| Some(row.judgment.asks)),
        count(|judgment| judgment.prompt_tokens),
        count(|judgment| judgment.reply_tokens),
        real(|judgment| judgment.cost),
    ];
    RecordBatch::try_new(arrow_schema(), arrays)
}
