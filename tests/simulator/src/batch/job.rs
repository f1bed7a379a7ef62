//! One batch and the stages of its life. Starts no work: it says what is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::fault::BatchFaultKind;
use super::files::Stored;
use super::script::{BatchScript, Wait};

/// The time of a machine and of the world, in seconds.
pub fn now() -> (Instant, u64) {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    (Instant::now(), unix.map_or(0, |time| time.as_secs()))
}
use crate::ledger::Tokens;

/// Where a batch is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Validating,
    Running,
    Finalizing,
    Cancelling,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

impl Stage {
    /// Nothing more happens to the batch.
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Stage::Completed | Stage::Failed | Stage::Expired | Stage::Cancelled
        )
    }
}

/// A line of the input.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it stands in the file.
    pub start: u64,
    pub bytes: u32,
    pub custom_id: Box<str>,
}

/// Why a batch failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    pub code: &'static str,
    pub message: String,
    /// The line that is at fault, from 1.
    pub line: Option<u64>,
    pub param: Option<&'static str>,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub total: u64,
    pub succeeded: u64,
    pub errored: u64,
    pub expired: u64,
    pub cancelled: u64,
}

/// What a validation found.
#[derive(Debug, Default)]
pub struct Checked {
    pub lines: Vec<Line>,
    pub model: Option<String>,
    /// Tokens of all questions.
    pub tokens: u64,
    /// If there are any, the batch fails.
    pub errors: Vec<BatchError>,
}

/// What answering made.
#[derive(Debug, Default)]
pub struct Answered {
    pub counts: Counts,
    pub output: Option<Stored>,
    pub errors: Option<Stored>,
    pub tokens: Tokens,
}

/// What is to be done for a batch next, outside of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Read the input.
    Check,
    /// Answer so many of the lines, and say of the others why they were not.
    Answer { all: bool, end: Stage },
}

/// What a batch is created with.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub owner: String,
    pub input: Stored,
    pub endpoint: String,
    /// The model, where the batch and not the lines name it.
    pub model: Option<String>,
    pub metadata: Value,
    /// Seconds that the results are kept for, as it was told.
    pub keep_results: Option<u64>,
}

/// A batch.
#[derive(Debug)]
pub struct Job {
    pub number: u64,
    pub new: NewJob,
    /// What it was created under.
    pub script: Arc<BatchScript>,
    /// What goes wrong with it as a whole.
    pub fate: Option<BatchFaultKind>,
    pub stage: Stage,
    /// When each stage began, in Unix seconds.
    pub times: BTreeMap<Stage, u64>,
    pub model: Option<String>,
    pub lines: Arc<Vec<Line>>,
    /// Tokens of all questions.
    pub tokens: u64,
    pub errors: Vec<BatchError>,
    pub answered: Option<Answered>,
    shown: u64,
    shown_ended: u64,
    since: Instant,
    told: bool,
    working: bool,
    checked: bool,
}

impl Job {
    /// A batch that begins now.
    pub fn new(
        number: u64,
        new: NewJob,
        script: Arc<BatchScript>,
        fate: Option<BatchFaultKind>,
        now: (Instant, u64),
    ) -> Job {
        Job {
            number,
            model: new.model.clone(),
            new,
            script,
            fate,
            stage: Stage::Validating,
            times: BTreeMap::from([(Stage::Validating, now.1)]),
            lines: Arc::default(),
            tokens: 0,
            errors: Vec::new(),
            answered: None,
            shown: 0,
            shown_ended: 0,
            since: now.0,
            told: false,
            working: false,
            checked: false,
        }
    }

    /// When it was created, in Unix seconds.
    pub fn created(&self) -> u64 {
        self.time(Stage::Validating).unwrap_or_default()
    }

    /// When a stage began, in Unix seconds, if it did.
    pub fn time(&self, stage: Stage) -> Option<u64> {
        self.times.get(&stage).copied()
    }

    /// Somebody is at work for it.
    pub fn is_working(&self) -> bool {
        self.working
    }

    /// Its lines were read and it goes on with them, so they count as enqueued.
    pub fn is_enqueued(&self) -> bool {
        self.checked && !self.stage.is_end()
    }

    /// Counts that it is shown, and says how often it was before, and since its end.
    pub fn show(&mut self) -> (u64, Option<u64>) {
        let since = self.stage.is_end().then_some(self.shown_ended);
        let before = self.shown;
        self.shown += 1;
        self.shown_ended += u64::from(since.is_some());
        (before, since)
    }

