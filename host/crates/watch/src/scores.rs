//! What judges and persons said of the files as they are now, by component and category. The database adds it up: now and then
//! while a run lasts, so that this takes a small share of its time however many files there are, and once at its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use store::{Scores, Store};

/// The category of sums over all categories.
pub(super) const ALL: &str = "(all)";
/// That of sums over those that are not told apart.
const OTHERS: &str = "(others)";
/// What all persons are called together.
const PERSONS: &str = "persons";
/// Categories that are told apart: those with the most files.
const CATEGORIES: usize = 100;
/// The least time between two sums.
const EVERY: Duration = Duration::from_secs(5);
/// Adding up takes no more than one part in so many of the time.
const SHARE: u32 = 20;

/// Files of one component and category that one judge, or persons, decided about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Component that made the files.
    pub component: String,
    /// Name of the judge; `persons` for all of them together.
    pub by: String,
    pub category: String,
    pub passed: u64,
    pub failed: u64,
    /// Files that have a score.
    pub scored: u64,
    /// Mean of the scores.
    pub mean: Option<f64>,
}

impl ScoreRow {
    /// Files that were decided about.
    pub fn files(&self) -> u64 {
        self.passed + self.failed
    }

    fn add(&mut self, other: &ScoreRow) {
        let sum = |row: &ScoreRow| row.mean.map_or(0.0, |mean| mean * row.scored as f64);
        let sum = sum(self) + sum(other);
        self.passed += other.passed;
        self.failed += other.failed;
        self.scored += other.scored;
        self.mean = (self.scored > 0).then(|| sum / self.scored as f64);
    }
}

/// The sums over all categories, one for each component and judge.
pub fn totals(rows: &[ScoreRow]) -> Vec<ScoreRow> {
    merged(rows.iter().cloned(), |_| ALL)
}

/// Adds rows up that have the same component and judge, and what `category` makes of their categories.
fn merged<'a>(
    rows: impl IntoIterator<Item = ScoreRow>,
    category: impl Fn(&str) -> &'a str,
) -> Vec<ScoreRow> {
    let mut sums: BTreeMap<(String, String, String), ScoreRow> = BTreeMap::new();
    for row in rows {
        let category = category(&row.category).to_owned();
        let key = (row.component.clone(), row.by.clone(), category.clone());
        let sum = sums.entry(key).or_insert_with(|| ScoreRow {
            component: row.component.clone(),
            by: row.by.clone(),
            category,
            ..ScoreRow::default()
        });
        sum.add(&row);
    }
    sums.into_values().collect()
}

/// The rows of the store, with the smallest categories together where there are many.
fn bounded(rows: Vec<Scores>) -> Vec<ScoreRow> {
    let rows: Vec<ScoreRow> = rows.into_iter().map(ScoreRow::from).collect();
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        *sizes.entry(row.category.as_str()).or_default() += row.files();
    }
    if sizes.len() <= CATEGORIES {
        return rows;
    }
    let mut largest: Vec<(&str, u64)> = sizes.into_iter().collect();
    largest.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
    largest.truncate(CATEGORIES - 1);
    let find = |name: &str| largest.iter().find(|(known, _)| *known == name);
    merged(rows.iter().cloned(), |name| {
        find(name).map_or(OTHERS, |(known, _)| known)
    })
}

impl From<Scores> for ScoreRow {
    fn from(scores: Scores) -> ScoreRow {
        ScoreRow {
            component: scores.component,
            by: match scores.giver.as_str() {
                "person" => PERSONS.to_owned(),
                _ => scores.name,
            },
            category: scores.category,
            passed: scores.passed,
            failed: scores.failed,
            scored: scores.scored,
            mean: scores.mean,
        }
    }
}

/// Adds up what was said in a run.
pub(super) struct Scorer {
    store: Store,
    dataset: i64,
    known: Arc<Mutex<Option<Vec<ScoreRow>>>>,
    /// What adds up now; it says how long it took.
    adding: Option<JoinHandle<Duration>>,
    next: Instant,
}

impl Scorer {
    /// Of the artifacts of a dataset.
    pub fn new(store: Store, dataset: i64) -> Scorer {
        Scorer {
            store,
            dataset,
            known: Arc::default(),
            adding: None,
            // What is over before then is added up once, at its end.
            next: Instant::now() + EVERY,
        }
    }

    /// The newest sums, if any are there; adds up anew in the background, where it is time to.
    pub async fn rows(&mut self) -> Option<Vec<ScoreRow>> {
        if self.adding.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait().await;
        }
        if self.adding.is_none() && Instant::now() >= self.next {
            self.begin();
        }
        self.newest()
    }

    /// The sums as they are now.
    pub async fn last(&mut self) -> Option<Vec<ScoreRow>> {
        self.wait().await;
        self.begin();
        self.wait().await;
        self.newest()
    }

    fn newest(&self) -> Option<Vec<ScoreRow>> {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&mut self) {
        let (store, dataset) = (self.store.clone(), self.dataset);
        let known = Arc::clone(&self.known);
        self.adding = Some(tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            match store.scores(dataset) {
                Ok(rows) => {
                    let rows = bounded(rows);
                    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
                }
                Err(error) => tracing::debug!("scores cannot be added up: {error}"),
            }
            begun.elapsed()
        }));
    }

    async fn wait(&mut self) {
        if let Some(adding) = self.adding.take() {
            let took = adding.await.unwrap_or_default();
            self.next = Instant::now() + EVERY.max(took * SHARE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(category: &str, giver: &str, passed: u64, mean: Option<f64>) -> Scores {
        Scores {
            component: "text".to_owned(),
            giver: giver.to_owned(),
            name: if giver == "judge" { "quality" } else { "" }.to_owned(),
            category: category.to_owned(),
            passed,
            failed: 1,
            scored: if mean.is_some() { passed + 1 } else { 0 },
            mean,
        }
    }

    #[test]
    fn totals_weigh_each_category_by_its_files() {
        let rows = bounded(vec![
            scores("metal", "judge", 9, Some(5.0)),
            scores("wood", "judge", 1, Some(2.0)),
            scores("wood", "person", 3, None),
        ]);
        let totals = totals(&rows);
        let told: Vec<(&str, u64, Option<f64>)> = totals
            .iter()
            .map(|row| (row.by.as_str(), row.files(), row.mean))
            .collect();
        assert_eq!(
            told,
            [("persons", 4, None), ("quality", 12, Some(54.0 / 12.0))]
        );
    }

    #[test]
    fn small_categories_are_added_up_where_there_are_many() {
        let many = (0..250).map(|number| {
            scores(
                &format!("c{number}"),
                "judge",
                if number == 200 { 50 } else { 1 },
                Some(4.0),
            )
        });
        let rows = bounded(many.collect());
        assert_eq!(rows.len(), CATEGORIES);
        assert!(rows.iter().any(|row| row.category == "c200"));
        let others = rows.iter().find(|row| row.category == OTHERS).unwrap();
        assert_eq!(others.files(), 2 * (250 - 99));
        assert_eq!(others.mean, Some(4.0));
    }
}
