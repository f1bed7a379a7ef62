//! Where batches are handed in and asked for. Speaks no protocol.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::fault::{BatchFaultKind, Event, Request, choose};
use super::files::{Files, NewFile, Stored};
use super::job::{BatchError, Checked, Counts, Job, NewJob, Stage, Task, now};
use super::line_faults::LineFaults;
use super::protocol::Protocol;
use super::script::BatchScript;
use super::work::{self, Work, Written};
use crate::chat::hash;
use crate::dialect::Dialect;
use crate::faults::Befallen;
use crate::provider::Provider;

/// Files and batches of a provider.
#[derive(Debug)]
pub struct Desk {
    provider: Arc<Provider>,
    state: Mutex<State>,
    /// A worker is done.
    worked: Condvar,
    lines: LineFaults,
    downloads_stopped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    script: Arc<BatchScript>,
    files: Files,
    jobs: Vec<Job>,
    events: HashMap<Event, u64>,
    requests: BTreeMap<Request, u64>,
}

/// A batch as tests see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// The id that the protocol shows.
    pub id: String,
    pub stage: Stage,
    pub model: Option<String>,
    /// The input's file, where the protocol has files.
    pub input_file: String,
    /// Tokens of its questions.
    pub tokens: u64,
    pub counts: Counts,
}

/// What tests ask of batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchReports {
    /// All batches in the order of their creation.
    pub batches: Vec<BatchReport>,
    /// How often each request was made, refused ones included.
    pub requests: BTreeMap<Request, u64>,
    /// Files that there are, those of results included.
    pub files: usize,
    /// Downloads that have stopped, as the script says.
    pub stopped: u64,
}

/// What is told to end its stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advance {
    /// The batch; all that have not ended if it is not given.
    pub batch: Option<String>,
    /// Go on until it ends.
    pub to_end: bool,
}

impl Desk {
    /// A desk without files and batches.
    pub fn new(provider: Arc<Provider>, script: BatchScript) -> Desk {
        Desk {
            lines: LineFaults::new(provider.seed()),
            provider,
            state: Mutex::new(State {
                script: Arc::new(script),
                ..State::default()
            }),
            worked: Condvar::new(),
            downloads_stopped: AtomicU64::new(0),
        }
    }

