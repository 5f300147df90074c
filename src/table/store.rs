//! Score tables as Parquet files: the writing half; [`read`](super::read) is the other.
//!
//! Equal rows and equal provenance give equal bytes: no clock, no host name, row groups and pages of
//! fixed size however the rows arrive, dictionaries in order of first appearance.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float32Builder, Float64Builder, RecordBatch, StringDictionaryBuilder, UInt16Builder,
    UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::TableError;
use super::footer;
use super::score::{SCHEMA_VERSION, ScoreRow, VERSION_KEY};
use crate::files;
use crate::provenance::RunInfo;

/// Rows per Parquet row group.
pub const ROWS_PER_GROUP: usize = 131_072;
/// Rows handed to the Parquet writer at once; divides [`ROWS_PER_GROUP`].
const ROWS_PER_BATCH: usize = 8_192;
/// A dictionary larger than this is abandoned for plain strings; 131,072 ids of 100 bytes fit.
const DICTIONARY_BYTES: usize = 16 << 20;

/// The columns in file order: name and whether a row may lack it. Types are in [`arrow_schema`].
pub(super) const COLUMNS: [(&str, bool); 19] = [
    ("benchmark", false),
    ("benchmark_version", false),
    ("subset", false),
    ("category", true),
    ("lang", false),
    ("item_id", false),
    ("source_id", false),
    ("role", false),
    ("response_index", false),
    ("variant", true),
    ("n_chars", false),
    ("n_tokens", false),
    ("truncated", false),
    ("reward", true),
    ("logp_policy", true),
    ("logp_reference", true),
    ("logp_squares", true),
    ("n_scored", true),
    ("n_bytes", true),
];

/// Type of a column of schema v1.
pub(super) fn column_type(name: &str) -> DataType {
    match name {
        "response_index" => DataType::UInt16,
        "n_chars" | "n_tokens" | "n_scored" | "n_bytes" => DataType::UInt32,
        "truncated" => DataType::Boolean,
        "reward" => DataType::Float32,
        "logp_policy" | "logp_reference" | "logp_squares" => DataType::Float64,
        _ => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    }
}

