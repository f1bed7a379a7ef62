//! What changed since a task was made: the words of `batchgen plan` and `batchgen why`.

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
    Option(String),
    /// The model that is asked.
    Model {
        from: String,
        to: String,
    },
    /// Temperature, output cap or another parameter of the model.
    Parameters,
    Plugin {
        from: String,
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
    /// The pictures of a field of the record.
    Picture(String),
    /// What persons or judges said about it.
    Feedback,
    /// Something that an older version of batchgen did not note.
    Unknown,
}

impl Change {
    /// What changes that differ only in a name have in common.
    pub fn kind(&self) -> &'static str {
        match self {
            Change::Record(_) | Change::Field(_) => "record changed",
            Change::CategoryField(_) => "category changed",
            Change::Prompt(_) => "prompt changed",
            Change::Option(_) => "option changed",
            Change::Model { .. } => "model changed",
            Change::Parameters => "model parameters changed",
            Change::Plugin { .. } => "plugin changed",
            Change::Site => "site changed",
            Change::Output => "output path changed",
            Change::Given => "given data changed",
            Change::Upstream(_) => "upstream changed",
            Change::Picture(_) => "picture changed",
            Change::Feedback => "feedback given",
            Change::Unknown => "changed",
        }
    }

    /// The name of what changed, where there may be many of the kind.
    pub fn name(&self) -> Option<String> {
        match self {
            Change::Record(what) => Some((*what).to_owned()),
            Change::Field(name) | Change::CategoryField(name) => Some(format!("fields.{name}")),
            Change::Prompt(name)
            | Change::Option(name)
            | Change::Upstream(name)
            | Change::Picture(name) => Some(name.clone()),
            Change::Model { from, to } => Some(format!("{from} to {to}")),
            Change::Plugin { from, to } if from != to => Some(format!("{from} to {to}")),
            Change::Plugin { .. }
            | Change::Parameters
            | Change::Site
            | Change::Output
            | Change::Given
            | Change::Feedback
            | Change::Unknown => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{}: {name}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

impl Serialize for Change {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
