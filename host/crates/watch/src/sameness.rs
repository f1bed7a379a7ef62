//! How alike the files of a component are, as a report shows it. Whoever makes the report measures it: a run does not.

use serde::Serialize;

/// The files of a component whose records have one category, or of all its records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SamenessRow {
    pub component: String,
    pub category: String,
    /// Files that have words.
    pub files: u32,
    /// Files of which another file of the component is nearly the same.
    pub near_duplicates: u32,
    /// Files that begin as more than one file in fifty does.
    pub shared_openings: u32,
    /// The share of word pairs that are different from all others.
    pub distinct_2: Option<f64>,
}
