//! Reads the files of components record by record, and measures what they have in common.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use serde_json::{Map, Value, json};

use crate::cli::exit::Failure;
use crate::cli::project::{Chosen, Project, State};
use config::component::Component;
use engine::{ExportError, ExportRow, ExportSource, WhichFiles, export};
use quality::{Category, NEAR, Pair, Phrase, Prose, Repetition, Survey, similarity};
use store::Selection;
use watch::SamenessRow;

/// Texts that are kept in memory at once, with about 125 bytes of each: as many components as fit are read in one go.
const TEXTS: u64 = 1_000_000;
/// Categories that are told apart; those beyond are counted together.
const CATEGORIES: usize = 100;
/// The row of those beyond.
const OTHERS: &str = "(others)";
/// The row of all categories.
const ALL: &str = "(all)";

/// What the files of a component have in common.
pub(super) struct Sameness {
    pub component: String,
    pub whole: Category,
    pub categories: Vec<(String, Category)>,
    /// The most alike first.
    pub pairs: Vec<Alike>,
    pub openings: Vec<Phrase>,
    pub phrases: Vec<Phrase>,
}

/// Two files that are nearly the same.
pub(super) struct Alike {
    /// The share of shingles that both have.
    pub similarity: f64,
    /// Files of the group that these two belong to.
    pub group: u32,
    pub one: File,
    pub other: File,
}

/// A file and its record.
#[derive(Clone)]
pub(super) struct File {
    pub record: String,
    pub category: String,
    pub path: String,
    prose: Prose,
}

/// Which files are read.
pub(super) struct Reading<'a> {
    pub project: &'a Project,
    pub state: &'a State,
    pub selection: &'a Selection,
    pub chosen: Chosen,
    /// Pairs that are told.
    pub worst: usize,
}

impl Reading<'_> {
    /// Measures the files of these components.
    pub fn survey(&self, components: &[Component]) -> Result<Vec<Sameness>, Failure> {
        let lease = self.state.select(self.selection)?;
        let totals = self.state.store.totals(&lease).map_err(Failure::internal)?;
        let records: u64 = totals.iter().map(|(_, records)| records).sum();
        let names = totals.into_iter().map(|(category, _)| category).collect();
        let rows = Rows::new(names);
        let at_once = usize::try_from(TEXTS / records.max(1)).unwrap_or(1).max(1);
        let mut found = Vec::new();
        for some in components.chunks(at_once) {
            found.extend(self.measure(some, &rows)?);
        }
        Ok(found)
    }

    fn measure(&self, components: &[Component], rows: &Rows) -> Result<Vec<Sameness>, Failure> {
        let gathered = self.gather(components, rows)?;
        let mut surveys = Vec::new();
        for Gathered {
            repetition,
            records,
        } in gathered
        {
            let survey = repetition.finish();
            // Estimates choose more pairs than are told, and the exact shares choose among these.
            let pairs = survey.worst(self.worst.saturating_mul(4));
            surveys.push((survey, pairs, records));
        }
        let record_of = |records: &[u32], text: u32| records.get(text as usize).copied();
        let of_pair = |pair: &Pair| [pair.one, pair.other];
        let wanted: BTreeSet<u32> = surveys
            .iter()
            .flat_map(|(_, pairs, records)| {
                let texts = pairs.iter().flat_map(of_pair);
                texts.filter_map(|text| record_of(records, text))
            })
            .collect();
        let files = self.files(components, &wanted)?;
        let named = components.iter().enumerate().zip(surveys);
        Ok(named
            .map(|((place, component), (survey, pairs, records))| {
                let file = |text| {
                    let record = record_of(&records, text)?;
                    files.get(&(place, record)).cloned()
                };
                let pairs = self.most_alike(&pairs, file);
                sameness(component, rows, survey, pairs)
            })
            .collect())
    }

    /// The pairs that are the most alike, of those that were chosen by estimates.
    fn most_alike(&self, pairs: &[Pair], file: impl Fn(u32) -> Option<File>) -> Vec<Alike> {
        let alike = |pair: &Pair| {
            let (one, other) = (file(pair.one)?, file(pair.other)?);
            Some(Alike {
                similarity: similarity(&one.prose, &other.prose),
                group: pair.group,
                one,
                other,
            })
        };
        let near = |pair: &Alike| pair.similarity >= NEAR;
        let mut alike: Vec<Alike> = pairs.iter().filter_map(alike).filter(near).collect();
        alike.sort_by(|one, other| {
            let by_similarity = other.similarity.total_cmp(&one.similarity);
            by_similarity.then_with(|| one.one.path.cmp(&other.one.path))
        });
        alike.truncate(self.worst);
        alike
    }

    /// Takes in every file.
    fn gather(&self, components: &[Component], rows: &Rows) -> Result<Vec<Gathered>, Failure> {
        let mut gathered: Vec<Gathered> = Vec::new();
        gathered.resize_with(components.len(), Gathered::default);
        self.read(
            components,
            |_| true,
            |number, row| {
                let category = rows.of(&row.record.category);
                let texts = components.iter().zip(&row.texts).zip(&mut gathered);
                for ((component, text), gathered) in texts {
                    if let Some(prose) = prose(component, text.as_deref())
                        && gathered.repetition.add(&prose, category)
                    {
                        gathered.records.push(number);
                    }
                }
            },
        )?;
        Ok(gathered)
    }

    /// The files of some records, by the place of the component and the number of the record.
    fn files(
        &self,
        components: &[Component],
        wanted: &BTreeSet<u32>,
    ) -> Result<BTreeMap<(usize, u32), File>, Failure> {
        let mut files = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(files);
        }
        let root = &self.project.settings.config.output.directory;
        self.read(
            components,
            |number| wanted.contains(&number),
            |number, row| {
                let record = row.record;
                let texts = components.iter().zip(&row.texts).enumerate();
                for (place, (component, text)) in texts {
                    let Some(prose) = prose(component, text.as_deref()) else {
                        continue;
                    };
                    let path = root.join(component.output.path(&record.id, &record.category));
                    let file = File {
                        record: record.id.clone(),
                        category: record.category.clone(),
                        path: path.display().to_string(),
                        prose,
                    };
                    files.insert((place, number), file);
                }
            },
        )?;
        Ok(files)
    }

    /// Gives the files of each record that is wanted, and the record's number.
    fn read(
        &self,
        components: &[Component],
        wanted: impl Fn(u32) -> bool,
        mut take: impl FnMut(u32, &ExportRow<'_>),
    ) -> Result<(), Failure> {
        let (next, number) = (Cell::new(0), Cell::new(0));
        let source = ExportSource {
            dataset: &self.project.dataset,
            indexed: &self.state.indexed,
            store: self.state.store.clone(),
            output_root: self.project.settings.config.output.directory.clone(),
            components,
            which: WhichFiles::All,
        };
        let read = export(
            source,
            |record| {
                number.set(next.get());
                next.set(next.get() + 1);
                self.chosen.has(&record.id, &record.category) && wanted(number.get())
            },
            |row| {
                take(number.get(), row);
                Ok::<(), Infallible>(())
            },
        );
        read.map(|_| ()).map_err(|error| match error {
            ExportError::Dataset(error) => Failure::usage(error),
            ExportError::Store(error) => Failure::internal(error),
            ExportError::Row(never) => match never {},
        })
    }
}

