//! The trait that a plugin implements.

use crate::{Failure, Input};

/// A way to make content: a deterministic, synchronous function from a record to a file's text.
pub trait Component {
    /// Makes the artifact's text of one record.
    ///
    /// # Errors
    /// A [`Failure`] says why there is no artifact; the host shows it and goes on with other records.
    fn generate(input: &Input) -> Result<String, Failure>;
}
