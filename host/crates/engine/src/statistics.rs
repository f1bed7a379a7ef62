//! What a run tells about itself: computed once here, shown by the progress block, the line for logs, the
//! summary, the page, the report, metrics and JSON alike. Times are spans since the start of the run. Memory is
//! bounded, however long a run takes and however many tasks it has.

mod ahead;
mod batch;
mod heat;
mod pace;
mod recent;
mod series;
mod worker;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::batch::BatchView;
pub use self::worker::WorkerView;
use ahead::Ahead;
use heat::Heat;
pub use heat::{HeatCell, HeatRow};
use pace::{Pace, RECENT};
use plan::decision::{Author, Kept, TaskEnd};
use recent::Recent;
pub use recent::{Again, ArtifactNote, Failed, FailureKind, FailureNote};
use series::Series;
pub use series::{LaneSeries, SeriesView};

/// How a record stands after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// Every wanted artifact exists and passed validation.
    Complete,
    /// At least one is missing for good.
    Incomplete,
}

/// Counts by component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentCount {
    /// Name of the component.
    pub component: String,
    /// Artifacts made in this run.
    pub made: u64,
    /// Artifacts that were up to date.
    pub kept: u64,
    /// Files edited by hand and kept.
    pub edited: u64,
    /// Of the files that are there, those that a gate holds: nobody gets them until a person decides.
    #[serde(default)]
    pub held: u64,
    pub failed: u64,
    /// Tasks that could not start because a dependency failed.
    pub blocked: u64,
    /// Tasks that were not begun because their record was given up.
    pub skipped: u64,
    /// Completions obtained from a provider for it.
    pub calls: u64,
    /// Their tokens, in and out.
    pub tokens: u64,
    /// What they cost in millionths of a dollar, as far as prices are known.
    pub cost_micros: u64,
    /// Records that are wanted and not in its sample, so that they have no task of it.
    #[serde(default)]
    pub not_sampled: u64,
}

impl ComponentCount {
    /// Tasks that there are, where so many records are wanted.
    pub fn tasks(&self, records: u64) -> u64 {
        records.saturating_sub(self.not_sampled)
    }

    /// Tasks that have their artifact.
    pub fn there(&self) -> u64 {
        self.made + self.kept + self.edited
    }

    /// Tasks that were not begun, because something else failed: blocked or skipped.
    pub fn not_begun(&self) -> u64 {
        self.blocked + self.skipped
    }

    /// Tasks that ended, one way or the other.
    pub fn ended(&self) -> u64 {
        self.there() + self.failed + self.not_begun()
    }
}

/// Counts by category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryCount {
    /// Id of the category.
    pub category: String,
    pub total: u64,
    /// Records with every wanted artifact.
    pub complete: u64,
    /// Records that lack one for good.
    pub incomplete: u64,
}

/// Files of which a person should know who wrote them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorCount {
    /// Files that the offline stand-in wrote, in this run or before: placeholders.
    pub placeholders: u64,
    /// Files of a real model that the offline stand-in would have replaced, and that were kept.
    pub kept_from_stand_in: u64,
    /// Accepted edits that were kept although something that they were made from changed.
    pub accepted_kept: u64,
}

/// Calls and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCount {
    /// Completions obtained from a provider in this run.
    pub calls: u64,
    /// Tries that failed and were tried again or given up.
    pub failed_tries: u64,
    /// Completions taken from the journal.
    pub journaled: u64,
    /// Tokens of questions.
    pub input_tokens: u64,
    /// Of these, those that were read from the provider's prompt cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Of these, those that were written to it, where that costs extra.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Tokens, in and out, that retries and repairs took of those: what first attempts would not have.
    pub again_tokens: u64,
    /// Millionths of a dollar, as far as prices are known.
    pub cost_micros: u64,
    /// Of those, what retries and repairs cost.
    pub again_cost_micros: u64,
    /// Calls of models whose price is not known.
    pub unpriced: u64,
}

