//! What `batchgen why` says of a task, as JSON and as text.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::numbers::duration;
use super::super::program;
use engine::PlannedAction;
use engine::statistics::BatchView;
use gateway::found::unix_time;
use plan::decision::{Author, FileState, OutcomeKind};
use types::class::FailureClass;

/// What a run would do with a task, without the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    UpToDate,
    Edited,
    Accepted,
    KeptFromStandIn,
    Runs,
    Fails,
    StaysFailed,
    DependsOnUpstream,
    Blocked,
    Skipped,
    Unreadable,
    NotSampled,
}

impl From<&PlannedAction> for Action {
    fn from(action: &PlannedAction) -> Action {
        match action {
            PlannedAction::UpToDate => Action::UpToDate,
            PlannedAction::Edited => Action::Edited,
            PlannedAction::Accepted => Action::Accepted,
            PlannedAction::FromModel => Action::KeptFromStandIn,
            PlannedAction::Runs => Action::Runs,
            PlannedAction::Fails(_) => Action::Fails,
            PlannedAction::StaysFailed(_) => Action::StaysFailed,
            PlannedAction::DependsOnUpstream => Action::DependsOnUpstream,
            PlannedAction::Blocked { .. } => Action::Blocked,
            PlannedAction::Skipped { .. } => Action::Skipped,
            PlannedAction::Unreadable { .. } => Action::Unreadable,
            PlannedAction::NotSampled(_) => Action::NotSampled,
        }
    }
}

impl Action {
    /// How the task stands, in a few words.
    fn headline(self) -> &'static str {
        match self {
            Action::UpToDate => "up to date",
            Action::Edited => "edited by hand, and kept",
            Action::Accepted => "an accepted edit, and kept",
            Action::KeptFromStandIn => "written by a real model, and kept",
            Action::Runs => "to be made",
            Action::Fails => "to be tried, and failing",
            Action::StaysFailed => "stays failed",
            Action::DependsOnUpstream => "depends on upstream",
            Action::Blocked => "blocked",
            Action::Skipped => "skipped",
            Action::Unreadable => "unreadable",
            Action::NotSampled => "not in the sample",
        }
    }
}

/// All that is known of a task.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub record: String,
    pub component: String,
    pub action: Action,
    pub reasons: Vec<Detail>,
    /// What a plain `batchgen run` does with it.
    pub next_run: String,
    pub last: Option<Last>,
    pub now: Now,
    pub file: FileReport,
    pub depends_on: Vec<UpstreamReport>,
    pub questions: Option<Questions>,
    /// The batches that have its questions.
    pub batches: Vec<BatchView>,
    /// Questions that wait for the next batch.
    pub queued: u64,
    /// What was said about its files, the oldest first.
    pub verdicts: Vec<Said>,
}

/// What was said about a file.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    /// Whether it was said of the file as it is now.
    pub is_of_this_file: bool,
    pub given_at: String,
    pub verdict: Value,
    #[serde(skip)]
    pub in_words: String,
}