/// What is kept of the files of a component.
#[derive(Default)]
struct Gathered {
    repetition: Repetition,
    /// The number of each text's record.
    records: Vec<u32>,
}

fn prose(component: &Component, text: Option<&str>) -> Option<Prose> {
    Some(Prose::of(text?, component.form()?))
}

/// Which row each category has.
struct Rows {
    names: Vec<String>,
    places: HashMap<String, u32>,
}

impl Rows {
    fn new(mut names: Vec<String>) -> Rows {
        if names.len() > CATEGORIES {
            names.truncate(CATEGORIES - 1);
            names.push(OTHERS.to_owned());
        }
        let places = names.iter().cloned().zip(0..).collect();
        Rows { names, places }
    }

    /// One that is not known is beyond the last one.
    fn of(&self, category: &str) -> u32 {
        let last = self.names.len().saturating_sub(1);
        let last = u32::try_from(last).unwrap_or(0);
        self.places.get(category).copied().unwrap_or(last)
    }
}

fn sameness(component: &Component, rows: &Rows, survey: Survey, pairs: Vec<Alike>) -> Sameness {
    let categories = rows.names.iter().cloned().zip(survey.categories);
    Sameness {
        component: component.name.clone(),
        whole: survey.whole,
        categories: categories.filter(|(_, row)| row.texts > 0).collect(),
        pairs,
        openings: survey.openings,
        phrases: survey.phrases,
    }
}

impl Sameness {
    /// A row for each category, and one for all where there are several; none where no file has words.
    pub fn rows(&self) -> Vec<SamenessRow> {
        let row = |name: &str, counts: &Category| SamenessRow {
            component: self.component.clone(),
            category: name.to_owned(),
            files: counts.texts,
            near_duplicates: counts.near,
            shared_openings: counts.openings,
            distinct_2: counts.distinct_2,
        };
        let categories = self.categories.iter();
        let mut rows: Vec<SamenessRow> =
            categories.map(|(name, counts)| row(name, counts)).collect();
        if rows.len() > 1 {
            rows.push(row(ALL, &self.whole));
        }
        rows
    }

    /// All that is known.
    pub fn as_json(&self) -> Value {
        let row = |name: Option<&str>, counts: &Category| {
            let mut row = Map::new();
            row.extend(name.map(|name| ("category".to_owned(), json!(name))));
            row.insert("files".to_owned(), json!(counts.texts));
            row.insert("near_duplicates".to_owned(), json!(counts.near));
            row.insert("shared_openings".to_owned(), json!(counts.openings));
            row.insert("distinct_2".to_owned(), json!(counts.distinct_2));
            row
        };
        let categories = self.categories.iter();
        let categories: Vec<_> = categories
            .map(|(name, counts)| row(Some(name), counts))
            .collect();
        let file = |file: &File| json!({"record": file.record, "category": file.category, "path": file.path});
        let pair = |pair: &Alike| {
            json!({
                "similarity": pair.similarity,
                "files_alike": pair.group,
                "one": file(&pair.one),
                "other": file(&pair.other),
            })
        };
        let phrases = |phrases: &[Phrase]| -> Vec<Value> {
            let phrase = |phrase: &Phrase| json!({"words": phrase.words, "files": phrase.texts});
            phrases.iter().map(phrase).collect()
        };
        json!({
            "event": "sameness",
            "component": self.component,
            "all": row(None, &self.whole),
            "categories": categories,
            "pairs": self.pairs.iter().map(pair).collect::<Vec<_>>(),
            "openings": phrases(&self.openings),
            "phrases": phrases(&self.phrases),
        })
    }
}