impl CallCount {
    /// How much of the questions was read from prompt caches, in percent; nothing where no provider told of one.
    pub fn cached_percent(&self) -> Option<u64> {
        let is_told = self.cached_tokens > 0 || self.cache_write_tokens > 0;
        let hundred = self.cached_tokens.saturating_mul(100);
        is_told.then(|| hundred.checked_div(self.input_tokens))?
    }
}

/// What one call took.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallEnd {
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Those of them that were read from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Those of them that were written to it, where that costs extra.
    pub cache_write_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
    /// Whether it was a retry or a repair.
    pub again: bool,
}

/// Collects what happens.
#[derive(Debug)]
pub struct Statistics {
    components: Vec<ComponentCount>,
    ahead: Ahead,
    heat: Heat,
    /// Records that ended, by category: complete and incomplete.
    ended: Vec<(u64, u64)>,
    calls: CallCount,
    authors: AuthorCount,
    unreadable: u64,
    parked: u64,
    waiting: u64,
    batches: Vec<BatchView>,
    workers: Vec<WorkerView>,
    records: Pace,
    tasks: Pace,
    called: Pace,
    input: Pace,
    output: Pace,
    series: Series,
    recent: Recent,
}

/// The numbers of a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Seconds since the start.
    pub elapsed_seconds: f64,
    pub records: u64,
    /// Records that ended, complete or not.
    pub done: u64,
    /// Records with every wanted artifact.
    pub complete: u64,
    /// Tasks of all of them.
    pub tasks: u64,
    /// Tasks that ended, one way or the other.
    pub tasks_done: u64,
    /// Tasks that failed for what may pass, waiting for the sweep at the end.
    pub parked_tasks: u64,
    /// Tasks whose answers come with a batch, and those that need their files.
    #[serde(default)]
    pub waiting_tasks: u64,
    /// The batches that have not ended.
    #[serde(default)]
    pub batches: Vec<BatchView>,
    /// The other machines that have part in the run.
    #[serde(default)]
    pub workers: Vec<WorkerView>,
    /// Share of the tasks that were begun and ended which have their artifact, in percent; absent before the first.
    pub success_percent: Option<f64>,
    /// Expected seconds to the end, from recent pace; absent while unknown.
    pub eta_seconds: Option<f64>,
    /// Records an hour, from recent pace.
    pub records_per_hour: f64,
    /// Tasks a second, from recent pace.
    pub tasks_per_second: f64,
    /// Tokens in and out a second, from recent pace.
    pub tokens_per_second: f64,
    /// Of these, those of questions.
    pub input_tokens_per_second: f64,
    /// Of these, those of answers.
    pub output_tokens_per_second: f64,
    /// Calls and tokens.
    pub calls: CallCount,
    /// What the run will have cost at its end, in millionths of a dollar, if the tasks to come are like those
    /// before; absent while unknown.
    pub projected_cost_micros: Option<u64>,
    /// Files of which a person should know who wrote them.
    #[serde(default)]
    pub authors: AuthorCount,
    /// Records of the dataset that are wanted and cannot be read. They are not among the others.
    #[serde(default)]
    pub unreadable: u64,
    /// By component, in running order.
    pub components: Vec<ComponentCount>,
    /// By category, in running order; those beyond the first hundred are counted together.
    pub categories: Vec<CategoryCount>,
}

/// What is worth a look besides the numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub heat: Vec<HeatRow>,
    /// Over the time of the run.
    pub series: SeriesView,
    /// Failures by class and component, the most frequent first.
    pub failure_kinds: Vec<FailureKind>,
    /// The newest failures first.
    pub failures: Vec<FailureNote>,
    /// The newest artifacts first.
    pub artifacts: Vec<ArtifactNote>,
}

/// Sums over components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Artifacts made in this run.
    pub made: u64,
    /// Artifacts that were there; edited files included.
    pub kept: u64,
    /// Of these and those that were made, files that a gate holds.
    pub held: u64,
    pub failed: u64,
    /// Tasks that were not begun, because something else failed.
    pub not_begun: u64,
}

