//! Log-probabilities by the reference model, computed once per run and kept in `OUT/reference/`.
//!
//! A Parquet file per some hundred comparisons, each written whole or not at all, with the reference's digest in its
//! metadata; rows are keyed by what was scored: SHA-256 over the sequence's token ids and where the response begins.
//! A run that is continued takes what is there; files by another model are refused, and rows of other texts are never
//! found.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::error::TrainError;
use crate::files::{self, FileError};

const DIR: &str = "reference";
const DIGEST_KEY: &str = "rmbench.reference";
const KEY_BYTES: i32 = 32;

/// What was scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; KEY_BYTES as usize]);

impl Key {
    /// Tokens from position `start` on, given all before.
    pub fn of(ids: &[u32], start: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update((start as u64).to_le_bytes());
        ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        Self(hash.finalize().into())
    }
}

/// What is known of a reference model.
pub struct References {
    dir: PathBuf,
    digest: String,
    next_file: usize,
    known: HashMap<Key, f64>,
}

impl References {
    /// Everything that is in `out`; `digest` says which model is asked about.
    pub fn open(out: &Path, digest: &str) -> Result<Self, TrainError> {
        let dir = out.join(DIR);
        files::create_dir(&dir)?;
        let mut references = Self { dir: dir.clone(), digest: digest.to_owned(), next_file: 0, known: HashMap::new() };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(|e| FileError::new("list", &dir, e))? {
            paths.push(entry.map_err(|e| FileError::new("list", &dir, e))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
        paths.sort();
        for path in &paths {
            references.read(path)?;
        }
        references.next_file = paths.len();
        Ok(references)
    }

    pub fn get(&self, key: &Key) -> Option<f64> {
        self.known.get(key).copied()
    }

    /// Keeps and writes what was found.
    pub fn add(&mut self, found: Vec<(Key, f64)>) -> Result<(), TrainError> {
        let path = self.dir.join(format!("{:06}.parquet", self.next_file));
        let wrong = |e: &dyn std::fmt::Display| problem(&path, e);
        let keys = FixedSizeBinaryArray::try_from_iter(found.iter().map(|(key, _)| key.0)).map_err(|e| wrong(&e))?;
        let values = Float64Array::from_iter_values(found.iter().map(|(_, value)| *value));
        let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(values)];
        let batch = RecordBatch::try_new(schema(), columns).map_err(|e| wrong(&e))?;
        let properties = WriterProperties::builder()
            .set_created_by("rmbench".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![KeyValue::new(DIGEST_KEY.to_owned(), self.digest.clone())]))
            .build();
        files::write_with(&path, |file| {
            let mut writer = ArrowWriter::try_new(file, schema(), Some(properties)).map_err(|e| wrong(&e))?;
            writer.write(&batch).map_err(|e| wrong(&e))?;
            writer.close().map_err(|e| wrong(&e))?;
            Ok::<(), TrainError>(())
        })?;
        self.next_file += 1;
        self.known.extend(found);
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<(), TrainError> {
        let wrong = |e: &dyn std::fmt::Display| problem(path, e);
        let file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(&e))?;
        let metadata = builder.metadata().file_metadata().key_value_metadata();
        let digest = metadata.and_then(|all| all.iter().find(|pair| pair.key == DIGEST_KEY)?.value.clone());
        if digest.as_deref() != Some(self.digest.as_str()) {
            let found = digest.map_or("does not say by which model".to_owned(), |digest| {
                format!("is by the model {}", digest.chars().take(12).collect::<String>())
            });
            let asked: String = self.digest.chars().take(12).collect();
            let text = format!(
                "it {found}, and the reference is {asked}; remove `{}` to compute its log-probabilities anew",
                self.dir.display()
            );
            return Err(problem(path, &text));
        }
        for batch in builder.build().map_err(|e| wrong(&e))? {
            let batch = batch.map_err(|e| wrong(&e))?;
            if batch.schema() != schema() {
                return Err(problem(path, &"it has other columns than reference log-probabilities have"));
            }
            let keys = batch.column(0).as_fixed_size_binary();
            let values = batch.column(1).as_primitive::<Float64Type>();
            for row in 0..keys.len() {
                let key = keys.value(row).try_into().map_err(|e| wrong(&e))?;
                self.known.insert(Key(key), values.value(row));
            }
        }
        Ok(())
    }

    /// The error for a sequence that was computed and is not there.
    pub fn incomplete(&self) -> TrainError {
        problem(&self.dir, &"log-probabilities of some sequences are missing; remove it and start again")
    }
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::FixedSizeBinary(KEY_BYTES), false),
        Field::new("log_prob", DataType::Float64, false),
    ]))
}

fn problem(path: &Path, what: &dyn std::fmt::Display) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), problem: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_by_content_and_refused_for_another_model() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Key::of(&[1, 2, 3], 1), Key::of(&[1, 2, 3], 2));
        assert_ne!(a, b);
        let mut first = References::open(dir.path(), "one").unwrap();
        assert_eq!(first.get(&a), None);
        first.add(vec![(a, -1.5)]).unwrap();
        first.add(vec![(b, -2.5)]).unwrap();
        let again = References::open(dir.path(), "one").unwrap();
        assert_eq!((again.get(&a), again.get(&b), again.get(&Key::of(&[1, 2], 1))), (Some(-1.5), Some(-2.5), None));
        let error = References::open(dir.path(), "another").err().unwrap().to_string();
        assert!(error.contains("is by the model one") && error.contains("remove"), "{error}");
    }
}
