//! The statistics of a run in the making, shared by those who count and those who show.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::sampled::NotSampled;
pub use crate::statistics::Again;
use crate::statistics::{
    BatchView, CallEnd, Detail, Failed, FailureKind, RecordEnd, Statistics, View, WorkerView,
};
use dataset::Record;
use gateway::error::CallError;
use gateway::lane::{LaneView, Observer, Spent};
use plan::decision::TaskEnd;
use plan::decision::{Author, Kept};
use store::{BadRecord, ParkedEnds};
use types::class::FailureClass;

/// Records of the dataset that cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Unreadable {
    pub count: u64,
    /// The first of them.
    pub first: Vec<BadRecord>,
}

/// What a person watching would want to be told at once.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task failed for good, or for now.
    TaskFailed {
        /// Id of the record.
        record: String,
        /// Name of the component.
        component: String,
        class: FailureClass,
        cause: String,
        /// What tries it again.
        again: Again,
    },
    /// A file was found edited and is kept.
    Edited {
        /// Path of the file below the output directory.
        path: String,
    },
    /// A file is there, and nobody gets it until a person decides.
    Held {
        /// Id of the record.
        record: String,
        /// Name of the component.
        component: String,
        cause: String,
    },
    /// A record ended, complete or not.
    RecordEnded,
    /// Something about the run as a whole.
    Note(String),
}

/// What a worker tells of the tasks of a record, to be counted where the run is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    TaskFailed {
        component: String,
        class: FailureClass,
        cause: String,
        again: Again,
    },
    /// The task failed, and not for a passing cause.
    Repeats {
        component: String,
        class: FailureClass,
        cause: String,
        is_paid: bool,
    },
    AttemptEnded {
        component: String,
        calls: u32,
        micros: u64,
    },
    FileKept {
        kept: Kept,
        author: Option<Author>,
    },
    Edited {
        path: String,
    },
    Held {
        component: String,
        cause: String,
    },
    Note(String),
}

/// Counts, and tells.
pub struct Meter {
    start: Instant,
    statistics: Mutex<Statistics>,
    events: UnboundedSender<Event>,
    /// What is told elsewhere, and not counted here.
    reports: Option<Mutex<Vec<Report>>>,
}

impl Meter {
    /// Starts at zero.
    pub fn new(events: UnboundedSender<Event>) -> Meter {
        Meter {
            start: Instant::now(),
            statistics: Mutex::new(Statistics::new(&[], &[])),
            events,
            reports: None,
        }
    }

    /// Counts nothing, and keeps what it is told of a record for the machine whose run it is.
    pub(super) fn reporting() -> Meter {
        let (events, _) = unbounded_channel();
        Meter {
            reports: Some(Mutex::default()),
            ..Meter::new(events)
        }
    }

    /// What it was told, in its order.
    pub(super) fn take_reports(&self) -> Vec<Report> {
        let reports = self.reports.as_ref();
        let reports = reports.map(|reports| reports.lock().unwrap_or_else(PoisonError::into_inner));
        reports
            .map(|mut reports| std::mem::take(&mut *reports))
            .unwrap_or_default()
    }

    /// Keeps a report, if it is for another machine; otherwise gives it back.
    pub(super) fn report(&self, report: Report) -> Option<Report> {
        let Some(reports) = &self.reports else {
            return Some(report);
        };
        let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(report);
        None
    }

    /// Sets what there is to do.
    pub(super) fn expect(
        &self,
        components: &[String],
        categories: &[(String, u64)],
        left_out: &[NotSampled],
    ) {
        let mut statistics = Statistics::new(components, categories);
        for one in left_out {
            statistics.not_sampled(&one.category, &one.component, one.records);
        }
        *self.lock() = statistics;
    }

    /// Counts records of the dataset that cannot be read, and shows the first with what failed.
    pub(super) fn unreadable(&self, unreadable: &Unreadable) {
        let mut statistics = self.lock();
        for record in unreadable.first.iter().rev() {
            let line = record
                .line
                .map_or_else(String::new, |line| format!("line {line}"));
            statistics.task_failed(Failed {
                record: record.id.as_deref().unwrap_or(&line),
                category: "",
                component: "dataset",
                class: FailureClass::Record,
                cause: &record.cause,
                again: Again::Rerun,
            });
        }
        statistics.unreadable(unreadable.count);
    }

    /// The numbers of this moment.
    pub fn view(&self) -> View {
        self.lock().view(self.start.elapsed())
    }

    /// What is worth a look besides the numbers.
    pub fn detail(&self) -> Detail {
        self.lock().detail(self.start.elapsed())
    }

    /// What has failed and was not made since, gathered by component and cause.
    pub fn failure_kinds(&self) -> Vec<FailureKind> {
        self.lock().failure_kinds()
    }

    /// Notes how far lanes use their limits.
    pub fn lanes_used(&self, lanes: &[LaneView]) {
        let now = self.start.elapsed();
        let mut statistics = self.lock();
        for lane in lanes {
            statistics.lane_used(now, &lane.model, lane.used_percent());
        }
    }

    pub(super) fn task_ended(&self, category: &str, component: &str, end: TaskEnd) {
        let now = self.start.elapsed();
        self.lock().task_ended(now, category, component, end);
    }