impl View {
    /// Sums over components.
    pub fn totals(&self) -> Totals {
        let sum = |of: fn(&ComponentCount) -> u64| self.components.iter().map(of).sum();
        Totals {
            made: sum(|count| count.made),
            kept: sum(|count| count.kept + count.edited),
            held: sum(|count| count.held),
            failed: sum(|count| count.failed),
            not_begun: sum(ComponentCount::not_begun),
        }
    }
}

impl Statistics {
    /// Starts with all counts at zero, for these components and records by category.
    pub fn new(components: &[String], categories: &[(String, u64)]) -> Statistics {
        let heat = Heat::new(components.len(), categories);
        Statistics {
            components: components
                .iter()
                .map(|name| ComponentCount {
                    component: name.clone(),
                    ..Default::default()
                })
                .collect(),
            ahead: Ahead::new(components.len()),
            ended: vec![(0, 0); heat.rows().len()],
            heat,
            calls: CallCount::default(),
            authors: AuthorCount::default(),
            unreadable: 0,
            parked: 0,
            waiting: 0,
            batches: Vec::new(),
            workers: Vec::new(),
            records: Pace::default(),
            tasks: Pace::default(),
            called: Pace::default(),
            input: Pace::default(),
            output: Pace::default(),
            series: Series::default(),
            recent: Recent::default(),
        }
    }

    /// A component is not made for so many records of this category.
    pub fn not_sampled(&mut self, category: &str, component: &str, records: u64) {
        let mut counts = self.components.iter_mut().enumerate();
        if let Some((place, count)) = counts.find(|(_, count)| count.component == component) {
            count.not_sampled += records;
            self.heat.not_sampled(category, place, records);
        }
    }

    /// A task of a record of this category ended.
    pub fn task_ended(&mut self, now: Duration, category: &str, component: &str, end: TaskEnd) {
        let mut counts = self.components.iter_mut().enumerate();
        let Some((place, count)) = counts.find(|(_, count)| count.component == component) else {
            return;
        };
        match end {
            TaskEnd::Made => count.made += 1,
            TaskEnd::Kept => count.kept += 1,
            TaskEnd::Edited => count.edited += 1,
            TaskEnd::Failed => count.failed += 1,
            TaskEnd::Blocked => count.blocked += 1,
            TaskEnd::Skipped => count.skipped += 1,
        }
        self.heat.ended(category, place, end);
        self.tasks.add(now, 1);
        self.series.tasks(now, 1);
    }

    /// An attempt at a task ended, well or not, and took so many answers and so much money.
    pub fn attempt_ended(&mut self, component: &str, calls: u64, micros: u64) {
        let mut known = self.components.iter();
        if let Some(place) = known.position(|count| count.component == component) {
            self.ahead.attempt_ended(place, calls, micros);
        }
    }

    /// A gate holds a file that is there.
    pub fn task_held(&mut self, component: &str) {
        let mut counts = self.components.iter_mut();
        if let Some(count) = counts.find(|count| count.component == component) {
            count.held += 1;
        }
    }

    /// An artifact of this record was made.
    pub fn artifact_made(&mut self, record: &str, component: &str, by_stand_in: bool) {
        self.recent.made(record, component, by_stand_in);
        self.authors.placeholders += u64::from(by_stand_in);
    }

    /// So many records cannot be read.
    pub fn unreadable(&mut self, count: u64) {
        self.unreadable = count;
    }

    /// A file was kept, of which a person should know who wrote it.
    pub fn file_kept(&mut self, kept: Kept, author: Option<Author>) {
        let authors = &mut self.authors;
        match kept {
            Kept::UpToDate if author == Some(Author::StandIn) => authors.placeholders += 1,
            Kept::Accepted => authors.accepted_kept += 1,
            Kept::FromModel => authors.kept_from_stand_in += 1,
            Kept::UpToDate | Kept::Edited => {}
        }
    }

