//! `batchgen store push`: puts the state into storage that speaks the API of S3, for others to go on from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::anyhow;
use clap::Args;

use super::super::args::StateArgs;
use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::base::BaseNote;
use super::revision::{Content, KEPT, Latest, Place, Revision};
use super::{beside, bytes, places};
use objects::Address;
use store::HeldState;

/// Put the state where other machines can pull it. Refused if somebody else has pushed since this one was pulled.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store push s3://team/herbs/state

The variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL say how the \
    storage is reached. The files in the output directory are not a part of the state.")]
pub(super) struct PushArgs {
    /// Where to: s3://BUCKET/PATH
    #[arg(value_name = "ADDRESS")]
    address: String,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PushArgs, display: &Display) -> Result<Exit, Failure> {
    let (file, _) = places(&args.state)?;
    let place = Place::open(&args.address)?;
    let held = HeldState::take(&file).map_err(Failure::internal)?;
    let content = Content::of(&held).map_err(Failure::internal)?;
    let mut base = BaseNote::beside(&file, place.address());
    let latest = place.latest()?;
    if let Some(Latest { revision, .. }) = &latest {
        let is_same = revision.sha256 == content.sha256;
        if is_same || base.is_of(revision, &content) && base.is_unchanged(&content, revision) {
            base.set(revision, content.sha256)
                .map_err(Failure::internal)?;
            display.note(&format!(
                "nothing to push: {} has this state as {}",
                place.address(),
                revision.told()
            ));
            return Ok(Exit::Done);
        }
        if !base.is_of(revision, &content) {
            let is_changed = !base.is_unchanged(&content, revision);
            return Err(refused(place.address(), revision, &base, is_changed));
        }
    }
    let before = latest.as_ref().map(|latest| latest.revision.number);
    let number = before.or(base.number()).unwrap_or(0) + 1;
    let mut revision = Revision::next(number, content, &held);
    revision.beside = small_files(&file);
    place.upload(&held, &mut revision)?;
    base.begin(&revision).map_err(Failure::internal)?;
    if !place.switch(&revision, latest.as_ref())? {
        return Err(match place.latest()? {
            Some(latest) => refused(place.address(), &latest.revision, &base, true),
            None => Failure::usage(anyhow!(
                "{} was emptied meanwhile\nhint: push again",
                place.address()
            )),
        });
    }
    base.set(&revision, content.sha256)
        .map_err(Failure::internal)?;
    display.note(&format!(
        "pushed revision {number} to {}: {} in {}",
        place.address(),
        bytes(revision.bytes),
        bytes(revision.packed_bytes)
    ));
    if let Err(error) = place.tidy(number) {
        display.print(&format!(
            "warning: revisions before the last {KEPT} were not removed: {error}"
        ));
    }
    Ok(Exit::Done)
}

/// The small files that belong to a state.
fn small_files(state: &Path) -> BTreeMap<String, String> {
    let endings = beside::ENDINGS.into_iter();
    endings
        .filter_map(|ending| {
            let text = fs::read_to_string(beside::file(state, ending)).ok()?;
            Some((ending.to_owned(), text))
        })
        .collect()
}

fn refused(address: &Address, newest: &Revision, base: &BaseNote, is_changed: bool) -> Failure {
    let comes = match base.number() {
        Some(number) => format!("comes from revision {number}"),
        None => "does not come from there".to_owned(),
    };
    let hint = match is_changed {
        true => format!(
            "`batchgen store pull {address} --set-aside` takes that revision and keeps the answers of this state; then run and push"
        ),
        false => format!(
            "`batchgen store pull {address}` takes that revision; there is nothing new here"
        ),
    };
    Failure::usage(anyhow!(
        "{address} has {}, and this state {comes}: it is not pushed over that\nhint: {hint}",
        newest.told()
    ))
}
