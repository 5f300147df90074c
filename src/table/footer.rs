//! What stands in the footer of our Parquet files: which table it is, and which run wrote it.

use std::fs::File;
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::TableError;
use super::score::METADATA_KEY;
use crate::files::FileError;
use crate::provenance::RunInfo;

/// An opened table with its provenance and number of rows.
pub(super) struct Opened {
    pub builder: ParquetRecordBatchReaderBuilder<File>,
    pub info: RunInfo,
    pub n_rows: u64,
}

/// How a table of the kind that `version_key` marks is written: which run wrote it, in row groups of so many rows.
pub(super) fn properties(
    path: &Path,
    info: &RunInfo,
    version_key: &'static str,
    version: &'static str,
    rows_per_group: usize,
) -> Result<WriterPropertiesBuilder, TableError> {
    let provenance =
        serde_json::to_string(info).map_err(|source| TableError::Provenance { path: path.to_owned(), source })?;
    let metadata = vec![
        KeyValue::new(version_key.to_owned(), version.to_owned()),
        KeyValue::new(METADATA_KEY.to_owned(), provenance),
    ];
    Ok(WriterProperties::builder()
        .set_created_by("rmbench".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(rows_per_group))
        .set_key_value_metadata(Some(metadata)))
}

/// Opens a table of the kind that `version_key` marks.
///
/// # Errors
/// A file that cannot be read, is another kind of table, or has another schema version.
pub(super) fn open(path: &Path, version_key: &'static str, version: &'static str) -> Result<Opened, TableError> {
    let file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| TableError::parquet(path, e))?;
    let footer = builder.metadata().file_metadata();
    let value = |key: &'static str| {
        let pairs = footer.key_value_metadata();
        let found = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key)?.value.clone());
        found.ok_or_else(|| TableError::NotATable { path: path.to_owned(), key })
    };
    let found = value(version_key)?;
    if found != version {
        return Err(TableError::Version { path: path.to_owned(), found, expected: version });
    }
    let info = serde_json::from_str(&value(METADATA_KEY)?)
        .map_err(|source| TableError::Provenance { path: path.to_owned(), source })?;
    let n_rows = footer.num_rows().max(0) as u64;
    Ok(Opened { builder, info, n_rows })
}
