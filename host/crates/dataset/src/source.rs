//! An open dataset: its stream of records, each of them again by place, and its category facts.
//!
//! Of several files, the places count through all of them, as if each began where the one before ends.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::copies::{self, Copies};
use super::error::At;
use super::images::Images;
use super::input::{Chunk, Place};
use super::layout::Wanted;
use super::list::{Element, List};
use super::lookup::Lookup;
use super::origin::{self, FileStamp, Told};
use super::query::Query;
use super::record::{Names, id_of};
use super::split::{Piece, Split};
use super::{Category, DatasetConfig, DatasetError, Fields, Format, Record};

/// Most bytes of one record.
const RECORD_LIMIT: usize = 1024 * 1024;
/// Most bytes of all category facts.
const CATEGORIES_LIMIT: usize = 4 * 1024 * 1024;
/// Category ids that a message names.
const NAMED_CATEGORIES: usize = 12;

/// A dataset whose files are open. Threads may share it.
pub struct Dataset {
    config: DatasetConfig,
    parts: Vec<Part>,
    names: Names,
    categories: Vec<Category>,
    category_at: HashMap<String, usize>,
    lookups: Vec<Lookup>,
    images: Arc<Images>,
}

/// What records are read from.
enum Source<'a> {
    File(PathBuf),
    Query(Query<'a>),
}

/// One of its files.
struct Part {
    records: List,
    /// What its places begin with.
    base: u64,
}

