//! `batchgen dev`: makes a few records again each time that a prompt, a component, the data or a plugin is saved, and shows what has
//! changed in their files.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;
use similar::TextDiff;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{BatchArgs, LimitArgs, ProjectArgs, SelectionArgs, WatchArgs};
use super::display::{Display, say};
use super::execution::{Wanted, execute, not_served};
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::{Project, State, block_on};
use super::watched::{LOOK, WatchedFiles};
use super::{config_file, settings};
use config::component::Component;
use config::{Config, HooksConfig, PromptSource, component_file};
use gateway::settings::Mode;
use watch::{Changes, RoundsPage};

/// Make a few records again each time that a prompt, a component, the data or a plugin is saved, and show what changes in
/// their files. It ends with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen dev                              # three records, spread over the categories
  batchgen dev --record oak --component text
  batchgen dev --model openai/gpt-4o-mini --max-cost 0.10
  batchgen dev --dashboard                  # shows the changes on a page, too

Files go where `batchgen run` puts them, and answers that were paid for are kept: a text that is edited back costs nothing. \
Each round may cost what --max-cost says.

Exit codes: 0 ended by Ctrl-C, 2 usage.")]
pub(super) struct DevArgs {
    /// Replace files that were edited by hand, instead of keeping them
    #[arg(long)]
    overwrite_edited: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Records of a round, where it is not said how many.
const RECORDS: u64 = 3;
/// Lines of a new file that are shown.
const LINES: usize = 40;

/// Runs the subcommand.
pub(super) fn perform(args: &DevArgs, display: &Display) -> Result<Exit, Failure> {
    let mut selection = args.selection.clone();
    if selection.record.is_empty() && selection.limit.is_none() && selection.sample.is_none() {
        selection.sample = Some(RECORDS);
    }
    let address = args.watch.dashboard.as_ref();
    let page = address
        .map(|address| RoundsPage::start(address.clone()))
        .transpose()
        .map_err(|error| not_served(address, &error))?;
    let mut rounds = 0;
    let round = Round {
        args,
        page,
        selection,
        display,
    };
    let is_over = signals().map_err(Failure::internal)?;
    // What the last project that could be opened consists of: one that is broken tells less.
    let mut known = Vec::new();
    loop {
        // Before the round, since what is saved meanwhile makes the next one.
        let mut watched = round.watched(&mut known);
        let mut changes = Changes::default();
        match round.perform(&mut changes) {
            Ok(Exit::Interrupted) => return Ok(Exit::Done),
            Ok(_) => {}
            Err(failure) => {
                let error = format!("{:#}", failure.error);
                display.print(&format!("error: {error}"));
                changes.error = Some(error);
            }
        }
        rounds += 1;
        changes.rounds = rounds;
        if let Some(page) = &round.page {
            page.show(changes);
        }
        say("waiting for a change; Ctrl-C ends\n\n");
        if !next_change(&mut watched, &is_over) {
            return Ok(Exit::Done);
        }
    }
}

/// Waits for a change; `false` if the end was asked for before.
fn next_change(watched: &mut WatchedFiles, is_over: &AtomicBool) -> bool {
    while !is_over.load(Ordering::Relaxed) {
        if watched.have_changed() {
            return true;
        }
        thread::sleep(LOOK);
    }
    false
}

/// Whether Ctrl-C or SIGTERM came, from now on: in a round, which ends in order, or between two.
fn signals() -> anyhow::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let within = runtime.enter();
    let mut keyboard = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(within);
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = keyboard.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        told.store(true, Ordering::Relaxed);
    });
    Ok(is_over)
}

/// What is made in each round.
struct Round<'a> {
    args: &'a DevArgs,
    /// Where all rounds are shown, if they are.
    page: Option<RoundsPage>,
    selection: SelectionArgs,
    display: &'a Display,
}