    /// A task failed, for good or for now.
    pub fn task_failed(&mut self, failed: Failed<'_>) {
        self.recent.failed(failed);
    }

    /// A task that was told to have failed was made after all.
    pub fn task_mended(&mut self, record: &str, component: &str) {
        self.recent.mended(record, component);
    }

    /// What was put off is tried again now, and is told again if it fails again.
    pub fn sweep_begins(&mut self) {
        self.recent.sweep_begins();
    }

    /// What has failed and was not made since, the most frequent first.
    pub fn failure_kinds(&self) -> Vec<FailureKind> {
        self.recent.kinds()
    }

    /// Tasks failed for what may pass and wait for a sweep; or (negative) are swept up now.
    pub fn tasks_parked(&mut self, change: i64) {
        self.parked = self.parked.saturating_add_signed(change);
    }

    /// These machines have part in the run.
    pub fn workers_are(&mut self, workers: Vec<WorkerView>) {
        self.workers = workers;
    }

    /// These batches have not ended.
    pub fn batches_are(&mut self, batches: Vec<BatchView>) {
        self.batches = batches;
    }

    /// So many more tasks wait for a batch, or fewer.
    pub fn tasks_waiting(&mut self, change: i64) {
        self.waiting = self.waiting.saturating_add_signed(change);
    }

    /// A record ended for good.
    pub fn record_ended(&mut self, now: Duration, category: &str, end: RecordEnd) {
        let place = self.heat.place(category);
        if let Some((complete, incomplete)) = self.ended.get_mut(place) {
            match end {
                RecordEnd::Complete => *complete += 1,
                RecordEnd::Incomplete => *incomplete += 1,
            }
        }
        self.records.add(now, 1);
    }

    /// A completion came from a provider for this component, or was billed without one.
    pub fn call_ended(&mut self, now: Duration, component: &str, end: CallEnd) {
        let tokens = end.input_tokens.saturating_add(end.output_tokens);
        self.calls.calls += 1;
        add(&mut self.calls.input_tokens, end.input_tokens);
        add(&mut self.calls.cached_tokens, end.cached_tokens);
        add(&mut self.calls.cache_write_tokens, end.cache_write_tokens);
        add(&mut self.calls.output_tokens, end.output_tokens);
        match end.micros {
            Some(micros) => add(&mut self.calls.cost_micros, micros),
            None => self.calls.unpriced += 1,
        }
        if end.again {
            add(&mut self.calls.again_tokens, tokens);
            add(&mut self.calls.again_cost_micros, end.micros.unwrap_or(0));
        }
        let mut counts = self.components.iter_mut();
        if let Some(count) = counts.find(|count| count.component == component) {
            count.calls += 1;
            add(&mut count.tokens, tokens);
            add(&mut count.cost_micros, end.micros.unwrap_or(0));
        }
        self.called.add(now, 1);
        self.input.add(now, end.input_tokens);
        self.output.add(now, end.output_tokens);
        self.series.tokens(now, end.input_tokens, end.output_tokens);
    }

    /// A try failed.
    pub fn try_failed(&mut self) {
        self.calls.failed_tries += 1;
    }

    /// A completion came from the journal.
    pub fn answered_from_journal(&mut self) {
        self.calls.journaled += 1;
    }

    /// A lane uses so much of the limit that it uses most, in percent.
    pub fn lane_used(&mut self, now: Duration, model: &str, percent: f64) {
        self.series.lane(now, model, percent);
    }

