//! An open dataset: its stream of records, each of them again by place, and its category facts.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde_json::Value;

use super::input::{Chunk, Place, Shared};
use super::layout::Wanted;
use super::list::{Element, List};
use super::record::{Names, id_of};
use super::split::{Piece, Split};
use super::{Category, DatasetConfig, DatasetError, Fields, Record};

/// Most bytes of one record.
const RECORD_LIMIT: usize = 1024 * 1024;
/// Most bytes of all category facts.
const CATEGORIES_LIMIT: usize = 4 * 1024 * 1024;
/// Category ids that a message names.
const NAMED_CATEGORIES: usize = 12;

/// What tells whether a file is still the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub length: u64,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub modified_ns: i128,
    /// Identity of the file in its file system.
    pub inode: u64,
}

/// A dataset whose file is open. Threads may share it.
pub struct Dataset {
    config: DatasetConfig,
    records: List,
    names: Names,
    categories: Vec<Category>,
    category_at: HashMap<String, usize>,
}

impl Dataset {
    /// Opens the file, finds the list of records and reads the category facts. A document without category
    /// facts, or with them after the records, is walked through once for them.
    ///
    /// # Errors
    /// The file or its layout, or any of the category facts, is not as it must be. Records are not looked at.
    pub fn open(config: DatasetConfig) -> Result<Self, DatasetError> {
        let names = Names {
            id: config.id.clone(),
            name: config.name.clone(),
            category: config.category.clone(),
            safe_ids: config.safe_ids,
            default_category: config.default_category.clone(),
        };
        let record = Element {
            texts: [&config.id, &config.name, &config.category]
                .into_iter()
                .chain(&config.texts)
                .cloned()
                .collect(),
            what: "record",
            limit: RECORD_LIMIT,
            check_rest: true,
        };
        let category = Element {
            texts: vec!["id".into()],
            what: "list of categories",
            limit: CATEGORIES_LIMIT,
            // The records may follow, and opening a dataset does not read them.
            check_rest: false,
        };
        let own_file = config.categories_file.is_some();
        let wanted = Wanted {
            records: &config.records,
            categories: (!own_file).then_some(config.categories.as_str()),
            id: &config.id,
        };
        let (records, inner) = List::open(
            config.path.clone(),
            config.format,
            &wanted,
            record,
            category.clone(),
        )?;
        let list = match &config.categories_file {
            Some(path) => {
                let wanted = Wanted {
                    records: &config.categories,
                    categories: None,
                    id: "id",
                };
                Some(List::open(path.clone(), None, &wanted, category.clone(), category)?.0)
            }
            None => inner,
        };
        let mut dataset = Self {
            config,
            records,
            names,
            categories: Vec::new(),
            category_at: HashMap::new(),
        };
        if let Some(list) = list {
            dataset.read_categories(&list)?;
        }
        Ok(dataset)
    }

    /// What it was opened with.
    pub fn config(&self) -> &DatasetConfig {
        &self.config
    }

    /// The state of the open file, to see whether it has changed since.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] if the system does not tell.
    pub fn stamp(&self) -> Result<FileStamp, DatasetError> {
        let Shared { original, path, .. } = self.records.shared();
        let metadata = original
            .metadata()
            .map_err(|source| DatasetError::io(path, source))?;
        Ok(FileStamp {
            length: metadata.len(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
        })
    }

    /// How the file is encoded, if not in UTF-8, as far as it was read.
    pub fn encoding(&self) -> Option<&'static str> {
        self.records.encoding()
    }

    /// What separates the cells, if it is a table.
    pub fn separator(&self) -> Option<u8> {
        self.records.separator()
    }

