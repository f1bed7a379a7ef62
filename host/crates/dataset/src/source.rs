//! An open dataset: its stream of records, each of them again by place, and its category facts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::copies::{self, Copies};
use super::files::{CATEGORIES_LIMIT, Chunks, Files, Part, Rows, of_categories};
use super::images::Images;
use super::input::{Chunk, Place};
use super::layout::Wanted;
use super::list::List;
use super::lookup::Lookup;
use super::origin::{self, Told};
use super::record::{Names, id_of};
use super::split::Piece;
use super::{Category, DatasetConfig, DatasetError, Fields, Format, Record};

/// Category ids that a message names.
const NAMED_CATEGORIES: usize = 12;

/// A dataset whose files are open. Threads may share it.
pub struct Dataset {
    files: Files,
    names: Names,
    categories: Vec<Category>,
    category_at: HashMap<String, usize>,
    lookups: Vec<Lookup>,
    images: Arc<Images>,
}

impl Dataset {
    /// Opens the files, finds the lists of records and reads the category facts. A document without category
    /// facts, or with them after the records, is walked through once for them. Copies last as long as the dataset.
    ///
    /// # Errors
    /// A file or its layout, or any of the category facts, is not as it must be. Records are not looked at.
    pub fn open(config: DatasetConfig) -> Result<Self, DatasetError> {
        Self::open_with(config, &Copies::passing())
    }

    /// The same with copies where they are told to be.
    ///
    /// # Errors
    /// Like [`Dataset::open`].
    pub fn open_with(config: DatasetConfig, copies: &Copies) -> Result<Self, DatasetError> {
        let names = Names {
            id: config.id.clone(),
            name: config.name.clone(),
            category: config.category.clone(),
            safe_ids: config.safe_ids,
            default_category: config.default_category.clone(),
        };
        let paths = config.path.files().ok().filter(|_| config.url.is_none());
        let path = paths.as_ref().and_then(|paths| paths.first());
        let images = Images::beside(path.map(PathBuf::as_path), copies);
        let (files, lists) = Files::open(config, copies)?;
        let mut dataset = Self {
            images: Arc::new(images),
            files,
            names,
            categories: Vec::new(),
            category_at: HashMap::new(),
            lookups: Vec::new(),
        };
        for list in dataset.open_categories(copies)?.iter().chain(&lists) {
            dataset.read_categories(list)?;
        }
        let config = dataset.config();
        let lookups = config.lookup.iter();
        let lookups = lookups.map(|(name, lookup)| Lookup::open(name, lookup, &config.id, copies));
        dataset.lookups = lookups.collect::<Result<_, _>>()?;
        copies.tidy();
        Ok(dataset)
    }

    /// The category facts in a file of their own.
    fn open_categories(&self, copies: &Copies) -> Result<Option<List>, DatasetError> {
        let Some(path) = &self.config().categories_file else {
            return Ok(None);
        };
        let wanted = Wanted {
            records: &self.config().categories,
            key_field: None,
            categories: None,
            id: "id",
        };
        let opened = origin::open(path.clone(), &Told::default(), copies)?;
        let (list, _) = List::open(opened, None, &wanted, of_categories(), of_categories())?;
        Ok(Some(list))
    }

    /// The pictures that its records name.
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// What it was opened with.
    pub fn config(&self) -> &DatasetConfig {
        self.files.config()
    }

    /// The state of the open files, to see whether they have changed since.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] if the system does not tell.
    pub fn stamp(&self) -> Result<String, DatasetError> {
        let mut stamp = self.files.states()?;
        for lookup in &self.lookups {
            stamp.push_str(&lookup.stamp()?);
        }
        Ok(match self.files.count() + self.lookups.len() {
            1 => stamp,
            _ => copies::short(&stamp),
        })
    }

