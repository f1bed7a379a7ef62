//! What a comparison shows: each text with what was said of it and what it took.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::against::{self, Against};
use super::copies::{Compared, Copies, Judging};
use super::rows::{Cell, Choice, Row};
use super::totals::{self, VariantTotals};
use crate::cli::exit::Failure;
use crate::cli::project::{Project, State};
use config::component::{COMPARED, Component};
use plan::decision::OutcomeKind;
use quality::Better;
use store::{Checkpoint, Lease, StoreError, TaskId};
use types::digest::Digest;

/// Records that are read at once.
const BATCH: u64 = 256;
/// One component in all variants.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub component: String,
    /// The component that judges.
    pub judge: Option<String>,
    pub variants: Vec<VariantTotals>,
    /// Each variant against the first one.
    pub against: Vec<Against>,
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Without the texts, which are in the files.
    pub fn as_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let scores: Vec<Option<f64>> = row.cells.iter().map(|cell| cell.score).collect();
                json!({
                    "record": row.record, "category": row.category, "better": row.better, "scores": scores,
                })
            })
            .collect();
        json!({
            "event": "comparison", "component": self.component, "judge": self.judge, "variants": self.variants,
            "against": self.against, "rows": rows,
        })
    }
}

/// Reads what the run has left.
pub(super) fn read(
    project: &Project,
    state: &State,
    copies: &Copies,
    mut lease: Lease,
) -> Result<Vec<Comparison>, Failure> {
    let reading = Reading { project, state };
    let mut rows: Vec<Vec<Row>> = copies.compared.iter().map(|_| Vec::new()).collect();
    loop {
        let records = state.store.lease(&mut lease, BATCH);
        let records = records.map_err(Failure::internal)?;
        if records.is_empty() {
            break;
        }
        for reference in &records {
            // One that cannot be read is told by the run.
            let Ok(record) = project.dataset.read(reference.place) else {
                continue;
            };
            let named = (record.id.as_str(), record.category.as_str());
            for (compared, rows) in copies.compared.iter().zip(&mut rows) {
                rows.extend(reading.row(compared, named).map_err(Failure::internal)?);
            }
        }
    }
    let comparison = |(compared, rows): (&Compared, Vec<Row>)| Comparison {
        component: compared.component.clone(),
        judge: compared.judge.as_ref().map(|one| one.judge.clone()),
        variants: totals::of(copies, &rows),
        against: against::of(copies, compared, &rows),
        rows,
    };
    Ok(copies.compared.iter().zip(rows).map(comparison).collect())
}

struct Reading<'a> {
    project: &'a Project,
    state: &'a State,
}

impl Reading<'_> {
    /// A record with its texts; nothing where none was begun.
    fn row(
        &self,
        compared: &Compared,
        (record, category): (&str, &str),
    ) -> Result<Option<Row>, StoreError> {
        let State { store, indexed } = self.state;
        let points = store.checkpoints(indexed.id, record)?;
        let verdicts = store.verdicts(indexed.id, record)?;
        let text = |component: &Component| self.text(component, &points, (record, category));
        let mut cells = Vec::new();
        for (place, component) in compared.copies.iter().enumerate() {
            let point = points.iter().find(|one| one.component == component.name);
            let mut cell = Cell {
                text: text(component),
                ..Cell::default()
            };
            match (cell.text.clone(), point) {
                (Some(text), Some(point)) => {
                    let task = TaskId {
                        dataset: indexed.id,
                        record: record.to_owned(),
                        component: component.name.clone(),
                    };
                    cell.took(&store.calls_of(&task, point)?);
                    let body = quality::without_front_matter(&text);
                    cell.words = body.split_whitespace().count() as u64;
                    let scoring = compared.judge.as_ref();
                    let scoring = scoring.and_then(|judge| judge.scoring.get(place));
                    let content = Digest::of(text.as_bytes());
                    cell.heard(&verdicts, component, scoring, content);
                }
                (None, Some(point)) => {
                    let is_over = matches!(
                        point.outcome.kind(),
                        OutcomeKind::Failed | OutcomeKind::Blocked | OutcomeKind::Skipped
                    );
                    let cause = point.cause.as_deref().unwrap_or("it failed");
                    cell.cause = is_over.then(|| cause.to_owned());
                }
                _ => {}
            }
            cells.push(cell);
        }
        if cells
            .iter()
            .all(|cell| cell.text.is_none() && cell.cause.is_none())
        {
            return Ok(None);
        }
        let Some((first, others)) = cells.split_first_mut() else {
            return Ok(None);
        };
        let mut better = Vec::new();
        for (place, cell) in others.iter_mut().enumerate() {
            if let Some(judging) = &compared.judge {
                cell.compared = choices(judging, place, text);
            }
            if let (Some(before), Some(now)) = (&first.text, &cell.text) {
                cell.changes = changes(before, now);
            }
            let difference = against::difference(first, cell, against::measure(compared));
            better.push(match difference {
                Some(one) if one > 0.0 => Better::Second,
                Some(one) if one < 0.0 => Better::First,
                _ => Better::Neither,
            });
        }
        Ok(Some(Row {
            record: record.to_owned(),
            category: category.to_owned(),
            cells,
            better,
        }))
    }

    /// What a component made of a record, as it was made.
    fn text(
        &self,
        component: &Component,
        points: &[Checkpoint],
        (record, category): (&str, &str),
    ) -> Option<String> {
        let point = points.iter().find(|one| one.component == component.name)?;
        if point.outcome.kind() != OutcomeKind::Done {
            return None;
        }
        let root: &Path = &self.project.settings.config.output.directory;
        let file = root.join(component.output.path(record, category));
        let text = store::read_output_text(&file).ok()?;
        (point.content == Some(Digest::of(text.as_bytes()))).then_some(text)
    }
}

/// What the judge chose who held a variant against the first one, in both orders.
fn choices(
    judging: &Judging,
    place: usize,
    text: impl Fn(&Component) -> Option<String>,
) -> Vec<Choice> {
    let orders = judging.comparing.get(place);
    let mut found = Vec::new();
    for (is_turned, component) in [false, true].into_iter().zip(orders.into_iter().flatten()) {
        let file = text(component).and_then(|text| engine::as_json(&text, component));
        let Some(file) = file else { continue };
        let said = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
        let [first, second] = COMPARED;
        let better = match (said("better"), is_turned) {
            (better, false) if better == first => Better::First,
            (better, true) if better == second => Better::First,
            (better, _) if better == first || better == second => Better::Second,
            _ => Better::Neither,
        };
        found.push(Choice {
            better,
            reason: said("reason").to_owned(),
        });
    }
    found
}

/// The words of a text beside those of another one.
fn changes(before: &str, now: &str) -> Vec<(&'static str, String)> {
    let diff = TextDiff::from_words(before, now);
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for change in diff.iter_all_changes() {
        let kind = match change.tag() {
            ChangeTag::Equal => "same",
            ChangeTag::Delete => "gone",
            ChangeTag::Insert => "new",
        };
        match found.last_mut() {
            Some((last, text)) if *last == kind => text.push_str(change.value()),
            _ => found.push((kind, change.value().to_owned())),
        }
    }
    found
}
