//! Rows of Parquet and Arrow IPC files, one record batch in memory at a time.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::cell::{Advance, Cell, Column, Kind};
use super::error::ReadError;
use super::format::Format;
use super::rows::Rows;
use crate::files::FileError;

/// Rows per batch: enough to amortise decoding, small against the row groups of usual files.
const BATCH_ROWS: usize = 1024;

type Fault = Box<dyn std::error::Error + Send + Sync>;
type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Fault>> + Send>;

pub(super) struct ColumnarRows {
    path: PathBuf,
    format: Format,
    columns: Vec<Column>,
    total: Option<u64>,
    /// Opened on the first row, when it is known which columns are needed.
    batches: Option<Batches>,
    /// The selected columns in file order; a batch holds these alone.
    used: Vec<usize>,
    batch: Option<RecordBatch>,
    row: usize,
}

pub(super) fn parquet(path: &Path) -> Result<ColumnarRows, ReadError> {
    let builder = parquet_builder(path)?;
    let rows = builder.metadata().file_metadata().num_rows();
    let schema = builder.schema().clone();
    Ok(ColumnarRows::new(path, Format::Parquet, &schema, u64::try_from(rows).ok()))
}

pub(super) fn arrow(path: &Path, format: Format) -> Result<ColumnarRows, ReadError> {
    let broken = |e| ReadError::broken(path, format, e);
    let file = open(path)?;
    let schema = match format {
        Format::ArrowStream => StreamReader::try_new_buffered(file, None).map_err(broken)?.schema(),
        _ => FileReader::try_new_buffered(file, None).map_err(broken)?.schema(),
    };
    Ok(ColumnarRows::new(path, format, &schema, None))
}

fn open(path: &Path) -> Result<File, ReadError> {
    Ok(File::open(path).map_err(|e| FileError::new("open", path, e))?)
}

fn parquet_builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ReadError> {
    ParquetRecordBatchReaderBuilder::try_new(open(path)?).map_err(|e| ReadError::broken(path, Format::Parquet, e))
}

impl ColumnarRows {
    fn new(path: &Path, format: Format, schema: &SchemaRef, total: Option<u64>) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column { name: field.name().clone(), kind: kind(field.data_type()) })
            .collect::<Vec<_>>();
        let used = (0..columns.len()).collect();
        Self { path: path.to_owned(), format, columns, total, batches: None, used, batch: None, row: 0 }
    }

    fn start(&self) -> Result<Batches, ReadError> {
        let broken = |e| ReadError::broken(&self.path, self.format, e);
        Ok(match self.format {
            Format::Parquet => {
                let builder = parquet_builder(&self.path)?;
                let mask = ProjectionMask::roots(builder.parquet_schema(), self.used.iter().copied());
                let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
                let reader = reader.map_err(|e| ReadError::broken(&self.path, self.format, e))?;
                Box::new(reader.map(|batch| batch.map_err(Fault::from)))
            }
            Format::ArrowStream => {
                let reader = StreamReader::try_new_buffered(open(&self.path)?, Some(self.used.clone()));
                Box::new(reader.map_err(broken)?.map(|batch| batch.map_err(Fault::from)))
            }
            _ => {
                let reader = FileReader::try_new_buffered(open(&self.path)?, Some(self.used.clone()));
                Box::new(reader.map_err(broken)?.map(|batch| batch.map_err(Fault::from)))
            }
        })
    }
}

impl Rows for ColumnarRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, used: &[usize]) -> Result<(), ReadError> {
        self.used = used.to_vec();
        self.used.sort_unstable();
        self.used.dedup();
        Ok(())
    }

    fn advance(&mut self) -> Result<Advance, ReadError> {
        self.row += 1;
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            if self.batches.is_none() {
                self.batches = Some(self.start()?);
            }
            match self.batches.as_mut().and_then(Iterator::next) {
                None => return Ok(Advance::End),
                Some(batch) => {
                    self.batch = Some(batch.map_err(|e| ReadError::broken(&self.path, self.format, e))?);
                    self.row = 0;
                }
            }
        }
        Ok(Advance::Row)
    }

    fn take(&mut self, column: usize) -> Cell<'_> {
        match (&self.batch, self.used.binary_search(&column)) {
            (Some(batch), Ok(position)) => cell(batch.column(position).as_ref(), self.row),
            _ => Cell::Null,
        }
    }

    fn vectors(&self, column: usize) -> Option<Vec<&[f32]>> {
        let position = self.used.binary_search(&column).ok()?;
        let (values, range) = list(self.batch.as_ref()?.column(position).as_ref(), self.row)?;
        match values.data_type() {
            DataType::Float32 => Some(vec![numbers(values, range)?]),
            _ => range.map(|row| list(values, row).and_then(|(values, range)| numbers(values, range))).collect(),
        }
    }

    fn total(&self) -> Option<u64> {
        self.total
    }
}

