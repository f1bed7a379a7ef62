//! Arrow IPC, files and streams, and what Arrow's values are in JSON.
//!
//! Whole numbers, decimals and texts keep all their digits and characters. Dates, times and timestamps are texts as ISO 8601
//! has them, those with a time zone in UTC. Bytes are texts in Base64. What is no number in JSON (NaN, infinity) is null.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions as temporal;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Fault;
use crate::value::DEPTH;

/// What a file in Arrow's format begins with; a stream has nothing of the kind.
const MAGIC: &[u8] = b"ARROW1";
/// What the first version of Feather begins with.
const OLD_FEATHER: &[u8] = b"FEA1";

/// Name of the type of UUIDs, which are bytes otherwise.
pub(super) const UUID: &str = "arrow.uuid";

/// Writes the rows.
pub(super) fn write(mut file: File, out: &mut dyn Write) -> Result<(), Fault> {
    let mut head = [0; 6];
    let read = file.read(&mut head);
    let head = head.get(..read.unwrap_or(0)).unwrap_or_default();
    if head.starts_with(OLD_FEATHER) {
        return Err(Fault::new(
            "is in version 1 of Feather",
            "write it as version 2, which is Arrow IPC, or as Parquet",
        ));
    }
    let is_file = head == MAGIC;
    let broken = |error| Fault::damaged("its description", error);
    file.seek(SeekFrom::Start(0))
        .map_err(|error| Fault::damaged("it", error))?;
    if is_file {
        let reader = FileReader::try_new_buffered(file, None).map_err(broken)?;
        let schema = reader.schema();
        batches(&schema, reader, out)
    } else {
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(broken)?;
        let schema = reader.schema();
        batches(&schema, reader, out)
    }
}

fn batches<E: std::fmt::Display>(
    schema: &Schema,
    reader: impl Iterator<Item = Result<RecordBatch, E>>,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let mut writer = Writer::new(schema)?;
    for (number, batch) in (1..).zip(reader) {
        let place = || format!("record batch {number}");
        let batch = batch.map_err(|error| Fault::damaged(&place(), error))?;
        writer.write(&batch, out)?;
    }
    Ok(())
}

/// Writes batches as lines.
pub(super) struct Writer {
    /// The names of the columns as JSON has them.
    names: Vec<Vec<u8>>,
    fields: Fields,
    line: Vec<u8>,
}

impl Writer {
    /// For columns that are all different and of types that have a meaning in JSON.
    pub fn new(schema: &Schema) -> Result<Self, Fault> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        for field in schema.fields() {
            let mut name = Vec::new();
            text(field.name(), &mut name);
            if names.contains(&name) {
                return Err(Fault::new(
                    format!("has two columns called `{}`", field.name()),
                    "give one of them another name",
                ));
            }
            names.push(name);
            check(field, field.name(), 0)?;
        }
        Ok(Self {
            names,
            fields: schema.fields().clone(),
            line: Vec::new(),
        })
    }

    /// Writes a line for each row.
    pub fn write(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> Result<(), Fault> {
        for row in 0..batch.num_rows() {
            self.line.clear();
            let columns = batch.columns().iter().zip(&self.fields).zip(&self.names);
            for ((column, field), name) in columns {
                self.line
                    .push(if self.line.is_empty() { b'{' } else { b',' });
                self.line.extend_from_slice(name);
                self.line.push(b':');
                value(column, field, row, &mut self.line);
            }
            if self.line.is_empty() {
                self.line.push(b'{');
            }
            self.line.extend_from_slice(b"}\n");
            // The copy remembers what is in its way.
            out.write_all(&self.line)
                .map_err(|error| Fault::damaged("it", error))?;
        }
        Ok(())
    }
}

