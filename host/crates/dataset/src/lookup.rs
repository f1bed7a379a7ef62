//! Fields from a second file: the row there that has the key of a record becomes one of its fields.
//!
//! Where each row lies is kept in a file of fixed entries in the order of their hashes, so memory does not depend on how many
//! there are.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::LookupConfig;
use super::copies::{self, Copies};
use super::error::At;
use super::files::Files;
use super::input::Place;
use super::record::{object, text_of};
use super::{DatasetConfig, DatasetError};

/// Entries that are sorted at once: 28 MB.
const SORTED: usize = 1 << 20;

/// A second file, open.
pub(super) struct Lookup {
    /// The field that its rows become.
    name: String,
    /// The field of a record that holds the key.
    by: String,
    /// Its rows; their id is the key.
    rows: Files,
    index: Index,
}

impl Lookup {
    /// Opens the file and finds its rows, unless it is known where they lie.
    pub fn open(
        name: &str,
        config: &LookupConfig,
        id: &str,
        copies: &Copies,
    ) -> Result<Self, DatasetError> {
        let rows = DatasetConfig {
            format: config.format,
            id: config.key.clone(),
            ..DatasetConfig::new(config.path.clone())
        };
        let (rows, _) = Files::open(rows, copies)?;
        let index = Index::of(&rows, copies)?;
        Ok(Self {
            name: name.to_owned(),
            by: config.by.clone().unwrap_or_else(|| id.to_owned()),
            rows,
            index,
        })
    }

    /// What tells whether its rows are still those that were found.
    pub fn stamp(&self) -> Result<String, DatasetError> {
        self.rows.stamp()
    }

    /// Adds the row with the record's key to its fields. A record without a key, or whose key no row has, gets none.
    pub fn add(&self, fields: &mut Map<String, Value>, at: &At<'_>) -> Result<(), DatasetError> {
        let failed = |cause: String, remedy| DatasetError::Lookup {
            file: at.file(),
            line: at.line,
            cause,
            remedy,
        };
        if fields.contains_key(&self.name) {
            return Err(failed(
                format!(
                    "the record has a field `{0}`, and so has [dataset.lookup.{0}]",
                    self.name
                ),
                "give the lookup another name",
            ));
        }
        let Ok(key) = text_of(fields, &self.by, at) else {
            return Ok(());
        };
        let mut found: Option<(Place, Map<String, Value>)> = None;
        for place in self
            .index
            .places(&key)
            .map_err(|cause| self.unreadable(cause))?
        {
            let row = self.row(place)?;
            // Another key may have the same hash.
            if text_of(&row, &self.rows.config().id, at).is_ok_and(|other| other == key) {
                if let Some((first, _)) = found {
                    return Err(failed(
                        format!(
                            "`{key}` stands twice in {}: in line {} and in line {}",
                            self.rows.config(),
                            first.line,
                            place.line
                        ),
                        "keep one of them",
                    ));
                }
                found = Some((place, row));
            }
        }
        if let Some((_, mut row)) = found {
            row.shift_remove(&self.rows.config().id);
            fields.insert(self.name.clone(), Value::Object(row));
        }
        Ok(())
    }

    fn row(&self, place: Place) -> Result<Map<String, Value>, DatasetError> {
        let path = self.rows.file_of(place);
        let line = place.line;
        object(self.rows.row(place)?, &At { path, line })
    }

    fn unreadable(&self, cause: std::io::Error) -> DatasetError {
        DatasetError::io(&PathBuf::from(self.rows.config().to_string()), cause)
    }
}

/// Where the row of each key lies.
struct Index {
    file: File,
    entries: u64,
}

/// Bytes of an entry: hash, offset, length and line.
const ENTRY: usize = 28;

type Entry = [u8; ENTRY];

