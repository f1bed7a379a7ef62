//! Parquet and Arrow IPC: rows are gathered, and become columns batch by batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use super::{Cell, Column, Kind, Out, Rows, TableError, check, text};

/// Bytes of text that are gathered before they become columns.
const BATCH: usize = 4 << 20;
/// Rows that are gathered.
const ROWS: usize = 8192;
/// Most bytes of one row: a column of one batch has its offsets in 32 bits.
const ROW: usize = 1 << 30;
/// Bytes of a row group, encoded and packed: they are held until the group is whole.
const GROUP: usize = 32 << 20;

/// Writes Parquet, packed by zstd.
pub struct Parquet<'a> {
    gathered: Gathered,
    writer: ArrowWriter<Out<'a>>,
}

impl<'a> Parquet<'a> {
    /// Begins a table.
    ///
    /// # Errors
    /// When the beginning cannot be written.
    pub fn begin(out: Out<'a>, columns: Vec<Column>) -> Result<Self, TableError> {
        let gathered = Gathered::new(columns);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(GROUP))
            .build();
        let schema = Arc::clone(&gathered.schema);
        let writer = ArrowWriter::try_new(out, schema, Some(properties))?;
        Ok(Self { gathered, writer })
    }
}

impl Rows for Parquet<'_> {
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), TableError> {
        if let Some(batch) = self.gathered.take(cells)? {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), TableError> {
        self.writer.write(&self.gathered.batch()?)?;
        self.writer.close()?;
        Ok(())
    }
}

/// Writes Arrow IPC as a file, not packed, so that others can map it into their memory.
pub struct Arrow<'a> {
    gathered: Gathered,
    writer: FileWriter<Out<'a>>,
}

impl<'a> Arrow<'a> {
    /// Begins a table.
    ///
    /// # Errors
    /// When the beginning cannot be written.
    pub fn begin(out: Out<'a>, columns: Vec<Column>) -> Result<Self, TableError> {
        let gathered = Gathered::new(columns);
        let writer = FileWriter::try_new(out, &gathered.schema)?;
        Ok(Self { gathered, writer })
    }
}

impl Rows for Arrow<'_> {
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), TableError> {
        if let Some(batch) = self.gathered.take(cells)? {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), TableError> {
        let batch = self.gathered.batch()?;
        if batch.num_rows() > 0 {
            self.writer.write(&batch)?;
        }
        self.writer.finish()?;
        Ok(())
    }
}

