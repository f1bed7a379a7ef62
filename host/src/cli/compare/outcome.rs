//! What a comparison shows: each text with what was said of it and what it took, and which variant is better.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::copies::{Compared, Copies, Judging};
use crate::cli::exit::Failure;
use crate::cli::project::{Project, State};
use config::component::{COMPARED, Component};
use plan::decision::OutcomeKind;
use plan::verdict::{Giver, Verdict};
use quality::Paired;
use store::{Checkpoint, Lease, StoreError, TaskId};
use types::digest::Digest;

/// Share of comparisons of equals that may name a better one, over all pairs of a comparison together. Five records of five for one
/// variant are enough, four are not.
const ERROR: f64 = 0.035;
/// Records that are read at once.
const BATCH: u64 = 256;
/// Where the draws of the statistics begin: equal results have equal intervals.
const SEED: u64 = 1;

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

/// What all texts of a variant are and took together.
#[derive(Debug, Default, Serialize)]
pub(crate) struct VariantTotals {
    pub name: String,
    /// What it changes.
    pub title: String,
    pub files: u64,
    pub failed: u64,
    /// Of the files, how many keep the rules of the gate; nothing where there are none.
    pub rules_kept: Option<u64>,
    /// Mean score by the judge: the worst criterion of each text.
    pub score: Option<f64>,
    /// Mean score of each criterion.
    pub scores: BTreeMap<String, f64>,
    /// Mean words of a text.
    pub words: Option<f64>,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Millionths of a dollar, where prices are known.
    pub cost_micros: Option<u64>,
    /// Mean seconds of the calls of a text.
    pub seconds: Option<f64>,
}

/// By what two variants were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// The judge saw both, in both orders.
    Pairs,
    /// The rules of the gate.
    Rules,
    /// Whether there is a file.
    Files,
}

/// Which of two is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    First,
    Second,
    Neither,
}

impl From<quality::Better> for Better {
    fn from(better: quality::Better) -> Better {
        match better {
            quality::Better::First => Better::First,
            quality::Better::Second => Better::Second,
            quality::Better::Neither => Better::Neither,
        }
    }
}

/// A variant against the first one.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    /// Name of the first variant.
    pub first: String,
    /// Name of the other one.
    pub second: String,
    pub measure: Measure,
    /// Records in which the first, the second or neither is better.
    pub first_better: u64,
    pub second_better: u64,
    pub neither: u64,
    /// Mean of 1 where the second is better and −1 where the first is.
    pub mean: Option<f64>,
    /// Where that lies in 95 of 100 samples.
    pub interval: Option<(f64, f64)>,
    /// How often equals differ more.
    pub chance: Option<f64>,
    pub better: Better,
    /// The same in words.
    pub says: String,
}

/// One record.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub record: String,
    pub category: String,
    /// For each variant.
    pub cells: Vec<Cell>,
    /// For each variant but the first, whether it is better.
    pub better: Vec<Better>,
}

/// One text.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Cell {
    pub text: Option<String>,
    /// Why there is none.
    pub cause: Option<String>,
    /// Its words beside those of the first variant: what stays, goes and comes.
    pub changes: Vec<(&'static str, String)>,
    pub words: u64,
    pub rules_kept: Option<bool>,
    /// What rules and judge said.
    pub reasons: Vec<String>,
    pub score: Option<f64>,
    pub scores: BTreeMap<String, f64>,
    /// What the judge said who held it against the first variant: with the first in front, and behind.
    pub compared: Vec<Choice>,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_micros: Option<u64>,
    pub milliseconds: Option<u64>,
}

/// What the judge chose of two texts.
#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    pub better: Better,
    pub reason: String,
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
        variants: totals(copies, &rows),
        against: against(copies, compared, &rows),
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
                    let body = engine::without_front_matter(&text);
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
            let difference = difference(first, cell, measure(compared));
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

impl Cell {
    fn took(&mut self, calls: &[store::CallNote]) {
        self.calls = calls.len() as u64;
        self.input_tokens = calls.iter().map(|call| call.input_tokens).sum();
        self.output_tokens = calls.iter().map(|call| call.output_tokens).sum();
        self.cost_micros = calls.iter().map(|call| call.cost_micros).sum();
        self.milliseconds = calls.iter().map(|call| call.milliseconds).sum();
    }