    /// How the files are encoded, if not in UTF-8, as far as they were read.
    pub fn encoding(&self) -> Option<&'static str> {
        self.files.encoding()
    }

    /// What separates the cells, if it is a table.
    pub fn separator(&self) -> Option<u8> {
        self.files.separator()
    }

    /// How its first file is written.
    pub fn format(&self) -> Option<Format> {
        self.files.format()
    }

    /// The file that a record lies in.
    pub fn file_of(&self, place: Place) -> &Path {
        self.files.file_of(place)
    }

    /// What messages about all of it call it.
    pub fn label(&self) -> PathBuf {
        self.files.label()
    }

    /// All records in the order of the file, each with its place. A bad record is an error of its own, and the
    /// stream goes on; after an error of the file it ends. A file without records is an error.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            dataset: self,
            chunks: self.files.chunks(),
            id_of_fault: None,
        }
    }

    /// All rows as they are written, before it is asked what they must have; otherwise like [`Dataset::entries`].
    pub(super) fn rows(&self) -> Rows<'_> {
        self.files.rows()
    }

    /// Reads one record again.
    ///
    /// # Errors
    /// The file has changed since `place` was found, cannot be read, or holds a bad record there.
    pub fn read(&self, place: Place) -> Result<Record, DatasetError> {
        let (part, chunk) = self.files.chunk(place)?;
        self.record(part, &chunk)
    }

    /// The categories in the order of their file. None where there are no category facts.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The facts of one category.
    pub fn category_fields(&self, id: &str) -> Option<&Fields> {
        self.category_at
            .get(id)
            .and_then(|at| self.categories.get(*at))
            .map(|category| &category.fields)
    }

    fn record(&self, part: &Part, chunk: &Chunk) -> Result<Record, DatasetError> {
        let at = part.at(chunk.place);
        let mut value = part.records.parse(chunk)?;
        if let Value::Object(fields) = &mut value {
            for lookup in &self.lookups {
                lookup.add(fields, &at)?;
            }
        }
        let record = Record::from_value(value, &self.names, &at)?;
        if !self.categories.is_empty() && !self.category_at.contains_key(&record.category) {
            let ids = self.categories.iter().map(|category| category.id.clone());
            return Err(DatasetError::UnknownCategory {
                file: at.file(),
                line: at.line,
                category: record.category,
                known: ids.take(NAMED_CATEGORIES).collect(),
            });
        }
        Ok(record)
    }

    /// The id of a record that may be bad otherwise.
    fn id_of(&self, part: &Part, chunk: &Chunk) -> Option<String> {
        id_of(
            &part.records.parse(chunk).ok()?,
            &self.names,
            &part.at(chunk.place),
        )
    }

    fn read_categories(&mut self, list: &List) -> Result<(), DatasetError> {
        let mut split = list.split()?;
        let mut lines = Vec::new();
        let mut total = 0;
        while let Some(piece) = split.next()? {
            let mut chunk = match piece {
                Piece::Element(chunk) => chunk,
                Piece::Broken(error) => return Err(error),
            };
            let at = list.at(chunk.place.line);
            total += chunk.place.length;
            if total > CATEGORIES_LIMIT as u64 {
                // The list, and not this one category, is too large.
                chunk.place.length = total;
            }
            let category = Category::from_value(list.parse(&chunk)?, &at)?;
            if let Some(first) = self
                .category_at
                .insert(category.id.clone(), self.categories.len())
            {
                return Err(DatasetError::DuplicateId {
                    file: at.file(),
                    id: category.id,
                    first_at: DatasetError::earlier(
                        lines.get(first).copied().unwrap_or(at.line),
                        None,
                    ),
                    second_line: at.line,
                });
            }
            lines.push(at.line);
            self.categories.push(category);
        }
        Ok(())
    }
}

/// The records of a [`Dataset`]; see [`Dataset::entries`].
pub struct Entries<'a> {
    dataset: &'a Dataset,
    chunks: Chunks<'a>,
    id_of_fault: Option<String>,
}

