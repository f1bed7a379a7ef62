//! Objects in storage that speaks the API of S3: where they are, how they are read, written whole or not at all, and replaced
//! only where they are what they were.
//!
//! This is the only crate that makes a client of S3. It does not know what the objects hold, and reads no variable itself.

mod address;
mod bucket;
mod connect;
mod download;
mod error;
mod listing;
mod upload;

pub use address::Address;
pub use bucket::{Bucket, Condition, Found, Tag};
pub use connect::{Reading, reading};
pub use download::Download;
pub use error::ObjectError;
pub use listing::Listing;
pub use upload::Upload;
