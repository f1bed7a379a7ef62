//! `batchgen plugins update`: takes the newest plugins that the sources in `plugins.lock` mean.

use anyhow::anyhow;
use clap::Args;

use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::registries;
use super::super::trust;
use super::intake::{Consent, Intake};
use super::{Folder, FolderArgs};
use plugin::lock::{Fetched, Lock, Locked};
use registry::source::Source;
use types::suggest::closest;

/// Look again what the sources in plugins.lock mean, and take what is new there. Nothing else does this. Where a plugin may then read
/// or spend something else, that is shown, and wants your consent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins update
  batchgen plugins update safety-notes --yes")]
pub(super) struct UpdateArgs {
    /// This plugin; all that come from elsewhere where absent
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Take them even where they may do something else than before, without being asked
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &UpdateArgs, display: &Display) -> Result<Exit, Failure> {
    let folder = Folder::open_to_change(&args.folder)?;
    let lock = folder.lock.clone().unwrap_or_else(Lock::partial);
    let wanted = wanted(&lock, args.name.as_deref(), &folder)?;
    let mut intake = Intake::of(&folder)?;
    let consent = match args.yes {
        true => Consent::Given,
        false => Consent::Asked,
    };
    for (locked, from) in wanted {
        one(&mut intake, locked, from, consent, &folder, display)?;
    }
    intake.write()?;
    Ok(Exit::Done)
}

/// The plugins to look after.
fn wanted<'a>(
    lock: &'a Lock,
    name: Option<&str>,
    folder: &Folder,
) -> Result<Vec<(&'a Locked, &'a Fetched)>, Failure> {
    let all: Vec<_> = lock.fetched().collect();
    let names = || all.iter().map(|(locked, _)| locked.name.as_str());
    let file = folder.lock_file.display();
    if all.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no plugin comes from elsewhere, as far as {file} says\nhint: `batchgen plugins add` takes one"
        )));
    }
    let Some(name) = name else {
        return Ok(all);
    };
    match all.iter().find(|(locked, _)| locked.name == name) {
        Some(found) => Ok(vec![*found]),
        None => {
            let meant = closest(name, names())
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default();
            Err(Failure::usage(anyhow!(
                "no plugin `{name}` comes from elsewhere, as far as {file} says\nhint: {meant}these do: {}",
                names().collect::<Vec<_>>().join(", ")
            )))
        }
    }
}

fn one(
    intake: &mut Intake<'_>,
    locked: &Locked,
    from: &Fetched,
    consent: Consent,
    folder: &Folder,
    display: &Display,
) -> Result<(), Failure> {
    let source: Source = from.source.parse().map_err(Failure::usage)?;
    let name = &locked.name;
    if source.is_pinned() {
        display.note(&format!(
            "{name} {}: its source names it by a digest, so that it stays the same",
            locked.version
        ));
        return Ok(());
    }
    let config = folder.config_file.as_deref();
    // The person's own settings say where packages are.
    if !matches!(source, Source::Package(_)) {
        let asked = [(name.as_str(), source.place())];
        trust::check_places(&asked, &folder.lock_file, config, display).map_err(Failure::usage)?;
    }
    let found = registries::with_client(|client| {
        let release = client.resolve(&source)?;
        if release.digest == Some(locked.digest) {
            return Ok(None);
        }
        let bytes = client.fetch(&release)?;
        Ok(Some((release, bytes)))
    })?;
    let Some((release, bytes)) = found else {
        display.note(&format!("{name} {}: nothing is new", locked.version));
        return Ok(());
    };
    let plugin = intake.plugin(&bytes)?;
    if plugin.digest == locked.digest {
        display.note(&format!("{name} {}: nothing is new", locked.version));
        return Ok(());
    }
    let about = &plugin.package.manifest.plugin;
    if about.name != *name {
        return Err(Failure::usage(anyhow!(
            "{source} is the plugin `{}` now, and was `{name}`\nhint: nothing was changed; `batchgen plugins add {source}` takes it as a plugin of its own",
            about.name
        )));
    }
    intake.take(&plugin, &source, &release, consent, display)?;
    let place = release.address.place();
    if let Err(error) = trust::allow_place(name, &place, &folder.lock_file, config) {
        display.print(&format!("warning: {error:#}"));
    }
    display.note(&format!(
        "{name} {} -> {} from {}",
        locked.version, about.version, release.address
    ));
    Ok(())
}
