//! The canonical schema as JSONL, a JSON array, CSV and TSV.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{ConvertError, Needed, Writer, plain_prompt, prompts_of_sides, styles};
use crate::benchmark::reader::Format;
use crate::files::FileError;
use crate::preference::{Comparison, Response};

pub(super) struct JsonWriter<'a> {
    path: PathBuf,
    out: BufWriter<&'a mut File>,
    needed: Needed,
    array: bool,
    rows: u64,
}

impl<'a> JsonWriter<'a> {
    pub fn new(path: &Path, file: &'a mut File, format: Format, needed: Needed) -> Self {
        let out = BufWriter::with_capacity(1 << 18, file);
        Self { path: path.to_owned(), out, needed, array: format == Format::JsonArray, rows: 0 }
    }

    fn failed(&self, source: io::Error) -> ConvertError {
        FileError::new("write", &self.path, source).into()
    }
}

impl Writer for JsonWriter<'_> {
    fn write(&mut self, comparison: &Comparison) -> Result<(), ConvertError> {
        let before: &[u8] = match (self.array, self.rows) {
            (false, _) => b"",
            (true, 0) => b"[\n",
            (true, _) => b",\n",
        };
        self.rows += 1;
        let record = Value::Object(record(comparison, self.needed));
        let after: &[u8] = if self.array { b"" } else { b"\n" };
        self.out
            .write_all(before)
            .and_then(|()| serde_json::to_writer(&mut self.out, &record).map_err(io::Error::from))
            .and_then(|()| self.out.write_all(after))
            .map_err(|e| self.failed(e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), ConvertError> {
        let end: &[u8] = match (self.array, self.rows) {
            (false, _) => b"",
            (true, 0) => b"[]\n",
            (true, _) => b"\n]\n",
        };
        self.out.write_all(end).and_then(|()| self.out.flush()).map_err(|e| self.failed(e))
    }
}

/// One item as a JSON object; what it does not have is left out.
fn record(item: &Comparison, needed: Needed) -> Map<String, Value> {
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| {
        record.insert(name.to_owned(), value);
    };
    put("id", item.id.as_str().into());
    if needed.source_ids {
        put("source_id", item.source.as_str().into());
    }
    put("language", item.lang.code().into());
    let [prompt_chosen, prompt_rejected] = prompts_of_sides(item);
    match plain_prompt(&item.prompt) {
        _ if needed.own_prompts => {
            put("prompt_chosen", prompt_chosen.into());
            put("prompt_rejected", prompt_rejected.into());
        }
        Some(text) => put("prompt", text.into()),
        None => put("context", json!(item.prompt)),
    }
    let side = |responses: &[Response]| match responses {
        [single] if !needed.lists => single.text.as_str().into(),
        several => several.iter().map(|response| Value::from(response.text.as_str())).collect(),
    };
    put("chosen", side(&item.chosen));
    put("rejected", side(&item.rejected));
    put("subset", item.subset.as_str().into());
    if let Some(category) = &item.category {
        put("category", category.as_ref().into());
    }
    for (name, responses) in [("chosen_model", &item.chosen), ("rejected_model", &item.rejected)] {
        if responses.iter().any(|response| response.model.is_some()) {
            put(
                name,
                match responses.as_slice() {
                    [single] if !needed.lists => json!(single.model.as_deref()),
                    several => several.iter().map(|response| json!(response.model.as_deref())).collect(),
                },
            );
        }
    }
    if let Some(margin) = item.margin {
        put("margin", margin.into());
    }
    if let Some(names) = styles(item) {
        put("styles", json!(names));
    }
    record
}

pub(super) struct DelimitedWriter<'a> {
    path: PathBuf,
    format: Format,
    out: csv::Writer<&'a mut File>,
    needed: Needed,
}

impl<'a> DelimitedWriter<'a> {
    pub fn new(path: &Path, file: &'a mut File, format: Format, needed: Needed) -> Result<Self, ConvertError> {
        let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
        let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(file);
        let columns = [
            ("id", true),
            ("source_id", needed.source_ids),
            ("language", true),
            ("prompt", needed.has_prompts()),
            ("context", needed.has_contexts()),
            ("prompt_chosen", needed.own_prompts),
            ("prompt_rejected", needed.own_prompts),
            (if needed.lists { "chosen_list" } else { "chosen" }, true),
            (if needed.lists { "rejected_list" } else { "rejected" }, true),
            ("subset", true),
            ("category", needed.categories),
            ("chosen_model", needed.chosen_models),
            ("rejected_model", needed.rejected_models),
            ("margin", needed.margins),
            ("styles", needed.styles),
        ];
        out.write_record(columns.iter().filter(|(_, present)| *present).map(|(name, _)| name))
            .map_err(|e| ConvertError::write(path, format, e))?;
        Ok(Self { path: path.to_owned(), format, out, needed })
    }
}

impl Writer for DelimitedWriter<'_> {
    fn write(&mut self, item: &Comparison) -> Result<(), ConvertError> {
        let needed = self.needed;
        let plain = plain_prompt(&item.prompt);
        let side = |responses: &'_ [Response]| -> String {
            match responses {
                [single] if !needed.lists => single.text.clone(),
                several => json!(several.iter().map(|response| response.text.as_str()).collect::<Vec<_>>()).to_string(),
            }
        };
        let models = || ConvertError::Models { row: item.row, format: self.format };
        let [prompt_chosen, prompt_rejected] = prompts_of_sides(item);
        let cells: [(Cow<'_, str>, bool); 15] = [
            (item.id.as_str().into(), true),
            (item.source.as_str().into(), needed.source_ids),
            (item.lang.code().into(), true),
            (plain.unwrap_or("").into(), needed.has_prompts()),
            (if plain.is_some() { "".into() } else { json!(item.prompt).to_string().into() }, needed.has_contexts()),
            (prompt_chosen.into(), needed.own_prompts),
            (prompt_rejected.into(), needed.own_prompts),
            (side(&item.chosen).into(), true),
            (side(&item.rejected).into(), true),
            (item.subset.as_str().into(), true),
            (item.category.as_deref().unwrap_or("").into(), needed.categories),
            (one_model(&item.chosen).ok_or_else(models)?.into(), needed.chosen_models),
            (one_model(&item.rejected).ok_or_else(models)?.into(), needed.rejected_models),
            (item.margin.map_or(String::new(), |margin| margin.to_string()).into(), needed.margins),
            (styles(item).map_or(String::new(), |names| json!(names).to_string()).into(), needed.styles),
        ];
        let present = cells.iter().filter(|(_, present)| *present).map(|(cell, _)| cell.as_bytes());
        self.out.write_record(present).map_err(|e| ConvertError::write(&self.path, self.format, e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), ConvertError> {
        Ok(self.out.flush().map_err(|e| FileError::new("write", &self.path, e))?)
    }
}

/// The model that wrote a side's responses, empty where unknown; `None` where several did.
fn one_model(responses: &[Response]) -> Option<&str> {
    let first = &responses.first()?.model;
    let same = responses.iter().all(|response| response.model == *first);
    same.then_some(first.as_deref().unwrap_or(""))
}