/// Whether values of a column can be written.
fn check(field: &Field, column: &str, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH {
        return Err(Fault::new(
            format!("the column `{column}` has more than {DEPTH} levels"),
            "write it with fewer",
        ));
    }
    match field.data_type() {
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _) => check(inner, column, depth + 1),
        DataType::Struct(inner) => inner
            .iter()
            .try_for_each(|inner| check(inner, column, depth + 1)),
        DataType::Dictionary(_, values) => {
            let values = Field::new(field.name(), values.as_ref().clone(), true);
            check(&values, column, depth + 1)
        }
        DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Interval(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => Err(Fault::new(
            format!(
                "the column `{column}` is of the type {}, which is not read",
                field.data_type()
            ),
            "leave it out, or write it as a text",
        )),
        _ => Ok(()),
    }
}

/// Writes one value.
fn value(array: &dyn Array, field: &Field, row: usize, out: &mut Vec<u8>) {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match array.data_type() {
        DataType::Boolean => raw(array.as_boolean().value(row), out),
        DataType::Int8 => raw(array.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => raw(array.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => raw(array.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => raw(array.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt8 => raw(array.as_primitive::<UInt8Type>().value(row), out),
        DataType::UInt16 => raw(array.as_primitive::<UInt16Type>().value(row), out),
        DataType::UInt32 => raw(array.as_primitive::<UInt32Type>().value(row), out),
        DataType::UInt64 => raw(array.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float16 => json(
            &array.as_primitive::<Float16Type>().value(row).to_f32(),
            out,
        ),
        // What JSON has no number for becomes null.
        DataType::Float32 => json(&array.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => json(&array.as_primitive::<Float64Type>().value(row), out),
        DataType::Decimal32(..) => raw(
            array.as_primitive::<Decimal32Type>().value_as_string(row),
            out,
        ),
        DataType::Decimal64(..) => raw(
            array.as_primitive::<Decimal64Type>().value_as_string(row),
            out,
        ),
        DataType::Decimal128(..) => raw(
            array.as_primitive::<Decimal128Type>().value_as_string(row),
            out,
        ),
        DataType::Decimal256(..) => raw(
            array.as_primitive::<Decimal256Type>().value_as_string(row),
            out,
        ),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), field, out),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(row), field, out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), field, out),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().value(row), field, out),
        DataType::List(inner) => items(&array.as_list::<i32>().value(row), inner, out),
        DataType::LargeList(inner) => items(&array.as_list::<i64>().value(row), inner, out),
        DataType::FixedSizeList(inner, _) => {
            items(&array.as_fixed_size_list().value(row), inner, out)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let mut mark = b'{';
            for (column, field) in columns.iter().zip(fields) {
                out.push(mark);
                mark = b',';
                text(field.name(), out);
                out.push(b':');
                value(column, field, row, out);
            }
            close(mark, b"{}", out);
        }
        DataType::Map(..) => map(array, row, out),
        DataType::Dictionary(_, _) => dictionary(array, field, row, out),
        _ => time(array, row, out),
    }
}

/// Closes a list or an object: what it has begun with, if it is not empty, is already there.
fn close(mark: u8, brackets: &[u8; 2], out: &mut Vec<u8>) {
    let [opening, closing] = brackets;
    if mark == *opening {
        out.push(*opening);
    }
    out.push(*closing);
}

fn items(list: &dyn Array, field: &Field, out: &mut Vec<u8>) {
    let mut mark = b'[';
    for row in 0..list.len() {
        out.push(mark);
        mark = b',';
        value(list, field, row, out);
    }
    close(mark, b"[]", out);
}

/// A map whose keys are texts is an object, another one a list of objects with `key` and `value`.
fn map(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let map = array.as_map();
    let entries = map.value(row);
    let fields = entries.fields();
    let (Some(key), Some(of_value)) = (fields.first(), fields.get(1)) else {
        return out.extend_from_slice(b"null");
    };
    let (keys, values) = (entries.column(0), entries.column(1));
    let is_object = matches!(
        key.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    let brackets = if is_object { b"{}" } else { b"[]" };
    let mut mark = brackets[0];
    for row in 0..entries.len() {
        out.push(mark);
        mark = b',';
        if !is_object {
            out.extend_from_slice(b"{\"key\":");
        }
        value(keys, key, row, out);
        out.extend_from_slice(if is_object { b":" } else { b",\"value\":" });
        value(values, of_value, row, out);
        if !is_object {
            out.push(b'}');
        }
    }
    close(mark, brackets, out);
}

fn dictionary(array: &dyn Array, field: &Field, row: usize, out: &mut Vec<u8>) {
    let dictionary = array.as_any_dictionary();
    let keys = dictionary.keys();
    let key = match keys.data_type() {
        DataType::Int8 => usize::try_from(keys.as_primitive::<Int8Type>().value(row)).ok(),
        DataType::Int16 => usize::try_from(keys.as_primitive::<Int16Type>().value(row)).ok(),
        DataType::Int32 => usize::try_from(keys.as_primitive::<Int32Type>().value(row)).ok(),
        DataType::Int64 => usize::try_from(keys.as_primitive::<Int64Type>().value(row)).ok(),
        DataType::UInt8 => Some(keys.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Some(keys.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => usize::try_from(keys.as_primitive::<UInt32Type>().value(row)).ok(),
        _ => usize::try_from(keys.as_primitive::<UInt64Type>().value(row)).ok(),
    };
    let values = dictionary.values();
    match key.filter(|key| *key < values.len()) {
        Some(key) => value(values, field, key, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Dates, times, timestamps and durations; null where one lies beyond the calendar.
fn time(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    macro_rules! at {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    let written = match array.data_type() {
        DataType::Date32 => {
            temporal::date32_to_datetime(at!(Date32Type)).map(|at| at.date().to_string())
        }
        DataType::Date64 => {
            temporal::date64_to_datetime(at!(Date64Type)).map(|at| at.date().to_string())
        }
        DataType::Time32(TimeUnit::Second) => {
            temporal::time32s_to_time(at!(Time32SecondType)).map(|at| at.to_string())
        }
        DataType::Time32(_) => {
            temporal::time32ms_to_time(at!(Time32MillisecondType)).map(|at| at.to_string())
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            temporal::time64us_to_time(at!(Time64MicrosecondType)).map(|at| at.to_string())
        }
        DataType::Time64(_) => {
            temporal::time64ns_to_time(at!(Time64NanosecondType)).map(|at| at.to_string())
        }
        DataType::Timestamp(unit, zone) => {
            let at = match unit {
                TimeUnit::Second => temporal::timestamp_s_to_datetime(at!(TimestampSecondType)),
                TimeUnit::Millisecond => {
                    temporal::timestamp_ms_to_datetime(at!(TimestampMillisecondType))
                }
                TimeUnit::Microsecond => {
                    temporal::timestamp_us_to_datetime(at!(TimestampMicrosecondType))
                }
                TimeUnit::Nanosecond => {
                    temporal::timestamp_ns_to_datetime(at!(TimestampNanosecondType))
                }
            };
            let zone = if zone.is_some() { "Z" } else { "" };
            at.map(|at| format!("{at:?}{zone}"))
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => temporal::try_duration_s_to_duration(at!(DurationSecondType)),
            TimeUnit::Millisecond => {
                temporal::try_duration_ms_to_duration(at!(DurationMillisecondType))
            }
            TimeUnit::Microsecond => Some(temporal::duration_us_to_duration(at!(
                DurationMicrosecondType
            ))),
            TimeUnit::Nanosecond => Some(temporal::duration_ns_to_duration(at!(
                DurationNanosecondType
            ))),
        }
        .map(|duration| duration.to_string()),
        _ => None,
    };
    match written {
        Some(written) => text(&written, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Bytes: a UUID as people write it, others in Base64.
fn bytes(bytes: &[u8], field: &Field, out: &mut Vec<u8>) {
    if field.extension_type_name() == Some(UUID) && bytes.len() == 16 {
        let mut uuid = String::with_capacity(36);
        for (place, byte) in bytes.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                uuid.push('-');
            }
            uuid.push_str(&format!("{byte:02x}"));
        }
        return text(&uuid, out);
    }
    text(&STANDARD.encode(bytes), out);
}

fn raw(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // A vector takes whatever is written.
    let _ = write!(out, "{value}");
}

fn json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

fn text(text: &str, out: &mut Vec<u8>) {
    let _ = types::escaped::write(text, out);
}
