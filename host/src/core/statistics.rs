//! What a run tells about itself: computed once here, shown by the progress block, the line for logs, the
//! summary, the page, the report, metrics and JSON alike. Times are spans since the start of the run. Memory is
//! bounded, however long a run takes and however many tasks it has.

mod heat;
mod pace;
mod recent;
mod series;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use heat::Heat;
pub use heat::{HeatCell, HeatRow};
use pace::Pace;
use recent::Recent;
pub use recent::{Again, ArtifactNote, Failed, FailureKind, FailureNote};
use series::Series;
pub use series::{LaneSeries, SeriesView};

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// Its artifact was made.
    Made,
    /// Nothing had changed.
    Kept,
    /// The file was edited by hand, and kept.
    Edited,
    /// It failed for good.
    Failed,
    /// Something that it depends on failed.
    Blocked,
    /// Its record was given up because of another component.
    Skipped,
}

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
    /// Tasks failed.
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
}

impl ComponentCount {
    /// Tasks without an artifact: failed, blocked or skipped.
    pub fn lost(&self) -> u64 {
        self.failed + self.blocked + self.skipped
    }

    /// Tasks that ended, one way or the other.
    pub fn ended(&self) -> u64 {
        self.made + self.kept + self.edited + self.lost()
    }
}

/// Counts by category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryCount {
    /// Id of the category.
    pub category: String,
    /// Records wanted.
    pub total: u64,
    /// Records with every wanted artifact.
    pub complete: u64,
    /// Records that lack one for good.
    pub incomplete: u64,
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

/// What one call took.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallEnd {
    /// Tokens of the question.
    pub input_tokens: u64,
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
    /// What attempts took that have ended, for each component.
    attempts: Vec<Attempts>,
    heat: Heat,
    /// Records that ended, by category: complete and incomplete.
    ended: Vec<(u64, u64)>,
    calls: CallCount,
    parked: u64,
    records: Pace,
    tasks: Pace,
    called: Pace,
    input: Pace,
    output: Pace,
    series: Series,
    recent: Recent,
}

/// What attempts took that have ended. Calls of those under way are not among these, or what is expected of a task
/// would be too much while many are.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    ended: u64,
    calls: u64,
    micros: u64,
}

/// The numbers of a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Seconds since the start.
    pub elapsed_seconds: f64,
    /// Records wanted.
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
    /// Share of ended records that are complete, in percent; 100 before the first ended.
    pub success_percent: f64,
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
    /// By component, in running order.
    pub components: Vec<ComponentCount>,
    /// By category, in running order; those beyond the first hundred are counted together.
    pub categories: Vec<CategoryCount>,
}

/// What is worth a look besides the numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Category by component.
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

impl View {
    /// Sums over components: made, kept (edited included), failed, blocked and skipped together.
    pub fn totals(&self) -> (u64, u64, u64) {
        self.components
            .iter()
            .fold((0, 0, 0), |(made, kept, failed), count| {
                (
                    made + count.made,
                    kept + count.kept + count.edited,
                    failed + count.lost(),
                )
            })
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
            attempts: vec![Attempts::default(); components.len()],
            ended: vec![(0, 0); heat.rows().len()],
            heat,
            calls: CallCount::default(),
            parked: 0,
            records: Pace::default(),
            tasks: Pace::default(),
            called: Pace::default(),
            input: Pace::default(),
            output: Pace::default(),
            series: Series::default(),
            recent: Recent::default(),
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
        let mut known = self.components.iter().zip(&mut self.attempts);
        if let Some((_, attempts)) = known.find(|(count, _)| count.component == component) {
            attempts.ended += 1;
            attempts.calls += calls;
            attempts.micros += micros;
        }
    }

    /// An artifact of this record was made.
    pub fn artifact_made(&mut self, record: &str, component: &str) {
        self.recent.made(record, component);
    }

    /// A task failed, for good or for now.
    pub fn task_failed(&mut self, failed: Failed<'_>) {
        self.recent.failed(failed);
    }

    /// A task that was told to have failed was made after all.
    pub fn task_mended(&mut self, record: &str, component: &str) {
        self.recent.mended(record, component);
    }

