//! PyTorch's own files (`torch.save`, since 1.6): a zip of storages, and a pickle that says which
//! tensors lie in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::pickle::{self, Pickled, PickledTensor, Value};
use super::zip::Archive;
use super::{Entry, WeightsError};

/// Of the pickle: some 200 bytes per tensor.
const MAX_PICKLE: u64 = 64 << 20;

/// The tensors a file holds; each lies within its storage, and each storage within the file.
pub fn entries(path: &Path, file: &File, len: u64) -> Result<BTreeMap<String, Entry>, WeightsError> {
    read(file, len).map_err(|problem| WeightsError::Pickle { path: path.to_owned(), problem })
}

fn read(file: &File, len: u64) -> Result<BTreeMap<String, Entry>, String> {
    let mut first = [0u8; 1];
    let is_bare_pickle = len > 0 && file.read_exact_at(&mut first, 0).is_ok() && first == [0x80];
    if is_bare_pickle {
        return Err("it is a bare pickle, the format of PyTorch before 1.6".into());
    }
    let archive = Archive::open(file, len)?;
    if archive.has("byteorder") && archive.read("byteorder", 16)? != b"little" {
        return Err("its numbers are not little-endian".into());
    }
    let bytes = archive.read("data.pkl", MAX_PICKLE)?;
    let pickled = pickle::read(&bytes)?;
    let Value::Dict(items) = pickled.result() else {
        return Err("it does not hold a dictionary of tensors".into());
    };
    let mut entries = BTreeMap::new();
    for &(key, value) in items {
        let Value::Text(name) = pickled.value(key) else {
            return Err("a key of its dictionary is not a text".into());
        };
        let Value::Tensor(tensor) = pickled.value(value) else {
            return Err(format!("its `{name}` is not a tensor"));
        };
        let entry = entry(&pickled, &archive, tensor).map_err(|problem| format!("tensor `{name}`: {problem}"))?;
        if entries.insert((*name).to_owned(), entry).is_some() {
            return Err(format!("tensor `{name}` is in it twice"));
        }
    }
    Ok(entries)
}

fn entry(pickled: &Pickled, archive: &Archive, tensor: &PickledTensor) -> Result<Entry, String> {
    let Value::Storage { key, element: (dtype, size, kind), elements } = pickled.value(tensor.storage) else {
        return Err("it has no storage".into());
    };
    let record = archive.record(&format!("data/{key}"))?;
    let held = record.len / *size as u64;
    if u64::try_from(*elements).is_ok_and(|n| n > held) || *elements < 0 {
        return Err(format!("its storage should have {elements} elements and has {held}"));
    }
    let PickledTensor { offset, shape, strides, .. } = tensor;
    let last = reach(*offset, shape, strides)
        .ok_or_else(|| format!("shape {shape:?}, strides {strides:?} and offset {offset} do not describe a tensor"))?;
    if shape.iter().product::<i64>() > *elements {
        return Err(format!("shape {shape:?} repeats elements of its storage of {elements}"));
    }
    if last > *elements {
        return Err(format!("shape {shape:?} at {offset} goes beyond its storage of {elements} elements"));
    }
    let begin = record.begin + *offset as u64 * *size as u64;
    Ok(Entry { dtype: (*dtype).to_owned(), kind: *kind, shape: shape.clone(), strides: strides.clone(), begin })
}

/// One past the last element; `None` where the numbers make no sense.
fn reach(offset: i64, shape: &[i64], strides: &[i64]) -> Option<i64> {
    let sound = offset >= 0 && shape.len() == strides.len() && shape.iter().chain(strides).all(|&n| n >= 0);
    shape.iter().try_fold(1i64, |n, &axis| n.checked_mul(axis)).filter(|_| sound)?;
    if shape.contains(&0) {
        return Some(offset);
    }
    let steps =
        shape.iter().zip(strides).try_fold(0i64, |sum, (n, stride)| sum.checked_add((n - 1).checked_mul(*stride)?));
    steps?.checked_add(offset)?.checked_add(1)
}
