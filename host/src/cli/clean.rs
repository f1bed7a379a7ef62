//! `batchgen clean`: lists files that no task makes any more, and removes them on request.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::args::ProjectArgs;
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::project::{Project, State, block_on};
use engine::{Standing, remove, standing};
use store::{Orphan, OrphanCount, OrphanReason, Store, TaskId};

/// List orphans, the files that no task makes any more. Flags remove them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen clean                        # only lists
  batchgen clean --deleted --moved

A file that was edited by hand is listed and kept, unless --force is given. Answers that were paid \
    for stay in the journal.\n\nExit codes: 0 done, 2 usage or configuration, 3 a file could not be removed.")]
pub(super) struct CleanArgs {
    /// Remove files of records that are no longer in the dataset
    #[arg(long)]
    deleted: bool,
    /// Remove files of components that are no longer in the project
    #[arg(long)]
    dropped: bool,
    /// Remove files at paths that their component no longer writes to
    #[arg(long)]
    moved: bool,
    /// Remove files that were edited by hand, too
    #[arg(long)]
    force: bool,
    /// Print a line of JSON for each file
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Files that are looked at together.
const BATCH: u64 = 1000;

/// Runs the subcommand.
pub(super) fn perform(args: &CleanArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    block_on(clean(args, display, project))
}

async fn clean(args: &CleanArgs, display: &Display, project: Project) -> Result<Exit, Failure> {
    let only_lists = !(args.deleted || args.dropped || args.moved);
    let tells = args.json || only_lists || !display.is_quiet();
    let State { store, indexed } = State::open(&project).await?;
    let root = &project.settings.config.output.directory;
    let names = project.known_components();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (why, removes) in [
        (OrphanReason::Deleted, args.deleted),
        (OrphanReason::Dropped, args.dropped),
        (OrphanReason::Moved, args.moved),
    ] {
        let mut after = (String::new(), String::new());
        loop {
            let batch = store
                .orphans(
                    indexed.id,
                    why,
                    names.as_deref(),
                    (&after.0, &after.1),
                    BATCH,
                )
                .map_err(Failure::internal)?;
            let Some(last) = batch.last() else { break };
            after = match why {
                OrphanReason::Moved => (last.path.clone(), String::new()),
                OrphanReason::Deleted | OrphanReason::Dropped => {
                    (last.record.clone(), last.component.clone())
                }
            };
            let mut gone = Vec::new();
            for orphan in batch {
                let found = standing(root, &project.components, &orphan);
                let wanted = match &found {
                    Ok(Standing::Intact) => removes,
                    Ok(Standing::Edited) => removes && args.force,
                    _ => false,
                };
                if wanted && matches!(found, Ok(Standing::Edited)) {
                    keep_text(&store, indexed.id, root, &orphan).await?;
                }
                let done = match found {
                    Ok(_) if wanted => remove(root, &orphan).map(|()| "removed"),
                    Ok(Standing::Intact) => Ok("kept"),
                    Ok(Standing::Edited) => Ok("kept, edited by hand"),
                    Ok(Standing::Gone) => Ok("gone"),
                    Ok(Standing::InUse) => continue,
                    Ok(Standing::Outside) => Ok("kept, outside the output directory"),
                    Err(error) => Err(error),
                };
                let done = done.unwrap_or_else(|error| {
                    display.print(&format!(
                        "error: cannot remove {}: {error}\nhint: check who may write to its directory",
                        root.join(&orphan.path).display()
                    ));
                    "failed"
                });
                *counts.entry(done).or_default() += 1;
                if tells {
                    tell(&orphan, done, args.json);
                }
                if removes && matches!(done, "removed" | "gone") {
                    gone.push(orphan);
                }
            }
            store
                .forget(indexed.id, gone)
                .await
                .map_err(Failure::internal)?;
        }
    }
    if !args.json {
        let parts: Vec<String> = counts
            .iter()
            .map(|(done, count)| format!("{count} {done}"))
            .collect();
        let text = if parts.is_empty() {
            "no file is left over".to_owned()
        } else if !only_lists {
            parts.join("; ")
        } else {
            format!(
                "{}\nnothing was removed: --deleted, --dropped and --moved do that",
                parts.join("; ")
            )
        };
        display.say(&format!("{text}\n"));
    }
    Ok(if counts.contains_key("failed") {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Keeps the text of an edit that is about to be removed.
async fn keep_text(
    store: &Store,
    dataset: i64,
    root: &Path,
    orphan: &Orphan,
) -> Result<(), Failure> {
    // What cannot be read cannot be kept; whether it can be removed is seen next.
    let Ok(text) = fs::read(root.join(&orphan.path)) else {
        return Ok(());
    };
    let task = TaskId {
        dataset,
        record: orphan.record.clone(),
        component: orphan.component.clone(),
    };
    store
        .keep_edit(&task, &orphan.path, text)
        .await
        .map_err(Failure::internal)
}

fn tell(orphan: &Orphan, done: &str, as_json: bool) {
    if as_json {
        emit(&json!({
            "path": orphan.path,
            "record": orphan.record,
            "component": orphan.component,
            "why": word(orphan.why),
            "done": done,
        }));
    } else {
        let why = word(orphan.why);
        say(&format!("{why:8} {} ({done})\n", orphan.path));
    }
}

/// The cause in a word: the name of the flag that removes its files.
fn word(why: OrphanReason) -> &'static str {
    match why {
        OrphanReason::Deleted => "deleted",
        OrphanReason::Dropped => "dropped",
        OrphanReason::Moved => "moved",
    }
}

/// What a run or a dry run says about files that are left over.
pub(super) fn notice(counts: &[OrphanCount]) -> String {
    counts
        .iter()
        .map(|count| {
            let of = match count.why {
                OrphanReason::Deleted => "that are no longer in the dataset",
                OrphanReason::Dropped => "by components that are no longer in the project",
                OrphanReason::Moved => "at paths that are no longer written to",
            };
            let flag = word(count.why);
            let files = plural(count.files, "file");
            let records = plural(count.records, "record");
            format!("{files} of {records} {of}: `batchgen clean` lists them, `batchgen clean --{flag}` removes them\n")
        })
        .collect()
}

fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// The same as JSON.
pub(super) fn counts(counts: &[OrphanCount]) -> serde_json::Value {
    let entry = |count: &OrphanCount| {
        let numbers = json!({"files": count.files, "records": count.records});
        (word(count.why).to_owned(), numbers)
    };
    serde_json::Value::Object(counts.iter().map(entry).collect())
}
