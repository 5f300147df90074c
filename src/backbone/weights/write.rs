//! Writing safetensors: atomically, byte-deterministic, one small buffer at a time.

use std::cmp::Reverse;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Device, Tensor};

use super::{WeightsError, header};
use crate::files::{self, FileError};

/// Elements copied out of libtorch at a time.
const PIECE: i64 = 1 << 20;

/// Writes tensors as one file. Equal tensors give equal bytes, whatever order they come in.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<(), WeightsError> {
    let mut tensors: Vec<(&str, &Tensor)> = tensors.into_iter().collect();
    // Wide elements first: every tensor then begins at a multiple of its element size.
    tensors.sort_by_key(|(name, tensor)| (Reverse(tensor.kind().elt_size_in_bytes()), *name));
    let mut header = Map::new();
    // Loaders of the transformers family insist on this entry.
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for (name, tensor) in &tensors {
        let dtype = header::type_name(tensor.kind()).ok_or_else(|| WeightsError::Type {
            path: path.to_owned(),
            name: (*name).to_owned(),
            found: format!("{:?}", tensor.kind()),
        })?;
        let begin = end;
        end += tensor.numel() * tensor.kind().elt_size_in_bytes();
        let described = json!({"dtype": dtype, "shape": tensor.size(), "data_offsets": [begin, end]});
        if header.insert((*name).to_owned(), described).is_some() {
            let (first, second) = (path.to_owned(), path.to_owned());
            return Err(WeightsError::Duplicate { name: (*name).to_owned(), first, second });
        }
    }
    let mut json = Value::Object(header).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    files::write_with(path, |file| {
        put(path, file, &(json.len() as u64).to_le_bytes())?;
        put(path, file, &json)?;
        let mut buffer = Vec::new();
        for (name, tensor) in &tensors {
            write_one(path, file, name, tensor, &mut buffer)?;
        }
        Ok(())
    })
}

fn put(path: &Path, file: &mut File, bytes: &[u8]) -> Result<(), WeightsError> {
    Ok(file.write_all(bytes).map_err(|e| FileError::new("write", path, e))?)
}

fn write_one(
    path: &Path,
    file: &mut File,
    name: &str,
    tensor: &Tensor,
    buffer: &mut Vec<u8>,
) -> Result<(), WeightsError> {
    let failed =
        |e: tch::TchError| WeightsError::Read { path: path.to_owned(), name: name.to_owned(), problem: e.to_string() };
    let flat = tensor.detach().contiguous().f_view([-1]).map_err(failed)?;
    let (n, size) = (flat.numel() as i64, tensor.kind().elt_size_in_bytes());
    let mut at = 0;
    while at < n {
        let count = (n - at).min(PIECE);
        let piece = flat.f_narrow(0, at, count).and_then(|part| part.f_to_device(Device::Cpu)).map_err(failed)?;
        buffer.resize(count as usize * size, 0);
        piece.f_copy_data_u8(buffer, count as usize).map_err(failed)?;
        put(path, file, buffer)?;
        at += count;
    }
    Ok(())
}
