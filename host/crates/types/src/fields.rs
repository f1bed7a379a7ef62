//! The fields of a record as a fingerprint needs them: their hashes by name. It does not know how a dataset keeps them.

use std::fmt::Debug;

use serde_json::{Map, Value};

use super::digest::Digest;

/// Stands for all fields where a recipe names those that are given.
pub const ALL_FIELDS: &str = "*";

/// The fields of a record or a category, each as JSON with its numbers as the dataset has them.
pub trait FieldTexts: Debug {
    /// The hash of one field, if it is there.
    fn one(&self, name: &str) -> Option<Digest>;
    /// The hash of all of them as an object.
    fn all(&self) -> Digest;
}

impl FieldTexts for Map<String, Value> {
    fn one(&self, name: &str) -> Option<Digest> {
        self.get(name).map(Digest::of_json)
    }

    fn all(&self) -> Digest {
        Digest::of_json(self)
    }
}