impl Index {
    fn of(rows: &Files, copies: &Copies) -> Result<Self, DatasetError> {
        let config = rows.config();
        let source = format!("{} lookup {config} {}", copies::VERSION, config.id);
        let state = copies::short(&rows.stamp()?);
        let failed = |cause: std::io::Error| {
            DatasetError::refused(
                config.to_string(),
                format!("where its rows lie cannot be written down: {cause}"),
                "make room beside the state, or for temporary files",
            )
        };
        let file = match copies.find(&source, &state) {
            Some(file) => file,
            None => {
                let mut unsorted = tempfile::tempfile().map_err(failed)?;
                let count = note(rows, &unsorted)?.map_err(failed)?;
                let file = copies.begin().map_err(failed)?;
                sort(&mut unsorted, count, &file).map_err(failed)?;
                copies.keep(&file, &source, &state);
                file
            }
        };
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file,
            entries: length / ENTRY as u64,
        })
    }

    /// Where rows lie whose keys have the hash of this one.
    fn places(&self, key: &str) -> std::io::Result<Vec<Place>> {
        let wanted = hash(key);
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if hash_of(&self.entry(middle)?) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut places = Vec::new();
        while low < self.entries {
            let entry = self.entry(low)?;
            if hash_of(&entry) != wanted {
                break;
            }
            places.push(place_of(&entry));
            low += 1;
        }
        Ok(places)
    }

    fn entry(&self, number: u64) -> std::io::Result<Entry> {
        let mut entry = [0; ENTRY];
        self.file.read_exact_at(&mut entry, number * ENTRY as u64)?;
        Ok(entry)
    }
}

/// Notes where each row lies, in the order of the file; how many there are. The outer error is one of the file.
fn note(rows: &Files, to: &File) -> Result<std::io::Result<u64>, DatasetError> {
    let mut out = BufWriter::new(to);
    let mut count = 0;
    for row in rows.rows() {
        let (place, row) = row?;
        let (path, line) = (rows.file_of(place), place.line);
        let at = At { path, line };
        let row = object(row, &at)?;
        let key = text_of(&row, &rows.config().id, &at)?;
        let entry = entry(&hash(&key), place);
        if let Err(error) = out.write_all(&entry) {
            return Ok(Err(error));
        }
        count += 1;
    }
    Ok(out.flush().map(|()| count))
}

/// Writes the entries in the order of their hashes: one part of these at a time, for each of which all are looked through.
fn sort(unsorted: &mut File, count: u64, to: &File) -> std::io::Result<()> {
    let parts = count.div_ceil(SORTED as u64).max(1);
    let span = u64::MAX / parts;
    let mut out = BufWriter::new(to);
    for part in 0..parts {
        let from = part * span;
        let to = if part + 1 == parts {
            u64::MAX
        } else {
            from + span - 1
        };
        let mut entries: Vec<Entry> = Vec::new();
        unsorted.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::with_capacity(256 * 1024, &mut *unsorted);
        for _ in 0..count {
            let mut entry = [0; ENTRY];
            input.read_exact(&mut entry)?;
            let hash = u64::from_be_bytes(hash_of(&entry));
            if (from..=to).contains(&hash) {
                entries.push(entry);
            }
        }
        entries.sort_unstable();
        for entry in entries {
            out.write_all(&entry)?;
        }
    }
    out.flush()
}

fn hash(key: &str) -> [u8; 8] {
    let mut hash = [0; 8];
    hash.iter_mut()
        .zip(Sha256::digest(key))
        .for_each(|(to, from)| *to = from);
    hash
}

fn entry(hash: &[u8; 8], place: Place) -> Entry {
    let length = u32::try_from(place.length).unwrap_or(u32::MAX);
    let parts = hash
        .iter()
        .copied()
        .chain(place.offset.to_be_bytes())
        .chain(length.to_be_bytes())
        .chain(place.line.to_be_bytes());
    let mut entry = [0; ENTRY];
    entry
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    entry
}

fn hash_of(entry: &Entry) -> [u8; 8] {
    let mut hash = [0; 8];
    hash.iter_mut()
        .zip(entry)
        .for_each(|(to, from)| *to = *from);
    hash
}

