//! What a template may name. A value is handed to the template language when it is named, and not before: records may be long.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Serde};
use sdk::{Map, Value};

/// What the first key of a path is.
pub const ROOTS: [&str; 4] = ["record", "category", "upstream", "site"];

/// What every record has under these keys, whatever fields it has of its own.
const MAPPED: [&str; 3] = ["id", "name", "category"];

/// The values under [`ROOTS`], and `record.fields`: the record's own fields, where none is called `fields`.
#[derive(Clone, Debug)]
pub struct Values {
    all: Map<String, Value>,
    /// The record's own fields that are called as [`MAPPED`] are.
    hidden: Map<String, Value>,
}

/// What a path leads to.
enum Found<'a> {
    Value(&'a Value),
    OwnFields,
}

impl Values {
    /// `record` has what is mapped; `hidden` is what it has itself under these names.
    pub fn new(roots: [(&str, Value); ROOTS.len()], hidden: Map<String, Value>) -> Values {
        let all = roots.map(|(root, value)| (root.to_owned(), value));
        Values {
            all: all.into_iter().collect(),
            hidden,
        }
    }

    /// Takes the object under a root out.
    pub fn take(&mut self, root: &str) -> Map<String, Value> {
        match self.all.get_mut(root).map(Value::take) {
            Some(Value::Object(values)) => values,
            _ => Map::new(),
        }
    }

    /// The fields of the record's own, in their order.
    pub fn own_of(&mut self, record: Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
        record.into_iter().filter_map(|(key, value)| {
            let own = if MAPPED.contains(&key.as_str()) {
                self.hidden.get_mut(&key)?.take()
            } else {
                value
            };
            Some((key, own))
        })
    }

    /// The value that a path leads to, if it is there and is not made up of others.
    pub fn value(&self, path: &[&str]) -> Option<&Value> {
        match self.find(path)? {
            Found::Value(value) => Some(value),
            Found::OwnFields => None,
        }
    }

    /// Whether a path leads to anything.
    pub fn has(&self, path: &[&str]) -> bool {
        match self.find(path) {
            Some(Found::Value(value)) => !value.is_null(),
            Some(Found::OwnFields) => true,
            None => false,
        }
    }

    fn find(&self, path: &[&str]) -> Option<Found<'_>> {
        let (root, rest) = path.split_first()?;
        let values = self.all.get(*root)?;
        if let ("record", ["fields", rest @ ..]) = (*root, rest)
            && values.get("fields").is_none()
        {
            let Some((key, rest)) = rest.split_first() else {
                return Some(Found::OwnFields);
            };
            return within(self.own(key)?, rest).map(Found::Value);
        }
        within(values, rest).map(Found::Value)
    }

    fn own(&self, key: &str) -> Option<&Value> {
        if MAPPED.contains(&key) {
            return self.hidden.get(key);
        }
        self.all.get("record")?.get(key)
    }

    /// The keys of the object that a path leads to.
    fn keys(&self, path: &[&str]) -> Vec<String> {
        let keys = |values: &Map<String, Value>| values.keys().cloned().collect::<Vec<String>>();
        if path.is_empty() {
            return keys(&self.all);
        }
        let mut found = match self.find(path) {
            Some(Found::Value(Value::Object(values))) => keys(values),
            Some(Found::OwnFields) => {
                let mut found = self
                    .all
                    .get("record")
                    .and_then(Value::as_object)
                    .map_or_else(Vec::new, keys);
                found.retain(|key| self.own(key).is_some());
                found
            }
            _ => Vec::new(),
        };
        if path == ["record"] && !found.iter().any(|key| key == "fields") {
            found.push("fields".to_owned());
        }
        // As the template language has the keys of all other objects.
        found.sort_unstable();
        found
    }
}

fn within<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        value => value.get(*key),
    })
}

/// An object among the values, for the template language.
#[derive(Debug)]
pub struct Node {
    values: Arc<Values>,
    path: Vec<String>,
}

impl Node {
    /// The object of the roots.
    pub fn root(values: Arc<Values>) -> Node {
        Node {
            values,
            path: Vec::new(),
        }
    }

    fn path(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

impl Object for Node {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        let mut path = self.path();
        path.push(key);
        match self.values.find(&path)? {
            Found::Value(Value::Object(_)) | Found::OwnFields => {
                Some(minijinja::Value::from_object(Node {
                    values: Arc::clone(&self.values),
                    path: path.into_iter().map(str::to_owned).collect(),
                }))
            }
            Found::Value(value) => Some(minijinja::Value::from(Serde(value))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys = self.values.keys(&self.path()).into_iter();
        Enumerator::Values(keys.map(minijinja::Value::from).collect())
    }
}
