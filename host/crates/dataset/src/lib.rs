//! Streams of records from the files of a dataset: YAML, JSON, JSON Lines, CSV, packed or not, Parquet, Arrow IPC, Excel.
//!
//! A format has two halves. Its *splitter* walks through the file with bounded memory and says where each
//! record lies ([`Place`]). Its *parser* turns the bytes of one record into JSON. [`Dataset::entries`]
//! uses both; [`Dataset::read`] needs only the parser, so a record is read again without its file.
//!
//! A splitter walks through text. What is no plain text in UTF-8 is copied once: fetched from its address, unpacked, decoded, or
//! row by row written as JSON Lines ([`Copies`]). Places are those in the copy, lines in messages those of the file, or its rows.
//!
//! Contract:
//!
//! - Memory holds one record and the category facts, however large the file is.
//! - A bad record is one `Err` of the stream, which then goes on; a broken file ends it.
//! - Numbers keep their digits.
//! - Every record that leaves here has a safe id, a name and a category.
//!
//! Not here: finding duplicate ids (that takes an index, which the store has), watching files for change,
//! choosing records, and any meaning of the other fields.

#![warn(missing_docs)]

mod config;
mod copies;
mod copying;
mod csv;
mod encoding;
mod error;
mod fields;
mod files;
mod id;
mod images;
mod input;
mod json;
mod jsonl;
mod keyed;
mod layout;
mod list;
mod lookup;
mod number;
mod origin;
mod packing;
mod paths;
mod query;
mod record;
#[cfg(feature = "remote")]
mod remote;
mod rows;
mod source;
mod split;
mod survey;
mod value;
mod yaml;
mod yaml_numbers;
mod yaml_split;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod round_trip;

pub use config::{DatasetConfig, Encoding, Format, LookupConfig, Repetition, Separator};
pub use copies::{Copies, IMAGES};
pub use error::DatasetError;
pub use fields::Fields;
pub use id::{is_safe_id, safe_id};
pub use images::{Fetching, Images};
pub use input::Place;
pub use origin::FileStamp;
pub use paths::{Paths, is_remote, shown};
pub use query::{DatabaseUrl, tables};
pub use record::{Category, Record, RecordHash, Written};
pub use rows::{COMMAND as READ_ROWS, child as read_rows};
pub use source::{Dataset, Entries};
pub use survey::{Field, Repeated, Survey};