    /// The numbers of this moment.
    pub fn view(&self, now: Duration) -> View {
        let categories: Vec<CategoryCount> = self
            .heat
            .rows()
            .iter()
            .zip(&self.ended)
            .map(|(row, (complete, incomplete))| CategoryCount {
                category: row.category.clone(),
                total: row.records,
                complete: *complete,
                incomplete: *incomplete,
            })
            .collect();
        let sum = |of: fn(&CategoryCount) -> u64| categories.iter().map(of).sum::<u64>();
        let records = sum(|count| count.total);
        let complete = sum(|count| count.complete);
        let done = complete + sum(|count| count.incomplete);
        let tasks = self.components.iter().map(|count| count.tasks(records));
        let tasks = tasks.sum();
        let tasks_done = self.components.iter().map(ComponentCount::ended).sum();
        let there: u64 = self.components.iter().map(ComponentCount::there).sum();
        let failed: u64 = self.components.iter().map(|count| count.failed).sum();
        let begun = there + failed;
        let (input, output) = (self.input.per_second(now), self.output.per_second(now));
        View {
            elapsed_seconds: now.as_secs_f64(),
            records,
            done,
            complete,
            tasks,
            tasks_done,
            parked_tasks: self.parked,
            waiting_tasks: self.waiting,
            batches: self.batches.clone(),
            workers: self.workers.clone(),
            success_percent: (begun > 0).then(|| percent(there, begun)),
            eta_seconds: self.eta(now, records.saturating_sub(done), tasks, tasks_done),
            records_per_hour: self.records.per_second(now) * 3600.0,
            tasks_per_second: self.tasks.per_second(now),
            tokens_per_second: input + output,
            input_tokens_per_second: input,
            output_tokens_per_second: output,
            calls: self.calls,
            projected_cost_micros: self.ahead.cost(
                &self.components,
                records,
                self.calls.cost_micros,
            ),
            authors: self.authors,
            unreadable: self.unreadable,
            components: self.components.clone(),
            categories,
        }
    }

    /// What is worth a look besides the numbers.
    pub fn detail(&self, now: Duration) -> Detail {
        let (failure_kinds, failures) = self.recent.failures();
        Detail {
            heat: self.heat.rows().to_vec(),
            series: self.series.view(now),
            failure_kinds,
            failures,
            artifacts: self.recent.artifacts(),
        }
    }

    /// Seconds to the end, by what takes longest at its recent pace. Tasks end all the time, and records only when
    /// all their tasks have, so tasks tell it sooner; and where a model is asked, calls are what is waited for.
    fn eta(&self, now: Duration, records_left: u64, tasks: u64, tasks_done: u64) -> Option<f64> {
        // Nobody has looked yet at what there is to do.
        if self.components.is_empty() && self.records_wanted() == 0 {
            return None;
        }
        let left = tasks.saturating_sub(tasks_done);
        if left == 0 {
            return span(records_left as f64, self.records.per_second(now));
        }
        let by_tasks = span(left as f64, self.tasks.per_second(now))?;
        let by_calls = span(
            self.ahead.calls(&self.components, self.records_wanted()),
            self.called.per_second(now),
        );
        Some(by_calls.map_or(by_tasks, |by_calls| by_calls.max(by_tasks)))
    }

    fn records_wanted(&self) -> u64 {
        self.heat.rows().iter().map(|row| row.records).sum()
    }
}

impl View {
    /// The same while nothing more may start for so long. What was done lately and the wait belong together: a limit
    /// that was used up at once lets through no more in the time of both.
    #[must_use]
    pub fn held_up(mut self, wait: Duration) -> View {
        let recent = self.elapsed_seconds.min(RECENT.as_secs_f64());
        let wait = wait.as_secs_f64();
        self.eta_seconds = self.eta_seconds.map(|eta| {
            if eta > 0.0 && recent > 0.0 {
                wait + eta * (recent + wait) / recent
            } else {
                eta
            }
        });
        self
    }
}

/// Seconds that so much takes; nothing is known of what does not move.
fn span(left: f64, per_second: f64) -> Option<f64> {
    if left == 0.0 {
        Some(0.0)
    } else {
        (per_second > 0.0).then(|| left / per_second)
    }
}

/// `part` of `whole` in percent; 100 of nothing, since nothing went wrong.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

/// Adds a number that a provider may have made up.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests;
