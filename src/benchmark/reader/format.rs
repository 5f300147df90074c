//! Which format a file is in: by its first bytes, and by its name where those leave it open.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::ReadError;
use crate::files::FileError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Parquet,
    ArrowFile,
    ArrowStream,
    /// One JSON object per line.
    JsonLines,
    /// One JSON array of objects.
    JsonArray,
    Csv,
    /// CSV with tabs.
    Tsv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Parquet => "Parquet",
            Format::ArrowFile => "Arrow IPC",
            Format::ArrowStream => "Arrow IPC stream",
            Format::JsonLines => "JSONL",
            Format::JsonArray => "JSON",
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
        })
    }
}

/// The file name's ending in lower case.
fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase()
}

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file's text, decompressed where it is gzipped.
pub(super) fn text(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let is_gzip = first(File::open(path)?, GZIP.len())? == GZIP;
    let file = File::open(path)?;
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Up to `n` bytes.
fn first(from: impl Read, n: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(n as u64).read_to_end(&mut head)?;
    Ok(head)
}

impl Format {
    /// The format a file name asks for; `None` for an ending that means nothing here. JSON may be gzipped (`.jsonl.gz`).
    pub fn by_name(path: &Path) -> Option<Format> {
        let ending = extension(path);
        if ending == "gz" {
            let inner = Format::by_name(Path::new(path.file_stem()?))?;
            return matches!(inner, Format::JsonLines | Format::JsonArray).then_some(inner);
        }
        Some(match ending.as_str() {
            "parquet" | "pq" => Format::Parquet,
            "arrow" | "feather" | "ipc" => Format::ArrowFile,
            "arrows" => Format::ArrowStream,
            "jsonl" | "ndjson" => Format::JsonLines,
            "json" => Format::JsonArray,
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            _ => return None,
        })
    }

    /// The format of an existing file. Content wins over the name.
    ///
    /// # Errors
    /// Unreadable or empty files, compressed ones, Git LFS pointers, and content that fits no format.
    pub fn of_file(path: &Path) -> Result<Format, ReadError> {
        const HEAD: usize = 256;
        let mut head =
            File::open(path).and_then(|file| first(file, HEAD)).map_err(|e| FileError::new("read", path, e))?;
        let is_gzip = head.starts_with(&GZIP);
        if is_gzip {
            let text = text(path).and_then(|text| first(text, HEAD));
            head = text.map_err(|e| FileError::new("decompress", path, e))?;
        }
        let refuse = |problem: &str, hint: &str| {
            let hint = (!hint.is_empty()).then(|| hint.to_owned());
            Err(ReadError::NotData { path: path.to_owned(), problem: problem.to_owned(), hint })
        };
        let named = Format::by_name(path);
        match head.as_slice() {
            [] => return refuse("is empty", ""),
            [b'P', b'A', b'R', b'1', ..] => return Ok(Format::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return Ok(Format::ArrowFile),
            [0xff, 0xff, 0xff, 0xff, ..] => return Ok(Format::ArrowStream),
            text if is_gzip && !matches!(json(text), Some(Format::JsonLines | Format::JsonArray)) => {
                return refuse("is compressed and not JSON inside", "decompress it first");
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'P', b'K', 3, 4, ..] => {
                return refuse("is compressed", "decompress it first");
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refuse("is UTF-16 text", "convert it to UTF-8"),
            text if text.starts_with(b"version https://git-lfs") => {
                return refuse("is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`");
            }
            _ => {}
        }
        if matches!(named, Some(Format::Parquet | Format::ArrowFile | Format::ArrowStream)) {
            return refuse("does not begin like the format of its name", "was it transferred completely?");
        }
        if matches!(named, Some(Format::Csv | Format::Tsv)) {
            return Ok(named.unwrap_or(Format::Csv));
        }
        match json(&head) {
            Some(format) => Ok(format),
            None => refuse(
                "is in no format that is read here",
                "use Parquet, Arrow IPC, JSONL, a JSON array of objects, CSV or TSV",
            ),
        }
    }
}

/// JSON by its first character.
fn json(text: &[u8]) -> Option<Format> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match text.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'[' => Some(Format::JsonArray),
        b'{' => Some(Format::JsonLines),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, content: &[u8]) -> Result<Format, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        Format::of_file(&path).map_err(|e| format!("{e} | {}", e.hint().unwrap_or_default()))
    }

    #[test]
    fn content_wins_over_the_name() {
        assert_eq!(of("a.jsonl", b"PAR1...."), Ok(Format::Parquet));
        assert_eq!(of("a.parquet", b"ARROW1\0\0"), Ok(Format::ArrowFile));
        assert_eq!(of("a", b"\xff\xff\xff\xff\x10"), Ok(Format::ArrowStream));
        assert_eq!(of("a.json", b"\n {\"a\": 1}\n{\"a\": 2}"), Ok(Format::JsonLines));
        assert_eq!(of("a.jsonl", b"\xef\xbb\xbf[{}]"), Ok(Format::JsonArray));
        assert_eq!(of("a.csv", b"[id],x\n"), Ok(Format::Csv));
    }

    fn gzipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn json_may_be_gzipped() {
        assert_eq!(of("a.jsonl.gz", &gzipped(b"{\"a\": 1}\n{\"a\": 2}\n")), Ok(Format::JsonLines));
        assert_eq!(of("a.jsonl", &gzipped(b" [{\"a\": 1}]")), Ok(Format::JsonArray));
        assert!(of("a.csv.gz", &gzipped(b"id,x\n")).unwrap_err().contains("is compressed and not JSON inside"));
        // Two members one after the other are one text.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl.gz");
        std::fs::write(&path, [gzipped(b"{\"a\": 1}\n"), gzipped(b"{\"a\": 2}\n")].concat()).unwrap();
        let mut whole = String::new();
        text(&path).unwrap().read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "{\"a\": 1}\n{\"a\": 2}\n");
        assert_eq!(Format::by_name(&path), Some(Format::JsonLines));
        assert_eq!(["a.csv.gz", "a.gz"].map(|name| Format::by_name(Path::new(name))), [None, None]);
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (name, content, word) in [
            ("a.parquet", b"<html>".as_slice(), "transferred"),
            ("a.parquet", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            ("a.jsonl", b"\x1f\x8b\x08", "decompress"),
            ("a.jsonl", b"\x28\xb5\x2f\xfd", "decompress it first"),
            ("a.txt", b"hello", "JSONL"),
            ("a.csv", b"", "empty"),
        ] {
            assert!(of(name, content).unwrap_err().contains(word), "{name}");
        }
    }
}
