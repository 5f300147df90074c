//! The canonical schema as record batches, in Parquet or Arrow IPC.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, ListBuilder, RecordBatch, StringBuilder, StructBuilder};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{ConvertError, Needed, Writer, plain_prompt, prompts_of_sides, styles};
use crate::benchmark::reader::Format;
use crate::preference::Comparison;

/// Rows per record batch.
const BATCH_ROWS: usize = 1024;
/// Rows per Parquet row group: what a writer holds in memory and a reader can skip.
const GROUP_ROWS: usize = 4096;

pub(super) struct ColumnarWriter<'a> {
    path: PathBuf,
    format: Format,
    needed: Needed,
    schema: SchemaRef,
    sink: Sink<'a>,
    columns: Columns,
}

enum Sink<'a> {
    Parquet(Box<ArrowWriter<&'a mut File>>),
    File(FileWriter<std::io::BufWriter<&'a mut File>>),
    Stream(StreamWriter<std::io::BufWriter<&'a mut File>>),
}

impl<'a> ColumnarWriter<'a> {
    pub fn new(path: &Path, file: &'a mut File, format: Format, needed: Needed) -> Result<Self, ConvertError> {
        let schema = schema(needed);
        let failed = |e| ConvertError::write(path, format, e);
        let sink = match format {
            Format::ArrowStream => Sink::Stream(StreamWriter::try_new_buffered(file, &schema).map_err(failed)?),
            Format::ArrowFile => Sink::File(FileWriter::try_new_buffered(file, &schema).map_err(failed)?),
            _ => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|e| ConvertError::write(path, format, e))?))
            }
        };
        Ok(Self { path: path.to_owned(), format, needed, schema, sink, columns: Columns::default() })
    }

    fn flush(&mut self) -> Result<(), ConvertError> {
        let arrays = std::mem::take(&mut self.columns).finish(self.needed);
        let failed = |e| ConvertError::write(&self.path, self.format, e);
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(failed)?;
        match &mut self.sink {
            Sink::Parquet(writer) => writer.write(&batch).map_err(|e| ConvertError::write(&self.path, self.format, e)),
            Sink::File(writer) => writer.write(&batch).map_err(failed),
            Sink::Stream(writer) => writer.write(&batch).map_err(failed),
        }
    }
}

impl Writer for ColumnarWriter<'_> {
    fn write(&mut self, comparison: &Comparison) -> Result<(), ConvertError> {
        self.columns.push(comparison, self.needed);
        if self.columns.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<(), ConvertError> {
        if self.columns.rows > 0 {
            self.flush()?;
        }
        let failed = |e| ConvertError::write(&self.path, self.format, e);
        match self.sink {
            Sink::Parquet(writer) => {
                writer.close().map(|_| ()).map_err(|e| ConvertError::write(&self.path, self.format, e))
            }
            Sink::File(mut writer) => writer.finish().map_err(failed),
            Sink::Stream(mut writer) => writer.finish().map_err(failed),
        }
    }
}

