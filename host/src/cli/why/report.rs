//! What `batchgen why` says of a task, as JSON and as text.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::program;

/// All that is known of a task.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub record: String,
    pub component: String,
    pub action: &'static str,
    pub reasons: Vec<Detail>,
    /// What a plain `batchgen run` does with it.
    pub next_run: String,
    pub last: Option<Last>,
    pub now: Now,
    pub file: FileReport,
    pub depends_on: Vec<UpstreamReport>,
    pub questions: Option<Questions>,
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
    pub outcome: &'static str,
    pub class: Option<String>,
    pub cause: Option<String>,
    pub run: Option<i64>,
    pub ended_at: Option<String>,
    pub generation: u32,
    /// Of what it was made from, if it ever was.
    pub fingerprint: Option<String>,
    pub plugin_version: Option<String>,
    pub model: Option<String>,
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
    pub state: &'static str,
    /// `model`, `stand-in`, `component` or `person`.
    pub written_by: Option<&'static str>,
    /// When an edit of it was replaced last.
    pub replaced_edit: Option<String>,
}

/// What it depends on.
#[derive(Debug, Serialize)]
pub(super) struct UpstreamReport {
    pub component: String,
    pub path: String,
    pub action: &'static str,
    pub reasons: Vec<String>,
}

/// How far it comes without asking.
#[derive(Debug, Serialize)]
pub(super) struct Questions {
    pub open: u64,
    pub from_journal: u64,
}

/// The report as people read it.
pub(super) fn render(report: &Report) -> String {
    let headline = match report.action {
        "up-to-date" => "up to date",
        "edited" => "edited by hand, and kept",
        "accepted" => "an accepted edit, and kept",
        "kept-from-stand-in" => "written by a real model, and kept",
        "runs" => "to be made",
        "fails" => "to be tried, and failing",
        "depends-on-upstream" => "depends on upstream",
        "stays-failed" => "stays failed",
        other => other,
    };
    let mut text = format!("{} of {}: {headline}\n", report.component, report.record);
    let mut line = |name: &str, value: &str| {
        for (place, part) in value.lines().enumerate() {
            let name = if place == 0 { name } else { "" };
            let _ = writeln!(text, "  {name:<11} {part}");
        }
    };
    let first_ids = |hash: &str| hash.chars().take(12).collect::<String>();
    let reasons: Vec<String> = report
        .reasons
        .iter()
        .map(|detail| match (&detail.from, &detail.to) {
            // A change of model or version says both sides by itself.
            (Some(from), Some(to)) if !detail.reason.contains(from) => {
                format!("{}, from {from} to {to}", detail.reason)
            }
            (None, Some(to)) => format!("{}, now {to}", detail.reason),
            (Some(from), None) => format!("{}, before {from}", detail.reason),
            _ => detail.reason.clone(),
        })
        .collect();
    let why = match (report.action, reasons.is_empty()) {
        (_, false) => reasons.join("\n"),
        ("up-to-date", true) => "nothing that it is made from changed".to_owned(),
        ("edited", true) => "the file is not what was written".to_owned(),
        (_, true) => report.next_run.clone(),
    };
    line("why", &why);
    line("next run", &report.next_run);
    match &report.last {
        None => line("last", "it never ran"),
        Some(last) => line("last", &ended(last)),
    }
    let state = match report.file.state {
        "intact" => "as it was written",
        "missing" => "not there",
        _ => "not as it was written",
    };
    let author = match report.file.written_by {
        Some("stand-in") => ", by the offline stand-in: a placeholder",
        Some("model") => ", by a real model",
        Some("person") => ", an edit that was accepted",
        _ => "",
    };
    line("file", &format!("{}, {state}{author}", report.file.path));
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
    let print = now
        .fingerprint
        .as_deref()
        .map_or_else(|| "unknown until upstream is made".to_owned(), first_ids);
    let before = report.last.as_ref().and_then(|last| {
        let before = last.fingerprint.as_deref().map(first_ids)?;
        (before != print).then_some(before)
    });
    let print = match before {
        Some(before) => format!("{before}, now {print}"),
        None => print,
    };
    line("fingerprint", &print);
    let generation = match &report.last {
        Some(last) if last.generation != now.generation => {
            format!("{}, now {}", last.generation, now.generation)
        }
        _ => now.generation.to_string(),
    };
    line("generation", &generation);
    let before = report
        .last
        .as_ref()
        .and_then(|last| last.plugin_version.as_ref());
    let version = match before.filter(|version| **version != now.plugin_version) {
        Some(before) => format!("{before}, now {}", now.plugin_version),
        None => now.plugin_version.clone(),
    };
    line("plugin", &format!("{} {version}", now.plugin));
    if let Some(model) = &now.model {
        line("model", model);
    }
    for upstream in &report.depends_on {
        let reasons = if upstream.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", upstream.reasons.join(", "))
        };
        let stands = upstream.action.replace('-', " ");
        line(
            "depends on",
            &format!("{}: {stands}{reasons}", upstream.component),
        );
    }
    if let Some(questions) = &report.questions {
        let text = format!(
            "{} to ask, {} answered by the journal",
            questions.open, questions.from_journal
        );
        line("questions", &text);
    }
    text
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
    if last.outcome == "done" && last.executions == 0 {
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
    let took = format!(
        "{}, {}, {} tokens in, {} out{model}",
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
    format!("{}{class}{run}{time}: {took}{cause}", last.outcome)
}