impl Round<'_> {
    /// Everything that a person may save. `known` has the files that the configuration named when it could last be read.
    fn watched(&self, known: &mut Vec<PathBuf>) -> WatchedFiles {
        let named = self.args.project.place.config.as_deref();
        let file = config_file::find(named);
        let mut folders = Vec::new();
        if let Some(folder) = file.as_deref().and_then(|file| file.parent()) {
            folders.push((folder.join(component_file::FOLDER), "md"));
        }
        if let Ok(settings) = settings::Settings::resolve(&self.args.project) {
            let dataset = &settings.dataset;
            *known = prompts(&settings.config);
            known.extend(dataset.path.files().unwrap_or_default());
            for lookup in dataset.lookup.values() {
                known.extend(lookup.path.files().unwrap_or_default());
            }
            known.extend(dataset.categories_file.clone());
            known.retain(|file| file.is_file());
            folders.push((settings.plugins.directory, "wasm"));
        }
        let files = file.iter().chain(&*known).cloned().collect();
        WatchedFiles::new(files, folders)
    }

    fn perform(&self, changes: &mut Changes) -> Result<Exit, Failure> {
        let mut project = Project::open_with_input(&self.args.project, self.display)?
            .limited(&self.args.limits)?
            .asked_as(&BatchArgs {
                // Who waits for a diff does not wait for a batch.
                mode: Some(Mode::Online),
                ..BatchArgs::default()
            });
        // A try is nothing to publish. The next run tells the command what was made.
        project.settings.config.hooks = HooksConfig::default();
        let components = project.wanted(&self.selection)?;
        Project::compile(&components)?;
        block_on(self.run(&project, components, changes))
    }

    async fn run(
        &self,
        project: &Project,
        components: Vec<Component>,
        changes: &mut Changes,
    ) -> Result<Exit, Failure> {
        let state = State::open(project).await?;
        let selection = project.selection(&self.selection)?;
        let files = files(project, &state, state.select(&selection)?, &components)?;
        let root = &project.settings.config.output.directory;
        let texts = || -> BTreeMap<&File, Option<String>> {
            let text = |file: &File| fs::read_to_string(root.join(&file.path)).ok();
            files.iter().map(|file| (file, text(file))).collect()
        };
        let before = texts();
        let wanted = Wanted {
            unreadable: None,
            lease: state.select(&selection)?,
            components,
            limits: &self.args.limits,
            batches: &BatchArgs::default(),
            cluster: None,
            dashboard: None,
            rounds: self.page.as_ref(),
            overwrite_edited: self.args.overwrite_edited,
            only_chosen: false,
            stand_in_replaces: self.args.project.model.asks_for_stand_in(),
            frozen: false,
            most: None,
            json: false,
            only_end: false,
        };
        let exit = execute(project, &state, wanted, &self.display.quieted()).await?;
        changes.wanted = files.len() as u64;
        for (file, now) in texts() {
            let was = before.get(file).and_then(Option::as_deref);
            if let Some(now) = now.filter(|now| was != Some(now)) {
                let File {
                    path,
                    record,
                    component,
                } = file;
                changes.add(record, component, path, (was, &now));
                say(&change(path, was, &now));
            }
        }
        say(&format!(
            "{} of {} changed\n",
            counted(changes.changed, "file"),
            changes.wanted
        ));
        Ok(exit)
    }
}

/// The files of prompts that the configuration names.
fn prompts(config: &Config) -> Vec<PathBuf> {
    let components = config.component.values();
    let prompts = components.flat_map(|component| component.prompts.values());
    prompts
        .filter_map(|prompt| match prompt {
            PromptSource::File(file) => Some(file.clone()),
            PromptSource::Inline(_) => None,
        })
        .collect()
}

/// A file that a round may make.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct File {
    path: String,
    record: String,
    component: String,
}

/// All files that a round may make, in the order of records.
fn files(
    project: &Project,
    state: &State,
    mut lease: store::Lease,
    components: &[Component],
) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    loop {
        let records = state.store.lease(&mut lease, 256);
        let records = records.map_err(Failure::internal)?;
        if records.is_empty() {
            return Ok(files);
        }
        for reference in &records {
            // One that cannot be read is told by the run.
            let Ok(record) = project.dataset.read(reference.place) else {
                continue;
            };
            for component in components {
                files.push(File {
                    path: component.output.path(&record.id, &record.category),
                    record: record.id.clone(),
                    component: component.name.clone(),
                });
            }
        }
    }
}

/// What has changed in a file: the lines that differ, or the beginning of a file that is new.
fn change(path: &str, was: Option<&str>, now: &str) -> String {
    let Some(was) = was else {
        let mut text = format!("=== {path}: new\n");
        for line in now.lines().take(LINES) {
            text.push_str(line);
            text.push('\n');
        }
        let more = now.lines().count().saturating_sub(LINES);
        if more > 0 {
            text.push_str(&format!("... {} more\n", counted(more as u64, "line")));
        }
        return text + "\n";
    };
    let diff = TextDiff::from_lines(was, now);
    format!("=== {path}\n{}\n", diff.unified_diff().context_radius(2))
}