    /// Whose model answers the lines, and who bills them.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Whose API is spoken.
    pub fn dialect(&self) -> Dialect {
        self.provider.dialect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the script. What its faults count begins with it.
    pub fn set_script(&self, script: BatchScript) {
        let mut state = self.state();
        state.script = Arc::new(script);
        state.events.clear();
        self.lines.begin_anew();
    }

    /// The script.
    pub fn script(&self) -> Arc<BatchScript> {
        Arc::clone(&self.state().script)
    }

    /// Ends the work of all threads.
    pub fn stop(&self) {
        self.lines.stop();
    }

    /// All that is sent of a file has been sent, and its reader waits for more.
    pub fn download_stopped(&self) {
        self.downloads_stopped.fetch_add(1, Ordering::Relaxed);
    }

    /// What befalls an event that is no line, by the latest script.
    pub fn befall(&self, event: Event) -> Option<BatchFaultKind> {
        let mut state = self.state();
        if let Event::Request(request) = event {
            *state.requests.entry(request).or_default() += 1;
        }
        state.befall(event, None, self.provider.seed())
    }

    /// What befalls a batch that is shown to whoever asks for it: so often before, and so often since its end.
    pub fn befall_shown(&self, (before, since): (u64, Option<u64>)) -> Option<BatchFaultKind> {
        let mut state = self.state();
        let late =
            since.map(|since| state.befall(Event::ShownEnded, Some(since), self.provider.seed()));
        let any = state.befall(Event::Shown, Some(before), self.provider.seed());
        late.flatten().or(any)
    }

    /// Keeps a file.
    pub fn keep(&self, new: NewFile, content: std::fs::File, bytes: u64) -> Stored {
        self.state().files.keep(new, content, bytes, now().1)
    }

    /// Does something with the files.
    pub fn with_files<R>(&self, act: impl FnOnce(&mut Files) -> R) -> R {
        act(&mut self.state().files)
    }

    /// Creates a batch and returns what it is shown as.
    pub fn create<R>(self: &Arc<Self>, new: NewJob, show: impl Fn(&Job) -> R) -> R {
        let now = now();
        let mut state = self.state();
        let fate = state.befall(Event::Batch, None, self.provider.seed());
        let script = Arc::clone(&state.script);
        let number = state.jobs.len() as u64 + 1;
        let job = Job::new(number, new, script, fate, now);
        let shown = show(&job);
        state.jobs.push(job);
        state.settle(self, now);
        shown
    }

    /// Whether the questions of a new batch may wait beside those of the others, for a server that refuses it otherwise.
    pub fn has_room(&self, protocol: Protocol, new: &NewJob) -> bool {
        let script = self.script();
        let limit = script.limits.enqueued_tokens;
        let Some((limit, model)) = limit.zip(new.model.as_deref()) else {
            return true;
        };
        let job = Job::new(0, new.clone(), script, None, now());
        let checked = work::check(&self.lines, &Work::of(&job, protocol));
        let tokens = checked.map_or(0, |checked| checked.tokens);
        self.state().enqueued(model) + tokens <= limit
    }

    /// Shows the batch that satisfies this, if this key made it.
    pub fn find<R>(
        self: &Arc<Self>,
        owner: &str,
        is_it: impl Fn(&Job) -> bool,
        act: impl FnOnce(&mut Job) -> R,
    ) -> Option<R> {
        let mut state = self.state();
        state.settle(self, now());
        let mut jobs = state.jobs.iter_mut();
        let found = jobs.find(|job| job.new.owner == owner && is_it(job));
        let shown = found.map(act);
        // It may have been cancelled just now.
        state.settle(self, now());
        shown
    }

    /// Shows all batches of a key, the newest first.
    pub fn list<R>(self: &Arc<Self>, owner: &str, show: impl FnMut(&Job) -> R) -> Vec<R> {
        let mut state = self.state();
        state.settle(self, now());
        let jobs = state.jobs.iter().rev();
        jobs.filter(|job| job.new.owner == owner)
            .map(show)
            .collect()
    }

    /// Ends stages as a test says. Returns when the work that they need is done.
    ///
    /// # Errors
    /// There is no such batch.
    pub fn advance(self: &Arc<Self>, protocol: Protocol, advance: &Advance) -> Result<(), String> {
        let is_meant = |job: &Job| {
            let named = advance.batch.as_ref();
            named.is_none_or(|id| *id == protocol.id(job)) && !job.stage.is_end()
        };
        let mut state = self.state();
        let named = advance.batch.as_deref().unwrap_or_default();
        if advance.batch.is_some() && !state.jobs.iter().any(|job| protocol.id(job) == named) {
            return Err(format!("there is no batch {named:?}"));
        }
        loop {
            for job in state.jobs.iter_mut().filter(|job| is_meant(job)) {
                job.tell();
            }
            state.settle(self, now());
            while state.jobs.iter().any(Job::is_working) && !self.lines.is_stopped() {
                state = self
                    .worked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.settle(self, now());
            }
            if !advance.to_end || !state.jobs.iter().any(is_meant) || self.lines.is_stopped() {
                return Ok(());
            }
        }
    }

    /// What tests ask of batches.
    pub fn reports(self: &Arc<Self>, protocol: Protocol) -> BatchReports {
        let now = now();
        let mut state = self.state();
        state.settle(self, now);
        let report = |job: &Job| BatchReport {
            id: protocol.id(job),
            stage: job.stage,
            model: job.model.clone(),
            input_file: job.new.input.id.clone(),
            tokens: job.tokens,
            counts: job.counts(now.0),
        };
        BatchReports {
            batches: state.jobs.iter().map(report).collect(),
            requests: state.requests.clone(),
            files: state.files.count(),
            stopped: self.downloads_stopped.load(Ordering::Relaxed),
        }
    }

    /// A validation is done.
    fn checked(&self, protocol: Protocol, number: u64, checked: io::Result<Checked>) {
        let now = now();
        let mut state = self.state();
        let mut checked = checked.unwrap_or_else(failed);
        if checked.errors.is_empty() && protocol.fails_as_a_whole() {
            checked
                .errors
                .extend(state.enqueued_too_much(number, &checked));
        }
        if let Some(job) = state.job(number) {
            job.check(checked, now);
        }
        self.worked.notify_all();
    }

    /// The lines of a batch are answered.
    fn answered(&self, number: u64, written: io::Result<Written>) {
        let now = now().1;
        let mut state = self.state();
        let owner = state.job(number).map(|job| job.new.owner.clone());
        let keep = state.job(number).and_then(|job| job.new.keep_results);
        let mut written = written.unwrap_or_else(|error| {
            // A test must not pass with a hole in its results.
            eprintln!("llm-simulator: cannot write the results of batch {number}: {error}");
            Written::default()
        });
        let mut keep = |file: Option<(std::fs::File, u64)>, what: &str| {
            let (content, bytes) = file?;
            let new = NewFile {
                owner: owner.clone().unwrap_or_default(),
                purpose: "batch_output".to_owned(),
                name: format!("batch_sim{number:06}_{what}.jsonl"),
                expires_after: keep,
            };
            Some(state.files.keep(new, content, bytes, now))
        };
        written.answered.output = keep(written.output.take(), "output");
        written.answered.errors = keep(written.errors.take(), "error");
        if let Some(job) = state.job(number) {
            job.answer(written.answered);
        }
        self.worked.notify_all();
    }
}

/// What a validation found that could not read its input.
fn failed(error: io::Error) -> Checked {
    Checked {
        errors: vec![BatchError {
            code: "server_error",
            message: error.to_string(),
            line: None,
            param: None,
        }],
        ..Checked::default()
    }
}

impl State {
    fn job(&mut self, number: u64) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.number == number)
    }

    /// What befalls an event, which happened so often before to the same batch.
    fn befall(&mut self, event: Event, before: Option<u64>, seed: u64) -> Option<BatchFaultKind> {
        let number = self.events.entry(event).or_default();
        *number += 1;
        let call = Befallen {
            number: *number,
            attempt: before.map_or(*number, |before| before + 1),
            prompt: hash(format!("{event:?} {number}").as_bytes()),
            texts: &[],
        };
        choose(&self.script.faults, event, &call, seed)
    }

    /// Lets time do its work on all batches.
    fn settle(&mut self, desk: &Arc<Desk>, now: (Instant, u64)) {
        let Some(protocol) = Protocol::of(desk.dialect()) else {
            return;
        };
        for job in &mut self.jobs {
            if let Some(task) = job.step(now) {
                begin(Arc::clone(desk), Work::of(job, protocol), task);
            }
        }
    }

    /// The error of a batch that is one too many for the limit of its model.
    fn enqueued_too_much(&self, number: u64, checked: &Checked) -> Option<BatchError> {
        let job = self.jobs.iter().find(|job| job.number == number)?;
        let limit = job.script.limits.enqueued_tokens?;
        let model = checked.model.as_deref()?;
        (self.enqueued(model) + checked.tokens > limit).then(|| work::too_many_tokens(model, limit))
    }

    /// Tokens of the questions of a model that wait or are answered.
    fn enqueued(&self, model: &str) -> u64 {
        let enqueued = self
            .jobs
            .iter()
            .filter(|job| job.is_enqueued() && job.model.as_deref() == Some(model));
        enqueued.map(|job| job.tokens).sum()
    }
}

/// Does the work for a batch on a thread of its own.
fn begin(desk: Arc<Desk>, work: Work, task: Task) {
    std::thread::spawn(move || {
        let (provider, lines) = (&desk.provider, &desk.lines);
        match task {
            Task::Check => {
                let checked = work::check(lines, &work);
                desk.checked(work.protocol, work.number, checked);
            }
            Task::Answer { all, end } => {
                desk.answered(work.number, work::answer(provider, lines, &work, all, end));
            }
        }
    });
}