/// The Arrow schema of a score table, version 1.
pub fn arrow_schema() -> Arc<Schema> {
    let fields = COLUMNS.iter().map(|&(name, nullable)| Field::new(name, column_type(name), nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Where a run's score table is: the path itself, or `scores.parquet` in a run directory.
///
/// Errors where a directory has none, which is a run that did not finish.
pub fn table_path(run: &Path) -> Result<PathBuf, TableError> {
    if !run.is_dir() {
        return Ok(run.to_owned());
    }
    let table = run.join(super::score::FILE_NAME);
    if table.is_file() { Ok(table) } else { Err(TableError::Missing { run: run.to_owned() }) }
}

/// Writes a table atomically from rows in memory; returns how many.
pub fn write_table<'a>(
    path: &Path,
    info: &RunInfo,
    rows: impl IntoIterator<Item = &'a ScoreRow>,
) -> Result<u64, TableError> {
    let mut n_rows = 0;
    files::write_with(path, |file| {
        let mut writer = ScoreWriter::new(file, path, info)?;
        for row in rows {
            writer.push(row)?;
        }
        n_rows = writer.finish()?;
        Ok::<(), TableError>(())
    })?;
    Ok(n_rows)
}

/// Streams rows into one table. Combine with [`files::write_with`] so that a kill leaves no half table.
pub struct ScoreWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    columns: Columns,
    /// For error messages.
    path: PathBuf,
    n_rows: u64,
}

impl<W: Write + Send> ScoreWriter<W> {
    pub fn new(sink: W, path: &Path, info: &RunInfo) -> Result<Self, TableError> {
        let writer = ArrowWriter::try_new(sink, arrow_schema(), Some(properties(path, info)?))
            .map_err(|e| TableError::parquet(path, e))?;
        Ok(Self { writer, columns: Columns::default(), path: path.to_owned(), n_rows: 0 })
    }

    pub fn push(&mut self, row: &ScoreRow) -> Result<(), TableError> {
        self.columns.push(row).map_err(|e| TableError::arrow(&self.path, e))?;
        self.n_rows += 1;
        if self.columns.len == ROWS_PER_BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes the footer; returns the number of rows.
    pub fn finish(mut self) -> Result<u64, TableError> {
        self.flush()?;
        self.writer.close().map_err(|e| TableError::parquet(&self.path, e))?;
        Ok(self.n_rows)
    }

    fn flush(&mut self) -> Result<(), TableError> {
        if self.columns.len == 0 {
            return Ok(());
        }
        let batch = self.columns.take().map_err(|e| TableError::arrow(&self.path, e))?;
        self.writer.write(&batch).map_err(|e| TableError::parquet(&self.path, e))
    }
}

fn properties(path: &Path, info: &RunInfo) -> Result<WriterProperties, TableError> {
    let mut properties = footer::properties(path, info, VERSION_KEY, SCHEMA_VERSION, ROWS_PER_GROUP)?
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for (name, _) in COLUMNS {
        // Numbers hardly repeat; a dictionary of them would only be built and thrown away.
        let is_text = matches!(column_type(name), DataType::Dictionary(..));
        properties = properties.set_column_dictionary_enabled(name.into(), is_text);
    }
    Ok(properties.build())
}

type TextColumn = StringDictionaryBuilder<Int32Type>;

/// Rows on their way into the file, by column.
#[derive(Default)]
struct Columns {
    len: usize,
    benchmark: TextColumn,
    benchmark_version: TextColumn,
    subset: TextColumn,
    category: TextColumn,
    lang: TextColumn,
    item_id: TextColumn,
    source_id: TextColumn,
    role: TextColumn,
    response_index: UInt16Builder,
    variant: TextColumn,
    n_chars: UInt32Builder,
    n_tokens: UInt32Builder,
    truncated: BooleanBuilder,
    reward: Float32Builder,
    logp_policy: Float64Builder,
    logp_reference: Float64Builder,
    logp_squares: Float64Builder,
    n_scored: UInt32Builder,
    n_bytes: UInt32Builder,
}

impl Columns {
    fn push(&mut self, row: &ScoreRow) -> Result<(), arrow::error::ArrowError> {
        self.benchmark.append(&row.benchmark)?;
        self.benchmark_version.append(&row.benchmark_version)?;
        self.subset.append(&row.subset)?;
        self.category.append_option(row.category.as_deref());
        self.lang.append(row.lang.code())?;
        self.item_id.append(&row.item_id)?;
        self.source_id.append(&row.source_id)?;
        self.role.append(row.side.as_str())?;
        self.response_index.append_value(row.response_index);
        self.variant.append_option(row.variant.as_deref());
        self.n_chars.append_value(row.n_chars);
        self.n_tokens.append_value(row.n_tokens);
        self.truncated.append_value(row.truncated);
        self.reward.append_option(row.reward);
        let log_probs = row.log_probs;
        self.logp_policy.append_option(log_probs.map(|of| of.policy));
        self.logp_reference.append_option(log_probs.and_then(|of| of.reference));
        self.logp_squares.append_option(log_probs.and_then(|of| of.squares));
        self.n_scored.append_option(log_probs.and_then(|of| of.tokens));
        self.n_bytes.append_option(log_probs.and_then(|of| of.bytes));
        self.len += 1;
        Ok(())
    }

    fn take(&mut self) -> Result<RecordBatch, arrow::error::ArrowError> {
        self.len = 0;
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.benchmark.finish()),
            Arc::new(self.benchmark_version.finish()),
            Arc::new(self.subset.finish()),
            Arc::new(self.category.finish()),
            Arc::new(self.lang.finish()),
            Arc::new(self.item_id.finish()),
            Arc::new(self.source_id.finish()),
            Arc::new(self.role.finish()),
            Arc::new(self.response_index.finish()),
            Arc::new(self.variant.finish()),
            Arc::new(self.n_chars.finish()),
            Arc::new(self.n_tokens.finish()),
            Arc::new(self.truncated.finish()),
            Arc::new(self.reward.finish()),
            Arc::new(self.logp_policy.finish()),
            Arc::new(self.logp_reference.finish()),
            Arc::new(self.logp_squares.finish()),
            Arc::new(self.n_scored.finish()),
            Arc::new(self.n_bytes.finish()),
        ];
        RecordBatch::try_new(arrow_schema(), arrays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::table::implicit::LogProbs;
    use crate::table::read::ScoreFile;
    use crate::table::score::Side;

    pub(crate) fn row(item: &str, side: Side, reward: Option<f32>) -> ScoreRow {
        ScoreRow {
            benchmark: "invented".into(),
            benchmark_version: "1".into(),
            subset: "easy".into(),
            category: None,
            lang: Lang::ENGLISH,
            item_id: item.into(),
            source_id: item.into(),
            side,
            response_index: 0,
            variant: None,
            n_chars: 10,
            n_tokens: 4,
            truncated: false,
            reward,
            log_probs: Some(LogProbs { policy: -1.5, squares: Some(2.0), tokens: Some(3), ..LogProbs::default() }),
        }
    }

    #[test]
    fn rows_come_back_and_equal_rows_give_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let info = RunInfo::of_this_binary("m", "mock", "mock");
        let rows: Vec<ScoreRow> = (0..20_000)
            .map(|i| {
                let mut row = row(&format!("item-{}", i / 2), Side::Chosen, (i % 3 != 0).then_some(i as f32));
                row.side = if i % 2 == 0 { Side::Chosen } else { Side::Rejected };
                row.category = (i % 5 == 0).then(|| "kind".into());
                row
            })
            .collect();
        let (a, b) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
        assert_eq!(write_table(&a, &info, &rows).unwrap(), 20_000);
        write_table(&b, &info, &rows).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        let file = ScoreFile::open(&a).unwrap();
        assert_eq!((file.info(), file.n_rows()), (&info, 20_000));
        assert_eq!(file.rows().unwrap(), rows);
    }

    #[test]
    fn a_batch_never_straddles_row_groups() {
        assert_eq!(ROWS_PER_GROUP % ROWS_PER_BATCH, 0);
    }
}
