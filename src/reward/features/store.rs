//! Features on disk: a directory of Parquet files, each written once and whole, so that an interrupted run
//! loses what it had not yet written and nothing else.
//!
//! Columns: `content`, the SHA-256 that a sequence is known by, and `features`, `list<float>`. The footer says what
//! the features depend on; a directory of another trunk's is refused, never mixed with this one's.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Float32Builder, ListBuilder, RecordBatch};
use arrow::datatypes::Float32Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// What a sequence is known by.
pub type Content = [u8; 32];

/// The entry of the footer.
const KEY: &str = "rmbench.features";
/// Vectors that are kept in memory before they are written.
const PER_FILE: usize = 4096;

/// What features depend on beside the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureKey {
    /// SHA-256 of the trunk's configuration and weights.
    pub trunk: String,
    pub pooling: String,
    /// Precision of activations.
    pub dtype: String,
}

impl FeatureKey {
    /// What differs, in words.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("the trunk's weights", self.trunk == other.trunk),
            ("where the head reads", self.pooling == other.pooling),
            ("the precision", self.dtype == other.dtype),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` was computed with another model: {} differ", path.display(), differences.join(" and "))]
    Stale { path: PathBuf, differences: Vec<&'static str> },
    #[error("`{}` is not a file of features: {problem}", path.display())]
    Broken { path: PathBuf, problem: String },
}

impl FeatureError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            FeatureError::Stale { .. } => "name another directory for the features, or remove this one",
            FeatureError::Broken { .. } => "remove the file: what is missing is computed again",
            FeatureError::File(_) => "the directory for features must be one that can be written to",
        }
    }
}

/// Features by content, in memory and on disk.
pub struct FeatureStore {
    dir: PathBuf,
    key: FeatureKey,
    known: HashMap<Content, Arc<[f32]>>,
    /// Not yet written.
    pending: Vec<Content>,
    /// Number of the next file.
    next: usize,
}

impl FeatureStore {
    /// Reads what the directory holds; an absent or empty one is fine.
    pub fn open(dir: &Path, key: FeatureKey) -> Result<Self, FeatureError> {
        files::create_dir(dir)?;
        let mut store = Self { dir: dir.to_owned(), key, known: HashMap::new(), pending: Vec::new(), next: 0 };
        let entries = fs::read_dir(dir).map_err(|e| FileError::new("list", dir, e))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|e| FileError::new("list", dir, e))?;
        paths.sort();
        for path in paths {
            let number = path.file_name().and_then(|name| name.to_str()).and_then(number_of);
            if let Some(number) = number {
                store.read(&path)?;
                store.next = store.next.max(number + 1);
            }
        }
        Ok(store)
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn get(&self, content: &Content) -> Option<Arc<[f32]>> {
        self.known.get(content).cloned()
    }

    /// Keeps a vector; it reaches the disk with others or with [`FeatureStore::flush`].
    pub fn add(&mut self, content: Content, features: Vec<f32>) -> Result<(), FeatureError> {
        if self.known.insert(content, features.into()).is_none() {
            self.pending.push(content);
        }
        if self.pending.len() >= PER_FILE { self.flush() } else { Ok(()) }
    }

    /// Writes what is only in memory.
    pub fn flush(&mut self) -> Result<(), FeatureError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(format!("features-{:05}.parquet", self.next));
        let broken = |e: &dyn std::fmt::Display| FeatureError::Broken { path: path.clone(), problem: e.to_string() };
        let key = serde_json::to_string(&self.key).map_err(|e| broken(&e))?;
        let mut features = ListBuilder::new(Float32Builder::new());
        for content in &self.pending {
            features.values().append_slice(&self.known[content]);
            features.append(true);
        }
        let contents = FixedSizeBinaryArray::try_from_iter(self.pending.iter()).map_err(|e| broken(&e))?;
        let columns: [(&str, ArrayRef); 2] =
            [("content", Arc::new(contents)), ("features", Arc::new(features.finish()))];
        let batch = RecordBatch::try_from_iter(columns).map_err(|e| broken(&e))?;
        let footer = vec![KeyValue::new(KEY.to_owned(), key)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(footer)).build();
        files::write_with(&path, |file| {
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(|e| broken(&e))?;
            writer.write(&batch).map_err(|e| broken(&e))?;
            writer.close().map_err(|e| broken(&e))?;
            Ok::<(), FeatureError>(())
        })?;
        self.next += 1;
        self.pending.clear();
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<(), FeatureError> {
        let broken = |problem: String| FeatureError::Broken { path: path.to_owned(), problem };
        let file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| broken(e.to_string()))?;
        let footer = builder.metadata().file_metadata().key_value_metadata();
        let key = footer.and_then(|pairs| pairs.iter().find(|pair| pair.key == KEY)?.value.clone());
        let key = key.ok_or_else(|| broken(format!("its footer has no `{KEY}`")))?;
        let key: FeatureKey = serde_json::from_str(&key).map_err(|e| broken(e.to_string()))?;
        if key != self.key {
            let differences = key.differences(&self.key);
            return Err(FeatureError::Stale { path: path.to_owned(), differences });
        }
        for batch in builder.build().map_err(|e| broken(e.to_string()))? {
            let batch = batch.map_err(|e| broken(e.to_string()))?;
            let column = |name: &str| batch.column_by_name(name).ok_or_else(|| broken(format!("no column `{name}`")));
            let contents = column("content")?.as_fixed_size_binary_opt();
            let contents = contents.ok_or_else(|| broken("`content` has another type".into()))?;
            let lists = column("features")?.as_list_opt::<i32>();
            let lists = lists.ok_or_else(|| broken("`features` has another type".into()))?;
            for row in 0..batch.num_rows() {
                let content: Content =
                    contents.value(row).try_into().map_err(|_| broken("a content is no SHA-256".into()))?;
                let values = lists.value(row);
                let values = values.as_primitive_opt::<Float32Type>();
                let values = values.filter(|values| values.null_count() == 0);
                let values = values.ok_or_else(|| broken("a vector has gaps, or another type".into()))?;
                self.known.insert(content, values.values().as_ref().into());
            }
        }
        Ok(())
    }
}

/// 3 of `features-00003.parquet`.
fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix("features-")?.strip_suffix(".parquet")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(trunk: &str) -> FeatureKey {
        FeatureKey { trunk: trunk.into(), pooling: "cls".into(), dtype: "Float".into() }
    }

    #[test]
    fn what_was_kept_is_found_again_and_never_under_another_model() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = FeatureStore::open(dir.path(), key("a")).unwrap();
        store.add([1; 32], vec![0.5, -1.0]).unwrap();
        store.flush().unwrap();
        store.add([2; 32], vec![2.0, 3.0]).unwrap();
        store.add([1; 32], vec![0.5, -1.0]).unwrap();
        store.flush().unwrap();
        store.add([3; 32], vec![0.0, 0.0]).unwrap();
        // Killed here: what was not flushed is not there.
        drop(store);
        let store = FeatureStore::open(dir.path(), key("a")).unwrap();
        assert_eq!((store.len(), store.next), (2, 2));
        assert_eq!(*store.get(&[2; 32]).unwrap(), [2.0, 3.0]);
        assert!(store.get(&[3; 32]).is_none());
        let error = FeatureStore::open(dir.path(), key("b")).err().unwrap();
        assert!(error.to_string().contains("the trunk's weights differ"), "{error}");
        std::fs::write(dir.path().join("features-00000.parquet"), b"half").unwrap();
        let error = FeatureStore::open(dir.path(), key("a")).err().unwrap();
        assert!(error.to_string().contains("features-00000.parquet"), "{error}");
    }
}
