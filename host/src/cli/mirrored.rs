//! `[output] directory = "s3://BUCKET/PATH"`: the working copy beside the state, and how it is kept equal to that address.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;

use super::display::Display;
use super::environment::storage_variables;
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::{Project, State};
use super::settings::Settings;
use engine::Interrupt;
use mirror::{Mirror, MirrorError, Report, Seen, Terms, Uploads};
use objects::{Address, Bucket, ObjectError};
use store::Selection;
use tokio::sync::mpsc;

/// Records that are looked at together.
const RECORDS: u64 = 1000;

/// Where a person finds the files.
pub(super) fn shown(settings: &Settings) -> PathBuf {
    match &settings.storage {
        Some(address) => PathBuf::from(address.to_string()),
        None => settings.config.output.directory.clone(),
    }
}

/// Whether files can be put below an address.
pub(super) fn probe(address: &Address) -> Result<(), ObjectError> {
    mirror::probe(&Bucket::open(address, &storage_variables())?)
}

/// The working copy of a project and its address.
pub(super) struct Mirrored<'a> {
    mirror: Arc<Mirror>,
    display: &'a Display,
    patience: Duration,
}

impl<'a> Mirrored<'a> {
    /// Brings the working copy up to date with the address, if there is one, and says what others did there.
    pub fn look(
        project: &Project,
        state: &State,
        display: &'a Display,
    ) -> Result<Option<Mirrored<'a>>, Failure> {
        let Some(address) = &project.settings.storage else {
            return Ok(None);
        };
        let mirror = Mirror::open(address, &storage_variables(), state.store.clone());
        let mirror = mirror.map_err(failure)?;
        let mut seen = mirror.look().map_err(failure)?;
        if seen.strangers > 0 {
            claim(project, state, &mirror, &mut seen)?;
        }
        tell_seen(&mirror, &seen, display);
        Ok(Some(Mirrored {
            mirror: Arc::new(mirror),
            display,
            patience: Duration::from_secs(project.settings.config.retry.max_outage_seconds),
        }))
    }

    /// Begins to put what a run makes. Where the server takes nothing any more, the run is interrupted.
    pub fn follow(&self, interrupt: &Interrupt) -> Result<Following<'_>, Failure> {
        probe(self.mirror.address()).map_err(Failure::usage)?;
        let interrupt = interrupt.clone();
        let terms = self.terms(Some(&interrupt));
        let uploads = Uploads::start(Arc::clone(&self.mirror), terms, move || interrupt.throw());
        Ok(Following {
            mirrored: self,
            uploads,
        })
    }

    /// Makes the address equal to the working copy.
    pub fn settle(&self) -> Result<(), Failure> {
        let report = self.mirror.settle(&self.terms(None)).map_err(failure)?;
        self.tell(report)
    }

    fn terms(&self, interrupt: Option<&Interrupt>) -> Terms {
        let interrupt = interrupt.cloned();
        Terms {
            // Only a run waits for a server that was there a moment ago.
            patience: match &interrupt {
                Some(_) => self.patience,
                None => Duration::ZERO,
            },
            is_stopped: Box::new(move || interrupt.as_ref().is_some_and(Interrupt::is_thrown)),
        }
    }

    /// Says what was done there.
    fn tell(&self, report: Report) -> Result<(), Failure> {
        let address = self.mirror.address();
        for (path, aside) in &report.names {
            self.display.print(&format!(
                "warning: {} was written by somebody else meanwhile: that stays, and what was made here lies in {}\nhint: look at it; \
                 `batchgen accept` adopts it, `batchgen run --overwrite-edited` replaces it",
                address.below(path),
                aside.display()
            ));
        }
        let others = report.edited.saturating_sub(report.names.len() as u64);
        if others > 0 {
            self.display.print(&format!(
                "warning: and so were {}",
                counted(others, "other file")
            ));
        }
        if report.put + report.removed > 0 {
            let removed = match report.removed {
                0 => String::new(),
                removed => format!(", {removed} removed"),
            };
            self.display.note(&format!(
                "{address}: {} put{removed}",
                counted(report.put, "file")
            ));
        }
        match report.failed {
            None => Ok(()),
            Some(error) => Err(Failure {
                error: not_there(&error.to_string(), report.left),
                exit: Exit::Usage,
            }),
        }
    }
}

