//! `[hooks] after-run`: a command of the project that gets the files that were made since it last succeeded.
//!
//! Which files these are follows from the state, where each checkpoint has the number of its run. So a run that was killed, or a
//! command that failed, loses none: the next run tells them again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::display::Display;
use super::exit::Exit;
use super::numbers::counted;
use super::program;
use super::project::{Project, State};
use engine::Interrupt;

/// How long a command that was asked to end may take for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the command, if there is one and there are files for it. Gives how the program ends.
pub(super) async fn after_run(
    project: &Project,
    state: &State,
    exit: Exit,
    interrupt: &Interrupt,
    display: &Display,
) -> Exit {
    let hooks = &project.settings.config.hooks;
    let Some(command) = hooks.after_run.as_deref() else {
        return exit;
    };
    if exit == Exit::Interrupted {
        return exit;
    }
    let patience = Duration::from_secs(hooks.timeout_seconds);
    match perform(project, state, command, patience, interrupt).await {
        Ok(files) => {
            if files > 0 {
                display.note(&format!("{} told to `{command}`", counted(files, "file")));
            }
            exit
        }
        Err(error) => {
            display.print(&format!(
                "error: after the run: {error:#}\nhint: the files are there; the next `{} run` starts the command again with all of them",
                program::name()
            ));
            if exit == Exit::Done { Exit::Hook } else { exit }
        }
    }
}

/// How many files it was told.
async fn perform(
    project: &Project,
    state: &State,
    command: &str,
    patience: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<u64> {
    let told = Told::beside(&project.settings.config.state.file);
    let run = state.store.last_run()?;
    let dataset = state.indexed.id;
    let (list, files) = list(project, state, told.last(dataset))?;
    if files == 0 {
        return Ok(0);
    }
    let folder = &project.settings.config.folder;
    let child =
        start(command, folder, list).with_context(|| format!("cannot start `{command}`"))?;
    match wait(child, patience, interrupt).await? {
        Ended::ByItself(status) if status.success() => told.note(dataset, run)?,
        Ended::ByItself(status) => return Err(anyhow!("`{command}` failed: {status}")),
        Ended::TooLate => {
            let seconds = patience.as_secs();
            return Err(anyhow!(
                "`{command}` did not end within {seconds} s, and was ended"
            ));
        }
        Ended::Interrupted => return Err(anyhow!("`{command}` was interrupted")),
    }
    Ok(files)
}

/// The files as JSON Lines, in a file without a name: neither side waits for the other.
fn list(project: &Project, state: &State, after: i64) -> anyhow::Result<(File, u64)> {
    let output = std::path::absolute(&project.settings.config.output.directory)?;
    let mut out = BufWriter::new(tempfile::tempfile()?);
    let (mut files, mut failed) = (0, None);
    state.store.made_since(state.indexed.id, after, None, |file| {
        let line = json!({
            "path": output.join(&file.path).to_string_lossy(), "record": file.record, "component": file.component,
            "what": "made",
        });
        files += 1;
        failed = writeln!(out, "{line}").err();
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let mut list = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    list.seek(SeekFrom::Start(0))?;
    Ok((list, files))
}

/// A shell in the project's folder, in a group of its own, so that all that it starts can be ended with it. Standard output is
/// for events and data, so the command says on standard error what it says.
fn start(command: &str, folder: &Path, list: File) -> io::Result<Child> {
    let here = folder.as_os_str().is_empty();
    Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(if here { Path::new(".") } else { folder })
        .stdin(list)
        .stdout(Stdio::from(io::stderr()))
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// How a command ended.
enum Ended {
    ByItself(ExitStatus),
    TooLate,
    Interrupted,
}

/// Waits for the command, though not for ever, and ends it where it takes too long.
async fn wait(mut child: Child, patience: Duration, interrupt: &Interrupt) -> io::Result<Ended> {
    let mut thrown = interrupt.subscribe();
    let why = tokio::select! {
        status = child.wait() => return Ok(Ended::ByItself(status?)),
        () = sleep(patience) => Ended::TooLate,
        _ = thrown.wait_for(|thrown| *thrown) => Ended::Interrupted,
    };
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(group) = group {
            // One that has ended meanwhile is no fault.
            let _ = kill_process_group(group, signal);
        }
        if timeout(PATIENCE, child.wait()).await.is_ok() {
            break;
        }
    }
    Ok(why)
}

/// Up to which run the command was told its files, for each dataset of the state.
struct Told {
    note: PathBuf,
}

impl Told {
    fn beside(state: &Path) -> Told {
        let mut note = state.as_os_str().to_owned();
        note.push(".hook.json");
        Told { note: note.into() }
    }

    fn read(&self) -> BTreeMap<i64, i64> {
        let note = fs::read(&self.note).ok();
        note.and_then(|note| serde_json::from_slice(&note).ok())
            .unwrap_or_default()
    }

    fn last(&self, dataset: i64) -> i64 {
        self.read().get(&dataset).copied().unwrap_or(0)
    }

    fn note(&self, dataset: i64, run: i64) -> anyhow::Result<()> {
        let mut runs = self.read();
        runs.insert(dataset, run);
        let temporary = self.note.with_extension("json.tmp");
        store::write_private(&temporary, &serde_json::to_vec(&runs)?)
            .and_then(|()| fs::rename(&temporary, &self.note))
            .with_context(|| format!("cannot write {}", self.note.display()))
    }
}
