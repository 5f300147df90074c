//! The header of a safetensors file: a length (u64), JSON, then the tensors' bytes without gaps.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use tch::Kind;

use super::{Entry, WeightsError, contiguous_strides};
use crate::files::FileError;

/// As other readers of the format: a larger header is not a header.
const MAX_HEADER: u64 = 100_000_000;
/// Entry of the header that is no tensor.
const METADATA: &str = "__metadata__";

/// Element types: name, bits, and what libtorch calls those that are read.
const TYPES: [(&str, u64, Option<Kind>); 21] = [
    ("F64", 64, Some(Kind::Double)),
    ("F32", 32, Some(Kind::Float)),
    ("F16", 16, Some(Kind::Half)),
    ("BF16", 16, Some(Kind::BFloat16)),
    ("I64", 64, Some(Kind::Int64)),
    ("I32", 32, Some(Kind::Int)),
    ("I16", 16, Some(Kind::Int16)),
    ("I8", 8, Some(Kind::Int8)),
    ("U8", 8, Some(Kind::Uint8)),
    ("BOOL", 8, Some(Kind::Bool)),
    ("U64", 64, None),
    ("U32", 32, None),
    ("U16", 16, None),
    ("C64", 64, None),
    ("F8_E4M3", 8, None),
    ("F8_E5M2", 8, None),
    ("F8_E8M0", 8, None),
    ("F8_E4M3FNUZ", 8, None),
    ("F8_E5M2FNUZ", 8, None),
    ("F6_E3M2", 6, None),
    ("F4", 4, None),
];

/// What the format calls a kind; `None` for kinds it has no name for.
pub fn type_name(kind: Kind) -> Option<&'static str> {
    TYPES.iter().find(|(_, _, known)| *known == Some(kind)).map(|(name, ..)| *name)
}

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Names and descriptions in the file's order: a map would hide that a name comes twice.
struct Header(Vec<(String, Described)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Header, M::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The tensors a file holds. Every offset is inside the file, and no two tensors share a byte.
pub fn entries(path: &Path, file: &File, len: u64) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let broken = |problem: String| WeightsError::Broken { path: path.to_owned(), problem };
    let read = |buffer: &mut [u8], at: u64| {
        file.read_exact_at(buffer, at).map_err(|e| WeightsError::from(FileError::new("read", path, e)))
    };
    if len < 8 {
        return Err(broken(format!("it has {len} bytes")));
    }
    let mut size = [0u8; 8];
    read(&mut size, 0)?;
    if &size == b"version " {
        return Err(broken("it is the pointer that Git LFS leaves in its place (`git lfs pull` brings it)".to_owned()));
    }
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER {
        return Err(broken(format!("its header would have {size} bytes")));
    }
    if size > len - 8 {
        return Err(broken(format!("it is cut short within its header: {len} bytes of at least {}", size + 8)));
    }
    let mut json = vec![0u8; size as usize];
    read(&mut json, 8)?;
    let header: Header = serde_json::from_slice(&json).map_err(|e| broken(format!("header: {e}")))?;
    let data = 8 + size;
    let mut entries = BTreeMap::new();
    let mut places = Vec::new();
    for (name, described) in header.0 {
        let [begin, end] = described.data_offsets;
        if data.checked_add(end).is_none_or(|end| end > len) || begin > end {
            let held = len - data;
            return Err(broken(format!(
                "tensor `{name}` lies at bytes {begin} to {end} of {held}: the file is cut short, or its header wrong"
            )));
        }
        places.push((begin, end, name.clone()));
        let entry = entry(&described, data + begin, end - begin).map_err(|e| broken(format!("tensor `{name}` {e}")))?;
        if entries.insert(name.clone(), entry).is_some() {
            return Err(broken(format!("tensor `{name}` is in it twice")));
        }
    }
    no_overlap_no_gap(places, len - data).map_err(broken)?;
    Ok(entries)
}

fn entry(described: &Described, begin: u64, n_bytes: u64) -> Result<Entry, String> {
    let Described { dtype, shape, .. } = described;
    let known = TYPES.iter().find(|(name, ..)| name == dtype);
    let &(_, bits, kind) = known.ok_or_else(|| format!("has the unknown element type {dtype}"))?;
    let elements = shape.iter().try_fold(1u64, |n, &axis| n.checked_mul(axis));
    let wanted = elements.and_then(|n| n.checked_mul(bits)).map(|bits| bits.div_ceil(8));
    if wanted != Some(n_bytes) {
        return Err(format!("of shape {shape:?} and type {dtype} cannot have {n_bytes} bytes"));
    }
    let axes: Result<Vec<i64>, _> = shape.iter().map(|&n| i64::try_from(n)).collect();
    let shape = axes.map_err(|_| format!("has an impossible shape {shape:?}"))?;
    Ok(Entry { dtype: dtype.clone(), kind, strides: contiguous_strides(&shape), shape, begin })
}

fn no_overlap_no_gap(mut places: Vec<(u64, u64, String)>, len: u64) -> Result<(), String> {
    places.sort();
    let mut reached = 0;
    let mut last = String::new();
    for (begin, end, name) in places {
        if begin < reached {
            return Err(format!("tensors `{last}` and `{name}` overlap"));
        }
        if begin > reached {
            return Err(format!("{} bytes before tensor `{name}` belong to no tensor", begin - reached));
        }
        (reached, last) = (end, name);
    }
    if reached < len {
        return Err(format!("the last {} bytes belong to no tensor", len - reached));
    }
    Ok(())
}
