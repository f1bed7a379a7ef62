//! Parquet: row group by row group, and within these in batches of a few megabytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;

use arrow_schema::Schema;
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::LogicalType;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::Fault;
use super::arrow::{UUID, Writer};

/// Bytes of a batch, as far as the file tells how large its rows are.
const BATCH: u64 = 4 << 20;
/// Most rows of a batch.
const ROWS: u64 = 1024;

/// Writes the rows.
pub(super) fn write(file: File, out: &mut dyn Write) -> Result<(), Fault> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| Fault::damaged("its description", error))?;
    let metadata = builder.metadata().clone();
    let mut writer = Writer::new(&with_uuids(builder.schema(), builder.parquet_schema()))?;
    let reader = builder
        .with_batch_size(batch(&metadata))
        .build()
        .map_err(|error| Fault::damaged("its description", error))?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| Fault::damaged(&place(&metadata, rows), error))?;
        writer.write(&batch, out)?;
        rows += batch.num_rows() as u64;
    }
    Ok(())
}

/// The columns, with the name of their type for those that hold UUIDs: the reader takes these for bytes.
fn with_uuids(columns: &Schema, described: &SchemaDescriptor) -> Schema {
    let types = described.root_schema().get_fields().iter();
    let fields = columns.fields().iter().zip(types);
    let fields = fields.map(|(field, described)| {
        let is_uuid = described.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid);
        let uuid = (EXTENSION_TYPE_NAME_KEY.to_owned(), UUID.to_owned());
        let metadata = HashMap::from([uuid]);
        match is_uuid {
            true => field.as_ref().clone().with_metadata(metadata),
            false => field.as_ref().clone(),
        }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// How many rows are read at once.
fn batch(metadata: &ParquetMetaData) -> usize {
    let mut rows = 1;
    let mut bytes = 0_u64;
    for group in metadata.row_groups() {
        rows += u64::try_from(group.num_rows()).unwrap_or(0);
        bytes = bytes.saturating_add(u64::try_from(group.total_byte_size()).unwrap_or(0));
    }
    let row = (bytes / rows).max(1);
    usize::try_from((BATCH / row).clamp(1, ROWS)).unwrap_or(1)
}

/// Where a row is.
fn place(metadata: &ParquetMetaData, row: u64) -> String {
    let mut last = 0;
    let mut groups = metadata.row_groups().iter().map(|group| {
        last += u64::try_from(group.num_rows()).unwrap_or(0);
        last
    });
    match groups.position(|last| row < last) {
        Some(group) => format!("row group {} from row {} on", group + 1, row + 1),
        None => format!("what follows row {row}"),
    }
}