/// Rows that no batch holds yet.
struct Gathered {
    columns: Vec<Column>,
    schema: SchemaRef,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Gathered {
    fn new(columns: Vec<Column>) -> Self {
        let fields = columns.iter();
        let fields = fields.map(|column| Field::new(&column.name, data_type(&column.kind), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self {
            columns,
            schema,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes a row, and gives the rows before it where there is no room for another.
    fn take(&mut self, cells: Vec<Cell>) -> Result<Option<RecordBatch>, TableError> {
        check(&self.columns, &cells)?;
        let bytes = cells.iter().flatten().map(size).sum();
        if bytes > ROW {
            return Err(TableError::TooLarge { bytes });
        }
        let full = self.rows.len() >= ROWS || self.bytes + bytes > BATCH;
        let batch = match full && !self.rows.is_empty() {
            true => Some(self.batch()?),
            false => None,
        };
        self.rows.push(cells);
        self.bytes += bytes;
        Ok(batch)
    }

    /// All rows that are there, as columns.
    fn batch(&mut self) -> Result<RecordBatch, TableError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.columns.iter().enumerate().map(|(place, column)| {
            let cells = rows.iter().map(|row| row.get(place)?.as_ref());
            array(&column.kind, &cells.collect::<Vec<_>>())
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

/// Bytes that a value takes, about.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 8,
        Value::Array(values) => values.iter().map(size).sum::<usize>() + 8,
        Value::Object(object) => {
            let fields = object.iter();
            fields
                .map(|(key, value)| key.len() + size(value))
                .sum::<usize>()
                + 8
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Truth => DataType::Boolean,
        Kind::Whole | Kind::Long => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Nothing | Kind::Text => DataType::Utf8,
        Kind::List(items) => DataType::List(item(items)),
        Kind::Object(fields) => DataType::Struct(struct_fields(fields)),
    }
}

fn item(kind: &Kind) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type(kind), true))
}

fn struct_fields(fields: &[(String, Kind)]) -> Fields {
    let fields = fields.iter();
    fields
        .map(|(key, kind)| Field::new(key, data_type(kind), true))
        .collect()
}

/// Values of one kind as a column.
fn array(kind: &Kind, values: &[Option<&Value>]) -> Result<ArrayRef, ArrowError> {
    let values = || values.iter().copied();
    Ok(match kind {
        Kind::Truth => Arc::new(BooleanArray::from_iter(
            values().map(|value| value?.as_bool()),
        )),
        Kind::Whole | Kind::Long => {
            Arc::new(Int64Array::from_iter(values().map(|value| value?.as_i64())))
        }
        Kind::Number => Arc::new(Float64Array::from_iter(
            values().map(|value| value?.as_f64()),
        )),
        Kind::Nothing | Kind::Text => {
            Arc::new(StringArray::from_iter(values().map(|value| text(value?))))
        }
        Kind::List(items) => {
            let lists = || values().map(|value| value?.as_array());
            let lengths = lists().map(|list| list.map_or(0, Vec::len));
            let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
            let nulls: NullBuffer = lists().map(|list| list.is_some()).collect();
            let flat: Vec<Option<&Value>> = lists().flatten().flatten().map(Some).collect();
            let flat = array(items, &flat)?;
            Arc::new(ListArray::try_new(item(items), offsets, flat, Some(nulls))?)
        }
        Kind::Object(fields) => {
            let objects: Vec<_> = values().map(|value| value?.as_object()).collect();
            let columns = fields.iter().map(|(key, kind)| {
                let values = objects.iter().map(|object| (*object)?.get(key));
                array(kind, &values.collect::<Vec<_>>())
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let nulls: NullBuffer = objects.iter().map(Option::is_some).collect();
            Arc::new(StructArray::try_new(
                struct_fields(fields),
                columns,
                Some(nulls),
            )?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_ipc::reader::FileReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use serde_json::json;

    fn columns() -> Vec<Column> {
        let object = Kind::Object(vec![
            ("w".into(), Kind::Number),
            ("tags".into(), Kind::List(Box::new(Kind::Text))),
        ]);
        let kinds = [Kind::Text, Kind::Truth, Kind::Long, object];
        let named = ["text", "truth", "long", "object"].into_iter().zip(kinds);
        let column = |(name, kind): (&str, Kind)| Column {
            name: name.to_owned(),
            kind,
        };
        named.map(column).collect()
    }

    fn rows(number: usize, length: usize) -> impl Iterator<Item = Vec<Cell>> {
        (0..number).map(move |row| {
            let text = format!("{row}-{}", "x".repeat(length));
            let object = json!({"w": row, "tags": ["a", null, row.to_string()]});
            match row % 3 {
                0 => vec![
                    Some(json!(text)),
                    Some(json!(true)),
                    Some(json!(row)),
                    Some(object),
                ],
                1 => vec![Some(json!([1, 2])), None, None, None],
                _ => vec![Some(json!(text)), None, None, Some(json!({"tags": []}))],
            }
        })
    }

    #[test]
    fn batches_are_bounded_by_their_text_and_hold_every_row() {
        let mut out = Vec::new();
        let mut table: Box<dyn Rows> = Box::new(Arrow::begin(&mut out, columns()).unwrap());
        for row in rows(300, 60_000) {
            table.row(row).unwrap();
        }
        table.finish().unwrap();
        let reader = FileReader::try_new(std::io::Cursor::new(&out), None).unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            300
        );
        assert!(batches.len() > 2, "{}", batches.len());
        let first = &batches[0];
        let text: &StringArray = first.column(0).as_any().downcast_ref().unwrap();
        assert_eq!(text.value(1), "[1,2]");
        assert!(!batches[0].column(3).is_valid(1));
    }

    #[test]
    fn parquet_is_written_in_groups_and_an_empty_table_has_its_columns() {
        for number in [0, 20] {
            let mut out = Vec::new();
            let mut table: Box<dyn Rows> = Box::new(Parquet::begin(&mut out, columns()).unwrap());
            for row in rows(number, 10) {
                table.row(row).unwrap();
            }
            table.finish().unwrap();
            let file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut &file, &out).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            assert_eq!(reader.schema().fields().len(), 4);
            let read: usize = reader
                .build()
                .unwrap()
                .map(|batch| batch.unwrap().num_rows())
                .sum();
            assert_eq!(read, number);
        }
    }
}
