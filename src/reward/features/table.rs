//! Features as preference data: pairs with vectors in place of texts, for heads that are fitted to these.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Float64Array, ListBuilder, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::store::FeatureError;
use crate::files;
use crate::preference::Comparison;

/// Columns `id`, `source_id`, `language`, `subset`, `category`, `margin`, `user_id`, `chosen_embedding` and
/// `rejected_embedding`, each side a list of vectors; no text leaves the data they were computed from.
pub fn write(path: &Path, comparisons: &[Comparison], rows: &[Vec<Vec<f32>>]) -> Result<(), FeatureError> {
    let broken =
        |problem: &dyn std::fmt::Display| FeatureError::Broken { path: path.to_owned(), problem: problem.to_string() };
    let texts = |of: &dyn Fn(&Comparison) -> Option<String>| -> ArrayRef {
        Arc::new(comparisons.iter().map(of).collect::<StringArray>())
    };
    let mut sides = [(); 2].map(|()| ListBuilder::new(ListBuilder::new(Float32Builder::new())));
    for (comparison, vectors) in comparisons.iter().zip(rows) {
        let (chosen, rejected) = vectors.split_at(comparison.chosen.len().min(vectors.len()));
        for (side, vectors) in sides.iter_mut().zip([chosen, rejected]) {
            for vector in vectors {
                side.values().values().append_slice(vector);
                side.values().append(true);
            }
            side.append(true);
        }
    }
    let [mut chosen, mut rejected] = sides;
    let columns: [(&str, ArrayRef); 9] = [
        ("id", texts(&|c| Some(c.id.to_string()))),
        ("source_id", texts(&|c| Some(c.source.to_string()))),
        ("language", texts(&|c| Some(c.lang.code().to_owned()))),
        ("subset", texts(&|c| Some(c.subset.to_string()))),
        ("category", texts(&|c| c.category.as_ref().map(ToString::to_string))),
        ("margin", Arc::new(comparisons.iter().map(|c| c.margin).collect::<Float64Array>())),
        ("user_id", texts(&|c| c.evidence.user.as_ref().map(ToString::to_string))),
        ("chosen_embedding", Arc::new(chosen.finish())),
        ("rejected_embedding", Arc::new(rejected.finish())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .map_err(|e| broken(&e))?;
    files::write_with(path, |file| {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(|e| broken(&e))?;
        writer.write(&batch).map_err(|e| broken(&e))?;
        writer.close().map_err(|e| broken(&e))?;
        Ok::<(), FeatureError>(())
    })
}