/// A reason, with what it leads from and to, where that is known.
#[derive(Debug, Serialize)]
pub(super) struct Detail {
    pub reason: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// How it ended last.
#[derive(Debug, Serialize)]
pub(super) struct Last {
    pub outcome: OutcomeKind,
    pub class: Option<FailureClass>,
    pub cause: Option<String>,
    pub run: Option<i64>,
    pub ended_at: Option<String>,
    pub generation: u32,
    /// Of what it was made from, if it ever was.
    pub fingerprint: Option<String>,
    pub plugin_version: Option<String>,
    pub model: Option<String>,
    /// The worker that performed it, where that was another machine.
    pub worker: Option<String>,
    pub executions: u32,
    pub calls: u32,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// What it would be made from now.
#[derive(Debug, Serialize)]
pub(super) struct Now {
    pub generation: u32,
    pub fingerprint: Option<String>,
    pub plugin: String,
    pub plugin_version: String,
    pub model: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    pub path: String,
    #[serde(serialize_with = "file_state")]
    pub state: FileState,
    #[serde(serialize_with = "author")]
    pub written_by: Option<Author>,
    /// When an edit of it was replaced last.
    pub replaced_edit: Option<String>,
}

/// What it depends on.
#[derive(Debug, Serialize)]
pub(super) struct UpstreamReport {
    pub component: String,
    pub path: String,
    pub action: Action,
    pub reasons: Vec<String>,
}

/// How far it comes without asking.
#[derive(Debug, Serialize)]
pub(super) struct Questions {
    pub open: u64,
    pub from_journal: u64,
}

fn file_state<S: Serializer>(state: &FileState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match state {
        FileState::Intact => "intact",
        FileState::Missing => "missing",
        FileState::Edited => "edited",
    })
}

fn author<S: Serializer>(author: &Option<Author>, serializer: S) -> Result<S::Ok, S::Error> {
    author.map(Author::as_str).serialize(serializer)
}

/// The report as people read it.
pub(super) fn render(report: &Report) -> String {
    let mut text = format!(
        "{} of {}: {}\n",
        report.component,
        report.record,
        report.action.headline()
    );
    let mut line = |name: &str, value: &str| {
        for (place, part) in value.lines().enumerate() {
            let name = if place == 0 { name } else { "" };
            let _ = writeln!(text, "  {name:<11} {part}");
        }
    };
    line("why", &why(report));
    line("next run", &report.next_run);
    let last = report.last.as_ref();
    line(
        "last",
        &last.map_or_else(|| "it never ran".to_owned(), ended),
    );
    line("file", &file(&report.file));
    if let Some(time) = &report.file.replaced_edit {
        let text = format!(
            "an edit of it was replaced, {time}; `{} accept --restore --record {} --component {}` puts it back",
            program::name(),
            report.record,
            report.component
        );
        line("edit", &text);
    }
    let now = &report.now;
    line("fingerprint", &fingerprint(last, now));
    let generation = last.map(|last| last.generation.to_string());
    line(
        "generation",
        &before_and_now(generation, now.generation.to_string()),
    );
    let version = last.and_then(|last| last.plugin_version.clone());
    let version = before_and_now(version, now.plugin_version.clone());
    line("plugin", &format!("{} {version}", now.plugin));
    if let Some(model) = &now.model {
        line("model", model);
    }
    for upstream in &report.depends_on {
        line("depends on", &depends_on(upstream));
    }
    if let Some(questions) = &report.questions {
        let text = format!(
            "{} to ask, {} answered by the journal",
            questions.open, questions.from_journal
        );
        line("questions", &text);
    }
    for batch in &report.batches {
        line("batch", &in_batch(batch));
    }
    if report.queued > 0 {
        let text = format!("{} for the next batch", waits(report.queued));
        line("batch", &text);
    }
    for said in &report.verdicts {
        let of = match said.is_of_this_file {
            true => "",
            false => "of an earlier version: ",
        };
        line(
            "verdict",
            &format!("{of}{}, {}", said.in_words, said.given_at),
        );
    }
    text
}

fn waits(questions: u64) -> String {
    match questions {
        1 => "1 question waits".to_owned(),
        many => format!("{many} questions wait"),
    }
}

fn in_batch(batch: &BatchView) -> String {
    let since = batch.sent_at.unwrap_or(batch.formed_at);
    let age = duration(unix_time().saturating_sub(since) as f64);
    let id = batch.id.as_ref().map(|id| format!(", {id}"));
    let note = batch.note.as_ref().map(|note| format!("\n{note}"));
    format!(
        "{}{}: {}, {age} old, {} questions{}",
        batch.name,
        id.unwrap_or_default(),
        batch.word.as_ref().unwrap_or(&batch.state),
        batch.questions,
        note.unwrap_or_default()
    )
}

fn why(report: &Report) -> String {
    let reasons: Vec<String> = report.reasons.iter().map(reason).collect();
    match (report.action, reasons.is_empty()) {
        (_, false) => reasons.join("\n"),
        (Action::UpToDate, true) => "nothing that it is made from changed".to_owned(),
        (Action::Edited, true) => "the file is not what was written".to_owned(),
        (_, true) => report.next_run.clone(),
    }
}

fn reason(detail: &Detail) -> String {
    match (&detail.from, &detail.to) {
        // A change of model or version says both sides by itself.
        (Some(from), Some(to)) if !detail.reason.contains(from) => {
            format!("{}, from {from} to {to}", detail.reason)
        }
        (None, Some(to)) => format!("{}, now {to}", detail.reason),
        (Some(from), None) => format!("{}, before {from}", detail.reason),
        _ => detail.reason.clone(),
    }
}

fn file(file: &FileReport) -> String {
    let state = match file.state {
        FileState::Intact => "as it was written",
        FileState::Missing => "not there",
        FileState::Edited => "not as it was written",
    };
    let author = match file.written_by {
        Some(Author::StandIn) => ", by the offline stand-in: a placeholder",
        Some(Author::Model) => ", by a real model",
        Some(Author::Person) => ", an edit that was accepted",
        Some(Author::Component) | None => "",
    };
    format!("{}, {state}{author}", file.path)
}

fn fingerprint(last: Option<&Last>, now: &Now) -> String {
    let first_ids = |hash: &str| hash.chars().take(12).collect::<String>();
    let before = last.and_then(|last| last.fingerprint.as_deref().map(first_ids));
    let now = now
        .fingerprint
        .as_deref()
        .map_or_else(|| "unknown until upstream is made".to_owned(), first_ids);
    before_and_now(before, now)
}

/// What something is now, and what it was where that differs.
fn before_and_now(before: Option<String>, now: String) -> String {
    match before.filter(|before| *before != now) {
        Some(before) => format!("{before}, now {now}"),
        None => now,
    }
}

fn depends_on(upstream: &UpstreamReport) -> String {
    let stands = upstream.action.headline();
    if upstream.reasons.is_empty() {
        return format!("{}: {stands}", upstream.component);
    }
    let reasons = upstream.reasons.join(", ");
    format!("{}: {stands} ({reasons})", upstream.component)
}

fn number(count: u32, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn ended(last: &Last) -> String {
    let time = last
        .ended_at
        .as_ref()
        .map(|time| format!(", {time}"))
        .unwrap_or_default();
    if last.outcome == OutcomeKind::Done && last.executions == 0 {
        return format!("accepted as it was edited{time}");
    }
    let class = last
        .class
        .as_ref()
        .map(|class| format!(" ({class})"))
        .unwrap_or_default();
    let run = last
        .run
        .map(|run| format!(" in run {run}"))
        .unwrap_or_default();
    let model = last
        .model
        .as_ref()
        .map(|model| format!(", answered by {model}"))
        .unwrap_or_default();
    let worker = last
        .worker
        .as_ref()
        .map(|worker| format!(", performed by the worker {worker}"))
        .unwrap_or_default();
    let took = format!(
        "{}, {}, {} tokens in, {} out{model}{worker}",
        number(last.executions, "execution"),
        number(last.calls, "answer"),
        last.input_tokens,
        last.output_tokens
    );
    let cause = last
        .cause
        .as_ref()
        .map(|cause| format!("\n{cause}"))
        .unwrap_or_default();
    format!("{}{class}{run}{time}: {took}{cause}", last.outcome.as_str())
}
