//! A walk through a list in a file, one element at a time. How each format does that, it does not know.

use super::DatasetError;
use super::input::Chunk;

/// What a walk through a list comes to.
#[derive(Debug)]
pub(super) enum Piece {
    /// The text of one element.
    Element(Chunk),
    /// Something that is no element; behind it there may be more.
    Broken(DatasetError),
}

/// Walks through a list, one element at a time.
pub(super) trait Split: Send {
    /// The next element. After an error the list cannot be walked any further.
    fn next(&mut self) -> Result<Option<Piece>, DatasetError>;
}
