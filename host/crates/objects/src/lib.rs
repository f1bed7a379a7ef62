//! Objects in storage that speaks the API of S3: where they are, how they are read, written whole or not at all, and replaced
//! only where they are what they were.
//!
//! This is the only crate that makes a client of S3. It does not know what the objects hold, and reads no variable itself.

mod address;
mod bucket;
mod connect;
mod error;

pub use address::{Address, AddressError};
pub use bucket::{Bucket, Condition, Download, Found, Listing, Tag, Upload};
pub use connect::{Reading, reading};
pub use error::ObjectError;
