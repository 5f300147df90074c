//! The zip files that `torch.save` writes: stored records, found through the directory at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// Lengths of the fixed parts.
const END_LEN: usize = 22;
const LOCATOR_64_LEN: u64 = 20;
const END_64_LEN: usize = 56;
const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;
/// A comment behind the end record has at most this length.
const MAX_COMMENT: u64 = u16::MAX as u64;
/// Of the directory: some 100 bytes per record, so half a million tensors.
const MAX_DIRECTORY: u64 = 64 << 20;
/// Extra field that holds what does not fit into 32 bits.
const WIDE: u16 = 1;

/// Where the bytes of a record lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub begin: u64,
    pub len: u64,
}

struct Listed {
    header: u64,
    len: u64,
    stored: bool,
}

/// An open archive. Record names are without the folder they all lie in.
pub struct Archive<'f> {
    file: &'f File,
    len: u64,
    records: BTreeMap<String, Listed>,
}

impl<'f> Archive<'f> {
    /// Reads the directory. Problems are sentences without the file's name.
    pub fn open(file: &'f File, len: u64) -> Result<Self, String> {
        let (begin, size) = directory(file, len)?;
        if size > MAX_DIRECTORY || begin.checked_add(size).is_none_or(|end| end > len) {
            return Err(format!("its zip directory would lie at byte {begin} and have {size} bytes of {len}"));
        }
        let bytes = read(file, begin, size as usize)?;
        let mut rest = &bytes[..];
        let mut records = BTreeMap::new();
        while !rest.is_empty() {
            let (name, listed, after) = central(rest).ok_or("its zip directory is damaged")?;
            rest = after;
            let short = name.split_once('/').map_or(name.as_str(), |(_, short)| short).to_owned();
            if records.insert(short, listed).is_some() {
                return Err(format!("its zip directory lists `{name}` twice"));
            }
        }
        Ok(Self { file, len, records })
    }

    /// Where a record's bytes lie; checked to be within the file.
    pub fn record(&self, name: &str) -> Result<Record, String> {
        let listed = self.records.get(name).ok_or_else(|| format!("it has no record `{name}`"))?;
        if !listed.stored {
            return Err(format!("its record `{name}` is compressed or encrypted"));
        }
        let damaged = || format!("its record `{name}` is not where the zip directory says");
        if listed.header.checked_add(LOCAL_LEN as u64).is_none_or(|end| end > self.len) {
            return Err(damaged());
        }
        let header = read(self.file, listed.header, LOCAL_LEN)?;
        if u32_at(&header, 0) != Some(LOCAL) {
            return Err(damaged());
        }
        let names = u64::from(u16_at(&header, 26).unwrap_or(0)) + u64::from(u16_at(&header, 28).unwrap_or(0));
        let begin = listed.header + LOCAL_LEN as u64 + names;
        match begin.checked_add(listed.len) {
            Some(end) if end <= self.len => Ok(Record { begin, len: listed.len }),
            _ => {
                Err(format!("its record `{name}` of {} bytes does not fit into the file: it is cut short", listed.len))
            }
        }
    }

    /// A small record's bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let record = self.record(name)?;
        if record.len > limit {
            return Err(format!("its record `{name}` has {} bytes, more than the {limit} that make sense", record.len));
        }
        read(self.file, record.begin, record.len as usize)
    }

    pub fn has(&self, name: &str) -> bool {
        self.records.contains_key(name)
    }
}

/// Begin and length of the directory, from the record at the end of the file.
fn directory(file: &File, len: u64) -> Result<(u64, u64), String> {
    let none = || "it is not a zip file: cut short, or in the format of PyTorch before 1.6".to_owned();
    let from = len.saturating_sub(END_LEN as u64 + MAX_COMMENT);
    let tail = read(file, from, (len - from) as usize)?;
    let is_end = |at: &usize| {
        u32_at(&tail, *at) == Some(END)
            && u16_at(&tail, at + 20).is_some_and(|comment| at + END_LEN + comment as usize == tail.len())
    };
    let at = (0..tail.len().saturating_sub(END_LEN - 1)).rev().find(is_end).ok_or_else(none)?;
    let (size, begin) = (u32_at(&tail, at + 12), u32_at(&tail, at + 16));
    let (size, begin) = (size.ok_or_else(none)?, begin.ok_or_else(none)?);
    let entries = u16_at(&tail, at + 10).ok_or_else(none)?;
    if size != u32::MAX && begin != u32::MAX && entries != u16::MAX {
        return Ok((begin.into(), size.into()));
    }
    let damaged = || "its zip directory is damaged".to_owned();
    let locator = (from + at as u64).checked_sub(LOCATOR_64_LEN).ok_or_else(damaged)?;
    let locator = read(file, locator, LOCATOR_64_LEN as usize)?;
    let end = u64_at(&locator, 8).filter(|_| u32_at(&locator, 0) == Some(LOCATOR_64)).ok_or_else(damaged)?;
    if end.checked_add(END_64_LEN as u64).is_none_or(|after| after > len) {
        return Err(damaged());
    }
    let end = read(file, end, END_64_LEN)?;
    match (u32_at(&end, 0), u64_at(&end, 48), u64_at(&end, 40)) {
        (Some(END_64), Some(begin), Some(size)) => Ok((begin, size)),
        _ => Err(damaged()),
    }
}

/// The first entry of the directory, and what follows it.
fn central(bytes: &[u8]) -> Option<(String, Listed, &[u8])> {
    if u32_at(bytes, 0)? != CENTRAL {
        return None;
    }
    let (flags, method) = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
    let (packed, len, header) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
    let lengths = [u16_at(bytes, 28)?, u16_at(bytes, 30)?, u16_at(bytes, 32)?].map(usize::from);
    let (name, rest) = bytes.get(CENTRAL_LEN..)?.split_at_checked(lengths[0])?;
    let (extra, rest) = rest.split_at_checked(lengths[1])?;
    let (_, rest) = rest.split_at_checked(lengths[2])?;
    // Wide values come in this order, and only those that do not fit.
    let mut wide = wide_values(extra);
    let mut widened = |narrow: u32| if narrow == u32::MAX { wide.next() } else { Some(narrow.into()) };
    let (len, packed, header) = (widened(len)?, widened(packed)?, widened(header)?);
    let listed = Listed { header, len, stored: method == 0 && flags & 1 == 0 && packed == len };
    Some((String::from_utf8_lossy(name).into_owned(), listed, rest))
}

fn wide_values(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found: &[u8] = &[];
    while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(field) = extra.get(4..4 + len as usize) else { break };
        if id == WIDE {
            found = field;
        }
        extra = &extra[4 + len as usize..];
    }
    found.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

fn read(file: &File, at: u64, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0u8; len];
    file.read_exact_at(&mut bytes, at).map_err(|e| format!("reading failed: {e}"))?;
    Ok(bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