fn message_fields() -> Fields {
    Fields::from(vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)])
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn schema(needed: Needed) -> SchemaRef {
    let side = || if needed.lists { list_of(DataType::Utf8) } else { DataType::Utf8 };
    let columns = [
        ("id", DataType::Utf8, true),
        ("source_id", DataType::Utf8, needed.source_ids),
        ("language", DataType::Utf8, true),
        ("prompt", DataType::Utf8, needed.has_prompts()),
        ("context", list_of(DataType::Struct(message_fields())), needed.has_contexts()),
        ("prompt_chosen", DataType::Utf8, needed.own_prompts),
        ("prompt_rejected", DataType::Utf8, needed.own_prompts),
        ("chosen", side(), true),
        ("rejected", side(), true),
        ("subset", DataType::Utf8, true),
        ("category", DataType::Utf8, needed.categories),
        ("chosen_model", side(), needed.chosen_models),
        ("rejected_model", side(), needed.rejected_models),
        ("margin", DataType::Float64, needed.margins),
        ("styles", list_of(DataType::Utf8), needed.styles),
    ];
    let present = columns.into_iter().filter(|(_, _, present)| *present);
    Arc::new(Schema::new(present.map(|(name, kind, _)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// Text per item: one, or a list of them.
#[derive(Default)]
struct Texts {
    single: StringBuilder,
    list: ListBuilder<StringBuilder>,
}

impl Texts {
    fn push<'t>(&mut self, lists: bool, texts: impl Iterator<Item = Option<&'t str>>) {
        if lists {
            self.list.append_value(texts);
        } else {
            self.single.append_option(texts.into_iter().next().flatten());
        }
    }

    fn finish(mut self, lists: bool) -> ArrayRef {
        if lists { Arc::new(self.list.finish()) } else { Arc::new(self.single.finish()) }
    }
}

/// The columns of the batch being filled; those that are not needed stay empty and are left out.
struct Columns {
    rows: usize,
    id: StringBuilder,
    source_id: StringBuilder,
    language: StringBuilder,
    prompt: StringBuilder,
    context: ListBuilder<StructBuilder>,
    of_sides: [StringBuilder; 2],
    chosen: Texts,
    rejected: Texts,
    subset: StringBuilder,
    category: StringBuilder,
    chosen_model: Texts,
    rejected_model: Texts,
    margin: Float64Builder,
    styles: ListBuilder<StringBuilder>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            rows: 0,
            id: StringBuilder::new(),
            source_id: StringBuilder::new(),
            language: StringBuilder::new(),
            prompt: StringBuilder::new(),
            context: ListBuilder::new(StructBuilder::from_fields(message_fields(), 0)),
            of_sides: [StringBuilder::new(), StringBuilder::new()],
            chosen: Texts::default(),
            rejected: Texts::default(),
            subset: StringBuilder::new(),
            category: StringBuilder::new(),
            chosen_model: Texts::default(),
            rejected_model: Texts::default(),
            margin: Float64Builder::new(),
            styles: ListBuilder::default(),
        }
    }
}

impl Columns {
    fn push(&mut self, item: &Comparison, needed: Needed) {
        self.rows += 1;
        self.id.append_value(item.id.as_str());
        self.source_id.append_value(item.source.as_str());
        self.language.append_value(item.lang.code());
        let plain = plain_prompt(&item.prompt);
        self.prompt.append_option(plain);
        if plain.is_none() {
            for turn in &item.prompt.0 {
                let fields = self.context.values();
                for (index, text) in [turn.role.as_str(), turn.content.as_str()].into_iter().enumerate() {
                    if let Some(builder) = fields.field_builder::<StringBuilder>(index) {
                        builder.append_value(text);
                    }
                }
                fields.append(true);
            }
        }
        self.context.append(plain.is_none());
        self.of_sides.iter_mut().zip(prompts_of_sides(item)).for_each(|(side, prompt)| side.append_value(prompt));
        self.chosen.push(needed.lists, item.chosen.iter().map(|r| Some(r.text.as_str())));
        self.rejected.push(needed.lists, item.rejected.iter().map(|r| Some(r.text.as_str())));
        self.subset.append_value(item.subset.as_str());
        self.category.append_option(item.category.as_deref());
        self.chosen_model.push(needed.lists, item.chosen.iter().map(|r| r.model.as_deref()));
        self.rejected_model.push(needed.lists, item.rejected.iter().map(|r| r.model.as_deref()));
        self.margin.append_option(item.margin);
        match styles(item) {
            Some(names) => self.styles.append_value(names.into_iter().map(Some)),
            None => self.styles.append_null(),
        }
    }

    /// The arrays in the order of [`schema`].
    fn finish(mut self, needed: Needed) -> Vec<ArrayRef> {
        let lists = needed.lists;
        let [prompt_chosen, prompt_rejected] = &mut self.of_sides;
        let columns: [(ArrayRef, bool); 15] = [
            (Arc::new(self.id.finish()), true),
            (Arc::new(self.source_id.finish()), needed.source_ids),
            (Arc::new(self.language.finish()), true),
            (Arc::new(self.prompt.finish()), needed.has_prompts()),
            (Arc::new(self.context.finish()), needed.has_contexts()),
            (Arc::new(prompt_chosen.finish()), needed.own_prompts),
            (Arc::new(prompt_rejected.finish()), needed.own_prompts),
            (self.chosen.finish(lists), true),
            (self.rejected.finish(lists), true),
            (Arc::new(self.subset.finish()), true),
            (Arc::new(self.category.finish()), needed.categories),
            (self.chosen_model.finish(lists), needed.chosen_models),
            (self.rejected_model.finish(lists), needed.rejected_models),
            (Arc::new(self.margin.finish()), needed.margins),
            (Arc::new(self.styles.finish()), needed.styles),
        ];
        columns.into_iter().filter(|(_, present)| *present).map(|(array, _)| array).collect()
    }
}
