//! `batchgen store pull`: takes the state that somebody pushed, in the place of the one that is here.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::super::args::StateArgs;
use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::base::BaseNote;
use super::revision::{Content, Place, Revision};
use super::{beside, bytes, places};
use engine::note_files_of_others;
use objects::ObjectError;
use store::{HeldState, check_copy, files_that_differ, keep_answers};
use types::digest::Digest;

/// Files of the state before that are noted, so that they are not taken for edits.
const NOTED: usize = 10_000;
/// Times that the newest revision is looked up again because its state is gone: others push.
const TRIES: u32 = 3;

/// Take the state that was pushed last. Refused if the state here has changes that nobody pushed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store pull s3://team/herbs/state
  batchgen store pull s3://team/herbs/state --if-any

The variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL say how the \
    storage is reached. Files in the output directory stay; the next run makes what differs, and asks nothing for that.")]
pub(super) struct PullArgs {
    /// Where from: s3://BUCKET/PATH
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Where the state here has changes that nobody pushed: put it aside, and take its answers into the one that comes
    #[arg(long)]
    set_aside: bool,
    /// Do nothing where nothing was pushed yet
    #[arg(long)]
    if_any: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PullArgs, display: &Display) -> Result<Exit, Failure> {
    let (file, output) = places(&args.state)?;
    let place = Place::open(&args.address)?;
    let Some(latest) = place.latest()? else {
        return nothing(args, &place, display);
    };
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    if let Some(folder) = folder {
        let made = fs::create_dir_all(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))
            .map_err(Failure::internal)?;
    }
    let held = HeldState::take_place(&file).map_err(Failure::internal)?;
    let content = match held.is_there() {
        true => Some(Content::of(&held).map_err(Failure::internal)?),
        false => None,
    };
    let base = BaseNote::beside(&file, place.address());
    let mut here = Here {
        file,
        output,
        held,
        content,
        base,
    };
    let revision = latest.revision;
    if here.has(&revision) {
        if let Some(content) = here.content {
            let noted = here.base.set(&revision, content.sha256);
            noted.map_err(Failure::internal)?;
        }
        display.note(&format!(
            "nothing to pull: the state here is {}",
            revision.told()
        ));
        return Ok(Exit::Done);
    }
    if here.comes_from(&revision) {
        display.note(&format!(
            "nothing to pull: the state here comes from {}, and has changes that were not pushed",
            revision.told()
        ));
        return Ok(Exit::Done);
    }
    let is_ahead = here.is_ahead(&revision);
    if is_ahead && !args.set_aside {
        return Err(here.refused(&place, &revision));
    }
    let copy = Copy::fetch(&here, &place, revision)?;
    here.take(&copy, is_ahead, display)?;
    Ok(Exit::Done)
}

fn nothing(args: &PullArgs, place: &Place, display: &Display) -> Result<Exit, Failure> {
    let address = place.address();
    if args.if_any {
        display.note(&format!("nothing was pushed to {address} yet"));
        return Ok(Exit::Done);
    }
    Err(Failure::usage(anyhow!(
        "nothing was pushed to {address} yet\nhint: check the address; `batchgen store push {address}` makes the first revision, \
         and with --if-any this is no error"
    )))
}

/// The state of this project.
struct Here {
    file: PathBuf,
    output: PathBuf,
    held: HeldState,
    /// None where there is no state.
    content: Option<Content>,
    base: BaseNote,
}

impl Here {
    /// Whether the state is this revision.
    fn has(&self, revision: &Revision) -> bool {
        self.content.is_some_and(|content| {
            content.sha256 == revision.sha256
                || self.base.is_of(revision, &content) && self.base.is_unchanged(&content, revision)
        })
    }

    /// Whether the state comes from this revision.
    fn comes_from(&self, revision: &Revision) -> bool {
        self.content
            .is_some_and(|content| self.base.is_of(revision, &content))
    }

    /// Whether there are changes that nobody pushed.
    fn is_ahead(&self, newest: &Revision) -> bool {
        self.content
            .is_some_and(|content| !self.base.is_unchanged(&content, newest))
    }

