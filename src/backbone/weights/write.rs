//! Writing safetensors: atomically, byte-deterministic, one small buffer at a time.

use std::cmp::Reverse;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::{WeightsError, header};
use crate::files::{self, FileError};

/// Elements copied out of libtorch at a time.
const PIECE: i64 = 1 << 20;

/// A tensor whose values are still to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub name: String,
    pub kind: Kind,
    pub shape: Vec<i64>,
}

/// Writes tensors as one file. Equal tensors give equal bytes, whatever order they come in.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<(), WeightsError> {
    let mut tensors: Vec<(&str, &Tensor)> = tensors.into_iter().collect();
    let planned = |(name, tensor): &(&str, &Tensor)| Planned {
        name: (*name).to_owned(),
        kind: tensor.kind(),
        shape: tensor.size(),
    };
    tensors.sort_by_key(|tensor| order(&planned(tensor)));
    let all: Vec<Planned> = tensors.iter().map(planned).collect();
    let mut next = tensors.iter();
    write_pieces(path, all, |planned, put| match next.next() {
        Some((_, tensor)) => in_pieces(path, &planned.name, tensor, put),
        None => Ok(()),
    })
}

/// Wide elements first: every tensor then begins at a multiple of its element size.
fn order(planned: &Planned) -> (Reverse<usize>, String) {
    (Reverse(planned.kind.elt_size_in_bytes()), planned.name.clone())
}

/// What takes the values of one tensor, in order and in the planned kind; of any shape, on any device.
pub type Put<'a, E> = dyn FnMut(&Tensor) -> Result<(), E> + 'a;

/// [`write`] for tensors that are never in memory as a whole: `make` is called for each of them, in an
/// order of this function's, and hands over its values piece by piece.
pub fn write_pieces<E: From<WeightsError> + From<FileError>>(
    path: &Path,
    mut planned: Vec<Planned>,
    mut make: impl FnMut(&Planned, &mut Put<E>) -> Result<(), E>,
) -> Result<(), E> {
    planned.sort_by_key(order);
    let header = header_of(path, &planned)?;
    files::write_with(path, |file| {
        put(path, file, &(header.len() as u64).to_le_bytes())?;
        put(path, file, &header)?;
        let mut buffer = Vec::new();
        for planned in &planned {
            let mut left: i64 = planned.shape.iter().product();
            make(planned, &mut |piece| {
                left -= piece.numel() as i64;
                Ok(write_piece(path, file, planned, piece, &mut buffer)?)
            })?;
            if left != 0 {
                let problem = format!("{left} of its values are missing");
                return Err(failed(path, &planned.name, problem).into());
            }
        }
        Ok(())
    })
}

fn header_of(path: &Path, planned: &[Planned]) -> Result<Vec<u8>, WeightsError> {
    let mut header = Map::new();
    // Loaders of the transformers family insist on this entry.
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut end = 0;
    for Planned { name, kind, shape } in planned {
        let dtype = header::type_name(*kind).ok_or_else(|| WeightsError::Type {
            path: path.to_owned(),
            name: name.clone(),
            found: format!("{kind:?}"),
        })?;
        let begin = end;
        end += shape.iter().product::<i64>() as usize * kind.elt_size_in_bytes();
        let described = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
        if header.insert(name.clone(), described).is_some() {
            let (first, second) = (path.to_owned(), path.to_owned());
            return Err(WeightsError::Duplicate { name: name.clone(), first, second });
        }
    }
    let mut json = Value::Object(header).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok(json)
}

fn failed(path: &Path, name: &str, problem: impl ToString) -> WeightsError {
    WeightsError::Read { path: path.to_owned(), name: name.to_owned(), problem: problem.to_string() }
}

fn put(path: &Path, file: &mut File, bytes: &[u8]) -> Result<(), WeightsError> {
    Ok(file.write_all(bytes).map_err(|e| FileError::new("write", path, e))?)
}

fn write_piece(
    path: &Path,
    file: &mut File,
    planned: &Planned,
    piece: &Tensor,
    buffer: &mut Vec<u8>,
) -> Result<(), WeightsError> {
    if piece.kind() != planned.kind {
        return Err(failed(path, &planned.name, format!("planned as {:?}, made as {:?}", planned.kind, piece.kind())));
    }
    let (n, size) = (piece.numel(), planned.kind.elt_size_in_bytes());
    let piece = piece.f_to_device(Device::Cpu).and_then(|piece| piece.f_contiguous());
    buffer.resize(n * size, 0);
    let copied = piece.and_then(|piece| piece.f_copy_data_u8(buffer, n));
    copied.map_err(|e| failed(path, &planned.name, e))?;
    put(path, file, buffer)
}

/// Hands over a whole tensor in pieces.
fn in_pieces(path: &Path, name: &str, tensor: &Tensor, put: &mut Put<WeightsError>) -> Result<(), WeightsError> {
    let flat = tensor.detach().contiguous().f_view([-1]).map_err(|e| failed(path, name, e))?;
    let n = flat.numel() as i64;
    for at in (0..n).step_by(PIECE as usize) {
        put(&flat.f_narrow(0, at, PIECE.min(n - at)).map_err(|e| failed(path, name, e))?)?;
    }
    Ok(())
}