impl Entries<'_> {
    /// The id of the record that was bad last, as far as it can be read.
    pub fn id_of_fault(&mut self) -> Option<String> {
        self.id_of_fault.take()
    }

    /// Whether an error ended one of the files, so that there may be more records than they had.
    pub fn is_cut_off(&self) -> bool {
        self.chunks.is_cut_off
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Place, Record), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.id_of_fault = None;
        let (part, chunk) = match self.chunks.next()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let record = self.dataset.record(part, &chunk);
        if record.is_err() {
            self.id_of_fault = self.dataset.id_of(part, &chunk);
        }
        Some(record.map(|record| (part.place(&chunk), record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn folder_of(config: &DatasetConfig) -> PathBuf {
        let file = config.path.iter().next().unwrap();
        file.parent().unwrap().to_owned()
    }

    const LINE: &str = "{\"id\": \"a\", \"name\": \"A\", \"category\": \"metal\"}\n";

    #[test]
    fn a_file_that_is_not_there_or_no_file_is_named() {
        let fixture = Fixture::new("a.yaml", "");
        insta::assert_snapshot!(fixture.report(), @"a.yaml: holds no record; add at least one");
        let gone = Fixture::new("a.yaml", "")
            .with(|config| config.path = folder_of(config).join("gone.yaml").into());
        insta::assert_snapshot!(gone.report(), @"gone.yaml: there is no such file; check `path` in [dataset], or --data");
        let folder = Fixture::new("a.yaml", "").with(|config| {
            config.path = folder_of(config).into();
            config.format = Some(crate::Format::Yaml);
        });
        let error = Dataset::open(folder.config()).err().unwrap();
        assert!(matches!(error, DatasetError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn the_format_may_be_told() {
        let fixture =
            Fixture::new("a.txt", LINE).with(|config| config.format = Some(crate::Format::Jsonl));
        assert_eq!(fixture.records().len(), 1);
    }

    #[test]
    fn category_facts_may_come_from_any_other_file() {
        for (name, content) in [
            ("c.yaml", "categories:\n- id: metal\n  name: Metals\n"),
            ("c.yml", "- {id: metal, name: Metals}\n"),
            ("c.json", "[{\"id\": \"metal\", \"name\": \"Metals\"}]"),
            ("c.csv", "id,name\nmetal,Metals\n"),
        ] {
            let fixture = Fixture::new("a.jsonl", LINE).with_categories(name, content);
            assert_eq!(fixture.records().len(), 1);
            assert_eq!(
                fixture.open().category_fields("metal").unwrap()["name"],
                "Metals",
                "{name}"
            );
        }
    }

    #[test]
    fn bad_category_facts_are_an_error_of_the_file() {
        let large = format!("- id: a\n  x: {}\n", "x".repeat(3 << 20));
        let reports: Vec<String> = [
            "- id: metal\n- id: wood\n- id: metal\n",
            "- id: Metal\n",
            "- name: Metals\n",
            "- metal\n",
            "kinds:\n- id: metal\n",
            &format!("{large}{large}"),
        ]
        .iter()
        .map(|facts| {
            Fixture::new("a.jsonl", LINE)
                .with_categories("c.yaml", facts)
                .report()
        })
        .collect();
        insta::assert_snapshot!(reports.join("\n"), @r#"
        c.yaml:3: the id `metal` is taken by line 1; give one of them another id, or remove it
        c.yaml:1: the id "Metal" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `metal`
        c.yaml:1: the field `id` is missing; fill it in, or name another field in the configuration
        c.yaml:1: expected an object with named fields, found a text; write `field: value` pairs
        c.yaml: has no list under `categories`; its keys are kinds; name the key of the list in the configuration, or write the list at the top
        c.yaml:3: the list of categories is larger than 4194304 bytes; keep long texts in files of their own
        "#);
    }

    #[test]
    fn a_category_must_be_known_only_where_there_are_facts() {
        let other = LINE.replace("metal", "meta");
        assert_eq!(Fixture::new("a.jsonl", &other).records().len(), 1);
        let fixture =
            Fixture::new("a.jsonl", other).with_categories("c.yaml", "- id: metal\n- id: wood\n");
        insta::assert_snapshot!(fixture.report(), @"a.jsonl:1: there is no category `meta`; add it to the category facts, or use one of: metal, wood");
    }

    #[test]
    fn a_file_that_was_cut_is_noticed_and_one_that_was_replaced_is_still_the_old_one() {
        let fixture = Fixture::new("a.jsonl", LINE.repeat(3));
        let dataset = fixture.open();
        let stamp = dataset.stamp().unwrap();
        let (place, record) = dataset.entries().last().unwrap().unwrap();
        let path = dataset.file_of(place);
        std::fs::rename(path, path.with_extension("old")).unwrap();
        std::fs::write(path, "other").unwrap();
        assert_eq!(
            (dataset.read(place).unwrap(), dataset.stamp().unwrap()),
            (record, stamp.clone())
        );
        assert_ne!(fixture.open().stamp().unwrap(), stamp);
        std::fs::write(path.with_extension("old"), LINE).unwrap();
        insta::assert_snapshot!(dataset.read(place).unwrap_err().to_string().rsplit('/').next().unwrap(), @"a.jsonl:3: the file has changed since its records were located; run again");
        assert_ne!(dataset.stamp().unwrap(), stamp);
    }

    #[test]
    fn threads_share_a_dataset() {
        let lines: String = (0..200)
            .map(|n| LINE.replace("\"a\"", &n.to_string()))
            .collect();
        let dataset = Fixture::new("a.jsonl", lines).open();
        let places: Vec<(Place, Record)> = dataset.entries().map(Result::unwrap).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    places.iter().for_each(|(place, record)| {
                        assert_eq!(&dataset.read(*place).unwrap(), record)
                    })
                });
            }
        });
    }

    #[test]
    fn two_records_with_one_id_are_both_named() {
        let error = DatasetError::DuplicateId {
            file: "a.csv".into(),
            id: "steel".into(),
            first_at: DatasetError::earlier(3, None),
            second_line: 9,
        };
        insta::assert_snapshot!(error, @"a.csv:9: the id `steel` is taken by line 3; give one of them another id, or remove it");
    }
}