    fn refused(&self, place: &Place, revision: &Revision) -> Failure {
        let address = place.address();
        let since = match self.base.number() {
            Some(number) => format!("since revision {number}"),
            None => "and does not come from there".to_owned(),
        };
        Failure::usage(anyhow!(
            "the state {} has changes that nobody pushed, {since}; {address} has {}\nhint: `batchgen store pull {address} \
             --set-aside` takes that revision, keeps the answers of this state, and puts this state aside",
            self.file.display(),
            revision.told()
        ))
    }

    /// Puts a copy in the place of the state.
    fn take(&mut self, copy: &Copy, is_ahead: bool, display: &Display) -> Result<(), Failure> {
        let Copy { revision, file } = copy;
        let kept = match is_ahead {
            true => {
                let answers = keep_answers(&self.file, file).map_err(Failure::internal)?;
                Some((self.aside(revision), answers))
            }
            false => None,
        };
        let here = match is_ahead {
            // The answers that were kept are to be pushed.
            true => revision.sha256,
            false => self.content_of(file)?.sha256,
        };
        if !is_ahead {
            let noted = self.base.expect(revision, here);
            noted.map_err(|error| self.unwritten(error))?;
        }
        let aside = kept.as_ref().map(|(path, _)| path.as_path());
        let outdated = self.install(revision, file, aside)?;
        let noted = self.base.set(revision, here);
        noted.map_err(|error| self.unwritten(error))?;
        display.note(&format!(
            "pulled {}: {} in {}",
            revision.told(),
            bytes(revision.bytes),
            bytes(revision.packed_bytes)
        ));
        if let Some((path, answers)) = kept {
            display.note(&format!(
                "{} of the state that was here went into it; all of that state is {} now",
                counted(answers, "answer"),
                path.display()
            ));
        }
        if outdated > 0 {
            display.note(&format!(
                "{} of the output are of the state before; the next run makes them again, and asks nothing for that",
                counted(outdated as u64, "file")
            ));
        }
        Ok(())
    }

    /// Puts a state in its place, with what belongs to it. Wherever this ends, the one or the other lies there and no file of the
    /// output is taken for an edit. How many files of the output are of the state before.
    fn install(
        &self,
        revision: &Revision,
        file: &Path,
        aside: Option<&Path>,
    ) -> Result<usize, Failure> {
        let unwritten = |error: io::Error| self.unwritten(error);
        let differing = self.differing(file)?;
        let outdated = differing.len();
        let came = revision.beside.get(beside::UNFINISHED);
        note_files_of_others(&self.file, came.map(String::as_str), differing).map_err(unwritten)?;
        // Without it, the command of `[hooks]` is told all files again, and never too few.
        let hook = beside::file(&self.file, beside::HOOK);
        match fs::remove_file(&hook) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(error)),
            _ => {}
        }
        let in_order = revision.in_order && (self.content.is_none() || self.held.is_in_order());
        self.held
            .replace(file, in_order, aside)
            .map_err(Failure::internal)?;
        if let Some(text) = revision.beside.get(beside::HOOK) {
            store::write_private(&hook, text.as_bytes()).map_err(unwritten)?;
        }
        Ok(outdated)
    }

    fn content_of(&self, file: &Path) -> Result<Content, Failure> {
        File::open(file)
            .and_then(|mut file| Content::copy(&mut file, &mut io::sink()))
            .map_err(|error| self.unwritten(error))
    }

    fn unwritten(&self, error: io::Error) -> Failure {
        let what = format!("cannot write beside the state {}", self.file.display());
        Failure::internal(anyhow::Error::new(error).context(what))
    }

    /// A name for the state that goes, which nothing has.
    fn aside(&self, revision: &Revision) -> PathBuf {
        let mut number = 1;
        loop {
            let ending = match number {
                1 => format!("before-{}", revision.number),
                number => format!("before-{}-{number}", revision.number),
            };
            let file = beside::file(&self.file, &ending);
            if !file.exists() {
                return file;
            }
            number += 1;
        }
    }

    /// Output files that are as the state here says, and not as the copy says.
    fn differing(&self, copy: &Path) -> Result<BTreeSet<(String, Digest)>, Failure> {
        let mut files = BTreeSet::new();
        if self.content.is_none() {
            return Ok(files);
        }
        let listed = files_that_differ(&self.file, copy, |path, content| {
            let is_there = || {
                let found = store::output_digest(&self.output.join(&path));
                found.is_ok_and(|found| found == content)
            };
            if files.len() < NOTED && is_there() {
                files.insert((path, content));
            }
        });
        listed.map_err(Failure::internal)?;
        Ok(files)
    }
}

