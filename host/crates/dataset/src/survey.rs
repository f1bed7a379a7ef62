//! Looks through a whole file of unknown shape: how many records it holds, and what their fields are like. It
//! decides nothing; memory holds a hash of each value of fields that repeat none, and the values of those with few.

mod find;

use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::error::At;
use super::number;
use super::record::object;
use super::{Copies, DatasetConfig, DatasetError, Format, is_safe_id, safe_id};

/// Different values of one field that are counted; a field with more has many.
const COUNTED: usize = 1000;
/// Longest text that may be an id or a category.
const SHORT: usize = 128;
/// Examples of a value are cut off here.
const SHOWN: usize = 40;
/// Faults of rows that are told one by one.
const FAULTS: usize = 5;

/// What a file holds.
#[derive(Debug)]
pub struct Survey {
    /// With the key under which the records were found, and defaults for the rest.
    pub config: DatasetConfig,
    /// How it is written.
    pub format: Format,
    /// How many records it has that can be read.
    pub records: u64,
    /// How many cannot be read.
    pub unreadable: u64,
    /// What is wrong with the first of those.
    pub faults: Vec<String>,
    /// The field of whose records with the same value only the first counts.
    pub grouped_by: Option<String>,
    /// How it is encoded, if not in UTF-8.
    pub encoding: Option<&'static str>,
    /// What separates the cells of a table.
    pub separator: Option<u8>,
    /// Fields, in the order in which they are first seen.
    pub fields: Vec<Field>,
    /// Ids of the category facts that the file has, too.
    pub category_facts: Vec<String>,
}

/// One field over all records.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Records in which it says something: it is there, not null and not blank.
    pub filled: u64,
    /// Records in which it is a text.
    pub texts: u64,
    /// Records in which it is an integer.
    pub integers: u64,
    /// Records in which it is a number of any kind.
    pub numbers: u64,
    /// Characters of its longest text.
    pub longest: usize,
    /// Characters of all its texts.
    pub characters: u64,
    /// Whether every value is safe as an id as it is.
    pub safe: bool,
    /// Two records that have the same value, once it is made safe as an id.
    pub repeated: Option<Repeated>,
    /// Different values, made safe as ids, with how many records have each; `None` where there are many.
    pub values: Option<BTreeMap<String, u64>>,
    /// Two different values that become the same, once they are made safe as ids.
    pub joined: Option<(String, String)>,
    /// Whether each record with a value that another has follows that one.
    pub is_grouped: bool,
    /// Line of each value's hash, with the hash of the value as it is written, as long as none is repeated elsewhere.
    seen: HashMap<u64, (u64, u64)>,
    /// The value of the record before.
    before: Option<u64>,
    /// How each value is written that is counted.
    written: BTreeMap<String, String>,
}

/// A value that two records have.
#[derive(Debug)]
pub struct Repeated {
    /// The value, shortened.
    pub value: String,
    /// Line of the first of the two.
    pub first_line: u64,
    /// Line of the second.
    pub second_line: u64,
    /// What both become, where they are written in two ways.
    pub becomes: Option<String>,
}

impl Survey {
    /// Looks through a dataset of which no more is known than where it is. Of records with the same value of `first_of`, only
    /// the first counts.
    ///
    /// # Errors
    /// A file or its layout cannot be read, or none of its records.
    pub fn of(
        config: &DatasetConfig,
        copies: &Copies,
        first_of: Option<&str>,
    ) -> Result<Survey, DatasetError> {
        let (dataset, config) = find::open(config, copies)?;
        let mut survey = Survey {
            config,
            format: dataset.format().unwrap_or(Format::Jsonl),
            records: 0,
            unreadable: 0,
            faults: Vec::new(),
            grouped_by: first_of.map(str::to_owned),
            encoding: None,
            separator: dataset.separator(),
            fields: Vec::new(),
            category_facts: dataset
                .categories()
                .iter()
                .map(|category| category.id.clone())
                .collect(),
        };
        let mut places = HashMap::new();
        let mut before: Option<Value> = None;
        for row in dataset.rows() {
            let row = row.and_then(|(place, value)| {
                let (path, line) = (dataset.file_of(place), place.line);
                Ok((line, object(value, &At { path, line })?))
            });
            let (line, row) = match row {
                Ok(row) => row,
                Err(error) if matches!(error, DatasetError::Empty { .. }) => return Err(error),
                Err(error) => {
                    survey.unreadable += 1;
                    if survey.faults.len() < FAULTS {
                        survey.faults.push(error.to_string());
                    }
                    continue;
                }
            };
            if let Some(field) = first_of {
                let value = row.get(field).cloned();
                if value.is_some() && value == before {
                    continue;
                }
                before = value;
            }
            survey.records += 1;
            survey.add(&row, line, &mut places);
        }
        survey.encoding = dataset.encoding();
        if survey.records == 0 {
            return Err(DatasetError::AllBad {
                file: dataset.label(),
                count: survey.unreadable,
                causes: survey.faults,
            });
        }
        Ok(survey)
    }

