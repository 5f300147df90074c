//! Pairs as a Parquet file in the pair schema, labelled as synthetic in the file's own metadata.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{DemoError, ORIGIN};
use crate::files;
use crate::preference::Comparison;

/// One row per pair, columns of strings; written atomically.
pub fn write(path: &Path, pairs: &[Comparison]) -> Result<(), DemoError> {
    type Value = fn(&Comparison) -> String;
    let columns: [(&str, Value); 8] = [
        ("id", |c| c.id.to_string()),
        ("source_id", |c| c.source.to_string()),
        ("language", |c| c.lang.to_string()),
        ("prompt", |c| c.prompt.plain_text()),
        ("chosen", |c| c.chosen.first().map(|r| r.text.clone()).unwrap_or_default()),
        ("rejected", |c| c.rejected.first().map(|r| r.text.clone()).unwrap_or_default()),
        ("subset", |c| c.subset.to_string()),
        ("category", |c| c.category.as_deref().unwrap_or_default().to_owned()),
    ];
    let arrays = columns.map(|(name, value)| {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(pairs.iter().map(value)));
        (name, array)
    });
    let batch = RecordBatch::try_from_iter(arrays).map_err(|e| DemoError::Encode(e.to_string()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![KeyValue::new("rmbench.origin".to_owned(), ORIGIN.to_owned())]))
        .build();
    let mut bytes = Vec::new();
    let failed = |e: parquet::errors::ParquetError| DemoError::Encode(e.to_string());
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(files::write_bytes(path, &bytes)?)
}
