//! Which format a file is in: by its first bytes, and by its name where those leave it open.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

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

impl Format {
    /// The format a file name asks for; `None` for an ending that means nothing here.
    pub fn by_name(path: &Path) -> Option<Format> {
        Some(match extension(path).as_str() {
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
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(256).read_to_end(&mut head))
            .map_err(|e| FileError::new("read", path, e))?;
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
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'P', b'K', 3, 4, ..] => {
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
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Ok(Format::JsonArray),
            Some(b'{') => Ok(Format::JsonLines),
            _ => refuse(
                "is in no format that is read here",
                "use Parquet, Arrow IPC, JSONL, a JSON array of objects, CSV or TSV",
            ),
        }
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

    #[test]
    fn refusals_say_what_to_do() {
        for (name, content, word) in [
            ("a.parquet", b"<html>".as_slice(), "transferred"),
            ("a.parquet", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            ("a.jsonl", b"\x1f\x8b\x08", "decompress"),
            ("a.txt", b"hello", "JSONL"),
            ("a.csv", b"", "empty"),
        ] {
            assert!(of(name, content).unwrap_err().contains(word), "{name}");
        }
    }
}