    /// An attempt at a task ended, and took so many answers and millionths of a dollar.
    pub(super) fn attempt_ended(&self, component: &str, calls: u32, micros: u64) {
        if self.reports.is_some() {
            let component = component.to_owned();
            self.report(Report::AttemptEnded {
                component,
                calls,
                micros,
            });
            return;
        }
        self.lock().attempt_ended(component, calls.into(), micros);
    }

    /// A file was kept; counted where a person should know who wrote it.
    pub(super) fn file_kept(&self, kept: Kept, author: Option<Author>) {
        if kept != Kept::UpToDate || author == Some(Author::StandIn) {
            if self.reports.is_some() {
                self.report(Report::FileKept { kept, author });
                return;
            }
            self.lock().file_kept(kept, author);
        }
    }

    /// An artifact was made, by the offline stand-in or not; `again` if the task failed before in this run.
    pub(super) fn artifact_made(
        &self,
        record: &str,
        component: &str,
        by_stand_in: bool,
        again: bool,
    ) {
        let mut statistics = self.lock();
        statistics.artifact_made(record, component, by_stand_in);
        if again {
            statistics.task_mended(record, component);
        }
    }

    /// A task failed, for good or for now: counts it, and tells.
    pub(super) fn task_failed(
        &self,
        record: &Record,
        component: &str,
        class: FailureClass,
        cause: &str,
        again: Again,
    ) {
        if self.reports.is_some() {
            self.report(Report::TaskFailed {
                component: component.to_owned(),
                class,
                cause: cause.to_owned(),
                again,
            });
            return;
        }
        self.lock().task_failed(Failed {
            record: &record.id,
            category: &record.category,
            component,
            class,
            cause,
            again,
        });
        self.tell(Event::TaskFailed {
            record: record.id.clone(),
            component: component.to_owned(),
            class,
            cause: cause.to_owned(),
            again,
        });
    }

    /// A file is there and is held: nobody gets it until a person decides, or it is made anew.
    pub(super) fn task_held(&self, record: &Record, component: &str, cause: &str) {
        if self.reports.is_some() {
            self.report(Report::Held {
                component: component.to_owned(),
                cause: cause.to_owned(),
            });
            return;
        }
        self.lock().task_held(component);
        self.tell(Event::Held {
            record: record.id.clone(),
            component: component.to_owned(),
            cause: cause.to_owned(),
        });
    }

    /// All that is parked is tried again now; what fails again is told again.
    pub(super) fn sweep_begins(&self) {
        self.lock().sweep_begins();
    }

    pub(super) fn tasks_parked(&self, change: i64) {
        self.lock().tasks_parked(change);
    }

    pub(super) fn batches_are(&self, batches: Vec<BatchView>) {
        self.lock().batches_are(batches);
    }

    /// Tells those who watch.
    pub fn note(&self, event: Event) {
        self.tell(event);
    }

    /// The other machines that perform records.
    pub fn workers_are(&self, workers: Vec<WorkerView>) {
        self.lock().workers_are(workers);
    }

    pub(super) fn tasks_waiting(&self, change: i64) {
        self.lock().tasks_waiting(change);
    }

    /// What was parked stays failed: it was tried again, and that gained nothing.
    pub(super) fn parked_failed(&self, ends: &ParkedEnds) {
        let now = self.start.elapsed();
        let mut statistics = self.lock();
        for (category, component, end, count) in &ends.tasks {
            for _ in 0..*count {
                statistics.task_ended(now, category, component, *end);
            }
            statistics.tasks_parked(-i64::try_from(*count).unwrap_or(i64::MAX));
        }
        for (category, count) in &ends.records {
            for _ in 0..*count {
                statistics.record_ended(now, category, RecordEnd::Incomplete);
            }
        }
    }

    pub(super) fn record_ended(&self, category: &str, end: RecordEnd) {
        self.lock()
            .record_ended(self.start.elapsed(), category, end);
        self.tell(Event::RecordEnded);
    }

    pub(super) fn tell(&self, event: Event) {
        if self.reports.is_some() {
            match event {
                Event::Edited { path } => self.report(Report::Edited { path }),
                Event::Note(note) => self.report(Report::Note(note)),
                // Told where they are counted.
                Event::TaskFailed { .. } | Event::Held { .. } | Event::RecordEnded => None,
            };
            return;
        }
        // Nobody watching is no reason to stop.
        let _ = self.events.send(event);
    }

    fn lock(&self) -> MutexGuard<'_, Statistics> {
        self.statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Meter {
    fn call_ended(&self, flow: &str, spent: Spent) {
        let now = self.start.elapsed();
        let end = CallEnd {
            input_tokens: spent.usage.input_tokens,
            cached_tokens: spent.usage.cached_tokens,
            cache_write_tokens: spent.usage.cache_write_tokens,
            output_tokens: spent.usage.output_tokens,
            micros: spent.micros,
            again: spent.again,
        };
        self.lock().call_ended(now, flow, end);
    }

    fn try_failed(&self, model: &str, error: &CallError) {
        tracing::debug!(model, class = %error.class, "{}", error.message);
        self.lock().try_failed();
    }

    fn journaled(&self) {
        self.lock().answered_from_journal();
    }

    fn learned(&self, model: &str, what: &str) {
        self.tell(Event::Note(format!("{model}: {what} from now on")));
    }

    fn endpoint_changed(&self, lane: &str, what: &str) {
        self.tell(Event::Note(format!("{lane}: {what}")));
    }
}
