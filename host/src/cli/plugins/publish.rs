//! `batchgen plugins publish`: puts a plugin into a registry.

use clap::Args;

use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::registries;
use super::FolderArgs;
use super::inspect::find;
use plugin::load::{Plugin, Port};
use registry::publish::Publication;
use registry::source::Source;

/// Put a plugin into a registry, as tools for WASM expect components there: `wkg` and `oras` can fetch it. A version that is
/// published is never replaced; other tags may be moved.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins publish safety-notes oci:ghcr.io/acme/safety-notes
  batchgen plugins publish safety-notes.wasm oci:localhost:5000/acme/safety-notes:next

The registry is asked with the login of `docker login`, or of DOCKER_AUTH_CONFIG.")]
pub(super) struct PublishArgs {
    /// The name of a plugin, or a .wasm file
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// Where to: oci:REGISTRY/NAME:TAG; the tag is the plugin's version where absent
    #[arg(value_name = "PLACE")]
    place: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PublishArgs, display: &Display) -> Result<Exit, Failure> {
    let plugin = find(&args.plugin, &args.folder, display)?;
    plugin.compile().map_err(Failure::usage)?;
    let about = &plugin.package.manifest.plugin;
    let image = Source::image(&args.place, &about.version).map_err(Failure::usage)?;
    let publication = publication(&plugin)?;
    let (address, was_there) =
        registries::with_client(|client| client.publish(&publication, &image))?;
    display.note(&match was_there {
        true => format!("oci:{image} is there already, and is the same: {address}"),
        false => format!(
            "published {} {} as oci:{image}, which is {address}",
            about.name, about.version
        ),
    });
    Ok(Exit::Done)
}

fn publication(plugin: &Plugin) -> Result<Publication<'_>, Failure> {
    let names = |ports: Vec<Port>| ports.into_iter().map(|port| port.name).collect();
    let about = &plugin.package.manifest.plugin;
    Ok(Publication {
        name: &about.name,
        version: &about.version,
        description: &about.description,
        imports: names(plugin.imports()),
        exports: names(plugin.exports()),
        bytes: plugin.origin.read().map_err(Failure::usage)?.into_owned(),
    })
}
