//! What changed since a task was made: the words of `host plan` and `host why`.

use std::fmt;

use serde::Serialize;

/// One thing that a task was made from, and that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// The name or the category of the record.
    Record(&'static str),
    /// A field of the record.
    Field(String),
    /// A field of the record's category.
    CategoryField(String),
    /// The text of a prompt.
    Prompt(String),
    /// An option.
    Option(String),
    /// The model that is asked.
    Model {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Temperature, output cap or another parameter of the model.
    Parameters,
    /// The plugin's file.
    Plugin {
        /// Version before.
        from: String,
        /// Version now.
        to: String,
    },
    /// Address, name or locale of the site.
    Site,
    /// The path of the output.
    Output,
    /// Which fields and upstreams the component is given.
    Given,
    /// The file of a component that it depends on.
    Upstream(String),
    /// Something that an older version of batchgen did not note.
    Unknown,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Record(what) => write!(f, "record changed: {what}"),
            Change::Field(name) => write!(f, "record changed: fields.{name}"),
            Change::CategoryField(name) => write!(f, "category changed: fields.{name}"),
            Change::Prompt(name) => write!(f, "prompt changed: {name}"),
            Change::Option(name) => write!(f, "option changed: {name}"),
            Change::Model { from, to } => write!(f, "model changed: {from} to {to}"),
            Change::Parameters => f.write_str("model parameters changed"),
            Change::Plugin { from, to } if from == to => f.write_str("plugin changed"),
            Change::Plugin { from, to } => write!(f, "plugin changed: {from} to {to}"),
            Change::Site => f.write_str("site changed"),
            Change::Output => f.write_str("output path changed"),
            Change::Given => f.write_str("given data changed"),
            Change::Upstream(name) => write!(f, "upstream changed: {name}"),
            Change::Unknown => f.write_str("changed"),
        }
    }
}

impl Serialize for Change {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
