//! Streams of records from a dataset file: YAML, JSON, JSON Lines, CSV.
//!
//! A format has two halves. Its *splitter* walks through the file with bounded memory and says where each
//! record lies ([`Place`]). Its *parser* turns the bytes of one record into JSON. [`Dataset::entries`]
//! uses both; [`Dataset::read`] needs only the parser, so a record is read again without its file.
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
mod csv;
mod encoding;
mod error;
mod escaped;
mod fields;
mod id;
mod input;
mod json;
mod jsonl;
mod layout;
mod list;
mod number;
mod record;
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

pub use config::{DatasetConfig, Format, Repetition};
pub use error::DatasetError;
pub use fields::Fields;
pub use id::{is_safe_id, safe_id};
pub use input::Place;
pub use record::{Category, Record, RecordHash, Written};
pub use source::{Dataset, Entries, FileStamp};
pub use survey::{Field, Repeated, Survey};
