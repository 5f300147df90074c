//! Score tables as CSV: the columns of the schema, one row per scored response; absent is empty.

use super::TableError;
use super::read::ScoreFile;
use super::store::COLUMNS;

/// The whole table.
///
/// # Errors
/// Rows that cannot be read.
pub fn csv(file: ScoreFile) -> Result<Vec<u8>, TableError> {
    let path = file.path().to_owned();
    let broken = |error: ::csv::Error| TableError::Csv { path: path.clone(), source: Box::new(error) };
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.iter().map(|(name, _)| *name)).map_err(broken)?;
    let count = |value: Option<u32>| value.map(|n| n.to_string()).unwrap_or_default();
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    for row in file.rows()? {
        let record: [String; 19] = [
            row.benchmark.to_string(),
            row.benchmark_version.to_string(),
            row.subset.to_string(),
            row.category.as_deref().unwrap_or_default().to_owned(),
            row.lang.code().to_owned(),
            row.item_id.to_string(),
            row.source_id.to_string(),
            row.side.as_str().to_owned(),
            row.response_index.to_string(),
            row.variant.as_deref().unwrap_or_default().to_owned(),
            row.n_chars.to_string(),
            row.n_tokens.to_string(),
            row.truncated.to_string(),
            row.reward.map(|reward| reward.to_string()).unwrap_or_default(),
            number(row.log_probs.map(|of| of.policy)),
            number(row.log_probs.and_then(|of| of.reference)),
            number(row.log_probs.and_then(|of| of.squares)),
            count(row.log_probs.and_then(|of| of.tokens)),
            count(row.log_probs.and_then(|of| of.bytes)),
        ];
        writer.write_record(&record).map_err(broken)?;
    }
    writer.into_inner().map_err(|e| broken(e.into_error().into()))
}
