//! Rows of JSONL files and of JSON arrays of objects, one record in memory at a time.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::cell::{Advance, Cell, Column, Kind};
use super::error::{ReadError, RowProblem};
use super::format::{self, Format};
use super::python;
use super::rows::Rows;
use crate::files::FileError;

/// Records looked at to learn the columns; keys that first turn up later are not seen.
const PEEKED: usize = 100;

type Record = Result<Map<String, Value>, RowProblem>;

pub(super) struct JsonRows {
    records: Records,
    columns: Vec<Column>,
    ahead: VecDeque<Record>,
    current: Map<String, Value>,
    /// Columns that play two parts: their values are looked at twice and must stay.
    shared: Vec<usize>,
}

impl JsonRows {
    pub fn open(path: &Path, format: Format) -> Result<Self, ReadError> {
        let mut records = Records::open(path, format)?;
        let mut ahead = VecDeque::new();
        let mut columns: Vec<Column> = Vec::new();
        while ahead.len() < PEEKED {
            let Some(record) = records.next()? else { break };
            for (name, value) in record.iter().flatten() {
                let kind = kind(value);
                match columns.iter_mut().find(|column| column.name == *name) {
                    None => columns.push(Column { name: name.clone(), kind }),
                    Some(column) if column.kind == Kind::Other => column.kind = kind,
                    // Whole numbers among real ones are real.
                    Some(column) if (column.kind, kind) == (Kind::Integer, Kind::Number) => column.kind = kind,
                    Some(_) => {}
                }
            }
            ahead.push_back(record);
        }
        Ok(Self { records, columns, ahead, current: Map::new(), shared: Vec::new() })
    }
}

/// The kind of one value.
fn kind(value: &Value) -> Kind {
    let message_like = |value: &Value| value.is_object();
    match value {
        Value::String(_) => Kind::Text,
        Value::Bool(_) => Kind::Integer,
        Value::Number(number) if number.is_f64() => Kind::Number,
        Value::Number(_) => Kind::Integer,
        Value::Object(_) => Kind::Messages,
        Value::Array(items) => match items.first() {
            Some(Value::String(_)) => Kind::TextList,
            Some(Value::Number(_)) => Kind::Number,
            Some(item) if message_like(item) => Kind::Messages,
            Some(Value::Array(inner)) if inner.first().is_some_and(message_like) => Kind::MessagesList,
            _ => Kind::Other,
        },
        Value::Null => Kind::Other,
    }
}

impl Rows for JsonRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, used: &[usize]) -> Result<(), ReadError> {
        let twice = |index: &usize| used.iter().filter(|other| *other == index).count() > 1;
        self.shared = used.iter().copied().filter(twice).collect();
        Ok(())
    }

    fn advance(&mut self) -> Result<Advance, ReadError> {
        let record = match self.ahead.pop_front() {
            Some(record) => Some(record),
            None => self.records.next()?,
        };
        Ok(match record {
            None => Advance::End,
            Some(Err(problem)) => Advance::Bad(problem),
            Some(Ok(record)) => {
                self.current = record;
                Advance::Row
            }
        })
    }

    fn take(&mut self, column: usize) -> Cell<'_> {
        let stays = self.shared.contains(&column);
        let value = self.columns.get(column).and_then(|column| self.current.get_mut(&column.name));
        value.map_or(Cell::Null, |value| Cell::from(if stays { value.clone() } else { value.take() }))
    }

    fn total(&self) -> Option<u64> {
        None
    }
}

/// The records of a file, as bytes cut at record boundaries and parsed one by one.
struct Records {
    path: PathBuf,
    input: BufReader<Box<dyn Read + Send>>,
    array: bool,
    /// Of an array: its end has been seen.
    ended: bool,
    started: bool,
    bytes: Vec<u8>,
}

impl Records {
    fn open(path: &Path, format: Format) -> Result<Self, ReadError> {
        let text = format::text(path).map_err(|e| FileError::new("open", path, e))?;
        let input = BufReader::with_capacity(1 << 18, text);
        let array = format == Format::JsonArray;
        Ok(Self { path: path.to_owned(), input, array, ended: false, started: false, bytes: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            self.bytes.clear();
            let more = if self.array { self.element() } else { self.line() };
            if !more.map_err(|e| FileError::new("read", &self.path, e))? {
                return Ok(None);
            }
            let text = match std::mem::replace(&mut self.started, true) {
                false => self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes),
                true => &self.bytes,
            };
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Ok(Some(parse(text)));
        }
    }

    fn line(&mut self) -> io::Result<bool> {
        Ok(self.input.read_until(b'\n', &mut self.bytes)? > 0)
    }

    /// The next element of the array, without its comma. False at the end.
    ///
    /// Only strings and nesting matter for finding the boundary; whether the element is JSON is the
    /// parser's business. An array that the file's end cuts off yields its last piece, which then fails.
    fn element(&mut self) -> io::Result<bool> {
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        while !self.ended {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                self.ended = true;
                // The closing bracket is missing: a record that says so.
                self.bytes.extend_from_slice(b" <end of file>");
                return Ok(true);
            }
            let (mut used, mut complete) = (0, false);
            for &byte in buffer {
                used += 1;
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    _ if in_string => {}
                    b'[' if depth == 0 && !self.started && self.bytes.iter().all(|b| !b.is_ascii_graphic()) => {
                        self.started = true;
                        self.bytes.clear();
                        continue;
                    }
                    b'[' | b'{' => depth += 1,
                    b']' if depth == 0 => {
                        (self.ended, complete) = (true, true);
                        break;
                    }
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    b',' if depth == 0 => {
                        complete = true;
                        break;
                    }
                    _ => {}
                }
                self.bytes.push(byte);
            }
            self.input.consume(used);
            if complete {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn parse(text: &[u8]) -> Record {
    let malformed = |message: String| RowProblem::Malformed { message };
    match python::json(text) {
        Ok(Value::Object(record)) => Ok(record),
        Ok(_) => Err(malformed("expected a JSON object".to_owned())),
        Err(message) => Err(malformed(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(name: &str, content: &str) -> Vec<Result<String, String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut records = Records::open(&path, Format::of_file(&path).unwrap()).unwrap();
        let mut out = Vec::new();
        while let Some(record) = records.next().unwrap() {
            out.push(record.map(|r| Value::Object(r).to_string()).map_err(|p| p.reason().to_owned()));
        }
        out
    }

    #[test]
    fn arrays_are_cut_at_their_elements() {
        let tricky = r#" [ {"a": "],[{\"\\"}, {"b": [1, {"c": "}"}]} , {"d": null} ] "#;
        let found: Vec<String> = records("a.json", tricky).into_iter().map(Result::unwrap).collect();
        assert_eq!(found, [r#"{"a":"],[{\"\\"}"#, r#"{"b":[1,{"c":"}"}]}"#, r#"{"d":null}"#]);
        assert_eq!(records("a.json", "[]"), []);
    }

    #[test]
    fn broken_records_do_not_take_their_neighbours_along() {
        let lines = records("a.jsonl", "{\"a\": 1}\n\n{\"a\": \n[1]\n{\"a\": 2}\n");
        let malformed = || Err("malformed".to_owned());
        assert_eq!(lines, [Ok("{\"a\":1}".to_owned()), malformed(), malformed(), Ok("{\"a\":2}".to_owned())]);
        assert_eq!(records("a.json", "[{\"a\": 1}, {\"b\": "), [Ok("{\"a\":1}".to_owned()), malformed()]);
        assert_eq!(records("a.json", "[{\"a\": 1}"), [malformed()], "a cut array is never taken for a whole one");
    }
}