    /// All records in the order of the file, each with its place. A bad record is an error of its own, and the
    /// stream goes on; after an error of the file it ends. A file without records is an error.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            dataset: self,
            split: None,
            found: false,
            done: false,
            is_cut_off: false,
            id_of_fault: None,
        }
    }

    /// All rows as they are written, before it is asked what they must have; otherwise like [`Dataset::entries`].
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows(self.entries())
    }

    /// Reads one record again.
    ///
    /// # Errors
    /// The file has changed since `place` was found, cannot be read, or holds a bad record there.
    pub fn read(&self, place: Place) -> Result<Record, DatasetError> {
        let at = self.records.at(place.line);
        let length = usize::try_from(place.length)
            .unwrap_or(usize::MAX)
            .min(self.records.limit() + 1);
        let mut bytes = vec![0; length];
        self.records
            .shared()
            .file
            .read_exact_at(&mut bytes, place.offset)
            .map_err(|source| match source.kind() {
                ErrorKind::UnexpectedEof => DatasetError::Changed {
                    file: at.file(),
                    line: place.line,
                },
                _ => DatasetError::io(at.path, source),
            })?;
        self.record(&Chunk { place, bytes })
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

    fn record(&self, chunk: &Chunk) -> Result<Record, DatasetError> {
        let at = self.records.at(chunk.place.line);
        let record = Record::from_value(self.records.parse(chunk)?, &self.names, &at)?;
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
    fn id_of(&self, chunk: &Chunk) -> Option<String> {
        let at = self.records.at(chunk.place.line);
        id_of(&self.records.parse(chunk).ok()?, &self.names, &at)
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
                    first_line: lines.get(first).copied().unwrap_or(at.line),
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
    split: Option<Box<dyn Split>>,
    found: bool,
    done: bool,
    is_cut_off: bool,
    id_of_fault: Option<String>,
}

impl Entries<'_> {
    /// The id of the record that was bad last, as far as it can be read.
    pub fn id_of_fault(&mut self) -> Option<String> {
        self.id_of_fault.take()
    }

    /// Whether an error ended the stream, so that there may be more records than it had.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    fn piece(&mut self) -> Result<Option<Piece>, DatasetError> {
        let split = match &mut self.split {
            Some(split) => split,
            None => self.split.insert(self.dataset.records.split()?),
        };
        match split.next()? {
            None if !self.found => Err(DatasetError::Empty {
                file: self.dataset.config.path.clone(),
            }),
            piece => Ok(piece),
        }
    }

    /// The text of the next record. After an error of the file the stream ends.
    fn advance(&mut self) -> Option<Result<Chunk, DatasetError>> {
        if self.done {
            return None;
        }
        match self.piece() {
            Ok(Some(Piece::Element(chunk))) => {
                self.found = true;
                Some(Ok(chunk))
            }
            Ok(Some(Piece::Broken(error))) => {
                self.found = true;
                Some(Err(error))
            }
            Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                self.is_cut_off = true;
                Some(Err(error))
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(Place, Record), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.id_of_fault = None;
        let chunk = match self.advance()? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        let record = self.dataset.record(&chunk);
        if record.is_err() {
            self.id_of_fault = self.dataset.id_of(&chunk);
        }
        Some(record.map(|record| (chunk.place, record)))
    }
}
/// The rows of a [`Dataset`]; see [`Dataset::rows`].
pub(super) struct Rows<'a>(Entries<'a>);

impl Iterator for Rows<'_> {
    type Item = Result<(Place, Value), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (dataset, chunk) = (self.0.dataset, self.0.advance()?);
        Some(chunk.and_then(|chunk| Ok((chunk.place, dataset.records.parse(&chunk)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    const LINE: &str = "{\"id\": \"a\", \"name\": \"A\", \"category\": \"metal\"}\n";

    #[test]
    fn a_file_that_is_not_there_or_no_file_is_named() {
        let fixture = Fixture::new("a.yaml", "");
        insta::assert_snapshot!(fixture.report(), @"a.yaml: holds no record; add at least one");
        let gone = Fixture::new("a.yaml", "").with(|config| config.path.set_file_name("gone.yaml"));
        insta::assert_snapshot!(gone.report(), @"gone.yaml: there is no such file; check `path` in [dataset], or --data");
        let folder = Fixture::new("a.yaml", "").with(|config| {
            config.path.pop();
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
        let path = &dataset.config().path;
        std::fs::rename(path, path.with_extension("old")).unwrap();
        std::fs::write(path, "other").unwrap();
        assert_eq!(
            (dataset.read(place).unwrap(), dataset.stamp().unwrap()),
            (record, stamp)
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
            first_line: 3,
            second_line: 9,
        };
        insta::assert_snapshot!(error, @"a.csv:9: the id `steel` is taken by line 3; give one of them another id, or remove it");
    }
}