    fn add(&mut self, row: &Map<String, Value>, line: u64, places: &mut HashMap<String, usize>) {
        for (name, value) in row {
            let next = self.fields.len();
            let index = *places.entry(name.clone()).or_insert(next);
            if index == next {
                self.fields.push(Field::new(name));
            }
            if let Some(field) = self.fields.get_mut(index) {
                field.add(value, line);
            }
        }
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    fn new(name: &str) -> Field {
        Field {
            name: name.to_owned(),
            filled: 0,
            texts: 0,
            integers: 0,
            numbers: 0,
            longest: 0,
            characters: 0,
            safe: true,
            repeated: None,
            values: Some(BTreeMap::new()),
            joined: None,
            is_grouped: true,
            seen: HashMap::new(),
            before: None,
            written: BTreeMap::new(),
        }
    }

    fn add(&mut self, value: &Value, line: u64) {
        let text = match value {
            Value::Null => return,
            Value::String(text) if text.trim().is_empty() => return,
            Value::Number(number) => {
                self.numbers += 1;
                self.integers += u64::from(number.is_i64() || number.is_u64());
                number.to_string()
            }
            Value::String(text) => match number::written(value) {
                Some(digits) => {
                    self.numbers += 1;
                    digits.to_owned()
                }
                None => {
                    self.texts += 1;
                    text.trim().to_owned()
                }
            },
            _ => {
                self.filled += 1;
                self.values = None;
                return;
            }
        };
        self.filled += 1;
        let length = text.chars().count();
        self.characters += length as u64;
        self.longest = self.longest.max(length);
        if self.longest > SHORT {
            self.values = None;
            self.seen = HashMap::new();
            self.is_grouped = false;
            return;
        }
        let id = if is_safe_id(&text) {
            text.clone()
        } else {
            self.safe = false;
            safe_id(&text)
        };
        self.compare(&id, &text, line);
        self.count(id, text);
    }

    /// Whether another record has this value.
    fn compare(&mut self, id: &str, text: &str, line: u64) {
        if self.repeated.is_some() && !self.is_grouped {
            return;
        }
        let hash = |text: &str| {
            let mut hash = DefaultHasher::new();
            text.hash(&mut hash);
            hash.finish()
        };
        let (key, own) = (hash(id), hash(text));
        let before = self.before.replace(key);
        let Some((first_line, first)) = self.seen.get(&key).copied() else {
            self.seen.insert(key, (line, own));
            return;
        };
        self.is_grouped &= before == Some(key) && first == own;
        if !self.is_grouped {
            self.seen = HashMap::new();
        }
        self.repeated.get_or_insert_with(|| Repeated {
            value: text.chars().take(SHOWN).collect(),
            first_line,
            second_line: line,
            becomes: (first != own).then(|| id.to_owned()),
        });
    }

    fn count(&mut self, id: String, text: String) {
        let Some(values) = &mut self.values else {
            return;
        };
        if self.joined.is_none() {
            let first = self
                .written
                .entry(id.clone())
                .or_insert_with(|| text.clone());
            if *first != text {
                self.joined = Some((first.clone(), text));
            }
        }
        *values.entry(id).or_default() += 1;
        if values.len() > COUNTED {
            self.values = None;
            self.joined = None;
            self.written = BTreeMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn survey(name: &str, text: &str) -> Survey {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Survey::of(&DatasetConfig::new(path), &Copies::passing(), None)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn fields_are_counted_over_all_records() {
        let survey = survey(
            "a.csv",
            "sku,title,kind,price\nA1,Lamp,Light & More,5\na2,Chair,seats,\nA3,Stool,seats,7.5\n",
        );
        assert_eq!(survey.records, 3);
        let [sku, title, kind, price] = &survey.fields[..] else {
            panic!("{survey:?}");
        };
        assert!(sku.repeated.is_none() && !sku.safe && title.repeated.is_none());
        let repeated = kind.repeated.as_ref().unwrap();
        assert_eq!((repeated.first_line, repeated.second_line), (3, 4));
        let values = kind.values.as_ref().unwrap();
        assert_eq!((values["light-more"], values["seats"]), (1, 2));
        assert_eq!((price.filled, price.integers), (2, 1));
    }

    #[test]
    fn ids_that_become_the_same_are_repeated() {
        let found = survey("a.jsonl", "{\"id\": \"A b\"}\n{\"id\": \"a-b\"}\n");
        assert!(found.fields[0].repeated.is_some());
    }
}
