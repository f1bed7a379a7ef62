//! `batchgen plugins add`: takes a plugin from elsewhere into the project.

use anyhow::anyhow;
use clap::Args;

use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::registries;
use super::super::trust;
use super::intake::{Consent, Intake};
use super::{Folder, FolderArgs};
use registry::source::Source;

/// Take a plugin from a registry or an address: it is fetched, and plugins.lock says from then on exactly which one is used. What it
/// may read and spend is shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins add oci:ghcr.io/acme/safety-notes:1.2.0
  batchgen plugins add https://example.org/safety-notes.wasm
  batchgen plugins add acme:safety-notes@1.2      # where wasm-pkg/config.toml says which registry acme has

A private registry is asked with the login of `docker login`, or of DOCKER_AUTH_CONFIG.")]
pub(super) struct AddArgs {
    /// oci:REGISTRY/NAME:TAG, oci:REGISTRY/NAME@sha256:DIGEST, https://ADDRESS or NAMESPACE:NAME@VERSION
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Take it in place of one of its name that may do something else, without being asked
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &AddArgs, display: &Display) -> Result<Exit, Failure> {
    let source: Source = args.source.parse().map_err(Failure::usage)?;
    let folder = Folder::open_to_change(&args.folder)?;
    let mut intake = Intake::of(&folder)?;
    let (release, bytes) = registries::with_client(|client| {
        let release = client.resolve(&source)?;
        let bytes = client.fetch(&release)?;
        Ok((release, bytes))
    })?;
    let plugin = intake.plugin(&bytes)?;
    let manifest = &plugin.package.manifest;
    let name = &manifest.plugin.name;
    let rival = folder.plugins.iter().find(|other| {
        let is_named = folder.places.named && other.package.manifest.plugin.name == *name;
        is_named && !intake.is_fetched(name) && other.digest != plugin.digest
    });
    if let Some(file) = rival.and_then(|rival| rival.origin.file()) {
        return Err(Failure::usage(anyhow!(
            "there is a plugin `{name}` already, {}\nhint: remove that file, and add this one again",
            file.display()
        )));
    }
    let consent = match args.yes {
        true => Consent::Given,
        false => Consent::Asked,
    };
    let place = release.address.place();
    intake.take(&plugin, &source, &release, consent, display)?;
    intake.write()?;
    let config = folder.config_file.as_deref();
    if let Err(error) = trust::allow_place(name, &place, &folder.lock_file, config) {
        display.print(&format!("warning: {error:#}"));
    }
    display.note(&format!(
        "added {name} {} from {} to {}",
        manifest.plugin.version,
        release.address,
        folder.lock_file.display()
    ));
    Ok(Exit::Done)
}
