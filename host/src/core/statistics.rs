//! What a run tells about itself: computed once here, shown by the progress block, the line for
//! logs, the summary and JSON alike. Times are spans since the start of the run.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// Pace is measured over this span, so that an early stall does not spoil the estimate for ever.
const RECENT: Duration = Duration::from_secs(60);
/// Bound on remembered moments; more are thinned out by merging neighbours.
const MOMENTS: usize = 4096;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
}

impl ComponentCount {
    /// Tasks without an artifact: failed, blocked or skipped.
    pub fn lost(&self) -> u64 {
        self.failed + self.blocked + self.skipped
    }
}

/// Counts by category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
    categories: Vec<CategoryCount>,
    calls: CallCount,
    parked: u64,
    records: Pace,
    tokens: Pace,
}

/// The numbers of a moment.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Seconds since the start.
    pub elapsed_seconds: f64,
    /// Records wanted.
    pub records: u64,
    /// Records that ended, complete or not.
    pub done: u64,
    /// Records with every wanted artifact.
    pub complete: u64,
    /// Tasks that failed for what may pass, waiting for the sweep at the end.
    pub parked_tasks: u64,
    /// Share of ended records that are complete, in percent; 100 before the first ended.
    pub success_percent: f64,
    /// Expected seconds to the end, from recent pace; absent while unknown.
    pub eta_seconds: Option<f64>,
    /// Records an hour, from recent pace.
    pub records_per_hour: f64,
    /// Tokens in and out a second, from recent pace.
    pub tokens_per_second: f64,
    /// Calls and tokens.
    pub calls: CallCount,
    /// By component, in running order.
    pub components: Vec<ComponentCount>,
    /// By category, in running order.
    pub categories: Vec<CategoryCount>,
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
        Statistics {
            components: components
                .iter()
                .map(|name| ComponentCount {
                    component: name.clone(),
                    ..Default::default()
                })
                .collect(),
            categories: categories
                .iter()
                .map(|(name, total)| CategoryCount {
                    category: name.clone(),
                    total: *total,
                    ..Default::default()
                })
                .collect(),
            calls: CallCount::default(),
            parked: 0,
            records: Pace::default(),
            tokens: Pace::default(),
        }
    }

    /// A task ended.
    pub fn task_ended(&mut self, component: &str, end: TaskEnd) {
        let Some(count) = self
            .components
            .iter_mut()
            .find(|count| count.component == component)
        else {
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
    }

    /// Tasks failed for what may pass and wait for a sweep; or (negative) are swept up now.
    pub fn tasks_parked(&mut self, change: i64) {
        self.parked = self.parked.saturating_add_signed(change);
    }

    /// A record ended for good.
    pub fn record_ended(&mut self, now: Duration, category: &str, end: RecordEnd) {
        if let Some(count) = self
            .categories
            .iter_mut()
            .find(|count| count.category == category)
        {
            match end {
                RecordEnd::Complete => count.complete += 1,
                RecordEnd::Incomplete => count.incomplete += 1,
            }
        }
        self.records.add(now, 1);
    }

    /// A completion came from a provider, or was billed without one.
    pub fn call_ended(&mut self, now: Duration, end: CallEnd) {
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
        self.tokens.add(now, tokens);
    }

    /// A try failed.
    pub fn try_failed(&mut self) {
        self.calls.failed_tries += 1;
    }

    /// A completion came from the journal.
    pub fn answered_from_journal(&mut self) {
        self.calls.journaled += 1;
    }

    /// The numbers of this moment.
    pub fn view(&self, now: Duration) -> View {
        let sum = |of: fn(&CategoryCount) -> u64| self.categories.iter().map(of).sum::<u64>();
        let records = sum(|count| count.total);
        let complete = sum(|count| count.complete);
        let done = complete + sum(|count| count.incomplete);
        let pace = self.records.per_second(now);
        let left = records.saturating_sub(done);
        View {
            elapsed_seconds: now.as_secs_f64(),
            records,
            done,
            complete,
            parked_tasks: self.parked,
            success_percent: percent(complete, done),
            eta_seconds: match (left, pace > 0.0) {
                (0, _) => Some(0.0),
                (_, true) => Some(left as f64 / pace),
                (_, false) => None,
            },
            records_per_hour: pace * 3600.0,
            tokens_per_second: self.tokens.per_second(now),
            calls: self.calls,
            components: self.components.clone(),
            categories: self.categories.clone(),
        }
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

/// Amounts over time, remembered for [`RECENT`] only.
#[derive(Debug, Default)]
struct Pace {
    moments: VecDeque<(Duration, u64)>,
}

impl Pace {
    fn add(&mut self, now: Duration, amount: u64) {
        while self
            .moments
            .front()
            .is_some_and(|(at, _)| *at + RECENT < now)
        {
            self.moments.pop_front();
        }
        // A full memory merges what comes within the same step; the sum stays exact.
        let step = RECENT / (MOMENTS as u32);
        match self.moments.back_mut() {
            Some((at, sum)) if now.saturating_sub(*at) < step => *sum += amount,
            _ => self.moments.push_back((now, amount)),
        }
    }

    fn per_second(&self, now: Duration) -> f64 {
        let from = now.saturating_sub(RECENT);
        let sum: u64 = self
            .moments
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(_, amount)| amount)
            .sum();
        let span = now.saturating_sub(from).as_secs_f64();
        if span > 0.0 { sum as f64 / span } else { 0.0 }
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
        statistics.task_ended("frontmatter", TaskEnd::Made);
        statistics.task_ended("text", TaskEnd::Failed);
        statistics.record_ended(Duration::from_secs(1), "metal", RecordEnd::Incomplete);
        statistics.record_ended(Duration::from_secs(2), "wood", RecordEnd::Complete);
        let view = statistics.view(Duration::from_secs(2));
        assert_eq!((view.records, view.done, view.complete), (4, 2, 1));
        assert_eq!(view.success_percent, 50.0);
        assert_eq!(view.totals(), (1, 0, 1));
        assert_eq!(view.eta_seconds, Some(2.0));
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
    fn memory_is_bounded_and_sums_are_exact() {
        let mut pace = Pace::default();
        for step in 0..200_000_u64 {
            pace.add(Duration::from_micros(step * 100), 1);
        }
        assert!(pace.moments.len() <= MOMENTS + 1);
        assert_eq!(pace.per_second(Duration::from_secs(20)), 10_000.0);
    }
}