impl Part {
    fn at(&self, place: Place) -> At<'_> {
        self.records.at(place.line)
    }

    /// The same place as it is in this file alone.
    fn own(&self, mut place: Place) -> Place {
        place.offset = place.offset.saturating_sub(self.base);
        place
    }
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
        let dataset = Self::open_part(config, copies)?;
        copies.tidy();
        Ok(dataset)
    }

    /// The same for what may be a part of another dataset, whose copies are needed as well.
    pub(super) fn open_part(config: DatasetConfig, copies: &Copies) -> Result<Self, DatasetError> {
        let names = Names {
            id: config.id.clone(),
            name: config.name.clone(),
            category: config.category.clone(),
            safe_ids: config.safe_ids,
            default_category: config.default_category.clone(),
        };
        let files = config.path.files().ok().filter(|_| config.url.is_none());
        let file = files.as_ref().and_then(|files| files.first());
        let images = Images::beside(file.map(PathBuf::as_path), copies);
        let mut dataset = Self {
            images: Arc::new(images),
            parts: Vec::new(),
            names,
            categories: Vec::new(),
            category_at: HashMap::new(),
            lookups: Vec::new(),
            config,
        };
        let lists = dataset.open_parts(copies)?;
        for list in dataset.open_categories(copies)?.iter().chain(&lists) {
            dataset.read_categories(list)?;
        }
        for (name, lookup) in &dataset.config.lookup {
            let lookup = Lookup::open(name, lookup, &dataset.config.id, copies)?;
            dataset.lookups.push(lookup);
        }
        Ok(dataset)
    }

    /// Opens the files; gives the category facts that stand in them.
    fn open_parts(&mut self, copies: &Copies) -> Result<Vec<List>, DatasetError> {
        let config = &self.config;
        let texts = [&config.id, &config.name, &config.category];
        let record = Element {
            texts: texts.into_iter().chain(&config.texts).cloned().collect(),
            what: "record",
            limit: RECORD_LIMIT,
            check_rest: true,
        };
        let has_own_file = config.categories_file.is_some();
        let wanted = Wanted {
            records: &config.records,
            categories: (!has_own_file).then_some(config.categories.as_str()),
            id: &config.id,
        };
        let told = Told {
            format: config.format,
            encoding: config.encoding,
            sheet: config.sheet.clone(),
        };
        let sources = self.sources(copies)?;
        let is_one = sources.len() == 1;
        let (mut parts, mut lists) = (Vec::new(), Vec::new());
        let mut base = 0;
        for source in sources {
            let opened = match source {
                Source::File(file) => origin::open(file, &told, copies)?,
                Source::Query(query) => query.open(copies)?,
            };
            let length = opened.0.length;
            let found = List::open(
                opened,
                config.separator,
                &wanted,
                record.clone(),
                of_categories(),
            );
            let (records, inner) = match found {
                // Of many files, one may be empty.
                Err(DatasetError::Empty { .. }) if !is_one => continue,
                found => found?,
            };
            parts.push(Part { records, base });
            lists.extend(inner);
            base += length;
        }
        self.parts = parts;
        match self.parts.is_empty() {
            true => Err(self.empty()),
            false => Ok(lists),
        }
    }

    /// What is to be read: files, or a query of a database.
    fn sources(&self, copies: &Copies) -> Result<Vec<Source<'_>>, DatasetError> {
        let config = &self.config;
        match (&config.url, &config.sql) {
            (None, None) => {
                let files = config.path.all(copies)?;
                Ok(files.into_iter().map(Source::File).collect())
            }
            (Some(url), Some(sql)) => Ok(vec![Source::Query(Query::new(url, sql)?)]),
            (url, _) => {
                let (there, absent) = match url {
                    Some(_) => ("url", "sql"),
                    None => ("sql", "url"),
                };
                Err(DatasetError::refused(
                    "[dataset]",
                    format!("has `{there}` and no `{absent}`"),
                    "set both for a query of a database, or `path` for files",
                ))
            }
        }
    }

    /// The category facts in a file of their own.
    fn open_categories(&self, copies: &Copies) -> Result<Option<List>, DatasetError> {
        let Some(path) = &self.config.categories_file else {
            return Ok(None);
        };
        let wanted = Wanted {
            records: &self.config.categories,
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
        &self.config
    }

    /// The state of the open files, to see whether they have changed since.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] if the system does not tell.
    pub fn stamp(&self) -> Result<String, DatasetError> {
        let mut stamp = String::new();
        for Part { records, .. } in &self.parts {
            let shared = records.shared();
            let _ = match &shared.state {
                Some(state) => write!(stamp, "{state} {}", copies::VERSION),
                None => {
                    let file = FileStamp::of(&shared.file);
                    let file = file.map_err(|cause| DatasetError::io(&shared.path, cause))?;
                    write!(stamp, "{file:?}")
                }
            };
        }
        for lookup in &self.lookups {
            stamp.push_str(&lookup.stamp()?);
        }
        Ok(match self.parts.len() + self.lookups.len() {
            1 => stamp,
            _ => copies::short(&stamp),
        })
    }

    /// How the files are encoded, if not in UTF-8, as far as they were read.
    pub fn encoding(&self) -> Option<&'static str> {
        self.parts.iter().find_map(|part| part.records.encoding())
    }

    /// What separates the cells, if it is a table.
    pub fn separator(&self) -> Option<u8> {
        self.parts.first()?.records.separator()
    }

    /// How its first file is written.
    pub fn format(&self) -> Option<Format> {
        Some(self.parts.first()?.records.format())
    }

    /// The file that a record lies in.
    pub fn file_of(&self, place: Place) -> &Path {
        match self.part(place) {
            Some(part) => &part.records.shared().path,
            None => Path::new(""),
        }
    }

    fn part(&self, place: Place) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.base <= place.offset);
        self.parts.get(after.checked_sub(1)?)
    }

    fn empty(&self) -> DatasetError {
        DatasetError::Empty { file: self.label() }
    }

    /// What messages about all of it call it.
    pub fn label(&self) -> PathBuf {
        self.config.to_string().into()
    }

    /// All records in the order of the file, each with its place. A bad record is an error of its own, and the
    /// stream goes on; after an error of the file it ends. A file without records is an error.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            dataset: self,
            next: 0,
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
        let (part, chunk) = self.chunk(place)?;
        self.record(part, &chunk)
    }

    /// Reads one row again, as it is written.
    pub(super) fn row(&self, place: Place) -> Result<Value, DatasetError> {
        let (part, chunk) = self.chunk(place)?;
        part.records.parse(&chunk)
    }

    fn chunk(&self, place: Place) -> Result<(&Part, Chunk), DatasetError> {
        let part = self.part(place).ok_or_else(|| self.empty())?;
        let at = part.at(place);
        let length = usize::try_from(place.length)
            .unwrap_or(usize::MAX)
            .min(part.records.limit() + 1);
        let mut bytes = vec![0; length];
        let own = part.own(place);
        let file = &part.records.shared().file;
        file.read_exact_at(&mut bytes, own.offset)
            .map_err(|source| match source.kind() {
                ErrorKind::UnexpectedEof => DatasetError::Changed {
                    file: at.file(),
                    line: place.line,
                },
                _ => DatasetError::io(at.path, source),
            })?;
        Ok((part, Chunk { place: own, bytes }))
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
    /// The file that is next.
    next: usize,
    split: Option<(&'a Part, Box<dyn Split>)>,
    found: bool,
    done: bool,
    is_cut_off: bool,
    id_of_fault: Option<String>,
}

impl<'a> Entries<'a> {
    /// The id of the record that was bad last, as far as it can be read.
    pub fn id_of_fault(&mut self) -> Option<String> {
        self.id_of_fault.take()
    }

    /// Whether an error ended one of the files, so that there may be more records than they had.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next piece of any file; behind the last of all, an error where there was none.
    fn piece(&mut self) -> Result<Option<(&'a Part, Piece)>, DatasetError> {
        loop {
            let (part, split) = match &mut self.split {
                Some(split) => split,
                None => {
                    let Some(part) = self.dataset.parts.get(self.next) else {
                        self.done = true;
                        return match self.found {
                            true => Ok(None),
                            false => Err(self.dataset.empty()),
                        };
                    };
                    self.next += 1;
                    self.split.insert((part, part.records.split()?))
                }
            };
            match split.next()? {
                Some(piece) => return Ok(Some((*part, piece))),
                None => self.split = None,
            }
        }
    }

    /// The text of the next record. An error of a file ends that file.
    fn advance(&mut self) -> Option<Result<(&'a Part, Chunk), DatasetError>> {
        if self.done {
            return None;
        }
        match self.piece() {
            Ok(Some((part, Piece::Element(chunk)))) => {
                self.found = true;
                Some(Ok((part, chunk)))
            }
            Ok(Some((_, Piece::Broken(error)))) => {
                self.found = true;
                Some(Err(error))
            }
            Ok(None) => None,
            Err(error) => {
                self.split = None;
                self.found |= !self.done;
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
        let (part, chunk) = match self.advance()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        let record = self.dataset.record(part, &chunk);
        if record.is_err() {
            self.id_of_fault = self.dataset.id_of(part, &chunk);
        }
        let mut place = chunk.place;
        place.offset += part.base;
        Some(record.map(|record| (place, record)))
    }
}

/// The rows of a [`Dataset`]; see [`Dataset::rows`].
pub(super) struct Rows<'a>(Entries<'a>);

impl Iterator for Rows<'_> {
    type Item = Result<(Place, Value), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.0.advance()?;
        Some(found.and_then(|(part, chunk)| {
            let mut place = chunk.place;
            place.offset += part.base;
            Ok((place, part.records.parse(&chunk)?))
        }))
    }
}

/// How category facts are treated.
fn of_categories() -> Element {
    Element {
        texts: vec!["id".into()],
        what: "list of categories",
        limit: CATEGORIES_LIMIT,
        // The records may follow, and opening a dataset does not read them.
        check_rest: false,
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
