//! Where batches are handed in and asked for. Speaks no protocol.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::fault::{BatchFaultKind, Event, Request, choose};
use super::files::{Files, NewFile, Stored};
use super::job::{BatchError, Checked, Counts, Job, NewJob, Stage, Task};
use super::lines::Protocol;
use super::script::BatchScript;
use super::work::{self, Work, Written};
use crate::chat::{Chat, hash};
use crate::faults::Befallen;
use crate::provider::Provider;

/// Files and batches of a provider.
#[derive(Debug)]
pub struct Desk {
    seed: u64,
    state: Mutex<State>,
    /// A worker is done.
    worked: Condvar,
    stopped: AtomicBool,
    checked: AtomicU64,
    lines: AtomicU64,
    downloads_stopped: AtomicU64,
    attempts: Mutex<HashMap<(u128, bool), u64>>,
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

/// The time of a machine and of the world, in seconds.
pub fn now() -> (Instant, u64) {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    (Instant::now(), unix.map_or(0, |time| time.as_secs()))
}

impl Desk {
    /// A desk without files and batches.
    pub fn new(script: BatchScript, seed: u64) -> Desk {
        Desk {
            seed,
            state: Mutex::new(State {
                script: Arc::new(script),
                ..State::default()
            }),
            worked: Condvar::new(),
            stopped: AtomicBool::new(false),
            checked: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            downloads_stopped: AtomicU64::new(0),
            attempts: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the script. What its faults count begins with it.
    pub fn set_script(&self, script: BatchScript) {
        let mut state = self.state();
        state.script = Arc::new(script);
        state.events.clear();
        self.attempts().clear();
        self.checked.store(0, Ordering::Relaxed);
        self.lines.store(0, Ordering::Relaxed);
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<(u128, bool), u64>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The script.
    pub fn script(&self) -> Arc<BatchScript> {
        Arc::clone(&self.state().script)
    }

    /// Ends the work of all threads.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Nobody wants the work any more.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// All that is sent of a file has been sent, and its reader waits for more.
    pub fn download_stopped(&self) {
        self.downloads_stopped.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the next line that is validated.
    pub fn next_checked(&self) -> u64 {
        self.checked.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the first of so many lines that are answered.
    pub fn next_lines(&self, count: usize) -> u64 {
        self.lines.fetch_add(count as u64, Ordering::Relaxed) + 1
    }

    /// What befalls a line.
    pub fn befall_line(
        &self,
        script: &BatchScript,
        event: Event,
        number: u64,
        chat: &Chat,
    ) -> Option<BatchFaultKind> {
        if script.faults.is_empty() {
            return None;
        }
        let texts: Vec<&str> = chat
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        let mut attempts = self.attempts();
        let attempt = attempts
            .entry((chat.prompt, event == Event::Line))
            .or_default();
        *attempt += 1;
        let call = Befallen {
            number,
            attempt: *attempt,
            prompt: chat.prompt,
            texts: &texts,
        };
        choose(&script.faults, event, &call, self.seed)
    }

    /// What befalls an event that is no line, by the latest script.
    pub fn befall(&self, event: Event) -> Option<BatchFaultKind> {
        let mut state = self.state();
        if let Event::Request(request) = event {
            *state.requests.entry(request).or_default() += 1;
        }
        state.befall(event, None, self.seed)
    }

    /// What befalls a batch that is shown to whoever asks for it: so often before, and so often since its end.
    pub fn befall_shown(&self, (before, since): (u64, Option<u64>)) -> Option<BatchFaultKind> {
        let mut state = self.state();
        let late = since.map(|since| state.befall(Event::ShownEnded, Some(since), self.seed));
        let any = state.befall(Event::Shown, Some(before), self.seed);
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
    pub fn create<R>(&self, provider: &Arc<Provider>, new: NewJob, show: impl Fn(&Job) -> R) -> R {
        let now = now();
        let mut state = self.state();
        let fate = state.befall(Event::Batch, None, self.seed);
        let script = Arc::clone(&state.script);
        let number = state.jobs.len() as u64 + 1;
        let job = Job::new(number, new, script, fate, now);
        let shown = show(&job);
        state.jobs.push(job);
        state.settle(provider, now);
        shown
    }

    /// Shows the batch that satisfies this, if this key made it.
    pub fn find<R>(
        &self,
        provider: &Arc<Provider>,
        owner: &str,
        is_it: impl Fn(&Job) -> bool,
        act: impl FnOnce(&mut Job) -> R,
    ) -> Option<R> {
        let mut state = self.state();
        state.settle(provider, now());
        let mut jobs = state.jobs.iter_mut();
        let found = jobs.find(|job| job.new.owner == owner && is_it(job));
        let shown = found.map(act);
        // It may have been cancelled just now.
        state.settle(provider, now());
        shown
    }

    /// Shows all batches of a key, the newest first.
    pub fn list<R>(
        &self,
        provider: &Arc<Provider>,
        owner: &str,
        show: impl FnMut(&Job) -> R,
    ) -> Vec<R> {
        let mut state = self.state();
        state.settle(provider, now());
        let jobs = state.jobs.iter().rev();
        jobs.filter(|job| job.new.owner == owner)
            .map(show)
            .collect()
    }

    /// Ends stages as a test says. Returns when the work that they need is done.
    ///
    /// # Errors
    /// There is no such batch.
    pub fn advance(
        &self,
        provider: &Arc<Provider>,
        protocol: Protocol,
        advance: &Advance,
    ) -> Result<(), String> {
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
            state.settle(provider, now());
            while state.jobs.iter().any(Job::is_working) && !self.is_stopped() {
                state = self
                    .worked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.settle(provider, now());
            }
            if !advance.to_end || !state.jobs.iter().any(is_meant) || self.is_stopped() {
                return Ok(());
            }
        }
    }

    /// What tests ask of batches.
    pub fn reports(&self, provider: &Arc<Provider>, protocol: Protocol) -> BatchReports {
        let now = now();
        let mut state = self.state();
        state.settle(provider, now);
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
    fn settle(&mut self, provider: &Arc<Provider>, now: (Instant, u64)) {
        let Some(protocol) = Protocol::of(provider.dialect()) else {
            return;
        };
        for job in &mut self.jobs {
            if let Some(task) = job.step(now) {
                begin(Arc::clone(provider), Work::of(job, protocol), task);
            }
        }
    }

    /// The error of a batch that is one too many for the limit of its model.
    fn enqueued_too_much(&self, number: u64, checked: &Checked) -> Option<BatchError> {
        let job = self.jobs.iter().find(|job| job.number == number)?;
        let limit = job.script.limits.enqueued_tokens?;
        let model = checked.model.as_deref()?;
        let others = self
            .jobs
            .iter()
            .filter(|job| job.is_enqueued() && job.model.as_deref() == Some(model));
        let enqueued: u64 = others.map(|job| job.tokens).sum();
        (enqueued + checked.tokens > limit).then(|| work::too_many_tokens(model, limit))
    }
}

/// Does the work for a batch on a thread of its own.
fn begin(provider: Arc<Provider>, work: Work, task: Task) {
    std::thread::spawn(move || {
        let desk = provider.desk();
        match task {
            Task::Check => desk.checked(work.protocol, work.number, work::check(&provider, &work)),
            Task::Answer { all, end } => {
                desk.answered(work.number, work::answer(&provider, &work, all, end));
            }
        }
    });
}
