//! `batchgen replay`: one task again, offline, from what it was told. It reads, and changes nothing.

use std::fmt::Write as _;

use clap::Args;
use similar::TextDiff;

use super::args::ProjectArgs;
use super::display::{Display, say};
use super::exit::{Exit, Failure};
use super::project::{Project, State};
use dataset::Record;
use engine::{Place, Recorded, RecordedEnd, recorded};
use store::Selection;
use types::render::render;
use types::request::{Answer, CompletionRequest, ResponseFormat};

/// Run one task again, offline, from its transcript. Shows whether it gives the same file, or how it fails.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen replay oak text
  batchgen replay oak text --prompts    # with questions and answers

Exit codes: 0 the same bytes, 3 it failed, or gives other bytes than the file has.")]
pub(super) struct ReplayArgs {
    /// Id of the record
    record: String,
    /// Name of the component
    component: String,
    /// Show what the model was asked, and what it answered
    #[arg(long)]
    prompts: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ReplayArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let component = project.component(&args.component)?;
    let state = State::read(&project)?;
    let record = record(&project, &state, &args.record)?;
    let config = &project.settings.config;
    let place = Place {
        store: state.store.clone(),
        indexed: &state.indexed,
        dataset: project.dataset.clone(),
        site: config.site.clone(),
        output_root: config.output.directory.clone(),
        components: &project.components,
    };
    let replayed = recorded(place, component, &record).map_err(Failure::internal)?;
    let Some(replayed) = replayed else {
        return Err(Failure::usage(anyhow::anyhow!(
            "`{}` was never run for `{}`\nhint: `batchgen run --component {} --record {}` does",
            component.name,
            record.id,
            component.name,
            record.id
        )));
    };
    let (text, exit) = render_all(&replayed, args.prompts);
    if exit != Exit::Done || args.prompts || !display.is_quiet() {
        say(&text);
    }
    Ok(exit)
}

/// The record by its place; or, where the dataset has changed since it was indexed, by its id.
fn record(project: &Project, state: &State, id: &str) -> Result<Record, Failure> {
    let State { store, indexed } = state;
    let known = store.find_record(indexed, id).map_err(Failure::internal)?;
    let there = known.and_then(|known| project.dataset.read(known.place).ok());
    if let Some(record) = there.filter(|record| record.id == id) {
        return Ok(record);
    }
    for (_, record) in project.dataset.entries().flatten() {
        if record.id == id {
            return Ok(record);
        }
    }
    // For the error, with what was probably meant.
    state.select(&Selection {
        records: vec![id.to_owned()],
        ..Selection::default()
    })?;
    Err(Failure::usage(anyhow::anyhow!(
        "there is no record `{id}` in the dataset any more\nhint: its tasks are still in the state (docs/STATE.md)"
    )))
}

fn render_all(replayed: &Recorded, prompts: bool) -> (String, Exit) {
    let mut text = String::new();
    if prompts {
        for (number, (request, answer)) in (1..).zip(&replayed.told) {
            let _ = writeln!(text, "=== question {number}");
            question(&mut text, request);
            self::answer(&mut text, answer);
        }
    }
    for line in &replayed.log {
        let _ = writeln!(text, "{:5} {}", line.level, line.message);
    }
    if replayed.changed {
        text.push_str("note: what it is made from has changed since it ran, so it may ask and give other things\n");
    }
    let exit = match &replayed.end {
        RecordedEnd::Made(made) => compare(&mut text, replayed, made),
        RecordedEnd::Failed(failure) => {
            let _ = writeln!(text, "failed: {failure}");
            Exit::Partial
        }
        RecordedEnd::Unanswered(request) => {
            let _ = writeln!(
                text,
                "stopped: question {} was never answered",
                replayed.told.len() + 1
            );
            if prompts {
                question(&mut text, request);
            }
            Exit::Partial
        }
        RecordedEnd::Differs(request) => {
            let _ = writeln!(
                text,
                "stopped: question {} is not the one that was asked",
                replayed.told.len() + 1
            );
            if prompts {
                question(&mut text, request);
            }
            Exit::Partial
        }
    };
    (text, exit)
}

/// A question as it is asked.
pub(super) fn question(text: &mut String, request: &CompletionRequest) {
    for message in render(request) {
        let _ = writeln!(
            text,
            "--- {}\n{}",
            message.role.as_str(),
            message.content.trim_end()
        );
    }
    for image in &request.images {
        let _ = writeln!(text, "--- picture\n{}", image.in_words());
    }
    if let ResponseFormat::JsonSchema(schema) = &request.format {
        let _ = writeln!(text, "--- schema\n{:#}", schema.value());
    }
}

/// An answer, and who gave it.
pub(super) fn answer(text: &mut String, answer: &Answer) {
    let (kind, said) = match answer {
        Answer::Completion(completion) => (completion.model.as_str(), &completion.text),
        Answer::ContentFiltered(cause) => ("content filtered", cause),
        Answer::ContextTooLong(cause) => ("context too long", cause),
    };
    let _ = writeln!(text, "--- answer ({kind})\n{}\n", said.trim_end());
}

/// Holds what was made against the file.
fn compare(text: &mut String, replayed: &Recorded, made: &str) -> Exit {
    let path = &replayed.path;
    match &replayed.file {
        Some(file) if file == made.as_bytes() => {
            let _ = writeln!(text, "identical to {path}, {} bytes", made.len());
            Exit::Done
        }
        Some(file) => {
            let file = String::from_utf8_lossy(file);
            let diff = TextDiff::from_lines(file.as_ref(), made);
            let _ = writeln!(text, "not what {path} holds:");
            let _ = write!(text, "{}", diff.unified_diff().header(path, "replay"));
            Exit::Partial
        }
        None => {
            let _ = writeln!(text, "{path} is missing; it would be:\n{made}");
            Exit::Partial
        }
    }
}