/// Why files are not at their address, how many, and what to do.
fn not_there(error: &str, left: u64) -> anyhow::Error {
    let (cause, remedy) = error.split_once("\nhint: ").unwrap_or((error, "try again"));
    let left = match left {
        1 => "1 file is not there yet, and lies".to_owned(),
        left => format!("{left} files are not there yet, and lie"),
    };
    anyhow!(
        "{cause}; {left} in the working copy\nhint: {remedy}; the next run puts what is missing there and asks nothing for that"
    )
}

/// A run whose files are put where they belong.
pub(super) struct Following<'a> {
    mirrored: &'a Mirrored<'a>,
    uploads: Uploads,
}

impl Following<'_> {
    /// Takes the paths of files that are durable.
    pub fn queue(&self) -> mpsc::Sender<Vec<String>> {
        self.uploads.queue()
    }

    /// Puts the rest, and makes the address equal to the working copy.
    pub fn finish(self, interrupt: &Interrupt) -> Result<(), Failure> {
        let Following { mirrored, uploads } = self;
        let finish = || -> Result<Report, MirrorError> {
            let mut report = uploads.finish();
            if report.failed.is_none() {
                report.add(mirrored.mirror.settle(&mirrored.terms(Some(interrupt)))?);
            }
            Ok(report)
        };
        let report = tokio::task::block_in_place(finish).map_err(failure)?;
        mirrored.tell(report).map_err(|failure| Failure {
            error: match interrupt.is_thrown() {
                true => anyhow!("the run stopped: {}", failure.error),
                false => failure.error,
            },
            ..failure
        })
    }
}

/// Takes the objects that others put where a task of this project writes.
fn claim(
    project: &Project,
    state: &State,
    mirror: &Mirror,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let mut lease = state.select(&Selection::default())?;
    loop {
        let records = state.store.lease(&mut lease, RECORDS);
        let records = records.map_err(Failure::internal)?;
        if records.is_empty() {
            return Ok(());
        }
        let paths = records.iter().flat_map(|record| {
            let components = project.components.iter();
            components.map(|component| component.output.path(&record.id, &record.category))
        });
        mirror.claim(paths.collect(), seen).map_err(failure)?;
    }
}

fn failure(error: MirrorError) -> Failure {
    match error {
        MirrorError::Store(error) => Failure::internal(error),
        error => Failure::usage(error),
    }
}

/// Says what others did at the address.
fn tell_seen(mirror: &Mirror, seen: &Seen, display: &Display) {
    let address = mirror.address();
    if seen.fetched > 0 {
        display.note(&format!(
            "{address}: {} fetched",
            counted(seen.fetched, "file")
        ));
    }
    if seen.edited > 0 {
        let more = match seen.edited > seen.names.len() as u64 {
            true => ", …",
            false => "",
        };
        display.note(&format!(
            "{address}: {} written there by somebody else: {}{more}",
            counted(seen.edited, "file"),
            seen.names.join(", ")
        ));
    }
    if seen.deleted > 0 {
        display.note(&format!(
            "{address}: {} removed there by somebody else",
            counted(seen.deleted, "file")
        ));
    }
    for aside in &seen.aside {
        display.print(&format!(
            "warning: {} gave way to what is at {address}, and nothing else has it",
            aside.display()
        ));
    }
    if seen.claimed > 0 {
        display.print(&format!(
            "warning: {address} has {} where tasks of this project write, and it did not put them there: they count as edits, and stay\nhint: \
             give each project an address of its own; `batchgen accept` adopts them, `batchgen run --overwrite-edited` replaces them",
            counted(seen.claimed, "object")
        ));
    }
}