/// The values that a list's row is a range of.
fn list(array: &dyn Array, row: usize) -> Option<(&dyn Array, Range<usize>)> {
    if array.is_null(row) {
        return None;
    }
    if let Some(list) = array.as_list_opt::<i32>() {
        let ends = list.value_offsets();
        return Some((list.values().as_ref(), ends[row] as usize..ends[row + 1] as usize));
    }
    if let Some(list) = array.as_list_opt::<i64>() {
        let ends = list.value_offsets();
        return Some((list.values().as_ref(), ends[row] as usize..ends[row + 1] as usize));
    }
    let list = array.as_fixed_size_list_opt()?;
    let first = list.value_offset_at(row);
    Some((list.values().as_ref(), first..first + list.value_length() as usize))
}

/// 32-bit numbers without gaps.
fn numbers(values: &dyn Array, range: Range<usize>) -> Option<&[f32]> {
    let values = values.as_primitive_opt::<arrow::datatypes::Float32Type>()?;
    (values.null_count() == 0).then(|| &values.values()[range])
}

/// The kind of a column type.
fn kind(data_type: &DataType) -> Kind {
    use DataType::{
        Boolean, Dictionary, FixedSizeList, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeList, LargeUtf8,
        List, Struct, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match data_type {
        Utf8 | LargeUtf8 | Utf8View => Kind::Text,
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Kind::Integer,
        Float16 | Float32 | Float64 => Kind::Number,
        Dictionary(_, values) => kind(values),
        Struct(_) => Kind::Messages,
        List(item) | LargeList(item) | FixedSizeList(item, _) => match (item.data_type(), kind(item.data_type())) {
            (_, Kind::Text) => Kind::TextList,
            (Struct(_), _) => Kind::Messages,
            (_, Kind::Messages) => Kind::MessagesList,
            // A list of one number is a number here (logits of shape [B, 1]).
            (_, Kind::Number) => Kind::Number,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// The value of an array at a row.
fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    use arrow::datatypes::{
        Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    };
    if array.is_null(row) {
        return Cell::Null;
    }
    let items = |values, first: usize, last: usize| Cell::List((first..last).map(|i| cell(values, i)).collect());
    match array.data_type() {
        DataType::Utf8 => Cell::Text(Cow::Borrowed(array.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Cell::Text(Cow::Borrowed(array.as_string::<i64>().value(row))),
        DataType::Utf8View => Cell::Text(Cow::Borrowed(array.as_string_view().value(row))),
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::Integer(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Integer(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Integer(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => match i64::try_from(array.as_primitive::<UInt64Type>().value(row)) {
            Ok(whole) => Cell::Integer(whole),
            Err(_) => Cell::Other("uint64 beyond the signed range".to_owned()),
        },
        DataType::Float16 => Cell::Number(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => Cell::Number(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Number(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let ends = list.value_offsets();
            items(list.values().as_ref(), ends[row] as usize, ends[row + 1] as usize)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let ends = list.value_offsets();
            items(list.values().as_ref(), ends[row] as usize, ends[row + 1] as usize)
        }
        DataType::FixedSizeList(_, width) => {
            let list = array.as_fixed_size_list();
            let first = list.value_offset_at(row);
            items(list.values().as_ref(), first, first + *width as usize)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let values = fields.iter().zip(columns);
            Cell::Struct(values.map(|(f, c)| (Cow::Borrowed(f.name().as_str()), cell(c.as_ref(), row))).collect())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            match cell(dictionary.keys(), row) {
                Cell::Integer(key) => cell(dictionary.values().as_ref(), key as usize),
                _ => Cell::Null,
            }
        }
        other => Cell::Other(other.to_string()),
    }
}