    fn heard(
        &mut self,
        verdicts: &[Verdict],
        component: &Component,
        scoring: Option<&Component>,
        content: Digest,
    ) {
        let mut of_this = verdicts
            .iter()
            .rev()
            .filter(|one| one.component == component.name && one.content == content);
        let of_rules = of_this.clone().find(|one| one.giver == Giver::Rules);
        if component.rules.is_some() {
            // Rules that are kept say nothing.
            self.rules_kept = Some(of_rules.is_none_or(|one| one.passes));
        }
        let of_judge = of_this.find(|one| {
            one.giver == Giver::Judge && scoring.is_some_and(|judge| judge.name == one.name)
        });
        if let Some(verdict) = of_judge {
            self.score = verdict.score;
            self.scores.clone_from(&verdict.scores);
        }
        let said = of_rules
            .filter(|one| !one.passes)
            .into_iter()
            .chain(of_judge);
        self.reasons = said
            .map(|one| one.reason.clone())
            .filter(|reason| !reason.is_empty())
            .collect();
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

/// By what the copies of a component can be compared.
fn measure(compared: &Compared) -> Measure {
    let has_rules = compared.copies.iter().any(|copy| copy.rules.is_some());
    match &compared.judge {
        Some(_) => Measure::Pairs,
        None if has_rules => Measure::Rules,
        None => Measure::Files,
    }
}

/// From −1 to 1, how much better the second is; nothing where that is not known. Without a file it is worse.
fn difference(first: &Cell, second: &Cell, measure: Measure) -> Option<f64> {
    let stands = |cell: &Cell| match (&cell.text, &cell.cause) {
        (Some(_), _) => Some(1.0),
        (None, Some(_)) => Some(0.0),
        (None, None) => None,
    };
    let there: f64 = stands(second)? - stands(first)?;
    if there != 0.0 || first.text.is_none() {
        return Some(there);
    }
    match measure {
        Measure::Files => Some(0.0),
        Measure::Rules => {
            let kept = |cell: &Cell| f64::from(u8::from(cell.rules_kept.unwrap_or(true)));
            Some(kept(second) - kept(first))
        }
        Measure::Pairs => {
            let chosen = second.compared.iter().map(|choice| match choice.better {
                Better::First => -1.0,
                Better::Second => 1.0,
                Better::Neither => 0.0,
            });
            let count = second.compared.len();
            (count > 0).then(|| chosen.sum::<f64>() / count as f64)
        }
    }
}

/// Each variant against the first.
fn against(copies: &Copies, compared: &Compared, rows: &[Row]) -> Vec<Against> {
    let Some((first, others)) = copies.variants.split_first() else {
        return Vec::new();
    };
    let measure = measure(compared);
    let pairs = others.len() * copies.compared.len();
    let error = ERROR / pairs.max(1) as f64;
    let one = |(place, second): (usize, &super::Variant)| {
        let differences: Vec<f64> = rows
            .iter()
            .filter_map(|row| difference(row.cells.first()?, row.cells.get(place + 1)?, measure))
            .collect();
        let paired = Paired::of(&differences, SEED);
        let count = |wanted: fn(f64) -> bool| {
            let found = differences.iter().filter(|one| wanted(**one));
            found.count() as u64
        };
        let better = paired.map_or(quality::Better::Neither, |paired| paired.better(error));
        let mut against = Against {
            first: first.tag.clone(),
            second: second.tag.clone(),
            measure,
            first_better: count(|one| one < 0.0),
            second_better: count(|one| one > 0.0),
            neither: count(|one| one == 0.0),
            mean: paired.map(|paired| paired.mean),
            interval: paired.map(|paired| paired.interval),
            chance: paired.map(|paired| paired.chance),
            better: better.into(),
            says: String::new(),
        };
        against.says = against.in_words(&first.title, &second.title);
        against
    };
    others.iter().enumerate().map(one).collect()
}

impl Against {
    /// Which is better, and what that rests on.
    fn in_words(&self, first_title: &str, second_title: &str) -> String {
        let Against { first, second, .. } = self;
        let records = self.first_better + self.second_better + self.neither;
        let by = match self.measure {
            Measure::Pairs => "by the judge, who saw both in both orders",
            Measure::Rules => "by the rules of its gate; nobody judges it",
            Measure::Files => "by whether there is a file; nobody judges it",
        };
        let counts = format!(
            "{second} is better in {}, {first} in {}, neither in {} of {records} records",
            self.second_better, self.first_better, self.neither
        );
        let (Some((low, high)), Some(chance)) = (self.interval, self.chance) else {
            return format!(
                "{second} ({second_title}) and {first} were not compared: there is no record with both."
            );
        };
        let range = format!("95 %: {low:+.2} to {high:+.2}");
        let named = |winner: &str, title: &str, loser: &str| {
            let chance = match chance < 0.001 {
                true => "less than 0.1 %".to_owned(),
                false => format!("{:.1} %", 100.0 * chance),
            };
            format!(
                "{winner} ({title}) is better than {loser}, {by}: {counts} ({range}; equals differ more in {chance} of cases)."
            )
        };
        match self.better {
            Better::First => named(first, first_title, second),
            Better::Second => named(second, second_title, first),
            Better::Neither => format!(
                "Between {first} and {second} ({second_title}) there is no difference that {records} records can show, {by}: {counts} ({range})."
            ),
        }
    }
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

fn totals(copies: &Copies, rows: &[Row]) -> Vec<VariantTotals> {
    let totals = |(place, variant): (usize, &super::Variant)| {
        let cells = || rows.iter().filter_map(|row| row.cells.get(place));
        let files = || cells().filter(|cell| cell.text.is_some());
        let count = files().count() as u64;
        let mut by_criterion: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (criterion, score) in files().flat_map(|cell| &cell.scores) {
            by_criterion.entry(criterion).or_default().push(*score);
        }
        let scores = by_criterion.into_iter();
        VariantTotals {
            name: variant.tag.clone(),
            title: variant.title.clone(),
            files: count,
            failed: cells().filter(|cell| cell.cause.is_some()).count() as u64,
            rules_kept: files()
                .map(|cell| cell.rules_kept.map(u64::from))
                .sum::<Option<u64>>()
                .filter(|_| count > 0),
            score: mean(files().filter_map(|cell| cell.score)),
            scores: scores
                .filter_map(|(name, scores)| Some((name.clone(), mean(scores)?)))
                .collect(),
            words: mean(files().map(|cell| cell.words as f64)),
            calls: files().map(|cell| cell.calls).sum(),
            input_tokens: files().map(|cell| cell.input_tokens).sum(),
            output_tokens: files().map(|cell| cell.output_tokens).sum(),
            cost_micros: files().map(|cell| cell.cost_micros).sum(),
            seconds: mean(files().filter_map(|cell| Some(cell.milliseconds? as f64 / 1000.0))),
        }
    };
    copies.variants.iter().enumerate().map(totals).collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