/// A state that was fetched and found whole.
struct Copy {
    revision: Revision,
    file: PathBuf,
}

impl Copy {
    /// Fetches the newest revision beside the state.
    fn fetch(here: &Here, place: &Place, revision: Revision) -> Result<Copy, Failure> {
        let mut revision = revision;
        for _ in 0..TRIES {
            check_version(place, &revision)?;
            match place.download(&revision) {
                Ok(download) => {
                    let file = beside::file(&here.file, "pulled");
                    let copied = keep(download, &file, place, &revision);
                    if copied.is_err() {
                        // The next pull begins anew anyway.
                        let _ = fs::remove_file(&file);
                    }
                    copied?;
                    return Ok(Copy { revision, file });
                }
                Err(ObjectError::Missing { .. }) => match place.latest()? {
                    Some(latest) if latest.revision.number != revision.number => {
                        revision = latest.revision;
                    }
                    _ => break,
                },
                Err(error) => return Err(Failure::usage(error)),
            }
        }
        Err(Failure::usage(anyhow!(
            "{} has {}, whose state {} is gone\nhint: push a state that is whole, or take an older one from {0}/states",
            place.address(),
            revision.told(),
            revision.object
        )))
    }
}

/// Passes a revision whose state this program can use.
fn check_version(place: &Place, revision: &Revision) -> Result<(), Failure> {
    if revision.tables > store::TABLES_VERSION {
        return Err(Failure::usage(anyhow!(
            "{} has {} by {}, whose state has version {}, and this batchgen knows {}\nhint: use that batchgen, or a later one",
            place.address(),
            revision.told(),
            revision.program,
            revision.tables,
            store::TABLES_VERSION
        )));
    }
    Ok(())
}

/// Writes what comes, and passes it if it is the state that was pushed.
fn keep(
    download: impl Read,
    file: &Path,
    place: &Place,
    revision: &Revision,
) -> Result<(), Failure> {
    let damaged = |cause: &str| {
        Failure::usage(anyhow!(
            "the state {} of {} is damaged: {cause}\nhint: nothing was changed here; push a state that is whole, or take an older \
             one from {}/states",
            revision.object,
            revision.told(),
            place.address()
        ))
    };
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::internal)?;
    let unpacked = zstd::stream::read::Decoder::new(download).map_err(Failure::internal)?;
    // One byte more shows that there is more.
    let mut unpacked = unpacked.take(revision.bytes.saturating_add(1));
    let copied = Content::copy(&mut unpacked, &mut out).and_then(|content| {
        out.sync_all()?;
        Ok(content)
    });
    let content = match copied {
        Ok(content) => content,
        Err(error) if is_damage(&error) => return Err(damaged(&error.to_string())),
        Err(error) => return Err(Failure::internal(error)),
    };
    if (content.bytes, content.sha256) != (revision.bytes, revision.sha256) {
        return Err(damaged("its bytes are not those that were pushed"));
    }
    check_copy(file).map_err(Failure::internal)
}

/// Whether what was unpacked is at fault, and not the storage or the disk.
fn is_damage(error: &io::Error) -> bool {
    let is_of_storage = error
        .get_ref()
        .is_some_and(|inner| inner.is::<ObjectError>());
    !is_of_storage && error.raw_os_error().is_none()
}