    /// Tasks failed for what may pass and wait for a sweep; or (negative) are swept up now.
    pub fn tasks_parked(&mut self, change: i64) {
        self.parked = self.parked.saturating_add_signed(change);
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
        let tokens = end.input_tokens + end.output_tokens;
        self.calls.calls += 1;
        self.calls.input_tokens += end.input_tokens;
        self.calls.output_tokens += end.output_tokens;
        match end.micros {
            Some(micros) => self.calls.cost_micros += micros,
            None => self.calls.unpriced += 1,
        }
        if end.again {
            self.calls.again_tokens += tokens;
            self.calls.again_cost_micros += end.micros.unwrap_or(0);
        }
        let mut counts = self.components.iter_mut();
        if let Some(count) = counts.find(|count| count.component == component) {
            count.calls += 1;
            count.tokens += tokens;
            count.cost_micros += end.micros.unwrap_or(0);
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
        let tasks = records.saturating_mul(self.components.len() as u64);
        let tasks_done = self.components.iter().map(ComponentCount::ended).sum();
        let (input, output) = (self.input.per_second(now), self.output.per_second(now));
        View {
            elapsed_seconds: now.as_secs_f64(),
            records,
            done,
            complete,
            tasks,
            tasks_done,
            parked_tasks: self.parked,
            success_percent: percent(complete, done),
            eta_seconds: self.eta(now, records.saturating_sub(done), tasks, tasks_done),
            records_per_hour: self.records.per_second(now) * 3600.0,
            tasks_per_second: self.tasks.per_second(now),
            tokens_per_second: input + output,
            input_tokens_per_second: input,
            output_tokens_per_second: output,
            calls: self.calls,
            projected_cost_micros: self.projected_cost(records),
            components: self.components.clone(),
            categories,
        }
    }

    /// What is worth a look besides the numbers.
    pub fn detail(&self, now: Duration) -> Detail {
        Detail {
            heat: self.heat.rows().to_vec(),
            series: self.series.view(now),
            failure_kinds: self.recent.kinds(),
            failures: self.recent.failures(),
            artifacts: self.recent.artifacts(),
        }
    }

    /// Seconds to the end, by what takes longest at its recent pace. Tasks end all the time, and records only when
    /// all their tasks have, so tasks tell it sooner; and where a model is asked, calls are what is waited for.
    fn eta(&self, now: Duration, records_left: u64, tasks: u64, tasks_done: u64) -> Option<f64> {
        let left = tasks.saturating_sub(tasks_done);
        if left == 0 {
            return span(records_left as f64, self.records.per_second(now));
        }
        let by_tasks = span(left as f64, self.tasks.per_second(now))?;
        let by_calls = span(self.calls_left(), self.called.per_second(now));
        Some(by_calls.map_or(by_tasks, |by_calls| by_calls.max(by_tasks)))
    }

    /// Calls that tasks to come make, if they are like those of their component before.
    fn calls_left(&self) -> f64 {
        let records = self.records_wanted();
        let known = self.components.iter().zip(&self.attempts);
        known
            .map(|(count, attempts)| {
                attempts_left(count, records) * attempts.each(attempts.calls).unwrap_or(0.0)
            })
            .sum()
    }

    /// What the run will have cost, if tasks to come cost what those of their component did. Unknown while nothing
    /// cost anything, or a component has not ended any task.
    fn projected_cost(&self, records: u64) -> Option<u64> {
        let spent = self.calls.cost_micros;
        if spent == 0 {
            return None;
        }
        let mut sum = 0.0;
        for (count, attempts) in self.components.iter().zip(&self.attempts) {
            sum += attempts.micros as f64;
            let left = attempts_left(count, records);
            match attempts.each(attempts.micros) {
                Some(each) => sum += left * each,
                None if left > 0.0 => return None,
                None => {}
            }
        }
        Some((sum.round() as u64).max(spent))
    }

    fn records_wanted(&self) -> u64 {
        self.heat.rows().iter().map(|row| row.records).sum()
    }
}

impl Attempts {
    /// A share of a sum for each attempt.
    fn each(&self, sum: u64) -> Option<f64> {
        (self.ended > 0).then(|| sum as f64 / self.ended as f64)
    }
}

/// Attempts that a component still makes: of those that ended, some were kept or not begun.
fn attempts_left(count: &ComponentCount, records: u64) -> f64 {
    let left = records.saturating_sub(count.ended()) as f64;
    match count.ended() {
        0 => left,
        ended => left * (count.made + count.failed) as f64 / ended as f64,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Statistics {
        Statistics::new(
            &["frontmatter".to_owned(), "text".to_owned()],
            &[("metal".to_owned(), 3), ("wood".to_owned(), 1)],
        )
    }

    #[test]
    fn success_is_about_whole_records() {
        let mut statistics = two();
        let now = Duration::from_secs(1);
        statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
        statistics.task_ended(now, "metal", "text", TaskEnd::Failed);
        statistics.record_ended(Duration::from_secs(1), "metal", RecordEnd::Incomplete);
        statistics.record_ended(Duration::from_secs(2), "wood", RecordEnd::Complete);
        let view = statistics.view(Duration::from_secs(2));
        assert_eq!((view.records, view.done, view.complete), (4, 2, 1));
        assert_eq!(view.success_percent, 50.0);
        assert_eq!(view.totals(), (1, 0, 1));
        assert_eq!(view.eta_seconds, Some(6.0));
        assert_eq!(view.records_per_hour, 3600.0);
    }

    #[test]
    fn the_estimate_follows_recent_pace() {
        let mut statistics = Statistics::new(&[], &[("metal".to_owned(), 1000)]);
        for second in 0..600 {
            statistics.record_ended(Duration::from_secs(second), "metal", RecordEnd::Complete);
        }
        let fast = statistics.view(Duration::from_secs(600));
        assert!(
            (fast.eta_seconds.unwrap() - 400.0).abs() < 10.0,
            "{:?}",
            fast.eta_seconds
        );
        let stalled = statistics.view(Duration::from_secs(700));
        assert_eq!(stalled.eta_seconds, None);
        assert_eq!(stalled.records_per_hour, 0.0);
    }

    #[test]
    fn the_cost_to_come_is_that_of_tasks_like_them() {
        let mut statistics = two();
        let now = Duration::from_secs(1);
        let call = CallEnd {
            input_tokens: 10,
            output_tokens: 5,
            micros: Some(100),
            again: false,
        };
        statistics.call_ended(now, "text", call);
        statistics.call_ended(now, "text", call);
        assert_eq!(statistics.view(now).projected_cost_micros, None);
        statistics.attempt_ended("text", 1, 100);
        statistics.task_ended(now, "metal", "text", TaskEnd::Made);
        assert_eq!(statistics.view(now).projected_cost_micros, None);
        statistics.attempt_ended("frontmatter", 0, 0);
        statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
        // What a task under way has cost so far is part of what it is expected to cost.
        assert_eq!(statistics.view(now).projected_cost_micros, Some(400));
        // One that was kept cost nothing, so half of those to come are expected to cost nothing.
        statistics.task_ended(now, "metal", "text", TaskEnd::Kept);
        let view = statistics.view(now);
        assert_eq!(view.projected_cost_micros, Some(200));
        let text = &view.components[1];
        assert_eq!((text.calls, text.tokens, text.cost_micros), (2, 30, 200));
        let heat = statistics.detail(now).heat;
        let cell = heat[0].cells[1];
        assert_eq!((cell.made, cell.kept, cell.failed), (1, 1, 0));
    }

    #[test]
    fn time_left_is_told_before_the_first_record_ends() {
        let mut statistics = two();
        statistics.task_ended(
            Duration::from_secs(2),
            "metal",
            "frontmatter",
            TaskEnd::Made,
        );
        let view = statistics.view(Duration::from_secs(2));
        assert_eq!((view.tasks, view.tasks_done), (8, 1));
        assert_eq!(view.eta_seconds, Some(14.0));
        // Each text takes two calls of two seconds, and six more tasks are nothing beside that.
        for call in [2, 4] {
            let now = Duration::from_secs(call);
            statistics.call_ended(now, "text", CallEnd::default());
        }
        let now = Duration::from_secs(4);
        statistics.attempt_ended("text", 2, 0);
        statistics.task_ended(now, "metal", "text", TaskEnd::Made);
        assert_eq!(statistics.view(now).eta_seconds, Some(12.0));
    }

    #[test]
    fn a_million_tasks_take_no_more_memory_than_a_thousand() {
        let sizes = [1_000_u64, 1_000_000].map(|tasks| {
            let mut statistics =
                Statistics::new(&["text".to_owned()], &[("metal".to_owned(), tasks)]);
            for number in 0..tasks {
                let now = Duration::from_millis(number * 5);
                statistics.task_ended(now, "metal", "text", TaskEnd::Made);
                statistics.record_ended(now, "metal", RecordEnd::Complete);
                statistics.artifact_made("oak", "text");
            }
            let now = Duration::from_millis(tasks * 5);
            let detail = statistics.detail(now);
            assert_eq!(statistics.view(now).tasks_done, tasks);
            detail.series.tasks_per_second.len() + detail.artifacts.len()
        });
        assert!(sizes.iter().all(|size| *size < 300), "{sizes:?}");
    }
}