    /// The wait of its stage is over, whatever it is.
    pub fn tell(&mut self) {
        self.told = true;
    }

    /// Cancels it; false if it has ended.
    pub fn cancel(&mut self, now: (Instant, u64)) -> bool {
        if self.stage.is_end() {
            return false;
        }
        if self.stage != Stage::Cancelling {
            self.enter(Stage::Cancelling, now);
        }
        true
    }

    /// Goes on as far as time allows, and says what work that needs.
    pub fn step(&mut self, now: (Instant, u64)) -> Option<Task> {
        while !self.working && self.is_over(now.0) {
            let task = match self.stage {
                Stage::Validating => Task::Check,
                Stage::Running if self.answered.is_none() => self.running(),
                Stage::Running => {
                    self.enter(Stage::Finalizing, now);
                    continue;
                }
                Stage::Finalizing => {
                    self.enter(self.end(), now);
                    continue;
                }
                // What was cancelled before it ran has no results at all.
                Stage::Cancelling if self.answered.is_none() && self.checked => Task::Answer {
                    all: false,
                    end: Stage::Cancelled,
                },
                Stage::Cancelling => {
                    self.enter(Stage::Cancelled, now);
                    continue;
                }
                _ => return None,
            };
            self.working = true;
            return Some(task);
        }
        None
    }

    fn running(&self) -> Task {
        let expired = self.fate == Some(BatchFaultKind::Expired);
        Task::Answer {
            all: !expired,
            end: self.end(),
        }
    }

    fn end(&self) -> Stage {
        match self.fate {
            Some(BatchFaultKind::Expired) => Stage::Expired,
            _ => Stage::Completed,
        }
    }

    /// The validation is done.
    pub fn check(&mut self, checked: Checked, now: (Instant, u64)) {
        self.working = false;
        self.lines = Arc::new(checked.lines);
        self.tokens = checked.tokens;
        self.model = checked.model.or(self.model.take());
        self.errors = checked.errors;
        self.checked = self.errors.is_empty();
        if !self.errors.is_empty() {
            self.enter(Stage::Failed, now);
        } else if self.stage == Stage::Validating {
            self.enter(Stage::Running, now);
        }
    }

    /// The lines are answered.
    pub fn answer(&mut self, answered: Answered) {
        self.working = false;
        self.answered = Some(answered);
    }

    fn enter(&mut self, stage: Stage, now: (Instant, u64)) {
        self.stage = stage;
        self.since = now.0;
        self.told = false;
        self.times.insert(stage, now.1);
    }

    fn wait(&self) -> Wait {
        match self.stage {
            Stage::Validating => self.script.pace.validating,
            Stage::Running => self.script.pace.running,
            Stage::Finalizing => self.script.pace.finalizing,
            _ => self.script.pace.cancelling,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.wait() {
            Wait::Milliseconds(wait) => {
                self.told
                    || now.saturating_duration_since(self.since) >= Duration::from_millis(wait)
            }
            Wait::Told => self.told,
        }
    }

    /// What is known of its lines now.
    pub fn counts(&self, now: Instant) -> Counts {
        let total = self.lines.len() as u64;
        match (&self.answered, self.stage) {
            (Some(answered), _) => answered.counts,
            (None, Stage::Running) => Counts {
                total,
                succeeded: self.progress(total, now),
                ..Counts::default()
            },
            _ => Counts {
                total,
                ..Counts::default()
            },
        }
    }

    /// So many lines are said to be answered: as much of them as of the time is over.
    fn progress(&self, total: u64, now: Instant) -> u64 {
        let Wait::Milliseconds(wait) = self.wait() else {
            return 0;
        };
        let passed = now.saturating_duration_since(self.since).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX).min(wait);
        total.saturating_mul(passed).checked_div(wait).unwrap_or(0)
    }

    /// The files of its results, of which there are none before its end.
    pub fn results(&self) -> (Option<&Stored>, Option<&Stored>) {
        match &self.answered {
            Some(answered)
                if self.stage.is_end() && self.fate != Some(BatchFaultKind::FilesMissing) =>
            {
                (answered.output.as_ref(), answered.errors.as_ref())
            }
            _ => (None, None),
        }
    }
}