fn place_of(entry: &Entry) -> Place {
    let number = |range: std::ops::Range<usize>| {
        let bytes = entry.get(range).unwrap_or_default();
        bytes
            .iter()
            .fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
    };
    Place {
        offset: number(8..16),
        length: number(16..20),
        line: number(20..28),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    const PRODUCTS: &str = "id,name,category,maker\na,A,c,7\nb,B,c,8\nd,D,c,\n";

    fn with_prices(prices: &str) -> Fixture {
        Fixture::new("products.csv", PRODUCTS).with_lookup("prices", "prices.csv", prices, None)
    }

    #[test]
    fn a_row_with_the_key_becomes_a_field() {
        let fixture = with_prices("sku,price\nb,1.50\na,7\nx,9\n");
        let fields: Vec<String> = fixture
            .records()
            .iter()
            .map(|record| record.fields.to_string())
            .collect();
        assert_eq!(
            fields,
            [
                r#"{"maker":7,"prices":{"price":7}}"#,
                r#"{"maker":8,"prices":{"price":1.50}}"#,
                "{}"
            ]
        );
    }

    #[test]
    fn another_field_may_hold_the_key() {
        let fixture = Fixture::new("products.csv", PRODUCTS).with_lookup(
            "maker_facts",
            "makers.jsonl",
            "{\"sku\": 7, \"name\": \"Seven\"}\n",
            Some("maker"),
        );
        let records = fixture.records();
        assert_eq!(records[0].fields["maker_facts"]["name"], "Seven");
        assert!(!records[1].fields.contains_key("maker_facts"));
    }

    #[test]
    fn what_cannot_be_joined_fails_alone_or_is_told_with_its_line() {
        insta::assert_snapshot!(with_prices("sku,price\na,1\nb,2\nb,3\n").report(), @"
        line 2: a
        products.csv:3: `b` stands twice in prices.csv: in line 3 and in line 4; keep one of them
        line 4: d
        ");
        insta::assert_snapshot!(with_prices("sku,price\na,1\n,2\n").report(), @"prices.csv:3: the field `sku` is missing; fill it in, or name another field in the configuration");
        let taken =
            Fixture::new("products.csv", PRODUCTS).with_lookup("maker", "m.csv", "sku\na\n", None);
        insta::assert_snapshot!(taken.report(), @"
        products.csv:2: the record has a field `maker`, and so has [dataset.lookup.maker]; give the lookup another name
        products.csv:3: the record has a field `maker`, and so has [dataset.lookup.maker]; give the lookup another name
        line 4: d
        ");
    }

    #[test]
    fn a_changed_price_changes_the_hash_of_one_record_and_the_stamp() {
        let one = with_prices("sku,price\na,1\nb,2\n");
        let other = with_prices("sku,price\na,1\nb,3\n");
        let hashes = |fixture: &Fixture| -> Vec<_> {
            fixture.records().iter().map(crate::Record::hash).collect()
        };
        let (before, after) = (hashes(&one), hashes(&other));
        assert_eq!((before[0], before[2]), (after[0], after[2]));
        assert_ne!(before[1], after[1]);
        let dataset = one.open();
        let stamp = dataset.stamp().unwrap();
        one.write("prices.csv", "sku,price\na,1\nb,30\n");
        assert_ne!(one.open().stamp().unwrap(), stamp);
    }

    #[test]
    fn entries_are_found_however_many_parts_they_are_sorted_in() {
        let mut unsorted = tempfile::tempfile().unwrap();
        let count = SORTED as u64 / 512;
        let places = |number: u64| Place {
            offset: number * 10,
            length: 5,
            line: number + 1,
        };
        for number in 0..count {
            let hash = hash(&number.to_string());
            unsorted.write_all(&entry(&hash, places(number))).unwrap();
        }
        let file = tempfile::tempfile().unwrap();
        sort(&mut unsorted, count, &file).unwrap();
        let index = Index {
            file,
            entries: count,
        };
        for number in 0..count {
            assert_eq!(index.places(&number.to_string()).unwrap(), [places(number)]);
        }
        assert!(index.places("x").unwrap().is_empty());
    }
}
