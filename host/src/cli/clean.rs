//! `batchgen clean`: lists files that no task makes any more, and removes them on request.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::args::ProjectArgs;
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::mirrored::Mirrored;
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
    let state = State::open(&project).await?;
    let mirrored = Mirrored::look(&project, &state, display)?;
    let State { store, indexed } = state;
    let names = project.known_components();
    let mut cleaning = Cleaning {
        args,
        display,
        project: &project,
        store: &store,
        dataset: indexed.id,
        tells: args.json || only_lists || !display.is_quiet(),
        counts: BTreeMap::new(),
    };
    for (why, removes) in [
        (OrphanReason::Deleted, args.deleted),
        (OrphanReason::Dropped, args.dropped),
        (OrphanReason::Moved, args.moved),
    ] {
        let mut after = (String::new(), String::new());
        loop {
            let place = (after.0.as_str(), after.1.as_str());
            let batch = store
                .orphans(indexed.id, why, names.as_deref(), place, BATCH)
                .map_err(Failure::internal)?;
            let Some(last) = batch.last() else { break };
            after = match why {
                OrphanReason::Moved => (last.path.clone(), String::new()),
                OrphanReason::Deleted | OrphanReason::Dropped => {
                    (last.record.clone(), last.component.clone())
                }
            };
            cleaning.batch(batch, removes).await?;
        }
    }
    if let Some(mirrored) = &mirrored
        && !only_lists
    {
        mirrored.settle()?;
    }
    if !args.json {
        display.say(&format!("{}\n", summary(&cleaning.counts, only_lists)));
    }
    Ok(if cleaning.counts.contains_key(&Done::Failed) {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// What was done with an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Failed,
    Gone,
    Kept,
    KeptEdited,
    KeptOutside,
    Removed,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Done::Failed => "failed",
            Done::Gone => "gone",
            Done::Kept => "kept",
            Done::KeptEdited => "kept, edited by hand",
            Done::KeptOutside => "kept, outside the output directory",
            Done::Removed => "removed",
        }
    }
}

/// A walk through the orphans of a project.
struct Cleaning<'a> {
    args: &'a CleanArgs,
    display: &'a Display,
    project: &'a Project,
    store: &'a Store,
    dataset: i64,
    /// Whether each file is told.
    tells: bool,
    counts: BTreeMap<Done, u64>,
}

impl Cleaning<'_> {
    /// Lists some orphans, and removes them if that is asked for.
    async fn batch(&mut self, batch: Vec<Orphan>, removes: bool) -> Result<(), Failure> {
        let mut forgotten = Vec::new();
        for orphan in batch {
            let Some(done) = self.orphan(&orphan, removes).await? else {
                continue;
            };
            *self.counts.entry(done).or_default() += 1;
            if self.tells {
                tell(&orphan, done, self.args.json);
            }
            if removes && matches!(done, Done::Removed | Done::Gone) {
                forgotten.push(orphan);
            }
        }
        let forget = self.store.forget(self.dataset, forgotten);
        forget.await.map_err(Failure::internal)
    }

    /// What becomes of one orphan; nothing for a file that a component writes to now.
    async fn orphan(&self, orphan: &Orphan, removes: bool) -> Result<Option<Done>, Failure> {
        let root = &self.project.settings.config.output.directory;
        let found = standing(root, &self.project.components, orphan);
        let done = match found {
            Ok(Standing::InUse) => return Ok(None),
            Ok(Standing::Intact) if removes => remove(root, orphan).map(|()| Done::Removed),
            Ok(Standing::Edited) if removes && self.args.force => {
                keep_text(self.store, self.dataset, root, orphan).await?;
                remove(root, orphan).map(|()| Done::Removed)
            }
            Ok(Standing::Intact) => Ok(Done::Kept),
            Ok(Standing::Edited) => Ok(Done::KeptEdited),
            Ok(Standing::Gone) => Ok(Done::Gone),
            Ok(Standing::Outside) => Ok(Done::KeptOutside),
            Err(error) => Err(error),
        };
        Ok(Some(done.unwrap_or_else(|error| {
            self.display.print(&format!(
                "error: cannot remove {}: {error}\nhint: check who may write to its directory",
                root.join(&orphan.path).display()
            ));
            Done::Failed
        })))
    }
}

fn summary(counts: &BTreeMap<Done, u64>, only_lists: bool) -> String {
    if counts.is_empty() {
        return "no file is left over".to_owned();
    }
    let parts = counts
        .iter()
        .map(|(done, count)| format!("{count} {}", done.as_str()));
    let parts = parts.collect::<Vec<_>>().join("; ");
    if only_lists {
        format!("{parts}\nnothing was removed: --deleted, --dropped and --moved do that")
    } else {
        parts
    }
}

/// Keeps the text of an edit that is about to be removed.
async fn keep_text(
    store: &Store,
    dataset: i64,
    root: &Path,
    orphan: &Orphan,
) -> Result<(), Failure> {
    // What cannot be read cannot be kept; whether it can be removed is seen next.
    let Ok(text) = store::read_output(&root.join(&orphan.path)) else {
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

fn tell(orphan: &Orphan, done: Done, as_json: bool) {
    let done = done.as_str();
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
